"""Fetches the location data that a record refers to: what it includes, and what it inherits from its prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from resolver.answer.extras import NO_EXTRAS, Extras, LocationData, inherits_from, read_location_data
from resolver.errors import ResolverError
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.protocol.namespaces import namespace_of
from resolver.resolution.service import Resolved, Resolver

__all__ = ["Fetched", "fetch_extras"]

MAX_DEPTH = 10
"""Includes of included handles that are followed."""

MAX_HANDLES = 20
"""Records fetched for one answer."""

PATIENCE_S = 2.0
"""After this the answer goes without what is still missing: the handle's own places are known."""

INCOMPLETE_LIFETIME_S = 30.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """Location data of other records, and how long it holds."""

    extras: Extras = NO_EXTRAS
    expires_at: float = float("inf")
    is_complete: bool = True
    """Whether everything referred to could be had."""


class _Search:
    """The records fetched for one answer, each once."""

    def __init__(self, resolver: Resolver, visited: str) -> None:
        self._resolver = resolver
        self._visited = {visited}
        self.expires_at = float("inf")
        self.is_complete = True

    async def fetch(self, handles: Sequence[Handle]) -> list[Resolved]:
        """Return the records of those handles that were not fetched yet, side by side."""
        wanted: list[Handle] = []
        for handle in handles:
            if handle.cache_key not in self._visited and len(self._visited) <= MAX_HANDLES:
                self._visited.add(handle.cache_key)
                wanted.append(handle)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._fetch(handle)) for handle in wanted]
        return [resolved for task in tasks if (resolved := task.result()) is not None]

    async def _fetch(self, handle: Handle) -> Resolved | None:
        try:
            resolved = await self._resolver.resolve(handle)
        except ResolverError:
            self.is_complete = False
            return None
        self.expires_at = min(self.expires_at, resolved.expires_at)
        return resolved

    async def with_includes(self, handles: Sequence[Handle]) -> list[LocationData]:
        """Return the location data of ``handles``, and of what they include, level by level."""
        found: list[LocationData] = []
        for _ in range(MAX_DEPTH):
            if not handles:
                break
            level = [read_location_data(resolved.record) for resolved in await self.fetch(handles)]
            found += level
            handles = [handle for data in level for handle in data.included_handles()]
        return found


async def fetch_extras(
    resolver: Resolver, handle: Handle, own: LocationData, namespaces: Sequence[Namespace]
) -> Fetched:
    """Fetch what ``own`` refers to; what cannot be had in time is left out.

    Args:
        resolver: gets the records, mostly out of its memory.
        handle: the handle whose location data ``own`` is.
        own: tells which handles are included, and whether anything is inherited.
        namespaces: that of the handle's prefix, then that of the registry.
    """
    included_handles = own.included_handles()
    inheritance = inherits_from(own, namespaces)
    if not included_handles and not inheritance.handles and not inheritance.prefixes:
        return Fetched()
    search = _Search(resolver, handle.cache_key)
    included: list[LocationData] = []
    inherited: list[LocationData] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            included = await search.with_includes(included_handles)
            named = list(inheritance.handles)
            for resolved in await search.fetch(inheritance.prefixes):
                namespace = namespace_of(resolved.record.values)
                named += [Handle(text) for text in (namespace.location_handles if namespace else ())]
            inherited = await search.with_includes(named)
    except TimeoutError:
        search.is_complete = False
    return Fetched(Extras(tuple(included), tuple(inherited)), search.expires_at, search.is_complete)
