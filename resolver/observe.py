"""What the parts of the resolver tell about their work, for metrics; by default nobody listens."""

from __future__ import annotations

__all__ = ["Observer"]


class Observer:
    """Takes note of events. Every method does nothing; ``telemetry.Metrics`` overrides them to count."""

    def exchange(self, transport: str, outcome: str, elapsed_s: float) -> None:
        """A server was asked: ``udp`` …; ``answer``, ``timeout``, ``error``, ``refused`` or ``overtaken``; seconds."""

    def question(self, server: str, handle: str, transport: str, outcome: str, elapsed_s: float) -> None:
        """The same, with whom was asked and what for: for traces only, since both are without number."""

    def cache_lookup(self, layer: str, result: str) -> None:
        """A tier was looked into: ``memory`` or ``redis``; ``hit``, ``stale``, ``miss`` or ``error``."""

    def cache_records(self, count: int) -> None:
        """The memory tier holds this many entries."""

    def redis_up(self, up: bool) -> None:
        """Redis is believed to work, or not any more."""

    def coalesced(self) -> None:
        """A request waits for a lookup that another one has begun."""

    def registry_lookup(self, result: str) -> None:
        """A handle that lives in the registry was looked up: ``found``, ``not_found`` or ``failed``."""

    def prefetched(self, outcome: str) -> None:
        """A record was fetched before it expired: ``ok`` or ``failed``."""

    def stale_answer(self, reason: str) -> None:
        """An old record stood in: ``error`` or ``timeout``."""

    def refused(self, reason: str) -> None:
        """A request was turned away, or would have been if it were not a dry run.

        Args:
            reason: ``busy``, ``draining``, ``rate``, ``denied``, ``connections``, ``slow`` or ``dry_run``.
        """
