"""The handle that somebody may have meant, for one that does not exist as it was written."""

from __future__ import annotations

import asyncio

from resolver.answer.forgiveness import other_spellings
from resolver.errors import ResolverError
from resolver.model.handle import Handle
from resolver.web.lookups import Lookups
from resolver.web.parse import HandleQuery

__all__ = ["find_suggestion"]

PATIENCE_S = 1.0


async def find_suggestion(lookups: Lookups, asked: str) -> Handle | None:
    """Return the only likely other spelling of ``asked`` that exists; ``None`` if there are none or several."""
    spellings = other_spellings(asked)
    if not spellings:
        return None
    try:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_exists(lookups, handle)) for handle in spellings]
    except TimeoutError:
        return None
    found = [handle for handle, task in zip(spellings, tasks, strict=True) if task.result()]
    return found[0] if len(found) == 1 else None


async def _exists(lookups: Lookups, handle: Handle) -> bool:
    try:
        resolved = await lookups.resolve(handle, HandleQuery(handle))
    except ResolverError:
        return False
    return bool(resolved.record.values)
