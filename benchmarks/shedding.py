"""``python -m benchmarks.shedding``: warm redirects while far too many visitors want what nobody knows.

The server of the handles takes half a second for each answer and is asked 32 questions at a time, so that it
can do 64 a second; 20 times as many come, each for a handle that nobody has asked for before. Each run with the crowd
is held against those without it before and after. What the crowd is told, and how soon, is asked of visitors of
another kind, without the load. The crowd, the load and the server of the handles share a core: so the load is one that
costs little to make.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.load import Measured, apply_constant_load
from benchmarks.network import PREFIX
from benchmarks.processes import pinned, python, running_network
from benchmarks.rows import ours
from benchmarks.visitors import CONNECTIONS
from resolver.transport.gate import MAX_RUNNING

DELAY_S = 0.5
CAPACITY = MAX_RUNNING / DELAY_S
TIMES = 20
SETTLE_S = 1.5
"""Before it is measured, for the crowd to have come, or for what it has left to be done."""


def main() -> None:
    """Measure in turn with and without the crowd."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shedding", description=__doc__)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument(
        "--connections",
        type=int,
        default=128,
        help="so many that there is always one to answer, though the crowd shares a core with who asks",
    )
    options = parser.parse_args()
    lasts_s = math.ceil(options.seconds + SETTLE_S + 1)
    each = int(CAPACITY * TIMES * (lasts_s + 1))
    # One crowd for each run, and the visitors at the end; the first handle is left to others.
    crowds = itertools.count(1, each)
    handles = 1 + (options.runs + 1) * each
    crowded: list[Measured] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_network(Path(folder), handles, delay_s=DELAY_S) as bootstrap,
        ours(bootstrap) as subject,
    ):

        def measure() -> Measured:
            return apply_constant_load(
                f"{subject.url}/{PREFIX}/0", seconds=options.seconds, connections=options.connections
            )

        measure()
        calm = [measure()]
        for _ in range(options.runs):
            command = _crowd(subject.url, lasts_s, next(crowds))
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as crowd:
                time.sleep(SETTLE_S)
                crowded.append(measure())
                crowd.wait(60)
            time.sleep(SETTLE_S)
            calm.append(measure())
        visitors = [
            "benchmarks.visitors",
            subject.url,
            str(CAPACITY * TIMES),
            str(lasts_s),
            str(next(crowds)),
        ]
        told = json.loads(subprocess.check_output(pinned(1, python(*visitors)), text=True, timeout=60))
    kept = [
        2 * run.requests_per_s / (before.requests_per_s + after.requests_per_s)
        for run, (before, after) in zip(crowded, itertools.pairwise(calm), strict=True)
    ]
    print(f"calm:    {_shown(calm)}")
    print(f"crowded: {_shown(crowded)}")
    print(
        f"warm redirects keep {statistics.median(kept):.0%} of their throughput "
        f"(median; {min(kept):.0%} to {max(kept):.0%})"
    )
    print(f"{CAPACITY * TIMES:.0f} cold requests a second: {told}")


def _crowd(url: str, seconds: int, first: int) -> list[str]:
    """Return the command of a crowd, which shares its core with the load."""
    script = str(Path(__file__).parent / "crowd.lua")
    options = [f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s", "-s", script, url, "--"]
    return pinned(1, ["wrk", *options, f"/{PREFIX}/", str(first), str(CAPACITY * TIMES), str(CONNECTIONS)])


def _shown(runs: list[Measured]) -> str:
    rates = [run.requests_per_s for run in runs]
    return (
        f"{statistics.median(rates):,.0f} requests/s ({min(rates):,.0f}-{max(rates):,.0f}), "
        f"p99 {statistics.median(run.p99_ms for run in runs):.1f} ms, "
        f"{sum(run.errors for run in runs)} errors"
    )


if __name__ == "__main__":
    main()
