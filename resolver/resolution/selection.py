"""In which order to ask the servers of a service, learned from how they answered before.

What is remembered is one ``Health`` for each way to a server (address, port, transport): a smoothed round
trip time, and failures in a row. Ways are tried in this order:

* the ways believed to work, site by site, the fastest site first, each by the transport the operator
  prefers; a site never asked counts as fast, so that it gets its chance;
* the other transports of the same sites;
* the ways that failed lately, the longest silence first: they are asked only when nothing else is left,
  or once their pause is over, which doubles with every failure.

A random part in each estimate lets slower sites be asked now and then (RFC 3651 leaves the choice to the
client; deployed clients draw up to 128 ms).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from resolver.model.handle import Handle
from resolver.model.site import IPAddress, Server, Site, Transport, responsible_server
from resolver.resolution.steps import Candidate

__all__ = ["HealthTable", "plan_candidates"]

MAX_WAYS = 10_000
"""Ways remembered at most; the one not used for longest is forgotten first."""

MAX_CANDIDATES = 24
"""Ways tried for one question at most: a service that lists hundreds of servers must not keep us busy."""

UNKNOWN_RTT_S = 0.0
FIRST_PATIENCE_S = 0.4
SHORTEST_PATIENCE_S = 0.05
LONGEST_PATIENCE_S = 1.5

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

EXPLORATION_S = 0.128
"""Largest random addition to a round trip time when sites are compared."""

Way = tuple[bytes | str, int, int]


@dataclass(slots=True)
class Health:
    """How one way to a server has behaved."""

    rtt_s: float | None = None
    deviation_s: float = 0.0
    failures: int = 0
    """In a row, since the last answer."""
    pause_until: float = 0.0
    """Not to be tried before this moment unless nothing else is left."""

    @property
    def patience_s(self) -> float:
        """How long an answer may take before somebody else is asked too (RFC 6298: mean and four deviations)."""
        if self.rtt_s is None:
            return FIRST_PATIENCE_S
        return min(LONGEST_PATIENCE_S, max(SHORTEST_PATIENCE_S, self.rtt_s + 4 * self.deviation_s))


class HealthTable:
    """What is known of every way to a server that was tried, bounded in size."""

    def __init__(self, max_ways: int = MAX_WAYS) -> None:
        self._ways: OrderedDict[Way, Health] = OrderedDict()
        self._max_ways = max_ways

    def of(self, candidate: Candidate) -> Health:
        """Return what is known of a way; of one never tried, that nothing is known."""
        return self._ways.get(_way(candidate)) or Health()

    def answered(self, candidate: Candidate, elapsed_s: float) -> None:
        """Take in that a way answered after ``elapsed_s`` seconds."""
        health = self._known(candidate)
        if health.rtt_s is None:
            health.rtt_s, health.deviation_s = elapsed_s, elapsed_s / 2
        else:
            health.deviation_s += (abs(elapsed_s - health.rtt_s) - health.deviation_s) / 4
            health.rtt_s += (elapsed_s - health.rtt_s) / 8
        health.failures = 0
        health.pause_until = 0.0

    def failed(self, candidate: Candidate, now: float) -> None:
        """Take in that a way did not answer, or not sensibly."""
        health = self._known(candidate)
        health.failures += 1
        health.pause_until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(health.failures - 1, 10))

    def __len__(self) -> int:
        return len(self._ways)

    def _known(self, candidate: Candidate) -> Health:
        way = _way(candidate)
        health = self._ways.get(way)
        if health is None:
            health = self._ways[way] = Health()
            while len(self._ways) > self._max_ways:
                self._ways.popitem(last=False)
        else:
            self._ways.move_to_end(way)
        return health


def _way(candidate: Candidate) -> Way:
    where: bytes | str = candidate.address.packed if candidate.address else (candidate.host or "")
    return (where, candidate.interface.port, candidate.interface.transport)


def plan_candidates(
    sites: Sequence[Site],
    handle: Handle,
    *,
    primaries_only: bool,
    transports: Sequence[Transport],
    health: HealthTable,
    now: float,
    jitter: Callable[[], float],
) -> tuple[Candidate, ...]:
    """Return the ways to ask for ``handle``, best first.

    Args:
        sites: the sites of the service.
        handle: decides which server of a site is asked.
        primaries_only: leave mirrors out, unless there is no primary at all.
        transports: order of preference; others are not used.
        health: what is known of the ways.
        now: seconds on the clock that ``health`` was told about.
        jitter: gives a random number from 0 to 1.
    """
    if primaries_only:
        sites = [site for site in sites if site.primary] or sites
    by_site = [_ways_to(site, handle, transports, health) for site in sites]
    ranked = sorted(
        (ways for ways in by_site if ways),
        key=lambda ways: _estimate(ways, health) + jitter() * EXPLORATION_S,
    )
    rounds = max((len(ways) for ways in ranked), default=0)
    in_turn = [ways[number] for number in range(rounds) for ways in ranked if number < len(ways)]
    resting = [way for way in in_turn if health.of(way).pause_until > now]
    ready = [way for way in in_turn if health.of(way).pause_until <= now]
    resting.sort(key=lambda way: health.of(way).pause_until)
    return tuple((ready + resting)[:MAX_CANDIDATES])


def _estimate(ways: Sequence[Candidate], health: HealthTable) -> float:
    """Return the round trip time of a site: that of its fastest way among those that have answered."""
    known = [rtt_s for way in ways if (rtt_s := health.of(way).rtt_s) is not None]
    return min(known, default=UNKNOWN_RTT_S)


def _ways_to(
    site: Site, handle: Handle, transports: Sequence[Transport], health: HealthTable
) -> list[Candidate]:
    server = responsible_server(site, handle)
    if server is None:
        return []
    addresses = [server.ip, *_alternative_addresses(site, server)]
    host, path = _location(site, server)
    ways = []
    for transport in transports:
        interface = server.query_interface(transport)
        if interface is not None:
            for address in addresses:
                way = Candidate(site, server, interface, address, host, path)
                ways.append(replace(way, patience_s=health.of(way).patience_s))
    # A transport that failed where another works is no first choice any more, until it answers again.
    ways.sort(key=lambda way: health.of(way).failures > 0)
    return ways


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
