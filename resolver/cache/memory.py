"""A bounded cache for hostile input: S3-FIFO, limited by entries and by octets.

Plain LRU lets a flood of different names, each asked for once, push out the few that everybody wants. Here
a new entry first goes through a small queue; only if it is asked for again before it comes out does it join
the main one. An entry that left the small queue is remembered for a while by its hash alone, and joins the
main queue at once if it comes back. (Yang et al., "FIFO queues are all you need for cache eviction", 2023.)

What has been made of an entry, such as a finished answer, can be attached to it: it counts towards the same
limits, and goes as soon as the entry is replaced or forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

__all__ = ["Made", "MemoryCache"]

Value = TypeVar("Value")

SMALL_SHARE = 0.1
MAX_FREQUENCY = 3
OVERHEAD_OCTETS = 350
"""What an entry costs beside its key and value: the slot, its place in the dict and in a queue."""

MAX_ATTACHED = 8
"""Things made of one entry: many addresses may lead to it, and none may crowd out the others."""


class Made(Protocol):
    """Something that was made of an entry and must not outlive it."""

    @property
    def octets(self) -> int:
        """What it weighs, the same at all times."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the entries it was made of."""

    hits: int
    """How often it was used since the cache last looked, up to ``MAX_FREQUENCY``."""


class _Slot(Struct, Generic[Value], eq=False, gc=False):
    """An entry and its place. There are many, and none is part of a cycle that the collector would have to find."""

    key: str
    value: Value
    octets: int
    main: bool
    frequency: int = 0
    its_made: Made | tuple[Made, ...] = ()
    """As ``made``, or the only one, which spares a tuple for each."""

    @property
    def made(self) -> tuple[Made, ...]:
        """What was made of the entry, the oldest first."""
        return self.its_made if isinstance(self.its_made, tuple) else (self.its_made,)

    @made.setter
    def made(self, made: tuple[Made, ...]) -> None:
        self.its_made = made[0] if len(made) == 1 else made


class MemoryCache(Generic[Value]):
    """Maps keys to values and forgets what nobody asks for."""

    def __init__(self, max_entries: int, max_octets: int) -> None:
        self.on_undone: Callable[[Made], None] = lambda _made: None
        """Told of each thing that was attached and is no more."""
        self._max_entries = max_entries
        self._max_octets = max_octets
        self._slots: dict[str, _Slot[Value]] = {}
        self._small: deque[_Slot[Value]] = deque()
        self._main: deque[_Slot[Value]] = deque()
        self._small_octets = 0
        self._octets = 0
        self._ghosts: dict[int, None] = {}
        self._ghost_order: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def octets(self) -> int:
        """What the entries weigh together, by the estimate that the limit uses."""
        return self._octets

    def get(self, key: str) -> Value | None:
        """Return the value and count the hit."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        if slot.frequency < MAX_FREQUENCY:
            slot.frequency += 1
        return slot.value

    def look(self, key: str) -> Value | None:
        """Return the value without counting a hit."""
        slot = self._slots.get(key)
        return None if slot is None else slot.value

    def own_name(self, key: str) -> str:
        """Return ``key`` as it is kept here, to spare another text of the same letters."""
        slot = self._slots.get(key)
        return key if slot is None else slot.key

    def frequency(self, key: str) -> int:
        """Return how often ``key`` was asked for of late, from 0 to ``MAX_FREQUENCY``."""
        slot = self._slots.get(key)
        if slot is None:
            return 0
        self._credit(slot.made)
        return slot.frequency

    def put(self, key: str, value: Value, octets: int) -> None:
        """Keep ``value``, which weighs ``octets``; one that alone exceeds the limit is not kept."""
        weight = octets + len(key) + OVERHEAD_OCTETS
        if weight > self._max_octets or self._max_entries < 1:
            self.drop(key)
            return
        slot = self._slots.get(key)
        if slot is None:
            self._insert(key, value, weight)
        else:
            # A new value for an old key keeps its place, and what is left of its fame: a record fetched anew
            # every hour would otherwise have to assert itself against every flood again.
            self._undo(slot)
            self._weigh(slot, weight - slot.octets)
            slot.value = value
            slot.frequency = min(slot.frequency, 1)
        self._shrink()

    def _insert(self, key: str, value: Value, weight: int) -> None:
        fingerprint = hash(key)
        main = fingerprint in self._ghosts
        if main:
            del self._ghosts[fingerprint]
        slot = _Slot(key, value, 0, main=main)
        self._slots[key] = slot
        (self._main if main else self._small).append(slot)
        self._weigh(slot, weight)

    def attach(self, key: str, made: Made) -> bool:
        """Let ``made`` live as long as the entry of ``key``; return whether there is such an entry, with room.

        Of many, the one attached first makes room.
        """
        slot = self._slots.get(key)
        if slot is None or slot.octets + made.octets > SMALL_SHARE * self._max_octets:
            return False
        while len(slot.made) >= MAX_ATTACHED:
            self._undo(slot, slot.made[0])
        slot.made += (made,)
        self._weigh(slot, made.octets)
        self._shrink()
        return self._slots.get(key) is slot

    def detach(self, key: str, made: Made) -> None:
        """Forget one thing that was made of an entry."""
        slot = self._slots.get(key)
        if slot is not None and any(other is made for other in slot.made):
            self._undo(slot, made)

    def undo_all(self) -> None:
        """Forget everything that was made, and keep the entries."""
        for slot in self._slots.values():
            self._undo(slot)

    def _credit(self, used: Iterable[Made]) -> None:
        """Count the use of what was made of entries as hits on them; whoever uses it has no time for that."""
        for made in used:
            hits, made.hits = made.hits, 0
            for key in made.keys if hits else ():
                slot = self._slots.get(key)
                if slot is not None:
                    slot.frequency = min(MAX_FREQUENCY, slot.frequency + hits)

    def _undo(self, slot: _Slot[Value], *some: Made) -> None:
        self._credit(some or slot.made)
        for made in some or slot.made:
            slot.made = tuple(other for other in slot.made if other is not made)
            self._weigh(slot, -made.octets)
            self.on_undone(made)

    def _weigh(self, slot: _Slot[Value], octets: int) -> None:
        slot.octets += octets
        self._octets += octets
        if not slot.main:
            self._small_octets += octets

    def drop(self, key: str) -> None:
        """Forget ``key``, if it is there."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._undo(slot)
            self._weigh(slot, -slot.octets)
            # Its place in the queue stays until it comes out there; the value need not wait so long.
            slot.frequency = -1
            slot.value = None  # type: ignore[assignment]  # nobody reads a dropped slot

    def __iter__(self) -> Iterator[str]:
        """Go through all keys, in no order; nothing may be changed meanwhile."""
        return iter(self._slots)

    def clear(self) -> None:
        """Forget everything."""
        self.undo_all()
        self._slots.clear()
        self._small.clear()
        self._main.clear()
        self._ghosts.clear()
        self._ghost_order.clear()
        self._octets = self._small_octets = 0

    def _shrink(self) -> None:
        while self._octets > self._max_octets or len(self._slots) > self._max_entries:
            if self._small and (
                self._small_octets > SMALL_SHARE * self._max_octets or not self._main or self._is_small_long()
            ):
                self._leave_small()
            else:
                self._leave_main()
        # Dropped slots leave holes in the queues; without this a record rewritten for ever would fill them.
        if len(self._small) + len(self._main) > 2 * len(self._slots) + 64:
            self._small = deque(slot for slot in self._small if slot.frequency >= 0)
            self._main = deque(slot for slot in self._main if slot.frequency >= 0)

    def _is_small_long(self) -> bool:
        return len(self._small) > SMALL_SHARE * self._max_entries

    def _leave_small(self) -> None:
        slot = self._small.popleft()
        if slot.frequency < 0:
            return
        self._credit(slot.made)
        if slot.frequency > 0:
            self._small_octets -= slot.octets
            slot.main = True
            slot.frequency = 0
            self._main.append(slot)
            return
        self._evict(slot)
        fingerprint = hash(slot.key)
        if fingerprint not in self._ghosts:
            self._ghosts[fingerprint] = None
            self._ghost_order.append(fingerprint)
        while len(self._ghost_order) > self._max_entries:
            self._ghosts.pop(self._ghost_order.popleft(), None)

    def _leave_main(self) -> None:
        slot = self._main.popleft()
        self._credit(slot.made)
        if slot.frequency > 0:
            slot.frequency -= 1
            self._main.append(slot)
        elif slot.frequency == 0:
            self._evict(slot)

    def _evict(self, slot: _Slot[Value]) -> None:
        del self._slots[slot.key]
        self._undo(slot)
        self._weigh(slot, -slot.octets)
