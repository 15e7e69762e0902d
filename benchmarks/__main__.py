"""``python -m benchmarks``: runs the rows in turn with their rivals and writes ``benchmarks/results.md``."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Measured
from benchmarks.rows import ROWS, Comparison, idle_memory_octets, memory_per_record, start_up_s

RESULTS = Path(__file__).parent / "results.md"


def main() -> None:
    """Measure what the command line names, all of it by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}, memory, start; all by default"
    )
    parser.add_argument("--runs", type=int, default=7, help="pairs of runs for each row")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a run")
    parser.add_argument("--no-write", action="store_true", help="print the result and leave results.md alone")
    options = parser.parse_args()
    wanted = options.rows or [*ROWS, "memory", "start"]
    unknown = set(wanted) - {*ROWS, "memory", "start"}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    lines = [_machine(), "", *_table(wanted, options.runs, options.seconds), "", *_facts(wanted)]
    text = "\n".join(lines) + "\n"
    print("\n" + text)
    if not options.no_write:
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        RESULTS.write_text(f"# Measured\n\nWritten by `{command}`; `make bench` runs all of it.\n\n{text}")


def _table(wanted: Sequence[str], runs: int, seconds: float) -> list[str]:
    lines = [
        "| what | ours, requests/s | rival | its requests/s | ratio | p99 ours | p99 rival |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        if name not in wanted:
            continue
        print(f"{row.name} …", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            found = row.measure(Path(folder), runs, seconds)
        lines.append(
            f"| {row.name} | {_rate(found.ours)} | {row.rival_name} | {_rate(found.rival)} | **{found.ratio():.2f}** "
            f"| {_p99(found.ours)} | {_p99(found.rival)} |"
        )
        _complain(row.name, found)
    return lines


def _facts(wanted: Sequence[str]) -> list[str]:
    lines = []
    if "memory" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(
                f"- Memory of an idle worker: {idle_memory_octets(Path(folder)) / 2**20:.0f} MiB resident"
            )
        with tempfile.TemporaryDirectory() as folder:
            lines.append(
                f"- Memory for each remembered record with one URL: {memory_per_record(Path(folder)):.0f} octets"
            )
    if "start" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            ours_s, bare_s = start_up_s(Path(folder), 7)
        lines.append(f"- From start to serving: {ours_s:.2f} s; bare aiohttp {bare_s:.2f} s")
    return lines


def _rate(runs: list[Measured]) -> str:
    rates = sorted(run.requests_per_s for run in runs)
    return f"{statistics.median(rates):,.0f} ({rates[0]:,.0f}-{rates[-1]:,.0f})"


def _p99(runs: list[Measured]) -> str:
    return f"{statistics.median(run.p99_ms for run in runs):.1f} ms"


def _complain(name: str, found: Comparison) -> None:
    errors = sum(run.errors for run in (*found.ours, *found.rival))
    if errors:
        print(f"  {name}: {errors} requests failed", file=sys.stderr)


def _machine() -> str:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("aiohttp", "uvloop", "redis", "msgspec")
    )
    wrk = (
        subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
        .stdout.split("[")[0]
        .strip()
    )
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{versions}, {wrk}. One worker each, on one core; load from the other by `wrk -t1 -c32`; medians of "
        "alternating runs, lowest and highest in brackets; the ratio is the median of the pairs."
    )


if __name__ == "__main__":
    main()
