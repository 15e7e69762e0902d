"""A handle network of scripted servers, and the resolver that asks them, all in one loop and in virtual time.

The servers are those of the demo, reached through a ``FakeNetwork`` instead of sockets; the resolver is the
real one from ``Resolver`` down to the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from resolver.cache.lease import Leases
from resolver.cache.memory import MemoryCache
from resolver.cache.tiers import TieredCache
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.model.handle import ROOT_HANDLE, Handle
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site, Transport
from resolver.protocol.bodies import Body, ResolutionRequest
from resolver.protocol.codes import ResponseCode
from resolver.protocol.message import Message
from resolver.resolution.bootstrap import registry_from_records
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Driver
from resolver.resolution.remembering import Lifetimes
from resolver.resolution.service import MAX_LOOKUPS, Resolved, Resolver
from resolver.tasks import Background
from tests.fakes import (
    EPOCH,
    FakeNetwork,
    FakeRedisTier,
    RecordingObserver,
    record_of,
    site_at,
    site_value,
    url_value,
)

REGISTRY = "192.0.2.1"
PRIMARY, MIRROR = "198.51.100.1", "198.51.100.2"
HANDLE = "10.1/abc"
DEADLINE_S = 8.0
STALE_MAX_S = 86_400.0
SILENT = frozenset({"udp", "tcp"})


Script = Callable[[str], tuple[ResponseCode, Body]]
"""What a server answers to a handle."""


class ScriptedService(HandleService):
    """A server that says what a test wants, in proper messages."""

    def __init__(self, script: Script, *, site: Site, clock: Callable[[], float]) -> None:
        super().__init__(RecordStore(), site=site, clock=clock)
        self._script = script

    def _decide(self, request: Message) -> tuple[ResponseCode, Body]:
        assert isinstance(request.body, ResolutionRequest)
        return self._script(request.body.handle)


class World:
    """Who there is to ask, and who asks."""

    def __init__(
        self,
        *,
        redis: bool = False,
        transports: Iterable[Transport] = (Transport.UDP, Transport.TCP),
        network: FakeNetwork | None = None,
    ) -> None:
        self._transports = tuple(transports)
        self.chance = 0.0
        """What every draw brings."""
        self.clock_error_s = 0.0
        """How wrong the clock on the wall is."""
        self.network = network or FakeNetwork()
        self.background = Background()
        self.observer = RecordingObserver()
        self.redis = FakeRedisTier(self.clock) if redis else None
        self.services: dict[str, HandleService] = {}
        self._sites: dict[str, Site] = {}
        registry_site = site_at(REGISTRY)
        self.registry = self.serve(
            RecordStore([record_of(ROOT_HANDLE, site_value(registry_site))]),
            REGISTRY,
            homed=("0.NA", "0.SERV", "0.0"),
        )
        self._root = registry_from_records([record_of(ROOT_HANDLE, site_value(registry_site))])
        self._driver = Driver(
            Directory(self._root.sites),
            self.network,  # type: ignore[arg-type]  # a fake with the same method
            self.background,
            transports=self._transports,
            clock=self.clock,
            chance=lambda: self.chance,
        )
        self.health = self._driver.health
        self.caches: list[TieredCache] = []
        self.resolver = self.worker()
        self.cache = self.caches[0]

    @classmethod
    def with_one_prefix(cls, *, redis: bool = False, network: FakeNetwork | None = None) -> World:
        """Return a world with prefix ``10.1``: a primary site, a mirror, and one handle."""
        world = cls(redis=redis, network=network)
        store = RecordStore([record_of(HANDLE)])
        world.serve(store, PRIMARY, homed=("10.1",))
        world.serve(store, MIRROR, homed=("10.1",), primary=False)
        world.register(
            "10.1", *(site_value(world.site(address), n) for n, address in enumerate((PRIMARY, MIRROR)))
        )
        return world

    def worker(
        self,
        *,
        lifetimes: Lifetimes | None = None,
        deadline_s: float = DEADLINE_S,
        max_lookups: int = MAX_LOOKUPS,
        leases: Leases | None = None,
        records: int = 10_000,
    ) -> Resolver:
        """Return a resolver with a memory of its own, over the same network and the same Redis."""
        cache = TieredCache(
            MemoryCache(records, 10**8),
            self.redis,  # type: ignore[arg-type]  # a fake with the same methods
            self.background,
            stale_max_s=STALE_MAX_S,
            clock=self.clock,
            observer=self.observer,
        )
        self.caches.append(cache)
        return Resolver(
            self._root,
            self._driver,
            cache,
            self.background,
            deadline_s=deadline_s,
            lifetimes=lifetimes or Lifetimes(),
            max_lookups=max_lookups,
            leases=leases,
            clock=self.clock,
            observer=self.observer,
        )

    async def close(self) -> None:
        """End what still runs."""
        await self.background.close()

    # --- time ------------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """Return what the clock on the wall shows."""
        return EPOCH + loop_time() + self.clock_error_s

    async def pass_time(self, seconds: float) -> None:
        """Let time pass for everybody."""
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        """Let everything happen that needs no time to speak of."""
        await asyncio.sleep(0.001)

    # --- who there is to ask ---------------------------------------------------------------------------------

    def serve(
        self,
        store: RecordStore,
        address: str,
        *,
        homed: Iterable[str] = (),
        homed_derived: Iterable[str] = (),
        primary: bool = True,
    ) -> HandleService:
        """Add a site with one server."""
        site = self._sites[address] = site_at(address, primary=primary)
        service = HandleService(store, site=site, homed=homed, homed_derived=homed_derived, clock=self.clock)
        self.services[address] = service
        self.network.add(address, service)
        return service

    def script(self, address: str, script: Script) -> None:
        """Add a site whose one server answers by ``script``, or put it in the place of the one at ``address``."""
        site = self._sites.setdefault(address, site_at(address))
        self.services[address] = ScriptedService(script, site=site, clock=self.clock)
        self.network.add(address, self.services[address])

    def site(self, address: str) -> Site:
        """Return the site at an address."""
        return self._sites[address]

    def register(self, prefix: str, *values: HandleValue) -> None:
        """Let the registry know a prefix."""
        self.registry.store.put(record_of(f"0.NA/{prefix}", *values))

    def add_prefix(self, prefix: str, address: str, *records: HandleRecord) -> HandleService:
        """Register a prefix and add the one server of its service."""
        service = self.serve(RecordStore(records), address, homed=(prefix,))
        self.register(prefix, site_value(self.site(address)))
        return service

    def change(self, text: str, *, handle: str = HANDLE, **fields: Any) -> None:
        """Let the owner of a handle point it to another URL."""
        self.services[PRIMARY].store.put(record_of(handle, url_value(text, **fields)))

    def delay(self, seconds: float, *addresses: str) -> None:
        """Let the answers of servers take their time."""
        for address in addresses:
            self.services[address].behaviour.delay_s = seconds

    def silence(self, *addresses: str) -> None:
        """Let servers say nothing any more."""
        for address in addresses:
            self.services[address].behaviour.silent = SILENT

    def shut_down(self, *addresses: str) -> None:
        """Let nobody listen at these addresses any more."""
        self.network.down.update(addresses)

    def crowd(self, *addresses: str) -> None:
        """Let these servers have as many questions as they may."""
        self.network.crowded.update(addresses)

    def bring_up(self) -> None:
        """Let everybody answer again."""
        self.network.down.clear()
        self.network.crowded.clear()
        for service in self.services.values():
            service.behaviour.silent = frozenset()
            service.behaviour.delay_s = 0.0

    # --- asking ----------------------------------------------------------------------------------------------

    async def resolve(self, handle: str = HANDLE, **conditions: Any) -> Resolved:
        """Resolve a handle."""
        return await self.resolver.resolve(Handle(handle), **conditions)

    async def url(self, handle: str = HANDLE, **conditions: Any) -> str:
        """Return the URL that a handle leads to."""
        return url_of(await self.resolve(handle, **conditions))

    @property
    def exchanges(self) -> int:
        """How many questions went out so far."""
        return len(self.network.exchanges)

    def asked(self, *addresses: str) -> int:
        """Return how many questions the servers at these addresses got."""
        return sum(len(self.network.asked(address)) for address in addresses)


def url_of(resolved: Resolved) -> str:
    """Return the URL of a record."""
    (value,) = resolved.record.of_type("URL")
    return value.data.decode()


def loop_time() -> float:
    """Return the seconds that have passed in this loop."""
    return asyncio.get_running_loop().time()
