"""Everything that can happen to datagrams and connections on the way, and what a visitor notices of it: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import NoServerAnsweredError, ResolverError
from resolver.model.site import Transport
from resolver.protocol.envelope import ENVELOPE_SIZE
from resolver.resolution.health import LONGEST_PATIENCE_S
from resolver.transport.udp import DEFAULT_TIMEOUTS_S, MAX_NEAR_MISSES, MAX_PIECES
from tests.fakes import VirtualTimeLoop, record_of, text_value
from tests.scenarios.wire import END, Arrival, Line, Wire
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, World, loop_time, url_of

UDP, TCP = f"udp://{PRIMARY}:2641", f"tcp://{PRIMARY}:2641"
OTHER = f"udp://{MIRROR}:2641"
LONG = "10.1/long"
"""A handle with a record of seven datagrams."""
TOO_LONG = "10.1/too-long"
"""One with a record for which UDP will not do."""

Script = Callable[[list[bytes]], Iterable[Arrival]]


@pytest.fixture
async def wired() -> AsyncIterator[tuple[World, Line]]:
    """The usual world over a wire that is scripted, and the line to its primary."""
    wire = Wire()
    world = World.with_one_prefix(network=wire)
    store = world.services[PRIMARY].store
    store.put(record_of(LONG, text_value(1, "DESC", "d" * 3000)))
    store.put(record_of(TOO_LONG, text_value(1, "DESC", "d" * 500 * MAX_PIECES)))
    yield world, wire.line(PRIMARY)
    await world.close()


def now(pieces: Iterable[bytes]) -> list[Arrival]:
    return [(0.0, piece) for piece in pieces]


def with_id(datagram: bytes, change: int = 1) -> bytes:
    """Return the same datagram with another request id."""
    forged = (int.from_bytes(datagram[8:12], "big") + change) % 2**32
    return datagram[:8] + forged.to_bytes(4, "big") + datagram[12:]


def forged(datagram: bytes, change: int) -> bytes:
    """Return an answer that leads elsewhere, with another request id."""
    assert b"https://example.org/" in datagram
    return with_id(datagram.replace(b"https://example.org/", b"https://evil.invalid"), change)


def first(script: Script) -> Script:
    """Let ``script`` happen to the first answer, and nothing to those after it."""
    scripts = [script]
    return lambda pieces: (scripts.pop() if scripts else now)(pieces)


def nothing(_: list[bytes]) -> list[Arrival]:
    return []


# --- datagrams -------------------------------------------------------------------------------------------


async def test_nothing_happens(wired: tuple[World, Line]) -> None:
    """To begin with, a wire on which nothing happens: one datagram out, one in."""
    world, line = wired
    assert (await world.resolve()).answered_by == UDP
    assert (len(line.received), loop_time()) == (1, 0)


@pytest.mark.parametrize("handle", [HANDLE, LONG])
async def test_question_lost(wired: tuple[World, Line], handle: str) -> None:
    """A question that is lost is asked again after the first time-out, with the same request id."""
    world, line = wired
    line.requests_lost = 1
    assert (await world.resolve(handle)).answered_by == UDP
    assert loop_time() == pytest.approx(DEFAULT_TIMEOUTS_S[0])
    assert len(world.network.exchanges) == 2


@pytest.mark.parametrize("handle", [HANDLE, LONG])
async def test_answer_lost(wired: tuple[World, Line], handle: str) -> None:
    """An answer that is lost is asked for again; the server gets the very same octets."""
    world, line = wired
    line.datagrams = first(nothing)
    assert (await world.resolve(handle)).answered_by == UDP
    assert len(set(line.received)) == 1
    assert loop_time() == pytest.approx(DEFAULT_TIMEOUTS_S[0])


async def test_pieces_lost_in_turn(wired: tuple[World, Line]) -> None:
    """What arrived of an answer stays: the piece that is missing may come with the next transmission alone."""
    world, line = wired
    scripts: list[Script] = [lambda pieces: now(pieces[3:4]), lambda pieces: now(pieces[:3] + pieces[4:])]
    line.datagrams = lambda pieces: scripts.pop()(pieces)
    assert (await world.resolve(LONG)).answered_by == UDP


async def test_piece_lost_each_time(wired: tuple[World, Line]) -> None:
    """An answer of which the same piece never comes is none; the other server has one."""
    world, line = wired
    line.datagrams = lambda pieces: now(pieces[:3] + pieces[4:])
    assert (await world.resolve(LONG)).answered_by == OTHER


async def test_late_answer(wired: tuple[World, Line]) -> None:
    """An answer to the first question may come after it was asked again; the second answer is not missed."""
    world, line = wired
    line.datagrams = first(lambda pieces: [(0.35, piece) for piece in pieces])
    assert (await world.resolve()).answered_by == UDP
    assert loop_time() <= 0.35


async def test_slow_server(wired: tuple[World, Line]) -> None:
    """A server that is known to take its time is given it, and asked once; a loss there is still made good."""
    world, line = wired
    for each in line, world.network.line(MIRROR):
        each.datagrams = lambda pieces: [(0.7, piece) for piece in pieces]
    await world.resolve()
    assert len(line.received) == 2, "of a stranger nobody knows how slow it is"
    await world.resolve(LONG)
    assert len(line.received) == 3
    line.requests_lost, began = 1, loop_time()
    assert (await world.resolve(authoritative=True)).answered_by in {UDP, TCP}
    assert loop_time() - began <= LONGEST_PATIENCE_S + 0.7


@pytest.mark.parametrize("handle", [HANDLE, LONG])
async def test_everything_twice(wired: tuple[World, Line], handle: str) -> None:
    """Datagrams that arrive twice are as good as once."""
    world, line = wired
    line.datagrams = lambda pieces: now(piece for piece in pieces for _ in range(2))
    assert (await world.resolve(handle)).answered_by == UDP
    assert loop_time() == 0


async def test_last_first(wired: tuple[World, Line]) -> None:
    """Pieces may arrive in any order."""
    world, line = wired
    line.datagrams = lambda pieces: now(reversed(pieces))
    assert (await world.resolve(LONG)).record.values[0].data == b"d" * 3000
    assert loop_time() == 0


@pytest.mark.parametrize("left", [0, 1, ENVELOPE_SIZE - 1, ENVELOPE_SIZE, ENVELOPE_SIZE + 30, -1])
async def test_cut(wired: tuple[World, Line], left: int) -> None:
    """A datagram that was cut anywhere is no answer; the next transmission brings one."""
    world, line = wired
    line.datagrams = first(lambda pieces: now([pieces[0][:left]]))
    assert (await world.resolve()).answered_by == UDP


@pytest.mark.parametrize(
    "garbage", [b"", b"\0", bytes(20), bytes(512), b"\xff" * 512, b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_garbage(wired: tuple[World, Line], garbage: bytes) -> None:
    """Garbage before the answer is passed over."""
    world, line = wired
    line.datagrams = lambda pieces: now([garbage, *pieces])
    assert (await world.resolve()).answered_by == UDP
    assert loop_time() == 0


async def test_garbage_only(wired: tuple[World, Line]) -> None:
    """Who sends nothing but garbage is asked by TCP."""
    world, line = wired
    line.datagrams = lambda _pieces: now([b"\xff" * 100] * 3)
    assert (await world.resolve()).answered_by == TCP


@pytest.mark.parametrize("change", [1, -1, 2**31, 12345])
async def test_forged_id(wired: tuple[World, Line], change: int) -> None:
    """An answer to another question is never taken, though it comes from the right address and comes first."""
    world, line = wired
    line.datagrams = lambda pieces: now([forged(pieces[0], change), *pieces])
    resolved = await world.resolve()
    assert (resolved.answered_by, url_of(resolved)) == (UDP, "https://example.org/")


@pytest.mark.parametrize("forgeries", [MAX_NEAR_MISSES + 1, 100, 10_000])
async def test_many_forged_ids(wired: tuple[World, Line], forgeries: int) -> None:
    """However many answers are forged with wrong ids, none is believed: the same server is asked by TCP."""
    world, line = wired
    line.datagrams = lambda pieces: now(
        [forged(pieces[0], number + 1) for number in range(forgeries)] + pieces
    )
    resolved = await world.resolve()
    assert (resolved.answered_by, url_of(resolved)) == (TCP, "https://example.org/")
    assert loop_time() == 0


async def test_forgeries_are_nobodys_fault(wired: tuple[World, Line]) -> None:
    """That somebody forges answers is not held against the server: UDP is asked first again afterwards."""
    world, line = wired
    line.datagrams = lambda pieces: now([with_id(pieces[0])] * 5)
    await world.resolve()
    line.datagrams = now
    assert (await world.resolve(HANDLE, public_only=False)).answered_by == UDP


async def test_too_many_pieces(wired: tuple[World, Line]) -> None:
    """A record of more than sixteen datagrams is fetched by TCP, from the same server, as soon as that is known."""
    world, line = wired
    resolved = await world.resolve(TOO_LONG)
    assert (resolved.answered_by, len(resolved.record.values[0].data)) == (TCP, 500 * MAX_PIECES)
    assert (line.connections, world.asked(MIRROR), loop_time()) == (1, 0, 0)


async def test_piece_of_another_message(wired: tuple[World, Line]) -> None:
    """A piece that contradicts the others is left out, and the answer is whole all the same."""
    world, line = wired

    def mix(pieces: list[bytes]) -> list[Arrival]:
        lie = pieces[2][:16] + (9999).to_bytes(4, "big") + pieces[2][20:]
        return now([*pieces[:2], lie, *pieces[2:]])

    line.datagrams = mix
    assert (await world.resolve(LONG)).record.values[0].data == b"d" * 3000


async def test_udp_blocked(wired: tuple[World, Line]) -> None:
    """Behind a firewall that drops UDP everywhere, TCP answers, and is asked first from then on."""
    world, _ = wired
    assert isinstance(world.network, Wire)
    for address in list(world.services):
        world.network.line(address).datagrams = nothing
    assert (await world.resolve()).answered_by.startswith("tcp://")
    await world.settle()
    asked = world.exchanges
    begun_at = loop_time()
    await world.resolve(HANDLE, public_only=False)
    assert [exchanged.transport for exchanged in world.network.exchanges[asked:]] == [Transport.TCP]
    assert loop_time() == begun_at


def test_storm() -> None:
    """Whatever mixture of loss, delay, doubles, disorder and forgery happens, an answer that is given is right."""

    @given(st.integers(0, 2**32), st.sampled_from([HANDLE, LONG, TOO_LONG]))
    def storm(seed: int, handle: str) -> None:
        chance = random.Random(seed)  # noqa: S311 - a script

        def happens(pieces: list[bytes]) -> list[Arrival]:
            arrivals = []
            for piece in pieces:
                for _ in range(chance.choice([0, 1, 1, 1, 2])):
                    changed = chance.choice(
                        [piece] * 8 + [with_id(piece), piece[: chance.randrange(len(piece) + 1)]]
                    )
                    arrivals.append((chance.choice([0.0, 0.01, 0.4, 2.0]), changed))
            chance.shuffle(arrivals)
            return arrivals

        async def weather() -> None:
            wire = Wire()
            world = World.with_one_prefix(network=wire)
            records = [record_of(HANDLE), record_of(LONG, text_value(1, "DESC", "d" * 3000))]
            records.append(record_of(TOO_LONG, text_value(1, "DESC", "d" * 500 * MAX_PIECES)))
            for record in records:
                world.services[PRIMARY].store.put(record)
            for address in (PRIMARY, MIRROR):
                wire.line(address).datagrams = happens
            try:
                resolved = await world.resolve(handle)
            finally:
                await world.close()
            assert resolved.record in records
            assert resolved.record.handle == handle

        loop = VirtualTimeLoop()
        try:
            loop.run_until_complete(weather())
        finally:
            loop.close()

    storm()


# --- connections -----------------------------------------------------------------------------------------


@pytest.fixture
async def by_tcp(wired: tuple[World, Line]) -> tuple[World, Line]:
    """The same with a primary that is asked by TCP, since UDP says nothing of it any more."""
    world, line = wired
    line.datagrams = lambda pieces: now([with_id(pieces[0])] * (MAX_NEAR_MISSES + 1))
    return world, line


@pytest.mark.parametrize("left", [0, 1, ENVELOPE_SIZE, ENVELOPE_SIZE + 1, -1])
async def test_closed_in_the_middle(by_tcp: tuple[World, Line], left: int) -> None:
    """A connection that ends before its answer does is a failure of that server; another one answers."""
    world, line = by_tcp
    line.connection = lambda pieces: now([*filter(None, [pieces[0][:left]]), END])
    assert (await world.resolve()).answered_by == OTHER
    assert (line.connections, loop_time()) == (1, 0)


async def test_closed_in_the_middle_everywhere(by_tcp: tuple[World, Line]) -> None:
    """Where there is nobody else, the error says what happened."""
    world, line = by_tcp
    world.shut_down(MIRROR)
    line.connection = lambda pieces: now([pieces[0][:50], END])
    with pytest.raises(NoServerAnsweredError, match="connection closed in the middle"):
        await world.resolve()


async def test_small_pieces(by_tcp: tuple[World, Line]) -> None:
    """Into which segments an answer was cut does not matter."""
    world, line = by_tcp
    line.connection = lambda pieces: [
        (0.001 * number, pieces[0][number : number + 1]) for number in range(len(pieces[0]))
    ]
    assert (await world.resolve()).answered_by == TCP


async def test_more_than_an_answer(by_tcp: tuple[World, Line]) -> None:
    """What comes after the answer is not read."""
    world, line = by_tcp
    line.connection = lambda pieces: now([*pieces, b"more" * 1000])
    assert (await world.resolve()).answered_by == TCP


async def test_drip(by_tcp: tuple[World, Line]) -> None:
    """A server that sends an octet a second does not hold anybody up: the other one is asked meanwhile."""
    world, line = by_tcp
    line.connection = lambda pieces: [(number, pieces[0][number : number + 1]) for number in range(200)]
    assert (await world.resolve()).answered_by == OTHER
    assert loop_time() < 1


@pytest.mark.parametrize("announced", [2**31, 2**32 - 1, 262_145])
async def test_more_announced_than_allowed(by_tcp: tuple[World, Line], announced: int) -> None:
    """A server that announces more than any message has is not listened to."""
    world, line = by_tcp
    line.connection = lambda pieces: now([pieces[0][:16] + announced.to_bytes(4, "big") + pieces[0][20:]])
    assert (await world.resolve()).answered_by == OTHER
    assert loop_time() == 0


# --- and back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenths", range(2, 90, 4))
async def test_back_from_silence(wired: tuple[World, Line], tenths: int) -> None:
    """Whenever a network comes back that lost everything, who waits or tries again is answered within two seconds."""
    world, _ = wired
    assert isinstance(world.network, Wire)
    await world.resolve()
    begun_at = loop_time()
    lines = [world.network.line(address) for address in (PRIMARY, MIRROR)]
    for line in lines:
        line.datagrams = line.connection = nothing

    async def visit() -> float:
        while True:
            with contextlib.suppress(ResolverError):
                await world.resolve(HANDLE, public_only=False)
                return loop_time()
            await world.pass_time(0.1)

    visitor = asyncio.get_running_loop().create_task(visit())
    await world.pass_time(tenths / 10)
    for line in lines:
        line.datagrams = line.connection = now
    assert await visitor - begun_at - tenths / 10 <= 2.0
