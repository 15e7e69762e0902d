"""Reads that are wanted at about the same time, done at once.

A client for Redis spends more time on a command than on the values it brings. So whoever wants a value first
waits a turn of the event loop for others, and reads for all of them. While a few such reads are under way
already, the next one grows until one of them returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from resolver.errors import CacheError

__all__ = ["Batches"]

MAX_READS = 2
"""Reads under way at the same time."""

MAX_KEYS = 256
"""Keys in one read: it must not keep Redis, which does one thing at a time, from what others want."""


class _Batch:
    __slots__ = ("done", "error", "keys", "values", "wanted_by")

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.wanted_by = 0
        self.done = asyncio.Event()
        self.values: dict[str, bytes | None] | None = None
        self.error: CacheError | None = None


class Batches:
    """Reads single keys, several together where it can."""

    def __init__(self, read: Callable[[Sequence[str], int], Awaitable[Sequence[bytes | None]]]) -> None:
        """Prepare.

        Args:
            read: gets the values of some keys, in their order, for a number of callers, or raises ``CacheError``.
        """
        self._read = read
        self._open: _Batch | None = None
        self._slots = asyncio.Semaphore(MAX_READS)

    async def get(self, key: str) -> bytes | None:
        """Return the value of ``key``.

        Raises:
            CacheError: it could not be read.
        """
        while True:
            batch = self._open
            if batch is None:
                return await self._lead(key)
            batch.keys[key] = None
            batch.wanted_by += 1
            if len(batch.keys) >= MAX_KEYS:
                self._open = None
            await batch.done.wait()
            if batch.error is not None:
                raise CacheError(str(batch.error)) from batch.error
            if batch.values is not None:
                return batch.values[key]
            # Whoever read for all was cancelled.

    async def _lead(self, key: str) -> bytes | None:
        batch = self._open = _Batch()
        batch.keys[key] = None
        batch.wanted_by = 1
        try:
            await asyncio.sleep(0)
            async with self._slots:
                self._close(batch)
                values = await self._read(tuple(batch.keys), batch.wanted_by)
            batch.values = dict(zip(batch.keys, values, strict=True))
            return batch.values[key]
        except CacheError as error:
            batch.error = error
            raise
        finally:
            self._close(batch)
            batch.done.set()

    def _close(self, batch: _Batch) -> None:
        if self._open is batch:
            self._open = None
