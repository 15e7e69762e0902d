"""What is worth remembering for a short while only, such as failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Recent"]

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The latest values by key, each until its time is over.

    What is over goes when something newer comes, whether anybody asks for it again or not: after an outage in which
    thousands of names were asked for, nothing of it stays. Where the clock was set back, nobody knows when anything
    is over, and so it is.
    """

    def __init__(self, max_entries: int, clock: Callable[[], float]) -> None:
        """Prepare.

        Args:
            max_entries: how many are remembered at most; the oldest make room.
            clock: seconds since 1970.
        """
        self._max_entries = max_entries
        self._clock = clock
        self._values: dict[str, tuple[float, float, Value]] = {}
        """Since when, until when, and what, in the order in which they came."""

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: str, value: Value, until: float) -> None:
        """Remember ``value`` until then, in seconds since 1970."""
        values, now = self._values, self._clock()
        values.pop(key, None)
        values[key] = now, until, value
        while values:
            oldest = next(iter(values))
            since, ends_at, _ = values[oldest]
            if len(values) <= self._max_entries and since <= now < ends_at:
                return
            del values[oldest]

    def get(self, key: str) -> Value | None:
        """Return what is remembered of ``key``, if it is not over."""
        found = self._values.get(key)
        if found is None:
            return None
        since, until, value = found
        if since <= self._clock() < until:
            return value
        del self._values[key]
        return None

    def drop(self, key: str) -> None:
        """Forget ``key``."""
        self._values.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
