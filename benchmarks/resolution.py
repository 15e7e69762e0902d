"""Resolution without the web in front of it: what a lookup costs beside a bare exchange, and what dead sites cost.

``python -m benchmarks.resolution`` prints a table. A lookup and a bare exchange of the same octets take turns,
so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from benchmarks.network import PREFIX
from benchmarks.processes import free_port, running_network
from benchmarks.wire import question_for
from resolver.config import Settings
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.errors import UpstreamError
from resolver.model.handle import ROOT_HANDLE, Handle
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import (
    HashOption,
    Interface,
    Server,
    ServiceType,
    Site,
    Transport,
    encode_address,
)
from resolver.observe import Observer
from resolver.protocol.sites import encode_site
from resolver.resolution.assembly import Assembly, assemble
from resolver.resolution.bootstrap import registry_from_records
from resolver.web.server import new_event_loop

HOST = "127.0.0.1"
_LOOPBACK = ipaddress.IPv4Address(HOST)
HANDLES = 1000
SITE_DELAYS_S = (0.0, 0.02, 0.03)
"""The nearest of three sites answers at once, the others as if they were some way off."""


class _Exchanges(Observer):
    """Counts questions to servers."""

    def __init__(self) -> None:
        self.count = 0

    def exchange(self, transport: str, outcome: str, elapsed_s: float) -> None:
        self.count += 1


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if not self.answer.done():
            self.answer.set_result(data)


async def _raw_exchange(host: str, port: int, octets: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Answer, remote_addr=(host, port))
    transport.sendto(octets)
    try:
        return await asyncio.wait_for(protocol.answer, 2)
    finally:
        transport.close()


# --- one lookup beside one exchange ----------------------------------------------------------------------


async def _beside_an_exchange(bootstrap: Path, where: str, octets: bytes, questions: int) -> list[str]:
    host, _, port = where.partition(":")
    observer = _Exchanges()
    settings = Settings(bootstrap=bootstrap, allow_private_addresses=True, refresh_registry=False)
    assembly = assemble(settings, observer)
    numbers = itertools.cycle(range(HANDLES))

    async def look_up() -> None:
        await assembly.resolver.resolve(Handle(f"{PREFIX}/{next(numbers)}"))

    async def exchange() -> None:
        await _raw_exchange(host, int(port), octets)

    try:
        await look_up()
        ours_s, raw_s = await _in_turn(look_up, exchange, questions)
        before = observer.count
        await asyncio.gather(*(look_up() for _ in range(32)))
        trips = (observer.count - before) / 32
        cpu = [await _cpu_us(each, questions) for each in (look_up, exchange)]
    finally:
        await assembly.close()
    return [
        f"| Round trips of a cold lookup, prefix known | {trips:.2f} | 1 |",
        f"| Time of a cold lookup, p50 | {_ms(ours_s, 50)} | bare exchange {_ms(raw_s, 50)} |",
        f"| Time of a cold lookup, p99 | {_ms(ours_s, 99)} | bare exchange {_ms(raw_s, 99)} |",
        f"| CPU of a cold lookup, 32 at once | {cpu[0]:.0f} µs | bare exchange {cpu[1]:.0f} µs |",
    ]


async def _in_turn(
    first: Callable[[], Awaitable[None]], second: Callable[[], Awaitable[None]], times: int
) -> tuple[list[float], list[float]]:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for work, into in zip((first, second), taken, strict=True):
            begun_at = time.perf_counter()
            await work()
            into.append(time.perf_counter() - begun_at)
    return taken


async def _cpu_us(work: Callable[[], Awaitable[None]], times: int) -> float:
    """Return the least processor time that one piece of work took in several rounds of 32 at once."""

    async def repeat() -> None:
        for _ in range(max(1, times // 100)):
            await work()

    rounds = []
    for _ in range(7):
        begun_at = time.process_time()
        await asyncio.gather(*(repeat() for _ in range(32)))
        rounds.append((time.process_time() - begun_at) / (32 * max(1, times // 100)))
    return min(rounds) * 1e6


# --- dead sites ------------------------------------------------------------------------------------------


class _AnyRecord(RecordStore):
    """Knows every handle, so that each question is a new one."""

    def get(self, handle: str) -> HandleRecord | None:
        known = super().get(handle)
        return known or HandleRecord(handle, (HandleValue(1, "URL", b"https://example.org/"),))


def _site(port: int, *, primary: bool) -> Site:
    interfaces = tuple(
        Interface(ServiceType.QUERY, transport, port) for transport in (Transport.UDP, Transport.TCP)
    )
    server = Server(1, encode_address(_LOOPBACK), b"", interfaces)
    return Site(1, (2, 11), 1, primary, False, HashOption.BY_HANDLE, "", (), (server,))


@contextlib.asynccontextmanager
async def _service(delays_s: tuple[float, ...]) -> AsyncIterator[tuple[list[HandleService], Assembly]]:
    """Run a registry and a service whose sites take so long for an answer."""
    sites = [_site(free_port(), primary=number == 0) for number in range(len(delays_s))]
    root = _site(free_port(), primary=True)
    root_record = HandleRecord(ROOT_HANDLE, (HandleValue(1, "HS_SITE", encode_site(root)),))
    prefix_record = HandleRecord(
        "0.NA/10.1", tuple(HandleValue(n, "HS_SITE", encode_site(site)) for n, site in enumerate(sites, 1))
    )
    registry = HandleService(RecordStore([root_record, prefix_record]), site=root, homed=("0.NA",))
    services = [HandleService(_AnyRecord(), site=site, homed=("10.1",)) for site in sites]
    settings = Settings(allow_private_addresses=True, refresh_registry=False)
    assembly = assemble(settings, Observer(), registry_from_records([root_record]))
    try:
        for service, delay_s in zip((registry, *services), (0.0, *delays_s), strict=True):
            service.behaviour.delay_s = delay_s
            await service.start(HOST, port=service.site.servers[0].interfaces[0].port)
        yield services, assembly
    finally:
        await assembly.close()
        for service in (registry, *services):
            await service.close()


async def _dead_sites(questions: int) -> list[str]:
    numbers = itertools.count()

    async def median_s(assembly: Assembly) -> float:
        taken = []
        for _ in range(questions):
            begun_at = time.perf_counter()
            await assembly.resolver.resolve(Handle(f"10.1/{next(numbers)}"))
            taken.append(time.perf_counter() - begun_at)
        return statistics.median(taken)

    silent = frozenset({"udp", "tcp"})
    rows = []
    async with _service(SITE_DELAYS_S[1:]) as (_, assembly):
        await median_s(assembly)
        without_s = await median_s(assembly)
    for what, transports in (("UDP", frozenset({"udp"})), ("everything", silent)):
        async with _service(SITE_DELAYS_S) as (services, assembly):
            await median_s(assembly)
            services[0].behaviour.silent = transports
            await assembly.resolver.resolve(Handle(f"10.1/{next(numbers)}"))
            with_s = await median_s(assembly)
        rows.append(
            f"| Nearest of three sites drops {what}: p50 after the first request | {with_s * 1000:.1f} ms "
            f"| without that site {without_s * 1000:.1f} ms |"
        )
    async with _service(SITE_DELAYS_S) as (services, assembly):
        for service in services[:2]:
            service.behaviour.silent = silent
        failed = 0
        for _ in range(questions):
            try:
                await assembly.resolver.resolve(Handle(f"10.1/{next(numbers)}"))
            except UpstreamError:
                failed += 1
        rows.append(f"| Two of three sites dead: requests that failed | {failed} of {questions} | 0 |")
        services[2].behaviour.silent = silent
        async with asyncio.TaskGroup() as group:
            visitor = group.create_task(_answered(assembly, f"10.1/{next(numbers)}"))
            await asyncio.sleep(3)
            back_at = time.monotonic()
            for service in services:
                service.behaviour.silent = frozenset()
        answered_s = visitor.result() - back_at
        rows.append(
            f"| All dead for 3 s, then back: answer for who waited all the time | {answered_s:.2f} s | 2 s |"
        )
    return rows


async def _answered(assembly: Assembly, handle: str) -> float:
    """Ask until there is an answer, as a visitor who tries again; return when that was."""
    while True:
        try:
            await assembly.resolver.resolve(Handle(handle))
        except UpstreamError:
            await asyncio.sleep(0.05)
        else:
            return time.monotonic()


def _ms(taken: list[float], percentile: int) -> str:
    return f"{statistics.quantiles(taken, n=100)[percentile - 1] * 1000:.2f} ms"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resolution", description=__doc__)
    parser.add_argument("--questions", type=int, default=2000)
    options = parser.parse_args()
    rows = ["| what | ours | beside |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder, running_network(Path(folder), -HANDLES) as bootstrap:
        where, octets = question_for(bootstrap)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            rows += runner.run(_beside_an_exchange(bootstrap, where, octets, options.questions))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        rows += runner.run(_dead_sites(max(20, options.questions // 20)))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
