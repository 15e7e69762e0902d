"""What is counted now and then is what would be counted at each event."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from resolver.ledger import DELAY_S, Ledger
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
    ledger = Ledger()
    ledger.add(series.counter)
    assert series.values == (1, 0)
    ledger.add(series.gauge, 2)
    ledger.add(series.gauge, -1)
    ledger.observe(series.times, 0.3)
    assert series.values == (1, 1)
    assert series.samples["seconds_count", ""] == 1


async def test_after_a_moment(series: Series) -> None:
    """In a loop events count a moment later, all together, and those that come then a moment after that."""
    ledger = Ledger()
    for _ in range(3):
        ledger.add(series.counter)
    ledger.add(series.gauge)
    ledger.observe(series.times, 0.3)
    assert series.values == (0, 0)
    assert series.samples["seconds_count", ""] == 0
    await asyncio.sleep(2 * DELAY_S)
    assert series.values == (3, 1)
    assert series.samples["seconds_count", ""] == 1
    ledger.add(series.gauge, -1)
    ledger.add(series.counter)
    await asyncio.sleep(2 * DELAY_S)
    assert series.values == (4, 0)
    await asyncio.sleep(2 * DELAY_S)
    assert series.values == (4, 0)
    assert series.samples["seconds_count", ""] == 1


async def test_who_asks_sees_everything() -> None:
    """Whoever collects the series finds them up to date, and nothing counts twice after that."""
    registry, ledger = CollectorRegistry(), Ledger()
    registry.register(ledger)
    counter = Counter("events", "Events.", registry=registry)
    ledger.add(counter, 2)
    assert registry.get_sample_value("events_total") == 2
    ledger.add(counter)
    assert registry.get_sample_value("events_total") == 3
    await asyncio.sleep(2 * DELAY_S)
    assert registry.get_sample_value("events_total") == 3


def test_in_one_event_loop_and_then_in_another(series: Series) -> None:
    """What was noted when a loop ended is counted when it is settled, and the next loop counts in time again."""
    ledger = Ledger()

    async def note(waits_s: float) -> None:
        ledger.add(series.counter)
        await asyncio.sleep(waits_s)

    asyncio.run(note(0))
    ledger.settle()
    assert series.values == (1, 0)
    asyncio.run(note(2 * DELAY_S))
    assert series.values == (2, 0)


async def test_up_and_down(series: Series) -> None:
    """What begins and ends before it is counted leaves a gauge where it was."""
    ledger = Ledger()
    for amount in (1, 1, -1, 1, -1, -1):
        ledger.add(series.gauge, amount)
    ledger.settle()
    assert series.values == (0, 0)


TIMES = st.one_of(
    st.floats(0, 20),
    st.sampled_from([*_REQUEST_BUCKETS, *_EXCHANGE_BUCKETS, 0.0, 1e-9, 1e9]),
)


@given(st.lists(st.lists(st.tuples(st.booleans(), TIMES, st.integers(1, 3)), max_size=6), max_size=4))
async def test_every_time_is_in_its_bucket(seen: list[list[tuple[bool, float, int]]]) -> None:
    """Whatever times are observed, and whenever they are counted, the histograms are those of prometheus-client."""
    ledger, series, reference = Ledger(), Series(), Series()
    for events in seen:
        for is_other, seconds, count in events:
            ledger.observe(series.other if is_other else series.times, seconds, count)
            for _ in range(count):
                (reference.other if is_other else reference.times).observe(seconds)
        ledger.settle()
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
    assert sample("resolver_in_flight") == 2
    metrics.ended()
    metrics.answered_one("redirect", "ok", 0.003)
    assert sample("resolver_in_flight") == 1
    assert sample("resolver_requests_total", endpoint="redirect", outcome="ok") == 1
    assert sample("resolver_request_seconds_count", endpoint="redirect") == 1
    assert sample("resolver_request_seconds_sum", endpoint="redirect") == pytest.approx(0.003)
    assert sample("resolver_request_seconds_bucket", endpoint="redirect", le="0.0025") == 0
    assert sample("resolver_request_seconds_bucket", endpoint="redirect", le="0.005") == 1
    metrics.ended()
    assert sample("resolver_in_flight") == 0
