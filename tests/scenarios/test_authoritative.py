"""``auth``: asking the primary whatever is remembered, and remembering its answer instead."""

from __future__ import annotations

import asyncio

import pytest

from resolver.errors import HandleNotFoundError, NoServerAnsweredError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord
from resolver.protocol.codes import OpFlag
from tests.fakes import site_value, url_value
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World, url_of

OLD, NEW = "https://old.example/", "https://new.example/"


def begin(world: World, **conditions: bool) -> asyncio.Task[str]:
    """Let a visitor begin to wait for the handle."""
    return asyncio.get_running_loop().create_task(world.url(**conditions))


async def test_bypasses_and_replaces(world: World) -> None:
    """One look with ``auth`` finds the change, and from then on everybody does."""
    world.change(OLD)
    assert await world.url() == OLD
    world.change(NEW)
    await world.pass_time(1)
    assert await world.url() == OLD
    resolved = await world.resolve(authoritative=True)
    assert (url_of(resolved), resolved.stale) == (NEW, False)
    assert await world.url() == NEW
    assert world.asked(PRIMARY, MIRROR) == 2


async def test_asks_only_the_primary(world: World) -> None:
    """Mirrors are not asked, even first in the record, and the request says why."""
    world.register(
        "10.1", *(site_value(world.site(address), n) for n, address in enumerate((MIRROR, PRIMARY)))
    )
    for _ in range(10):
        await world.resolve(authoritative=True)
    assert (world.asked(PRIMARY), world.asked(MIRROR)) == (10, 0)
    requests = [exchanged.request for exchanged in world.network.exchanges if exchanged.address == PRIMARY]
    assert all(request.header.op_flags & OpFlag.AUTHORITATIVE for request in requests)


async def test_ordinary_questions_do_not_ask_for_it(world: World) -> None:
    """Ordinary questions leave the choice of the site to us, and do not carry the flag."""
    await world.resolve()
    assert not any(
        exchanged.request.header.op_flags & OpFlag.AUTHORITATIVE for exchanged in world.network.exchanges
    )


async def test_prefix_record_may_be_remembered(world: World) -> None:
    """The registry is not asked again for the prefix."""
    await world.resolve()
    await world.resolve(authoritative=True)
    assert world.asked(REGISTRY) == 1


async def test_finds_what_was_missing(world: World) -> None:
    """A handle remembered as missing is found once somebody looks with ``auth``."""
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/new")
    world.change(NEW, handle="10.1/new")
    assert await world.url("10.1/new", authoritative=True) == NEW
    assert await world.url("10.1/new") == NEW


async def test_finds_that_it_is_gone(world: World) -> None:
    """A handle that was deleted is missing for everybody once somebody has looked with ``auth``."""
    await world.resolve()
    world.services[PRIMARY].store.delete(HANDLE)
    for authoritative in (True, False):
        with pytest.raises(HandleNotFoundError):
            await world.resolve(authoritative=authoritative)


async def test_primary_out_of_reach(world: World) -> None:
    """If no primary answers, that is an error: neither a mirror nor memory can say what the primary has."""
    await world.resolve()
    world.shut_down(PRIMARY)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve(authoritative=True)
    assert not (await world.resolve()).stale


async def test_failure_is_not_believed(world: World) -> None:
    """A failure remembered a moment ago does not keep ``auth`` from trying."""
    world.shut_down(PRIMARY, MIRROR)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve()
    world.bring_up()
    world.change(NEW, ttl=0)
    await world.resolve(authoritative=True)
    assert await world.url() == NEW


async def test_lookup_from_before_does_not_overwrite(world: World) -> None:
    """An ordinary lookup that began before the change, and ends after it, does not bring the old record back."""
    world.change(OLD)
    await world.resolve("0.NA/10.1")
    world.delay(0.3, PRIMARY, MIRROR)
    ordinary = begin(world)
    await world.pass_time(0.1)
    world.change(NEW)
    world.delay(0.0, PRIMARY, MIRROR)
    assert await world.url(authoritative=True) == NEW
    assert await ordinary == OLD
    assert await world.url() == NEW


async def test_two_at_once_see_the_change(world: World) -> None:
    """Who asks with ``auth`` after a change sees it, even while a look from before the change is under way."""
    world.change(OLD)
    await world.resolve()
    world.delay(0.04, PRIMARY)
    early = begin(world, authoritative=True)
    await world.pass_time(0.01)
    world.change(NEW)
    late = [begin(world, authoritative=True) for _ in range(5)]
    assert await asyncio.gather(*late) == [NEW] * 5
    assert await early == OLD
    assert world.asked(PRIMARY, MIRROR) == 3
    assert await world.url() == NEW


async def test_other_workers_hear_of_it(shared_world: World) -> None:
    """After ``auth`` at one worker the others find the new record too."""
    world = shared_world
    assert world.redis is not None
    world.change(OLD)
    other = world.worker()
    other_cache = world.caches[-1]
    for resolver in (world.resolver, other):
        assert url_of(await resolver.resolve(Handle(HANDLE))) == OLD
    world.change(NEW)
    await world.pass_time(1)
    await world.resolve(authoritative=True)
    for key in world.redis.announced:
        other_cache.forget(key)
    assert url_of(await other.resolve(Handle(HANDLE))) == NEW
    assert world.asked(PRIMARY, MIRROR) == 2


async def test_two_prefixes_do_not_mix(world: World) -> None:
    """``auth`` on one handle leaves others alone."""
    world.services[PRIMARY].store.put(HandleRecord("10.1/def", (url_value(OLD),)))
    await world.resolve()
    await world.resolve("10.1/def")
    await world.resolve(authoritative=True)
    await world.resolve("10.1/def")
    assert world.asked(PRIMARY, MIRROR) == 3
