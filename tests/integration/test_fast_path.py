"""The fast path cannot be told from the ordinary way, whatever is asked, and however it is written."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.demo.network import HandleNetwork, shipped_records
from resolver.ledger import DELAY_S
from resolver.model.record import HandleRecord, HandleValue
from resolver.web.server import new_event_loop
from tests.integration.two_ways import START, TwoWays, request, two_ways, without_chance
from tests.raw_http import parse_response
from tests.redis_process import RedisProcess

P = "20.500.12345"
LIFETIME_S = 3600.0

READY = (
    f"/{P}/abc",
    f"/{P}/abc?noredirect",
    f"/{P}/letter",
    f"/api/handles/{P}/abc",
    f"/api/handles/{P}/abc?pretty",
    f"/api/handles/{P}/map-1482?callback=f",
    f"/{P}/map-1482?urlappend=/x",
    f"/{P}",
)
"""Answers that do not depend on the visitor, or on what is in ``Accept`` only."""

OTHER = (
    f"/{P}/old-name",
    f"/{P}/portrait",
    f"/{P}/abc?auth",
    f"/{P}/abc?cert",
    f"/{P}/abc?publicOnly=false",
    f"/{P}/nothing-here",
    f"/{P}/gone",
    "/10.99999/demo.2026.1",
    f"/https://resolver.example/{P}/abc",
    f"/%68dl:{P}/abc",
    "/",
    "/help",
    "/robots.txt",
    "/%zz",
    "/api/handles",
    f"http://other.example/{P}/abc",
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """A loop that lives longer than one example."""
    with asyncio.Runner(loop_factory=new_event_loop) as running:
        yield running


@pytest.fixture(scope="module")
def network(runner: asyncio.Runner) -> Iterator[HandleNetwork]:
    """The sample network; tests that change records have some of their own."""
    started = HandleNetwork(shipped_records())
    runner.run(started.start())
    yield started
    runner.run(started.close())


@pytest.fixture(scope="module")
def ways(runner: asyncio.Runner, network: HandleNetwork) -> Iterator[TwoWays]:
    """Both doors, warm."""
    opened = two_ways(network, base_url="https://hdl.example.org")
    doors = runner.run(opened.__aenter__())
    runner.run(doors.warm(*OTHER, *READY))
    runner.run(doors.warm(*READY, f"/{P}/old-name"))
    yield doors
    runner.run(opened.__aexit__(None, None, None))


async def fast_only(ways: TwoWays, *chunks: bytes) -> list[bytes]:
    """Talk to the fast door; fail if anything went the ordinary way."""
    ways.ordinary.clear()
    answer = await ways.talk(ways.fast, chunks)
    assert ways.ordinary == []
    return answer.split(b"HTTP/1.1 ")[1:-1]


@pytest.mark.parametrize("target", [READY[0], READY[3], f"/{P}/old-name"])
def test_ready_answers_are_used(runner: asyncio.Runner, ways: TwoWays, target: str) -> None:
    """A redirect, a record in JSON and an alias are answered without the ordinary way, one request after the other."""
    answers = runner.run(fast_only(ways, *[request(target)] * 3))
    assert len(answers) == 3
    assert len({parse_response(b"HTTP/1.1 " + answer).header("X-Request-ID") for answer in answers}) == 3


def test_values_page_is_ready_for_who_accepts_the_same(runner: asyncio.Runner, ways: TwoWays) -> None:
    """A page whose form depends on Accept is kept for each Accept apart."""
    browser, script = "Accept: text/html\r\n", "Accept: application/json\r\n"
    target = f"/{P}/abc?noredirect"
    runner.run(ways.warm(target, headers=browser))
    runner.run(ways.warm(target, headers=script))
    (page,) = runner.run(fast_only(ways, request(target, browser)))
    (record,) = runner.run(fast_only(ways, request(target, script)))
    assert b"Content-Type: text/html" in page
    assert b"Content-Type: application/json" in record


ONE_BY_ONE = (
    "Accept: */*",
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept: application/json",
    "Accept: text/turtle",
    "Accept-Language: de",
    "Accept-Encoding: gzip, br",
    "User-Agent: curl/8.16.0",
    "If-None-Match: *",
    'If-None-Match: "nothing"',
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Content-Length: 0",
    "Expect: 100-continue",
    "Host: resolver.example",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Host: evil.example",
    "Cookie: a=b",
    "Range: bytes=0-3",
    "TE: trailers",
    "x-empty:",
    "X-Long: " + "y" * 9000,
)
HEADERS = st.lists(st.sampled_from(ONE_BY_ONE), max_size=4)
REQUEST = st.builds(
    lambda method, target, headers, version: "\r\n".join(
        [f"{method} {target} HTTP/{version}", "Host: resolver.example", *headers, "", ""]
    ).encode(),
    st.sampled_from(["GET"] * 6 + ["HEAD", "HEAD", "POST", "OPTIONS", "PUT", "get"]),
    st.one_of(st.sampled_from(READY), st.sampled_from(READY + OTHER)),
    HEADERS,
    st.sampled_from(["1.1"] * 5 + ["1.0"]),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Some requests, cut into pieces anywhere or nowhere."""
    requests = draw(st.lists(REQUEST, min_size=1, max_size=4))
    if draw(st.booleans()):
        return requests
    octets = b"".join(requests)
    cuts = sorted(draw(st.lists(st.integers(1, len(octets) - 1), max_size=4)))
    return [
        octets[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(octets)], strict=True) if end > begin
    ]


@settings(max_examples=60)
@given(chunks=conversations())
def test_both_ways_say_the_same(runner: asyncio.Runner, ways: TwoWays, chunks: list[bytes]) -> None:
    """Any requests, pipelined or in halves, are answered alike through both doors, and counted alike."""
    before = ways.counts()
    fast = runner.run(ways.talk(ways.fast, chunks))
    between = ways.counts()
    slow = runner.run(ways.talk(ways.slow, chunks))
    assert without_chance(fast) == without_chance(slow)
    assert between - before == ways.counts() - between


@pytest.mark.parametrize("target", [READY[0], READY[3]])
@pytest.mark.parametrize("header", ONE_BY_ONE)
def test_each_header_alone(runner: asyncio.Runner, ways: TwoWays, target: str, header: str) -> None:
    """Whatever a header asks for is done or left behind both doors, for GET and HEAD, in both versions of HTTP."""
    for method, version in (("GET", "1.1"), ("HEAD", "1.1"), ("GET", "1.0")):
        asked = [request(target, f"{header}\r\n", method, version)] * 2
        fast, slow = runner.run(ways.both(asked))
        assert fast == slow


HOST = b"Host: resolver.example\r\n"
LINE = f"GET /{P}/abc HTTP/1.1\r\n".encode()
CORPUS = {
    "folded header": LINE + HOST + b"X-A: b\r\n c\r\n\r\n",
    "folded first line": LINE + b" " + HOST + b"\r\n",
    "two lengths": LINE + HOST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    "same length twice": LINE + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": LINE + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": LINE + HOST + b"Content-Length: +5\r\n\r\nhello",
    "length and chunks": LINE + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": LINE + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunked body": LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "odd coding": LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding twice": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "body of a GET": LINE + HOST + b"Content-Length: 5\r\n\r\nhello",
    "bare line feeds": LINE.replace(b"\r\n", b"\n") + b"Host: resolver.example\n\n",
    "bare line feed in a header": LINE + HOST + b"X-A: b\nX-C: d\r\n\r\n",
    "bare carriage return": LINE + HOST + b"X-A: b\rX-C: d\r\n\r\n",
    "NUL in a header": LINE + HOST + b"X-A: b\0c\r\n\r\n",
    "NUL in the target": LINE.replace(b"abc", b"abc\0") + HOST + b"\r\n",
    "space before the colon": LINE + HOST + b"X-A : b\r\n\r\n",
    "no name": LINE + HOST + b": b\r\n\r\n",
    "no colon": LINE + HOST + b"nonsense\r\n\r\n",
    "octets above 127": LINE + HOST + b"X-\xc3\xa4: \xff\r\n\r\n",
    "no host": LINE + b"\r\n",
    "two hosts": LINE + HOST + b"Host: evil.example\r\n\r\n",
    "long header": LINE + HOST + b"X-A: " + b"y" * 70_000 + b"\r\n\r\n",
    "many headers": LINE + HOST + b"X-A: b\r\n" * 200 + b"\r\n",
    "long target": LINE.replace(b"abc", b"x" * 70_000) + HOST + b"\r\n",
    "two spaces": LINE.replace(b" HTTP", b"  HTTP") + HOST + b"\r\n",
    "tab": LINE.replace(b" HTTP", b"\tHTTP") + HOST + b"\r\n",
    "space in the target": LINE.replace(b"abc", b"a bc") + HOST + b"\r\n",
    "version in the target": LINE.replace(b"abc", b"abc HTTP/1.1\r\nX: y") + HOST + b"\r\n",
    "HTTP/1.2": LINE.replace(b"1.1", b"1.2") + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": f"GET /{P}/abc\r\n".encode(),
    "empty lines first": b"\r\n\r\n" + LINE + HOST + b"\r\n",
    "lower case method": LINE.replace(b"GET", b"get") + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "rest of a line": LINE + HOST + b"\r\nGARBAGE",
    "connect": LINE.replace(b"GET", b"CONNECT") + HOST + b"\r\n",
    "end within a header": LINE + HOST + b"X-A: b\r\n",
}


@pytest.mark.parametrize("name", CORPUS)
def test_smuggling_is_treated_alike(runner: asyncio.Runner, ways: TwoWays, name: str) -> None:
    """What makes two servers disagree is answered alike: alone, in pieces, before and after a good request."""

    async def compare(*chunks: bytes) -> None:
        fast, slow = await ways.both(chunks)
        assert fast == slow

    good, bad = request(f"/{P}/abc"), CORPUS[name]

    async def all_orders() -> None:
        await compare(good, bad, good)
        await compare(good + bad + good)
        await compare(bad[: len(LINE)], bad[len(LINE) :], good)

    runner.run(all_orders())


def test_no_target_reaches_into_the_names_of_answers(runner: asyncio.Runner, ways: TwoWays) -> None:
    """Answers that depend on headers are found by these too; a line break in the target must not stand for them."""
    headers = b"Host: resolver.example\r\nAccept: text/html\r\nAccept-Language: en\r\n\r\n"
    target = f"/{P}/letter?noredirect".encode()
    good = b"GET " + target + b" HTTP/1.1\r\n" + headers
    bad = b"GET " + target + b"\ntext/html\nen HTTP/1.1\r\n" + headers

    async def compare() -> None:
        for chunks in ([good], [good], [good, bad], [bad]):
            fast, slow = await ways.both(chunks)
            assert fast == slow
        assert b" 400 " in fast.partition(b"\r\n")[0]

    runner.run(compare())


MOVED = f"/{P}/moved"


def _move(ways: TwoWays, url: str) -> None:
    """Have the handle of ``MOVED`` lead elsewhere."""
    ways.network.stores["library"].put(
        HandleRecord(MOVED[1:], (HandleValue(1, "URL", url.encode(), ttl=86400),))
    )


# --- time ------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    after_s=st.one_of(st.floats(0, 3000), st.integers(0, 3000), st.integers(0, 3000).map(lambda n: n + 0.75))
)
def test_moments_are_right_to_the_second(runner: asyncio.Runner, ways: TwoWays, after_s: float) -> None:
    """Whenever it is sent, a ready answer says how long it still holds, as the ordinary way would at that moment."""
    ways.clock.now = START + after_s
    try:
        fast, slow = runner.run(ways.both([request(target) for target in READY]))
    finally:
        ways.clock.now = START
    assert fast == slow
    assert b"max-age=%d\r\n" % int(LIFETIME_S - after_s) in fast


def test_date_is_now(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """``Date`` is the second in which the answer is sent, and ``Expires`` is as far behind it as ``max-age`` says."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            await ways.warm(READY[0])
            ways.clock.now = START + 7.5
            (answer,) = await fast_only(ways, request(READY[0]))
            shown = parse_response(b"HTTP/1.1 " + answer)
            date = parsedate_to_datetime(shown.header("Date") or "").timestamp()
            assert date == int(START + 7.5)
            assert parsedate_to_datetime(shown.header("Expires") or "").timestamp() - date == 3592

    runner.run(scene())


def test_counting_that_fails_does_not_stop_the_clock(
    runner: asyncio.Runner, network: HandleNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are counted together; a mistake there costs what was to be counted, and neither the time nor the next."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            await ways.warm(READY[0])
            dates = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
            with monkeypatch.context() as broken:
                broken.setattr(ways.metrics, "answered", lambda *_: 1 / 0)
                await ways.talk(ways.fast, [request(READY[0])])
                await asyncio.sleep(2 * DELAY_S)
            before = ways.counts()
            for _ in range(2):
                ways.clock.now += 10
                (answer,) = await fast_only(ways, request(READY[0]))
                date = parse_response(b"HTTP/1.1 " + answer).header("Date")
                dates.append(parsedate_to_datetime(date or "").timestamp())
            assert dates == [int(START) + 10, int(START) + 20]
            grown = ways.counts() - before
            assert grown["resolver_requests_total[('endpoint', 'redirect'), ('outcome', 'ok')]"] == 2

    runner.run(scene())


def test_an_answer_ends_with_its_record(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """At the moment a record expires its ready answer is used no more; a moment before, nobody can tell."""

    async def scene() -> None:
        async with two_ways(network, cache_max_ttl=5.0) as ways:  # too short to be fetched ahead of time
            await ways.warm(READY[0])
            expires_at = START + 5
            for now in (expires_at - 1e-6, expires_at - 0.5, expires_at - 2):
                ways.clock.now = now
                await fast_only(ways, request(READY[0]))
            ways.clock.now = expires_at
            ways.ordinary.clear()
            await ways.talk(ways.fast, [request(READY[0])])
            assert ways.ordinary == [READY[0]]

    runner.run(scene())


def test_what_is_wanted_is_fetched_before_it_expires(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """A record that is only ever answered on the fast path is fetched anew in the last tenth of its time."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            _move(ways, "https://old.example/")
            await ways.warm(MOVED)
            await fast_only(ways, request(MOVED), request(MOVED))
            _move(ways, "https://new.example/")
            ways.clock.now = START + LIFETIME_S - 1
            answer = b""
            ends_at = time.monotonic() + 10
            while b"https://new.example/" not in answer and time.monotonic() < ends_at:
                answer = await ways.talk(ways.fast, [request(MOVED)])
            assert b"https://new.example/" in answer
            await ways.warm(MOVED)
            (answer,) = await fast_only(ways, request(MOVED))
            assert b"max-age=3600\r\n" in answer

    runner.run(scene())


def test_nobody_is_slowed_where_fetching_anew_fails(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """In the last tenth one request a second tries the ordinary way; the others are answered at once."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            await ways.warm(READY[0])
            ways.clock.now = START + 0.95 * LIFETIME_S
            ways.ordinary.clear()
            await ways.talk(ways.fast, [request(READY[0])] * 5)
            assert 1 <= len(ways.ordinary) <= 3

    runner.run(scene())


# --- changes ---------------------------------------------------------------------------------------------


def test_auth_empties_it(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """After one look with ``auth`` all answers made of the old record are gone, to whatever target they were."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            targets = MOVED, f"/api/handles{MOVED}", f"{MOVED}?urlappend=/x"
            _move(ways, "https://old.example/")
            await ways.warm(*targets)
            _move(ways, "https://new.example/")
            for target in targets:
                assert b"old.example" in (await fast_only(ways, request(target)))[0]
            await ways.talk(ways.fast, [request(f"{MOVED}?auth")])
            for target in targets:
                assert b"new.example" in await ways.talk(ways.fast, [request(target)])

    runner.run(scene())


async def _connected(ways: TwoWays) -> None:
    ends_at = time.monotonic() + 10
    while ways.metrics.registry.get_sample_value("resolver_redis_up") != 1:
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.02)


def test_auth_in_another_process_empties_it(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """What one replica was told with ``auth`` ends the ready answers of another."""
    redis = RedisProcess()
    redis.start()

    async def scene() -> None:
        async with two_ways(network, redis=redis.url) as ways, two_ways(network, redis=redis.url) as other:
            await _connected(ways)
            _move(ways, "https://old.example/")
            await ways.warm(MOVED)
            _move(ways, "https://new.example/")
            await fast_only(ways, request(MOVED))
            await other.talk(other.slow, [request(f"{MOVED}?auth")])
            answer, ends_at = b"", time.monotonic() + 10
            while b"new.example" not in answer:
                assert time.monotonic() < ends_at
                answer = await ways.talk(ways.fast, [request(MOVED)])

    try:
        runner.run(scene())
    finally:
        redis.close()


def test_a_doubt_empties_it(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Where word from other processes may have been missed, nothing ready is trusted."""
    redis = RedisProcess()
    redis.start()

    async def scene() -> None:
        async with two_ways(network, redis=redis.url) as ways:
            await _connected(ways)
            await ways.warm(READY[0])
            assert len(ways.path)
            redis.kill()
            redis.start()
            ends_at = time.monotonic() + 15
            while len(ways.path):
                assert time.monotonic() < ends_at
                await asyncio.sleep(0.02)

    try:
        runner.run(scene())
    finally:
        redis.close()


def test_without_memory_the_shared_cache_decides(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Where nothing is kept in memory, what was answered before is answered again while Redis says the same."""
    redis = RedisProcess()
    redis.start()

    async def scene() -> None:
        async with (
            two_ways(network, redis=redis.url, cache_size=0) as ways,
            two_ways(network, redis=redis.url) as other,
        ):
            await _connected(ways)
            _move(ways, "https://old.example/")
            targets = MOVED, f"{MOVED}?noredirect", f"/api/handles{MOVED}"
            first = [await ways.talk(ways.slow, [request(target)]) for target in targets]
            await asyncio.sleep(0.2)  # the record is written to Redis after the answer
            await ways.warm(*targets)
            assert len(ways.path._aside) == 3
            before = ways.counts()
            again = [await ways.talk(ways.slow, [request(target)]) for target in targets]
            assert [without_chance(answer) for answer in again] == [
                without_chance(answer) for answer in first
            ]
            counted = ways.counts() - before
            assert counted["resolver_cache_lookups_total[('layer', 'redis'), ('result', 'hit')]"] >= 3
            assert counted["resolver_requests_total[('endpoint', 'api'), ('outcome', 'ok')]"] == 1
            _move(ways, "https://new.example/")
            await other.talk(other.slow, [request(f"{MOVED}?auth")])
            for target in targets:
                assert b"new.example" in await ways.talk(ways.fast, [request(target)])

    try:
        runner.run(scene())
    finally:
        redis.close()


@pytest.mark.parametrize("limits", [{"cache_size": 0}, {"cache_bytes": 2000}])
def test_no_memory_no_ready_answers(
    runner: asyncio.Runner, network: HandleNetwork, limits: dict[str, int]
) -> None:
    """Ready answers live in the memory of the cache, and where there is none, there are none."""

    async def scene() -> None:
        async with two_ways(network, **limits) as ways:
            await ways.warm(*READY)
            assert len(ways.path) == 0

    runner.run(scene())


def test_many_addresses_of_one_handle(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Many ways to write one request take the room of a few."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            for number in range(60):
                await ways.talk(ways.slow, [request(f"/{P}/abc?x={number}") * 2])
                if number == 30:
                    so_many = len(ways.path)
            assert 0 < len(ways.path) == so_many <= 8

    runner.run(scene())


# --- whom it must not serve ------------------------------------------------------------------------------


def test_hosts_are_told_apart(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Where host names have settings of their own, an answer for one is none for another."""
    from resolver.config import HostSettings

    async def scene() -> None:
        own = HostSettings(name="own.example", base_url="https://own.example", cache_max_ttl=60.0)
        async with two_ways(network, hosts=(own,), base_url="https://usual.example") as ways:
            usual, other = request(READY[0]), request(READY[0]).replace(b"resolver.example", b"own.example")
            for asked in (usual, other):
                for _ in range(3):
                    await ways.talk(ways.slow, [asked])
            (first,), (second,) = await fast_only(ways, usual), await fast_only(ways, other)
            assert b"<https://usual.example/" in first
            assert b"max-age=3600" in first
            assert b"<https://own.example/" in second
            assert b"max-age=60\r\n" in second

    runner.run(scene())


def test_our_address_comes_from_the_request(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Without a base URL, an answer that names our own address is not kept: the next visitor may know us by another."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            for name in (b"one.example", b"two.example"):
                asked = request(f"/{P}/old-name").replace(b"resolver.example", name)
                for _ in range(3):
                    assert b"Location: http://" + name in await ways.talk(ways.fast, [asked])

    runner.run(scene())


@pytest.mark.parametrize(
    "target",
    [
        f"/{P}/abc?auth",
        f"/{P}/abc?cert",
        f"/{P}/nothing-here",
        f"/{P}/gone",
        f"/{P}/portrait",
        "/",
        "/robots.txt",
    ],
)
def test_what_is_never_kept(runner: asyncio.Runner, ways: TwoWays, target: str) -> None:
    """Answers that were asked for anew, that chance or the visitor decided, or that are none, go the ordinary way."""
    ways.ordinary.clear()
    runner.run(ways.talk(ways.fast, [request(target)] * 3))
    assert ways.ordinary == [target] * 3


def test_draining(runner: asyncio.Runner, network: HandleNetwork) -> None:
    """Once the worker is to stop, each answer closes its connection, and so none comes from the fast path."""

    async def scene() -> None:
        async with two_ways(network) as ways:
            await ways.warm(READY[0])
            ways.path.draining.is_on = True
            answer = await ways.talk(ways.fast, [request(READY[0])])
            assert b"Connection: close" in answer
            assert answer.endswith(b"<closed>")

    runner.run(scene())


def test_who_does_not_read_is_not_written_to(runner: asyncio.Runner, ways: TwoWays) -> None:
    """While a visitor does not read what was sent, answers wait as they do on the ordinary way, not in our memory."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        before = set(ways.server.connections)
        with socket.socket() as visitor:
            visitor.setblocking(False)
            await loop.sock_connect(visitor, ("127.0.0.1", ways.fast))
            await loop.sock_sendall(visitor, request(READY[0]))
            assert await loop.sock_recv(visitor, 65536)
            (connection,) = set(ways.server.connections) - before
            connection.pause_writing()
            ways.ordinary.clear()
            for _ in range(3):
                await loop.sock_sendall(visitor, request(READY[0]))
                await asyncio.sleep(0.01)
            assert ways.ordinary == [READY[0]]  # the second waits for the first, which waits for the visitor
            connection.resume_writing()
            received = b""
            while received.count(b"</html>") < 3:
                async with asyncio.timeout(5):
                    received += await loop.sock_recv(visitor, 65536)

    runner.run(scene())
