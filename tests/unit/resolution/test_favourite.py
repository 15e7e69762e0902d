"""The way that is asked first, told by a look: the same that the whole plan begins with."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.model.handle import Handle
from resolver.model.site import Site, Transport
from resolver.resolution.health import HealthTable
from resolver.resolution.selection import PROBE_SHARE, favourite, plan_candidates
from resolver.resolution.steps import Candidate
from resolver.transport.endpoint import Endpoint
from tests.fakes import server_at, site_at

UDP, TCP, HTTP = Transport.UDP, Transport.TCP, Transport.HTTP
HANDLE = Handle("10.1/abc")
NOW = 1000.0
ONE, TWO, SIX = "192.0.2.1", "192.0.2.2", "2001:db8::1"


def way(address: str = ONE, transport: Transport = UDP, site: Site | None = None) -> Candidate:
    """Return a way as health knows it; of it only address, port and transport count."""
    chosen = site or site_at(address)
    return Candidate(chosen, chosen.servers[0], Endpoint(transport, ip_address(address), 2641))


SITES = st.builds(
    site_at,
    st.sampled_from([ONE, ONE, ONE, TWO, SIX, ""]),
    primary=st.booleans(),
    attributes=st.lists(
        st.sampled_from(
            [("alt_addr", TWO), ("alt_addr.1", SIX), ("domain", "server.example"), ("desc", "somewhere")]
        ),
        max_size=2,
    ),
    transports=st.one_of(
        st.just([UDP, TCP]), st.lists(st.sampled_from([UDP, TCP, HTTP]), max_size=3, unique=True)
    ),
) | st.just(site_at(ONE, TWO, SIX))

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([ONE, ONE, ONE, TWO, SIX]),
        st.sampled_from([UDP, UDP, TCP, HTTP]),
        st.one_of(st.none(), st.floats(0, 3)),
    ),
    max_size=8,
)


@settings(max_examples=200)
@given(
    st.one_of(SITES.map(lambda site: [site]), st.lists(SITES, min_size=1, max_size=2)),
    st.sampled_from(["10.1/abc", "10.1/b", "10.1/c", "10.1/d"]),
    st.one_of(st.just([UDP, TCP]), st.lists(st.sampled_from([UDP, TCP, HTTP]), max_size=3, unique=True)),
    EVENTS,
    st.floats(0, 1 - PROBE_SHARE),
)
def test_the_plan_begins_with_the_favourite(
    sites: list[Site],
    handle: str,
    transports: list[Transport],
    events: list[tuple[str, Transport, float | None]],
    draw: float,
) -> None:
    """Whatever happened to the ways of a service: a favourite, where there is one, is whom the plan would ask first."""
    health = HealthTable()
    for address, transport, elapsed_s in events:
        if elapsed_s is None:
            health.failed(way(address, transport), NOW)
        else:
            health.answered(way(address, transport), elapsed_s)
    chosen = favourite(sites, Handle(handle), transports=transports, health=health)
    if chosen is None:
        return
    planned = plan_candidates(
        sites,
        Handle(handle),
        primaries_only=False,
        transports=transports,
        health=health,
        now=NOW,
        chance=lambda: draw,
    )
    assert planned[0] == chosen
    assert health.is_well(chosen)


def chosen_of(
    *sites: Site, health: HealthTable, transports: tuple[Transport, ...] = (UDP, TCP)
) -> str | None:
    """Return the favourite as logs show it."""
    found = favourite(sites, HANDLE, transports=transports, health=health)
    return None if found is None else str(found)


@pytest.fixture
def well() -> HealthTable:
    """Both servers have answered by UDP."""
    health = HealthTable()
    for address in (ONE, TWO, SIX):
        health.answered(way(address), 0.01)
    return health


def test_one_server_that_answers(well: HealthTable) -> None:
    """The only server of the only site is the favourite once it has answered, by the transport that is preferred."""
    site = site_at(ONE)
    assert chosen_of(site, health=well) == f"udp://{ONE}:2641"
    assert chosen_of(site, health=well, transports=(TCP, UDP)) is None
    well.answered(way(ONE, TCP), 0.01)
    assert chosen_of(site, health=well, transports=(TCP, UDP)) == f"tcp://{ONE}:2641"


def test_the_one_that_keeps_the_handle(well: HealthTable) -> None:
    """Of several servers of a site only one keeps the handle."""
    site = site_at(ONE, TWO)
    found = {
        str(favourite((site,), Handle(f"10.1/{number}"), transports=(UDP,), health=well))
        for number in range(20)
    }
    assert found == {f"udp://{ONE}:2641", f"udp://{TWO}:2641"}


def test_patience_is_what_was_learned(well: HealthTable) -> None:
    """How long an answer may take follows from how long it took."""
    found = favourite((site_at(ONE),), HANDLE, transports=(UDP,), health=well)
    assert found is not None
    assert found.patience_s == well.of(found).patience_s


@pytest.mark.parametrize(
    "sites",
    [
        (),
        (site_at(ONE), site_at(TWO)),
        (site_at(""),),
        (site_at(ONE, attributes=[("alt_addr", TWO)]),),
        (site_at("", attributes=[("alt_addr", TWO)]),),
        (site_at("", attributes=[("domain", "server.example")]),),
        (site_at(ONE, transports=()),),
        (replace(site_at(ONE), servers=()),),
        (replace(site_at(ONE), servers=(server_at("192.0.2.9"),)),),
    ],
)
def test_more_to_think_about(well: HealthTable, sites: tuple[Site, ...]) -> None:
    """Several sites or addresses, none at all, or a server that was never asked: there is no favourite."""
    assert chosen_of(*sites, health=well) is None


def test_one_failure(well: HealthTable) -> None:
    """After a failure there is no favourite until it answers again."""
    well.failed(way(), NOW)
    assert chosen_of(site_at(ONE), health=well) is None
    assert not well.is_well(way())
    well.answered(way(), 0.01)
    assert chosen_of(site_at(ONE), health=well) is not None
    assert well.is_well(way())
