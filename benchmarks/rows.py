"""The rows of the result: what is measured, and beside what."""

from __future__ import annotations

import contextlib
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Measured, apply_load
from benchmarks.network import PREFIX
from benchmarks.processes import Running, memory_octets, python, running, running_network, running_redis

__all__ = ["ROWS", "Comparison", "Row"]

Subject = Callable[[Path], contextlib.AbstractContextManager[Running]]


@dataclass
class Comparison:
    """Runs of ours and of a rival, taken in turn."""

    ours: list[Measured] = field(default_factory=list)
    rival: list[Measured] = field(default_factory=list)

    def ratio(self) -> float:
        """Return the median of the ratios, pair by pair."""
        return statistics.median(
            a.requests_per_s / b.requests_per_s for a, b in zip(self.ours, self.rival, strict=True)
        )


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    rival_name: str
    ours: Subject
    rival: Subject
    path: str = f"/{PREFIX}/"
    handles: int = 1
    warm: bool = True

    def measure(self, folder: Path, runs: int, seconds: float) -> Comparison:
        """Run ours and the rival in turn, both up for the whole time."""
        found = Comparison()
        with self.ours(folder) as ours, self.rival(folder) as rival:
            for subject in (ours, rival):
                if self.warm:
                    _visit_all(subject.url, self.path, self.handles)
                apply_load(subject.url, self.path, handles=self.handles, seconds=1)
            for _ in range(runs):
                for subject, into in ((ours, found.ours), (rival, found.rival)):
                    into.append(apply_load(subject.url, self.path, handles=self.handles, seconds=seconds))
        return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _visit_all(url: str, path: str, handles: int) -> None:
    opener = urllib.request.build_opener(_NoRedirect)
    for number in range(min(handles, 100)):
        with contextlib.suppress(urllib.error.HTTPError):
            opener.open(f"{url}{path}{number}", timeout=10).close()


@contextlib.contextmanager
def resolver(folder: Path, *options: str, handles: int = 1000) -> Iterator[Running]:
    """Run ours over a network of its own."""
    with running_network(folder, handles) as bootstrap, ours(bootstrap, *options) as subject:
        yield subject


def ours(bootstrap: Path, *options: str) -> contextlib.AbstractContextManager[Running]:
    """Run ours over a network that runs already."""
    command = python("resolver", "serve", "--bootstrap", str(bootstrap), "--allow-private-addresses")
    return running([*command, "--port", "0", "--admin-port", "0", *options])


def bare(kind: str, *arguments: str) -> contextlib.AbstractContextManager[Running]:
    """Run a handler on bare aiohttp."""
    return running(python("benchmarks.rivals", kind, *arguments))


def _bare_json(folder: Path) -> contextlib.AbstractContextManager[Running]:
    path = folder / "record.json"
    path.write_bytes(b'{"responseCode":1,"handle":"20.500.777/0","values":[' + b"x" * 280 + b"]}")
    return bare("json", str(path))


@contextlib.contextmanager
def _ours_with_redis(folder: Path) -> Iterator[Running]:
    with running_redis() as url, resolver(folder, "--redis", url, "--cache-size", "0") as subject:
        yield subject


@contextlib.contextmanager
def _bare_redis(_: Path) -> Iterator[Running]:
    import redis

    with running_redis() as url:
        with redis.Redis.from_url(url) as client:
            client.set(f"/{PREFIX}/0", "https://repository.example.org/items/00000000" + "x" * 250)
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


ROWS = {
    "warm": Row(
        "Warm redirect, 1 handle", "bare aiohttp, constant 302", resolver, lambda _: bare("redirect")
    ),
    "json": Row(
        "Warm JSON record",
        "bare aiohttp, constant octets",
        resolver,
        _bare_json,
        path=f"/api/handles/{PREFIX}/",
    ),
    "redis": Row("Redis hit, memory off", "bare aiohttp and one redis-py GET", _ours_with_redis, _bare_redis),
    "cold": Row(
        "Cold lookup over UDP", "bare aiohttp and one asyncio datagram", _ours_cold, _bare_udp, handles=1000
    ),
}


def memory_per_record(folder: Path, handles: int = 20_000) -> float:
    """Return how many octets a worker grows by for each one-URL record that it remembers."""
    with resolver(folder, handles=handles) as subject:
        _visit_all(subject.url, f"/{PREFIX}/", 100)
        before = memory_octets(subject.pid)
        opener = urllib.request.build_opener(_NoRedirect)
        for number in range(100, handles):
            with contextlib.suppress(urllib.error.HTTPError):
                opener.open(f"{subject.url}/{PREFIX}/{number}", timeout=10).close()
        return (memory_octets(subject.pid) - before) / (handles - 100)


def start_up_s(folder: Path, runs: int) -> tuple[float, float]:
    """Return the median time from the start of the process to its address being printed: ours, bare aiohttp."""
    ours_s, bare_s = [], []
    with running_network(folder, 10) as bootstrap:
        for _ in range(runs):
            for subject, into in ((lambda: ours(bootstrap), ours_s), (lambda: bare("redirect"), bare_s)):
                started = time.perf_counter()
                with subject():
                    into.append(time.perf_counter() - started)
    return statistics.median(ours_s), statistics.median(bare_s)


def idle_memory_octets(folder: Path) -> int:
    """Return what a worker holds resident after its first answer."""
    with resolver(folder, handles=10) as subject:
        _visit_all(subject.url, f"/{PREFIX}/", 1)
        return memory_octets(subject.pid)
