"""How servers have behaved, as far as that helps to choose among them. Pure: the caller brings the time.

What is remembered is one ``Health`` for each *way* to a server (address, port, transport): a smoothed round
trip time, and failures in a row; for each family of addresses, whether anything gets through; and which
primary last gave an authoritative answer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from resolver.resolution.steps import Candidate
from resolver.transport.endpoint import Way

__all__ = ["Health", "HealthTable"]

MAX_WAYS = 10_000
"""Ways remembered at most; the one not used for longest is forgotten first."""

FIRST_PATIENCE_S = 0.4
SHORTEST_PATIENCE_S = 0.05
LONGEST_PATIENCE_S = 1.5
SPARE_S = 0.03
"""However steady a server is, we and the network may be late by this much (RFC 6298 calls it the granularity)."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

FAILURES_OF_FAMILY = 3
"""Failures in a row, without any answer, after which a family of addresses comes second."""

STICKY_S = 3600.0
"""How long the primary that answered last is asked first."""


@dataclass(slots=True)
class Health:
    """How one way to a server has behaved."""

    rtt_s: float | None = None
    deviation_s: float = 0.0
    failures: int = 0
    """In a row, since the last answer."""
    pause_until: float = 0.0
    """Not to be tried before this moment unless nothing else is left."""
    authoritative_at: float | None = None
    """When it last gave an authoritative answer."""

    @property
    def usual_s(self) -> float:
        """What answers take at most as a rule (RFC 6298: mean and four deviations), or 0 if that is not known."""
        if self.rtt_s is None:
            return 0.0
        return min(LONGEST_PATIENCE_S, self.rtt_s + max(SPARE_S, 4 * self.deviation_s))

    @property
    def patience_s(self) -> float:
        """How long an answer may take before somebody else is asked too."""
        return FIRST_PATIENCE_S if self.rtt_s is None else max(SHORTEST_PATIENCE_S, self.usual_s)


class HealthTable:
    """What is known of every way to a server that was tried, bounded in size."""

    def __init__(self, max_ways: int = MAX_WAYS) -> None:
        self._ways: OrderedDict[Way, Health] = OrderedDict()
        self._max_ways = max_ways
        self._family_failures = {4: 0, 6: 0}

    def __len__(self) -> int:
        return len(self._ways)

    def of(self, candidate: Candidate) -> Health:
        """Return what is known of a way; of one never tried, that nothing is known."""
        return self._ways.get(candidate.endpoint.way) or _STRANGER

    def is_well(self, candidate: Candidate) -> bool:
        """Whether a way has answered the last time it was tried."""
        known = self.of(candidate)
        return known.rtt_s is not None and not known.failures

    def reaches(self, candidate: Candidate) -> bool:
        """Whether addresses of this family seem to be reachable from here."""
        address = candidate.endpoint.address
        return address is None or self._family_failures[address.version] < FAILURES_OF_FAMILY

    def is_sticky(self, candidate: Candidate, now: float) -> bool:
        """Whether this primary gave an authoritative answer of late."""
        answered_at = self.of(candidate).authoritative_at
        return answered_at is not None and now - answered_at < STICKY_S

    def answered(
        self, candidate: Candidate, elapsed_s: float, *, authoritative_at: float | None = None
    ) -> None:
        """Take in that a way answered after ``elapsed_s`` seconds; if as a primary, at which moment."""
        health = self._known(candidate)
        if health.rtt_s is None:
            health.rtt_s, health.deviation_s = elapsed_s, elapsed_s / 2
        else:
            health.deviation_s += (abs(elapsed_s - health.rtt_s) - health.deviation_s) / 4
            health.rtt_s += (elapsed_s - health.rtt_s) / 8
        health.failures = 0
        health.pause_until = 0.0
        if authoritative_at is not None:
            health.authoritative_at = authoritative_at
        self._note_family(candidate, failed=False)

    def failed(self, candidate: Candidate, now: float) -> None:
        """Take in that a way did not answer, or not sensibly."""
        health = self._known(candidate)
        health.failures += 1
        health.pause_until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(health.failures - 1, 10))
        health.authoritative_at = None
        self._note_family(candidate, failed=True)

    def _note_family(self, candidate: Candidate, *, failed: bool) -> None:
        address = candidate.endpoint.address
        if address is not None:
            self._family_failures[address.version] = (
                self._family_failures[address.version] + 1 if failed else 0
            )

    def _known(self, candidate: Candidate) -> Health:
        way = candidate.endpoint.way
        health = self._ways.get(way)
        if health is None:
            health = self._ways[way] = Health()
            while len(self._ways) > self._max_ways:
                self._ways.popitem(last=False)
        else:
            self._ways.move_to_end(way)
        return health


_STRANGER = Health()
"""Nobody writes to this one: what is learned goes into one that the table keeps."""
