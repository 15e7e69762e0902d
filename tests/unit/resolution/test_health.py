"""What is learned of the ways to servers: estimates that follow what is measured, pauses, families, primaries."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.site import Transport
from resolver.resolution.health import (
    FAILURES_OF_FAMILY,
    FIRST_PATIENCE_S,
    FIRST_PAUSE_S,
    LONGEST_PATIENCE_S,
    LONGEST_PAUSE_S,
    SHORTEST_PATIENCE_S,
    STICKY_S,
    Health,
    HealthTable,
)
from resolver.resolution.steps import Candidate
from resolver.transport.endpoint import Endpoint
from tests.fakes import site_at

SITE = site_at("192.0.2.1")
NOW = 1000.0


def way(
    address: str | None = "192.0.2.1", *, transport: Transport = Transport.UDP, port: int = 2641
) -> Candidate:
    """Return a way to a server."""
    where = ip_address(address) if address else None
    return Candidate(SITE, SITE.servers[0], Endpoint(transport, where, port, "hdl.example.org"))


SIX, FOUR, NAMED = way("2001:db8::1"), way("192.0.2.1"), way(None)

events = st.lists(st.one_of(st.none(), st.floats(0, 10)), max_size=40)
"""What happened to one way: a failure, or an answer after so many seconds."""


def lived(history: Sequence[float | None], candidate: Candidate = FOUR) -> Health:
    """Return what is known after a history."""
    table = HealthTable()
    for elapsed_s in history:
        if elapsed_s is None:
            table.failed(candidate, NOW)
        else:
            table.answered(candidate, elapsed_s)
    return table.of(candidate)


# --- estimates -------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40))
def test_estimate_lies_between(measured: list[float]) -> None:
    """The estimate is never outside what was measured, and its deviation never larger than the spread allows."""
    health = lived(measured)
    assert health.rtt_s is not None
    assert min(measured) - 1e-9 <= health.rtt_s <= max(measured) + 1e-9
    assert 0 <= health.deviation_s <= max(measured)


@given(st.floats(0.001, 10), st.lists(st.floats(0, 10), min_size=1, max_size=10))
def test_estimate_follows(now_s: float, before: list[float]) -> None:
    """However it was before, after a while of the same the estimate is that."""
    health = lived([*before, *[now_s] * 100])
    assert health.rtt_s == pytest.approx(now_s, rel=0.01, abs=0.001)
    assert health.deviation_s == pytest.approx(0, abs=0.01)


@given(events)
def test_failures_tell_nothing_about_time(history: list[float | None]) -> None:
    """A failure changes no estimate: how long it took says nothing about how long an answer takes."""
    answers = [elapsed_s for elapsed_s in history if elapsed_s is not None]
    assert lived(history).rtt_s == lived(answers).rtt_s


@given(events)
def test_patience_is_bounded(history: list[float | None]) -> None:
    """However a way behaved, patience with it lies within its bounds; with a stranger it is the first one."""
    health = lived(history)
    assert SHORTEST_PATIENCE_S <= health.patience_s <= LONGEST_PATIENCE_S
    if health.rtt_s is None:
        assert health.patience_s == FIRST_PATIENCE_S


@given(events)
def test_pauses(history: list[float | None]) -> None:
    """The pause doubles with each failure since the last answer, up to the longest; an answer ends it."""
    in_a_row = 0
    for elapsed_s in reversed(history):
        if elapsed_s is not None:
            break
        in_a_row += 1
    health = lived(history)
    expected = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (in_a_row - 1)) if in_a_row else 0.0
    assert (health.failures, health.pause_until) == (in_a_row, NOW + expected if in_a_row else 0.0)


def test_many_failures() -> None:
    """A server that is dead for ever costs no large numbers."""
    assert lived([None] * 5000).pause_until == NOW + LONGEST_PAUSE_S


# --- strangers -------------------------------------------------------------------------------------------


@given(events)
def test_stranger_stays_one(history: list[float | None]) -> None:
    """Whatever is learned of one way, nothing is known of another."""
    table = HealthTable()
    for elapsed_s in history:
        if elapsed_s is None:
            table.failed(FOUR, NOW)
        else:
            table.answered(FOUR, elapsed_s, authoritative_at=NOW)
    for other in (SIX, NAMED, way(port=2642), way(transport=Transport.TCP)):
        assert table.of(other) == Health()
    assert len(table) == bool(history)


# --- families --------------------------------------------------------------------------------------------


def test_family_that_leads_nowhere() -> None:
    """Failures in a row of different servers of one family, without any answer, tell about the family."""
    table = HealthTable()
    for number in range(FAILURES_OF_FAMILY):
        assert table.reaches(SIX)
        table.failed(way(f"2001:db8::{number}"), NOW)
    assert not table.reaches(SIX)
    assert table.reaches(FOUR)
    assert table.reaches(NAMED)


def test_family_that_works() -> None:
    """One answer of anybody of the family, and it is reachable."""
    table = HealthTable()
    for number in range(10):
        table.failed(way(f"192.0.2.{number}"), NOW)
    assert not table.reaches(FOUR)
    table.answered(way("192.0.2.77", transport=Transport.TCP), 0.1)
    assert table.reaches(FOUR)


def test_names_have_no_family() -> None:
    """A server known by name only tells nothing about a family."""
    table = HealthTable()
    for _ in range(10):
        table.failed(NAMED, NOW)
    assert table.reaches(FOUR)
    assert table.reaches(SIX)


# --- primaries -------------------------------------------------------------------------------------------


def test_primary_that_answered_last() -> None:
    """A primary that gave an authoritative answer is asked first, for an hour, until it fails."""
    table = HealthTable()
    assert not table.is_sticky(FOUR, NOW)
    table.answered(FOUR, 0.1)
    assert not table.is_sticky(FOUR, NOW)
    table.answered(FOUR, 0.1, authoritative_at=NOW)
    assert table.is_sticky(FOUR, NOW + STICKY_S - 1)
    assert not table.is_sticky(FOUR, NOW + STICKY_S)
    table.answered(FOUR, 0.1)
    assert table.is_sticky(FOUR, NOW)
    table.failed(FOUR, NOW)
    assert not table.is_sticky(FOUR, NOW)


# --- bounds ----------------------------------------------------------------------------------------------


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=60))
def test_bound(limit: int, story: list[tuple[bool, int]]) -> None:
    """The table never holds more ways than allowed, and those it holds are the ones heard of last."""
    table = HealthTable(limit)
    heard_of: list[int] = []
    for failed, number in story:
        candidate = way(f"192.0.2.{number}")
        if failed:
            table.failed(candidate, NOW)
        else:
            table.answered(candidate, 0.1)
        heard_of = [*(other for other in heard_of if other != number), number][-limit:]
        assert len(table) == len(heard_of)
    known = {number for number in range(1, 13) if table.of(way(f"192.0.2.{number}")) != Health()}
    assert known == set(heard_of)
