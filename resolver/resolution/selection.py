"""In which order to ask the servers of a service. Pure: what was learned and chance are brought along.

The ways to a service are put into this order:

* ``ready``: those believed to work, site by site, the fastest site first, each by the transport the operator
  prefers; a site never asked counts as fast, so that it gets its chance; then the other ways of the same sites;
* ``recovering``: those that failed and whose pause, which doubles with every failure, is over;
* ``resting``: those that failed a moment ago; asked only when nothing else is left, the longest rest first.

Now and then, one that would not have its turn is asked first and not waited for, so that a way that works
again, or a site that has become fast, is found out at next to no cost. A random part in each estimate
spreads questions over sites that are about as fast (deployed clients draw up to 128 ms).

Where the first way is of one family of addresses and nothing is known of it, the second is of the other, and
it is asked after a quarter of a second (RFC 8305, "happy eyeballs"), IPv6 first.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from msgspec.structs import replace

from resolver.model.handle import Handle
from resolver.model.site import IPAddress, Server, Site, Transport, responsible_server
from resolver.resolution.health import Health, HealthTable
from resolver.resolution.steps import Candidate
from resolver.transport.endpoint import Endpoint

__all__ = ["favourite", "names_needed", "plan_candidates"]

MAX_CANDIDATES = 24
"""Ways tried for one question at most: a service that lists hundreds of servers must not keep us busy."""

UNKNOWN_RTT_S = 0.0

MAX_KNOWN_SERVERS = 512
"""Servers whose addresses and interfaces are kept at hand."""

EXPLORATION_S = 0.128
"""Largest random addition to a round trip time when sites are compared."""

PROBE_SHARE = 0.05
"""Part of all questions for which somebody is tried who would not have been asked first."""

OTHER_FAMILY_AFTER_S = 0.25


def names_needed(sites: Sequence[Site], handle: Handle) -> list[str]:
    """Return the host names that have to be looked up before the servers of ``sites`` can be asked."""
    needed: dict[str, None] = {}
    for site in sites:
        server = responsible_server(site, handle)
        if server is not None and server.ip is None:
            host, _ = _location(site, server)
            if host:
                needed[host] = None
    return list(needed)


def plan_candidates(
    sites: Sequence[Site],
    handle: Handle,
    *,
    primaries_only: bool,
    transports: Sequence[Transport],
    health: HealthTable,
    now: float,
    chance: Callable[[], float],
    names: Mapping[str, Sequence[IPAddress]] | None = None,
) -> tuple[Candidate, ...]:
    """Return the ways to ask for ``handle``, best first.

    Args:
        sites: the sites of the service.
        handle: decides which server of a site is asked.
        primaries_only: leave mirrors out, unless there is no primary at all.
        transports: order of preference; others are not used.
        health: what is known of the ways.
        now: seconds on the clock that ``health`` was told about.
        chance: gives a random number from 0 to 1.
        names: addresses of the host names that ``names_needed`` named.
    """
    if primaries_only:
        sites = [site for site in sites if site.primary] or sites
    by_site = [_ways_to(site, handle, transports, health, names or {}) for site in sites]
    ranked = sorted(
        (ways for ways in by_site if ways),
        key=lambda ways: (
            not (primaries_only and any(health.is_sticky(way, now) for way in ways)),
            _estimate(ways, health) + chance() * EXPLORATION_S,
        ),
    )
    in_turn = [way for nth in zip_longest(*ranked) for way in nth if way is not None]
    order = _sorted_by_health(in_turn, health, now)
    ready = _eyeballs(order.ready, health)
    planned = [*ready, *order.recovering, *order.resting]
    if chance() > 1 - PROBE_SHARE:
        planned = _with_probe(planned, ready, order.recovering)
    return tuple(planned[:MAX_CANDIDATES])


def favourite(
    sites: Sequence[Site], handle: Handle, *, transports: Sequence[Transport], health: HealthTable
) -> Candidate | None:
    """Return the way that ``plan_candidates`` puts first without a doubt, which takes a look at nothing else.

    That is the only address of the only site by the transport that is preferred, if it answered when it was last
    asked. ``None`` where there is more to think about.
    """
    server = responsible_server(sites[0], handle) if len(sites) == 1 else None
    if server is None or server.ip is None:
        return None
    ways = _all_ways_to(sites[0], server, tuple(transports), ())
    if not ways or (len(ways) > 1 and ways[1].transport is ways[0].transport):
        return None
    known = health.of(ways[0])
    if known.rtt_s is None or known.failures:
        return None
    return _with_patience(ways[0], known)


def _with_patience(way: Candidate, known: Health) -> Candidate:
    patience_s = known.patience_s
    return way if patience_s == way.patience_s else Candidate(way.site, way.server, way.endpoint, patience_s)


@dataclass(frozen=True, slots=True)
class _Order:
    ready: list[Candidate]
    recovering: list[Candidate]
    resting: list[Candidate]


def _sorted_by_health(ways: Sequence[Candidate], health: HealthTable, now: float) -> _Order:
    order = _Order([], [], [])
    for way in ways:
        known = health.of(way)
        if known.pause_until > now:
            order.resting.append(way)
        elif known.failures or (known.rtt_s is None and not health.reaches(way)):
            order.recovering.append(way)
        else:
            order.ready.append(way)
    order.resting.sort(key=lambda way: health.of(way).pause_until)
    return order


def _eyeballs(ready: list[Candidate], health: HealthTable) -> list[Candidate]:
    """Put a way of the other family second if nothing is known of the first."""
    if not ready or health.of(ready[0]).rtt_s is not None:
        return ready
    first = ready[0]
    other = next((way for way in ready[1:] if _family(way) != _family(first)), None)
    if other is None:
        return ready
    patience_s = min(first.patience_s, OTHER_FAMILY_AFTER_S)
    rest = [way for way in ready[1:] if way is not other]
    return [replace(first, patience_s=patience_s), other, *rest]


def _with_probe(
    planned: list[Candidate], ready: list[Candidate], recovering: list[Candidate]
) -> list[Candidate]:
    """Ask first somebody who would have come later, and at once beside it whoever would have come first."""
    others = [*recovering, *(way for way in ready[1:] if ready and way.site is not ready[0].site)]
    if not ready or not others:
        return planned
    probe = replace(others[0], is_probe=True, patience_s=0.0)
    return [probe, *(way for way in planned if way is not others[0])]


def _family(way: Candidate) -> int:
    return 0 if way.endpoint.address is None else way.endpoint.address.version


def _estimate(ways: Sequence[Candidate], health: HealthTable) -> float:
    """Return the round trip time of a site: that of its fastest way among those that have answered."""
    known = [rtt_s for way in ways if (rtt_s := health.of(way).rtt_s) is not None]
    return min(known, default=UNKNOWN_RTT_S)


def _ways_to(
    site: Site,
    handle: Handle,
    transports: Sequence[Transport],
    health: HealthTable,
    names: Mapping[str, Sequence[IPAddress]],
) -> list[Candidate]:
    server = responsible_server(site, handle)
    if server is None:
        return []
    looked_up: tuple[IPAddress, ...] = ()
    if names and server.ip is None:
        looked_up = tuple(names.get(_location(site, server)[0] or "", ()))
    ways = []
    for number, way in enumerate(_all_ways_to(site, server, tuple(transports), looked_up)):
        known = health.of(way)
        rtt_s = math.inf if known.rtt_s is None else known.rtt_s
        place = transports.index(way.transport)
        ways.append((known.failures > 0, place, rtt_s, number, _with_patience(way, known)))
    # A transport that failed where another works is no first choice any more, until it answers again; and of
    # two addresses by the same transport the one is that is known to answer, and faster.
    ways.sort()
    return [way for *_, way in ways]


@lru_cache(MAX_KNOWN_SERVERS)
def _all_ways_to(
    site: Site, server: Server, transports: tuple[Transport, ...], looked_up: tuple[IPAddress, ...]
) -> tuple[Candidate, ...]:
    """Return each address by each transport; the same for every handle, so it is worked out once."""
    host, path = _location(site, server)
    own = looked_up if server.ip is None else (server.ip,)
    addresses: list[IPAddress | None] = [*own, *_alternative_addresses(site, server)]
    # IPv6 first; the sort is stable, so that within a family the record's order stays.
    addresses = sorted(addresses, key=lambda address: 4 if address is None else -address.version) or [None]
    return tuple(
        Candidate(site, server, Endpoint(transport, address, interface.port, host, path, server.public_key))
        for transport in transports
        if (interface := server.query_interface(transport)) is not None
        for address in addresses
    )


def _alternative_addresses(site: Site, server: Server) -> list[IPAddress]:
    """Return the addresses that the ``alt_addr`` attributes add for a server: IP literals only, no names."""
    names = {f"alt_addr.{server.server_id}"}
    if len(site.servers) == 1:
        names.add("alt_addr")
    found = []
    for name, value in site.attributes:
        if name in names and "%" not in value:  # a zone means something to its writer's machine only
            try:
                found.append(ipaddress.ip_address(value.strip()))
            except ValueError:
                continue
    return found


def _location(site: Site, server: Server) -> tuple[str | None, str]:
    """Return the ``domain`` and ``path`` attributes that hold for a server; the numbered ones win."""
    position = site.servers.index(server)
    domain = site.attribute(f"domain.{position}") or site.attribute("domain")
    path = site.attribute(f"path.{position}") or site.attribute("path") or ""
    return domain, path
