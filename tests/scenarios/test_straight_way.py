"""The straight way of a lookup: one datagram out, one in; and whatever else happens, the ordinary way answers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from resolver.cache import flight
from resolver.cache.entry import Absence, CachedRecord, Entry
from resolver.errors import HandleNotFoundError, NoServerAnsweredError, ResolverError, UpstreamError
from resolver.model.handle import Handle
from resolver.model.site import Transport
from resolver.protocol.bodies import Body, ChallengeResponse, ErrorResponse, ReferralResponse
from resolver.protocol.codes import MessageFlag, ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE
from resolver.resolution import straight
from resolver.resolution.health import SHORTEST_PATIENCE_S, Health
from resolver.resolution.selection import plan_candidates
from resolver.resolution.steps import Candidate
from resolver.resolution.straight import SHARE_ALONE
from resolver.transport.gate import MAX_RUNNING, MAX_WAITING
from resolver.transport.udp import SWEEP_S
from tests.fakes import record_of, site_at, site_value, text_value, url_value
from tests.scenarios.wire import END, Arrival, Line, Wire
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, World, loop_time, url_of

NEW = "10.1/new"
"""A handle that nobody has asked for yet."""
LARGE = "10.1/large"
"""One whose record takes several datagrams."""
URL = "https://example.org/"


@dataclass
class Scene:
    """A world whose primary server is known to be well, and the line to it."""

    world: World
    wire: Wire
    line: Line
    arrived: list[Entry | None] = field(default_factory=list)
    """What visitors of the straight way were told."""

    def set_out(self, handle: str = NEW) -> bool:
        """Let a visitor come who would be answered without a task."""
        return self.world.resolver.straight_way.set_out(Handle(handle), self.arrived.append)

    def resolve(self, handle: str = NEW) -> asyncio.Task[Any]:
        """Let another come by the ordinary way."""
        return asyncio.get_running_loop().create_task(self.world.resolve(handle))

    def fall_silent(self) -> None:
        """Let nobody answer any more: the primary says nothing, the mirror is gone."""
        self.line.datagrams = lambda _: []
        self.line.connection = lambda _: [(0.0, END)]
        self.world.shut_down(MIRROR)

    async def arrivals(self) -> list[Entry | None]:
        """Wait until all is over, and return what was told since; leave nothing behind."""
        await self.world.pass_time(10)
        resolver = self.world.resolver
        assert len(resolver._flights) == resolver.room.in_flight == 0
        assert not resolver.room._under_way
        assert not resolver.straight_way._journeys
        assert (len(self.wire.gate), self.wire.channels, len(self.world.background)) == (0, 0, 0)
        arrived, self.arrived = self.arrived, []
        return arrived

    def asked(self, handle: str = NEW) -> int:
        """Return how often servers were asked for a handle."""
        return sum(exchanged.handle == handle for exchanged in self.wire.exchanges)


def url_in(entry: Entry | None) -> str:
    """Return where a record leads."""
    assert isinstance(entry, CachedRecord)
    (value,) = entry.record.of_type("URL")
    return value.data.decode()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """One lookup has gone by: the prefix is remembered, and its primary has answered."""
    wire = Wire()
    world = World.with_one_prefix(network=wire)
    store = world.services[PRIMARY].store
    store.put(record_of(NEW))
    store.put(record_of(LARGE, url_value(), text_value(2, "DESC", "d" * 2000)))
    await world.resolve()
    yield Scene(world, wire, wire.line(PRIMARY))
    await world.close()


async def test_straight_there_and_back(scene: Scene) -> None:
    """One datagram to the server, one back, and the record is remembered as by the ordinary way."""
    assert scene.set_out()
    assert scene.arrived == []
    (entry,) = await scene.arrivals()
    assert url_in(entry) == URL
    assert scene.wire.shots == [NEW]
    assert scene.asked() == 1
    assert await scene.world.url(NEW) == URL
    assert scene.asked() == 1
    scene.world.cache.forget(NEW)
    await scene.world.resolve(NEW)
    ordinary = scene.world.cache.peek(NEW)
    assert ordinary is not None
    assert isinstance(entry, CachedRecord)
    assert isinstance(ordinary.entry, CachedRecord)
    assert ordinary.entry.record == entry.record
    assert ordinary.entry.lifetime_s == entry.lifetime_s
    assert ordinary.entry.answered_by == entry.answered_by == f"udp://{PRIMARY}:2641"


async def test_the_same_is_counted(scene: Scene) -> None:
    """The caches are looked into as often as by the ordinary way: a miss for the handle, a hit for its prefix."""
    counts = scene.world.observer.counts
    before = counts.copy()
    scene.set_out()
    await scene.arrivals()
    straight_way, before = counts - before, counts.copy()
    scene.world.cache.forget(NEW)
    await scene.world.resolve(NEW)
    assert counts - before == straight_way
    assert straight_way == {("cache_lookup", "memory", "miss"): 1, ("cache_lookup", "memory", "hit"): 1}


async def test_one_question_for_all(scene: Scene) -> None:
    """Whoever wants the same meanwhile, by either way, waits for the same answer."""
    assert scene.set_out()
    joined = [scene.resolve() for _ in range(3)]
    assert scene.set_out()
    assert scene.set_out()
    answers = await asyncio.gather(*joined)
    assert {url_of(answer) for answer in answers} == {URL}
    assert [url_in(entry) for entry in await scene.arrivals()] == [URL] * 3
    assert scene.asked() == 1
    assert scene.world.observer.counts["coalesced",] == 5


async def test_who_comes_during_an_ordinary_lookup(scene: Scene) -> None:
    """A lookup of the ordinary way that is under way is not doubled by a straight one."""
    task = scene.resolve()
    await asyncio.sleep(0)
    assert not scene.set_out()
    assert url_of(await task) == URL
    assert scene.asked() == 1


async def test_joined_and_left(scene: Scene) -> None:
    """Who joins and leaves again takes nothing from the others."""
    scene.set_out()
    leaving, staying = scene.resolve(), scene.resolve()
    await asyncio.sleep(0)
    leaving.cancel()
    assert url_of(await staying) == URL
    assert [url_in(entry) for entry in await scene.arrivals()] == [URL]


async def test_not_more_than_may_wait(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of visitors, those who come go the ordinary way, which has a limit of its own."""
    monkeypatch.setattr(straight, "MAX_WAITERS", 3)
    assert [scene.set_out() for _ in range(5)] == [True, True, True, False, False]
    assert len(await scene.arrivals()) == 3


# --- what can happen on the way --------------------------------------------------------------------------

Script = Callable[[list[bytes]], Iterable[Arrival]]


def changed(change: Callable[[bytes], bytes]) -> Script:
    """Let something else arrive in place of the first answer, and nothing happen to those after it."""
    changes = [change]
    return lambda pieces: [(0.0, changes.pop()(piece) if changes else piece) for piece in pieces]


def with_id(datagram: bytes) -> bytes:
    return datagram[:8] + bytes(octet ^ 0x55 for octet in datagram[8:12]) + datagram[12:]


def fragment(datagram: bytes) -> bytes:
    """Return a datagram that says it is the second of two."""
    flags = bytes([datagram[2] | MessageFlag.TRUNCATED.value >> 8])
    length = (int.from_bytes(datagram[16:20], "big") + 492).to_bytes(4, "big")
    return datagram[:2] + flags + datagram[3:12] + (1).to_bytes(4, "big") + length + datagram[20:]


TROUBLE: dict[str, Script] = {
    "another request id": changed(with_id),
    "nothing": changed(lambda _: b""),
    "cut in its envelope": changed(lambda datagram: datagram[: ENVELOPE_SIZE - 1]),
    "cut behind its envelope": changed(lambda datagram: datagram[: ENVELOPE_SIZE + 10]),
    "cut at its end": changed(lambda datagram: datagram[:-1]),
    "longer than it says": changed(lambda datagram: datagram + b"\0"),
    "a piece of something": changed(fragment),
    "nonsense": changed(lambda _: b"\xff" * 200),
    "another handle": changed(lambda datagram: datagram.replace(b"10.1/new", b"10.1/abc")),
    "the question itself": changed(lambda datagram: datagram[:24] + bytes(4) + datagram[28:]),
    "lost": lambda pieces, lost=[True]: [] if lost and lost.pop() else [(0.0, piece) for piece in pieces],  # type: ignore[misc]
    "late": lambda pieces: [(SHORTEST_PATIENCE_S + 0.02, piece) for piece in pieces],
}


@pytest.mark.parametrize("what", TROUBLE)
async def test_no_answer(scene: Scene, what: str) -> None:
    """Whatever comes in place of an answer, nothing of it is believed or lost: the ordinary way has the right one."""
    scene.line.datagrams = TROUBLE[what]
    assert scene.set_out()
    task = scene.resolve()
    assert url_of(await task) == URL
    assert await scene.arrivals() == [None]
    assert await scene.world.url(NEW) == URL
    assert scene.wire.shots == [NEW]


async def test_silence(scene: Scene) -> None:
    """A server that says nothing any more costs its usual time and no more; then another is asked."""
    scene.line.datagrams = lambda _: []
    began_at = loop_time()
    assert scene.set_out()
    told_at: list[float] = []
    assert scene.world.resolver.straight_way.set_out(Handle(NEW), lambda _: told_at.append(loop_time()))
    assert (await scene.resolve()).answered_by == f"udp://{MIRROR}:2641"
    assert told_at == [pytest.approx(began_at + SHORTEST_PATIENCE_S + SWEEP_S / 2, abs=0.51 * SWEEP_S)]
    assert await scene.arrivals() == [None]


async def test_refusal(scene: Scene) -> None:
    """Where nobody listens any more, which is told at once, another server is asked."""
    scene.world.shut_down(PRIMARY)
    began_at = loop_time()
    assert scene.set_out()
    assert (await scene.resolve()).answered_by == f"udp://{MIRROR}:2641"
    assert loop_time() == began_at
    assert await scene.arrivals() == [None]
    assert not scene.set_out("10.1/other")  # it is not well


async def test_too_large(scene: Scene) -> None:
    """A record of several datagrams is fetched by the ordinary way, piece by piece."""
    assert scene.set_out(LARGE)
    assert len((await scene.resolve(LARGE)).record.values) == 2
    assert await scene.arrivals() == [None]


def answering(code: ResponseCode, body: Body) -> Callable[[str], tuple[ResponseCode, Body]]:
    return lambda _handle: (code, body)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (ResponseCode.ERROR, ErrorResponse("out of order")),
        (ResponseCode.SERVER_BUSY, ErrorResponse("busy")),
        (ResponseCode.NOT_RESPONSIBLE, ErrorResponse("not mine")),
        (ResponseCode.SERVICE_REFERRAL, ReferralResponse("", (site_value(site_at(MIRROR)),))),
    ],
)
async def test_another_server_knows_more(scene: Scene, code: ResponseCode, body: Body) -> None:
    """After an error, and where the server refers to another, that one is asked by the ordinary way."""
    scene.world.script(PRIMARY, answering(code, body))
    assert scene.set_out()
    assert (await scene.resolve()).answered_by == f"udp://{MIRROR}:2641"
    assert await scene.arrivals() == [None]


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (ResponseCode.AUTHENTICATION_NEEDED, ChallengeResponse(bytes(16))),
        (ResponseCode.INVALID_HANDLE, ErrorResponse("invalid")),
        (ResponseCode.PREFIX_REFERRAL, ReferralResponse("", ())),
        (ResponseCode.OPERATION_NOT_SUPPORTED, ErrorResponse("no")),
    ],
)
async def test_no_server_knows_more(scene: Scene, code: ResponseCode, body: Body) -> None:
    """What the straight way makes nothing of is an error of the ordinary way, for everybody alike."""
    scene.world.script(PRIMARY, answering(code, body))
    assert scene.set_out()
    results = await asyncio.gather(scene.resolve(), scene.resolve(), return_exceptions=True)
    assert all(isinstance(result, ResolverError) for result in results)
    assert type(results[0]) is type(results[1])
    assert await scene.arrivals() == [None]


async def test_no_such_handle(scene: Scene) -> None:
    """That a handle does not exist is an answer, and is remembered."""
    assert scene.set_out("10.1/missing")
    with pytest.raises(HandleNotFoundError):
        await scene.resolve("10.1/missing")
    (entry,) = await scene.arrivals()
    assert isinstance(entry, Absence)
    assert entry.missing_prefix is None
    assert scene.asked("10.1/missing") == 1
    scene.world.services[PRIMARY].store.put(record_of("10.1/missing"))
    await scene.world.pass_time(30)
    assert await scene.world.url("10.1/missing") == URL


async def test_no_public_values(scene: Scene) -> None:
    """A record of which the public may read nothing is one without values."""
    scene.world.script(PRIMARY, answering(ResponseCode.VALUES_NOT_FOUND, ErrorResponse()))
    assert scene.set_out()
    (entry,) = await scene.arrivals()
    assert isinstance(entry, CachedRecord)
    assert entry.record.values == ()


async def test_nothing_is_kept_of_what_lives_for_no_time(scene: Scene) -> None:
    """A record with a lifetime of nothing goes to those who wait, and is fetched again for the next."""
    scene.world.change("https://moment.example/", handle=NEW, ttl=0)
    for times in (1, 2):
        assert scene.set_out()
        assert [url_in(entry) for entry in await scene.arrivals()] == ["https://moment.example/"]
        assert scene.asked() == times


async def test_replaced_meanwhile(scene: Scene) -> None:
    """What ``auth`` has brought meanwhile is not undone by an answer to an earlier question."""
    scene.line.datagrams = lambda pieces: [(0.03, piece) for piece in pieces]
    scene.world.change("https://old.example/", handle=NEW)
    assert scene.set_out()
    await scene.world.pass_time(0.01)
    scene.line.datagrams = lambda pieces: [(0.0, piece) for piece in pieces]
    scene.world.change("https://new.example/", handle=NEW)
    assert await scene.world.url(NEW, authoritative=True) == "https://new.example/"
    assert [url_in(entry) for entry in await scene.arrivals()] == ["https://old.example/"]
    assert await scene.world.url(NEW) == "https://new.example/"


async def test_failure_of_the_detour(scene: Scene) -> None:
    """Where the ordinary way fails as well, all who joined are told how, and nobody asks again for a moment."""
    scene.fall_silent()
    assert scene.set_out()
    tasks = [scene.resolve() for _ in range(3)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [NoServerAnsweredError] * 3
    assert not scene.set_out()
    assert await scene.arrivals() == [None]


async def test_everybody_has_left_a_detour(scene: Scene) -> None:
    """Those who joined may leave during the detour; that it fails then is nobody's error, and not logged as one."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    scene.fall_silent()
    assert scene.set_out()
    task = scene.resolve()
    await scene.world.pass_time(2 * SHORTEST_PATIENCE_S)
    assert len(scene.world.resolver._flights) == 1
    task.cancel()
    await asyncio.wait([task])
    del task
    assert await scene.arrivals() == [None]
    gc.collect()  # what nobody looked at complains when it goes
    assert complaints == []


async def test_stopped_during_a_detour(scene: Scene) -> None:
    """When the process stops, who joined is told so rather than cancelled."""
    scene.fall_silent()
    assert scene.set_out()
    task = scene.resolve()
    await scene.world.pass_time(SHORTEST_PATIENCE_S + 1.01 * SWEEP_S)
    await scene.world.close()
    with pytest.raises(ResolverError, match="shutting down"):
        await task


# --- when it is not gone ---------------------------------------------------------------------------------


async def not_taken(scene: Scene, handle: str = NEW) -> None:
    """Check that nobody sets out, and nothing is begun."""
    asked, flights = scene.world.exchanges, len(scene.world.resolver._flights)
    counts = scene.world.observer.counts["cache_lookup", "memory", "miss"]
    assert not scene.set_out(handle)
    await asyncio.sleep(0)
    assert (scene.world.exchanges, len(scene.world.resolver._flights)) == (asked, flights)
    assert scene.world.observer.counts["cache_lookup", "memory", "miss"] == counts
    assert scene.wire.shots == []


@pytest.mark.parametrize("handle", ["0.NA/10.1", "0.TYPE/URL", "0/x", "10.1", "10.7/x", HANDLE])
async def test_other_handles(scene: Scene, handle: str) -> None:
    """Handles of the registry, of a prefix that nobody knows yet, and what is remembered go the ordinary way."""
    await not_taken(scene, handle)


async def test_what_is_old_is_an_ordinary_matter(scene: Scene) -> None:
    """A record that may still stand in, or is known to be missing, is no unknown one."""
    scene.world.change(URL, handle=NEW, ttl=60)
    await scene.world.resolve(NEW)
    with pytest.raises(HandleNotFoundError):
        await scene.world.resolve("10.1/missing")
    await scene.world.pass_time(20)
    await not_taken(scene, "10.1/missing")
    await scene.world.pass_time(50)
    await not_taken(scene)


async def test_old_prefix(scene: Scene) -> None:
    """Where the record of the prefix has expired, the ordinary way fetches it anew."""
    await scene.world.pass_time(4000)
    await not_taken(scene)


async def test_prefix_almost_over(scene: Scene) -> None:
    """Where it is wanted and almost over, the ordinary way fetches it ahead of time."""
    scene.world.services[PRIMARY].store.put(record_of("10.1/other"))
    for number in range(3):
        assert scene.set_out(f"10.1/{number}")
    await scene.arrivals()
    scene.wire.shots.clear()
    await scene.world.pass_time(3600 - 20)
    await not_taken(scene)
    await scene.world.resolve(NEW)
    await scene.world.settle()
    assert scene.world.observer.counts["prefetched", "ok"] == 1


async def test_failure_remembered(scene: Scene) -> None:
    """A lookup that has just failed is not repeated at once, though the server may be well by now."""
    scene.world.resolver._setbacks.fail(NEW, UpstreamError("out of order"), scene.world.clock())
    await not_taken(scene)
    with pytest.raises(UpstreamError, match="out of order"):
        await scene.world.resolve(NEW)
    await scene.world.pass_time(1.1)
    assert scene.set_out()
    assert len(await scene.arrivals()) == 1


async def test_trouble_is_over(scene: Scene) -> None:
    """An answer ends what was remembered of trouble with its prefix."""
    setbacks = scene.world.resolver._setbacks
    setbacks.ail("0.NA/10.1", NEW)
    assert scene.set_out()
    await scene.arrivals()
    assert not setbacks.is_ailing("0.NA/10.1")
    assert not setbacks.is_ailing(NEW)


async def test_no_room(scene: Scene) -> None:
    """There is as much room as on the ordinary way, and each way counts the other."""
    world = scene.world
    world.resolver = world.worker(max_lookups=3)
    await world.resolve()
    scene.line.datagrams = lambda pieces: [(0.03, piece) for piece in pieces]
    assert [scene.set_out(f"10.1/{number}") for number in range(5)] == [True, True, True, False, False]
    assert world.resolver.room.is_full
    with pytest.raises(ResolverError, match="3 lookups are under way"):
        await world.resolve(NEW)
    assert len(await scene.arrivals()) == 3


async def test_crowded_prefix(scene: Scene) -> None:
    """Where the servers of a prefix have all the questions they can take, no more are asked."""
    scene.world.crowd(PRIMARY, MIRROR)
    scene.wire.crowded = {PRIMARY, MIRROR}
    resolver = scene.world.resolver
    resolver._setbacks.crowd("0.NA/10.1", 1)
    scene.line.datagrams = lambda pieces: [(0.03, piece) for piece in pieces]
    assert scene.set_out()
    assert not scene.set_out("10.1/other")
    assert resolver.room.has_none_for("0.NA/10.1")
    assert len(await scene.arrivals()) == 1


async def test_full_gate(scene: Scene) -> None:
    """One server is asked so many questions at a time; who comes then goes the ordinary way, and may ask another."""
    scene.line.datagrams = delayed(0.03)
    handles = [f"10.1/{number}" for number in range(MAX_RUNNING + 2)]
    assert [scene.set_out(handle) for handle in handles] == [True] * MAX_RUNNING + [False] * 2
    assert len(await scene.arrivals()) == MAX_RUNNING


class Alone:
    """A service with one server that takes its time, as is known of it, and its visitors."""

    ADDRESS = "198.51.100.9"
    TAKES_S = 0.4

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.line = scene.wire.line(self.ADDRESS)
        self.line.datagrams = delayed(self.TAKES_S)
        self.told: list[tuple[float, bool]] = []
        """When each visitor was told, and whether of something that was found."""

    @classmethod
    async def with_records(cls, scene: Scene, count: int) -> Alone:
        """Register ``10.2/0`` and so on, and let the server become known."""
        alone = cls(scene)
        records = [record_of(f"10.2/{number}") for number in range(count)]
        scene.world.add_prefix("10.2", cls.ADDRESS, record_of("10.2/x"), *records)
        await alone.become_known()
        return alone

    async def become_known(self) -> None:
        for _ in range(20):
            await self.scene.world.resolve("10.2/x", authoritative=True)
        self.line.received.clear()

    def set_out(self, numbers: Iterable[int]) -> list[bool]:
        """Let visitors come, each for a handle of its own."""
        way = self.scene.world.resolver.straight_way
        return [way.set_out(Handle(f"10.2/{number}"), self.hear) for number in numbers]

    def hear(self, entry: Entry | None) -> None:
        self.scene.arrived.append(entry)
        self.told.append((loop_time(), entry is not None))

    @property
    def usual_s(self) -> float:
        """What the server takes at most, by what is known of it."""
        return known(self.scene, self.ADDRESS).usual_s


def way_to(scene: Scene, address: str) -> Candidate:
    """Return the way to the server of a site by UDP."""
    (way,) = plan_candidates(
        (scene.world.site(address),),
        Handle(NEW),
        primaries_only=False,
        transports=(Transport.UDP,),
        health=scene.world.health,
        now=loop_time(),
        chance=lambda: 0.0,
    )
    return way


def known(scene: Scene, address: str) -> Health:
    """Return what is known of a way to the server of a site."""
    return scene.world.health.of(way_to(scene, address))


async def test_line_at_a_server_that_is_alone(scene: Scene) -> None:
    """Where nobody else can be asked, visitors wait for their turn, in the order they came, and not too many."""
    count = MAX_RUNNING + MAX_WAITING
    alone = await Alone.with_records(scene, count)
    began_at = loop_time()
    assert alone.set_out(range(count + 2)) == [True] * count + [False] * 2
    await scene.world.pass_time(0.5 * alone.TAKES_S)
    assert len(alone.line.received) == MAX_RUNNING
    assert all(await scene.arrivals())
    assert len(alone.line.received) == count
    turns = [began_at + (1 + number // MAX_RUNNING) * alone.TAKES_S for number in range(count)]
    assert alone.told == [(pytest.approx(at), True) for at in turns]


async def test_server_dies_while_many_stand_in_line(scene: Scene) -> None:
    """Nobody is left in line: each is told when its turn comes, and the ordinary way says what is wrong, at once."""
    alone = await Alone.with_records(scene, 0)
    began_at = loop_time()
    assert all(alone.set_out(range(MAX_RUNNING + MAX_WAITING)))
    joined = [scene.resolve(f"10.2/{number}") for number in (0, MAX_RUNNING + MAX_WAITING - 1)]
    scene.world.shut_down(alone.ADDRESS)
    results = await asyncio.gather(*joined, return_exceptions=True)
    assert all(isinstance(result, NoServerAnsweredError) for result in results)
    assert loop_time() < began_at + 0.1
    assert await scene.arrivals() == [None] * (MAX_RUNNING + MAX_WAITING)


async def test_waiting_for_a_turn_is_not_the_servers_time(scene: Scene) -> None:
    """However long the line is, by either way, what is learned of the server is how long it takes itself."""
    count = MAX_RUNNING + MAX_WAITING
    alone = await Alone.with_records(scene, 2 * count)
    alone.set_out(range(count))
    assert all(await scene.arrivals())
    assert alone.usual_s == pytest.approx(alone.TAKES_S, rel=0.1)
    await asyncio.gather(*(scene.resolve(f"10.2/{count + number}") for number in range(count)))
    assert alone.usual_s == pytest.approx(alone.TAKES_S, rel=0.1)


async def test_a_moment_late_is_not_lost(scene: Scene) -> None:
    """However steady a server has been, an answer that is a little late, since we are busy, is not given up."""
    alone = await Alone.with_records(scene, 1)
    alone.line.datagrams = delayed(alone.TAKES_S + 0.02)
    assert alone.set_out([0]) == [True]
    assert all(await scene.arrivals())


async def test_who_was_still_in_line_has_not_failed(scene: Scene) -> None:
    """Where another was faster while a question waited for its turn, nothing is known of who was not asked."""
    primary, health = way_to(scene, PRIMARY), scene.world.health
    scene.line.datagrams = delayed(1.4)
    scene.line.received.clear()
    scene.wire.line(MIRROR).datagrams = delayed(0.01)
    health.answered(primary, 1.4)
    health.answered(way_to(scene, MIRROR), 1.45)
    running = [scene.resolve(f"10.1/{number}") for number in range(MAX_RUNNING)]
    await scene.world.pass_time(0.1)
    assert len(scene.line.received) == MAX_RUNNING
    scene.line.received.clear()
    for _ in range(100):
        health.answered(primary, 0.05)  # patience with it is short for who comes now
    assert (await scene.resolve(NEW)).answered_by == f"udp://{MIRROR}:2641"
    assert scene.line.received == []
    assert health.of(primary).failures == 0
    await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.parametrize("waits", [False, True])
async def test_time_of_the_straight_way_counts(scene: Scene, waits: bool) -> None:
    """A lookup has as much time as it has, whichever ways it goes, and however long it waited for its turn."""
    world = scene.world
    world.resolver = world.worker(deadline_s=4.0)
    alone = await Alone.with_records(scene, 0)
    alone.line.datagrams = lambda _: []
    alone.line.connection = lambda _: []
    if waits:
        alone.set_out(range(MAX_RUNNING))
    began_at = loop_time()
    assert alone.set_out([99]) == [True]
    with pytest.raises(ResolverError, match="no answer within 4 s"):
        await scene.resolve("10.2/99")
    assert loop_time() == pytest.approx(began_at + 4)
    assert not any(await scene.arrivals())


@pytest.mark.parametrize("deadline_s", [1.0, 2.0, 4.0])
async def test_little_time(scene: Scene, deadline_s: float) -> None:
    """Of a lookup that must be quick the straight way takes its share at most, and the ordinary one has the rest."""
    world = scene.world
    alone = await Alone.with_records(scene, 1)
    world.resolver = world.worker(deadline_s=deadline_s)
    await world.resolve("10.2/x")
    assert alone.set_out([0]) == [SHARE_ALONE * deadline_s > alone.TAKES_S]
    await scene.arrivals()


async def test_with_redis() -> None:
    """With a Redis, which may know what memory does not, it is asked first."""
    wire = Wire()
    world = World.with_one_prefix(redis=True, network=wire)
    await world.resolve()
    await not_taken(Scene(world, wire, wire.line(PRIMARY)))
    await world.close()


async def test_tcp_preferred() -> None:
    """An operator who wants TCP gets it."""
    wire = Wire()
    world = World(network=wire, transports=(Transport.TCP, Transport.UDP))
    world.add_prefix("10.1", PRIMARY, record_of(HANDLE), record_of(NEW))
    await world.resolve()
    await not_taken(Scene(world, wire, wire.line(PRIMARY)))
    await world.close()


async def test_stranger(scene: Scene) -> None:
    """A server that was never asked, or failed when it was asked last, is asked with all patience."""
    scene.world.add_prefix("10.2", "198.51.100.9", record_of("10.2/x"), record_of("10.2/y"))
    scene.world.shut_down("198.51.100.9")
    with pytest.raises(NoServerAnsweredError):
        await scene.world.resolve("10.2/x")
    scene.world.bring_up()
    await not_taken(scene, "10.2/y")
    await scene.world.resolve("10.2/y")
    assert scene.set_out("10.2/z")


def delayed(seconds: float) -> Script:
    """Let everything arrive later."""
    return lambda pieces: [(seconds, piece) for piece in pieces]


async def test_far_away(scene: Scene) -> None:
    """A server that takes long is not asked so where another might be: too late it would be known what was lost."""
    scene.line.datagrams = delayed(straight.LONGEST_S)
    for _ in range(12):
        await scene.world.resolve(authoritative=True)
    await not_taken(scene)


@pytest.mark.parametrize(("takes_s", "is_taken"), [(0.3, True), (straight.LONGEST_ALONE_S, False)])
async def test_far_away_and_alone(scene: Scene, takes_s: float, is_taken: bool) -> None:
    """Where there is no other server, one that takes longer is asked so as well, within reason."""
    scene.world.add_prefix("10.2", "198.51.100.9", record_of("10.2/x"))
    scene.wire.line("198.51.100.9").datagrams = delayed(takes_s)
    await scene.world.resolve("10.2/x")
    assert scene.set_out("10.2/y") is is_taken
    assert len(await scene.arrivals()) == is_taken


async def test_probe(scene: Scene) -> None:
    """When it is time to try a site that would not have its turn, the ordinary way does that."""
    scene.world.health.answered(way_to(scene, MIRROR), 0.001)
    scene.world.chance = 1.0
    await not_taken(scene)
    scene.world.chance = 0.0
    assert scene.set_out()


async def test_one_way_only() -> None:
    """A server with one way to it, by which it has failed to answer, is asked with all patience."""
    wire = Wire()
    world = World(network=wire, transports=(Transport.UDP,))
    world.add_prefix("10.1", PRIMARY, record_of(HANDLE), record_of(NEW))
    await world.resolve()
    world.shut_down(PRIMARY)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve("10.1/x")
    world.bring_up()
    scene = Scene(world, wire, wire.line(PRIMARY))
    await not_taken(scene)
    await world.resolve(NEW)
    assert scene.set_out("10.1/y")
    await world.close()


async def test_service_handle(scene: Scene) -> None:
    """A prefix whose service is described elsewhere takes more than one record, and so the ordinary way."""
    scene.world.registry.store.put(record_of("0.SERV/1", site_value(scene.world.site(PRIMARY))))
    scene.world.register("10.5", *[text_value(1, "HS_SERV", "0.SERV/1")])
    scene.world.services[PRIMARY]._homed.add("10.5")
    scene.world.services[PRIMARY].store.put(record_of("10.5/x"))
    await scene.world.resolve("10.5/x")
    await not_taken(scene, "10.5/y")


async def test_many_waiters_of_a_detour(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for an announced answer counts among those who may wait for what takes its place."""
    monkeypatch.setattr(flight, "MAX_WAITERS", 3)
    scene.line.datagrams = lambda _: []
    assert scene.set_out()
    tasks = [scene.resolve() for _ in range(3)]
    await scene.world.pass_time(SHORTEST_PATIENCE_S + 1.01 * SWEEP_S)
    with pytest.raises(ResolverError, match="too many"):
        await scene.resolve()
    assert {url_of(answer) for answer in await asyncio.gather(*tasks)} == {URL}
    assert await scene.arrivals() == [None]


async def test_service_where_it_leads_astray(scene: Scene) -> None:
    """Where answers never fit, the straight way is left alone for a moment, so that few are asked for twice."""
    large = [f"10.1/large-{number}" for number in range(4)]
    for handle in large:
        scene.world.services[PRIMARY].store.put(
            record_of(handle, url_value(), text_value(2, "DESC", "d" * 2000))
        )
    assert [scene.set_out(handle) for handle in large[:3]] == [True] * 3
    await scene.world.pass_time(straight.REST_S / 2)
    assert scene.arrived == [None] * 3
    assert not scene.set_out()
    assert await scene.world.url(NEW) == URL
    await scene.world.pass_time(straight.REST_S)
    assert scene.set_out(large[3])  # has anything changed?
    await scene.world.pass_time(straight.REST_S / 2)
    assert not scene.set_out("10.1/other")
    assert len(await scene.arrivals()) == 4


async def test_a_stray_among_many_changes_nothing(scene: Scene) -> None:
    """One lookup in a dozen that goes astray is bad luck."""
    for number in range(6):
        scene.line.requests_lost = 1
        assert scene.set_out(f"10.1/lost-{number}")
        await scene.world.pass_time(1)
        for other in range(11):
            assert scene.set_out(f"10.1/none-{number}-{other}")
        await scene.world.pass_time(1)
    assert scene.arrived.count(None) == 6
    await scene.arrivals()


@pytest.mark.parametrize(
    "where", ["resolver.resolution.straight.record_of", "resolver.resolution.driver._read_answer"]
)
async def test_a_mistake_of_ours_keeps_nobody_waiting(
    scene: Scene, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where reading an answer fails in a way that nobody foresaw, the ordinary way answers, and the log says so."""

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(where, fail)
    assert scene.set_out()
    joined = scene.resolve()
    assert url_of(await joined) == URL
    assert await scene.arrivals() == [None]
    assert "a mistake" in caplog.text
