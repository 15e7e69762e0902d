"""Sharing lookups between processes: who comes first does it, the others wait, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from resolver.cache.entry import CachedRecord, Entry
from resolver.cache.lease import LEASE_S, OUTCOME_S, Leases
from resolver.cache.outcome import Failure, Found, Outcome
from resolver.errors import (
    CacheError,
    LookupTimeoutError,
    RefusedError,
    UpstreamError,
)
from resolver.model.handle import Handle
from resolver.resolution.service import Resolver
from resolver.tasks import Background
from tests.fakes import EPOCH, RecordingObserver, record_of
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World

KEY = "10.1/x"


def now() -> float:
    """Return what the clock on the wall shows."""
    return EPOCH + asyncio.get_running_loop().time()


class Store:
    """What Redis does for leases, in the memory of a test: keys that end by themselves."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes, float]] = {}
        self.broken = False

    def _there(self, key: str) -> bytes | None:
        value, until = self.held.get(key, (None, 0.0))
        return value if now() < until else None

    async def _answer(self) -> None:
        await asyncio.sleep(0.0005)
        if self.broken:
            raise CacheError("redis is broken, says a test")

    async def claim_lease(self, key: str, value: bytes, lease_s: float, over: bytes) -> bytes | None:
        await self._answer()
        there = self._there(key)
        if there is not None and there != over:
            return there
        self.held[key] = value, now() + lease_s
        return None

    async def extend_lease(self, key: str, value: bytes, lease_s: float) -> bool:
        await self._answer()
        if self._there(key) != value:
            return False
        self.held[key] = value, now() + lease_s
        return True

    async def end_lease(self, key: str, value: bytes, outcome: bytes, keep_s: float) -> bool:
        await self._answer()
        if self._there(key) != value:
            return False
        self.held[key] = outcome, now() + keep_s if outcome else 0.0
        return True


class Process:
    """One of the processes that share a Redis."""

    def __init__(self, store: Store, deadline_s: float = 8.0) -> None:
        self.background = Background()
        self.observer = RecordingObserver()
        self.leases = Leases(store, self.background, deadline_s=deadline_s, clock=now, observer=self.observer)
        self.lookups = 0
        self.takes_s = 0.2
        self.lifetime_s = 60.0
        self.error: UpstreamError | None = None
        self.shares = True

    async def look_up(self) -> Entry:
        """Do the work."""
        self.lookups += 1
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return CachedRecord(record_of("10.1/x"), now(), self.lifetime_s)

    async def run(
        self, patience_s: float = 8.0, work: Callable[[], Awaitable[Entry]] | None = None
    ) -> Outcome:
        """Want the handle."""
        return await self.leases.run(
            KEY,
            work or self.look_up,
            is_fresh=lambda entry: now() < entry.expires_at,
            failure_until=lambda _: now() + 1 if self.shares else None,
            ends_at=asyncio.get_running_loop().time() + patience_s,
        )


@pytest.fixture
async def store() -> Store:
    """An empty Redis."""
    return Store()


@pytest.fixture
async def pair(store: Store) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes."""
    one, two = Process(store), Process(store)
    yield one, two
    await one.background.close()
    await two.background.close()


async def test_one_lookup_for_both(pair: tuple[Process, Process]) -> None:
    """Of two processes that want the same at the same time, one looks it up and both have it, at once."""
    one, two = pair
    first, second = await asyncio.gather(one.run(), two.run())
    assert first == second
    assert isinstance(first, Found)
    assert first.begun_at == pytest.approx(EPOCH, abs=0.01)
    assert (one.lookups, two.lookups) == (1, 0)
    assert asyncio.get_running_loop().time() < 0.2 + 0.06
    assert two.observer.counts["coalesced",] == 1


async def test_who_comes_just_too_late(pair: tuple[Process, Process]) -> None:
    """What another process found a moment ago will do, if it is fresh."""
    one, two = pair
    await one.run()
    await asyncio.sleep(0.01)
    await two.run()
    assert two.lookups == 0


async def test_what_must_not_be_remembered(pair: tuple[Process, Process]) -> None:
    """A record with a TTL of zero is shared by those who wait together, and by nobody who comes later."""
    one, two = pair
    one.lifetime_s = two.lifetime_s = 0.0
    await asyncio.gather(one.run(), two.run())
    assert (one.lookups, two.lookups) == (1, 0)
    await two.run()
    assert two.lookups == 1


async def test_failure_is_shared(pair: tuple[Process, Process]) -> None:
    """If it fails, it fails for both, and for whoever comes while the failure counts."""
    one, two = pair
    one.error = RefusedError(2, "out of order")
    first, second = await asyncio.gather(one.run(), two.run(), return_exceptions=True)
    assert first is one.error
    assert isinstance(second, Failure)
    assert (type(second.error), str(second.error)) == (RefusedError, str(one.error))
    assert two.lookups == 0
    assert isinstance(await two.run(), Failure)
    await asyncio.sleep(1)
    assert isinstance(await two.run(), Found)


async def test_what_concerns_nobody_else(store: Store, pair: tuple[Process, Process]) -> None:
    """A failure that came of one visitor's limits is not told; who waits does the work itself."""
    one, two = pair
    one.error, one.shares = RefusedError(2, "my budget"), False
    first, second = await asyncio.gather(one.run(), two.run(), return_exceptions=True)
    assert first is one.error
    assert isinstance(second, Found)
    assert (one.lookups, two.lookups) == (1, 1)


async def test_long_lookup_keeps_its_lease(pair: tuple[Process, Process]) -> None:
    """A lookup that takes many times as long as a lease lives is still the only one."""
    one, two = pair
    one.takes_s = 6 * LEASE_S
    await asyncio.gather(one.run(), two.run(patience_s=100.0))
    assert (one.lookups, two.lookups) == (1, 0)


async def test_process_dies(store: Store, pair: tuple[Process, Process]) -> None:
    """A process that dies in the middle costs who waits one lease; nothing is left behind."""
    one, two = pair
    one.takes_s = 100.0
    dying = asyncio.get_running_loop().create_task(one.run())
    await asyncio.sleep(0.1)
    waiting = asyncio.get_running_loop().create_task(two.run())
    await asyncio.sleep(0.1)
    store.broken = True  # its last words do not get out
    dying.cancel()
    await asyncio.wait([dying])
    await one.background.close()
    store.broken = False
    assert isinstance(await waiting, Found)
    assert asyncio.get_running_loop().time() < 0.2 + LEASE_S + two.takes_s + 0.1
    await asyncio.sleep(OUTCOME_S + 0.01)
    assert store._there(KEY) is None


@pytest.mark.parametrize("deadline_s", [1.0, 2.0, LEASE_S, 5.0])
async def test_process_dies_where_lookups_must_be_quick(store: Store, deadline_s: float) -> None:
    """Who waited for a lease that nobody prolongs has as much time left for a lookup of its own."""
    one, two = Process(store, deadline_s), Process(store, deadline_s)
    one.takes_s = 100.0
    dying = asyncio.get_running_loop().create_task(one.run(deadline_s))
    await asyncio.sleep(0.9 * deadline_s)  # it has prolonged its lease a moment ago
    waiting = asyncio.get_running_loop().create_task(two.run(deadline_s))
    store.broken = True
    dying.cancel()
    await asyncio.wait([dying])
    await one.background.close()
    store.broken = False
    assert isinstance(await waiting, Found)
    assert asyncio.get_running_loop().time() < (0.9 + 0.5) * deadline_s + two.takes_s + 0.1
    await two.background.close()


async def test_cancelled_leader_makes_room(store: Store, pair: tuple[Process, Process]) -> None:
    """A lookup that is given up gives its lease back at once."""
    one, two = pair
    one.takes_s = 100.0
    leader = asyncio.get_running_loop().create_task(one.run())
    await asyncio.sleep(0.1)
    leader.cancel()
    await asyncio.wait([leader])
    assert isinstance(await two.run(), Found)
    assert asyncio.get_running_loop().time() < 0.1 + two.takes_s + 0.1


async def test_broken_redis(store: Store, pair: tuple[Process, Process]) -> None:
    """With Redis broken everybody works alone, and waits for nobody."""
    store.broken = True
    results = await asyncio.gather(*(process.run() for process in pair))
    assert all(isinstance(result, Found) for result in results)
    assert [process.lookups for process in pair] == [1, 1]
    assert asyncio.get_running_loop().time() < 0.25


class Frozen(Store):
    """Does not answer, and carries out later what it was told meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, bytes, float]] = []

    async def claim_lease(self, key: str, value: bytes, lease_s: float, over: bytes) -> bytes | None:
        if self.broken:
            self.told.append((key, value, lease_s))
        return await super().claim_lease(key, value, lease_s, over)

    def thaw(self) -> None:
        """Go on."""
        self.broken = False
        for key, value, lease_s in self.told:
            self.held.setdefault(key, (value, now() + lease_s))


async def test_redis_carries_out_what_was_given_up() -> None:
    """A claim that Redis answers too late is withdrawn, so that nobody waits for a lookup which is over."""
    store = Frozen()
    first, second = Process(store), Process(store)
    store.broken = True
    assert isinstance(await first.run(), Found)
    store.thaw()
    assert store.held
    began = now()
    assert isinstance(await second.run(), Found)
    assert now() - began < LEASE_S / 2
    assert (first.lookups, second.lookups) == (1, 1)
    await asyncio.sleep(1.0)
    assert not first.background


async def test_end_that_redis_did_not_hear_of(store: Store, pair: tuple[Process, Process]) -> None:
    """Where Redis fails just as a lookup ends, its lease is given back as soon as Redis is well again."""
    one, two = pair
    leader = asyncio.get_running_loop().create_task(one.run())
    while not store.held:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.0005)
    store.broken = True
    assert isinstance(await leader, Found)
    await asyncio.sleep(0.01)
    store.broken = False
    began = now()
    assert isinstance(await two.run(), Found)
    assert now() - began < LEASE_S / 2
    assert (one.lookups, two.lookups) == (1, 1)


async def test_redis_breaks_while_waiting(store: Store, pair: tuple[Process, Process]) -> None:
    """Who waits goes on alone as soon as Redis fails; who works loses nothing."""
    tasks = [asyncio.get_running_loop().create_task(process.run()) for process in pair]
    await asyncio.sleep(0.05)
    store.broken = True
    results = await asyncio.gather(*tasks)
    assert all(isinstance(result, Found) for result in results)
    assert [process.lookups for process in pair] == [1, 1]


async def test_patience_ends(pair: tuple[Process, Process]) -> None:
    """Nobody waits for another process longer than for a lookup of its own."""
    one, two = pair
    one.takes_s = 100.0
    leader = asyncio.get_running_loop().create_task(one.run())
    await asyncio.sleep(0.01)
    with pytest.raises(LookupTimeoutError):
        await two.run(patience_s=0.5)
    assert asyncio.get_running_loop().time() < 0.6
    leader.cancel()
    await asyncio.wait([leader])


async def test_lost_lease_is_not_overwritten(store: Store, pair: tuple[Process, Process]) -> None:
    """Whose lease was broken, because the record was replaced, tells nobody what it found."""
    one, two = pair
    leader = asyncio.get_running_loop().create_task(one.run())
    await asyncio.sleep(0.1)
    del store.held[KEY]
    second = await two.run()
    first = await leader
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert (one.lookups, two.lookups) == (1, 1)
    assert second.begun_at > first.begun_at + 0.09
    third = await one.run()
    assert isinstance(third, Found)
    assert third.begun_at == second.begun_at


async def test_claim_that_was_not_heard_of(store: Store, pair: tuple[Process, Process]) -> None:
    """A lease that was written although Redis seemed to fail is ours all the same, and nobody waits for it."""
    one, _ = pair
    claim, failures = store.claim_lease, [CacheError("the answer was lost, says a test")]

    async def claim_unheard(key: str, value: bytes, lease_s: float, over: bytes) -> bytes | None:
        there = await claim(key, value, lease_s, over)
        if failures:
            raise failures.pop()
        return there

    store.claim_lease = claim_unheard  # type: ignore[method-assign]
    assert isinstance(await one.run(), Found)
    assert asyncio.get_running_loop().time() < 0.3


@pytest.mark.parametrize(
    "nonsense", [b"", b"x", b"=", b"=\x93\xa5found", b"=" + b"\xff" * 100, b"?", b"?cut", b"?" + b"much" * 10]
)
async def test_nonsense_is_taken_over(nonsense: bytes, store: Store, pair: tuple[Process, Process]) -> None:
    """What is no lease and no outcome is written over."""
    store.held[KEY] = nonsense, now() + 1000
    result = await pair[0].run()
    assert isinstance(result, Found)
    assert pair[0].lookups == 1


async def test_bugs_come_out(store: Store, pair: tuple[Process, Process]) -> None:
    """An error that is none of the known ones comes out as it is, and gives the lease back."""

    async def stumble() -> Entry:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        await pair[0].run(work=stumble)
    await asyncio.sleep(0.01)
    assert store._there(KEY) is None


# --- between resolvers -----------------------------------------------------------------------------------


def workers(world: World, store: Store) -> list[Resolver]:
    """Return two resolvers that share leases and nothing else."""
    return [
        world.worker(
            leases=Leases(store, world.background, deadline_s=8.0, clock=world.clock, observer=world.observer)
        )
        for _ in range(2)
    ]


async def test_resolvers_share_what_they_find(world: World, store: Store) -> None:
    """A crowd at two resolvers causes one question to each server, and both remember the answer."""
    world.delay(0.02, PRIMARY, MIRROR)
    pair = workers(world, store)
    handle = Handle(HANDLE)
    answers = await asyncio.gather(*(resolver.resolve(handle) for resolver in pair * 25))
    assert len({answer.record for answer in answers}) == 1
    assert (world.asked(REGISTRY), world.asked(PRIMARY, MIRROR)) == (1, 1)
    world.shut_down(REGISTRY, PRIMARY, MIRROR)
    for resolver in pair:
        assert not (await resolver.resolve(handle)).stale


async def test_resolvers_share_failures(world: World, store: Store) -> None:
    """A failure counts for both, and for as long as it would for one."""
    pair = workers(world, store)
    await pair[0].resolve(Handle(HANDLE))
    world.shut_down(PRIMARY, MIRROR)
    handle = Handle("10.1/other")
    results = await asyncio.gather(*(resolver.resolve(handle) for resolver in pair), return_exceptions=True)
    assert all(isinstance(result, UpstreamError) for result in results)
    asked = world.asked(PRIMARY, MIRROR)
    await world.pass_time(0.5)
    for resolver in pair:
        with pytest.raises(UpstreamError):
            await resolver.resolve(handle)
    assert world.asked(PRIMARY, MIRROR) == asked


async def test_crowding_is_not_shared(world: World, store: Store) -> None:
    """That one process asks a server as much as it may is no reason for another not to ask."""
    pair = workers(world, store)
    for resolver in pair:
        await resolver.resolve(Handle(HANDLE))
    world.crowd(PRIMARY, MIRROR)
    with pytest.raises(UpstreamError):
        await pair[0].resolve(Handle("10.1/other"))
    world.bring_up()
    world.change("https://example.org/", handle="10.1/other")
    assert not (await pair[1].resolve(Handle("10.1/other"))).stale


class Liar(Store):
    """A store that has something else, of no use, each time."""

    async def claim_lease(self, key: str, value: bytes, lease_s: float, over: bytes) -> bytes | None:
        await self._answer()
        return b"=" + value


async def test_nonsense_without_end() -> None:
    """Whoever goes on writing what nobody can read keeps nobody waiting for longer than a lookup may take."""
    leases = Leases(Liar(), Background(), deadline_s=8.0, clock=now)
    started = asyncio.get_running_loop().time()

    async def work() -> Entry:
        raise AssertionError

    with pytest.raises(LookupTimeoutError):
        await leases.run(
            KEY, work, is_fresh=lambda _: True, failure_until=lambda _: None, ends_at=started + 5.0
        )
    assert asyncio.get_running_loop().time() - started < 6.0
