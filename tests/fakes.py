"""Stand-ins with the methods of the real things: a clock, time itself, the network, the shared tier, an observer.

None of them imitates the inside of what it stands for. They do what a test tells them, and note what they
were asked.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from resolver.cache.entry import Entry, decode_entry, encode_entry
from resolver.demo.handle_service import HandleService
from resolver.errors import CacheError, CrowdedError, LookupTimeoutError, TransportError
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
from resolver.protocol.bodies import ResolutionRequest
from resolver.protocol.message import Message, decode_message
from resolver.protocol.sites import encode_site
from resolver.transport.endpoint import Endpoint

EPOCH = 1_800_000_000.0
"""Where the clocks of tests begin: a moment in 2027, after every date that a record may hold by chance."""

QUERY = int(ServiceType.QUERY)
PORT = 2641


class FakeClock:
    """Shows the time that a test sets."""

    def __init__(self, now: float = EPOCH) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on, or back."""
        self.now += seconds


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time: when everybody waits, the clock jumps to the next timer.

    Where nothing is left to wait for, it says so, in place of hanging.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the seconds that have passed in this loop."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self._loop.jump(timeout)
        return []


class RecordingObserver(Observer):
    """Counts what it is told: ``counts["cache_lookup", "memory", "hit"]``."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[object, ...]] = Counter()
        self.records = 0
        """Entries that memory was last said to hold."""

    def exchange(self, transport: str, outcome: str, elapsed_s: float) -> None:
        self.counts["exchange", transport, outcome] += 1

    def cache_lookup(self, layer: str, result: str) -> None:
        self.counts["cache_lookup", layer, result] += 1

    def cache_records(self, count: int) -> None:
        self.records = count

    def redis_up(self, up: bool) -> None:
        self.counts["redis_up", up] += 1

    def coalesced(self) -> None:
        self.counts["coalesced",] += 1

    def registry_lookup(self, result: str) -> None:
        self.counts["registry_lookup", result] += 1

    def prefetched(self, outcome: str) -> None:
        self.counts["prefetched", outcome] += 1

    def stale_answer(self, reason: str) -> None:
        self.counts["stale_answer", reason] += 1

    def refused(self, reason: str) -> None:
        self.counts["refused", reason] += 1


class FakeRedisTier:
    """The shared tier as a dict: healthy, broken or full, and as slow as a test wants."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[str, tuple[bytes, float]] = {}
        self.broken = False
        """Every operation fails."""
        self.full = False
        """Nothing more is taken, yet reading and deleting work."""
        self.calls: list[tuple[str, str]] = []
        self.announced: list[str] = []
        self.before_get: Callable[[], Any] | None = None
        """Awaited after an entry was read and before it is handed over."""
        self.before_put: Callable[[], Any] | None = None
        """Awaited before an entry is written."""
        self._changed: Callable[[str], None] | None = None
        self._missed: Callable[[], None] | None = None

    async def get(self, key: str) -> Entry | None:
        self.calls.append(("get", key))
        octets, until = self._held.get(key, (None, 0.0))
        if self.before_get is not None:
            await self.before_get()
        if self.broken:
            raise CacheError("redis is broken, says a test")
        return decode_entry(key, octets) if octets is not None and self._clock() < until else None

    async def put(self, key: str, entry: Entry, keep_s: float) -> bool:
        self.calls.append(("put", key))
        if self.before_put is not None:
            await self.before_put()
        if self.broken:
            return False
        if keep_s <= 0:
            return await self.drop(key)
        if self.full:
            return False
        self._held[key] = encode_entry(key, entry), self._clock() + keep_s
        return True

    async def drop(self, key: str) -> bool:
        self.calls.append(("drop", key))
        if self.broken:
            return False
        self._held.pop(key, None)
        return True

    async def drop_all(self, of: Callable[[str], bool]) -> int:
        if self.broken:
            raise CacheError("redis is broken, says a test")
        chosen = [key for key in self._held if of(key)]
        for key in chosen:
            del self._held[key]
        return len(chosen)

    async def announce(self, key: str) -> None:
        self.announced.append(key)

    async def break_lease(self, key: str) -> None:
        self.calls.append(("break", key))

    async def listen(self, changed: Callable[[str], None], missed: Callable[[], None]) -> None:
        self._changed, self._missed = changed, missed
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to give back."""

    def say_changed(self, key: str) -> None:
        """Let another process announce that it replaced ``key``."""
        assert self._changed is not None, "nobody listens"
        self._changed(key)

    def say_missed(self) -> None:
        """Let the connection come back after a while."""
        assert self._missed is not None, "nobody listens"
        self._missed()

    def held(self, key: str) -> Entry | None:
        """Return the entry without being counted, expired or not."""
        octets, _ = self._held.get(key, (None, 0.0))
        return None if octets is None else decode_entry(key, octets)

    def keep_until(self, key: str) -> float:
        """Return when the entry will be forgotten."""
        return self._held[key][1]


# --- the network -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One question that went out."""

    transport: Transport
    address: str
    port: int
    request: Message

    @property
    def handle(self) -> str:
        """What was asked for."""
        assert isinstance(self.request.body, ResolutionRequest)
        return self.request.body.handle


class FakeNetwork:
    """Hands each message to the ``HandleService`` at that address; nobody listens anywhere else.

    Of a service's behaviour it knows silence, delay and what it does to octets; ``down`` lists addresses that
    refuse, ``crowded`` those that are not asked.
    """

    SILENCE_S = 3.0

    def __init__(self) -> None:
        self._services: dict[tuple[str, int], HandleService] = {}
        self.down: set[str] = set()
        self.crowded: set[str] = set()
        self.exchanges: list[Exchanged] = []

    def add(self, address: str, service: HandleService, port: int = PORT) -> None:
        """Let ``service`` answer at ``address``."""
        self._services[str(ip_address(address)), port] = service

    async def exchange(
        self,
        endpoint: Endpoint,
        message: bytes,
        handle: str,
        *,
        patience_s: float = 0.0,
        on_turn: Callable[[], None] = lambda: None,
    ) -> bytes:
        """Return the answer; nothing is lost here, so that patience makes no difference.

        Raises:
            UpstreamError: as the behaviour of the service has it.
        """
        where, transport, port = str(endpoint.address), endpoint.transport, endpoint.port
        self.note(endpoint, message)
        service = self._services.get((where, port))
        if where in self.crowded:
            raise CrowdedError(f"{where} is asked as much as it may be, says a test")
        on_turn()
        if service is None or where in self.down:
            raise TransportError(f"{transport.name.lower()}: refused")
        if transport.name.lower() in service.behaviour.silent:
            await asyncio.sleep(self.SILENCE_S)
            raise LookupTimeoutError(f"{transport.name.lower()}: no answer within {self.SILENCE_S} s")
        answer = service.behaviour.distort(service.answer(message), transport.name.lower())
        # The server looks at its records at once; it is the answer that takes its time.
        if service.behaviour.delay_s:
            await asyncio.sleep(service.behaviour.delay_s)
        return answer

    def note(self, endpoint: Endpoint, message: bytes) -> None:
        """Take down that a question goes out."""
        self.exchanges.append(
            Exchanged(endpoint.transport, str(endpoint.address), endpoint.port, decode_message(message))
        )

    def asked(self, address: str) -> list[str]:
        """Return the handles that the server at ``address`` was asked for."""
        return [exchanged.handle for exchanged in self.exchanges if exchanged.address == address]


# --- records, short to write -----------------------------------------------------------------------------


def server_at(
    address: str,
    *,
    port: int = PORT,
    server_id: int = 1,
    transports: Iterable[int] = (Transport.UDP, Transport.TCP),
    service_type: int = QUERY,
) -> Server:
    """Return a server; an empty ``address`` is one that the record does not give."""
    return Server(
        server_id=server_id,
        address=encode_address(ip_address(address) if address else None),
        public_key=b"",
        interfaces=tuple(Interface(service_type, transport, port) for transport in transports),
    )


def site_at(
    *addresses: str,
    primary: bool = True,
    serial_number: int = 1,
    hash_option: int = HashOption.BY_HANDLE,
    attributes: Iterable[tuple[str, str]] = (),
    protocol_version: tuple[int, int] = (2, 11),
    port: int = PORT,
    transports: Iterable[int] = (Transport.UDP, Transport.TCP),
) -> Site:
    """Return a site with one server at each address."""
    transports = tuple(transports)
    return Site(
        format_version=1,
        protocol_version=protocol_version,
        serial_number=serial_number,
        primary=primary,
        multi_primary=False,
        hash_option=hash_option,
        hash_filter="",
        attributes=tuple(attributes),
        servers=tuple(
            server_at(address, server_id=number, port=port, transports=transports)
            for number, address in enumerate(addresses, start=1)
        ),
    )


def text_value(index: int, value_type: str, text: str, **fields: Any) -> HandleValue:
    """Return a value that holds text."""
    return HandleValue(index, value_type, text.encode(), **fields)


def url_value(text: str = "https://example.org/", **fields: Any) -> HandleValue:
    """Return the value that most handles have."""
    return text_value(1, "URL", text, **fields)


def site_value(site: Site, index: int = 10, value_type: str = "HS_SITE", **fields: Any) -> HandleValue:
    """Return a value that holds a site."""
    return HandleValue(index, value_type, encode_site(site), **fields)


def service_value(handle: str, index: int = 20, value_type: str = "HS_SERV", **fields: Any) -> HandleValue:
    """Return a value that names a service handle."""
    return text_value(index, value_type, handle, **fields)


def record_of(handle: str, *values: HandleValue) -> HandleRecord:
    """Return a record; without ``values`` it has one URL."""
    return HandleRecord(handle, values or (url_value(),))
