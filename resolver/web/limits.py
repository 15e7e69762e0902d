"""Builds from the settings what decides who is served, and how much at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver.config import Settings
from resolver.observe import Observer
from resolver.resolution.service import Resolver
from resolver.tasks import Background
from resolver.web.access_lists import AccessLists
from resolver.web.admission import Admission
from resolver.web.buckets import Allowance, Buckets
from resolver.web.connections import ConnectionGuard, default_max_connections
from resolver.web.shared_buckets import SharedBuckets
from resolver.web.shedding import Shedding

if TYPE_CHECKING:
    from resolver.cache.redis import RedisTier

__all__ = ["Limits", "build_limits"]

USUAL_BURST_S = 10.0
"""How many seconds' worth a client may spend at once, if the operator does not say."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force."""

    guard: ConnectionGuard
    shedding: Shedding
    admission: Admission | None = None
    """``None`` where everybody is served, so that nothing is decided."""
    lists: AccessLists | None = None
    shared: SharedBuckets | None = None

    def start(self, background: Background) -> None:
        """Begin what runs beside the requests."""
        if self.lists is not None:
            background.start(self.lists.watch(), name="access-lists")
        if self.shared is not None:
            background.start(self.shared.run(), name="shared-buckets")


def build_limits(
    settings: Settings,
    *,
    resolver: Resolver,
    redis: RedisTier | None,
    observer: Observer,
    clock: Callable[[], float] = time.monotonic,
) -> Limits:
    """Build the limits.

    Args:
        settings: what the operator chose.
        resolver: has room for so many lookups.
        redis: where spending is added up, if there is one.
        observer: told of each refusal.
        clock: seconds, never set back.

    Raises:
        SettingsError: a list cannot be read.
    """
    guard = ConnectionGuard(settings.max_connections or default_max_connections(), observer)
    shedding = Shedding(resolver, observer)
    has_lists = settings.allow_list is not None or settings.deny_list is not None
    if not has_lists and not settings.rate_limit:
        return Limits(guard, shedding)
    costs = settings.rate_costs
    lists = AccessLists(settings.allow_list, settings.deny_list)
    buckets = None
    if settings.rate_limit:
        burst = settings.rate_burst or settings.rate_limit * USUAL_BURST_S
        buckets = Buckets(Allowance(settings.rate_limit, burst), clock)
    admission = Admission(
        lists,
        buckets,
        {"hit": costs.hit, "miss": costs.miss, "auth": costs.auth, "batch": costs.batch},
        trusted_proxies=settings.trusted_proxies,
        dry_run=settings.limits_dry_run,
        observer=observer,
        clock=clock,
    )
    shared = SharedBuckets(buckets, redis, clock) if buckets is not None and redis is not None else None
    return Limits(guard, shedding, admission, lists if has_lists else None, shared)
