"""When a record that is wanted is fetched anew before it expires."""

from __future__ import annotations

import zlib

from resolver.cache.entry import CachedRecord

__all__ = ["MAX_PREFETCHES", "is_almost_over", "prefetch_at"]

PREFETCH_SHARE = 0.1
"""Part of its lifetime at the end of which a wanted record is fetched anew."""

SPREAD = 0.3
"""Part of that part over which the moments are spread, so that what was fetched together is not fetched together
again for ever."""

MIN_LIFETIME_S = 10.0
"""Records that live shorter are not fetched ahead: that would double the questions."""

MAX_PREFETCHES = 32
"""Fetches ahead of time that may run at once: they must not crowd out what visitors wait for."""


def prefetch_at(key: str, entry: CachedRecord) -> float | None:
    """Return from when on a wanted record is worth fetching anew, in seconds since 1970; ``None`` for never.

    The moment lies in the last tenth of its lifetime, for each record at another place in it, yet for all
    processes at the same.
    """
    if entry.lifetime_s < MIN_LIFETIME_S:
        return None
    draw = zlib.crc32(f"{key} {entry.fetched_at!r}".encode("utf-8", "surrogatepass")) / 2**32
    return entry.expires_at - PREFETCH_SHARE * entry.lifetime_s * (1 - SPREAD * draw)


def is_almost_over(key: str, entry: CachedRecord, now: float) -> bool:
    """Whether ``prefetch_at`` has come."""
    if now < entry.expires_at - PREFETCH_SHARE * entry.lifetime_s:
        return False  # for no record
    moment = prefetch_at(key, entry)
    return moment is not None and now > moment
