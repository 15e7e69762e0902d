"""Two tiers with one meaning: which is asked first, what counts as fresh, and who may overwrite what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from resolver.cache import tiers
from resolver.cache.entry import Absence, CachedRecord, Entry
from resolver.cache.memory import MemoryCache
from resolver.cache.tiers import Cached, TieredCache, freshness
from resolver.tasks import Background
from tests.fakes import EPOCH, FakeClock, FakeRedisTier, RecordingObserver, record_of, url_value

KEY = "10.1000/ABC"
STALE_MAX_S = 1000.0
LIFETIME_S = 100.0


def entry_at(
    fetched_at: float, text: str = "https://example.org/", lifetime_s: float = LIFETIME_S
) -> CachedRecord:
    """Return the record of ``KEY`` as it was at ``fetched_at``."""
    return CachedRecord(record_of(KEY, url_value(text)), fetched_at, lifetime_s)


OLD = entry_at(EPOCH, "https://old.example/")
NEW = entry_at(EPOCH + 5, "https://new.example/")


# --- freshness -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0.0, "fresh"),
        (LIFETIME_S - 0.5, "fresh"),
        (LIFETIME_S, "stale"),
        (LIFETIME_S + STALE_MAX_S - 0.5, "stale"),
        (LIFETIME_S + STALE_MAX_S, "expired"),
        (1e9, "expired"),
    ],
)
def test_freshness_of_a_record(age_s: float, expected: str) -> None:
    """A record is fresh for its lifetime, then may stand in for the stale time, then is good for nothing."""
    assert freshness(entry_at(EPOCH), EPOCH + age_s, STALE_MAX_S) == expected


@pytest.mark.parametrize(("age_s", "expected"), [(0.0, "fresh"), (29.5, "fresh"), (30.0, "expired")])
def test_freshness_of_an_absence(age_s: float, expected: str) -> None:
    """An absence is never used beyond its time."""
    assert freshness(Absence(EPOCH, 30.0), EPOCH + age_s, STALE_MAX_S) == expected


def test_freshness_by_another_clock() -> None:
    """An entry that another machine wrote a second from now is fresh."""
    assert freshness(entry_at(EPOCH + 1), EPOCH, STALE_MAX_S) == "fresh"


@pytest.mark.parametrize("set_back_s", [LIFETIME_S + 1, 3600.0, 86400.0, EPOCH])
def test_freshness_after_the_clock_was_set_back(set_back_s: float) -> None:
    """An entry that claims to be from far ahead is not believed: it might count for ever."""
    assert freshness(entry_at(EPOCH), EPOCH - set_back_s, STALE_MAX_S) == "expired"


def test_setting_the_clock_back_does_not_prolong_life() -> None:
    """Set back by most of its lifetime, the clock does not let an hour's entry count for two."""
    entry = entry_at(EPOCH, lifetime_s=3600.0)
    assert freshness(entry, EPOCH - 3000, STALE_MAX_S) != "fresh"


# --- the tiers -------------------------------------------------------------------------------------------


class Tiers:
    """A cache over fakes, with everything a test wants to look at."""

    def __init__(self, *, with_redis: bool = True) -> None:
        self.clock = FakeClock(EPOCH + 10)
        self.background = Background()
        self.observer = RecordingObserver()
        self.redis = FakeRedisTier(self.clock)
        self.forgotten: list[str | None] = []
        self.cache = self.worker(with_redis=with_redis)

    def worker(self, *, with_redis: bool = True) -> TieredCache:
        """Return a cache with a memory of its own over the same Redis."""
        return TieredCache(
            MemoryCache(1000, 10**7),
            self.redis if with_redis else None,  # type: ignore[arg-type]  # a fake with the same methods
            self.background,
            stale_max_s=STALE_MAX_S,
            clock=self.clock,
            observer=self.observer,
            on_forget=self.forgotten.append,
        )

    async def listen(self) -> None:
        """Let the cache hear what the tier has to say."""
        self.cache.start()
        await asyncio.sleep(0)

    async def share(self, entry: Entry) -> None:
        """Let another worker write ``entry`` to Redis."""
        await self.redis.put(KEY, entry, entry.expires_at + STALE_MAX_S - self.clock())
        self.redis.calls.clear()

    async def written(self) -> None:
        """Wait until writes to Redis have been made."""
        for _ in range(3):
            await asyncio.sleep(0)

    @property
    def lookups(self) -> list[tuple[object, ...]]:
        """The looks into a tier that were counted."""
        return [event[1:] for event in self.observer.counts.elements() if event[0] == "cache_lookup"]


@pytest.fixture
async def both() -> AsyncIterator[Tiers]:
    both = Tiers()
    yield both
    await both.background.close()


@pytest.fixture
async def alone() -> AsyncIterator[Tiers]:
    """Without Redis."""
    alone = Tiers(with_redis=False)
    yield alone
    await alone.background.close()


async def test_nothing_known(both: Tiers) -> None:
    """What no tier holds is a miss in both."""
    assert await both.cache.get(KEY) is None
    assert both.cache.peek(KEY) is None
    assert both.lookups == [("memory", "miss"), ("redis", "miss")]


async def test_memory_first(both: Tiers) -> None:
    """What memory holds and is fresh is answered without Redis."""
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    both.redis.calls.clear()
    assert await both.cache.get(KEY) == Cached(NEW, "fresh")
    assert both.redis.calls == []
    assert both.lookups == [("memory", "hit")]


async def test_then_redis(both: Tiers) -> None:
    """What only Redis holds is answered from there, and from memory the next time."""
    await both.share(NEW)
    assert await both.cache.get(KEY) == Cached(NEW, "fresh")
    assert await both.cache.get(KEY) == Cached(NEW, "fresh")
    assert both.redis.calls == [("get", KEY)]
    assert both.lookups == [("memory", "miss"), ("redis", "hit"), ("memory", "hit")]


async def test_put_reaches_both(both: Tiers) -> None:
    """What is put is in memory at once and soon in Redis, there for its lifetime and its stale time."""
    both.cache.put(KEY, NEW, EPOCH + 4)
    assert both.cache.peek(KEY) == Cached(NEW, "fresh")
    assert len(both.cache) == 1
    assert both.cache.octets > 0
    await both.written()
    assert both.redis.held(KEY) == NEW
    assert both.redis.keep_until(KEY) == NEW.expires_at + STALE_MAX_S


async def test_absence_is_kept_for_its_time_only(both: Tiers) -> None:
    """Redis forgets an absence when its time is over, since nobody may use it afterwards."""
    absence = Absence(EPOCH + 10, 30.0)
    both.cache.put(KEY, absence, EPOCH + 9)
    await both.written()
    assert both.redis.keep_until(KEY) == absence.expires_at
    assert await both.cache.get(KEY) == Cached(absence, "fresh")
    both.clock.advance(30)
    assert await both.cache.get(KEY) is None


async def test_stale_in_memory_fresh_in_redis(both: Tiers) -> None:
    """Where memory is past its time and another worker has fetched anew, that is taken."""
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    both.clock.advance(LIFETIME_S)
    newer = entry_at(both.clock(), "https://newer.example/")
    await both.share(newer)
    assert await both.cache.get(KEY) == Cached(newer, "fresh")
    assert both.cache.peek(KEY) == Cached(newer, "fresh")


async def test_stale_in_both(both: Tiers) -> None:
    """Where both are past their time, the newer of the two may stand in."""
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    await both.share(OLD)
    both.clock.advance(LIFETIME_S)
    assert await both.cache.get(KEY) == Cached(NEW, "stale")


async def test_stale_in_redis_alone(both: Tiers) -> None:
    """After a restart an old record of Redis may stand in."""
    await both.share(OLD)
    both.clock.advance(LIFETIME_S)
    assert await both.cache.get(KEY) == Cached(OLD, "stale")
    assert both.lookups[-1] == ("redis", "stale")


async def test_expired_in_both(both: Tiers) -> None:
    """What is past its stale time is gone, from memory too."""
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    both.clock.advance(LIFETIME_S + STALE_MAX_S)
    assert await both.cache.get(KEY) is None
    assert len(both.cache) == 0


async def test_stale_without_redis(alone: Tiers) -> None:
    """Without Redis memory alone tells fresh from stale from gone."""
    alone.cache.put(KEY, OLD, EPOCH)
    assert await alone.cache.get(KEY) == Cached(OLD, "fresh")
    alone.clock.advance(LIFETIME_S)
    assert await alone.cache.get(KEY) == Cached(OLD, "stale", wanted=True)
    alone.clock.advance(STALE_MAX_S)
    assert await alone.cache.get(KEY) is None
    assert {layer for layer, _ in alone.lookups} == {"memory"}


async def test_wanted(alone: Tiers) -> None:
    """An entry is wanted once it has been asked for more than once."""
    alone.cache.put(KEY, OLD, EPOCH)
    wanted = [cached.wanted for _ in range(3) if (cached := await alone.cache.get(KEY)) is not None]
    assert wanted == [False, True, True]


async def test_lifetime_of_zero(both: Tiers) -> None:
    """What must not be kept takes the place of what was kept, and is itself not kept."""
    both.cache.put(KEY, OLD, EPOCH)
    both.cache.put(KEY, entry_at(EPOCH + 10, lifetime_s=0.0), EPOCH + 9)
    assert both.cache.peek(KEY) is None
    await both.cache.replace(KEY, entry_at(EPOCH + 10, lifetime_s=0.0))
    assert both.redis.held(KEY) is None


# --- trouble with Redis ----------------------------------------------------------------------------------


async def test_broken_redis_is_a_miss(both: Tiers) -> None:
    """An error of the tier is a miss, and counted as an error."""
    await both.share(NEW)
    both.redis.broken = True
    assert await both.cache.get(KEY) is None
    assert both.lookups == [("memory", "miss"), ("redis", "error")]


async def test_broken_redis_leaves_what_memory_has(both: Tiers) -> None:
    """With Redis broken, an old record of memory may still stand in."""
    both.cache.put(KEY, OLD, EPOCH)
    both.redis.broken = True
    both.clock.advance(LIFETIME_S)
    for _ in range(2):
        cached = await both.cache.get(KEY)
        assert cached is not None
        assert (cached.entry, cached.freshness) == (OLD, "stale")


async def test_broken_redis_does_not_keep_from_writing(both: Tiers) -> None:
    """What is put while Redis is broken is in memory, and nobody hears of the failed write."""
    both.redis.broken = True
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    assert both.cache.peek(KEY) == Cached(NEW, "fresh")
    assert len(both.background) == 0


async def test_writes_do_not_pile_up(both: Tiers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis does not keep up, further writes are left out, and taken up again later."""
    monkeypatch.setattr(tiers, "MAX_PENDING_WRITES", 3)
    for number in range(10):
        both.cache.put(f"10.1/{number}", NEW, EPOCH + 4)
    assert len(both.background) == 3
    await both.written()
    assert [call for call, _ in both.redis.calls] == ["put"] * 3
    assert len(both.cache) == 10
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    assert both.redis.held(KEY) == NEW


# --- replacing -------------------------------------------------------------------------------------------


async def test_replace_reaches_everybody(both: Tiers) -> None:
    """A replacement is in memory and in Redis when the call returns, and the others have been told."""
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    await both.cache.replace(KEY, NEW)
    assert both.cache.peek(KEY) == Cached(NEW, "fresh")
    assert both.redis.held(KEY) == NEW
    assert both.redis.calls[-1] == ("break", KEY), "a lookup under way must not count for others any more"
    assert both.redis.announced == [KEY]
    assert both.forgotten == [KEY]


async def test_replace_by_an_absence(both: Tiers) -> None:
    """A record can be replaced by the word that it is gone."""
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    absence = Absence(EPOCH + 10, 30.0)
    await both.cache.replace(KEY, absence)
    assert await both.cache.get(KEY) == Cached(absence, "fresh")
    assert both.redis.held(KEY) == absence


async def test_replace_where_redis_is_full(both: Tiers) -> None:
    """A Redis that takes nothing more loses the old entry: better none than a wrong one."""
    await both.share(OLD)
    both.redis.full = True
    await both.cache.replace(KEY, NEW)
    assert both.redis.held(KEY) is None
    assert both.redis.announced == [KEY]


async def test_replace_without_redis(alone: Tiers) -> None:
    """Without Redis a replacement concerns memory, and whoever keeps finished answers."""
    await alone.cache.replace(KEY, NEW)
    assert alone.cache.peek(KEY) == Cached(NEW, "fresh")
    assert alone.forgotten == [KEY]


async def test_put_after_replace(both: Tiers) -> None:
    """What was asked for before a replacement, and comes after it, is dropped."""
    begun_at = both.clock()
    both.clock.advance(1)
    await both.cache.replace(KEY, NEW)
    both.clock.advance(1)
    both.cache.put(KEY, OLD, begun_at)
    await both.written()
    assert both.cache.peek(KEY) == Cached(NEW, "fresh")
    assert both.redis.held(KEY) == NEW


async def test_put_begun_after_replace(both: Tiers) -> None:
    """What was asked for after a replacement counts."""
    await both.cache.replace(KEY, OLD)
    both.clock.advance(1)
    both.cache.put(KEY, NEW, both.clock())
    await both.written()
    assert both.cache.peek(KEY) == Cached(NEW, "fresh")
    assert both.redis.held(KEY) == NEW


async def test_put_of_another_key_after_replace(both: Tiers) -> None:
    """A replacement concerns its own key only."""
    begun_at = both.clock()
    both.clock.advance(1)
    await both.cache.replace(KEY, NEW)
    both.cache.put("10.1/other", OLD, begun_at)
    assert both.cache.peek("10.1/other") == Cached(OLD, "fresh")


async def test_write_under_way_does_not_undo_a_replacement(both: Tiers) -> None:
    """A write to Redis that was left for later does not put the old entry over its replacement."""
    both.cache.put(KEY, OLD, both.clock())
    both.clock.advance(1)
    await both.cache.replace(KEY, NEW)
    await both.written()
    assert both.redis.held(KEY) == NEW


async def test_write_on_its_way_does_not_undo_a_replacement(both: Tiers) -> None:
    """The same with a write that has been sent, and that Redis takes its time to carry out."""
    may_write = asyncio.Event()
    both.redis.before_put = may_write.wait
    both.cache.put(KEY, OLD, both.clock())
    await both.written()
    both.redis.before_put = None
    both.clock.advance(1)
    replacing = asyncio.get_running_loop().create_task(both.cache.replace(KEY, NEW))
    await both.written()
    may_write.set()
    await replacing
    await both.written()
    assert both.redis.held(KEY) == NEW


async def test_look_into_redis_does_not_undo_a_replacement(both: Tiers) -> None:
    """A look into Redis that began before a replacement does not bring the old entry back into memory."""
    await both.share(OLD)

    async def replace_meanwhile() -> None:
        both.redis.before_get = None
        both.clock.advance(1)
        await both.cache.replace(KEY, NEW)

    both.redis.before_get = replace_meanwhile
    await both.cache.get(KEY)
    held = both.cache.peek(KEY)
    assert held is not None
    assert held.entry == NEW


async def test_look_into_redis_does_not_undo_forgetting(both: Tiers) -> None:
    """The same where another process made the replacement, and this one only heard of it."""
    await both.share(OLD)

    async def hear_meanwhile() -> None:
        both.redis.before_get = None
        both.clock.advance(1)
        both.cache.forget(KEY)

    both.redis.before_get = hear_meanwhile
    await both.cache.get(KEY)
    assert both.cache.peek(KEY) is None


async def test_noted_changes_are_bounded(both: Tiers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many replacements are remembered; of the others an earlier lookup may come through."""
    monkeypatch.setattr(tiers, "MAX_NOTED_CHANGES", 3)
    begun_at = both.clock()
    both.clock.advance(1)
    for number in range(5):
        both.cache.forget(f"10.1/{number}")
    for number in range(5):
        both.cache.put(f"10.1/{number}", OLD, begun_at)
    assert [number for number in range(5) if both.cache.peek(f"10.1/{number}")] == [0, 1]


async def test_last_changes_are_noted(both: Tiers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The replacements remembered are the last ones: a key replaced again is as new as any."""
    monkeypatch.setattr(tiers, "MAX_NOTED_CHANGES", 3)
    begun_at = both.clock()
    both.clock.advance(1)
    for number in (0, 1, 2, 0, 3):
        both.cache.forget(f"10.1/{number}")
    for number in range(4):
        both.cache.put(f"10.1/{number}", OLD, begun_at)
    assert [number for number in range(4) if both.cache.peek(f"10.1/{number}")] == [1]


async def test_number_of_entries_is_told(both: Tiers) -> None:
    """The observer always knows how many entries memory holds."""
    both.cache.put(KEY, NEW, EPOCH)
    both.cache.put("10.1/other", NEW, EPOCH)
    assert both.observer.records == 2
    both.cache.forget(KEY)
    assert both.observer.records == 1


# --- word from others ------------------------------------------------------------------------------------


async def test_word_of_a_change(both: Tiers) -> None:
    """What another process replaced is forgotten here, and fetched from Redis the next time."""
    await both.listen()
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    await both.share(NEW)
    both.redis.say_changed(KEY)
    assert both.cache.peek(KEY) is None
    assert both.forgotten == [KEY]
    assert await both.cache.get(KEY) == Cached(NEW, "fresh")


async def test_lookup_from_before_the_word(both: Tiers) -> None:
    """A lookup that began before another process replaced the entry does not bring the old one back."""
    await both.listen()
    begun_at = both.clock()
    both.clock.advance(1)
    both.redis.say_changed(KEY)
    both.cache.put(KEY, OLD, begun_at)
    await both.written()
    assert both.cache.peek(KEY) is None
    assert both.redis.held(KEY) is None


async def test_doubt_asks_redis_once(both: Tiers) -> None:
    """After word may have been missed, a fresh entry of memory is compared with Redis before its next use, once."""
    await both.listen()
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    both.redis.say_missed()
    both.redis.calls.clear()
    assert both.forgotten == [None]
    for _ in range(3):
        cached = await both.cache.get(KEY)
        assert cached is not None
        assert (cached.entry, cached.freshness) == (NEW, "fresh")
    assert both.redis.calls == [("get", KEY)]


async def test_doubt_finds_something_newer(both: Tiers) -> None:
    """What was replaced while nobody could tell us is found in Redis."""
    await both.listen()
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    await both.share(NEW)
    both.redis.say_missed()
    assert await both.cache.get(KEY) == Cached(NEW, "fresh")


async def test_doubt_finds_something_older(both: Tiers) -> None:
    """An older entry in Redis does not take the place of a newer one in memory."""
    await both.listen()
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    await both.share(OLD)
    both.redis.say_missed()
    for _ in range(2):
        cached = await both.cache.get(KEY)
        assert cached is not None
        assert (cached.entry, cached.freshness) == (NEW, "fresh")


@pytest.mark.parametrize("broken", [False, True])
async def test_doubt_without_proof(both: Tiers, *, broken: bool) -> None:
    """Where Redis has lost the entry, or is broken again, memory is believed, and not doubted any more."""
    await both.listen()
    both.cache.put(KEY, NEW, EPOCH + 4)
    await both.written()
    both.redis.say_missed()
    await both.redis.drop(KEY)
    both.redis.broken = broken
    both.redis.calls.clear()
    for _ in range(3):
        cached = await both.cache.get(KEY)
        assert cached is not None
        assert (cached.entry, cached.freshness) == (NEW, "fresh")
    assert both.redis.calls == [("get", KEY)]


async def test_doubted_stays_out_of_the_answer_until_asked(both: Tiers) -> None:
    """A doubted entry counts as old for whoever looks into memory alone."""
    await both.listen()
    both.cache.put(KEY, NEW, EPOCH + 4)
    both.redis.say_missed()
    assert both.cache.peek(KEY) == Cached(NEW, "stale")


async def test_entries_from_after_the_doubt(both: Tiers) -> None:
    """What is put after the connection came back is not doubted."""
    await both.listen()
    both.redis.say_missed()
    both.cache.put(KEY, NEW, EPOCH + 4)
    assert both.cache.peek(KEY) == Cached(NEW, "fresh")


async def test_two_workers(both: Tiers) -> None:
    """One worker's answer saves another worker the question; a replacement by one reaches the other."""
    other = both.worker()
    both.cache.put(KEY, OLD, EPOCH)
    await both.written()
    assert await other.get(KEY) == Cached(OLD, "fresh")
    both.clock.advance(1)
    await both.cache.replace(KEY, NEW)
    for key in both.redis.announced:
        other.forget(key)
    assert await other.get(KEY) == Cached(NEW, "fresh")
