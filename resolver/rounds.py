"""Counting once for each round of the event loop, rather than for each event: each series takes a lock, or a file."""

from __future__ import annotations

import asyncio
import bisect
from collections import defaultdict

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["Rounds"]


class Rounds:
    """Adds up what happens until the event loop goes on, and then counts it. Without a loop it counts at once."""

    def __init__(self) -> None:
        self._amounts: dict[Counter | Gauge, float] = {}
        self._times: defaultdict[Histogram, list[float]] = defaultdict(list)
        self._is_due = False

    def add(self, series: Counter | Gauge, amount: float = 1) -> None:
        """Count ``amount`` more; less, if it is negative, of a gauge."""
        self._amounts[series] = self._amounts.get(series, 0) + amount
        if not self._is_due:
            self._come_due()

    def observe(self, series: Histogram, seconds: float) -> None:
        """Count one event that took so long."""
        self._times[series].append(seconds)
        if not self._is_due:
            self._come_due()

    def _come_due(self) -> None:
        self._is_due = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._count()
        else:
            loop.call_soon(self._count)

    def _count(self) -> None:
        self._is_due = False
        for series, amount in self._amounts.items():
            series.inc(amount)
        self._amounts.clear()
        for histogram, times in self._times.items():
            # prometheus-client has no way to observe several values at once.
            histogram._sum.inc(sum(times))
            buckets: defaultdict[int, int] = defaultdict(int)
            for seconds in times:
                buckets[bisect.bisect_left(histogram._upper_bounds, seconds)] += 1
            for bucket, count in buckets.items():
                histogram._buckets[bucket].inc(count)
        self._times.clear()
