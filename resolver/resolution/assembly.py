"""Puts a resolver together from settings: registry, network, cache, driver."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver.cache.lease import Leases
from resolver.cache.memory import MemoryCache
from resolver.cache.tiers import TieredCache
from resolver.config import Settings
from resolver.errors import InvalidHandleError, SettingsError
from resolver.model.handle import Handle
from resolver.observe import Observer
from resolver.resolution.bootstrap import Registry, load_bootstrap_file, load_shipped_registry
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Driver
from resolver.resolution.local_info import load_gateway, load_local_info
from resolver.resolution.registry_keeper import RegistryKeeper
from resolver.resolution.remembering import Lifetimes
from resolver.resolution.saved_registry import SavedRegistry, load_saved_registry
from resolver.resolution.service import Resolver
from resolver.tasks import Background
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.network import Network

if TYPE_CHECKING:
    from resolver.cache.redis import RedisTier

__all__ = ["Assembly", "assemble"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assembly:
    """A resolver with the parts that somebody has to start and to close."""

    resolver: Resolver
    cache: TieredCache
    background: Background
    redis: RedisTier | None
    network: Network
    keeper: RegistryKeeper | None

    def start(self) -> None:
        """Begin what runs in the background; needs a running event loop."""
        self.cache.start()
        if self.keeper is not None:
            self.keeper.start()

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
    base = registry or _load_registry(settings)
    saved = _load_saved(settings, base)
    services = load_local_info(settings.local_info) if settings.local_info else {}
    gateway = load_gateway(settings.gateway) if settings.gateway else ()
    background = Background()
    redis = _open_redis(settings.redis, observer) if settings.redis else None
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
        Directory(saved.registry.sites, services, gateway),
        network,
        background,
        transports=settings.transports,
        clock=clock,
    )
    resolver = Resolver(
        saved.registry,
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
        leases=None
        if redis is None
        else Leases(redis, background, deadline_s=settings.deadline, clock=clock, observer=observer),
        max_lookups=settings.max_lookups,
        observer=observer,
    )
    keeper = None
    if settings.refresh_registry:
        keeper = RegistryKeeper(
            resolver,
            base,
            fetched_at=saved.fetched_at,
            folder=settings.state_dir,
            background=background,
            clock=clock,
        )
    return Assembly(resolver, cache, background, redis, network, keeper)


def _open_redis(url: str, observer: Observer) -> RedisTier:
    # The client with all that it needs is a tenth of a second and 10 MiB, which nobody pays who runs without Redis.
    from resolver.cache.redis import RedisTier

    return RedisTier(url, observer=observer)


def _load_registry(settings: Settings) -> Registry:
    try:
        preferred = Handle.parse(settings.preferred_root) if settings.preferred_root else None
    except InvalidHandleError as error:
        raise SettingsError(f"preferred-root={settings.preferred_root!r}: {error}") from error
    if settings.bootstrap:
        return load_bootstrap_file(settings.bootstrap, preferred)
    return load_shipped_registry(preferred)


def _load_saved(settings: Settings, base: Registry) -> SavedRegistry:
    """Return what was saved, or the base; a damaged file is as good as none, since the base is there."""
    try:
        saved = load_saved_registry(settings.state_dir, base) if settings.state_dir else None
    except SettingsError as error:
        logger.warning("saved data of the registry are left aside: %s", error)
        saved = None
    return saved or SavedRegistry(base, 0.0)
