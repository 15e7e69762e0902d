"""What is computed from measurements: shares of hits, needs, and the plot."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from lxml import etree

from benchmarks.capacity import RATES, Costs, plan
from benchmarks.load import Measured
from benchmarks.plot import draw
from benchmarks.zipf import Popularity, flood, simulated_hit_rate

COSTS = Costs(hit_s=1 / 60_000, shared_s=1 / 4000, cold_s=1 / 2000, answer_octets=1100)


@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("cache_size", [10, 200, 1800])
def test_ranges_of_ranks_are_as_good_as_ranks(exponent: float, cache_size: int) -> None:
    """Taking ranks together gives what taking each for itself does."""
    handles = 2000
    weights = [rank**-exponent for rank in range(1, handles + 1)]
    shares = [weight / math.fsum(weights) for weight in weights]
    low, high = 0.0, 1e8
    for _ in range(60):
        window = (low + high) / 2
        filled = math.fsum(-math.expm1(-share * window) for share in shares)
        low, high = (window, high) if filled < cache_size else (low, window)
    exact = math.fsum(share * -math.expm1(-share * window) for share in shares)
    assert Popularity(handles, exponent).hit_rate(cache_size) == pytest.approx(exact, abs=0.003)


def test_a_cache_for_everything_has_everything() -> None:
    """The share of hits grows with the cache, up to all, and shrinks with the time that entries live."""
    popularity = Popularity(10**9, 0.9)
    rates = [popularity.hit_rate(10**power) for power in range(3, 10)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(1)
    assert popularity.hit_rate(10**9, 10**6) < popularity.hit_rate(10**9, 10**8) < 1


def test_our_cache_is_no_worse_than_the_formula() -> None:
    """What capacity is planned with is on the safe side."""
    formula = Popularity(20_000, 1.0).hit_rate(1000)
    assert formula <= simulated_hit_rate(20_000, 1.0, 1000, 60_000) <= formula + 0.15


def test_a_flood_costs_the_hot_next_to_nothing() -> None:
    """Names that are each asked for once take at most a twentieth of the hits of the hot thousand, and no more room."""
    before, meanwhile, entries, octets = flood(2000, names=60_000)
    assert meanwhile >= 0.95 * before
    assert entries <= 2000
    assert octets <= 2000 * 1024


def test_needs_grow_with_the_rate() -> None:
    """More requests need more of everything, and each hundredfold not more than a hundredfold of lines."""
    needs = [plan(rate, COSTS, Popularity(10**9, 0.9)) for rate in RATES]
    for less, more in itertools.pairwise(needs):
        assert less.workers < more.workers
        assert less.shards <= more.shards
        assert more.gigabits_per_s == pytest.approx(100 * less.gigabits_per_s)
    assert all(need.memory_hits + need.redis_hits <= 1 for need in needs)


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    """It is well-formed, has a line for each subject, and says what it shows."""
    curves = {
        name: [(count, Measured(speed * count, 0.1, 0.5 * count, 0, 1)) for count in (1, 8, 64)]
        for name, speed in (("one", 1000), ("another & more", 2000))
    }
    draw(curves, tmp_path / "plot.svg")
    root = etree.parse(tmp_path / "plot.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{*}polyline")) == 4
    assert "another & more" in "".join(map(str, root.itertext()))
