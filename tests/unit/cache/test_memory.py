"""The memory tier: never larger than it may be, and not impressed by a flood of different names."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from resolver.cache.memory import MAX_FREQUENCY, OVERHEAD_OCTETS, MemoryCache

KEYS = st.sampled_from([f"10.1/{number}" for number in range(40)])
PLENTY = 10**9


def weight_of(key: str, octets: int) -> int:
    return octets + len(key) + OVERHEAD_OCTETS


def fill(cache: MemoryCache[int], name: str, count: int) -> None:
    """Put ``count`` keys that nobody asks for."""
    for number in range(count):
        cache.put(f"{name}-{number}", number, 10)


class AnySequence(RuleBasedStateMachine):
    """Every sequence of operations, beside a dict that never forgets by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[str, tuple[int, int]] = {}
        self.count = 0

    @initialize(
        max_entries=st.integers(0, 30),
        max_octets=st.one_of(st.integers(0, 20 * OVERHEAD_OCTETS), st.just(PLENTY)),
    )
    def create(self, max_entries: int, max_octets: int) -> None:
        self.max_entries, self.max_octets = max_entries, max_octets
        self.cache: MemoryCache[int] = MemoryCache(max_entries, max_octets)

    @rule(key=KEYS, octets=st.integers(0, 5 * OVERHEAD_OCTETS))
    def put(self, key: str, octets: int) -> None:
        self.count += 1
        self.cache.put(key, self.count, octets)
        self.written[key] = self.count, weight_of(key, octets)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        value = self.cache.get(key)
        assert value is None or value == self.written[key][0]

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.cache.drop(key)
        self.written.pop(key, None)
        assert self.cache.get(key) is None

    @rule(key=KEYS)
    def frequency(self, key: str) -> None:
        assert 0 <= self.cache.frequency(key) <= MAX_FREQUENCY

    @precondition(lambda self: self.count % 17 == 16)
    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.written.clear()

    @invariant()
    def stays_within_bounds(self) -> None:
        assert len(self.cache) <= self.max_entries
        assert 0 <= self.cache.octets <= self.max_octets

    def teardown(self) -> None:
        if not hasattr(self, "cache"):
            return
        held = {key: written for key, written in self.written.items() if self.cache.get(key) is not None}
        assert len(held) == len(self.cache)
        assert sum(weight for _, weight in held.values()) == self.cache.octets


TestAnySequence = AnySequence.TestCase
TestAnySequence.__doc__ = (
    "Bounds in entries and octets hold after any sequence; what is found is what was put last."
)


def test_flood_does_not_evict_the_hot() -> None:
    """A hundred thousand names, each asked for once, push out none of those that are asked for again."""
    cache: MemoryCache[int] = MemoryCache(1000, PLENTY)
    hot = [f"hot-{number}" for number in range(200)]
    for key in hot:
        cache.put(key, 1, 10)
        assert cache.get(key) == 1
    fill(cache, "flood", 100_000)
    assert [key for key in hot if cache.get(key) is None] == []
    assert len(cache) <= 1000


def test_flood_in_octets_does_not_evict_the_hot() -> None:
    """The same holds where octets, not entries, are scarce."""
    cache: MemoryCache[int] = MemoryCache(10**6, 1000 * weight_of("flood-00000", 10))
    hot = [f"hot-{number}" for number in range(200)]
    for key in hot:
        cache.put(key, 1, 10)
        assert cache.get(key) == 1
    fill(cache, "flood", 20_000)
    assert [key for key in hot if cache.get(key) is None] == []


def test_never_asked_for_leaves_first() -> None:
    """Of entries that nobody asked for, the oldest goes first."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    fill(cache, "name", 11)
    assert cache.get("name-0") is None
    assert cache.get("name-10") == 10


def test_who_comes_back_stays() -> None:
    """A name that was evicted and is put again survives the next flood without being asked for."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    cache.put("back", 1, 10)
    fill(cache, "first", 100)
    assert cache.get("back") is None
    cache.put("back", 2, 10)
    fill(cache, "second", 1000)
    assert cache.get("back") == 2


def test_who_comes_back_too_late_is_new() -> None:
    """The memory of evicted names is as long as the cache, so that names alone cannot fill the machine."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    cache.put("late", 1, 10)
    fill(cache, "first", 1000)
    cache.put("late", 2, 10)
    fill(cache, "second", 1000)
    assert cache.get("late") is None


def test_main_queue_makes_room() -> None:
    """Where everything was wanted once, what is not wanted any more leaves all the same."""
    cache: MemoryCache[int] = MemoryCache(50, PLENTY)
    for number in range(500):
        cache.put(f"wanted-{number}", number, 10)
        cache.get(f"wanted-{number}")
    assert len(cache) == 50
    assert cache.get("wanted-0") is None
    assert cache.get("wanted-499") == 499


def test_main_queue_keeps_what_is_still_wanted() -> None:
    """Of what was wanted once, that which still is stays, and the rest leaves, the oldest first."""
    cache: MemoryCache[int] = MemoryCache(50, PLENTY)
    misses = 0
    for number in range(1000):
        cache.put(f"wanted-{number}", number, 10)
        cache.get(f"wanted-{number}")
        if cache.get("favourite") is None:
            cache.put("favourite", 1, 10)
            misses += 1
    assert misses <= 2
    assert cache.get("wanted-0") is None
    assert len(cache) == 50
    for number in range(500):
        cache.put(f"later-{number}", number, 10)
        cache.get(f"later-{number}")
    assert cache.get("favourite") is None


@pytest.mark.parametrize(
    ("max_entries", "max_octets"), [(100, PLENTY), (PLENTY, 100 * weight_of("wanted-000", 10))]
)
def test_newcomers_get_their_share(max_entries: int, max_octets: int) -> None:
    """In a cache full of what was wanted once, newcomers get a tenth of the room, to show what they are worth."""
    cache: MemoryCache[int] = MemoryCache(max_entries, max_octets)
    for number in range(300):
        cache.put(f"wanted-{number:03}", number, 10)
        cache.get(f"wanted-{number:03}")
    for number in range(1000):
        cache.put(f"short-{number:04}", number, 10)
        cache.drop(f"short-{number:04}")
    for number in range(8):
        cache.put(f"newcomer-{number}", number, 10)
    assert [number for number in range(8) if cache.get(f"newcomer-{number}") is None] == []


def test_dropped_key_is_gone() -> None:
    """A dropped key is not found, weighs nothing, and may be dropped again."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    cache.put("key", 1, 10)
    cache.drop("key")
    cache.drop("key")
    assert cache.get("key") is None
    assert cache.frequency("key") == 0
    assert (len(cache), cache.octets) == (0, 0)


def test_dropped_key_starts_anew() -> None:
    """A key that was dropped on purpose is no old acquaintance when it comes back."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    cache.put("key", 1, 10)
    cache.drop("key")
    cache.put("key", 2, 10)
    fill(cache, "flood", 200)
    assert cache.get("key") is None


def test_clear_forgets_everything() -> None:
    """After ``clear`` nothing is left, not even the memory of what was evicted."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    cache.put("key", 1, 10)
    fill(cache, "first", 100)
    cache.clear()
    assert (len(cache), cache.octets, cache.get("first-99")) == (0, 0, None)
    cache.put("key", 2, 10)
    fill(cache, "second", 200)
    assert cache.get("key") is None


def test_clear_frees_all_the_room() -> None:
    """A cache that was cleared while it was full of wanted entries can be filled again, and emptied again."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    for name in ("first", "second", "third"):
        for number in range(300):
            cache.put(f"{name}-{number}", number, 10)
            cache.get(f"{name}-{number}")
        assert len(cache) == 100
        cache.clear()
        assert (len(cache), cache.octets) == (0, 0)


def test_rewritten_for_ever() -> None:
    """A key that is written again and again leaves no trail in the queues."""
    cache: MemoryCache[int] = MemoryCache(1000, PLENTY)
    fill(cache, "other", 10)
    for number in range(10_000):
        cache.put("same", number, 10)
        cache.get("same")
    assert cache.get("same") == 9_999
    assert len(cache) == 11
    assert len(cache._small) + len(cache._main) < 200


def test_too_heavy_is_not_kept() -> None:
    """A value that alone exceeds the limit is not kept, and neither is the one it was to replace."""
    cache: MemoryCache[int] = MemoryCache(10, 1000)
    cache.put("other", 1, 10)
    cache.put("key", 1, 10)
    cache.put("key", 2, 1000)
    assert cache.get("key") is None
    assert cache.get("other") == 1


def test_no_room_at_all() -> None:
    """A cache of no entries keeps nothing and says so."""
    cache: MemoryCache[int] = MemoryCache(0, PLENTY)
    cache.put("key", 1, 10)
    assert (cache.get("key"), len(cache)) == (None, 0)


def test_frequency_counts_hits() -> None:
    """The frequency counts how often a key was found, up to its limit, and looking at it is no hit."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    assert cache.frequency("key") == 0
    cache.put("key", 1, 10)
    assert cache.frequency("key") == 0
    for _ in range(2):
        cache.get("key")
    assert cache.frequency("key") == 2
    assert cache.frequency("key") == 2
    for _ in range(10):
        cache.get("key")
    assert cache.frequency("key") == MAX_FREQUENCY
