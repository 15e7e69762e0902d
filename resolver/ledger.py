"""Counting now and then rather than at each event.

Each series of a metric takes a lock, and a file where there are several workers. Whoever reads the metrics of this
process sees all that has happened until then; other processes see it a moment later.
"""

from __future__ import annotations

import asyncio
import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable

from prometheus_client import Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

__all__ = ["Ledger"]

DELAY_S = 0.05
"""How long an event may wait to be counted; other processes read what is counted."""


class Ledger(Collector):
    """Adds up what happens, and counts it a moment later, or when it is asked for. Without a loop it counts at once.

    It is to be registered before the series it counts for, so that whoever collects those finds them up to date.
    """

    def __init__(self) -> None:
        self._amounts: dict[Counter | Gauge, float] = {}
        self._times: defaultdict[Histogram, list[tuple[float, int]]] = defaultdict(list)
        self._is_due = False
        self.sources: list[Callable[[], None]] = []
        """Called before anything is counted, to add what they have kept to themselves."""

    def add(self, series: Counter | Gauge, amount: float = 1) -> None:
        """Count ``amount`` more; less, if it is negative, of a gauge."""
        self._amounts[series] = self._amounts.get(series, 0) + amount
        self.come_due()

    def observe(self, series: Histogram, seconds: float, count: int = 1) -> None:
        """Count events that took so long each."""
        self._times[series].append((seconds, count))
        self.come_due()

    def collect(self) -> Iterable[Metric]:
        """Count what is not counted yet; there are no series here to be shown."""
        self.settle()
        return ()

    def settle(self) -> None:
        """Count what is not counted yet."""
        self._is_due = True  # what the sources add is counted below
        try:
            self._count()
        finally:
            self._is_due = False

    def _count(self) -> None:
        for source in self.sources:
            source()
        amounts, self._amounts = self._amounts, {}
        for series, amount in amounts.items():
            series.inc(amount)
        observed, self._times = self._times, defaultdict(list)
        for histogram, times in observed.items():
            # prometheus-client has no way to observe several values at once.
            histogram._sum.inc(sum(seconds * count for seconds, count in times))
            buckets: defaultdict[int, int] = defaultdict(int)
            for seconds, count in times:
                buckets[bisect.bisect_left(histogram._upper_bounds, seconds)] += count
            for bucket, count in buckets.items():
                histogram._buckets[bucket].inc(count)

    def come_due(self) -> None:
        """See to it that everything is counted in a moment."""
        if self._is_due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.settle()
        else:
            self._is_due = True
            loop.call_later(DELAY_S, self.settle)
