"""What is counted once for each round of the event loop is what would be counted for each event."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from resolver.rounds import Rounds
from resolver.telemetry import _EXCHANGE_BUCKETS, _REQUEST_BUCKETS, Metrics


class Series:
    """One of each kind, and their samples."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counter = Counter("events", "Events.", registry=self.registry)
        self.gauge = Gauge("open", "Open.", registry=self.registry)
        self.times = Histogram("seconds", "Times.", buckets=_REQUEST_BUCKETS, registry=self.registry)
        self.other = Histogram("more_seconds", "Times.", buckets=_EXCHANGE_BUCKETS, registry=self.registry)

    @property
    def samples(self) -> dict[tuple[str, str], float]:
        return {
            (sample.name, sample.labels.get("le", "")): sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
        }

    @property
    def values(self) -> tuple[float, float]:
        return self.samples["events_total", ""], self.samples["open", ""]


@pytest.fixture
def series() -> Series:
    return Series()


def test_without_a_loop(series: Series) -> None:
    """Where no loop runs, as in a command, events count at once."""
    rounds = Rounds()
    rounds.add(series.counter)
    assert series.values == (1, 0)
    rounds.add(series.gauge, 2)
    rounds.add(series.gauge, -1)
    rounds.observe(series.times, 0.3)
    assert series.values == (1, 1)
    assert series.samples["seconds_count", ""] == 1


async def test_after_one_round(series: Series) -> None:
    """In a loop events count when its round is over, all together, and those of the next round again."""
    rounds = Rounds()
    for _ in range(3):
        rounds.add(series.counter)
    rounds.add(series.gauge)
    rounds.observe(series.times, 0.3)
    assert series.values == (0, 0)
    assert series.samples["seconds_count", ""] == 0
    await asyncio.sleep(0)
    assert series.values == (3, 1)
    assert series.samples["seconds_count", ""] == 1
    rounds.add(series.gauge, -1)
    rounds.add(series.counter)
    await asyncio.sleep(0)
    assert series.values == (4, 0)
    await asyncio.sleep(0)
    assert series.values == (4, 0)
    assert series.samples["seconds_count", ""] == 1


async def test_up_and_down_in_one_round(series: Series) -> None:
    """What begins and ends within one round leaves a gauge where it was."""
    rounds = Rounds()
    for amount in (1, 1, -1, 1, -1, -1):
        rounds.add(series.gauge, amount)
    await asyncio.sleep(0)
    assert series.values == (0, 0)


TIMES = st.one_of(
    st.floats(0, 20),
    st.sampled_from([*_REQUEST_BUCKETS, *_EXCHANGE_BUCKETS, 0.0, 1e-9, 1e9]),
)


@given(st.lists(st.lists(st.tuples(st.booleans(), TIMES), max_size=6), max_size=4))
async def test_every_time_is_in_its_bucket(seen: list[list[tuple[bool, float]]]) -> None:
    """Whatever times are observed, in whichever rounds, the histograms are those of prometheus-client itself."""
    rounds, series, reference = Rounds(), Series(), Series()
    for events in seen:
        for is_other, seconds in events:
            rounds.observe(series.other if is_other else series.times, seconds)
            (reference.other if is_other else reference.times).observe(seconds)
        await asyncio.sleep(0)
    sums = {name for name in reference.samples if name[0].endswith("_sum")}
    for name, value in reference.samples.items():
        assert series.samples[name] == (pytest.approx(value) if name in sums else value)


async def test_requests_in_flight() -> None:
    """A request counts as being answered from its beginning to its end, and its time with its outcome."""
    metrics = Metrics(CollectorRegistry(), "1.2.3")

    def sample(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(name, labels) or 0.0

    metrics.began()
    metrics.began()
    await asyncio.sleep(0)
    assert sample("resolver_in_flight") == 2
    metrics.ended()
    metrics.answered_one("redirect", "ok", 0.003)
    await asyncio.sleep(0)
    assert sample("resolver_in_flight") == 1
    assert sample("resolver_requests_total", endpoint="redirect", outcome="ok") == 1
    assert sample("resolver_request_seconds_count", endpoint="redirect") == 1
    assert sample("resolver_request_seconds_sum", endpoint="redirect") == pytest.approx(0.003)
    assert sample("resolver_request_seconds_bucket", endpoint="redirect", le="0.0025") == 0
    assert sample("resolver_request_seconds_bucket", endpoint="redirect", le="0.005") == 1
    metrics.ended()
    await asyncio.sleep(0)
    assert sample("resolver_in_flight") == 0
