"""How often a cache of some size has what is asked for, where few things are asked for often and most hardly ever.

Popularity follows Zipf's law: the n-th most wanted of N handles gets a share of requests proportional to
1/n^s. For a billion handles nobody can draw requests one by one, so the share of hits is computed: by Che's
approximation an entry is still there if it was asked for within the last T requests, where T is what fills the
cache. (H. Che, Y. Tung, Z. Wang: Hierarchical web caching systems, 2002.) Sums over ranks are taken over
ranges of ranks in which shares hardly differ.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from resolver.cache.memory import MemoryCache

__all__ = ["Popularity", "flood", "simulated_hit_rate"]

EXACT_RANKS = 1000
STEP = 1.01


class Popularity:
    """Handles by how often they are wanted."""

    def __init__(self, handles: int, exponent: float) -> None:
        self.handles = handles
        weights = [(count, rank**-exponent) for rank, count in _ranges(handles)]
        total = math.fsum(count * weight for count, weight in weights)
        self._shares = [(count, weight / total) for count, weight in weights]

    def hit_rate(self, cache_size: float, lifetime_requests: float = math.inf) -> float:
        """Return the share of requests for what is in the cache.

        Args:
            cache_size: entries.
            lifetime_requests: how many requests come while an entry lives.
        """
        window = min(self._window(cache_size), lifetime_requests)
        return math.fsum(count * share * -math.expm1(-share * window) for count, share in self._shares)

    def _window(self, cache_size: float) -> float:
        """Return for how many requests an entry stays that is not asked for again."""
        if cache_size >= self.handles:
            return math.inf
        low, high = 0.0, 1.0
        while self._filled(high) < cache_size:
            high *= 2
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if self._filled(middle) < cache_size else (low, middle)
        return high

    def _filled(self, window: float) -> float:
        return math.fsum(count * -math.expm1(-share * window) for count, share in self._shares)


def _ranges(handles: int) -> Iterator[tuple[float, int]]:
    """Yield ranges of ranks: one that stands for all, and how many they are."""
    first = 1
    while first <= handles:
        last = first if first < EXACT_RANKS else min(handles, max(first, int(first * STEP)))
        yield math.sqrt(first * last), last - first + 1
        first = last + 1


def _drawn(handles: int, exponent: float, seed: int) -> Iterator[int]:
    """Yield ranks as visitors ask for them, for ever."""
    draw = random.Random(seed)
    sums = list(accumulate(rank**-exponent for rank in range(1, handles + 1)))
    while True:
        yield bisect_left(sums, draw.random() * sums[-1])


def simulated_hit_rate(handles: int, exponent: float, cache_size: int, requests: int) -> float:
    """Return the share of hits in the cache as it is, once it is full."""
    cache: MemoryCache[int] = MemoryCache(cache_size, 2**40)
    hits = counted = 0
    for number, rank in enumerate(_drawn(handles, exponent, seed=1)):
        if number == requests:
            break
        key = str(rank)
        hit = cache.get(key) is not None
        if not hit:
            cache.put(key, rank, 1)
        if number >= requests // 2:
            counted += 1
            hits += hit
    return hits / counted


def flood(
    cache_size: int, names: int = 1_000_000, hot: int = 1000, per_visitor: int = 4
) -> tuple[float, float, int, int]:
    """Send a flood of different names among the requests of visitors for the hot thousand.

    Args:
        cache_size: entries.
        names: that are each asked for once.
        hot: handles that visitors want, by Zipf's law.
        per_visitor: names for each request of a visitor.

    Returns:
        The share of hits among visitors' requests before and during the flood, the most entries the cache
        held, and the most octets by its own estimate.
    """
    cache: MemoryCache[int] = MemoryCache(cache_size, 2**40)
    visitors = _drawn(hot, 1.0, seed=2)
    most_entries = most_octets = 0

    def ask(key: str) -> bool:
        nonlocal most_entries, most_octets
        hit = cache.get(key) is not None
        if not hit:
            cache.put(key, 0, 250)
            most_entries, most_octets = max(most_entries, len(cache)), max(most_octets, cache.octets)
        return hit

    for _ in range(20 * hot):
        ask(f"hot/{next(visitors)}")
    before = sum(ask(f"hot/{next(visitors)}") for _ in range(50_000)) / 50_000
    hits = asked = 0
    for number in range(names):
        ask(f"flood/{number}")
        if number % per_visitor == 0:
            asked += 1
            hits += ask(f"hot/{next(visitors)}")
    return before, hits / asked, most_entries, most_octets
