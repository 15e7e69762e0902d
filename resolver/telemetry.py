"""Metrics, in the names that dashboards and alerts rely on.

Each label takes its values from a closed set written beside it. A handle, a prefix, a URL or an address is
never a label: they would be as many as there are visitors, and tell who read what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from resolver.ledger import Ledger
from resolver.observe import Observer
from resolver.tracing import Tracing

__all__ = ["Metrics"]

# A second series for each counter, with the moment it was made, which nothing reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

Labelled = TypeVar("Labelled", Counter, Histogram)

_REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_EXCHANGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 4.0)


class Metrics(Observer):
    """Counts what the parts of one resolver tell. One for each app, so that two in one process do not mix."""

    def __init__(self, registry: CollectorRegistry, version: str, *, tracing: Tracing | None = None) -> None:
        self.registry = registry
        self._tracing = tracing
        self._series: dict[tuple[object, ...], Any] = {}
        self._ledger = Ledger()
        registry.register(self._ledger)
        self._records: int | None = None
        self.requests = Counter(
            "resolver_requests",
            "Requests answered. endpoint: redirect, values, api, explain, batch, form, static. "
            "outcome: ok, not_found, client_error, upstream_error, busy, error.",
            ["endpoint", "outcome"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "resolver_request_seconds",
            "Time from a request's head to its answer.",
            ["endpoint"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self._cache_lookups = Counter(
            "resolver_cache_lookups",
            "Looks into the cache. layer: memory, redis. result: hit, stale, miss, error.",
            ["layer", "result"],
            registry=registry,
        )
        self._cache_records = Gauge(
            "resolver_cache_records",
            "Entries in a tier of the cache. layer: memory.",
            ["layer"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._memory_records = self._cache_records.labels("memory")
        self._exchanges = Counter(
            "resolver_upstream_exchanges",
            "Questions to handle servers. transport: udp, tcp, http, https. "
            "outcome: answer, timeout, error, refused, overtaken.",
            ["transport", "outcome"],
            registry=registry,
        )
        self._exchange_seconds = Histogram(
            "resolver_upstream_exchange_seconds",
            "Time from a question to a handle server to its answer, or to giving up.",
            ["transport"],
            buckets=_EXCHANGE_BUCKETS,
            registry=registry,
        )
        self._registry_lookups = Counter(
            "resolver_ghr_lookups",
            "Lookups at the Global Handle Registry. result: found, not_found, failed.",
            ["result"],
            registry=registry,
        )
        self._coalesced = Counter(
            "resolver_coalesced",
            "Requests that waited for a lookup another one had begun.",
            registry=registry,
        )
        self._prefetches = Counter(
            "resolver_prefetches",
            "Records fetched before they expired. outcome: ok, failed.",
            ["outcome"],
            registry=registry,
        )
        self._stale_answers = Counter(
            "resolver_stale_answers",
            "Old records that stood in for a failing upstream. reason: error, timeout.",
            ["reason"],
            registry=registry,
        )
        self._refused = Counter(
            "resolver_refused",
            "Requests turned away. reason: busy, draining, rate, denied, connections, slow, dry_run.",
            ["reason"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "resolver_in_flight", "Requests being answered.", registry=registry, multiprocess_mode="livesum"
        )
        self._redis_up = Gauge(
            "resolver_redis_up",
            "1 while Redis works, 0 while it does not; 0 as well if none is configured.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        # A gauge, not an Info: those cannot be merged over several processes.
        build_info = Gauge(
            "resolver_build_info",
            "Always 1; the version is the label.",
            ["version"],
            registry=registry,
            multiprocess_mode="max",
        )
        build_info.labels(version).set(1)

    def _of(self, metric: Labelled, *labels: str) -> Labelled:
        """Return the series of ``metric`` with these labels; looked up by prometheus-client once and then here."""
        series = self._series.get((metric, *labels))
        if series is None:
            series = self._series[metric, *labels] = metric.labels(*labels)
        return series

    def settle(self) -> None:
        """Count what has not been counted yet, as is done a moment after it happened in any case."""
        self._ledger.settle()

    def come_due(self) -> None:
        """See to it that what happened is counted in a moment."""
        self._ledger.come_due()

    def ask_for_more(self, source: Callable[[], None]) -> None:
        """Call ``source`` before anything is counted, so that it tells what it has counted itself until then."""
        self._ledger.sources.append(source)

    def answered(self, endpoint: str, outcome: str, looks: int, count: int, each_s: float) -> None:
        """Count requests that were answered at once, out of memory; as each would be, but all together.

        Args:
            endpoint: as in ``requests``.
            outcome: as in ``requests``.
            looks: hits in memory for each of them.
            count: how many they were.
            each_s: the time that each took, in seconds.
        """
        self._ledger.add(self._of(self.requests, endpoint, outcome), count)
        self._ledger.add(self._of(self._cache_lookups, "memory", "hit"), count * looks)
        self._ledger.observe(self._of(self.request_seconds, endpoint), each_s, count)

    def answered_one(self, endpoint: str, outcome: str, elapsed_s: float) -> None:
        """Count a request that was answered in any other way.

        Args:
            endpoint: as in ``requests``.
            outcome: as in ``requests``.
            elapsed_s: from its head to its answer, in seconds.
        """
        self._ledger.add(self._of(self.requests, endpoint, outcome))
        self._ledger.observe(self._of(self.request_seconds, endpoint), elapsed_s)

    def began(self) -> None:
        """Count a request that is being answered; it has to have ``ended``."""
        self._ledger.add(self.in_flight)

    def ended(self) -> None:
        """Count it no more."""
        self._ledger.add(self.in_flight, -1)

    def exchange(self, transport: str, outcome: str, elapsed_s: float) -> None:
        """Count a question to a server and its time."""
        self._ledger.add(self._of(self._exchanges, transport, outcome))
        self._ledger.observe(self._of(self._exchange_seconds, transport), elapsed_s)

    def question(self, server: str, handle: str, transport: str, outcome: str, elapsed_s: float) -> None:
        """Put a question to a server into the trace of what caused it."""
        if self._tracing is not None:
            self._tracing.exchange(transport, server, handle, outcome, elapsed_s)

    def cache_lookup(self, layer: str, result: str) -> None:
        """Count a look into a tier."""
        self._ledger.add(self._of(self._cache_lookups, layer, result))

    def cache_records(self, count: int) -> None:
        """Show how many entries memory holds."""
        if count != self._records:
            self._records = count
            self._memory_records.set(count)

    def redis_up(self, up: bool) -> None:
        """Show whether Redis works."""
        self._redis_up.set(int(up))

    def coalesced(self) -> None:
        """Count a request that waits for another's lookup."""
        self._coalesced.inc()

    def registry_lookup(self, result: str) -> None:
        """Count a lookup at the registry."""
        self._registry_lookups.labels(result).inc()

    def prefetched(self, outcome: str) -> None:
        """Count a record fetched ahead of time."""
        self._prefetches.labels(outcome).inc()

    def stale_answer(self, reason: str) -> None:
        """Count an old record that stood in."""
        self._stale_answers.labels(reason).inc()

    def refused(self, reason: str) -> None:
        """Count a request turned away."""
        self._ledger.add(self._of(self._refused, reason))
