"""What an operator can do about the memory of a resolver: look into it, empty it, fill it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from resolver.cache.entry import Absence, CachedRecord
from resolver.cache.tiers import Cached, TieredCache
from resolver.errors import CacheError, HandleNotFoundError, ResolverError
from resolver.model.handle import Handle, fold_ascii
from resolver.protocol.json_values import time_to_json, value_to_json
from resolver.resolution.service import Resolver

__all__ = ["Upkeep", "Warmed"]

Warmed = Literal["found", "not_found", "failed"]

_SIGNED = "cert "


class Upkeep:
    """Looks after the cache of one process, and of the Redis that it shares with others."""

    def __init__(
        self, resolver: Resolver, cache: TieredCache, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._resolver = resolver
        self._cache = cache
        self._clock = clock

    def summary(self) -> dict[str, Any]:
        """Return how much memory holds, and what is under way."""
        return {
            "records": len(self._cache),
            "octets": self._cache.octets,
            "lookups": self._resolver.room.in_flight,
            "sharesRedis": self._cache.is_shared,
        }

    def show(self, handle: Handle) -> dict[str, Any]:
        """Return what memory holds of a handle; nobody is asked, and nothing counted."""
        found = {
            name: self._cache.peek(key)
            for name, key in (("plain", handle.cache_key), ("signed", _SIGNED + handle.cache_key))
        }
        return {name: self._entry_json(cached) for name, cached in found.items() if cached is not None}

    def _entry_json(self, cached: Cached) -> dict[str, Any]:
        entry = cached.entry
        shown: dict[str, Any] = {
            "freshness": cached.freshness,
            "fetchedAt": time_to_json(int(entry.fetched_at)),
            "expiresAt": time_to_json(int(entry.expires_at)),
            "secondsLeft": round(entry.expires_at - self._clock(), 1),
        }
        match entry:
            case CachedRecord(record, _, _, answered_by, _):
                values = [value_to_json(value) for value in record.values]
                return {"is": "record", **shown, "answeredBy": answered_by, "values": values}
            case Absence(missing_prefix=str(prefix), reason=reason):
                return {"is": "absence", **shown, "missingPrefix": prefix, "reason": reason}
            case _:
                return {"is": "absence", **shown}

    async def flush(self, handle: Handle) -> None:
        """Forget a handle, here and in every process that shares the Redis."""
        self._resolver.forget_setbacks(handle)
        for key in (handle.cache_key, _SIGNED + handle.cache_key):
            await self._cache.flush(key)

    async def flush_below(self, prefix: str) -> dict[str, Any]:
        """Forget the handles of a prefix, or everything if it is empty; return what came of it."""
        self._resolver.forget_setbacks()
        try:
            return {"entries": await self._cache.flush_below(fold_ascii(prefix))}
        except CacheError as error:
            return {"entries": 0, "trouble": str(error)}

    async def warm(self, handle: Handle) -> tuple[Warmed, str]:
        """See that a handle is remembered; return how that went, and what went wrong."""
        try:
            await self._resolver.resolve(handle)
        except HandleNotFoundError as error:
            return "not_found", str(error)
        except ResolverError as error:
            return "failed", str(error)
        return "found", ""
