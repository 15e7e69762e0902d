"""``python -m benchmarks.hostile_records``: what records that mean harm cost a worker, in CPU time.

Each record is served by a real handle server to a real worker, which answers for it as a redirect, as a page and
as JSON, every time with ``auth`` so that nothing comes out of a cache. What the worker's process used of the
processor is read from the kernel, so the octets' whole way is in the figure: socket, decoding, choice, answer.
A document that is refused must leave the URL beside it in force.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import statistics
import struct
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.network import PREFIX, write_records
from benchmarks.processes import Running
from benchmarks.rows import ours
from resolver.demo.network import HandleNetwork

RESULTS = Path(__file__).parent / "hostile_records.md"

LIMIT_MS = 50.0
"""What one request may cost."""

PLAIN = "https://repository.example.org/plain"
PLACE = '<location href="https://repository.example.org/place"/>'
SHORT_PLACE = '<location href="http://e.example/"/>'
HUGE_PREFIX = "20.500.778"
"""Its server answers with ten million octets, whatever it is asked."""

TEN_MILLION = 10_000_000


@dataclass(frozen=True)
class Hostile:
    """A record and where a visitor must end."""

    name: str
    values: tuple[tuple[str, str], ...]
    """Type and text of each value; a plain URL is added."""
    expected: str = PLAIN
    handle: str = ""


def _laughs() -> str:
    entities = "".join('<!ENTITY l%d "%s">' % (n, "&l%d;" % (n - 1) * 10) for n in range(1, 12))  # noqa: UP031
    return f'<!DOCTYPE l [<!ENTITY l0 "ha">{entities}]><l t="&l9;">{PLACE}</l>'


def _quadratic() -> str:
    return f'<!DOCTYPE l [<!ENTITY a "{"x" * 30_000}">]><l t="{"&a;" * 5_000}">{PLACE}</l>'


def _attributes() -> str:
    return "<l " + " ".join(f'a{n}=""' for n in range(15_000)) + "/>"


def _including(number: int) -> str:
    return f'<l include="{PREFIX}/recursive-{(number + 1) % 40}">{PLACE}</l>'


RECORDS = (
    Hostile("a plain URL, to compare with", ()),
    Hostile("10320/loc: a billion laughs", (("10320/loc", _laughs()),)),
    Hostile("10320/loc: quadratic entities", (("10320/loc", _quadratic()),)),
    Hostile("10320/loc: 5 000 places", (("10320/loc", f"<l>{SHORT_PLACE * 5_000}</l>"),)),
    Hostile(
        "10320/loc: 900 places, which is lawful",
        (("10320/loc", f"<l>{PLACE * 900}</l>"),),
        "https://repository.example.org/place",
    ),
    Hostile("10320/loc: 20 000 levels deep", (("10320/loc", "<l>" * 20_000),)),
    Hostile("10320/loc: 15 000 attributes", (("10320/loc", _attributes()),)),
    Hostile("10320/loc: 240 000 octets that are no XML", (("10320/loc", "<" * 240_000),)),
    Hostile(
        "10320/loc: includes that go in a circle of 40",
        (),
        "https://repository.example.org/place",
        "recursive-0",
    ),
    Hostile("URL of 240 000 octets", (("URL", "https://e.example/" + "x" * 240_000),)),
    Hostile("2 000 values", tuple(("DESC", f"value {n}") for n in range(2_000))),
    Hostile(
        "headers that would end the header",
        (
            ("10320/headers", "X-A: b\r\nSet-Cookie: c=d\r\n\r\n<script>"),
            ("10320/links", '<l><link href="https://e.example/&#10;X: y" rel="a&#13;b"/></l>'),
        ),
    ),
    Hostile("2 000 headers", (("10320/headers", "\n".join(f"X-{n}: {n}" for n in range(2_000))),)),
    Hostile("an answer of 10 000 000 octets", (), "502", f"{HUGE_PREFIX}/x"),
)


def _lines() -> Iterator[str]:
    """Write the records, each with a plain URL behind whatever it holds."""

    def line(handle: str, values: tuple[tuple[str, str], ...]) -> str:
        everything = [*values, ("URL", PLAIN)]
        shown = [
            {
                "index": number,
                "type": value_type,
                "data": {"format": "base64", "value": base64.b64encode(text.encode()).decode()},
                "ttl": 86400,
                "timestamp": "2026-01-01T00:00:00Z",
            }
            for number, (value_type, text) in enumerate(everything, 1)
        ]
        return json.dumps({"handle": f"{PREFIX}/{handle}", "values": shown}) + "\n"

    for number, record in enumerate(RECORDS):
        yield line(f"hostile-{number}", record.values)
    for number in range(40):
        yield line(f"recursive-{number}", (("10320/loc", _including(number)),))


async def _send_too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    question = await reader.readexactly(20)
    envelope = struct.pack(">BBHIIIi", 2, 11, 0, 0, struct.unpack(">I", question[8:12])[0], 0, TEN_MILLION)
    with contextlib.suppress(ConnectionError):
        writer.write(envelope + bytes(TEN_MILLION))
        await writer.drain()
    writer.close()


@contextlib.contextmanager
def _network(folder: Path) -> Iterator[Path]:
    """Run the network in a thread until the block ends; its bootstrap file."""
    bootstrap, ready, stop = folder / "bootstrap.json", threading.Event(), threading.Event()

    async def serve() -> None:
        too_much = await asyncio.start_server(_send_too_much, "127.0.0.1", 0)
        port = too_much.sockets[0].getsockname()[1]
        write_records(folder, 0, 86400)
        with (folder / "local.jsonl").open("a") as out:
            out.writelines(_lines())
        _delegate(folder / "root.jsonl", port)
        network = HandleNetwork(folder)
        await network.start()
        bootstrap.write_text(network.bootstrap_json())
        ready.set()
        await asyncio.to_thread(stop.wait)
        too_much.close()
        await network.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the handle network did not start")
        yield bootstrap
    finally:
        stop.set()
        thread.join()


def _delegate(root: Path, port: int) -> None:
    """Make the server that sends too much responsible for its prefix."""
    model = json.loads(root.read_text().splitlines()[1])
    model["handle"] = f"0.NA/{HUGE_PREFIX}"
    server = model["values"][0]["data"]["value"]["servers"][0]
    server["interfaces"] = [{"query": True, "admin": False, "protocol": "TCP", "port": port}]
    with root.open("a") as out:
        out.write(json.dumps(model) + "\n")


def _cpu_ms(pid: int) -> float:
    """Return what all threads of a process have used of the processor."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e6


def _ask(subject: Running, target: str) -> str:
    """Return where a request leads, or the status that it gets."""
    connection = http.client.HTTPConnection(subject.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        response.read()
        return response.getheader("Location") or str(response.status)
    finally:
        connection.close()


def _measure(subject: Running, number: int, record: Hostile, runs: int) -> tuple[bool, dict[str, float]]:
    handle = record.handle if "/" in record.handle else f"{PREFIX}/{record.handle or f'hostile-{number}'}"
    targets = {
        "redirect": f"/{handle}?auth",
        "page": f"/{handle}?auth&noredirect",
        "JSON": f"/api/handles/{handle}?auth",
    }
    is_right = _ask(subject, targets["redirect"]) == record.expected
    costs = {}
    for kind, target in targets.items():
        each = []
        for _ in range(runs):
            before = _cpu_ms(subject.pid)
            _ask(subject, target)
            each.append(_cpu_ms(subject.pid) - before)
        costs[kind] = statistics.median(each)
    return is_right, costs


def main() -> None:
    """Measure every record and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_records", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=15, help="requests for each figure, which is their median"
    )
    options = parser.parse_args()
    lines = ["| record | redirect, ms | page, ms | JSON, ms | right answer |", "|---|---|---|---|---|"]
    worst = 0.0
    with tempfile.TemporaryDirectory() as name, _network(Path(name)) as bootstrap, ours(bootstrap) as subject:
        _measure(subject, 0, RECORDS[0], options.runs)  # warms up
        for number, record in enumerate(RECORDS):
            is_right, costs = _measure(subject, number, record, options.runs)
            worst = max(worst, *costs.values())
            shown = " | ".join(f"{cost:.1f}" for cost in costs.values())
            lines.append(f"| {record.name} | {shown} | {'yes' if is_right else '**no**'} |")
            print(lines[-1], flush=True)
    text = (
        "# What hostile records cost\n\nWritten by `python -m benchmarks.hostile_records`: processor time of one "
        f"worker for one request, every time fetched anew from its server; the median of {options.runs}.\n\n"
        + "\n".join(lines)
        + f"\n\nThe dearest costs {worst:.1f} ms; the limit is {LIMIT_MS:.0f} ms.\n"
    )
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
