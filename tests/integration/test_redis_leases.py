"""The leases of lookups in a real Redis: who holds one, for how long, and who may end it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from resolver.cache.redis import LEASE_PREFIX, RedisTier
from resolver.errors import CacheError
from tests.redis_process import RedisProcess


@pytest.fixture
async def tier(redis_url: str) -> AsyncIterator[RedisTier]:
    """A tier with patience for a busy machine."""
    tier = RedisTier(redis_url, operation_timeout_s=5.0)
    yield tier
    await tier.close()


@pytest.fixture
def key() -> str:
    """A handle that no other test uses."""
    return f"10.1/{secrets.token_hex(8)}"


async def test_first_come(tier: RedisTier, key: str) -> None:
    """Who comes first has it; the others see what is there."""
    assert await tier.claim_lease(key, b"?mine", 5.0, b"") is None
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") == b"?mine"


async def test_ends_by_itself(tier: RedisTier, key: str) -> None:
    """A lease that nobody prolongs is gone after its time."""
    await tier.claim_lease(key, b"?mine", 0.05, b"")
    await asyncio.sleep(0.2)
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") is None


async def test_prolonged_by_its_holder_only(tier: RedisTier, key: str) -> None:
    """The holder can prolong it, and nobody else; one that is gone cannot be prolonged."""
    await tier.claim_lease(key, b"?mine", 0.3, b"")
    assert not await tier.extend_lease(key, b"?yours", 60.0)
    assert await tier.extend_lease(key, b"?mine", 60.0)
    await asyncio.sleep(0.5)
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") == b"?mine"
    assert not await tier.extend_lease(f"{key}x", b"?mine", 60.0)


async def test_ended_by_its_holder_only(tier: RedisTier, key: str) -> None:
    """The holder puts the outcome in its place for a while; nobody else can, and neither can the holder twice."""
    await tier.claim_lease(key, b"?mine", 5.0, b"")
    assert not await tier.end_lease(key, b"?yours", b"=theirs", 5.0)
    assert await tier.end_lease(key, b"?mine", b"=\x00\xff outcome", 0.3)
    assert not await tier.end_lease(key, b"?mine", b"=again", 5.0)
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") == b"=\x00\xff outcome"
    await asyncio.sleep(0.5)
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") is None


async def test_ended_without_an_outcome(tier: RedisTier, key: str) -> None:
    """An empty outcome leaves nothing behind."""
    await tier.claim_lease(key, b"?mine", 60.0, b"")
    assert await tier.end_lease(key, b"?mine", b"", 0.0)
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") is None


async def test_taken_over(tier: RedisTier, key: str) -> None:
    """What is there is replaced only by whoever knows exactly what it is, so that of two only one succeeds."""
    await tier.claim_lease(key, b"?mine", 60.0, b"")
    await tier.end_lease(key, b"?mine", b"=old", 60.0)
    assert await tier.claim_lease(key, b"?one", 5.0, b"=older") == b"=old"
    results = await asyncio.gather(
        *(tier.claim_lease(key, f"?{number}".encode(), 5.0, b"=old") for number in range(10))
    )
    assert results.count(None) == 1


async def test_broken(tier: RedisTier, key: str) -> None:
    """A lease that is broken is gone, and its holder's outcome is nobody's."""
    await tier.claim_lease(key, b"?mine", 60.0, b"")
    await tier.break_lease(key)
    assert not await tier.end_lease(key, b"?mine", b"=old", 60.0)
    assert await tier.claim_lease(key, b"?yours", 5.0, b"") is None


async def test_something_else_in_its_place(tier: RedisTier, key: str, redis_url: str) -> None:
    """A key of another type is trouble with Redis like any other: whoever meets it goes on alone."""
    from redis.asyncio import Redis

    async with Redis.from_url(redis_url) as client:
        await client.rpush(LEASE_PREFIX + key, "a list")
        with pytest.raises(CacheError):
            await tier.claim_lease(key, b"?mine", 5.0, b"")
        await client.delete(LEASE_PREFIX + key)


async def test_restarted_redis_learns_the_scripts_again(redis_server: RedisProcess) -> None:
    """A Redis that was started anew knows no scripts, which costs nothing but a moment."""
    tier = RedisTier(redis_server.url, operation_timeout_s=5.0)
    try:
        assert await tier.claim_lease("10.1/x", b"?mine", 5.0, b"") is None
        redis_server.kill()
        redis_server.start()
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await tier.claim_lease("10.1/x", b"?mine", 5.0, b"") is None
                    break
                except CacheError:
                    await asyncio.sleep(0.1)
    finally:
        await tier.close()
