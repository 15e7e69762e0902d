"""In which order servers are asked, and what is learned from how they answered. Time and chance are brought along."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.model.handle import Handle
from resolver.model.site import HashOption, Interface, ServiceType, Site, Transport, responsible_server
from resolver.resolution.health import (
    FIRST_PATIENCE_S,
    LONGEST_PATIENCE_S,
    LONGEST_PAUSE_S,
    SHORTEST_PATIENCE_S,
    SPARE_S,
    HealthTable,
)
from resolver.resolution.selection import (
    EXPLORATION_S,
    MAX_CANDIDATES,
    names_needed,
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
    """Patience is the smoothed round trip time and four deviations: half of it after one answer, less after many.

    But never so little that a busy moment of ours would be taken for silence.
    """
    health = HealthTable()
    way = way_to(NEAR)
    health.answered(way, 0.1)
    assert plan((NEAR,), health)[0].patience_s == pytest.approx(0.3)
    for _ in range(50):
        health.answered(way, 0.1)
    assert plan((NEAR,), health)[0].patience_s == pytest.approx(0.1 + SPARE_S, abs=0.001)


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
            replace(
                template, endpoint=dataclasses.replace(template.endpoint, address=ip_address(number + 2**24))
            ),
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


# --- recovering, and being tried anew --------------------------------------------------------------------


PROBE = [0.0, 0.0, 0.0, 1.0]
"""What chance brings where three sites are compared and then somebody is to be tried anew."""


def dead(site: Site, *, failures: int = 1, health: HealthTable | None = None) -> HealthTable:
    """Let a site fail by UDP."""
    health = health or HealthTable()
    for _ in range(failures):
        health.failed(way_to(site), now=1000.0)
    return health


def test_ready_then_recovering_then_resting() -> None:
    """First those believed to work, then those whose pause is over, then those that failed a moment ago."""
    health = HealthTable()
    health.failed(way_to(NEAR), now=990.0)
    health.failed(way_to(MIDDLE), now=1000.0)
    assert shown(plan((NEAR, MIDDLE, FAR), health, transports=(UDP,))) == [
        "udp://192.0.2.3",
        "udp://192.0.2.1",
        "udp://192.0.2.2",
    ]


def test_family_that_leads_nowhere_comes_second() -> None:
    """Where IPv6 leads nowhere, an IPv6 address never tried comes after all IPv4; one that answered does not."""
    health = HealthTable()
    six, other_six = site_at("2001:db8::1"), site_at("2001:db8::2")
    health.answered(way_to(other_six), 0.01)
    for number in range(10, 13):
        health.failed(way_to(site_at(f"2001:db8::{number}")), now=1000.0)
    assert shown(plan((six, NEAR, other_six), health, transports=(UDP,))) == [
        "udp://192.0.2.1",
        "udp://[2001:db8::2]",
        "udp://[2001:db8::1]",
    ]


def test_probe_of_a_way_that_may_work_again() -> None:
    """Now and then a way whose pause is over is asked first, and at once beside it the one that works."""
    health = dead(NEAR)
    first, second, third = plan((NEAR, MIDDLE, FAR), health, transports=(UDP,), now=1001.0, jitter=PROBE)
    assert (str(first.endpoint), first.is_probe, first.patience_s) == ("udp://192.0.2.1:2641", True, 0.0)
    assert [(str(way), way.is_probe) for way in (second, third)] == [
        ("udp://192.0.2.2:2641", False),
        ("udp://192.0.2.3:2641", False),
    ]


def test_no_probe_of_a_way_that_rests() -> None:
    """A way that failed a moment ago is not tried anew; of those that work a slower one may be."""
    health = dead(NEAR)
    health.answered(way_to(MIDDLE), 0.01)
    health.answered(way_to(FAR), 0.5)
    first, second, third = plan((NEAR, MIDDLE, FAR), health, transports=(UDP,), jitter=PROBE)
    assert (str(first), first.is_probe) == ("udp://192.0.2.3:2641", True)
    assert [str(second), str(third)] == ["udp://192.0.2.2:2641", "udp://192.0.2.1:2641"]


def test_nobody_to_probe() -> None:
    """With one site there is nobody to try beside it, and with none that works nobody to fall back on."""
    assert not plan((NEAR,), jitter=[0.0, 1.0])[0].is_probe
    health = dead(MIDDLE, health=dead(NEAR))
    assert not any(
        way.is_probe for way in plan((NEAR, MIDDLE), health, transports=(UDP,), jitter=[0, 0, 1.0])
    )


def test_probes_are_rare() -> None:
    """One question in twenty tries somebody else."""
    health = dead(NEAR)
    probes = [
        plan((NEAR, MIDDLE), health, transports=(UDP,), now=2000.0, jitter=[0, 0, number / 1000])[0].is_probe
        for number in range(1000)
    ]
    assert 40 <= sum(probes) <= 50


def test_primary_that_answered_last_is_asked_first() -> None:
    """Of several primaries the one that answered last is asked first for an authoritative answer, though slower."""
    health = HealthTable()
    health.answered(way_to(NEAR), 0.01)
    health.answered(way_to(FAR), 0.9, authoritative_at=1000.0)
    sites = (NEAR, FAR)
    assert shown(plan(sites, health, transports=(UDP,), primaries_only=True))[0] == "udp://192.0.2.3"
    assert shown(plan(sites, health, transports=(UDP,)))[0] == "udp://192.0.2.1"
    assert (
        shown(plan(sites, health, transports=(UDP,), primaries_only=True, now=5000.0))[0] == "udp://192.0.2.1"
    )


# --- two families ----------------------------------------------------------------------------------------


DUAL = site_at("192.0.2.1", attributes=[("alt_addr", "2001:db8::1")])


def test_happy_eyeballs() -> None:
    """Of two families of which nothing is known, IPv6 is asked first and IPv4 a quarter of a second later."""
    first, second, *_ = plan((DUAL,))
    assert shown([first, second]) == ["udp://[2001:db8::1]", "udp://192.0.2.1"]
    assert (first.patience_s, second.patience_s) == (0.25, FIRST_PATIENCE_S)


def test_happy_eyeballs_between_sites() -> None:
    """The other family may be that of another site."""
    six = site_at("2001:db8::1")
    assert shown(plan((six, site_at("2001:db8::2"), NEAR), transports=(UDP,))) == [
        "udp://[2001:db8::1]",
        "udp://192.0.2.1",
        "udp://[2001:db8::2]",
    ]


def test_known_way_needs_no_second() -> None:
    """Where the first is known to answer, there is no race."""
    health = HealthTable()
    health.answered(plan((DUAL,))[0], 0.02)
    assert plan((DUAL,), health)[0].patience_s == pytest.approx(0.06)


def test_faster_family_wins() -> None:
    """Once both are known, the faster address of a server is asked first."""
    health = HealthTable()
    six, four, *_ = plan((DUAL,), transports=(UDP,))
    health.answered(six, 0.2)
    health.answered(four, 0.02)
    assert shown(plan((DUAL,), health, transports=(UDP,))) == ["udp://192.0.2.1", "udp://[2001:db8::1]"]


# --- names -----------------------------------------------------------------------------------------------


def named(name: str, *addresses: str) -> Site:
    """Return a site known by name, with the addresses that are given as well."""
    return site_at(*(addresses or ("",)), attributes=[("domain", name)])


def test_names_needed() -> None:
    """Names are needed of servers without address only, each once, and of the server responsible only."""
    sites = (NEAR, named("a.example"), named("b.example", "192.0.2.9"), named("a.example"), site_at(""))
    assert names_needed(sites, HANDLE) == ["a.example"]
    several = site_at(
        "", "", "", attributes=[(f"domain.{number}", f"{number}.example") for number in range(3)]
    )
    position = several.servers.index(responsible_server(several, HANDLE))  # type: ignore[arg-type]
    assert names_needed((several,), HANDLE) == [f"{position}.example"]


def test_addresses_of_names() -> None:
    """A server known by name is asked at every address that the name has, IPv6 first; the name goes along."""
    looked_up = {"a.example": (ip_address("192.0.2.5"), ip_address("2001:db8::5"))}
    ways = plan_candidates(
        (named("a.example"),),
        HANDLE,
        primaries_only=False,
        transports=(UDP,),
        health=HealthTable(),
        now=0.0,
        chance=lambda: 0.0,
        names=looked_up,
    )
    assert shown(ways) == ["udp://[2001:db8::5]", "udp://192.0.2.5"]
    assert {way.endpoint.host for way in ways} == {"a.example"}


def test_names_that_change() -> None:
    """What a name stood for yesterday is not asked today."""
    for text in ("192.0.2.5", "192.0.2.6"):
        (way,) = plan_candidates(
            (named("a.example"),),
            HANDLE,
            primaries_only=False,
            transports=(UDP,),
            health=HealthTable(),
            now=0.0,
            chance=lambda: 0.0,
            names={"a.example": (ip_address(text),)},
        )
        assert str(way) == f"udp://{text}:2641"


# --- what holds always -----------------------------------------------------------------------------------


addresses = st.sampled_from(
    [*(f"192.0.2.{number}" for number in range(1, 9)), "2001:db8::1", "2001:db8::2", ""]
)
some_sites = st.lists(
    st.builds(
        lambda where, primary, option, alt: site_at(
            *where, primary=primary, hash_option=option, attributes=[("alt_addr", alt)] if alt else []
        ),
        st.lists(addresses, max_size=3),
        st.booleans(),
        st.sampled_from([0, 1, 2, 77]),
        st.sampled_from(["", "2001:db8::9", "192.0.2.99", "nonsense"]),
    ),
    max_size=6,
)
histories = st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.floats(0, 2))), max_size=40)


@given(
    some_sites,
    histories,
    st.lists(st.sampled_from(Transport), unique=True, max_size=4),
    st.booleans(),
    st.lists(st.floats(0, 1), max_size=8),
    st.floats(999, 1100),
)
def test_what_holds_always(
    sites: list[Site],
    history: list[tuple[int, float | None]],
    transports: list[Transport],
    primaries_only: bool,
    jitter: list[float],
    now: float,
) -> None:
    """Whatever records say, whatever was learned and whatever chance brings, a plan keeps these rules."""
    health = HealthTable()
    everybody = plan(sites, transports=tuple(Transport))
    for number, elapsed_s in history:
        if everybody:
            way = everybody[number % len(everybody)]
            if elapsed_s is None:
                health.failed(way, 1000.0)
            else:
                health.answered(way, elapsed_s)
    handle = Handle("10.1/xyz")
    planned = plan(
        sites,
        health,
        handle=handle,
        transports=transports,
        primaries_only=primaries_only,
        now=now,
        jitter=jitter,
    )
    assert len(planned) <= MAX_CANDIDATES
    for way in planned:
        assert way.transport in transports
        assert way.site in sites
        assert way.server is responsible_server(way.site, handle)
        assert way.server.query_interface(way.transport) is not None
        assert 0 <= way.patience_s <= LONGEST_PATIENCE_S
    if primaries_only and any(site.primary for site in sites):
        assert all(way.site.primary for way in planned)
    probes = [way for way in planned if way.is_probe]
    assert planned[: len(probes)] == tuple(probes)
    assert len(probes) <= 1
    rest = [health.of(way) for way in planned if not way.is_probe]
    is_resting = [known.pause_until > now for known in rest]
    assert is_resting == sorted(is_resting)
    failed = [known.failures > 0 for known in rest if known.pause_until <= now]
    assert failed == sorted(failed) or not all(map(health.reaches, planned))
    if probes:
        assert health.of(probes[0]).pause_until <= now
        assert len(planned) > 1
