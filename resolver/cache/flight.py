"""One piece of work for however many who wait for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from resolver.errors import ClosingError
from resolver.observe import Observer
from resolver.tasks import Background

__all__ = ["MAX_WAITERS", "SingleFlight"]

Result = TypeVar("Result")

MAX_WAITERS = 1000
"""Callers that may wait for one result; more are turned away at once rather than all kept in memory."""


class SingleFlight(Generic[Result]):
    """Shares running work by key: who comes later waits for the result of who came first, good or bad."""

    def __init__(self, background: Background, observer: Observer | None = None) -> None:
        self._background = background
        self._observer = observer or Observer()
        self._running: dict[str, asyncio.Task[Result]] = {}
        self._waiters: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._running)

    async def settle(self, key: str) -> None:
        """Wait until work that is under way for ``key`` has ended, however it ends."""
        task = self._running.get(key)
        if task is not None:
            await asyncio.wait([task])

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of ``work``, begun now or already running for ``key``.

        A caller who is cancelled leaves the others, and the work, alone.

        Raises:
            ClosingError: too many wait already, or the work was ended because the process stops.
        """
        task = self._running.get(key)
        if task is None:
            task = self.start(key, work)
        else:
            self._observer.coalesced()
            if self._waiters[key] >= MAX_WAITERS:
                raise ClosingError("too many requests wait for the same handle")
        self._waiters[key] += 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ClosingError("the resolver is shutting down") from None
            raise
        finally:
            if key in self._waiters:
                self._waiters[key] -= 1

    def start(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Task[Result]:
        """Begin ``work`` unless it runs already, and return its task without waiting."""
        running = self._running.get(key)
        if running is not None:
            return running
        task = self._background.start(work(), name=f"lookup:{key!r}")
        self._running[key] = task
        self._waiters[key] = 0
        task.add_done_callback(lambda _: self._end(key))
        return task

    def _end(self, key: str) -> None:
        del self._running[key]
        del self._waiters[key]
