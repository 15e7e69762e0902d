"""The rows of the result: what is measured, beside what, and how it should turn out."""

from __future__ import annotations

import contextlib
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.load import Measured, apply_load
from benchmarks.network import PREFIX, url_of
from benchmarks.nginx import running_nginx
from benchmarks.processes import (
    Running,
    cpu_s,
    memory_octets,
    python,
    running,
    running_network,
    running_redis,
)

__all__ = [
    "ROWS",
    "Comparison",
    "Row",
    "bare",
    "idle_memory_octets",
    "memory_per_record",
    "ours",
    "start_up_s",
]

Subject = Callable[[Path], contextlib.AbstractContextManager[Running]]

MANY = 100_000

REST_S = 3.0
"""After which a worker has made ready all that it makes ready beside its first requests."""


@dataclass
class Comparison:
    """Runs of ours and of a rival, taken in turn."""

    ours: list[Measured] = field(default_factory=list)
    rival: list[Measured] = field(default_factory=list)

    def ratio(self) -> float:
        """Return the median of the ratios of throughput, pair by pair."""
        return statistics.median(
            a.requests_per_s / b.requests_per_s for a, b in zip(self.ours, self.rival, strict=True)
        )

    def cpu_ratio(self) -> float:
        """Return how many requests ours answers in the time on a core that the rival needs for one."""
        return statistics.median(b.cpu_us for b in self.rival) / statistics.median(
            a.cpu_us for a in self.ours
        )

    def p50_ratio(self) -> float:
        """Return the median of the ratios of the median latency, pair by pair."""
        return statistics.median(a.p50_ms / b.p50_ms for a, b in zip(self.ours, self.rival, strict=True))

    def p99_ratio(self) -> float:
        """Return the median of the ratios of the 99th percentile of latency, pair by pair."""
        return statistics.median(a.p99_ms / b.p99_ms for a, b in zip(self.ours, self.rival, strict=True))


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    rival_name: str
    ours: Subject
    rival: Subject
    at_least: float
    """What the ratio of throughput should come to."""
    path: str = f"/{PREFIX}/"
    handles: int = 1
    warm: bool = True
    at_most_p99: float | None = None
    """What the ratio of the 99th percentiles should not exceed."""

    def measure(self, folder: Path, runs: int, seconds: float) -> Comparison:
        """Run ours and the rival in turn, each first in every other pair; both are up for the whole time."""
        found = Comparison()
        with self.ours(folder) as ours, self.rival(folder) as rival:
            for subject in (ours, rival):
                if self.warm:
                    visit_all(subject.url, self.path, self.handles)
                apply_load(subject.url, self.path, handles=self.handles, seconds=1)
            pair = ((ours, found.ours), (rival, found.rival))
            for number in range(runs):
                for subject, into in pair if number % 2 else pair[::-1]:
                    into.append(self._run(subject, seconds))
        return found

    def _run(self, subject: Running, seconds: float) -> Measured:
        before = cpu_s(subject.pid)
        seen = apply_load(subject.url, self.path, handles=self.handles, seconds=seconds)
        return replace(seen, cpu_us=(cpu_s(subject.pid) - before) / max(1, seen.requests) * 1e6)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def visit_all(url: str, path: str, handles: int) -> None:
    """Ask for each handle in turn, three times: once to fetch it, once to make its answer, once for good measure."""
    opener = urllib.request.build_opener(_NoRedirect)
    for number in range(min(handles, 10)):
        with contextlib.suppress(urllib.error.HTTPError):
            opener.open(f"{url}{path}{number}", timeout=10).close()
    visited = 0
    while handles > 1 and visited < 3 * handles:
        visited += apply_load(url, path, handles=handles, seconds=2, first=visited).requests


@contextlib.contextmanager
def resolver(folder: Path, *options: str, handles: int = 1000) -> Iterator[Running]:
    """Run ours over a network of its own."""
    with running_network(folder, handles) as bootstrap, ours(bootstrap, *options) as subject:
        yield subject


def ours(bootstrap: Path, *options: str) -> contextlib.AbstractContextManager[Running]:
    """Run ours over a network that runs already."""
    command = python("resolver", "serve", "--bootstrap", str(bootstrap), "--allow-private-addresses")
    return running([*command, "--port", "0", "--admin-port", "0", "--no-refresh-registry", *options])


def bare(kind: str, *arguments: str) -> contextlib.AbstractContextManager[Running]:
    """Run a handler on bare aiohttp."""
    return running(python("benchmarks.rivals", kind, *arguments))


@contextlib.contextmanager
def _bare_json(folder: Path) -> Iterator[Running]:
    """Run a handler that answers with what ours would."""
    other = folder / "answer"
    other.mkdir(exist_ok=True)
    with resolver(other, handles=1) as subject:
        answer = urllib.request.build_opener().open(f"{subject.url}/api/handles/{PREFIX}/0", timeout=10)
        (folder / "record.json").write_bytes(answer.read())
    with bare("json", str(folder / "record.json")) as subject:
        yield subject


@contextlib.contextmanager
def _ours_with_redis(folder: Path) -> Iterator[Running]:
    with running_redis() as url, resolver(folder, "--redis", url, "--cache-size", "0") as subject:
        yield subject


@contextlib.contextmanager
def _bare_redis(_: Path) -> Iterator[Running]:
    import redis

    with running_redis() as url:
        with redis.Redis.from_url(url) as client:
            client.set(f"/{PREFIX}/0", url_of(0) + "x" * 250)
        with bare("redis", url) as subject:
            yield subject


@contextlib.contextmanager
def _ours_cold(folder: Path) -> Iterator[Running]:
    with running_network(folder, -1000) as bootstrap, ours(bootstrap) as subject:
        yield subject


@contextlib.contextmanager
def _bare_udp(folder: Path) -> Iterator[Running]:
    from benchmarks.wire import question_for

    other = folder / "rival"
    other.mkdir(exist_ok=True)
    with running_network(other, -1000) as bootstrap:
        address, octets = question_for(bootstrap)
        with bare("udp", f"{address}/{octets.hex()}") as subject:
            yield subject


ROOM = ("--cache-size", str(2 * MANY), "--cache-bytes", str(2**29))

ROWS = {
    "warm": Row(
        "Warm redirect, 1 handle",
        "nginx, `return 302`",
        resolver,
        lambda _: running_nginx(),
        at_least=0.8,
        at_most_p99=2.0,
    ),
    "bare": Row(
        "Warm redirect, 1 handle",
        "bare aiohttp on uvloop, constant 302",
        resolver,
        lambda _: bare("redirect"),
        at_least=2.5,
    ),
    "warm-1000": Row(
        "Warm redirect, 1 000 handles",
        "nginx, `map` of 1 000",
        resolver,
        lambda _: running_nginx(1000),
        at_least=0.7,
        handles=1000,
    ),
    "warm-100000": Row(
        "Warm redirect, 100 000 handles",
        "nginx, `map` of 100 000",
        lambda folder: resolver(folder, *ROOM, handles=MANY),
        lambda _: running_nginx(MANY),
        at_least=0.7,
        handles=MANY,
    ),
    "json": Row(
        "Warm JSON record",
        "bare aiohttp, the same octets",
        resolver,
        _bare_json,
        at_least=2.2,
        path=f"/api/handles/{PREFIX}/",
    ),
    "redis": Row(
        "Redis hit, memory off",
        "bare aiohttp and one redis-py GET",
        _ours_with_redis,
        _bare_redis,
        at_least=0.8,
    ),
    "cold": Row(
        "Cold lookup over UDP",
        "bare aiohttp and one asyncio datagram",
        _ours_cold,
        _bare_udp,
        at_least=0.6,
        handles=1000,
        warm=False,
    ),
}


def memory_per_record(folder: Path, handles: int = 50_000) -> tuple[float, float]:
    """Return how many octets a worker grows by for each one-URL record: the record alone, then with its answer."""
    known = handles // 5  # by then all tables of a fixed size are full
    with resolver(folder, *ROOM, handles=handles) as subject:
        path = f"/{PREFIX}/"
        visit_all(subject.url, path, known)
        before = memory_octets(subject.pid)
        _visit_once(subject.url, path, range(known, handles))
        between = memory_octets(subject.pid)
        visit_all(subject.url, path, handles)
        after = memory_octets(subject.pid)
    return (between - before) / (handles - known), (after - before) / (handles - known)


def _visit_once(url: str, path: str, numbers: Iterable[int]) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    import http.client

    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    for number in numbers:
        connection.request("GET", f"{path}{number}")
        connection.getresponse().read()
    connection.close()


def start_up_s(folder: Path, runs: int) -> tuple[float, float]:
    """Return the median time from the start of the process to its address being printed: ours, bare aiohttp."""
    ours_s: list[float] = []
    bare_s: list[float] = []
    with running_network(folder, 10) as bootstrap:
        for number in range(1 + runs):
            for subject, into in ((lambda: ours(bootstrap), ours_s), (lambda: bare("redirect"), bare_s)):
                started = time.perf_counter()
                with subject():
                    took_s = time.perf_counter() - started
                if number > 0:  # the first may have compiled modules
                    into.append(took_s)
    return statistics.median(ours_s), statistics.median(bare_s)


def idle_memory_octets(folder: Path) -> int:
    """Return what a worker holds resident after its first answer, once it has come to rest."""
    with resolver(folder, handles=10) as subject:
        visit_all(subject.url, f"/{PREFIX}/", 1)
        time.sleep(REST_S)
        return memory_octets(subject.pid)
