"""Records that are wanted are fetched again before they expire, and nobody waits for that."""

from __future__ import annotations

import pytest

from resolver.resolution import service
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World, loop_time

OLD, NEW = "https://old.example/", "https://new.example/"
SERVICE = (PRIMARY, MIRROR)
TTL = 100


async def wanted(world: World, *, times: int = 2) -> None:
    """Fetch the handle and ask for it some more; then let it change."""
    world.change(OLD, ttl=TTL)
    await world.resolve()
    for _ in range(times):
        await world.resolve()
    world.change(NEW, ttl=TTL)


async def test_wanted_and_almost_over(world: World) -> None:
    """A wanted record in its last tenth is answered at once and fetched anew behind the visitor's back."""
    await wanted(world)
    await world.pass_time(0.91 * TTL)
    assert await world.url() == OLD
    await world.settle()
    assert await world.url() == NEW
    assert world.asked(*SERVICE) == 2
    assert world.observer.counts["prefetched", "ok"] == 1
    assert loop_time() == pytest.approx(0.91 * TTL, abs=0.01)


async def test_not_yet_almost_over(world: World) -> None:
    """Before its last tenth it is left alone."""
    await wanted(world)
    await world.pass_time(0.89 * TTL)
    for _ in range(5):
        assert await world.url() == OLD
    await world.settle()
    assert world.asked(*SERVICE) == 1


async def test_not_wanted(world: World) -> None:
    """A record that is asked for once more in its last tenth, for the first time, is not worth a question."""
    await wanted(world, times=0)
    await world.pass_time(0.95 * TTL)
    assert await world.url() == OLD
    await world.settle()
    assert world.asked(*SERVICE) == 1


async def test_short_lived(world: World) -> None:
    """Records that live for seconds only are not fetched ahead: that would double the questions."""
    world.change(OLD, ttl=9)
    for _ in range(5):
        await world.resolve()
    await world.pass_time(8.95)
    await world.resolve()
    await world.settle()
    assert world.asked(*SERVICE) == 1


async def test_once_for_all(world: World) -> None:
    """A hundred visitors in the last tenth cause one fetch."""
    await wanted(world)
    await world.pass_time(0.95 * TTL)
    world.delay(0.04, *SERVICE)
    for _ in range(100):
        assert await world.url() == OLD
    await world.pass_time(0.1)
    assert await world.url() == NEW
    assert world.asked(*SERVICE) == 2


async def test_fetch_that_fails(world: World) -> None:
    """A fetch ahead of time that fails harms nobody, is counted, and is not repeated for a while."""
    await wanted(world)
    world.shut_down(*SERVICE)
    await world.pass_time(0.91 * TTL)
    for _ in range(10):
        resolved = await world.resolve()
        assert not resolved.stale
        await world.settle()
    assert world.asked(*SERVICE) == 1 + 4
    assert world.observer.counts["prefetched", "failed"] == 1
    world.bring_up()
    await world.pass_time(5.1)
    assert await world.url() == OLD
    await world.settle()
    assert await world.url() == NEW


async def test_not_too_many_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many fetches ahead of time run at once; the others have their chance at the next visit."""
    monkeypatch.setattr(service, "MAX_PREFETCHES", 3)
    handles = [f"10.1/{number}" for number in range(10)]
    for handle in handles:
        world.change(OLD, handle=handle, ttl=TTL)
        for _ in range(3):
            await world.resolve(handle)
    await world.pass_time(0.95 * TTL)
    world.delay(0.04, *SERVICE)
    asked = world.exchanges
    for handle in handles:
        await world.resolve(handle)
    await world.settle()
    assert world.exchanges == asked + 3
    await world.pass_time(0.1)
    for handle in handles:
        await world.resolve(handle)
    await world.settle()
    assert world.exchanges == asked + 6


async def test_prefix_record_too(world: World) -> None:
    """The record of a busy prefix is fetched ahead of time like any other, so that nobody waits for the registry."""
    for number in range(5):
        world.change(OLD, handle=f"10.1/{number}")
        await world.resolve(f"10.1/{number}")
    await world.pass_time(3600 * 0.95)
    world.change(OLD, handle="10.1/late")
    world.delay(0.04, REGISTRY)
    await world.resolve("10.1/late")
    assert loop_time() == pytest.approx(3600 * 0.95)
    await world.pass_time(0.1)
    assert world.asked(REGISTRY) == 2


async def test_absence_is_not_fetched_ahead(world: World) -> None:
    """Missing handles are not asked for ahead of time, however often somebody tries them."""
    for _ in range(5):
        with pytest.raises(Exception, match="not found"):
            await world.resolve("10.1/new")
    await world.pass_time(29)
    with pytest.raises(Exception, match="not found"):
        await world.resolve("10.1/new")
    await world.settle()
    assert world.asked(*SERVICE) == 1


async def test_entry_of_another_worker(shared_world: World) -> None:
    """An entry that comes from Redis is wanted here only once it was asked for here."""
    world = shared_world
    await wanted(world)
    await world.pass_time(0.95 * TTL)
    world.resolver = world.worker()
    await world.resolve(HANDLE)
    await world.settle()
    assert world.asked(*SERVICE) == 1
