"""Work that outlives the request that began it: owned, named, bounded, logged, ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from resolver.errors import ResolverError

__all__ = ["Background"]

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Background:
    """Owns tasks until they end; the only place where one is created outside a ``TaskGroup``."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        """Begin ``work`` and return its task; whoever awaits it should shield it."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        # Asking for the exception also tells asyncio that somebody looked at it.
        error = task.exception()
        if error is not None and not isinstance(error, ResolverError):
            logger.error("background task failed name=%s", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
