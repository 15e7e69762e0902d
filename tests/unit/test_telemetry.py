"""What each event changes in the metrics, and that dashboards find the names they rely on."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from resolver import web
from resolver.observe import Observer
from resolver.telemetry import Metrics
from resolver.web.problems import outcome_of_status

Sample = tuple[str, tuple[tuple[str, str], ...]]

# Every metric with its labels and all the values they may have.
LABELS: dict[str, dict[str, set[str]]] = {
    "resolver_requests": {
        "endpoint": {"redirect", "values", "api", "explain", "batch", "form", "static"},
        "outcome": {"ok", "not_found", "client_error", "upstream_error", "busy", "error"},
    },
    "resolver_request_seconds": {
        "endpoint": {"redirect", "values", "api", "explain", "batch", "form", "static"}
    },
    "resolver_cache_lookups": {"layer": {"memory", "redis"}, "result": {"hit", "stale", "miss", "error"}},
    "resolver_cache_records": {"layer": {"memory"}},
    "resolver_upstream_exchanges": {
        "transport": {"udp", "tcp", "http", "https"},
        "outcome": {"answer", "timeout", "error", "refused", "overtaken"},
    },
    "resolver_upstream_exchange_seconds": {"transport": {"udp", "tcp", "http", "https"}},
    "resolver_ghr_lookups": {"result": {"found", "not_found", "failed"}},
    "resolver_coalesced": {},
    "resolver_prefetches": {"outcome": {"ok", "failed"}},
    "resolver_stale_answers": {"reason": {"error", "timeout"}},
    "resolver_refused": {"reason": {"busy", "draining", "rate", "denied", "connections", "slow", "dry_run"}},
    "resolver_in_flight": {},
    "resolver_redis_up": {},
    "resolver_build_info": {"version": {"1.2.3"}},
}

Event = Callable[[Observer], None]

# What is told, and the samples that go up by one for it.
EVENTS: list[tuple[Event, set[Sample]]] = [
    (
        lambda told: told.exchange("udp", "answer", 0.02),
        {
            ("resolver_upstream_exchanges_total", (("outcome", "answer"), ("transport", "udp"))),
            ("resolver_upstream_exchange_seconds_count", (("transport", "udp"),)),
        },
    ),
    (
        lambda told: told.exchange("http", "overtaken", 99.0),
        {
            ("resolver_upstream_exchanges_total", (("outcome", "overtaken"), ("transport", "http"))),
            ("resolver_upstream_exchange_seconds_count", (("transport", "http"),)),
        },
    ),
    (
        lambda told: told.cache_lookup("memory", "hit"),
        {("resolver_cache_lookups_total", (("layer", "memory"), ("result", "hit")))},
    ),
    (
        lambda told: told.cache_lookup("redis", "error"),
        {("resolver_cache_lookups_total", (("layer", "redis"), ("result", "error")))},
    ),
    (lambda told: told.cache_records(1), {("resolver_cache_records", (("layer", "memory"),))}),
    (lambda told: told.redis_up(True), {("resolver_redis_up", ())}),
    (lambda told: told.coalesced(), {("resolver_coalesced_total", ())}),
    (
        lambda told: told.registry_lookup("not_found"),
        {("resolver_ghr_lookups_total", (("result", "not_found"),))},
    ),
    (lambda told: told.prefetched("failed"), {("resolver_prefetches_total", (("outcome", "failed"),))}),
    (lambda told: told.stale_answer("timeout"), {("resolver_stale_answers_total", (("reason", "timeout"),))}),
    (lambda told: told.refused("busy"), {("resolver_refused_total", (("reason", "busy"),))}),
]


def made() -> tuple[Metrics, CollectorRegistry]:
    """Return metrics with a registry of their own."""
    registry = CollectorRegistry()
    return Metrics(registry, "1.2.3"), registry


def samples(registry: CollectorRegistry) -> dict[Sample, float]:
    """Return every sample; of a histogram its count only."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith(("_bucket", "_sum"))
    }


def changes(metrics: Metrics, registry: CollectorRegistry, event: Event) -> dict[Sample, float]:
    """Return which samples ``event`` changes, and by how much."""
    before = samples(registry)
    event(metrics)
    after = samples(registry)
    return {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}


@pytest.mark.parametrize(("event", "counted"), EVENTS)
def test_event_changes_exactly_its_samples(event: Event, counted: set[Sample]) -> None:
    """What is told counts once, in the sample that the contract names, and nowhere else."""
    metrics, registry = made()
    assert changes(metrics, registry, event) == dict.fromkeys(counted, 1)


def test_every_event_is_counted() -> None:
    """``Metrics`` overrides each method of ``Observer``, and each is tried above."""
    names = [name for name in vars(Observer) if not name.startswith("_")]
    assert all(name in vars(Metrics) for name in names)
    tried = {name for event, _ in EVENTS for name in event.__code__.co_names}  # type: ignore[attr-defined]
    # Whom and what for is a matter of traces alone, and changes no number.
    assert tried == set(names) - {"question"}


def test_whom_was_asked_changes_no_number() -> None:
    """Servers and handles are without number, and are in no metric."""
    metrics, registry = made()
    event: Event = lambda told: told.question("udp://192.0.2.1:2641", "10.1/x", "udp", "answer", 0.02)  # noqa: E731
    assert changes(metrics, registry, event) == {}


@pytest.mark.parametrize(("event", "_"), EVENTS)
def test_nobody_need_listen(event: Event, _: object) -> None:
    """Without metrics every event is told to nobody, and costs nothing."""
    event(Observer())


def test_gauges_show_the_last_value() -> None:
    """Entries in memory and the state of Redis go up and down."""
    metrics, registry = made()
    metrics.cache_records(12)
    metrics.cache_records(7)
    assert registry.get_sample_value("resolver_cache_records", {"layer": "memory"}) == 7
    for up in (True, False, True):
        metrics.redis_up(up)
        assert registry.get_sample_value("resolver_redis_up") == int(up)
    metrics.in_flight.inc()
    metrics.in_flight.inc()
    metrics.in_flight.dec()
    assert registry.get_sample_value("resolver_in_flight") == 1


def test_times_are_in_seconds() -> None:
    """Histograms hold seconds, in buckets from half a millisecond up to the deadline of a lookup."""
    metrics, registry = made()
    metrics.exchange("tcp", "answer", 0.03)
    metrics.request_seconds.labels("api").observe(0.003)
    assert registry.get_sample_value("resolver_upstream_exchange_seconds_sum", {"transport": "tcp"}) == 0.03
    buckets = {"transport": "tcp", "le": "0.025"}, {"transport": "tcp", "le": "0.05"}
    found = [
        registry.get_sample_value("resolver_upstream_exchange_seconds_bucket", labels) for labels in buckets
    ]
    assert found == [0, 1]
    assert registry.get_sample_value("resolver_request_seconds_bucket", {"endpoint": "api", "le": "8.0"}) == 1


def test_requests_are_counted_by_endpoint_and_outcome() -> None:
    """An answered request is one sample, by what was asked and how it ended."""
    metrics, registry = made()

    def answered(_: Observer) -> None:
        metrics.requests.labels("redirect", "ok").inc()
        metrics.request_seconds.labels("redirect").observe(0.001)

    assert changes(metrics, registry, answered) == {
        ("resolver_requests_total", (("endpoint", "redirect"), ("outcome", "ok"))): 1,
        ("resolver_request_seconds_count", (("endpoint", "redirect"),)): 1,
    }


def test_version_is_a_label() -> None:
    """Dashboards see which version runs."""
    _, registry = made()
    assert registry.get_sample_value("resolver_build_info", {"version": "1.2.3"}) == 1


def test_names_are_those_of_the_contract() -> None:
    """No metric appears, disappears or gains a label unnoticed; there are no series for creation times."""
    metrics, registry = made()
    for event, _ in EVENTS:
        event(metrics)
    metrics.requests.labels("api", "ok").inc()
    metrics.request_seconds.labels("api").observe(1)
    found = {
        metric.name: {label for sample in metric.samples for label in sample.labels}
        for metric in registry.collect()
    }
    assert {name: labels - {"le"} for name, labels in found.items()} == {
        name: set(labels) for name, labels in LABELS.items()
    }
    assert b"_created" not in generate_latest(registry)


def test_closed_sets_stand_beside_the_metrics() -> None:
    """The help of each metric lists the values of its labels, so that an operator need not read the source."""
    _, registry = made()
    for metric in registry.collect():
        for label, values in LABELS[metric.name].items():
            listed = re.search(rf"\b{label}: ([\w, ]+)\.", metric.documentation)
            if listed is not None:
                assert set(listed.group(1).split(", ")) == values, (metric.name, label)
            else:
                assert metric.name.endswith(("_seconds", "_info")), (metric.name, label)


def test_endpoints_and_outcomes_come_from_their_sets() -> None:
    """No handler counts a request under a name of its own making, and no status has one."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.iter_modules(web.__path__, "resolver.web.")
    ]
    assigned = {
        node.value.value
        for module in modules
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if getattr(target, "attr", getattr(target, "id", "")) == "endpoint"
    }
    assert "redirect" in assigned
    assert assigned <= LABELS["resolver_requests"]["endpoint"]
    assert {outcome_of_status(status) for status in range(100, 600)} == LABELS["resolver_requests"]["outcome"]


def test_two_resolvers_in_one_process_do_not_mix() -> None:
    """Each app has its own numbers."""
    one, of_one = made()
    two, of_two = made()
    one.coalesced()
    two.cache_lookup("memory", "hit")
    assert of_one.get_sample_value("resolver_coalesced_total") == 1
    assert of_two.get_sample_value("resolver_coalesced_total") == 0
    assert (
        of_one.get_sample_value("resolver_cache_lookups_total", {"layer": "memory", "result": "hit"}) is None
    )
    assert one.registry is of_one
    assert two.registry is of_two


@pytest.mark.parametrize("seconds", [0.0, 0.00001, 0.0005, 0.0006, 0.25, 9.0])
def test_many_at_once_are_as_many_one_by_one(seconds: float) -> None:
    """Requests counted together show as if each had been counted for itself, its time in the same bucket."""
    together, of_together = made()
    one_by_one, of_one_by_one = made()
    together.answered("redirect", "ok", 2, 8, seconds)
    for _ in range(8):
        one_by_one.requests.labels("redirect", "ok").inc()
        one_by_one.request_seconds.labels("redirect").observe(seconds)
        one_by_one.cache_lookup("memory", "hit")
        one_by_one.cache_lookup("memory", "hit")

    def told(registry: CollectorRegistry) -> list[str]:
        return [line for line in generate_latest(registry).decode().splitlines() if "_sum" not in line]

    assert told(of_together) == told(of_one_by_one)
    for registry in (of_together, of_one_by_one):
        total = registry.get_sample_value("resolver_request_seconds_sum", {"endpoint": "redirect"})
        assert total == pytest.approx(8 * seconds)
