"""One piece of work for however many who wait for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resolver.errors import ClosingError
from resolver.observe import Observer
from resolver.tasks import Background

__all__ = ["MAX_WAITERS", "SingleFlight"]

Result = TypeVar("Result")

MAX_WAITERS = 1000
"""Callers that may wait for one result; more are turned away at once rather than all kept in memory."""


@dataclass(slots=True, eq=False)
class _Flight(Generic[Result]):
    task: asyncio.Future[Result]
    begun_at: float
    """On the clock of the event loop."""
    waiters: int = 0


class SingleFlight(Generic[Result]):
    """Shares running work by key: who comes later waits for the result of who came first, good or bad."""

    def __init__(self, background: Background, observer: Observer | None = None) -> None:
        self._background = background
        self._observer = observer or Observer()
        self._running: dict[str, _Flight[Result]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, key: str) -> bool:
        return key in self._running

    def age_s(self, key: str) -> float:
        """Return for how long work has been under way for ``key``; 0 if there is none."""
        flight = self._running.get(key)
        return 0.0 if flight is None else asyncio.get_running_loop().time() - flight.begun_at

    async def settle(self, key: str) -> None:
        """Wait until work that is under way for ``key`` has ended, however it ends."""
        flight = self._running.get(key)
        if flight is not None:
            await asyncio.wait([flight.task])

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of ``work``, begun now or already running for ``key``.

        A caller who is cancelled leaves the others, and the work, alone.

        Raises:
            ClosingError: too many wait already, or the work was ended because the process stops.
        """
        flight = self._running.get(key)
        if flight is None:
            flight = self._start(key, work)
        else:
            self._observer.coalesced()
            if flight.waiters >= MAX_WAITERS:
                raise ClosingError("too many requests wait for the same handle")
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if flight.task.cancelled() and not (caller and caller.cancelling()):
                raise ClosingError("the resolver is shutting down") from None
            raise
        finally:
            flight.waiters -= 1

    def start(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Future[Result]:
        """Begin ``work`` unless it runs already, and return its task without waiting."""
        flight = self._running.get(key)
        return (self._start(key, work) if flight is None else flight).task

    def announce(self, key: str) -> None:
        """Let everybody who wants ``key``, which nobody works on, wait for what ``land`` will bring."""
        loop = asyncio.get_running_loop()
        self._running[key] = _Flight(loop.create_future(), loop.time())

    def land(self, key: str, result: Result) -> None:
        """Bring what was announced."""
        self._running.pop(key).task.set_result(result)

    def divert(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        """Begin ``work`` in the place of what was announced and does not come."""
        announced = self._running.pop(key)
        flight = self._start(key, work)
        flight.waiters += announced.waiters
        flight.task.add_done_callback(lambda task: _pass_on(task, announced.task))

    def _start(self, key: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> _Flight[Result]:
        task = self._background.start(work(), name=f"lookup:{key!r}")
        flight = _Flight(task, asyncio.get_running_loop().time())
        self._running[key] = flight
        flight.task.add_done_callback(lambda _: self._running.pop(key))
        return flight


def _pass_on(task: asyncio.Future[Result], to: asyncio.Future[Result]) -> None:
    """Let ``to`` end as ``task`` has ended."""
    if to.done():
        return
    if task.cancelled():
        to.cancel()
        return
    error = task.exception()
    if error is None:
        to.set_result(task.result())
    else:
        to.set_exception(error)
        to.exception()  # seen, even if all who waited have left
