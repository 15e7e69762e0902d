"""UDP and TCP over real sockets on loopback, with servers that behave, and servers that do not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Address

import pytest

from resolver.cache.memory import MemoryCache
from resolver.cache.tiers import TieredCache
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.errors import (
    AddressRefusedError,
    LookupTimeoutError,
    MessageFormatError,
    TransportError,
    UpstreamError,
)
from resolver.model.handle import ROOT_HANDLE, Handle
from resolver.model.record import HandleRecord
from resolver.model.site import Transport
from resolver.protocol.bodies import ResolutionRequest, ResolutionResponse
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE, Envelope, decode_envelope
from resolver.protocol.fragments import MAX_PAYLOAD, split_message
from resolver.protocol.matching import check_answer
from resolver.protocol.message import Header, Message, decode_message, encode_message
from resolver.resolution.bootstrap import registry_from_records
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Driver
from resolver.resolution.remembering import Lifetimes
from resolver.resolution.service import Resolver
from resolver.tasks import Background
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.endpoint import Endpoint
from resolver.transport.network import Network
from resolver.transport.tcp import TcpTransport
from resolver.transport.udp import MAX_PIECES, UdpTransport
from tests.fakes import record_of, site_at, site_value, text_value

HOST = "127.0.0.1"
ADDRESS = IPv4Address(HOST)
OTHER_HOST = "127.0.0.2"

SHORT = "10.1/short"
LONG_NAME = f"10.1/{'x' * 1500}"
"""A handle for which the request itself takes four datagrams."""


def of_octets(handle: str, octets: int) -> HandleRecord:
    """Return a record of about so many octets."""
    return record_of(handle, text_value(1, "DESC", "d" * octets))


BIG, BIGGEST, TOO_BIG = "10.1/big", "10.1/biggest", "10.1/too-big"
RECORDS = [
    record_of(SHORT),
    of_octets(LONG_NAME, 10),
    of_octets(BIG, 3000),
    of_octets(BIGGEST, MAX_PIECES * MAX_PAYLOAD - 200),
    of_octets(TOO_BIG, MAX_PIECES * MAX_PAYLOAD),
]
KNOWN = {record.handle: record for record in RECORDS}


def free_port() -> int:
    """Return a port that nobody listens on, outside the range of outgoing connections."""
    while True:
        port = random.randint(20_000, 29_999)  # noqa: S311 - a free port
        with (
            contextlib.suppress(OSError),
            socket.socket() as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind((HOST, port))
            udp.bind((HOST, port))
            return port


def request_for(handle: str, request_id: int | None = None) -> Message:
    """Return a request."""
    return Message(
        Envelope((2, 11), request_id or random.randint(1, 2**31 - 1), 0),  # noqa: S311 - any number
        Header(OpCode.RESOLUTION, op_flags=OpFlag.PUBLIC_ONLY),
        ResolutionRequest(handle),
    )


async def ask(transport: UdpTransport | TcpTransport, port: int, handle: str = SHORT) -> HandleRecord:
    """Ask for a handle, and return the record after checking that it is the answer."""
    request = request_for(handle)
    octets = encode_message(request)
    answer = decode_message(await transport.exchange(ADDRESS, port, octets))
    check_answer(request, octets, answer, time.time())
    assert isinstance(answer.body, ResolutionResponse)
    return HandleRecord(answer.body.handle, answer.body.values)


def answer_to(octets: bytes, *, request_id: int | None = None, handle: str = SHORT) -> bytes:
    """Return a good answer to a request, or to another one."""
    request = decode_message(octets)
    record = KNOWN[handle]
    return encode_message(
        Message(
            Envelope((2, 11), request.envelope.request_id if request_id is None else request_id, 0),
            Header(OpCode.RESOLUTION, ResponseCode.SUCCESS),
            ResolutionResponse(record.handle, record.values),
        )
    )


@pytest.fixture
async def port() -> int:
    return free_port()


@pytest.fixture
async def service(port: int) -> AsyncIterator[HandleService]:
    """A server that behaves, at ``port``, until told otherwise."""
    service = HandleService(RecordStore(RECORDS), site=site_at(HOST, port=port), homed=("10.1",))
    await service.start(HOST, port=port)
    yield service
    await service.close()


@pytest.fixture(params=[UdpTransport, TcpTransport], ids=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> UdpTransport | TcpTransport:
    """Each of the transports, with its usual patience."""
    made: UdpTransport | TcpTransport = request.param()
    return made


def open_files() -> int:
    """Return how many files and sockets this process holds open."""
    return len(os.listdir("/proc/self/fd"))


# --- both transports -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "handle", [SHORT, LONG_NAME, BIG, BIGGEST], ids=["short", "long name", "big", "biggest"]
)
@pytest.mark.usefixtures("service")
async def test_answers(transport: UdpTransport | TcpTransport, port: int, handle: str) -> None:
    """Requests and answers of any size arrive whole, in one datagram or sixteen."""
    assert await ask(transport, port, handle) == KNOWN[handle]


@pytest.mark.usefixtures("service")
async def test_many_at_once(transport: UdpTransport | TcpTransport, port: int) -> None:
    """Dozens of exchanges side by side each get the answer to their own question."""
    handles = [SHORT, LONG_NAME, BIG] * 16
    records = await asyncio.gather(*(ask(transport, port, handle) for handle in handles))
    assert records == [KNOWN[handle] for handle in handles]


async def test_nobody_listens(transport: UdpTransport | TcpTransport, port: int) -> None:
    """Where nobody listens, that is known at once and not after a time-out."""
    started = time.monotonic()
    with pytest.raises(TransportError) as refused:
        await ask(transport, port)
    assert not isinstance(refused.value, LookupTimeoutError)
    assert time.monotonic() - started < 0.3


@pytest.mark.parametrize(
    "silent", [UdpTransport((0.05, 0.05)), TcpTransport(timeout_s=0.1)], ids=["udp", "tcp"]
)
async def test_silence(silent: UdpTransport | TcpTransport, service: HandleService, port: int) -> None:
    """A server that takes the question and says nothing costs the time-outs, no more."""
    service.behaviour.silent = frozenset({"udp", "tcp"})
    started = time.monotonic()
    with pytest.raises(LookupTimeoutError, match=r"no answer within 0\.1 s"):
        await ask(silent, port)
    assert 0.09 < time.monotonic() - started < 0.5


async def test_slow_answer(transport: UdpTransport | TcpTransport, service: HandleService, port: int) -> None:
    """A server may take its time, within the time-outs."""
    service.behaviour.delay_s = 0.1
    assert await ask(transport, port, BIG) == KNOWN[BIG]


async def test_cancelled(transport: UdpTransport | TcpTransport, service: HandleService, port: int) -> None:
    """An exchange that is cancelled at any moment leaves no socket open."""
    service.behaviour.silent = frozenset({"udp", "tcp"})
    await asyncio.sleep(0)
    before = open_files()
    loop = asyncio.get_running_loop()
    for delay_s in (0, 0, 0.001, 0.01, 0.03):
        asking = [loop.create_task(ask(transport, port)) for _ in range(5)]
        await asyncio.sleep(delay_s)
        for each in asking:
            each.cancel()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await service.close()
    await until(lambda: open_files() <= before)


async def until(condition: Callable[[], bool]) -> None:
    """Wait a moment for something that is about to happen."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - what it waits for is told by the kernel
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("outcome", ["answer", "refused", "silence"])
async def test_nothing_is_left_open(service: HandleService, port: int, outcome: str) -> None:
    """However exchanges end, their sockets are closed; what is kept between them is given back in the end."""
    udp = UdpTransport((0.05,))
    kinds = (udp, TcpTransport(timeout_s=0.05))
    if outcome == "silence":
        service.behaviour.silent = frozenset({"udp", "tcp"})
    if outcome == "refused":
        await service.close()
    before = open_files()
    for kind in kinds:
        for _ in range(5):
            with contextlib.suppress(UpstreamError):
                await ask(kind, port)
    await until(lambda: open_files() <= before + 1)
    udp.close()
    await until(lambda: open_files() <= before)


# --- UDP: what happens to datagrams ----------------------------------------------------------------------

PATIENT = UdpTransport((0.03,) * 60)


async def test_datagrams_out_of_order(service: HandleService, port: int) -> None:
    """Datagrams may arrive in any order."""
    service.behaviour.reorder = True
    assert await ask(UdpTransport(), port, BIGGEST) == KNOWN[BIGGEST]


async def test_datagrams_twice(service: HandleService, port: int) -> None:
    """Datagrams may arrive twice."""
    service.behaviour.duplicate = True
    assert await ask(UdpTransport(), port, BIG) == KNOWN[BIG]


@pytest.mark.parametrize("handle", [SHORT, LONG_NAME, BIG], ids=["short", "long name", "big"])
async def test_lost_datagrams(service: HandleService, port: int, handle: str) -> None:
    """Where datagrams get lost in either direction, asking again brings the answer together."""
    service.behaviour.loss = 0.3
    for _ in range(5):
        assert await ask(PATIENT, port, handle) == KNOWN[handle]


async def test_everything_that_can_happen(service: HandleService, port: int) -> None:
    """The same with loss, doubles and disorder together."""
    service.behaviour.loss = 0.2
    service.behaviour.duplicate = True
    service.behaviour.reorder = True
    for handle in (SHORT, LONG_NAME, BIG):
        assert await ask(PATIENT, port, handle) == KNOWN[handle]


async def test_asked_again(service: HandleService, port: int) -> None:
    """The question is sent once for each time-out, with the same request id."""
    answers = []

    def third_time_lucky(octets: bytes) -> bytes:
        answers.append(octets)
        return octets if len(answers) == 3 else b""

    service.behaviour.rewrite = third_time_lucky
    # An empty datagram is junk: two of them are put up with.
    assert await ask(UdpTransport((0.05, 0.05, 0.5)), port) == KNOWN[SHORT]
    assert len(service.requests) == 3
    assert len({request.envelope.request_id for request in service.requests}) == 1


# --- UDP: answers from the wrong place, or to the wrong question -----------------------------------------


class UdpServer(asyncio.DatagramProtocol):
    """Hands each datagram to a function that sends what it likes."""

    def __init__(self, react: Callable[[UdpServer, bytes, tuple[str, int]], None]) -> None:
        self._react = react
        self.received: list[tuple[bytes, tuple[str, int]]] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.append((data, addr))
        self._react(self, data, addr)

    def send(self, octets: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(octets, addr)


@contextlib.asynccontextmanager
async def udp_server(
    port: int, react: Callable[[UdpServer, bytes, tuple[str, int]], None]
) -> AsyncIterator[UdpServer]:
    """Run a UDP server of a few lines."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: UdpServer(react), local_addr=(HOST, port))
    try:
        yield server
    finally:
        transport.close()


@pytest.mark.parametrize("host", [HOST, OTHER_HOST])
async def test_answer_from_elsewhere(port: int, host: str) -> None:
    """A perfect answer from another port, or from the same port of another address, is never seen."""
    elsewhere = free_port() if host == HOST else port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind((host, elsewhere))

        def forge(_: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
            forger.sendto(answer_to(data), addr)

        async with udp_server(port, forge) as server:
            with pytest.raises(LookupTimeoutError):
                await ask(UdpTransport((0.05, 0.05)), port)
            assert len(server.received) == 2


async def test_answer_after_forgeries_from_elsewhere(port: int) -> None:
    """However many forged answers come from elsewhere, the real one is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind((OTHER_HOST, port))

        def react(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
            for _ in range(100):
                forger.sendto(answer_to(data, handle=BIG), addr)
            server.send(answer_to(data), addr)

        async with udp_server(port, react):
            assert await ask(UdpTransport(), port) == KNOWN[SHORT]


@pytest.mark.parametrize("misses", [0, 1, 2])
async def test_some_wrong_request_ids(port: int, misses: int) -> None:
    """Answers to other questions are passed over."""

    def react(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
        for number in range(misses):
            server.send(answer_to(data, request_id=number + 1, handle=BIG)[:500], addr)
        server.send(answer_to(data), addr)

    async with udp_server(port, react):
        assert await ask(UdpTransport(), port) == KNOWN[SHORT]


async def test_too_many_wrong_request_ids(port: int) -> None:
    """After three near misses somebody is guessing: UDP is given up at once, even if the right answer follows."""

    def react(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
        for number in range(3):
            server.send(answer_to(data, request_id=number + 1), addr)
        server.send(answer_to(data), addr)

    async with udp_server(port, react):
        started = time.monotonic()
        with pytest.raises(TransportError, match="forged"):
            await ask(UdpTransport(), port)
        assert time.monotonic() - started < 0.3


@pytest.mark.parametrize(
    "junk",
    [b"", b"x", bytes(19), bytes(20), b"\xff" * 512, b"\xff" * 2000],
    ids=["empty", "one octet", "19 zeros", "20 zeros", "512 ones", "more than a datagram"],
)
async def test_junk_before_the_answer(port: int, junk: bytes) -> None:
    """Datagrams that are no messages are passed over."""

    def react(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
        server.send(junk, addr)
        server.send(answer_to(data), addr)

    async with udp_server(port, react):
        assert await ask(UdpTransport(), port) == KNOWN[SHORT]


async def test_too_large_for_udp(service: HandleService, port: int) -> None:
    """An answer that announces more than sixteen datagrams is given up at the first: TCP is better for it."""
    started = time.monotonic()
    with pytest.raises(TransportError, match="17 datagrams"):
        await ask(UdpTransport(), port, TOO_BIG)
    assert time.monotonic() - started < 0.3
    assert await ask(TcpTransport(), port, TOO_BIG) == KNOWN[TOO_BIG]
    assert len(service.requests) == 2


async def test_piece_that_never_comes(port: int) -> None:
    """An answer of which one datagram is always missing is no answer."""

    def react(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
        for datagram in split_message(answer_to(data, handle=BIG))[:-1]:
            server.send(datagram, addr)

    async with udp_server(port, react):
        with pytest.raises(LookupTimeoutError):
            await ask(UdpTransport((0.05, 0.05)), port)


async def test_pieces_that_contradict_each_other(port: int) -> None:
    """Pieces that announce another length than the first are near misses, not parts of the answer."""

    def react(server: UdpServer, data: bytes, addr: tuple[str, int]) -> None:
        good = split_message(answer_to(data, handle=BIG))
        lie = good[1][:16] + struct.pack("!I", decode_envelope(good[1]).message_length + 1) + good[1][20:]
        for datagram in (good[0], lie, *good[1:]):
            server.send(datagram, addr)

    async with udp_server(port, react):
        assert await ask(UdpTransport(), port, BIG) == KNOWN[BIG]


async def test_ports_are_drawn_anew(port: int) -> None:
    """Each exchange has a port of its own, which an attacker has to guess."""
    async with udp_server(port, lambda server, data, addr: server.send(answer_to(data), addr)) as server:
        for _ in range(40):
            await ask(UdpTransport(), port)
        assert len({addr[1] for _, addr in server.received}) >= 35


async def test_long_request_is_marked(port: int) -> None:
    """The pieces of a long request carry the truncation flag and count up, each in a datagram of 512 octets."""
    octets = encode_message(request_for(LONG_NAME))
    async with udp_server(port, lambda *_: None) as server:
        with pytest.raises(LookupTimeoutError):
            await UdpTransport((0.02,)).exchange(ADDRESS, port, octets)
        assert [data for data, _ in server.received] == split_message(octets)
        assert [len(data) for data, _ in server.received] == [
            512,
            512,
            512,
            ENVELOPE_SIZE + len(octets) - 20 - 3 * 492,
        ]


# --- TCP -------------------------------------------------------------------------------------------------

React = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


@contextlib.asynccontextmanager
async def tcp_server(port: int, react: React) -> AsyncIterator[list[bytes]]:
    """Run a TCP server of a few lines; yields the requests it got."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readexactly(ENVELOPE_SIZE)
                request = head + await reader.readexactly(decode_envelope(head).message_length)
                requests.append(request)
                await react(reader, writer, request)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HOST, port)
    try:
        yield requests
    finally:
        server.close()
        await server.wait_closed()


def sends(octets_of: Callable[[bytes], bytes]) -> React:
    """React by sending octets and hanging up."""

    async def react(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(octets_of(request))
        await writer.drain()

    return react


@pytest.mark.parametrize(
    "length",
    [0, 1, ENVELOPE_SIZE - 1, ENVELOPE_SIZE, ENVELOPE_SIZE + 1, -1],
    ids=lambda length: f"[:{length}]",
)
async def test_cut_short(port: int, length: int) -> None:
    """A server that hangs up before the end of its answer gave none."""
    async with tcp_server(port, sends(lambda request: answer_to(request)[:length])):
        with pytest.raises(TransportError, match="closed in the middle"):
            await ask(TcpTransport(), port)


async def test_reset(port: int) -> None:
    """A connection that is reset is a failure of that server."""

    async def react(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.write(answer_to(request)[:30])
        writer.transport.abort()

    async with tcp_server(port, react):
        with pytest.raises(TransportError):
            await ask(TcpTransport(), port)


async def test_endless(port: int) -> None:
    """A server that sends on and on after its answer is heard to the end of the answer, and not beyond."""
    sent = 0

    async def react(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        nonlocal sent
        writer.write(answer_to(request))
        while True:
            writer.write(b"more" * 1024)
            await writer.drain()
            sent += 4096

    async with tcp_server(port, react):
        assert await ask(TcpTransport(), port) == KNOWN[SHORT]
        await asyncio.sleep(0.01)
    assert sent < 16 * 2**20


@pytest.mark.parametrize("announced", [2**32 - 1, 2**31, 262_145])
async def test_huge_announcement(port: int, announced: int) -> None:
    """A server that announces more than any message has is not waited for."""

    async def react(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(answer_to(request)[:16] + struct.pack("!I", announced))
        await asyncio.sleep(5)

    async with tcp_server(port, react):
        started = time.monotonic()
        with pytest.raises((TransportError, MessageFormatError), match=f"{announced} octets announced"):
            await ask(TcpTransport(), port)
        assert time.monotonic() - started < 0.3


async def test_no_message_is_a_transport_error(port: int) -> None:
    """What is no message is a ``TransportError``, as the docstring of ``exchange`` has it."""
    async with tcp_server(port, sends(lambda _: b"\xff" * 1000)):
        with pytest.raises(TransportError):
            await TcpTransport().exchange(ADDRESS, port, encode_message(request_for(SHORT)))


async def test_drip(port: int) -> None:
    """A server that sends an octet now and then costs the time-out as a whole, not for each octet."""

    async def react(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        for octet in answer_to(request):
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with tcp_server(port, react):
        started = time.monotonic()
        with pytest.raises(LookupTimeoutError):
            await ask(TcpTransport(timeout_s=0.15), port)
        assert time.monotonic() - started < 0.5


async def test_answer_in_small_pieces(port: int) -> None:
    """How an answer is cut into segments does not matter."""

    async def react(_: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        answer = answer_to(request)
        for start in range(0, len(answer), 7):
            writer.write(answer[start : start + 7])
            await writer.drain()
            await asyncio.sleep(0)

    async with tcp_server(port, react):
        assert await ask(TcpTransport(), port) == KNOWN[SHORT]


async def test_connection_that_does_not_come_about(port: int) -> None:
    """A host that drops connection attempts costs the connection time-out, not that of the whole exchange."""
    with socket.socket() as listener, contextlib.ExitStack() as crowd:
        listener.bind((HOST, port))
        listener.listen(0)
        for _ in range(2):  # fills the queue; further attempts are dropped by the kernel
            waiting = crowd.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect((HOST, port))
        started = time.monotonic()
        with pytest.raises(LookupTimeoutError):
            await ask(TcpTransport(connect_timeout_s=0.1, timeout_s=5), port)
        assert time.monotonic() - started < 1


# --- through the door ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Transport.UDP, Transport.TCP])
async def test_private_addresses_get_nothing(service: HandleService, port: int, kind: Transport) -> None:
    """What the policy refuses gets no packet at all; where private addresses are allowed it answers."""
    endpoint = Endpoint(kind, ADDRESS, port)
    message = encode_message(request_for(SHORT))
    with pytest.raises(AddressRefusedError):
        await Network(AddressPolicy()).exchange(endpoint, message, SHORT)
    await asyncio.sleep(0.01)
    assert service.requests == []
    answer = await Network(AddressPolicy(allow_private=True)).exchange(endpoint, message, SHORT)
    assert decode_message(answer).code is ResponseCode.SUCCESS


@contextlib.asynccontextmanager
async def resolver_over(site_port: int, **site: object) -> AsyncIterator[Resolver]:
    """Run a registry in which prefix ``10.1`` has a site at ``site_port``, and a resolver over real sockets."""
    port = free_port()
    root = site_at(HOST, port=port)
    store = RecordStore(
        [
            record_of(ROOT_HANDLE, site_value(root)),
            record_of("0.NA/10.1", site_value(site_at(HOST, port=site_port, **site))),  # type: ignore[arg-type]
        ]
    )
    registry = HandleService(store, site=root, homed=("0.NA",))
    await registry.start(HOST, port=port)
    background = Background()
    cache = TieredCache(MemoryCache(100, 10**6), None, background, stale_max_s=0, clock=time.time)
    known = registry_from_records([record_of(ROOT_HANDLE, site_value(root))])
    driver = Driver(
        Directory(known.sites),
        Network(AddressPolicy(allow_private=True)),
        background,
        transports=(Transport.UDP, Transport.TCP),
        clock=time.time,
    )
    try:
        yield Resolver(known, driver, cache, background, deadline_s=5, lifetimes=Lifetimes(), clock=time.time)
    finally:
        await background.close()
        await registry.close()


@pytest.mark.usefixtures("service")
async def test_large_record_by_tcp(port: int) -> None:
    """From the handle to the record over real sockets: by UDP, or by TCP where the record is too large for it."""
    async with resolver_over(port) as resolver:
        assert (await resolver.resolve(Handle(SHORT))).answered_by == f"udp://{HOST}:{port}"
        resolved = await resolver.resolve(Handle(TOO_BIG))
        assert (resolved.record, resolved.answered_by) == (KNOWN[TOO_BIG], f"tcp://{HOST}:{port}")


@pytest.mark.parametrize(
    ("site_port", "attributes"),
    [
        (70_000, ()),
        (2**32 - 1, ()),
        (None, (("alt_addr", "2001:db8::1%\0"),)),
        (None, (("alt_addr", "::1%x y"),)),
    ],
    ids=["port 70000", "port 2**32-1", "NUL in a zone", "spaces in a zone"],
)
async def test_site_record_that_is_a_trap(
    port: int, site_port: int | None, attributes: tuple[tuple[str, str], ...]
) -> None:
    """A site record that sockets choke on is the trouble of its prefix, and no bug of ours."""
    async with resolver_over(site_port or port, attributes=attributes) as resolver:
        with pytest.raises(UpstreamError):
            await resolver.resolve(Handle(SHORT))
