"""Services of three sites over real sockets, of which some or all are dead: what visitors notice, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from resolver.config import Settings
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.errors import UpstreamError
from resolver.model.handle import ROOT_HANDLE, Handle
from resolver.model.record import HandleRecord
from resolver.model.site import Site
from resolver.observe import Observer
from resolver.protocol.bodies import ResolutionResponse
from resolver.protocol.codes import OpCode, ResponseCode
from resolver.protocol.envelope import Envelope
from resolver.protocol.message import Header, Message, decode_message, encode_message
from resolver.resolution.assembly import Assembly, assemble
from resolver.resolution.bootstrap import registry_from_records
from resolver.resolution.service import Resolved
from resolver.transport.udp import MAX_PIECES
from tests.fakes import record_of, site_at, site_value, text_value, url_value
from tests.integration.test_transports import UdpServer, free_port, udp_server

HOST = "127.0.0.1"
EVERYWHERE = frozenset({"udp", "tcp"})
BACK_WITHIN_S = 2.0


class AnyRecord(RecordStore):
    """Knows every handle of the prefix, so that each question is a new one."""

    def get(self, handle: str) -> HandleRecord | None:
        return super().get(handle) or record_of(handle)


@dataclass
class Service:
    """A prefix with some sites, a registry, and a resolver that asks them."""

    sites: list[HandleService]
    assembly: Assembly
    ports: list[int]
    _numbers: Any = field(default_factory=itertools.count)
    _gone: set[int] = field(default_factory=set)

    async def resolve(self, handle: str | None = None) -> Resolved:
        """Resolve a handle that nobody has asked for, or the one that is given."""
        return await self.assembly.resolver.resolve(Handle(handle or f"10.1/{next(self._numbers)}"))

    async def median_s(self, questions: int) -> float:
        """Return how long a question takes, the median of many."""
        taken = []
        for _ in range(questions):
            begun_at = time.perf_counter()
            await self.resolve()
            taken.append(time.perf_counter() - begun_at)
        return statistics.median(taken)

    def kill(self, *numbers: int, transports: frozenset[str] = EVERYWHERE) -> None:
        """Let sites take questions and say nothing."""
        for number in numbers:
            self.sites[number].behaviour.silent = transports

    async def close(self, *numbers: int) -> None:
        """Let nobody listen at sites any more."""
        for number in numbers:
            await self.sites[number].close()
            self._gone.add(self.ports[number])

    async def bring_up(self) -> None:
        """Let every site answer again."""
        for service, port in zip(self.sites, self.ports, strict=True):
            service.behaviour.silent = frozenset()
            if port in self._gone:
                await service.start(HOST, port=port)
        self._gone.clear()


@contextlib.asynccontextmanager
async def service_of(delays_s: list[float]) -> AsyncIterator[Service]:
    """Run a service whose sites take so long for each answer."""
    store = AnyRecord()
    services, ports, records = [], [free_port() for _ in delays_s], []
    for number, (delay_s, port) in enumerate(zip(delays_s, ports, strict=True)):
        site: Site = site_at(HOST, port=port, primary=number == 0)
        service = HandleService(store, site=site, homed=("10.1",))
        service.behaviour.delay_s = delay_s
        await service.start(HOST, port=port)
        services.append(service)
        records.append(site_value(site, number + 1))
    root_port = free_port()
    root = record_of(ROOT_HANDLE, site_value(site_at(HOST, port=root_port)))
    registry = HandleService(
        RecordStore([root, record_of("0.NA/10.1", *records)]),
        site=site_at(HOST, port=root_port),
        homed=("0.NA",),
    )
    await registry.start(HOST, port=root_port)
    assembly = assemble(
        Settings(allow_private_addresses=True, refresh_registry=False),
        Observer(),
        registry_from_records([root]),
    )
    try:
        yield Service(services, assembly, ports)
    finally:
        await assembly.close()
        for each in (*services, registry):
            await each.close()


# --- one of three ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", [frozenset({"udp"}), EVERYWHERE], ids=["udp", "altogether"])
async def test_nearest_site_drops_what_it_gets(transports: frozenset[str]) -> None:
    """When the nearest of three sites falls silent, questions after the first take as long as without that site."""
    async with service_of([0.0, 0.04, 0.05]) as service, service_of([0.04, 0.05]) as without:
        await service.median_s(5)
        service.kill(0, transports=transports)
        await service.resolve()
        await without.resolve()
        there_s, gone_s = await service.median_s(15), await without.median_s(15)
    assert there_s < 1.3 * gone_s + 0.02


async def test_two_of_three_are_dead() -> None:
    """With one site silent and another gone, not one request fails."""
    async with service_of([0.0, 0.0, 0.001]) as service:
        service.kill(0)
        await service.close(1)
        records = await asyncio.gather(*(service.resolve() for _ in range(100)))
        records += [await service.resolve() for _ in range(20)]
    assert {resolved.answered_by.rpartition(":")[2] for resolved in records} == {str(service.ports[2])}


# --- all of them -----------------------------------------------------------------------------------------


async def wait_for_answer(service: Service, handle: str) -> float:
    """Ask for a handle until there is an answer, as a visitor who tries again; return when that was."""
    while True:
        try:
            await service.resolve(handle)
        except UpstreamError:
            await asyncio.sleep(0.05)
        else:
            return time.monotonic()


@pytest.mark.parametrize("death", ["silent", "gone"])
async def test_all_dead_and_then_back(death: str) -> None:
    """Soon after all sites are back there are answers, for who waits already and for who comes then."""
    async with service_of([0.0, 0.0, 0.0]) as service:
        await service.resolve()
        if death == "silent":
            service.kill(0, 1, 2)
        else:
            await service.close(0, 1, 2)
        waiting = asyncio.get_running_loop().create_task(wait_for_answer(service, "10.1/waiting"))
        await asyncio.sleep(1.5)
        assert not waiting.done()
        back_at = time.monotonic()
        await service.bring_up()
        assert await wait_for_answer(service, "10.1/new") - back_at < BACK_WITHIN_S
        assert await waiting - back_at < BACK_WITHIN_S


# --- forged answers --------------------------------------------------------------------------------------


FORGERIES = 10_000


def answer_to(octets: bytes, text: str, *, add: int = 0) -> bytes:
    """Return a good answer to a request, or to one with another number."""
    asked = decode_message(octets)
    handle = asked.body.handle  # type: ignore[union-attr]
    return encode_message(
        Message(
            Envelope((2, 11), (asked.envelope.request_id + add) % 2**32, 0),
            Header(OpCode.RESOLUTION, ResponseCode.SUCCESS),
            ResolutionResponse(handle, (url_value(text),)),
        )
    )


@pytest.mark.parametrize("kind", ["wrong ids", "wrong ports", "both"])
async def test_flood_of_forged_answers(kind: str) -> None:
    """Ten thousand forged answers to one question, with wrong numbers or from wrong ports, change nothing."""
    async with service_of([0.0]) as service:
        await service.close(0)
        port = service.ports[0]
        by_tcp = HandleService(
            RecordStore([record_of("10.1/x")]), site=site_at(HOST, port=port), homed=("10.1",)
        )
        strangers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        sent = 0

        def flood(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
            nonlocal sent
            for number in range(FORGERIES):
                wrong_port = kind == "wrong ports" or (kind == "both" and number % 2 == 0)
                forged = answer_to(data, "https://evil.invalid/", add=0 if wrong_port else number + 1)
                if wrong_port:
                    strangers[number % 4].sendto(forged, addr)
                else:
                    server.send(forged, addr)
                sent += 1
            server.send(answer_to(data, "https://example.org/"), addr)

        async def by_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readexactly(20)
            body = await reader.readexactly(int.from_bytes(head[16:], "big"))
            writer.write(by_tcp.answer(head + body))
            await writer.drain()
            writer.close()

        tcp = await asyncio.start_server(by_connection, HOST, port)
        try:
            async with threaded(port, flood):
                resolved = await service.resolve("10.1/x")
        finally:
            tcp.close()
            for stranger in strangers:
                stranger.close()
    (value,) = resolved.record.of_type("URL")
    assert value.data == b"https://example.org/"
    assert sent >= FORGERIES


@contextlib.asynccontextmanager
async def threaded(
    port: int, react: Callable[[UdpServer, bytes, tuple[str, int]], None]
) -> AsyncIterator[None]:
    """Run a UDP server in a thread of its own, so that the flood comes while we listen."""
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with udp_server(port, react):
            ready.set()
            while not stop.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        await asyncio.to_thread(ready.wait, 5)
        yield
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, 20)


# --- large answers ---------------------------------------------------------------------------------------


async def test_large_record_stays_with_its_server() -> None:
    """A record too large for UDP is fetched by TCP from the very server that said so, though others are there."""
    async with service_of([0.0, 0.0, 0.0]) as service:
        large = record_of("10.1/large", text_value(1, "DESC", "d" * 500 * MAX_PIECES))
        service.sites[0].store.put(large)
        resolved = await service.resolve("10.1/large")
        transport, _, port = resolved.answered_by.partition(f"://{HOST}:")
        asked = service.sites[service.ports.index(int(port))].requests
    assert (resolved.record, transport) == (large, "tcp")
    assert [request.body.handle for request in asked] == ["10.1/large"] * 2  # type: ignore[union-attr]
