"""Two tiers with one meaning: memory of this worker, then Redis, which all share.

What counts as fresh, and what may still stand in when the upstream fails, is decided here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from resolver.cache.entry import Absence, Entry, decode_entry, encode_entry
from resolver.cache.memory import MemoryCache
from resolver.cache.redis import RedisTier
from resolver.errors import CacheError
from resolver.observe import Observer
from resolver.tasks import Background

__all__ = ["Cached", "Freshness", "TieredCache", "freshness"]

Freshness = Literal["fresh", "stale", "expired"]

MAX_PENDING_WRITES = 1000
"""Writes to Redis that may be under way; beyond that they are left out rather than piled up."""

MAX_CLOCK_SKEW_S = 60.0
"""How far the clock of another machine may be ahead of ours before what it wrote is not believed."""

MAX_NOTED_CHANGES = 10_000
"""Replacements remembered, for lookups that began before them; these take seconds at most."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An entry, and what it is still good for."""

    entry: Entry
    freshness: Freshness
    wanted: bool = False
    """Whether it has been asked for more than once of late."""


def freshness(entry: Entry, now: float, stale_max_s: float) -> Freshness:
    """Return whether ``entry`` may be used: as it is, only in place of a failing upstream, or not at all.

    An absence is never used beyond its time: the handle may exist by now.
    """
    if now < entry.expires_at:
        # A clock that was set back must not make an entry live longer than it was meant to.
        return "fresh" if now >= entry.fetched_at - MAX_CLOCK_SKEW_S else "expired"
    if isinstance(entry, Absence) or now >= entry.expires_at + stale_max_s:
        return "expired"
    return "stale"


class TieredCache:
    """Entries by cache key, in memory and in Redis."""

    def __init__(
        self,
        memory: MemoryCache[tuple[bytes, int]],
        redis: RedisTier | None,
        background: Background,
        *,
        stale_max_s: float,
        clock: Callable[[], float],
        observer: Observer | None = None,
        on_forget: Callable[[str | None], None] = lambda _key: None,
    ) -> None:
        """Combine the tiers.

        Args:
            memory: holds octets and the epoch in which they were last known to be right.
            redis: the shared tier, if there is one.
            background: runs writes that nobody waits for.
            stale_max_s: how long past its lifetime a record may stand in.
            clock: seconds since 1970.
            observer: told of each look into a tier.
            on_forget: told of each key that changed elsewhere; ``None`` stands for any key.
        """
        self._memory = memory
        self._redis = redis
        self._background = background
        self._stale_max_s = stale_max_s
        self._clock = clock
        self._observer = observer or Observer()
        self._on_forget = on_forget
        self._epoch = 0
        self._writing: dict[str, asyncio.Task[bool]] = {}
        self._changed_at: OrderedDict[str, float] = OrderedDict()

    def start(self) -> None:
        """Begin to listen to the other processes."""
        if self._redis is not None:
            self._background.start(
                self._redis.listen(self.forget, self._doubt_everything), name="redis-listener"
            )

    async def get(self, key: str) -> Cached | None:
        """Return what is known of ``key``: the fresher of both tiers, if it is good for anything."""
        held = self._from_memory(key)
        if held is not None and held.freshness == "fresh":
            self._observer.cache_lookup("memory", "hit")
            return held
        self._observer.cache_lookup("memory", "miss" if held is None else "stale")
        if self._redis is None:
            return held
        changed_at = self._changed_at.get(key)
        shared: Entry | None = None
        state: Freshness = "expired"
        try:
            shared = await self._redis.get(key)
        except CacheError:
            self._observer.cache_lookup("redis", "error")
        else:
            state = "expired" if shared is None else freshness(shared, self._clock(), self._stale_max_s)
            self._observer.cache_lookup("redis", {"fresh": "hit", "stale": "stale", "expired": "miss"}[state])
        if self._changed_at.get(key) != changed_at:
            # Replaced while Redis was asked: both what it said and what we held may be what was replaced.
            return self._from_memory(key)
        if shared is None or state == "expired":
            return self._revalidated(key, held)
        if held is None or shared.fetched_at >= held.entry.fetched_at:
            self._remember(key, shared)
            return Cached(shared, state)
        return self._revalidated(key, held)

    def peek(self, key: str) -> Cached | None:
        """Return what memory alone holds of ``key``."""
        return self._from_memory(key)

    def put(self, key: str, entry: Entry, begun_at: float) -> None:
        """Keep ``entry``, asked for at ``begun_at``, in memory now and in Redis soon.

        Unless the key was replaced since: then what was asked for earlier may be what it replaced.
        """
        if self._changed_at.get(key, begun_at) > begun_at:
            return
        self._remember(key, entry)
        if (
            self._redis is None
            or entry.lifetime_s <= 0
            or key in self._writing
            or len(self._writing) >= MAX_PENDING_WRITES
        ):
            return
        writing = self._background.start(self._redis.put(key, entry, self._keep_s(entry)), name="redis-write")
        self._writing[key] = writing
        writing.add_done_callback(lambda _: self._writing.pop(key))

    async def replace(self, key: str, entry: Entry) -> None:
        """Put ``entry`` in the place of what both tiers hold, here and in every other process, and wait for it."""
        self._note_change(key)
        self._remember(key, entry)
        self._on_forget(key)
        if self._redis is None:
            return
        writing = self._writing.get(key)
        if writing is not None:
            # Otherwise what it writes might come after, and undo this.
            await asyncio.wait([writing])
        if not await self._redis.put(key, entry, self._keep_s(entry)):
            # Full, or read-only: better no entry than the old one.
            await self._redis.drop(key)
        await self._redis.announce(key)

    def forget(self, key: str) -> None:
        """Drop ``key`` from memory, because somebody else has replaced it."""
        self._note_change(key)
        self._memory.drop(key)
        self._observer.cache_records(len(self._memory))
        self._on_forget(key)

    def _note_change(self, key: str) -> None:
        self._changed_at[key] = self._clock()
        self._changed_at.move_to_end(key)
        while len(self._changed_at) > MAX_NOTED_CHANGES:
            self._changed_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._memory)

    @property
    def octets(self) -> int:
        """What the entries in memory weigh."""
        return self._memory.octets

    def _doubt_everything(self) -> None:
        """Word from others may have been missed: look into Redis before the next use of each entry."""
        self._epoch += 1
        self._on_forget(None)

    def _from_memory(self, key: str) -> Cached | None:
        held = self._memory.get(key)
        if held is None:
            return None
        octets, epoch = held
        entry = decode_entry(key, octets)
        state = freshness(entry, self._clock(), self._stale_max_s)
        if state == "expired":
            self._memory.drop(key)
            return None
        if state == "fresh" and epoch != self._epoch:
            return Cached(entry, "stale")
        return Cached(entry, state, wanted=self._memory.frequency(key) > 1)

    def _revalidated(self, key: str, held: Cached | None) -> Cached | None:
        """Trust ``held`` again: Redis has nothing newer, or cannot be asked."""
        if held is None or held.freshness == "fresh":
            return held
        self._remember(key, held.entry)
        return Cached(held.entry, freshness(held.entry, self._clock(), self._stale_max_s))

    def _remember(self, key: str, entry: Entry) -> None:
        if entry.lifetime_s <= 0:
            self._memory.drop(key)
        else:
            octets = encode_entry(key, entry)
            self._memory.put(key, (octets, self._epoch), len(octets))
        self._observer.cache_records(len(self._memory))

    def _keep_s(self, entry: Entry) -> float:
        stale_s = 0.0 if isinstance(entry, Absence) or entry.lifetime_s <= 0 else self._stale_max_s
        return entry.expires_at - self._clock() + stale_s if entry.lifetime_s > 0 else 0.0
