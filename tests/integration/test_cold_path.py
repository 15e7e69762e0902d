"""The cold path cannot be told from the ordinary way: not by its answers, its counts, or what comes behind them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.answer.plain import plain_target
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.config import HostSettings, Settings
from resolver.demo.faults import Behaviour
from resolver.demo.network import HandleNetwork, shipped_records
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue, Permission, TtlType
from resolver.protocol.codes import ResponseCode
from resolver.resolution import health, straight
from resolver.web.app import ASSEMBLY, COLD_PATH, create_apps
from resolver.web.cold_path import _PLAIN, MAX_TARGET, ColdPath
from resolver.web.server import new_event_loop
from resolver.web.sieve import FastConnection
from tests.fakes import text_value, url_value
from tests.integration.two_ways import START, TwoWays, request, two_ways, without_chance
from tests.raw_http import parse_response

P = "20.500.12345"
INACTIVE = "20.500.11000"
WITH_LOCATIONS, WITH_CONTACT, DOI = "10.88888", "10.66666", "10.77777"
URL = "https://example.org/"
DEADLINE_S = 5.0
DELAY_S = 0.05
"""How long the servers take where something is to happen meanwhile."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """A loop that lives longer than one example."""
    with asyncio.Runner(loop_factory=new_event_loop) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """However busy the machine is, no server here is too slow to be asked by a single datagram."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health, "SHORTEST_PATIENCE_S", health.LONGEST_PATIENCE_S)
        patch.setattr(straight, "LONGEST_S", health.LONGEST_PATIENCE_S)
        yield


@pytest.fixture(scope="module")
def network(runner: asyncio.Runner) -> Iterator[HandleNetwork]:
    """The sample network, with some prefixes more that its library keeps."""
    started = HandleNetwork(shipped_records())
    runner.run(started.start())
    registry, library = started.stores["registry"], started.services["LIBRARY"]
    described = registry.get(f"0.NA/{P}")
    assert described is not None
    site = described.of_type("HS_SITE")[0]
    for prefix, namespace in {
        WITH_LOCATIONS: f"<namespace><locs>{WITH_LOCATIONS}/locations</locs></namespace>",
        WITH_CONTACT: "<namespace><contact>somebody@example.org</contact></namespace>",
        DOI: "",
    }.items():
        says = (text_value(2, "HS_NAMESPACE", namespace),) if namespace else ()
        registry.put(HandleRecord(f"0.NA/{prefix}", (site, *says)))
        library._homed.add(prefix)
    places = '<locations><location href="https://inherited.example/"/></locations>'
    library.store.put(HandleRecord(f"{WITH_LOCATIONS}/locations", (text_value(1, "10320/loc", places),)))
    yield started
    runner.run(started.close())


@contextlib.asynccontextmanager
async def warm_ways(network: HandleNetwork, **settings: Any) -> AsyncIterator[TwoWays]:
    """Open the doors of a proxy that knows the prefixes, their servers, and the headers that are sent here."""
    async with two_ways(network, **settings) as ways:
        for prefix in (P, INACTIVE, WITH_LOCATIONS, WITH_CONTACT, DOI):
            await ways.talk(ways.slow, [request(f"/{prefix}/nothing-here")])
        await ways.talk(ways.cold, [request("/robots.txt")])
        yield ways


@pytest.fixture(scope="module")
def ways(runner: asyncio.Runner, network: HandleNetwork) -> Iterator[TwoWays]:
    """All doors, warm."""
    opened = warm_ways(network)
    yield runner.run(opened.__aenter__())
    runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
def slow_servers(network: HandleNetwork) -> Iterator[None]:
    """Let answers of the library take long enough for something to happen meanwhile."""
    behaviour = network.services["LIBRARY"].behaviour
    behaviour.delay_s = DELAY_S
    yield
    behaviour.delay_s = 0.0


def cold_path(ways: TwoWays) -> ColdPath:
    """Return the cold path behind the door."""
    path = ways.app[COLD_PATH]
    assert path is not None
    return path


def register(ways: TwoWays, handle: str, *members: HandleValue) -> None:
    """Give a handle a record, and let the proxy know nothing of it."""
    ways.network.stores["library"].put(HandleRecord(handle, members or (url_value(URL),)))
    forget(ways, handle)


def forget(ways: TwoWays, handle: str) -> None:
    """Let the proxy know nothing of a handle."""
    ways.app[ASSEMBLY].cache.forget(Handle(handle).cache_key)
    ways.app[ASSEMBLY].resolver.forget_setbacks()
    cold_path(ways)._unusual.clear()
    ways.ordinary.clear()


def counted(ways: TwoWays) -> Counter[str]:
    """Return all counts that a request may change; of times only how many there were."""
    return Counter(
        {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for metric in ways.metrics.registry.collect()
            for sample in metric.samples
            if re.fullmatch(
                r"resolver_(requests_total|cache_lookups_total|request_seconds_count|coalesced_total|in_flight|"
                r"upstream_exchanges_total|upstream_exchange_seconds_count|refused_total)",
                sample.name,
            )
        }
    )


async def compare(ways: TwoWays, target: str, *behind: bytes) -> tuple[bytes, bytes]:
    """Ask for a handle of which nothing is known, by the cold and by the slow door; each time for the first time."""
    handle = unquote(target[1:])
    answers = []
    for port in (ways.slow, ways.cold):
        forget(ways, handle)
        answers.append(without_chance(await ways.talk(port, [request(target), *behind])))
    slow, cold = answers
    return cold, slow


def at_rest(ways: TwoWays) -> bool:
    """Whether nothing is under way, and nothing is left of what was."""
    resolver = ways.app[ASSEMBLY].resolver
    transport = ways.app[ASSEMBLY].network._udp
    ears = transport._open_channel.__self__._ears  # type: ignore[attr-defined]
    return (
        resolver.room.in_flight == len(resolver._flights) == 0
        and not resolver.room._under_way
        and not resolver.straight_way._journeys
        and not len(ways.app[ASSEMBLY].network._gate)
        and not ears._readers
        and ways.metrics.registry.get_sample_value("resolver_in_flight") == 0
    )


async def until(condition: Any) -> None:
    """Let the loop go on until something has happened."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)


# --- the same answers ------------------------------------------------------------------------------------


def test_without_the_ordinary_way(runner: asyncio.Runner, ways: TwoWays) -> None:
    """A plain handle that nobody has asked for is answered without a request object, once; then it is remembered."""

    async def scene() -> None:
        register(ways, f"{P}/cold")
        answer = await ways.talk(ways.cold, [request(f"/{P}/cold")])
        assert ways.ordinary == []
        shown = parse_response(answer)
        assert (shown.status, shown.header("Location")) == (302, URL)
        assert re.fullmatch("[0-9a-f]{16}", shown.header("X-Request-ID") or "")
        await ways.talk(ways.cold, [request(f"/{P}/cold")])
        assert ways.ordinary == [f"/{P}/cold"]
        assert at_rest(ways)

    runner.run(scene())


PREFIXES = st.sampled_from([P, P, DOI, DOI, WITH_CONTACT, WITH_LOCATIONS, INACTIVE])
ODD_SUFFIXES = [
    *(
        "a",
        "a/b",
        "a//b",
        "/a",
        "a/",
        ".",
        "..",
        "../a",
        "./a",
        "a/..",
        "a/./b",
        ".a",
        "a.",
        "-",
        "~a",
        "_",
        "a~-_",
    ),
    *(
        "%61",
        "%2e",
        "a%2Fb",
        "a%20b",
        "%C3%BC",
        "a%25",
        "a%00",
        "a;b",
        "a@b",
        "a:b",
        "a+b",
        "(a)",
        "a!",
        "a,b",
        "a*",
    ),
    *("a#b", "a?", "a|b", "a%", "a%zz", "x" * (MAX_TARGET - 20), "x" * MAX_TARGET),
]
SUFFIXES = st.one_of(
    st.text("abcXYZ019._~-/", min_size=1, max_size=12),
    st.sampled_from(ODD_SUFFIXES),
)
TYPES = st.sampled_from(
    [
        *("URL", "URL", "URL", "URL", "url", "Url", "0.TYPE/URL", "0.type/url", "URL.mirror", "URL.archived"),
        *(
            "HS_ALIAS",
            "hs_alias.x",
            "TOMBSTONE",
            "10320/loc",
            "10320/headers",
            "EMAIL",
            "HS_ADMIN",
            "DESC",
            "Ü",
        ),
    ]
)
DATA = st.sampled_from(
    [
        b"https://one.example/",
        b"http://two.example:8080/a?b='c'&d=%25s#e",
        b"HTTPS://Three.Example/%s%d",
        b" https://four.example/<x>",
        "https://fünf.example/ü".encode(),
        b"mailto:somebody@example.org",
        b"javascript:alert(1)",
        b"https://six.example/\r\nX: y",
        b"",
        b"\xff\xfe",
        f"{P}/abc".encode(),
        b'<locations><location href="https://loc.example/"/></locations>',
        b"X-Added: yes",
    ]
)
VALUES = st.builds(
    HandleValue,
    index=st.integers(1, 9),
    type=TYPES,
    data=DATA,
    ttl=st.sampled_from([86_400, 86_400, 3600, 60, 1, 0, -1, 2**31 - 1, -(2**31), int(START) + 100]),
    ttl_type=st.sampled_from([TtlType.RELATIVE, TtlType.RELATIVE, TtlType.ABSOLUTE, 7]),
    permissions=st.sampled_from([14, 14, 14, int(Permission.ADMIN_READ)]),
    timestamp=st.sampled_from([0, 1_700_000_000]),
)
MEMBERS = st.one_of(
    st.lists(VALUES, max_size=4),
    st.builds(
        lambda value, data: [HandleValue(1, "URL", data, ttl=value.ttl, ttl_type=value.ttl_type)],
        VALUES,
        DATA,
    ),
)


@settings(max_examples=100)
@given(PREFIXES, SUFFIXES, MEMBERS, st.floats(0, 50))
def test_both_ways_say_and_count_the_same(
    runner: asyncio.Runner,
    ways: TwoWays,
    prefix: str,
    suffix: str,
    members: list[HandleValue],
    after_s: float,
) -> None:
    """Whatever a record holds, its handle looks like and its prefix says: the octets are those of the ordinary way.

    What is usual is answered by the cold path indeed, and counted as by the ordinary way.
    """
    target = f"/{prefix}/{suffix}"
    handle = unquote(target[1:])
    record = HandleRecord(handle, tuple(members))
    register(ways, handle, *members)
    ways.network.stores["library"].put(record)
    ways.clock.now = START + after_s
    before = counted(ways)
    slow = without_chance(runner.run(ways.talk(ways.slow, [request(target)])))
    between = counted(ways)
    forget(ways, handle)
    cold = without_chance(runner.run(ways.talk(ways.cold, [request(target)])))
    assert cold == slow
    shown = HandleRecord(handle, tuple(value for value in members if value.is_public))
    is_usual = (
        plain_target(shown, DEFAULT_SCHEMES) is not None
        and prefix not in (WITH_LOCATIONS, INACTIVE)
        and _PLAIN.fullmatch(target) is not None
        and len(target) <= MAX_TARGET
    )
    assert ways.ordinary == ([] if is_usual else [target])
    if is_usual:
        assert counted(ways) - between == between - before
        assert cold.startswith(b"HTTP/1.1 302 ")
    assert at_rest(ways)


@pytest.mark.parametrize("prefix", [P, DOI])
def test_every_kind_of_handle(runner: asyncio.Runner, ways: TwoWays, prefix: str) -> None:
    """Whatever characters, dots, slashes and escapes the handle of a usual record has, the answers are the same."""

    async def scene() -> None:
        for suffix in ODD_SUFFIXES:
            target = f"/{prefix}/{suffix}"
            register(ways, unquote(target[1:]).partition("?")[0].partition("#")[0])
            cold, slow = await compare(ways, target)
            assert cold == slow, target

    runner.run(scene())


@pytest.mark.parametrize(
    "target",
    [
        f"/{P}/missing",
        f"/{P}/plain?noredirect",
        f"/{P}/plain?",
        f"/{P}",
        "/0.NA/20.500.23456",
        "/0.TYPE/URL",
        "/20.500.99999/unknown-prefix",
        f"/hdl:{P}/plain",
        f"http://other.example/{P}/plain",
        f"/api/handles/{P}/plain",
        f"//{P}/plain",
        "/",
    ],
)
def test_what_is_left_to_the_ordinary_way(runner: asyncio.Runner, ways: TwoWays, target: str) -> None:
    """What is missing, asks for more, or is no plain handle of a known prefix is answered by the ordinary way."""

    async def scene() -> None:
        answers = []
        for port in (ways.slow, ways.cold):
            register(ways, f"{P}/plain")
            forget(ways, f"{P}/missing")
            answers.append(without_chance(await ways.talk(port, [request(target)])))
            assert ways.ordinary == [target]
        assert answers[0] == answers[1]
        assert at_rest(ways)

    runner.run(scene())


@pytest.mark.parametrize(
    "asked",
    [
        request(f"/{P}/form", method="HEAD"),
        request(f"/{P}/form", version="1.0"),
        request(f"/{P}/form", "Connection: close\r\n"),
        request(f"/{P}/form", "Content-Length: 4\r\n") + b"body",
        request(f"/{P}/form", "Expect: 100-continue\r\n"),
        request(f"/{P}/form", "X-New: header\r\n"),
        request(f"/{P}/form", method="POST"),
        request(f"/{P}/form", method="OPTIONS"),
        b"\r\n" + request(f"/{P}/form"),
        request(f"/{P}/form").replace(b"\r\n", b"\n"),
    ],
)
def test_requests_of_another_form(runner: asyncio.Runner, ways: TwoWays, asked: bytes) -> None:
    """Whatever is no plain GET with headers that were read before is read and answered by the ordinary way."""

    async def scene() -> None:
        answers = []
        for port in (ways.slow, ways.cold):
            register(ways, f"{P}/form")
            answers.append(without_chance(await ways.talk(port, [asked])))
            assert ways.ordinary == [f"/{P}/form"] or b" 400 " in answers[-1]
        assert answers[0] == answers[1]

    runner.run(scene())


def test_headers_are_learned_first(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Headers that nobody has sent before are read by the parser; after that they are known, except for secrets."""

    async def scene() -> None:
        async with warm_ways(network) as ways:
            for headers, ordinary in (("X-A: b\r\n", [True, False]), ("Cookie: a=b\r\n", [True, True])):
                for is_ordinary in ordinary:
                    register(ways, f"{P}/learned")
                    await ways.talk(ways.cold, [request(f"/{P}/learned", headers)])
                    assert ways.ordinary == [f"/{P}/learned"] * is_ordinary

    runner.run(scene())


def test_what_was_unusual_is_not_tried_again(runner: asyncio.Runner, ways: TwoWays) -> None:
    """Where the ordinary way had to be gone for a handle, no datagram is spent on it the next time."""

    async def scene() -> None:
        register(ways, f"{P}/unusual", text_value(1, "DESC", "no URL", ttl=0))
        for tried in (1, 0):
            before = counted(ways)
            await ways.talk(ways.cold, [request(f"/{P}/unusual")])
            misses = (counted(ways) - before)[
                "resolver_cache_lookups_total[('layer', 'memory'), ('result', 'miss')]"
            ]
            assert misses == 1 + tried

    runner.run(scene())


@pytest.mark.parametrize(
    "fault",
    [
        {"wrong_id": True, "only_on": frozenset({"udp"})},
        {"garbage": True, "only_on": frozenset({"udp"})},
        {"cut": 30, "only_on": frozenset({"udp"})},
        {"code": ResponseCode.ERROR},
        {"code": ResponseCode.SERVICE_REFERRAL},
    ],
)
def test_faults_of_servers(
    runner: asyncio.Runner, network: HandleNetwork, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server does in place of answering, visitors of both ways get the same in the end."""
    monkeypatch.setattr(network.services["LIBRARY"], "behaviour", Behaviour(**fault))
    missed = "resolver_cache_lookups_total[('layer', 'memory'), ('result', 'miss')]"

    async def scene() -> None:
        answers = []
        for way in ("cold", "slow"):
            monkeypatch.setattr(network.services["LIBRARY"], "behaviour", Behaviour())
            async with warm_ways(network) as ways:
                register(ways, f"{P}/fault")
                before = counted(ways)
                # Soon somebody else is asked, or the same by TCP.
                monkeypatch.setattr(health, "SHORTEST_PATIENCE_S", 0.05)
                monkeypatch.setattr(network.services["LIBRARY"], "behaviour", Behaviour(**fault))
                answers.append(without_chance(await ways.talk(getattr(ways, way), [request(f"/{P}/fault")])))
                assert (counted(ways) - before)[missed] == (2 if way == "cold" else 1)
                assert ways.ordinary == [f"/{P}/fault"]
                await until(lambda ways=ways: at_rest(ways))
            monkeypatch.setattr(health, "SHORTEST_PATIENCE_S", health.LONGEST_PATIENCE_S)
        assert answers[0] == answers[1]
        assert answers[0].startswith(b"HTTP/1.1 302 " if "only_on" in fault else b"HTTP/1.1 502 ")

    runner.run(scene())


# --- what comes behind -----------------------------------------------------------------------------------

READY = f"/{P}/abc"
BEHIND = {
    "nothing": (),
    "one more": (request(READY),),
    "many in one segment": (b"".join([request(READY), request(f"/{P}/letter?noredirect")] * 4),),
    "more than are read at once": (request(READY) * 70,),
    "many segments": tuple([request(READY)] * 5),
    "another cold one": (request(f"/{P}/other"),),
    "half a request": (request(READY)[:20], request(READY)[20:]),
    "half a request, much later": (request(READY)[:20], b"", b"", request(READY)[20:]),
    "cut anywhere": (*(bytes([octet]) for octet in request(READY)[:30]), request(READY)[30:]),
    "nonsense": (b"\x00nonsense\r\n\r\n",),
    "nonsense behind a good one": (request(READY) + b"\xffnonsense\r\n\r\n", request(READY)),
    "HEAD": (request(READY, method="HEAD"), request(READY)),
    "a body": (request("/", "Content-Length: 3\r\n", "POST") + b"a=b", request(READY)),
    "half a body": (request("/", "Content-Length: 3\r\n", "POST") + b"a", b"=b" + request(READY)),
    "HTTP/1.0": (request(READY, version="1.0"), request(READY)),
    "the last one": (request(READY, "Connection: close\r\n"), request(READY)),
    "empty lines": (b"\r\n\r\n" + request(READY),),
    "lines that end early": (request(READY).replace(b"\r\n", b"\n"),),
}


@pytest.mark.usefixtures("slow_servers")
@pytest.mark.parametrize("name", BEHIND)
def test_what_comes_behind(
    runner: asyncio.Runner, ways: TwoWays, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives while a cold answer is under way is answered after it, in order, as on the ordinary way."""
    held: list[bytes] = []
    hold = FastConnection._hold

    def noting(connection: FastConnection, data: bytes) -> None:
        held.append(data)
        hold(connection, data)

    monkeypatch.setattr(FastConnection, "_hold", noting)

    async def scene() -> None:
        register(ways, f"{P}/other")
        register(ways, f"{P}/first")
        cold, slow = await compare(ways, f"/{P}/first", *BEHIND[name])
        assert cold == slow
        assert f"/{P}/first" not in ways.ordinary
        assert cold.startswith(b"HTTP/1.1 302 ")
        assert held
        assert at_rest(ways)

    runner.run(ways.warm(READY, f"/{P}/letter?noredirect"))
    runner.run(scene())


class Visitor:
    """A connection through the cold door, and what the server knows of it."""

    def __init__(self, ways: TwoWays) -> None:
        self._ways = ways

    async def __aenter__(self) -> Visitor:
        before = set(self._ways.server.connections)
        self.socket = socket.socket()
        self.socket.setblocking(False)
        await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", self._ways.cold))
        await until(lambda: set(self._ways.server.connections) - before)
        (connection,) = set(self._ways.server.connections) - before
        assert isinstance(connection, FastConnection)
        self.connection = connection
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close()

    async def send(self, octets: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, octets)

    async def ask(self, target: str) -> None:
        """Send a request, and wait until its cold answer is under way."""
        await self.send(request(target))
        await until(lambda: self.connection._asked is not None)

    async def receive(self) -> bytes:
        """Return what has arrived; nothing if the connection has ended."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await asyncio.get_running_loop().sock_recv(self.socket, 65536)
            except ConnectionError:
                return b""

    async def receive_until_the_end(self) -> bytes:
        """Return all that arrives until the connection ends."""
        received = b""
        while got := await self.receive():
            received += got
        return received


@pytest.mark.usefixtures("slow_servers")
def test_visitor_leaves(runner: asyncio.Runner, ways: TwoWays) -> None:
    """A visitor who leaves leaves nothing behind, and what was found is remembered for the next."""

    async def scene() -> None:
        register(ways, f"{P}/left")
        async with Visitor(ways) as visitor:
            await visitor.ask(f"/{P}/left")
            await visitor.send(request(READY))
        await until(lambda: at_rest(ways))
        assert ways.app[ASSEMBLY].cache.peek(f"{P}/left") is not None
        assert ways.ordinary == []

    runner.run(scene())


@pytest.mark.usefixtures("slow_servers")
@pytest.mark.parametrize("is_known", [True, False])
def test_visitor_says_no_more(runner: asyncio.Runner, ways: TwoWays, is_known: bool) -> None:
    """A visitor who ends his side of the connection gets what the ordinary way would give him."""

    async def said(port: int) -> bytes:
        forget(ways, f"{P}/half")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(f"/{P}/half"))
        writer.write_eof()
        async with asyncio.timeout(DEADLINE_S):
            answer = await reader.read()
        writer.close()
        return without_chance(answer)

    async def scene() -> None:
        register(ways, f"{P}/half", *([] if is_known else [text_value(1, "DESC", "no URL")]))
        assert await said(ways.cold) == await said(ways.slow)
        await until(lambda: at_rest(ways))

    runner.run(scene())


@pytest.mark.usefixtures("slow_servers")
def test_no_more_is_read_than_can_be_kept(runner: asyncio.Runner, ways: TwoWays) -> None:
    """While an answer is under way a visitor may send as much as he likes: little of it is read."""
    ways.network.services["LIBRARY"].behaviour.delay_s = 0.3

    async def scene() -> None:
        register(ways, f"{P}/flood")
        async with Visitor(ways) as visitor:
            await visitor.ask(f"/{P}/flood")
            flood = asyncio.get_running_loop().create_task(visitor.send(request(READY) * 400_000))
            await until(lambda: visitor.connection._held)
            assert visitor.connection._asked is not None
            assert visitor.connection.transport is not None
            assert not visitor.connection.transport.is_reading()
            assert len(visitor.connection._held) <= 2**19
            assert not flood.done()
            flood.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flood
        await until(lambda: visitor.connection.transport is None and at_rest(ways))

    runner.run(scene())


def test_who_does_not_read_is_not_written_to(runner: asyncio.Runner, ways: TwoWays) -> None:
    """While a visitor does not read what was sent, no cold answers pile up for him."""

    async def scene() -> None:
        for number in range(3):
            register(ways, f"{P}/unread-{number}")
        async with Visitor(ways) as visitor:
            visitor.connection.pause_writing()
            for number in range(3):
                await visitor.send(request(f"/{P}/unread-{number}"))
                await asyncio.sleep(0.02)
            assert visitor.connection._asked is None
            assert ways.ordinary == [f"/{P}/unread-0"]  # the others wait for it, and it waits for the visitor
            visitor.connection.resume_writing()
            received = b""
            while received.count(b"</html>") < 3:
                received += await visitor.receive()
        await until(lambda: at_rest(ways))

    runner.run(scene())


@pytest.mark.usefixtures("slow_servers")
def test_idle_time_begins_anew(runner: asyncio.Runner, ways: TwoWays) -> None:
    """Each cold answer lets the connection live on for its idle time, and it ends after that."""

    async def scene() -> None:
        register(ways, f"{P}/idle")
        loop = asyncio.get_running_loop()
        async with Visitor(ways) as visitor:
            visitor.connection._next_keepalive_close_time = 0.0
            await visitor.ask(f"/{P}/idle")
            assert visitor.connection._next_keepalive_close_time > loop.time()
            visitor.connection._next_keepalive_close_time = 0.0
            assert b"302 Found" in await visitor.receive()
            assert visitor.connection._next_keepalive_close_time > loop.time()
            assert visitor.connection._keepalive_handle is not None
        async with Visitor(ways) as visitor:
            visitor.connection._keepalive_timeout = 10 * DELAY_S
            assert visitor.connection._keepalive_handle is not None
            visitor.connection._keepalive_handle.cancel()
            visitor.connection._keepalive_handle = None
            register(ways, f"{P}/idle")
            await visitor.ask(f"/{P}/idle")
            assert b"302 Found" in await visitor.receive_until_the_end()

    runner.run(scene())


@pytest.mark.usefixtures("slow_servers")
def test_many_visitors_of_one_handle(runner: asyncio.Runner, ways: TwoWays) -> None:
    """Twenty visitors of a handle that nobody knows, by all doors, cost its server one question."""

    async def scene() -> None:
        register(ways, f"{P}/crowd")
        requests = ways.network.services["LIBRARY"].requests
        before = len(requests)
        answers = await asyncio.gather(
            *(ways.talk(port, [request(f"/{P}/crowd")]) for port in [ways.cold] * 20 + [ways.slow] * 5)
        )
        assert len({without_chance(answer) for answer in answers}) == 1
        assert len(requests) - before == 1
        assert at_rest(ways)

    runner.run(scene())


# --- the end of a worker ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("slow_servers")
@pytest.mark.parametrize("is_plain", [True, False])
def test_draining(runner: asyncio.Runner, network: HandleNetwork, is_plain: bool) -> None:
    """From the moment a worker is asked to stop each answer is the last of its connection, and ends it."""

    async def scene() -> None:
        async with warm_ways(network) as ways:
            register(ways, f"{P}/last", *([] if is_plain else [text_value(1, "DESC", "no URL")]))
            async with Visitor(ways) as visitor:
                await visitor.ask(f"/{P}/last")
                await visitor.send(request(READY))
                await until(lambda: visitor.connection._held)
                cold_path(ways).draining.is_on = True
                answer = parse_response(await visitor.receive_until_the_end())
                assert answer.status == (302 if is_plain else 200)
                assert answer.header("Connection") == "close"
                assert answer.body.count(b"</html>") == 1
            register(ways, f"{P}/late")
            async with Visitor(ways) as visitor:
                await visitor.send(request(f"/{P}/late"))
                assert b"\r\nConnection: close" in await visitor.receive_until_the_end()
                assert ways.ordinary == [f"/{P}/late"]
            await until(lambda: at_rest(ways))

    runner.run(scene())


@pytest.mark.usefixtures("slow_servers")
@pytest.mark.parametrize("is_plain", [True, False])
def test_stopped_meanwhile(runner: asyncio.Runner, network: HandleNetwork, is_plain: bool) -> None:
    """A worker that ends waits for the cold answers under way; where one takes more, the visitor may try again."""

    async def scene() -> None:
        async with warm_ways(network) as ways:
            register(ways, f"{P}/stop", *([] if is_plain else [text_value(1, "DESC", "no URL")]))
            async with Visitor(ways) as visitor:
                await visitor.ask(f"/{P}/stop")
                cold_path(ways).draining.is_on = True
                ways.server.pre_shutdown()
                await ways.server.shutdown(DEADLINE_S)
                answer = parse_response(await visitor.receive_until_the_end())
                assert answer.status == (302 if is_plain else 503)
                assert answer.header("Connection") == "close"
            await until(lambda: at_rest(ways))

    runner.run(scene())


# --- what operators choose -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "is_cold"),
    [
        ("100 %% of %s: <a href='{{ uri }}'>Зейн ü</a></html>", True),
        ("{% if 'one' in uri %}to one{% else %}elsewhere{% endif %}: {{ uri }}</html>", False),
    ],
)
def test_pages_of_the_operator(
    runner: asyncio.Runner, network: HandleNetwork, tmp_path: Path, page: str, is_cold: bool
) -> None:
    """An operator's own page is sent as written; one that decides by the target is rendered each time."""
    (tmp_path / "redirect.html").write_text(page, "utf-8")

    async def scene() -> None:
        opened = two_ways(network, templates=tmp_path)
        async with opened as ways:
            assert (ways.app[COLD_PATH] is not None) is is_cold
            for prefix in (P, DOI):
                await ways.talk(ways.slow, [request(f"/{prefix}/nothing-here")])
            await ways.talk(ways.cold, [request("/robots.txt")])
            for handle, url in ((f"{P}/own-page", "https://one.example/%s"), (f"{DOI}/own-page", URL)):
                network.stores["library"].put(HandleRecord(handle, (url_value(url),)))
                answers = []
                for port in (ways.slow, ways.cold):
                    ways.app[ASSEMBLY].cache.forget(Handle(handle).cache_key)
                    ways.ordinary.clear()
                    answers.append(without_chance(await ways.talk(port, [request(f"/{handle}")])))
                assert answers[0] == answers[1]
                assert ways.ordinary == ([] if is_cold else [f"/{handle}"])
                body = page.replace("{{ uri }}", url) if is_cold else None
                shown = parse_response(answers[1].partition(b"</html>")[0] + b"</html>")
                assert int(shown.header("Content-Length") or 0) == len(shown.body)
                assert body is None or shown.body.decode() == body

    runner.run(scene())


@pytest.mark.parametrize(
    "chosen",
    [
        {"access_log": "json"},
        {"rate_limit": 5.0},
        {"hosts": (HostSettings(name="own.example"),)},
    ],
)
def test_choices_that_leave_no_cold_path(chosen: dict[str, Any]) -> None:
    """Where each request is noted or weighed, or host names are told apart, there is no cold path."""
    app, _ = create_apps(Settings(refresh_registry=False, **chosen))
    assert app[COLD_PATH] is None
