"""What went wrong is remembered for its time, and no longer."""

from __future__ import annotations

import pytest

from resolver.errors import LookupTimeoutError
from resolver.resolution.setbacks import (
    AILING_S,
    CROWDED_S,
    ONE_MORE_S,
    PROBE_PAUSE_S,
    SHORTEST_FAILURE_S,
    Setbacks,
)
from tests.fakes import FakeClock

KEY, OTHER, PREFIX = "10.1/a", "10.1/b", "0.NA/10.1"
ERROR = LookupTimeoutError("8 s")


@pytest.fixture
def clock() -> FakeClock:
    """The time."""
    return FakeClock()


@pytest.fixture
def setbacks(clock: FakeClock) -> Setbacks:
    """Nothing has gone wrong yet."""
    return Setbacks(1.0, clock)


def test_failure(setbacks: Setbacks, clock: FakeClock) -> None:
    """A failure counts from when the lookup began, for its key alone."""
    until = setbacks.fail(KEY, ERROR, clock())
    assert until == clock() + 1
    assert str(setbacks.failure(KEY)) == "8 s"
    assert setbacks.failure_until(KEY) == until
    assert setbacks.failure(OTHER) is None
    clock.advance(1)
    assert setbacks.failure(KEY) is None


def test_nothing_stays_of_an_outage(setbacks: Setbacks, clock: FakeClock) -> None:
    """Names that were asked for while all failed, and never again, take no memory once something else fails."""
    for number in range(3000):
        setbacks.fail(f"10.1/none-{number}", ERROR, clock())
        setbacks.ail(f"10.1/none-{number}")
    clock.advance(AILING_S)
    setbacks.fail(KEY, ERROR, clock())
    setbacks.ail(KEY)
    assert (len(setbacks._failures), len(setbacks._ailing)) == (1, 1)


def test_failure_that_took_long(setbacks: Setbacks, clock: FakeClock) -> None:
    """Where the lookup itself took longer than that, the failure still counts for a moment."""
    setbacks.fail(KEY, ERROR, clock() - 8)
    clock.advance(SHORTEST_FAILURE_S - 0.01)
    assert setbacks.failure(KEY) is not None
    clock.advance(0.01)
    assert setbacks.failure(KEY) is None


def test_ailing(setbacks: Setbacks, clock: FakeClock) -> None:
    """A refresh that failed counts for half a minute."""
    setbacks.ail(KEY)
    clock.advance(AILING_S - 0.01)
    assert setbacks.is_ailing(KEY)
    assert not setbacks.is_ailing(OTHER)
    clock.advance(0.01)
    assert not setbacks.is_ailing(KEY)


def test_probes(setbacks: Setbacks, clock: FakeClock) -> None:
    """Meanwhile one visitor a second is told to try again, however many come."""
    setbacks.ail(KEY)
    assert not setbacks.may_probe(KEY)
    for _ in range(3):
        clock.advance(PROBE_PAUSE_S)
        assert [setbacks.may_probe(KEY) for _ in range(5)] == [True, False, False, False, False]
    assert not setbacks.may_probe(OTHER)


def test_crowded(setbacks: Setbacks, clock: FakeClock) -> None:
    """A crowded prefix has room for as many lookups as went well, and from time to time for one more."""
    assert not setbacks.is_any_crowded
    setbacks.crowd(KEY, 5)
    assert setbacks.is_any_crowded
    assert [setbacks.is_crowded(KEY, under_way) for under_way in (0, 4, 5, 6)] == [False, False, True, True]
    assert not setbacks.is_crowded(OTHER, 100)
    clock.advance(2.5 * ONE_MORE_S)
    assert [setbacks.is_crowded(KEY, under_way) for under_way in (6, 7)] == [False, True]
    setbacks.crowd(KEY, 6)
    assert [setbacks.is_crowded(KEY, under_way) for under_way in (5, 6)] == [False, True]
    clock.advance(CROWDED_S)
    assert not setbacks.is_any_crowded
    assert not setbacks.is_crowded(KEY, 100)


def test_no_room_at_all(setbacks: Setbacks) -> None:
    """However crowded it is, one lookup may go and see."""
    setbacks.crowd(KEY, 0)
    assert [setbacks.is_crowded(KEY, under_way) for under_way in (0, 1)] == [False, True]


def test_clear(setbacks: Setbacks, clock: FakeClock) -> None:
    """After a lookup that went well nothing is held against its key."""
    setbacks.fail(KEY, ERROR, clock())
    setbacks.ail(KEY, PREFIX)
    setbacks.ail(OTHER)
    setbacks.clear(KEY, PREFIX)
    assert setbacks.failure(KEY) is None
    assert not setbacks.is_ailing(KEY)
    assert not setbacks.is_ailing(PREFIX)
    assert setbacks.is_ailing(OTHER)


def test_clock_set_back(setbacks: Setbacks, clock: FakeClock) -> None:
    """A clock that is set back a day does not make anything count for a day."""
    setbacks.ail(KEY)
    setbacks.crowd(KEY, 1)
    clock.advance(-86_400)
    assert not setbacks.is_ailing(KEY)
    assert not setbacks.is_crowded(KEY, 9)
