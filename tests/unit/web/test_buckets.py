"""Token buckets: what a client may spend, and how two processes add up what they saw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.web.buckets import Allowance, Buckets
from tests.fakes import FakeClock

ME, OTHER = "192.0.2.1", "192.0.2.2"


def made(per_s: float = 2.0, burst: float = 10.0, **options: int) -> tuple[Buckets, FakeClock]:
    """Return buckets and the clock they look at."""
    clock = FakeClock()
    return Buckets(Allowance(per_s, burst), clock, **options), clock


def spend_all(buckets: Buckets, client: str = ME, cost: float = 1.0) -> int:
    """Spend until there is nothing left; return how often that went well."""
    times = 0
    while not buckets.spend(client, cost).retry_after_s:
        times += 1
    return times


def test_a_new_client_may_spend_a_whole_bucket() -> None:
    """Who has not been here before finds a full bucket, and not more."""
    buckets, _ = made()
    assert spend_all(buckets) == 10


def test_time_fills_it_again() -> None:
    """What comes back each second can be spent, and never more than the bucket holds."""
    buckets, clock = made()
    spend_all(buckets)
    clock.advance(1)
    assert spend_all(buckets) == 2
    clock.advance(1000)
    assert spend_all(buckets) == 10


def test_a_refusal_costs_nothing_and_says_when_to_come_back() -> None:
    """However often somebody is refused, it is not later for that; at the moment named, the price can be paid."""
    buckets, clock = made()
    spend_all(buckets)
    for _ in range(100):
        assert buckets.spend(ME, 3).retry_after_s == pytest.approx(1.5)
    clock.advance(1.49)
    assert buckets.spend(ME, 3).retry_after_s
    clock.advance(0.02)
    assert not buckets.spend(ME, 3).retry_after_s


def test_each_client_has_its_own() -> None:
    """What one spends is not another's."""
    buckets, _ = made()
    spend_all(buckets)
    assert buckets.look(OTHER).left == 10
    assert spend_all(buckets, OTHER) == 10


def test_a_price_above_the_bucket_takes_all_of_it() -> None:
    """What costs more than there can ever be is had for a full bucket."""
    buckets, clock = made()
    assert not buckets.spend(ME, 50).retry_after_s
    assert buckets.spend(ME, 1).retry_after_s == pytest.approx(0.5)
    clock.advance(4.9)
    assert buckets.spend(ME, 50).retry_after_s
    clock.advance(0.1)
    assert not buckets.spend(ME, 50).retry_after_s


def test_what_is_left() -> None:
    """A look tells what is left and when it is full, and changes nothing."""
    buckets, clock = made()
    buckets.spend(ME, 4)
    state = buckets.look(ME)
    assert (state.left, state.full_in_s) == (6, 2)
    clock.advance(1)
    assert (buckets.look(ME).left, buckets.look(ME).full_in_s) == (8, 1)


def test_rare_clients_are_forgotten_first() -> None:
    """A flood of clients who come once does not make room for one that is over its limit."""
    buckets, _ = made(max_clients=100)
    for _ in range(4):
        spend_all(buckets)
    for number in range(10_000):
        buckets.spend(f"2001:db8::{number:x}", 1)
    assert buckets.spend(ME, 1).retry_after_s


@given(st.lists(st.tuples(st.floats(0.01, 20), st.floats(0, 3)), max_size=60))
def test_never_more_than_the_allowance(steps: list[tuple[float, float]]) -> None:
    """Whatever is asked for and when: what is spent is at most the burst and what came back meanwhile."""
    buckets, clock = made()
    spent = passed = 0.0
    for cost, pause_s in steps:
        if not buckets.spend(ME, cost).retry_after_s:
            spent += min(cost, 10.0)
        assert spent <= 10 + 2 * passed + 1e-6
        clock.advance(pause_s)
        passed += pause_s


# --- adding up -------------------------------------------------------------------------------------------


def test_nothing_is_noted_where_nobody_asks() -> None:
    """Without others there is nothing to tell them."""
    buckets, _ = made()
    buckets.spend(ME, 1)
    assert buckets.take_untold() == {}


def test_what_was_spent_is_told_once() -> None:
    """Spending is told in the seconds it takes to come back, each time what is new; refusals are not."""
    buckets, _ = made()
    buckets.tells = True
    buckets.spend(ME, 4)
    buckets.spend(ME, 2)
    buckets.spend(ME, 100)
    assert buckets.take_untold() == {ME: pytest.approx(3.0)}
    assert buckets.take_untold() == {}


def test_what_others_took_counts_here() -> None:
    """A bucket that others have emptied is empty here too, with what was spent here since on top."""
    buckets, _ = made()
    buckets.tells = True
    buckets.spend(ME, 2)
    buckets.take_untold()
    buckets.spend(ME, 1)
    buckets.adopt(ME, 4.0)
    assert buckets.look(ME).full_in_s == pytest.approx(4.5)
    assert spend_all(buckets) == 1


def test_others_who_know_less_change_nothing() -> None:
    """A Redis that has forgotten, or a client that is not known here, gives nobody more or less."""
    buckets, _ = made()
    spend_all(buckets)
    buckets.adopt(ME, 0.0)
    buckets.adopt(OTHER, 5.0)
    assert buckets.spend(ME, 1).retry_after_s
    assert buckets.look(OTHER).left == 10
