"""An event loop in a thread of its own, which leaves nothing behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["LoopThread"]

Result = TypeVar("Result")
PATIENCE_S = 30.0


class LoopThread:
    """Runs coroutines elsewhere until the block ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self.closed_at_the_end: list[Any] = []
        """Whatever has a method ``close``, perhaps asynchronous."""

    def __enter__(self) -> LoopThread:
        self._thread.start()
        return self

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _close_all(self) -> None:
        for thing in self.closed_at_the_end:
            ended = thing.close()
            if inspect.isawaitable(ended):
                await ended
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports close in the next rounds of the loop

    def __exit__(self, *_: object) -> None:
        self.do(self._close_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
