"""``python -m benchmarks``: runs the rows in turn with their rivals and writes ``benchmarks/results.md``.

Beside it: ``results.json`` with the same figures, ``concurrency.svg``, and ``capacity.md`` computed from them.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import nginx
from benchmarks.capacity import FIGURES, write_capacity
from benchmarks.load import Measured, apply_load
from benchmarks.network import PREFIX
from benchmarks.plot import draw
from benchmarks.rows import (
    ROWS,
    Comparison,
    bare,
    idle_memory_octets,
    memory_per_record,
    resolver,
    start_up_s,
    visit_all,
)
from benchmarks.several import idle_connections, restarts, two_workers

RESULTS = Path(__file__).parent / "results.md"
PLOT = Path(__file__).parent / "concurrency.svg"
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured."""

    runs: int
    seconds: float
    idle: int
    requests: int
    """With restarts of all workers meanwhile."""
    rolls: int
    records: int
    connections: tuple[int, ...]


FULL = Effort(7, 3.0, 10_000, 200_000, 10, 50_000, CONNECTIONS)
QUICK = Effort(3, 1.0, 1000, 4000, 2, 3000, (1, 8, 32, 128))

Fact = Callable[[Effort], tuple[str, dict[str, Any]]]


def main() -> None:
    """Measure what the command line names, all of it by default."""
    facts: dict[str, Fact] = {
        "workers": _workers,
        "idle": _idle,
        "restarts": _restarts,
        "memory": _memory,
        "start": _start,
        "plot": _plot,
    }
    known = [*ROWS, *facts]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(known)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="a few minutes, to see that it works: says little"
    )
    parser.add_argument("--runs", type=int, help=f"pairs of runs for each row; {FULL.runs} by default")
    parser.add_argument("--seconds", type=float, help=f"length of a run; {FULL.seconds:g} by default")
    parser.add_argument("--no-write", action="store_true", help="print the result and leave the files alone")
    options = parser.parse_args()
    wanted = options.rows or [name for name in known if not (options.quick and name == "warm-100000")]
    unknown = set(wanted) - set(known)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    effort = QUICK if options.quick else FULL
    given = {"runs": options.runs, "seconds": options.seconds}
    effort = dataclasses.replace(effort, **{name: value for name, value in given.items() if value})

    figures: dict[str, Any] = {"rows": {}, "load_before": os.getloadavg()[0]}
    rows = [_measure(name, effort, figures) for name in ROWS if name in wanted]
    said = []
    for name, fact in facts.items():
        if name in wanted:
            print(f"{name} …", flush=True)
            sentence, found = fact(effort)
            figures |= found
            said.append(f"- {sentence}")
    text = "\n".join([_machine(figures), "", *_table(rows), "", *said, ""])
    print("\n" + text)
    if options.no_write:
        return
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    picture = "\n![Throughput and latency over the number of connections](concurrency.svg)\n"
    RESULTS.write_text(
        f"# Measured\n\nWritten by `{command}`; `make bench` runs all of it.\n\n{text}"
        f"{picture if 'plot' in wanted else ''}",
        "utf-8",
    )
    if {"warm", "redis", "cold", "plot"} <= set(wanted):
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
        write_capacity(figures)


def _measure(name: str, effort: Effort, figures: dict[str, Any]) -> list[str]:
    row = ROWS[name]
    print(f"{row.name}, beside {row.rival_name} …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = row.measure(Path(folder), effort.runs, effort.seconds)
    _complain(row.name, found)
    ratio, p99 = found.ratio(), found.p99_ratio()
    figures["rows"][name] = {
        "ours": statistics.median(run.requests_per_s for run in found.ours),
        "rival": statistics.median(run.requests_per_s for run in found.rival),
        "ratio": ratio,
        "p99_ratio": p99,
        "cpu_ratio": found.cpu_ratio(),
    }
    shown = f"{ratio:.2f} of {row.at_least:g}"
    limit = f"{p99:.1f}" + (f" of at most {row.at_most_p99:g}" if row.at_most_p99 else "")
    return [
        row.name,
        row.rival_name,
        _rate(found.ours),
        _rate(found.rival),
        f"**{shown}**" if ratio >= row.at_least else shown,
        f"{_p99(found.ours)} / {_p99(found.rival)} = {limit}",
        f"{_cpu(found.ours)} / {_cpu(found.rival)} µs",
    ]


def _table(rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    head = [
        "what",
        "beside",
        "requests/s",
        "its requests/s",
        "ratio of aim",
        "99th percentile",
        "on a core, each",
    ]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


# --- sentences -------------------------------------------------------------------------------------------


def _workers(effort: Effort) -> tuple[str, dict[str, Any]]:
    mine, its = two_workers(effort.runs, effort.seconds)
    return (
        f"Two workers beside one, on one core, load from the other: {_rate(mine.ours)} and {_rate(mine.rival)} "
        f"requests/s, ratio {mine.ratio():.2f}; nginx {_rate(its.ours)} and {_rate(its.rival)}, ratio "
        f"{its.ratio():.2f}; a second worker is for a second core",
        {"two_workers_ratio": mine.ratio()},
    )


def _idle(effort: Effort) -> tuple[str, dict[str, Any]]:
    found = idle_connections(effort.idle, effort.seconds, effort.runs)
    return (
        f"{found.connections:,} connections kept open that were answered once: "
        f"{found.octets_each / 1024:.1f} KiB each; others see {_beside(found.seen)}; "
        f"of nginx {_beside(found.seen_of_nginx)}",
        {"idle_octets": found.octets_each, "idle_p50_ratio": found.seen.p50_ratio()},
    )


def _beside(seen: Comparison) -> str:
    """Say what was seen beside something and what without it."""
    p50 = [f"{statistics.median(run.p50_ms for run in runs):.2f}" for runs in (seen.ours, seen.rival)]
    return (
        f"{_rate(seen.ours)} requests/s beside them and {_rate(seen.rival)} without, ratio of pairs "
        f"{seen.ratio():.2f}; median {p50[0]} and {p50[1]} ms, ratio {seen.p50_ratio():.2f}; 99th percentile "
        f"{_p99(seen.ours)} and {_p99(seen.rival)}, ratio {seen.p99_ratio():.2f}"
    )


def _restarts(effort: Effort) -> tuple[str, dict[str, Any]]:
    mine, gunicorn = restarts(effort.requests, effort.rolls)
    sentence = (
        f"{mine.restarts} replacements of all 4 workers under load, a new connection for each request: "
        f"{mine.lost} of {mine.answered + mine.lost:,} requests lost"
    )
    if gunicorn is not None:
        sentence += (
            f"; gunicorn {importlib.metadata.version('gunicorn')}, bare aiohttp: {gunicorn.lost} of "
            f"{gunicorn.answered + gunicorn.lost:,}, {gunicorn.restarts} reloads"
        )
    return sentence, {"lost": mine.lost, "asked": mine.answered + mine.lost}


def _memory(effort: Effort) -> tuple[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        idle = idle_memory_octets(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        alone, with_answer = memory_per_record(Path(folder), effort.records)
    return (
        f"Memory: {idle / 2**20:.0f} MiB resident for an idle worker; {alone:.0f} octets for each remembered "
        f"record with one URL, {with_answer:.0f} together with its ready answer",
        {"idle_worker": idle, "record": alone, "record_and_answer": with_answer},
    )


def _start(effort: Effort) -> tuple[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        ours_s, bare_s = start_up_s(Path(folder), effort.runs)
    return f"From start to serving: {ours_s:.2f} s; bare aiohttp {bare_s:.2f} s", {"start_s": ours_s}


def _plot(effort: Effort) -> tuple[str, dict[str, Any]]:
    path = f"/{PREFIX}/"
    with (
        tempfile.TemporaryDirectory() as folder,
        resolver(Path(folder)) as mine,
        nginx.running_nginx() as its,
        bare("redirect") as plain,
    ):
        visit_all(mine.url, path, 1)
        subjects = {"handle-resolver": mine, "nginx": its, "bare aiohttp": plain}
        curves = {
            name: [(count, _middle(subject.url, path, count, effort)) for count in effort.connections]
            for name, subject in subjects.items()
        }
        size = _answer_octets(mine.url, path)
    draw(curves, PLOT)
    return (
        "Warm redirect over the number of connections: see the plot; an answer has "
        f"{size} octets, nginx's about 350",
        {"answer_octets": size},
    )


def _middle(url: str, path: str, connections: int, effort: Effort) -> Measured:
    runs = [apply_load(url, path, seconds=effort.seconds, connections=connections) for _ in range(3)]
    return sorted(runs, key=lambda run: run.requests_per_s)[1]


def _answer_octets(url: str, path: str) -> int:
    import http.client

    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", f"{path}0")
    answer = connection.getresponse()
    head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + 22
    size = head + len(answer.read())
    connection.close()
    return size


# --- beside the figures ----------------------------------------------------------------------------------


def _rate(runs: list[Measured]) -> str:
    rates = sorted(run.requests_per_s for run in runs)
    return f"{statistics.median(rates):,.0f} ({rates[0]:,.0f}-{rates[-1]:,.0f})"


def _p99(runs: list[Measured]) -> str:
    return f"{statistics.median(run.p99_ms for run in runs):.1f} ms"


def _cpu(runs: list[Measured]) -> str:
    return f"{statistics.median(run.cpu_us for run in runs):.1f}"


def _complain(name: str, found: Comparison) -> None:
    errors = sum(run.errors for run in (*found.ours, *found.rival))
    if errors:
        print(f"  {name}: {errors} requests failed", file=sys.stderr)


def _machine(figures: dict[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("aiohttp", "uvloop", "redis", "msgspec")
    )
    wrk = (
        subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
        .stdout.split("[")[0]
        .strip()
    )
    redis = shutil.which("redis-server")
    its = (
        subprocess.run([redis, "--version"], capture_output=True, text=True, check=False).stdout.split()[2]
        if redis
        else "none"
    )
    return (
        f"{datetime.now(UTC):%-d %B %Y}; {os.cpu_count()} cores ({_processor()}), {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {versions}, {nginx.version()}, Redis "
        f"{its.removeprefix('v=')}, {wrk}. One worker each, on one core; load from the other by `wrk -t1 -c32`, "
        "rotating over fifty sets of headers; medians of alternating runs, lowest and highest in brackets; ratios "
        f"are medians of pairs. Others used the machine meanwhile: load {figures['load_before']:.1f} before, "
        f"{os.getloadavg()[0]:.1f} at the end, our own included."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
