"""Two tiers with one meaning: memory of this worker, then Redis, which all share.

What counts as fresh, and what may still stand in when the upstream fails, is decided here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from resolver.cache.entry import Absence, Entry, decode_entry, encode_entry
from resolver.cache.memory import MemoryCache
from resolver.errors import CacheError
from resolver.model.handle import PREFIX_SPACE, fold_ascii
from resolver.observe import Observer
from resolver.tasks import Background

if TYPE_CHECKING:
    from resolver.cache.redis import RedisTier

__all__ = ["Cached", "Freshness", "Held", "TieredCache", "Watch", "freshness"]

Freshness = Literal["fresh", "stale", "expired"]

MAX_PENDING_WRITES = 1000
"""Writes to Redis that may be under way; beyond that they are left out rather than piled up."""

MAX_CLOCK_SKEW_S = 60.0
"""How far the clock of another machine may be ahead of ours before what it wrote is not believed."""

MAX_NOTED_CHANGES = 10_000
"""Replacements remembered, for lookups that began before them; these take seconds at most."""


MAX_NOTED_FLUSHES = 100

SIGNED = "cert "
"""Before the keys of entries that were signed on the whole way."""

FORGET_BELOW = "forget "
"""Before the prefix, in the word by which others learn of a flush. No folded prefix has small letters."""


@dataclass(slots=True)
class Watch:
    """What one task has asked the cache for since it began to watch."""

    version: int
    keys: list[str] = field(default_factory=list)
    found: dict[str, Entry] = field(default_factory=dict)
    """What was there of them and may be used as it is."""

    def note(self, key: str, cached: Cached | None) -> None:
        """Take note of one."""
        self.keys.append(key)
        if cached is not None and cached.freshness == "fresh":
            self.found[key] = cached.entry

    @property
    def has_all(self) -> bool:
        """Whether all that was asked for was there, so that there is no more to what came of it."""
        return self.version >= 0 and 0 < len(self.found) == len(set(self.keys))


_WATCH: ContextVar[Watch | None] = ContextVar("_WATCH", default=None)
"""Tasks that are begun meanwhile inherit it: what they ask for belongs to the same answer."""


class Cached(Struct, frozen=True):
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


def _is_below(key: str, prefix: str) -> bool:
    """Whether a cache key belongs to a prefix: one of its handles, its own record, or those derived from it."""
    if not prefix:
        return True
    key = key.removeprefix(SIGNED)
    own, _, rest = key.partition("/")
    names = [fold_ascii(own), fold_ascii(rest)] if own == PREFIX_SPACE else [fold_ascii(own)]
    return any(name == prefix or name.startswith(f"{prefix}.") for name in names)


class Held(Struct, frozen=True, gc=False):
    """An entry as memory holds it."""

    octets: bytes
    epoch: int
    """In which it was last known to be right."""


class TieredCache:
    """Entries by cache key, in memory and in Redis."""

    def __init__(
        self,
        memory: MemoryCache[Held],
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
            memory: the first tier.
            redis: the shared tier, if there is one.
            background: runs writes that nobody waits for.
            stale_max_s: how long past its lifetime a record may stand in.
            clock: seconds since 1970.
            observer: told of each look into a tier.
            on_forget: told of each key that changed elsewhere; ``None`` stands for any key.
        """
        self.memory = memory
        """The first tier; what is made of its entries can be attached to them."""
        self._redis = redis
        self._background = background
        self._stale_max_s = stale_max_s
        self._clock = clock
        self._observer = observer or Observer()
        self._on_forget = on_forget
        self._epoch = 0
        self._writing: dict[str, asyncio.Task[bool]] = {}
        self._changed_at: OrderedDict[str, float] = OrderedDict()
        self._version = 0
        self._flushed_at: dict[str, float] = {}

    def watch(self) -> Watch:
        """Take note, from now on and in this task, of what is asked for."""
        watch = Watch(self._version)
        _WATCH.set(watch)
        return watch

    def spoil_watch(self) -> None:
        """Take note that this task goes past the cache: what comes of it is not made of entries alone."""
        watch = _WATCH.get()
        if watch is not None:
            watch.version = -1

    def is_unchanged(self, watch: Watch) -> bool:
        """Whether memory is what it was, so that whatever was read since then came out of it and still holds."""
        return watch.version == self._version

    def undo_made(self) -> None:
        """Give up what was made of entries, since it may have been made of something else too that has changed."""
        self._version += 1
        self.memory.undo_all()

    def start(self) -> None:
        """Begin to listen to the other processes."""
        if self._redis is not None:
            self._background.start(
                self._redis.listen(self.forget, self._doubt_everything), name="redis-listener"
            )

    async def get(self, key: str) -> Cached | None:
        """Return what is known of ``key``: the fresher of both tiers, if it is good for anything."""
        cached = await self._get(key)
        watch = _WATCH.get()
        if watch is not None:
            watch.note(key, cached)
        return cached

    async def _get(self, key: str) -> Cached | None:
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
        """Return what memory alone holds of ``key``, without counting that anybody asked."""
        return self._judge(key, self.memory.look(key))

    def at_hand(self, key: str) -> Cached | None:
        """Return what memory alone holds of ``key`` if it is fresh; nothing is counted if it is not."""
        held = self.memory.look(key)
        cached = self._judge(key, held)
        if cached is None or cached.freshness != "fresh":
            return None
        self.memory.get(key)  # counts that it was wanted
        self._observer.cache_lookup("memory", "hit")
        return cached

    def put(self, key: str, entry: Entry, begun_at: float) -> None:
        """Keep ``entry``, asked for at ``begun_at``, in memory now and in Redis soon.

        Unless the key was replaced since: then what was asked for earlier may be what it replaced.
        """
        if self._changed_since(key, begun_at):
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

    def adopt(self, key: str, entry: Entry, begun_at: float) -> None:
        """Keep in memory what another process asked for at ``begun_at`` and has written to Redis already."""
        if not self._changed_since(key, begun_at):
            self._remember(key, entry)

    @property
    def is_shared(self) -> bool:
        """Whether there is a Redis that may know what memory does not."""
        return self._redis is not None

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
        await self._redis.break_lease(key)
        await self._redis.announce(key)

    async def flush(self, key: str) -> None:
        """Forget ``key`` in both tiers, here and in every other process."""
        self.forget(key)
        if self._redis is None:
            return
        writing = self._writing.get(key)
        if writing is not None:
            await asyncio.wait([writing])
        await self._redis.drop(key)
        await self._redis.break_lease(key)
        await self._redis.announce(key)

    async def flush_below(self, prefix: str) -> int:
        """Forget whatever belongs to a prefix, or everything if it is empty; here and in every other process.

        Returns:
            How many entries Redis held, or memory where there is no Redis.

        Raises:
            CacheError: Redis is not well; memory has forgotten.
        """
        held = self._forget_below(prefix)
        if self._redis is None:
            return held
        if self._writing:
            await asyncio.wait(list(self._writing.values()))
        dropped = await self._redis.drop_all(lambda key: _is_below(key, prefix))
        await self._redis.announce(FORGET_BELOW + prefix)
        return dropped

    def _forget_below(self, prefix: str) -> int:
        # What is being looked up at this moment is from before the flush, and must not come back.
        self._flushed_at[prefix] = self._clock()
        while len(self._flushed_at) > MAX_NOTED_FLUSHES:
            del self._flushed_at[next(iter(self._flushed_at))]
        keys = [key for key in self.memory if _is_below(key, prefix)]
        for key in keys:
            self.memory.drop(key)
        self.undo_made()
        self._observer.cache_records(len(self.memory))
        self._on_forget(None)
        return len(keys)

    def _changed_since(self, key: str, begun_at: float) -> bool:
        """Whether what was asked for at ``begun_at`` may have been overtaken."""
        return self._changed_at.get(key, begun_at) > begun_at or any(
            at > begun_at and _is_below(key, prefix) for prefix, at in self._flushed_at.items()
        )

    def forget(self, key: str) -> None:
        """Drop ``key`` from memory, because somebody else has replaced it; or all that were flushed together."""
        if key.startswith(FORGET_BELOW):
            self._forget_below(key.removeprefix(FORGET_BELOW))
            return
        self._note_change(key)
        self._version += 1
        self.memory.drop(key)
        self._observer.cache_records(len(self.memory))
        self._on_forget(key)

    def _note_change(self, key: str) -> None:
        self._changed_at[key] = self._clock()
        self._changed_at.move_to_end(key)
        while len(self._changed_at) > MAX_NOTED_CHANGES:
            self._changed_at.popitem(last=False)

    def __len__(self) -> int:
        return len(self.memory)

    @property
    def octets(self) -> int:
        """What the entries in memory weigh."""
        return self.memory.octets

    def _doubt_everything(self) -> None:
        """Word from others may have been missed: look into Redis before the next use of each entry."""
        self._epoch += 1
        self.undo_made()
        self._on_forget(None)

    def _from_memory(self, key: str) -> Cached | None:
        return self._judge(key, self.memory.get(key))

    def _judge(self, key: str, held: Held | None) -> Cached | None:
        if held is None:
            return None
        entry = decode_entry(key, held.octets)
        state = freshness(entry, self._clock(), self._stale_max_s)
        if state == "expired":
            self.memory.drop(key)
            return None
        if state == "fresh" and held.epoch != self._epoch:
            return Cached(entry, "stale")
        return Cached(entry, state, wanted=self.memory.frequency(key) > 1)

    def _revalidated(self, key: str, held: Cached | None) -> Cached | None:
        """Trust ``held`` again: Redis has nothing newer, or cannot be asked."""
        if held is None or held.freshness == "fresh":
            return held
        self._remember(key, held.entry)
        return Cached(held.entry, freshness(held.entry, self._clock(), self._stale_max_s))

    def _remember(self, key: str, entry: Entry) -> None:
        self._version += 1
        if entry.lifetime_s <= 0:
            self.memory.drop(key)
        else:
            octets = encode_entry(key, entry)
            self.memory.put(key, Held(octets, self._epoch), len(octets))
        self._observer.cache_records(len(self.memory))

    def _keep_s(self, entry: Entry) -> float:
        stale_s = 0.0 if isinstance(entry, Absence) or entry.lifetime_s <= 0 else self._stale_max_s
        return entry.expires_at - self._clock() + stale_s if entry.lifetime_s > 0 else 0.0
