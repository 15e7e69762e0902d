"""``python -m benchmarks.batch``: how soon the lines of a batch of 1000 handles arrive.

Once with handles that nobody has asked for before, so that each is fetched from its server over the handle
protocol, and once with the same handles out of memory. Time counts from sending the request.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.network import PREFIX
from benchmarks.processes import running_network
from benchmarks.rows import ours

HANDLES = 1000
RESULTS = Path(__file__).parent / "batch.md"


@dataclass(frozen=True)
class Times:
    """Seconds from the request to the first line, and to the last."""

    first_s: float
    last_s: float


def main() -> None:
    """Measure in turn, and write ``benchmarks/batch.md``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    fetched, remembered = [], []
    numbers = itertools.count()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_network(Path(folder), HANDLES * (options.runs + 1)) as bootstrap,
        ours(bootstrap) as subject,
    ):
        for run in range(options.runs + 1):
            handles = [f"{PREFIX}/{next(numbers)}" for _ in range(HANDLES)]
            cold, warm = measure(subject.url, handles), measure(subject.url, handles)
            if run:  # in the first one, the prefix and its servers are not known yet
                fetched.append(cold)
                remembered.append(warm)
    lines = [
        "# How soon the lines of a batch arrive",
        "",
        f"Written by `python -m benchmarks.batch`: {HANDLES} handles in one request, {options.runs} runs, one worker.",
        "",
        "| handles | first line, ms: median | worst | last line, ms: median | worst | handles/s |",
        "|---|---|---|---|---|---|",
        _row("fetched from their server", fetched),
        _row("remembered", remembered),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    RESULTS.write_text(text, "utf-8")


def measure(url: str, handles: Sequence[str]) -> Times:
    """Send one batch, and take the time of its lines."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    body = json.dumps({"handles": handles}).encode()
    began = time.perf_counter()
    connection.request("POST", "/api/handles", body, {"Content-Type": "application/json"})
    with connection.getresponse() as answer:
        first = json.loads(answer.readline())
        first_s = time.perf_counter() - began
        found = [first, *map(json.loads, answer)]
        last_s = time.perf_counter() - began
    connection.close()
    assert {line["responseCode"] for line in found} == {1}
    assert sorted(line["handle"] for line in found) == sorted(handles)
    return Times(first_s, last_s)


def _row(name: str, times: Sequence[Times]) -> str:
    firsts = [1000 * found.first_s for found in times]
    lasts = [1000 * found.last_s for found in times]
    median = statistics.median(lasts)
    return (
        f"| {name} | {statistics.median(firsts):.1f} | {max(firsts):.1f} | {median:.0f} | {max(lasts):.0f} "
        f"| {1000 * HANDLES / median:.0f} |"
    )


if __name__ == "__main__":
    main()
