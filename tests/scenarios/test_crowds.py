"""Many visitors at once: one question for all of them, whoever leaves, and nobody turned away for nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from resolver.errors import HandleNotFoundError, NoServerAnsweredError
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World, loop_time

SERVICE = (PRIMARY, MIRROR)


def come(world: World, count: int, handle: str = HANDLE) -> list[asyncio.Task[str]]:
    """Let visitors come, all at once."""
    return [asyncio.get_running_loop().create_task(world.url(handle)) for _ in range(count)]


async def test_one_question_for_all(world: World) -> None:
    """A hundred visitors of a handle nobody knows yet cause one question to each of the two who know."""
    assert await asyncio.gather(*come(world, 100)) == ["https://example.org/"] * 100
    assert (world.asked(REGISTRY), world.asked(*SERVICE)) == (1, 1)
    assert world.observer.counts["coalesced",] == 99


async def test_one_question_for_the_prefix(world: World) -> None:
    """Visitors of many handles of one prefix share the question for the prefix."""
    handles = [f"10.1/{number}" for number in range(50)]
    for handle in handles:
        world.change(handle, handle=handle)
    assert await asyncio.gather(*(world.url(handle) for handle in handles)) == handles
    assert (world.asked(REGISTRY), world.asked(*SERVICE)) == (1, 50)


async def test_error_for_all(world: World) -> None:
    """If it fails, it fails for all of them, and once."""
    world.shut_down(*SERVICE)
    results = await asyncio.gather(*come(world, 100), return_exceptions=True)
    assert {type(result) for result in results} == {NoServerAnsweredError}
    assert world.asked(*SERVICE) == 4


async def test_absence_for_all(world: World) -> None:
    """A missing handle is missing for all of them, and asked for once."""
    results = await asyncio.gather(*come(world, 100, "10.1/new"), return_exceptions=True)
    assert {type(result) for result in results} == {HandleNotFoundError}
    assert world.asked(*SERVICE) == 1


async def test_leaver(world: World) -> None:
    """The visitor who began the question leaves; the others are answered by it."""
    world.delay(0.2, *SERVICE)
    first, *others = come(world, 10)
    await world.pass_time(0.1)
    first.cancel()
    assert await asyncio.gather(*others) == ["https://example.org/"] * 9
    assert first.cancelled()
    assert world.asked(*SERVICE) == 1


async def test_everybody_leaves(world: World) -> None:
    """If everybody leaves, the answer is remembered all the same, for when they come back."""
    world.delay(0.2, *SERVICE)
    visitors = come(world, 10)
    await world.pass_time(0.1)
    for visitor in visitors:
        visitor.cancel()
    await world.pass_time(0.2)
    assert all(visitor.cancelled() for visitor in visitors)
    assert await world.url() == "https://example.org/"
    assert world.asked(*SERVICE) == 1


async def test_ttl_of_zero_is_shared(world: World) -> None:
    """What must not be remembered is still asked for once by those who wait together."""
    world.change("https://example.org/", ttl=0)
    await asyncio.gather(*come(world, 100))
    assert world.asked(*SERVICE) == 1
    await asyncio.gather(*come(world, 100))
    assert world.asked(*SERVICE) == 2


async def test_herd_at_expiry(world: World) -> None:
    """Five hundred visitors of a record that just expired cause one question."""
    world.change("https://old.example/", ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.change("https://new.example/", ttl=60)
    world.delay(0.04, *SERVICE)
    assert await asyncio.gather(*come(world, 500)) == ["https://new.example/"] * 500
    assert world.asked(*SERVICE) == 2


async def test_huge_herd_at_expiry(world: World) -> None:
    """Of two thousand, none is turned away: who finds too many waiting gets the old record."""
    world.change("https://old.example/", ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.change("https://new.example/", ttl=60)
    world.delay(0.04, *SERVICE)
    results = await asyncio.gather(*come(world, 2000), return_exceptions=True)
    assert set(Counter(map(str, results))) <= {"https://old.example/", "https://new.example/"}
    assert world.asked(*SERVICE) == 2


async def test_herd_while_the_service_is_silent(world: World) -> None:
    """A herd that meets a silent service gets the old record after the stale timer, all of it."""
    world.change("https://old.example/", ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.silence(*SERVICE)
    assert await asyncio.gather(*come(world, 500)) == ["https://old.example/"] * 500
    assert loop_time() == pytest.approx(61.5)


async def test_everybody_for_themselves_when_all_is_wanted(world: World) -> None:
    """Who asks for everything does not share: what one visitor may see is not another's."""
    await world.resolve()
    await asyncio.gather(*(world.resolve(public_only=False) for _ in range(5)))
    assert world.asked(*SERVICE) == 6
