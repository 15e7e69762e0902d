"""The circuit breaker, with the time brought along."""

from __future__ import annotations

from resolver.cache.breaker import FAILURES_TO_OPEN, OPEN_S, WINDOW_S, Breaker


def opened(at: float = 100.0) -> Breaker:
    """Return a breaker that opened at ``at``."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(at)
    return breaker


def test_closed_at_first() -> None:
    """A new breaker lets everybody try."""
    breaker = Breaker()
    assert breaker.allows(0.0)
    assert not breaker.is_open


def test_some_failures_are_borne() -> None:
    """One failure less than the limit changes nothing."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(100.0)
    assert breaker.allows(100.0)


def test_opens_after_enough_failures() -> None:
    """Enough failures within the window send callers away at once."""
    breaker = opened()
    assert breaker.is_open
    assert not breaker.allows(100.0)
    assert not breaker.allows(100.0 + OPEN_S - 0.001)


def test_old_failures_do_not_count() -> None:
    """Failures further apart than the window never open it."""
    breaker = Breaker()
    for number in range(10 * FAILURES_TO_OPEN):
        breaker.failed(100.0 + number * WINDOW_S)
        assert not breaker.is_open


def test_a_success_clears_the_count() -> None:
    """Failures before a success are forgotten."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(100.0)
    breaker.succeeded()
    breaker.failed(100.0)
    assert not breaker.is_open


def test_one_probe() -> None:
    """Once the pause is over a single caller may try, and the others wait for what it finds."""
    breaker = opened()
    assert [breaker.allows(100.0 + OPEN_S) for _ in range(5)] == [True, False, False, False, False]
    assert breaker.is_open


def test_probe_that_succeeds() -> None:
    """A probe that went well lets everybody in again."""
    breaker = opened()
    assert breaker.allows(100.0 + OPEN_S)
    breaker.succeeded()
    assert not breaker.is_open
    assert all(breaker.allows(100.0 + OPEN_S) for _ in range(3))


def test_probe_that_fails() -> None:
    """A probe that failed means another whole pause, counted from then."""
    breaker = opened()
    assert breaker.allows(105.0)
    breaker.failed(105.0)
    assert not breaker.allows(105.0 + OPEN_S - 0.001)
    assert breaker.allows(105.0 + OPEN_S)


def test_probe_that_was_cancelled() -> None:
    """A probe that was cancelled tells nothing: the next caller probes instead."""
    breaker = opened()
    assert breaker.allows(105.0)
    breaker.abandoned()
    assert breaker.is_open
    assert breaker.allows(105.0)
    assert not breaker.allows(105.0)


def test_late_failures_do_not_lengthen_the_pause() -> None:
    """Failures of tries that began before it opened, fewer than the limit, leave the pause as it is."""
    breaker = opened()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(100.0 + OPEN_S / 2)
    assert breaker.allows(100.0 + OPEN_S)
