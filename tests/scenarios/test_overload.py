"""More than can be done: lookups are refused at once, and everything that is remembered is answered as ever."""

from __future__ import annotations

import asyncio

import pytest

from resolver.errors import ClosingError, NoServerAnsweredError, TooManyRequestsError
from resolver.resolution.service import PROBE_PATIENCE_S, STALE_TIMER_S
from resolver.resolution.setbacks import AILING_S, CROWDED_S
from resolver.resolution.toll import Kind, pay_from
from resolver.web.shedding import Shedding
from tests.fakes import record_of
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, World, loop_time, url_of

OLD, NEW = "https://old.example/", "https://new.example/"
SERVICE = (PRIMARY, MIRROR)
ROOM = 4


@pytest.fixture
async def small_world(world: World) -> World:
    """A resolver with room for few lookups, over servers that take their time, and one record remembered."""
    world.change(OLD)
    world.resolver = world.worker(max_lookups=ROOM)
    await world.resolve()
    world.delay(0.2, *SERVICE)
    return world


def wanting(world: World, count: int, *, first: int = 0) -> list[asyncio.Task[str]]:
    """Let visitors come who want a handle each that nobody knows yet."""
    for number in range(first, first + count):
        world.change(NEW, handle=f"10.1/{number}")
    return [
        asyncio.get_running_loop().create_task(world.url(f"10.1/{number}"))
        for number in range(first, first + count)
    ]


# --- room for lookups ------------------------------------------------------------------------------------


async def test_too_many_lookups(small_world: World) -> None:
    """Beyond the room there is, lookups are refused at once; those under way are answered."""
    world = small_world
    began_at = loop_time()
    results = await asyncio.gather(*wanting(world, 10), return_exceptions=True)
    assert [type(result) for result in results] == [str] * ROOM + [ClosingError] * 6
    asked = {exchanged.handle for exchanged in world.network.exchanges}
    assert asked == {"0.NA/10.1", HANDLE, *(f"10.1/{number}" for number in range(ROOM))}
    assert loop_time() == pytest.approx(began_at + 0.2, abs=0.01)
    assert await asyncio.gather(*wanting(world, ROOM, first=100)) == [NEW] * ROOM


async def test_remembered_answers_flow(small_world: World) -> None:
    """With no room left, what is remembered is answered at once, and who wants the same joins."""
    world = small_world
    tasks = wanting(world, ROOM)
    await world.settle()
    assert world.resolver.room.is_pressed
    began_at = loop_time()
    assert await world.url() == OLD
    assert loop_time() == began_at
    assert await world.url("10.1/0") == NEW
    await asyncio.gather(*tasks)
    assert not world.resolver.room.is_pressed


async def test_old_records_stand_in(small_world: World) -> None:
    """With no room left to refresh it, an expired record is answered at once."""
    world = small_world
    world.change(OLD, handle="10.1/old", ttl=60)
    await world.resolve("10.1/old")
    await world.pass_time(61)
    tasks = wanting(world, ROOM)
    await world.settle()
    began_at = loop_time()
    resolved = await world.resolve("10.1/old")
    assert (url_of(resolved), resolved.stale) == (OLD, True)
    assert loop_time() == began_at
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("conditions", [{"authoritative": True}, {"public_only": False}, {"certified": True}])
async def test_no_way_around(small_world: World, conditions: dict[str, bool]) -> None:
    """Asking the primary, for hidden values or for signatures needs room as well."""
    world = small_world
    tasks = wanting(world, ROOM)
    await world.settle()
    with pytest.raises(ClosingError):
        await world.resolve(**conditions)
    await asyncio.gather(*tasks)


async def test_unshared_lookups_need_room(small_world: World) -> None:
    """Lookups for one visitor alone take room like others, and give it back however they end."""
    world = small_world
    tasks = [
        asyncio.get_running_loop().create_task(world.resolve(public_only=False)) for _ in range(ROOM + 2)
    ]
    await world.settle()
    with pytest.raises(ClosingError):
        await world.resolve("10.1/new")
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results].count(ClosingError) == 2
    assert world.resolver.room.in_flight == 0


async def test_nothing_ahead_of_time(small_world: World) -> None:
    """When it gets tight, records are not fetched ahead of their end."""
    world = small_world
    world.change(OLD, handle="10.1/hot", ttl=100)
    for _ in range(4):
        await world.resolve("10.1/hot")
    await world.pass_time(95)
    tasks = wanting(world, ROOM)
    await world.settle()
    asked = world.exchanges
    await world.resolve("10.1/hot")
    await world.settle()
    assert world.exchanges == asked
    await asyncio.gather(*tasks)
    await world.resolve("10.1/hot")
    await world.settle()
    assert world.exchanges == asked + 1


async def test_what_a_lookup_needs_has_room(world: World) -> None:
    """Who was let in is not refused on the way: the record of the prefix has room of its own."""
    world.resolver = world.worker(max_lookups=1)
    assert await world.url() == "https://example.org/"


# --- one service with too much to do ---------------------------------------------------------------------


async def test_crowded_prefix(world: World) -> None:
    """Once its servers take no more questions, a prefix has room for as many lookups as they did take."""
    world.change(OLD)
    await world.resolve()
    world.delay(0.2, *SERVICE)
    tasks = wanting(world, 3)
    await world.settle()
    world.crowd(*SERVICE)
    refused = await asyncio.gather(*wanting(world, 5, first=100), return_exceptions=True)
    assert [type(result) for result in refused] == [NoServerAnsweredError] * 5
    asked = world.exchanges
    for result in await asyncio.gather(*wanting(world, 50, first=200), return_exceptions=True):
        assert isinstance(result, ClosingError)
    assert world.exchanges == asked
    assert await world.url() == OLD
    world.network.crowded.clear()
    assert await asyncio.gather(*tasks) == [NEW] * 3
    results = await asyncio.gather(*wanting(world, 10, first=300), return_exceptions=True)
    assert [type(result) for result in results].count(str) in (3, 4, 5)


async def test_crowd_that_dissolves(world: World) -> None:
    """After a while without trouble, the prefix has all the room again."""
    world.crowd(*SERVICE)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve()
    world.bring_up()
    world.delay(0.2, *SERVICE)
    await world.pass_time(CROWDED_S)
    assert await asyncio.gather(*wanting(world, 30)) == [NEW] * 30


async def test_other_prefixes_go_on(world: World) -> None:
    """A crowded prefix is no trouble of others."""
    world.add_prefix("10.2", "198.51.100.9", record_of("10.2/x"))
    world.crowd(*SERVICE)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve()
    assert await world.url("10.2/x") == "https://example.org/"


# --- refusing in no time ---------------------------------------------------------------------------------


async def test_shedding(small_world: World) -> None:
    """Under pressure the request line tells who would be refused: handles that memory does not hold, and no others."""
    world = small_world
    shedding = Shedding(world.resolver, world.observer)
    assert not shedding.turns_away("/10.1/new")
    tasks = wanting(world, ROOM)
    await world.settle()
    assert shedding.turns_away("/10.1/new")
    assert world.observer.counts["refused", "busy"] == 1
    for target in (
        f"/{HANDLE}",
        "/10.1/0",
        "/10.1/new?noredirect",
        "/10.1/n%65w",
        "/api/handles/10.1/new",
        "/static/style.css",
        "/hdl:10.1/new",
        "/",
        "/10.1",
        "/10.1/",
        "/help",
        "//10.1/new",
        "*",
    ):
        assert not shedding.turns_away(target), target
    await asyncio.gather(*tasks)
    assert not shedding.turns_away("/10.1/new")


async def test_shedding_looks_no_further_than_it_knows(shared_world: World) -> None:
    """With a Redis, which may hold what memory does not, nobody is refused by the request line alone."""
    world = shared_world
    world.resolver = world.worker(max_lookups=1)
    world.delay(0.2, *SERVICE)
    task = asyncio.get_running_loop().create_task(world.url())
    await world.settle()
    assert not Shedding(world.resolver).turns_away("/10.1/new")
    await task


# --- records that cannot be refreshed in time ------------------------------------------------------------


async def test_only_the_first_waits(world: World) -> None:
    """With everything silent, one visitor of an expired record waits for the timer, of those who follow few."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.silence(*SERVICE)
    began_at = loop_time()
    assert (await world.resolve()).stale
    assert loop_time() == pytest.approx(began_at + STALE_TIMER_S)
    waits = []
    for _ in range(100):
        before = loop_time()
        assert (await world.resolve()).stale
        waits.append(loop_time() - before)
        await world.pass_time(0.1)
    assert waits.count(0.0) >= 97
    assert max(waits) == pytest.approx(PROBE_PATIENCE_S)


async def test_who_comes_late_waits_less(world: World) -> None:
    """The timer runs from when the refresh began, whoever comes when."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.silence(*SERVICE)
    first = asyncio.get_running_loop().create_task(world.resolve())
    await world.pass_time(1.0)
    began_at = loop_time()
    assert (await world.resolve()).stale
    assert loop_time() == pytest.approx(began_at + STALE_TIMER_S - 1.0)
    await first


async def test_recovery_is_found_at_once(world: World) -> None:
    """A service that is back is found by the first who tries; who does not try meanwhile gets the old record."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.silence(*SERVICE)
    await world.resolve()
    await world.pass_time(10)
    world.bring_up()
    world.change(NEW, ttl=60)
    before = loop_time()
    assert await world.url() == NEW
    assert loop_time() == pytest.approx(before, abs=0.01)


async def test_slow_recovery_is_found_behind_the_visitors(world: World) -> None:
    """A service that is back but slow keeps nobody waiting, and is found all the same."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.silence(*SERVICE)
    await world.resolve()
    await world.pass_time(10)
    world.bring_up()
    world.delay(1.2, *SERVICE)
    world.change(NEW, ttl=60)
    before = loop_time()
    for wait_s in (PROBE_PATIENCE_S, 0.0, 0.0):
        assert await world.url() == OLD
        assert loop_time() == pytest.approx(before + wait_s)
        before = loop_time()
    await world.pass_time(1.5)
    assert await world.url() == NEW


async def test_slowness_is_forgotten(world: World) -> None:
    """Long after a refresh that was too slow, the next one gets its chance while the visitor waits."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.silence(*SERVICE)
    await world.resolve()
    await world.pass_time(AILING_S + 10)
    world.bring_up()
    world.change(NEW, ttl=60)
    world.delay(0.5, *SERVICE)
    resolved = await world.resolve()
    assert (url_of(resolved), resolved.stale) == (NEW, False)


async def test_everything_dead_and_everything_answered(world: World) -> None:
    """All upstreams silent: every remembered handle is answered, once after the timer and then at once."""
    handles = [f"10.1/{number}" for number in range(200)]
    for handle in handles:
        world.change(OLD, handle=handle, ttl=60)
        await world.resolve(handle)
    await world.pass_time(61)
    world.silence(*SERVICE)
    for wait_s in (STALE_TIMER_S, 0.0):
        began_at = loop_time()
        answers = await asyncio.gather(*(world.resolve(handle) for handle in handles))
        assert {(url_of(answer), answer.stale) for answer in answers} == {(OLD, True)}
        assert loop_time() == pytest.approx(began_at + wait_s, abs=0.01)


async def test_other_handles_of_an_ailing_prefix(world: World) -> None:
    """Where one visitor has waited in vain, visitors of other handles there need not, and servers are tried gently."""
    handles = [f"10.1/{number}" for number in range(50)]
    for handle in handles:
        world.change(OLD, handle=handle, ttl=60)
        await world.resolve(handle)
    await world.pass_time(61)
    world.silence(*SERVICE)
    await world.resolve(handles[0])
    asked = {handle: world.network.asked(PRIMARY).count(handle) for handle in handles}
    began_at = loop_time()
    for _ in range(2):
        for handle in handles[1:]:
            assert (await world.resolve(handle)).stale
    assert loop_time() <= began_at + PROBE_PATIENCE_S
    await world.pass_time(5.5)
    for handle in handles[1:]:
        assert (await world.resolve(handle)).stale
    await world.settle()
    again = {handle: world.network.asked(PRIMARY).count(handle) for handle in handles}
    assert sum(again[handle] > asked[handle] for handle in handles[1:]) == 1
    world.bring_up()
    await world.pass_time(3.5)
    await world.resolve(handles[7])
    await world.settle()
    assert not (await world.resolve(handles[30])).stale


# --- who pays --------------------------------------------------------------------------------------------


async def paying(world: World, paid: list[Kind], *visits: dict[str, object], handle: str = HANDLE) -> None:
    """Visit on an account that notes what it pays for."""
    pay_from(paid.append)
    for conditions in visits:
        await world.resolve(handle, **conditions)


async def test_only_work_costs(world: World) -> None:
    """The first visitor pays for the lookup; an answer out of memory is free, asking the primary has its own price."""
    paid: list[Kind] = []
    group = asyncio.get_running_loop()
    await group.create_task(paying(world, paid, {}, {}, {"authoritative": True}, {"public_only": False}))
    assert paid == ["miss", "auth", "miss"]


async def test_sharing_is_free(world: World) -> None:
    """Of those who wait for the same lookup, only one pays."""
    paid: list[Kind] = []
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_task(paying(world, paid, {})) for _ in range(20)))
    assert paid == ["miss"]


async def test_who_cannot_pay_gets_what_is_remembered(world: World) -> None:
    """Without means there is no lookup, but an old record is answered all the same."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(61)
    asked = world.exchanges

    def refuse(_kind: Kind) -> None:
        raise TooManyRequestsError("nothing left")

    async def visit() -> None:
        pay_from(refuse)
        assert (await world.resolve()).stale
        with pytest.raises(TooManyRequestsError):
            await world.resolve("10.1/new")
        with pytest.raises(TooManyRequestsError):
            await world.resolve(authoritative=True)

    await asyncio.get_running_loop().create_task(visit())
    assert world.exchanges == asked


async def test_nobody_pays_for_prefetching(world: World) -> None:
    """What happens ahead of time is on nobody's account."""
    world.change(OLD, ttl=100)
    for _ in range(4):
        await world.resolve()
    await world.pass_time(95)
    paid: list[Kind] = []
    await asyncio.get_running_loop().create_task(paying(world, paid, {}))
    await world.settle()
    assert world.asked(*SERVICE) == 2
    assert paid == []
