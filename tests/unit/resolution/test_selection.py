"""In which order servers are asked, and what is learned from how they answered. Time and chance are brought along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.handle import Handle
from resolver.model.site import HashOption, Interface, ServiceType, Site, Transport, responsible_server
from resolver.resolution.health import (
    FIRST_PATIENCE_S,
    LONGEST_PATIENCE_S,
    LONGEST_PAUSE_S,
    SHORTEST_PATIENCE_S,
    HealthTable,
)
from resolver.resolution.selection import (
    EXPLORATION_S,
    MAX_CANDIDATES,
    plan_candidates,
)
from resolver.resolution.steps import Candidate
from tests.fakes import QUERY, server_at, site_at

HANDLE = Handle("10.1/abc")
UDP, TCP = Transport.UDP, Transport.TCP
NEAR, MIDDLE, FAR = site_at("192.0.2.1"), site_at("192.0.2.2", primary=False), site_at("192.0.2.3")


def plan(
    sites: Sequence[Site],
    health: HealthTable | None = None,
    *,
    handle: Handle = HANDLE,
    transports: Sequence[Transport] = (UDP, TCP),
    primaries_only: bool = False,
    now: float = 1000.0,
    jitter: Sequence[float] = (),
) -> tuple[Candidate, ...]:
    """Plan without chance, unless ``jitter`` says what it brings for each site."""
    chance = iter(jitter)
    return plan_candidates(
        sites,
        handle,
        primaries_only=primaries_only,
        transports=transports,
        health=health or HealthTable(),
        now=now,
        chance=lambda: next(chance, 0.0),
    )


def shown(candidates: Sequence[Candidate]) -> list[str]:
    """Return the candidates as logs show them, without the port."""
    return [str(candidate).removesuffix(":2641") for candidate in candidates]


def way_to(site: Site, transport: Transport = UDP) -> Candidate:
    """Return the way to the only server of a site."""
    return next(candidate for candidate in plan((site,)) if candidate.transport is transport)


# --- order -----------------------------------------------------------------------------------------------


def test_nothing_known_yet() -> None:
    """At first sites come in the order of the record, all by the preferred transport before any by the next."""
    assert shown(plan((NEAR, MIDDLE))) == [
        "udp://192.0.2.1",
        "udp://192.0.2.2",
        "tcp://192.0.2.1",
        "tcp://192.0.2.2",
    ]


@pytest.mark.parametrize(
    ("transports", "expected"),
    [
        ((UDP, TCP), ["udp://192.0.2.1", "tcp://192.0.2.1"]),
        ((TCP, UDP), ["tcp://192.0.2.1", "udp://192.0.2.1"]),
        ((TCP,), ["tcp://192.0.2.1"]),
        ((Transport.HTTPS,), []),
    ],
)
def test_transports_of_the_operator(transports: tuple[Transport, ...], expected: list[str]) -> None:
    """Transports come in the operator's order, and others are not used."""
    assert shown(plan((NEAR,), transports=transports)) == expected


def test_interfaces_that_answer_queries() -> None:
    """Of each transport the first interface that takes queries is used, and none that is out of service."""
    interfaces = (
        Interface(0, UDP, 1),
        Interface(ServiceType.ADMIN, UDP, 2),
        Interface(QUERY, UDP, 3),
        Interface(QUERY, UDP, 4),
        Interface(ServiceType.ADMIN, TCP, 5),
        Interface(QUERY, 99, 6),
    )
    site = replace(NEAR, servers=(replace(NEAR.servers[0], interfaces=interfaces),))
    assert [str(candidate) for candidate in plan((site,))] == ["udp://192.0.2.1:3"]


def test_fast_site_first() -> None:
    """Sites come in the order of their round trip times."""
    health = HealthTable()
    for site, rtt_s in ((NEAR, 0.3), (MIDDLE, 0.02), (FAR, 0.1)):
        health.answered(way_to(site), rtt_s)
    fastest_first = ["udp://192.0.2.2", "udp://192.0.2.3", "udp://192.0.2.1"]
    assert shown(plan((NEAR, MIDDLE, FAR), health, transports=(UDP,))) == fastest_first


def test_fast_site_first_though_it_never_needed_the_other_transport() -> None:
    """A site known by one transport is known: that nobody tried the other does not make it a stranger."""
    health = HealthTable()
    for site, rtt_s in ((NEAR, 0.3), (MIDDLE, 0.02), (FAR, 0.1)):
        health.answered(way_to(site), rtt_s)
    fastest_first = ["udp://192.0.2.2", "udp://192.0.2.3", "udp://192.0.2.1"]
    assert shown(plan((NEAR, MIDDLE, FAR), health, transports=(UDP, TCP)))[:3] == fastest_first


def test_unknown_site_gets_its_chance() -> None:
    """A site never asked counts as fast."""
    health = HealthTable()
    health.answered(way_to(NEAR), 0.001)
    assert shown(plan((NEAR, MIDDLE), health, transports=(UDP,)))[0] == "udp://192.0.2.2"


def test_round_trip_times_are_smoothed() -> None:
    """Round trip time and deviation follow what is measured by an eighth and a quarter (RFC 6298 section 2)."""
    health = HealthTable()
    way = way_to(NEAR)
    seen = []
    for rtt_s in (0.1, 0.2, 0.1, 0.1):
        health.answered(way, rtt_s)
        seen.append((health.of(way).rtt_s, health.of(way).deviation_s))
    assert [pytest.approx(pair, abs=1e-6) for pair in seen] == [
        (0.1, 0.05),
        (0.1125, 0.0625),
        (0.1109375, 0.05),
        (0.1095703, 0.0402344),
    ]


def test_chance_lets_slower_sites_be_asked() -> None:
    """Chance may put a slower site first, if it is not slower by more than the exploration time."""
    health = HealthTable()
    health.answered(way_to(NEAR), 0.01)
    health.answered(way_to(MIDDLE), 0.01 + 0.9 * EXPLORATION_S)
    assert shown(plan((NEAR, MIDDLE), health, transports=(UDP,), jitter=(0.0, 0.0)))[0] == "udp://192.0.2.1"
    assert shown(plan((NEAR, MIDDLE), health, transports=(UDP,), jitter=(1.0, 0.0)))[0] == "udp://192.0.2.2"
    health.answered(way_to(FAR), 0.01 + 1.1 * EXPLORATION_S)
    assert shown(plan((NEAR, FAR), health, transports=(UDP,), jitter=(1.0, 0.0)))[0] == "udp://192.0.2.1"


def test_primaries_only() -> None:
    """Who wants the primary's word is not sent to mirrors, unless there is nobody else."""
    assert shown(plan((MIDDLE, NEAR, FAR), transports=(UDP,), primaries_only=True)) == [
        "udp://192.0.2.1",
        "udp://192.0.2.3",
    ]
    assert shown(plan((MIDDLE,), transports=(UDP,), primaries_only=True)) == ["udp://192.0.2.2"]


def test_many_candidates() -> None:
    """A service that lists hundreds of servers is asked so many times and no more, the best first."""
    sites = [site_at(f"198.51.100.{number}") for number in range(1, 200)]
    health = HealthTable()
    for number, site in enumerate(sites):
        health.answered(way_to(site), 1.0 - number / 1000)
    candidates = plan(sites, health, transports=(UDP,))
    assert len(candidates) == MAX_CANDIDATES
    assert shown(candidates)[0] == "udp://198.51.100.199"


# --- ways that fail --------------------------------------------------------------------------------------


def test_failed_way_is_last() -> None:
    """A way that just failed comes after everything else."""
    health = HealthTable()
    health.failed(way_to(NEAR), now=1000.0)
    assert shown(plan((NEAR, MIDDLE), health)) == [
        "tcp://192.0.2.1",
        "udp://192.0.2.2",
        "tcp://192.0.2.2",
        "udp://192.0.2.1",
    ]


def test_failed_way_is_all_there_is() -> None:
    """Where nothing else is left, ways that failed are tried all the same, the longest rested first."""
    health = HealthTable()
    health.failed(way_to(NEAR, TCP), now=999.5)
    health.failed(way_to(NEAR, UDP), now=999.9)
    assert shown(plan((NEAR,), health)) == ["tcp://192.0.2.1", "udp://192.0.2.1"]


def test_after_the_pause() -> None:
    """Once its pause is over, a way is tried again, yet after all that are believed to work."""
    health = HealthTable()
    health.failed(way_to(NEAR), now=1000.0)
    assert shown(plan((NEAR, MIDDLE), health, now=1001.0)) == [
        "tcp://192.0.2.1",
        "udp://192.0.2.2",
        "tcp://192.0.2.2",
        "udp://192.0.2.1",
    ]


def test_pause_doubles() -> None:
    """The pause doubles with every failure in a row, up to a minute."""
    health = HealthTable()
    way = way_to(NEAR)
    pauses = []
    for _ in range(20):
        health.failed(way, now=1000.0)
        pauses.append(health.of(way).pause_until - 1000.0)
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {LONGEST_PAUSE_S}


def test_answer_ends_the_pause() -> None:
    """One answer makes a way as good as it was, and the next failure costs the first pause."""
    health = HealthTable()
    way = way_to(NEAR)
    for _ in range(5):
        health.failed(way, now=1000.0)
    health.answered(way, 0.05)
    assert shown(plan((NEAR,), health))[0] == "udp://192.0.2.1"
    assert health.of(way).pause_until == 0
    health.failed(way, now=1000.0)
    assert health.of(way).pause_until == 1001.0


def test_ports_and_transports_are_ways_of_their_own() -> None:
    """That one port or transport fails tells nothing about the others of the same address."""
    health = HealthTable()
    health.failed(way_to(NEAR), now=1000.0)
    assert health.of(way_to(NEAR, TCP)).failures == 0
    assert health.of(way_to(site_at("192.0.2.1", port=2642))).failures == 0


def test_ways_are_shared_between_sites() -> None:
    """What is learned of a server counts for every site that names it."""
    health = HealthTable()
    health.failed(way_to(NEAR), now=1000.0)
    assert health.of(way_to(site_at("192.0.2.1", serial_number=9))).failures == 1


# --- patience --------------------------------------------------------------------------------------------


def test_patience_with_a_stranger() -> None:
    """Of a way never tried nothing is known, so it gets the usual patience."""
    assert plan((NEAR,))[0].patience_s == FIRST_PATIENCE_S


def test_patience_follows_the_round_trip_time() -> None:
    """Patience is the smoothed round trip time and four deviations: half of it after one answer, less after many."""
    health = HealthTable()
    way = way_to(NEAR)
    health.answered(way, 0.1)
    assert plan((NEAR,), health)[0].patience_s == pytest.approx(0.3)
    for _ in range(50):
        health.answered(way, 0.1)
    assert plan((NEAR,), health)[0].patience_s == pytest.approx(0.1, abs=0.001)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_patience_has_bounds(round_trips_s: list[float]) -> None:
    """However fast or slow a server was, patience stays within its bounds."""
    health = HealthTable()
    for rtt_s in round_trips_s:
        health.answered(way_to(NEAR), rtt_s)
    assert SHORTEST_PATIENCE_S <= health.of(way_to(NEAR)).patience_s <= LONGEST_PATIENCE_S


def test_smoothing() -> None:
    """One slow answer does not make a fast server a slow one."""
    health = HealthTable()
    for _ in range(20):
        health.answered(way_to(NEAR), 0.02)
    health.answered(way_to(NEAR), 0.5)
    health.answered(way_to(MIDDLE), 0.2)
    assert shown(plan((MIDDLE, NEAR), health, transports=(UDP,)))[0] == "udp://192.0.2.1"


# --- which server of a site, and where it is -------------------------------------------------------------


@pytest.mark.parametrize("option", HashOption)
def test_server_by_hash(option: HashOption) -> None:
    """Of several servers the one that keeps the handle is asked, and no other."""
    site = site_at("192.0.2.1", "192.0.2.2", "192.0.2.3", hash_option=option)
    for number in range(20):
        handle = Handle(f"10.{number}/{number}")
        server = responsible_server(site, handle)
        assert [candidate.server for candidate in plan((site,), handle=handle)] == [server] * 2


@pytest.mark.parametrize("site", [site_at(), site_at("192.0.2.1", "192.0.2.2", hash_option=77)])
def test_site_that_cannot_tell(site: Site) -> None:
    """A site without servers, or with a hash option from the future, is left out."""
    assert shown(plan((site, NEAR), transports=(UDP,))) == ["udp://192.0.2.1"]


def test_alternative_address() -> None:
    """``alt_addr`` adds another way to the only server of a site; IPv6 comes first."""
    site = site_at("192.0.2.1", attributes=[("alt_addr", " 2001:db8::1 "), ("desc", "x")])
    assert shown(plan((site,), transports=(UDP,))) == ["udp://[2001:db8::1]", "udp://192.0.2.1"]


def test_alternative_address_by_id() -> None:
    """``alt_addr.<id>`` belongs to the server with that id; ``alt_addr`` alone means nothing among several."""
    site = site_at(
        "192.0.2.1",
        "192.0.2.2",
        attributes=[("alt_addr", "192.0.2.9"), ("alt_addr.2", "192.0.2.12"), ("alt_addr.7", "192.0.2.17")],
    )
    found: set[str] = set()
    for number in range(20):
        found |= set(shown(plan((site,), handle=Handle(f"10.1/{number}"), transports=(UDP,))))
    assert found == {"udp://192.0.2.1", "udp://192.0.2.2", "udp://192.0.2.12"}


@pytest.mark.parametrize(
    "text",
    ["", "example.org", "192.0.2.1:80", "192.0.2.256", "2001:db8::1%1", "2001:db8::1%\0", "1", "::1/64"],
)
def test_alternative_address_that_is_none(text: str) -> None:
    """Names, ports, zones and nonsense in ``alt_addr`` are ignored: nothing but an address goes to a socket."""
    assert shown(plan((site_at("192.0.2.1", attributes=[("alt_addr", text)]),), transports=(UDP,))) == [
        "udp://192.0.2.1"
    ]


def test_server_without_address() -> None:
    """Where a record gives no address, the ``domain`` attribute tells the host."""
    (candidate,) = plan((site_at("", attributes=[("domain", "hdl.example.org")]),), transports=(UDP,))
    assert (candidate.endpoint.address, candidate.endpoint.host) == (None, "hdl.example.org")
    assert str(candidate) == "udp://hdl.example.org:2641"


def test_domain_and_path_by_position() -> None:
    """``domain.<n>`` and ``path.<n>`` hold for the server at that position, counted from 0, and win."""
    site = site_at(
        "192.0.2.1",
        "192.0.2.2",
        attributes=[
            ("domain", "all.example.org"),
            ("path", "/all"),
            ("domain.1", "second.example.org"),
            ("path.1", "/second"),
            ("domain.2", "nobody.example.org"),
        ],
    )
    found = set()
    for number in range(20):
        candidate = plan((site,), handle=Handle(f"10.1/{number}"))[0]
        found.add((str(candidate.endpoint.address), candidate.endpoint.host, candidate.endpoint.path))
    assert found == {
        ("192.0.2.1", "all.example.org", "/all"),
        ("192.0.2.2", "second.example.org", "/second"),
    }


def test_neither_domain_nor_path() -> None:
    """Without these attributes there is no host and no path."""
    (candidate,) = plan((NEAR,), transports=(UDP,))
    assert (candidate.endpoint.host, candidate.endpoint.path) == (None, "")


# --- what is remembered ----------------------------------------------------------------------------------


def test_looking_is_not_remembering() -> None:
    """Asking for the health of a way never tried, or planning with it, takes no room."""
    health = HealthTable()
    plan((NEAR, MIDDLE, FAR), health)
    assert len(health) == 0


def test_bound() -> None:
    """Only so many ways are remembered; the one not heard of for longest is forgotten first."""
    health = HealthTable(max_ways=3)
    ways = [way_to(site_at(f"192.0.2.{number}")) for number in range(1, 6)]
    for way in ways[:3]:
        health.answered(way, 0.1)
    health.failed(ways[0], now=0.0)
    for way in ways[3:]:
        health.answered(way, 0.1)
    assert len(health) == 3
    assert [health.of(way).rtt_s is not None for way in ways] == [True, False, False, True, True]


def test_flood_of_addresses() -> None:
    """A flood of hostile addresses keeps within the bound."""
    health = HealthTable(max_ways=100)
    template = way_to(NEAR)
    for number in range(10_000):
        health.failed(
            replace(template, endpoint=replace(template.endpoint, address=ip_address(number + 2**24))),
            now=float(number),
        )
    assert len(health) == 100


def test_hosts_are_ways_too() -> None:
    """Servers known by name only are told apart by it."""
    health = HealthTable()
    first, second = (
        plan((site_at("", attributes=[("domain", name)]),))[0] for name in ("a.example.org", "b.example.org")
    )
    health.failed(first, now=1000.0)
    assert (health.of(first).failures, health.of(second).failures) == (1, 0)


def test_server_id_is_not_its_position() -> None:
    """Servers are told apart by where they stand in the record, not by their ids."""
    servers = (server_at("192.0.2.1", server_id=7), server_at("192.0.2.2", server_id=3))
    site = replace(
        NEAR, servers=servers, attributes=(("alt_addr.3", "192.0.2.22"), ("domain.0", "first.example"))
    )
    found = set()
    for number in range(20):
        for candidate in plan((site,), handle=Handle(f"10.1/{number}"), transports=(UDP,)):
            found.add((str(candidate.endpoint.address), candidate.endpoint.host))
    assert found == {("192.0.2.1", "first.example"), ("192.0.2.2", None), ("192.0.2.22", None)}
