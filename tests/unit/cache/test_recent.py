"""What is remembered for a short while is gone after it, whether anybody asks or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.recent import Recent
from tests.fakes import FakeClock


def test_until_its_time_is_over() -> None:
    """A value is there until then, and a newer one takes its place."""
    clock = FakeClock()
    recent: Recent[str] = Recent(10, clock)
    recent.put("a", "old", clock() + 5)
    recent.put("a", "new", clock() + 2)
    assert recent.get("a") == "new"
    assert recent.get("b") is None
    clock.advance(2)
    assert recent.get("a") is None
    assert not recent


def test_nothing_stays_that_nobody_asks_for() -> None:
    """After a flood of names that are never asked for again, the next thing to remember clears them away."""
    clock = FakeClock()
    recent: Recent[int] = Recent(10_000, clock)
    for number in range(5000):
        recent.put(f"none-{number}", number, clock() + 1)
    clock.advance(1)
    recent.put("a", 1, clock() + 1)
    assert len(recent) == 1


def test_the_oldest_make_room() -> None:
    """There is a most, whatever comes."""
    clock = FakeClock()
    recent: Recent[int] = Recent(3, clock)
    for number in range(5):
        recent.put(str(number), number, clock() + 60)
    assert [recent.get(str(number)) for number in range(5)] == [None, None, 2, 3, 4]


def test_a_clock_that_was_set_back() -> None:
    """A failure of a second does not last for the hour by which the clock was set back, nor keep others in memory."""
    clock = FakeClock()
    recent: Recent[int] = Recent(10, clock)
    recent.put("a", 1, clock() + 1)
    recent.put("b", 2, clock() + 1)
    clock.advance(-3600)
    assert recent.get("a") is None
    recent.put("c", 3, clock() + 1)
    assert recent.get("c") == 3
    assert len(recent) == 1


def test_forgotten() -> None:
    """One of them, or all."""
    clock = FakeClock()
    recent: Recent[int] = Recent(3, clock)
    for key in "abc":
        recent.put(key, 1, clock() + 60)
    recent.drop("a")
    recent.drop("x")
    assert [recent.get(key) for key in "abc"] == [None, 1, 1]
    recent.clear()
    assert not recent


_STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5), st.integers(0, 3)), max_size=40)


@given(_STEPS, st.integers(1, 4))
def test_like_a_plain_table(steps: list[tuple[str, int, int]], most: int) -> None:
    """Whatever comes in whatever order: what is found is what came last and is not over; there are never too many."""
    clock = FakeClock()
    recent: Recent[int] = Recent(most, clock)
    plain: dict[str, tuple[float, int]] = {}
    for number, (key, lives, passes) in enumerate(steps):
        recent.put(key, number, clock() + lives)
        plain[key] = clock() + lives, number
        clock.advance(passes)
        assert len(recent) <= most
        for name, (until, value) in plain.items():
            found = recent.get(name)
            assert found in (None, value)
            assert found is None or clock() < until
    if steps and clock() < plain[steps[-1][0]][0]:
        assert recent.get(steps[-1][0]) == len(steps) - 1
