"""``python -m benchmarks.hardship``: what visitors notice of greedy others, of dying workers, of a failing Redis.

Beside it: what a memory keeps and costs under a flood of names, and what documents cost that are made to be dear.

Visitors come at fixed moments, whether or not those before them have been answered, and every time is counted
from the moment at which it was due, so that a pause is not hidden by visitors who wait for it to end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import resource
import signal
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.network import PREFIX
from benchmarks.processes import Running, memory_octets, python, running
from benchmarks.rows import resolver
from fuzz.corpus import inputs_of
from resolver.cache.entry import Absence, encode_entry
from resolver.cache.memory import MemoryCache
from resolver.config import Settings
from resolver.errors import MessageFormatError
from resolver.protocol.locations import decode_locations
from resolver.protocol.namespaces import decode_namespace
from soak.chaos import children_of
from tests.integration.hostile.cases import read_cases, record_of_case
from tests.redis_process import RedisProcess

RESULTS = Path(__file__).parent / "hardship.md"
HANDLES = 200
PATIENCE_S = 20.0
WORKERS = 4
SETTLE_S = 10.0
"""Before it is measured, for all greedy visitors to have come."""

GREEDY = {
    "5,000 idle": (5000, 0, 0),
    "500 that drip": (0, 500, 0),
    "300 that do not read": (0, 0, 300),
    "all of these": (5000, 500, 300),
}
"""How many are idle, drip, and do not read."""


@dataclass
class Seen:
    """What visitors saw."""

    answers: Counter[str] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the time below which this share of the answers lay."""
        return sorted(self.times_ms)[int(len(self.times_ms) * share)]

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(self.answers.items()))
        return f"{told} | {self.percentile(0.5):.1f} ms | {self.percentile(0.99):.1f} ms | {max(self.times_ms):.0f} ms"


class Visitors:
    """Visitors who come at a fixed rate, each over a connection of its own or all over kept ones."""

    def __init__(self, url: str, rate: float, *, keep: bool) -> None:
        where = urllib.parse.urlsplit(url)
        self._where = where.hostname or "", where.port or 0
        self._rate = rate
        self._keep = keep
        self._kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.seen = Seen()

    async def come(self, until: Callable[[], bool]) -> None:
        """Let them come until it is time."""
        began, sent = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            while not until():
                while sent < (time.perf_counter() - began) * self._rate:
                    group.create_task(self._visit(began + sent / self._rate, sent))
                    sent += 1
                await asyncio.sleep(0.002)
        for _, writer in self._kept:
            writer.close()

    async def _visit(self, due_at: float, number: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                name = await self._ask(f"/{PREFIX}/{number % HANDLES}?n={number}")
        except (OSError, EOFError, ValueError) as error:
            name = f"lost ({type(error).__name__})"
        self.seen.answers[name] += 1
        self.seen.times_ms.append((time.perf_counter() - due_at) * 1000)

    async def _ask(self, target: str) -> str:
        connection = self._kept.pop() if self._kept else await asyncio.open_connection(*self._where)
        reader, writer = connection
        closing = "" if self._keep else "Connection: close\r\n"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n{closing}\r\n".encode())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        except BaseException:
            writer.close()
            raise
        if self._keep and b"connection: close" not in head:
            self._kept.append(connection)
        else:
            writer.close()
        return head[9:12].decode()


@contextlib.contextmanager
def proxy(*options: str) -> Iterator[Running]:
    """Run ours over a network of its own, with all handles asked for once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        resolver(Path(folder), *options, handles=HANDLES) as subject,
    ):
        for number in range(HANDLES):
            with contextlib.suppress(urllib.error.HTTPError):
                _OPENER.open(f"{subject.url}/{PREFIX}/{number}", timeout=20).close()
        yield subject


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def after(seconds: float) -> Callable[[], bool]:
    """Return what tells whether so many seconds are over."""
    ends_at = time.monotonic() + seconds
    return lambda: time.monotonic() >= ends_at


# --- greedy visitors -------------------------------------------------------------------------------------


async def be_greedy(url: str, idle: int, slow: int, deaf: int) -> None:
    """Keep connections on which nothing comes, on which a head never ends, and on which nobody reads."""
    where = urllib.parse.urlsplit(url)
    address = where.hostname or "", where.port or 0

    async def hold(send: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(*address, limit=1)
                try:
                    await send(writer)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.5)

    async def nothing(writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"X-A: b\r\n")
            await writer.drain()
            await asyncio.sleep(1)

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # what kind of transport it is
        while True:
            writer.write(b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
            await writer.drain()
            await asyncio.sleep(0.1)

    print(f"greedy visitors at {url}", flush=True)
    async with asyncio.TaskGroup() as group:
        for send, count in ((nothing, idle), (drip, slow), (flood, deaf)):
            for _ in range(count):
                group.create_task(hold(send))


async def beside_greedy(seconds: float) -> list[str]:
    """Measure fifty good visitors a second without others, and beside thousands of greedy ones."""
    lines = []
    with proxy() as subject:
        before = memory_octets(subject.pid)
        alone = Visitors(subject.url, 50, keep=False)
        await alone.come(after(seconds))
        lines.append(f"| 50 visitors a second, alone | {alone.seen} |")
        for name, counts in GREEDY.items():
            with running(
                python("benchmarks.hardship", "--be-greedy", subject.url, *map(str, counts)), core=1
            ):
                await asyncio.sleep(SETTLE_S)
                beside = Visitors(subject.url, 50, keep=False)
                await beside.come(after(seconds))
                grown = (memory_octets(subject.pid) - before) / 2**20
            lines.append(f"| 50 a second beside {name} ({grown:+.0f} MiB) | {beside.seen} |")
    return lines


# --- workers that die ------------------------------------------------------------------------------------


async def killed_workers(kills: int) -> list[str]:
    """Kill one worker a second under two hundred visitors a second."""
    with proxy("--workers", str(WORKERS)) as subject:
        is_over = False
        visitors = Visitors(subject.url, 200, keep=False)
        coming = asyncio.get_running_loop().create_task(visitors.come(lambda: is_over))
        replaced_s, counted, metrics = [], 0.0, Counter[str]()
        try:
            for _ in range(kills):
                await asyncio.sleep(1)
                workers = set(children_of(subject.pid)[1:])
                killed = random.choice(sorted(workers))
                os.kill(killed, signal.SIGKILL)
                began = time.monotonic()
                await asyncio.to_thread(_wait_for_another, subject.pid, killed)
                replaced_s.append(time.monotonic() - began)
                now = await asyncio.to_thread(requests_counted, subject.admin_url)
                metrics["fell" if now < counted else "rose"] += 1
                counted = max(now, counted)
        finally:
            is_over = True
            await coming
    return [
        f"| {kills} of {WORKERS} workers killed, one a second, 200 visitors a second | {visitors.seen} |",
        f"| … processes in their place | after {max(replaced_s):.2f} s at most | | | |",
        f"| … sum of requests in the metrics | {dict(metrics)} | | | |",
    ]


def _wait_for_another(parent_pid: int, killed: int) -> None:
    while len(set(children_of(parent_pid)[1:]) - {killed}) < WORKERS:
        time.sleep(0.01)


def requests_counted(admin_url: str) -> float:
    """Return how many requests the metrics tell of."""
    with _OPENER.open(f"{admin_url}/metrics", timeout=20) as response:
        text = response.read().decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("resolver_requests_total{")
    )


# --- a Redis that fails ----------------------------------------------------------------------------------


async def failing_redis(seconds: float, rate: float) -> list[str]:
    """Let Redis fail in one way after the other, under visitors who all need it."""
    redis = RedisProcess()
    redis.start()
    faults: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "works": (lambda: None, lambda: None),
        "is frozen": (redis.freeze, redis.thaw),
        "is killed, and started again at the end": (redis.kill, redis.start),
        "is paused": (
            lambda: redis.command("CLIENT", "PAUSE", str(int(seconds * 1000)), "ALL"),
            lambda: None,
        ),
        "is full": (
            lambda: redis.command("CONFIG", "SET", "maxmemory", "1"),
            lambda: redis.command("CONFIG", "SET", "maxmemory", "0"),
        ),
        "is read-only": (
            lambda: redis.command("REPLICAOF", "127.0.0.1", "1"),
            lambda: redis.command("REPLICAOF", "NO", "ONE"),
        ),
        "was emptied": (lambda: redis.command("FLUSHALL"), lambda: None),
        "has lost all connections": (lambda: redis.command("CLIENT", "KILL", "TYPE", "normal"), lambda: None),
    }
    lines = []
    try:
        with proxy("--redis", redis.url, "--cache-size", "0", "--workers", "2") as subject:
            for name, (begin, end) in faults.items():
                visitors = Visitors(subject.url, rate, keep=True)
                coming = asyncio.get_running_loop().create_task(visitors.come(after(seconds + 2)))
                await asyncio.sleep(1)
                await asyncio.to_thread(begin)
                await asyncio.sleep(seconds)
                await asyncio.to_thread(end)
                await coming
                lines.append(f"| Redis {name}, {rate:.0f} visitors a second | {visitors.seen} |")
                await asyncio.sleep(2)
    finally:
        redis.close()
    return lines


# --- names and documents of strangers --------------------------------------------------------------------


async def flood_of_names(count: int) -> list[str]:
    """Look for handles that nobody knows in a memory as large as usual, and for a thousand that are wanted."""
    settings = Settings()
    cache: MemoryCache[bytes] = MemoryCache(settings.cache_size, settings.cache_bytes)

    def visit(key: str) -> bool:
        if cache.get(key) is not None:
            return True
        octets = encode_entry(key, Absence(time.time(), 30.0))
        cache.put(key, octets, len(octets))
        return False

    wanted = [f"20.500.1/{number}" for number in range(1000)]
    for key in wanted * 3:
        visit(key)
    before, asked, hits, grown = memory_octets(os.getpid()), 0, 0, 0
    for number in range(count):
        visit(f"20.500.2/{number:012x}")
        if number % 4 == 0:
            asked += 1
            hits += visit(wanted[asked % len(wanted)])
        if number % 100_000 == 0:
            grown = max(grown, memory_octets(os.getpid()) - before)
    return [
        f"| {count:,} different names, four for each visitor of a thousand handles | {hits / asked:.2%} of those"
        f" visitors found theirs in memory, which grew by {grown / 2**20:.0f} MiB at most | | | |"
    ]


async def hostile_documents() -> list[str]:
    """Read documents that were made to be expensive, as places and as what is said of a prefix."""
    documents = {
        value.data
        for number, case in enumerate(read_cases("records"))
        for value in record_of_case(case, f"20.500.1/{number}").values
        if b"<" in value.data
    }
    documents |= {
        octets
        for name in ("locations", "namespace")
        for path in inputs_of(name)
        for octets in [path.read_bytes()]
    }
    for size in range(1, 60):
        documents |= {
            b"<a>" * size * 40 + b"x" + b"</a>" * size * 40,
            b"<l " + b" ".join(b'a%d="x"' % number for number in range(size * 100)) + b"/>",
            b"<l>" + b"<b/>" * size * 200 + b"</l>",
            b"<l>" + b'<location href="http://e/" weight="%s"/>' % (b"9" * size * 20) * 30 + b"</l>",
            b"<!DOCTYPE l [<!ENTITY a '%s'>]><l>%s</l>" % (b"x" * size * 100, b"&a;" * size * 100),
            b"<l>" + b"&#x41;" * size * 150 + b"</l>",
            b"<l><![CDATA[" + b"]" * size * 1000 + b"]]></l>",
            b"<l><!--" + b"-x" * size * 500 + b"--></l>",
        }
    costs_ms = []
    for octets in documents:
        times = []
        for _ in range(3):
            began = time.thread_time()
            for decode in (decode_locations, decode_namespace):
                with contextlib.suppress(MessageFormatError):
                    decode(octets)
            times.append((time.thread_time() - began) * 1000)
        costs_ms.append(min(times))
    return [
        f"| {len(documents)} hostile documents | the dearest took {max(costs_ms):.1f} ms of a processor | | | |"
    ]


def main() -> None:
    """Measure all of it, or what the command line names."""
    parts: dict[str, Callable[[argparse.Namespace], Awaitable[list[str]]]] = {
        "greedy": lambda options: beside_greedy(options.seconds),
        "kills": lambda options: killed_workers(options.kills),
        "redis": lambda options: failing_redis(options.seconds, options.rate),
        "names": lambda options: flood_of_names(options.names),
        "documents": lambda _: hostile_documents(),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hardship", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each fault")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--names", type=int, default=5_000_000)
    parser.add_argument("--rate", type=float, default=150.0, help="of visitors who all need Redis")
    parser.add_argument("--be-greedy", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.be_greedy:
        url, *counts = options.be_greedy
        asyncio.run(be_greedy(url, *map(int, counts)))
    lines = [
        "# What hardship costs visitors",
        "",
        f"Written by `python -m benchmarks.hardship`: {os.cpu_count()} cores, which load and servers share;"
        f" load of the machine {os.getloadavg()[0]:.1f} before.",
        "",
        "| | answers | median | 99th percentile | slowest |",
        "|---|---|---|---|---|",
    ]
    for name in options.parts or parts:
        found = asyncio.run(parts[name](options))
        print("\n".join(found), flush=True)
        lines += found
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if not options.parts:
        RESULTS.write_text("\n".join([*lines, ""]), "utf-8")


if __name__ == "__main__":
    main()
