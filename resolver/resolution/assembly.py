"""Puts a resolver together from settings: registry, network, cache, driver."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from resolver.cache.memory import MemoryCache
from resolver.cache.redis import RedisTier
from resolver.cache.tiers import TieredCache
from resolver.config import Settings
from resolver.observe import Observer
from resolver.resolution.bootstrap import Registry, load_bootstrap_file, load_shipped_registry
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Driver
from resolver.resolution.service import Lifetimes, Resolver
from resolver.tasks import Background
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.network import Network

__all__ = ["Assembly", "assemble"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """A resolver with the parts that somebody has to start and to close."""

    resolver: Resolver
    cache: TieredCache
    background: Background
    redis: RedisTier | None
    network: Network

    def start(self) -> None:
        """Begin what runs in the background; needs a running event loop."""
        self.cache.start()

    async def close(self) -> None:
        """End what runs in the background and give connections back."""
        await self.background.close()
        await self.network.close()
        if self.redis is not None:
            await self.redis.close()


def assemble(
    settings: Settings,
    observer: Observer,
    registry: Registry | None = None,
    clock: Callable[[], float] = time.time,
) -> Assembly:
    """Build a resolver; nothing is connected before it is used.

    Args:
        settings: what the operator chose.
        observer: told what happens.
        registry: where resolution begins, if the settings do not say.
        clock: seconds since 1970.

    Raises:
        SettingsError: the bootstrap file or the Redis URL cannot be used.
    """
    if registry is None:
        registry = load_bootstrap_file(settings.bootstrap) if settings.bootstrap else load_shipped_registry()
    background = Background()
    redis = RedisTier(settings.redis, observer=observer) if settings.redis else None
    cache = TieredCache(
        MemoryCache(settings.cache_size, settings.cache_bytes),
        redis,
        background,
        stale_max_s=settings.stale_max,
        clock=clock,
        observer=observer,
    )
    network = Network(AddressPolicy(settings.allow_private_addresses), observer=observer)
    driver = Driver(
        Directory(registry.sites), network, background, transports=settings.transports, clock=clock
    )
    resolver = Resolver(
        registry,
        driver,
        cache,
        background,
        deadline_s=settings.deadline,
        lifetimes=Lifetimes(
            record_max=settings.cache_max_ttl,
            handle_absence=settings.not_found_ttl,
            prefix_absence=settings.prefix_not_found_ttl,
            failure=settings.failure_ttl,
        ),
        clock=clock,
        observer=observer,
    )
    return Assembly(resolver, cache, background, redis, network)
