"""``python -m benchmarks.shedding``: warm redirects while far too many visitors want what nobody knows.

The server of the handles takes half a second for each answer and is asked 32 questions at a time, so that it
can do 64 a second; 20 times as many come. What the crowd is told, and how soon, is asked of visitors of another kind,
without the load.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.load import Measured, apply_load
from benchmarks.network import PREFIX
from benchmarks.processes import pinned, python, running_network
from benchmarks.rows import ours
from benchmarks.visitors import CONNECTIONS, HANDLES
from resolver.transport.gate import MAX_RUNNING

DELAY_S = 0.5
CAPACITY = MAX_RUNNING / DELAY_S
TIMES = 20
SETTLE_S = 2.0
"""Before it is measured, for the crowd to have come."""


def main() -> None:
    """Measure in turn with and without the crowd."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shedding", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    calm: list[Measured] = []
    crowded: list[Measured] = []
    told: list[dict[str, object]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_network(Path(folder), HANDLES, delay_s=DELAY_S) as bootstrap,
        ours(bootstrap) as subject,
    ):

        def measure() -> Measured:
            return apply_load(
                subject.url,
                f"/{PREFIX}/",
                seconds=options.seconds,
                connections=options.connections,
            )

        measure()
        lasts_s = options.seconds + SETTLE_S + 1
        for _ in range(options.runs):
            calm.append(measure())
            with subprocess.Popen(_crowd(subject.url, lasts_s), stdout=subprocess.DEVNULL) as crowd:
                time.sleep(SETTLE_S)
                crowded.append(measure())
                crowd.wait(60)
        visitors = python("benchmarks.visitors", subject.url, str(CAPACITY * TIMES), str(lasts_s))
        told.append(json.loads(subprocess.check_output(pinned(1, visitors), text=True, timeout=60)))
    ratio = statistics.median(a.requests_per_s / b.requests_per_s for a, b in zip(crowded, calm, strict=True))
    print(f"calm:    {_shown(calm)}")
    print(f"crowded: {_shown(crowded)}")
    print(f"warm redirects keep {ratio:.0%} of their throughput (median of pairs)")
    for one in told:
        print(f"{CAPACITY * TIMES:.0f} cold requests a second: {one}")


def _crowd(url: str, seconds: float) -> list[str]:
    """Return the command of a crowd that costs next to nothing: it shares its core with the load."""
    script = str(Path(__file__).parent / "crowd.lua")
    options = [f"-c{CONNECTIONS}", "-t1", f"-d{seconds:.0f}s", "-s", script, url, "--"]
    return pinned(1, ["wrk", *options, f"/{PREFIX}/", str(HANDLES), str(CAPACITY * TIMES), str(CONNECTIONS)])


def _shown(runs: list[Measured]) -> str:
    rates = [run.requests_per_s for run in runs]
    return (
        f"{statistics.median(rates):,.0f} requests/s ({min(rates):,.0f}-{max(rates):,.0f}), "
        f"p99 {statistics.median(run.p99_ms for run in runs):.1f} ms, "
        f"{sum(run.errors for run in runs)} errors"
    )


if __name__ == "__main__":
    main()
