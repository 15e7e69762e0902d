"""The memory tier: never larger than it may be, and not impressed by a flood of different names."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from resolver.cache.memory import MAX_ATTACHED, MAX_FREQUENCY, OVERHEAD_OCTETS, Made, MemoryCache

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


# --- what is made of entries -----------------------------------------------------------------------------


class Thing:
    """Something made of an entry."""

    def __init__(self, octets: int = 100, *keys: str) -> None:
        self.octets = octets
        self.keys = keys
        self.hits = 0


def watched(cache: MemoryCache[int]) -> list[Made]:
    """Return the list into which everything is put that is undone."""
    undone: list[Made] = []
    cache.on_undone = undone.append
    return undone


def test_what_was_made_goes_with_its_entry() -> None:
    """Whatever becomes of an entry, replaced, dropped, evicted or cleared, what was made of it is undone, once."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    undone = watched(cache)
    things = [Thing() for _ in range(4)]
    for number, thing in enumerate(things):
        cache.put(f"key-{number}", number, 10)
        assert cache.attach(f"key-{number}", thing)
    before = cache.octets
    cache.put("key-0", 0, 10)
    assert undone == [things[0]]
    assert cache.octets == before - 100
    cache.drop("key-1")
    assert undone == things[:2]
    fill(cache, "flood", 20)
    assert undone[2:] == things[2:]
    cache.put("key-9", 9, 10)
    cache.attach("key-9", last := Thing())
    cache.clear()
    assert undone[-1] is last
    assert len(undone) == 5
    assert cache.octets == 0


def test_without_an_entry_nothing_is_attached() -> None:
    """What has nothing to live on is refused, and so is what would take more than its share."""
    cache: MemoryCache[int] = MemoryCache(10, 10_000)
    assert not cache.attach("nothing", Thing())
    cache.put("key", 1, 10)
    assert not cache.attach("key", Thing(5000))
    assert cache.attach("key", Thing(100))


def test_one_entry_does_not_hold_everything() -> None:
    """Of many things made of one entry the latest few stay."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    undone = watched(cache)
    cache.put("key", 1, 10)
    things = [Thing() for _ in range(3 * MAX_ATTACHED)]
    for thing in things:
        assert cache.attach("key", thing)
    assert undone == things[:-MAX_ATTACHED]
    assert cache.octets == weight_of("key", 10) + 100 * MAX_ATTACHED


def test_what_was_made_counts_towards_the_limit() -> None:
    """Octets of what was made are octets of the cache: it makes room for them."""
    cache: MemoryCache[int] = MemoryCache(1000, 100 * weight_of("key-00", 10))
    for number in range(90):
        cache.put(f"key-{number:02}", number, 10)
    for number in range(90):
        cache.attach(f"key-{number:02}", Thing(weight_of("key-00", 10)))
        assert cache.octets <= 100 * weight_of("key-00", 10)
    assert len(cache) < 60


def test_everything_made_can_be_given_up() -> None:
    """Entries stay when all that was made of them goes; one thing may go alone."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    undone = watched(cache)
    cache.put("key", 1, 10)
    first, second, third = Thing(), Thing(), Thing()
    for thing in (first, second, third):
        cache.attach("key", thing)
    cache.detach("key", second)
    cache.detach("key", second)
    assert undone == [second]
    cache.undo_all()
    assert undone == [second, first, third]
    assert cache.get("key") == 1
    assert cache.octets == weight_of("key", 10)


def test_a_new_value_keeps_the_place_of_the_old() -> None:
    """A hot record that is fetched anew does not have to hold its own against a flood again."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    cache.put("hot", 1, 10)
    cache.get("hot")
    fill(cache, "first", 200)  # by now it is in the main queue
    cache.put("hot", 2, 10)
    fill(cache, "second", 200)
    assert cache.get("hot") == 2


def test_looking_is_not_asking() -> None:
    """Whoever only looks does not make an entry wanted."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    cache.put("key", 1, 10)
    assert cache.look("key") == 1
    assert cache.look("other") is None
    assert cache.frequency("key") == 0


def test_use_of_what_was_made_counts_for_all_its_entries() -> None:
    """An answer that was used makes the records wanted that it was made of, once for each use."""
    cache: MemoryCache[int] = MemoryCache(10, PLENTY)
    thing = Thing(100, "alias", "record", "gone")
    for key in ("alias", "record"):
        cache.put(key, 1, 10)
        cache.attach(key, thing)
    thing.hits = 2
    assert cache.frequency("alias") == 2
    assert cache.frequency("record") == 2
    assert thing.hits == 0
    thing.hits = MAX_FREQUENCY
    assert cache.frequency("record") == MAX_FREQUENCY


def test_what_was_used_outlives_a_flood() -> None:
    """A record whose answer is asked for stays, though nobody reads the record itself, and fetched anew as well."""
    cache: MemoryCache[int] = MemoryCache(100, PLENTY)
    cache.put("hot", 1, 10)
    for flood in range(5):
        thing = Thing(100, "hot")
        assert cache.attach("hot", thing)
        thing.hits = 1
        if flood == 3:
            cache.put("hot", 2, 10)
        fill(cache, f"flood-{flood}", 120)
        assert cache.look("hot") is not None
