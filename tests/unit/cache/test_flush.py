"""Forgetting on demand: one entry, those of a prefix, or all; in both tiers and in every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from resolver.cache.entry import Absence, CachedRecord
from resolver.cache.memory import MemoryCache
from resolver.cache.tiers import TieredCache
from resolver.errors import CacheError
from resolver.tasks import Background
from tests.fakes import FakeClock, FakeRedisTier, record_of

KEYS = (
    *("10.1/ABC", "10.1/ä", "cert 10.1/ABC", "10.1.5/ABC", "0.NA/10.1", "cert 0.NA/10.1.5"),
    *("10.10/ABC", "10/10.1", "0.NA/10.10", "0.NA/0.NA", "0.SERV/10.1", "ABC"),
)
OF_10_1 = {"10.1/ABC", "10.1/ä", "cert 10.1/ABC", "10.1.5/ABC", "0.NA/10.1", "cert 0.NA/10.1.5"}


class Tiers:
    """Two tiers that hold all ``KEYS``."""

    def __init__(self, *, with_redis: bool = True) -> None:
        self.clock = FakeClock()
        self.redis = FakeRedisTier(self.clock)
        self.background = Background()
        self.forgotten: list[str | None] = []
        self.cache = TieredCache(
            MemoryCache(100, 10**6),
            self.redis if with_redis else None,  # type: ignore[arg-type]  # a fake with the same methods
            self.background,
            stale_max_s=100.0,
            clock=self.clock,
            on_forget=self.forgotten.append,
        )

    async def fill(self) -> None:
        """Let both tiers hold everything."""
        for key in KEYS:
            self.cache.put(key, self.entry(key), self.clock.now)
        while len(self.background):
            await self.pause()

    async def pause(self) -> None:
        """Let others run."""
        await asyncio.sleep(0)

    def entry(self, key: str) -> CachedRecord:
        """Return a record for a key."""
        return CachedRecord(record_of(key), self.clock.now, 50.0)

    @property
    def in_memory(self) -> set[str]:
        """Keys that memory holds."""
        return set(self.cache.memory)

    @property
    def in_redis(self) -> set[str]:
        """Keys that Redis holds."""
        return set(self.redis._held)


@pytest.fixture
async def both() -> AsyncIterator[Tiers]:
    tiers = Tiers()
    await tiers.fill()
    assert tiers.in_memory == tiers.in_redis == set(KEYS)
    yield tiers
    await tiers.background.close()


@pytest.fixture
async def alone() -> AsyncIterator[Tiers]:
    """Without Redis."""
    tiers = Tiers(with_redis=False)
    await tiers.fill()
    yield tiers
    await tiers.background.close()


async def test_one_entry(both: Tiers) -> None:
    """It is gone from both tiers, the others are told, and finished answers go too."""
    await both.cache.flush("10.1/ABC")
    assert both.in_memory == both.in_redis == set(KEYS) - {"10.1/ABC"}
    assert both.redis.announced == ["10.1/ABC"]
    assert both.forgotten == ["10.1/ABC"]


async def test_one_entry_while_it_is_written(both: Tiers) -> None:
    """A write that is on its way does not bring back what was flushed."""
    both.clock.advance(1)
    both.redis.before_put = both.pause
    both.cache.put("10.1/ABC", both.entry("10.1/ABC"), both.clock.now)
    both.clock.advance(1)
    await both.cache.flush("10.1/ABC")
    assert "10.1/ABC" not in both.in_memory | both.in_redis


@pytest.mark.parametrize(
    ("prefix", "gone"),
    [
        ("10.1", OF_10_1),
        ("10.1.5", {"10.1.5/ABC", "cert 0.NA/10.1.5"}),
        ("0.NA", {"0.NA/10.1", "cert 0.NA/10.1.5", "0.NA/10.10", "0.NA/0.NA"}),
        ("10", {key for key in KEYS if "10" in key} - {"0.SERV/10.1"}),
        ("ABC", {"ABC"}),
        ("10.2", set()),
        ("", set(KEYS)),
    ],
)
async def test_all_of_a_prefix(both: Tiers, prefix: str, gone: set[str]) -> None:
    """The handles of a prefix, its record, and those of prefixes derived from it; nothing else."""
    assert await both.cache.flush_below(prefix) == len(gone)
    assert both.in_memory == both.in_redis == set(KEYS) - gone
    assert both.forgotten == [None]


async def test_all_of_a_prefix_without_redis(alone: Tiers) -> None:
    """Memory alone is emptied likewise."""
    assert await alone.cache.flush_below("10.1") == len(OF_10_1)
    assert alone.in_memory == set(KEYS) - OF_10_1


async def test_others_forget_the_same(both: Tiers) -> None:
    """The word that goes to other processes lets their memory forget the same."""
    other = Tiers()
    await other.fill()
    await both.cache.flush_below("10.1")
    (word,) = both.redis.announced
    other.cache.forget(word)
    assert other.in_memory == set(KEYS) - OF_10_1
    await other.background.close()


async def test_redis_that_is_not_well(both: Tiers) -> None:
    """That Redis still holds something is told; memory has forgotten nevertheless."""
    both.redis.broken = True
    with pytest.raises(CacheError):
        await both.cache.flush_below("")
    assert both.in_memory == set()


@pytest.mark.parametrize("prefix", ["10.1", ""])
async def test_lookups_under_way_bring_nothing_back(both: Tiers, prefix: str) -> None:
    """What was asked for before the flush is not kept after it; what was asked for since is."""
    begun_at = both.clock.now
    both.clock.advance(1)
    await both.cache.flush_below(prefix)
    both.cache.put("10.1/ABC", both.entry("10.1/ABC"), begun_at)
    both.cache.adopt("10.1/ä", both.entry("10.1/ä"), begun_at)
    both.cache.put("10.1/NEW", Absence(both.clock.now, 30.0), begun_at)
    assert not both.in_memory & {"10.1/ABC", "10.1/ä", "10.1/NEW"}
    both.clock.advance(1)
    both.cache.put("10.1/ABC", both.entry("10.1/ABC"), both.clock.now)
    assert "10.1/ABC" in both.in_memory
