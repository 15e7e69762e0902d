"""What went wrong of late, so that nobody tries again too soon, and nobody waits for what will not come.

Three kinds: a lookup that failed, which fails for everybody for a moment; a record, or all those of a prefix, that
could not be refreshed, whose visitors get the old ones at once while it is tried behind their backs; a prefix whose
servers have all the questions they can take.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from resolver.cache.recent import Recent
from resolver.errors import UpstreamError, without_history

__all__ = ["Setbacks"]

SHORTEST_FAILURE_S = 0.5

AILING_S = 30.0
"""After a refresh that failed: how long nobody is kept waiting for the next one (RFC 8767 section 5)."""

PROBE_PAUSE_S = 1.0
"""Between two attempts meanwhile, of which no visitor waits for the outcome."""

CROWDED_S = 10.0
"""How long it counts that the servers of a prefix took no more lookups than were under way."""

ONE_MORE_S = 0.25
"""After which of that time one lookup more is let through, since there may be more room by now."""

MAX_REMEMBERED = 10_000


@dataclass(slots=True)
class _Ailment:
    probe_at: float


@dataclass(frozen=True, slots=True)
class _Crowd:
    room: int
    noted_at: float


class Setbacks:
    """Remembers what went wrong, for as many keys as fit."""

    def __init__(self, failure_s: float, clock: Callable[[], float]) -> None:
        """Prepare.

        Args:
            failure_s: how long a failure counts.
            clock: seconds since 1970.
        """
        self._failure_s = failure_s
        self._clock = clock
        self._failures: Recent[tuple[float, UpstreamError]] = Recent(MAX_REMEMBERED, clock)
        self._ailing: Recent[_Ailment] = Recent(MAX_REMEMBERED, clock)
        self._crowded: Recent[_Crowd] = Recent(MAX_REMEMBERED, clock)
        self._crowded_at = -math.inf

    def fail(self, key: str, error: UpstreamError, begun_at: float) -> float:
        """Let nobody ask again for a while; where asking itself took long, for a shorter one.

        Returns:
            Until when, in seconds since 1970.
        """
        until = max(begun_at + self._failure_s, self._clock() + SHORTEST_FAILURE_S)
        self._failures.put(key, (until, without_history(error)), until)
        return until

    def failure(self, key: str) -> UpstreamError | None:
        """Return the error of a lookup that is too recent to be repeated."""
        remembered = self._failures.get(key)
        return None if remembered is None else remembered[1]

    def failure_until(self, key: str) -> float | None:
        """Return until when ``failure`` has something to say, in seconds since 1970."""
        remembered = self._failures.get(key)
        return None if remembered is None else remembered[0]

    def ail(self, *keys: str) -> None:
        """Take note of a refresh that failed, or took longer than a visitor waits."""
        now = self._clock()
        for key in keys:
            self._ailing.put(key, _Ailment(now + PROBE_PAUSE_S), now + AILING_S)

    def is_ailing(self, key: str) -> bool:
        """Whether waiting for a refresh is in vain, by all that is known."""
        return self._ailing.get(key) is not None

    def may_probe(self, key: str) -> bool:
        """Whether it is time to try again; who is told so should, as nobody else is for a while."""
        ailment, now = self._ailing.get(key), self._clock()
        if ailment is None or now < ailment.probe_at:
            return False
        ailment.probe_at = now + PROBE_PAUSE_S
        return True

    def crowd(self, key: str, under_way: int) -> None:
        """Take note that the servers of a prefix took no more than the lookups that are under way there."""
        now = self._clock()
        self._crowded.put(key, _Crowd(max(1, under_way), now), now + CROWDED_S)
        self._crowded_at = now

    def is_crowded(self, key: str, under_way: int) -> bool:
        """Whether one more lookup beside those under way would be in vain, by all that is known."""
        if not self.is_any_crowded:
            return False
        crowd = self._crowded.get(key)
        if crowd is None:
            return False
        passed_s = self._clock() - crowd.noted_at
        # There may be more room by now: one at a time will tell.
        return under_way >= crowd.room + int(passed_s / ONE_MORE_S)

    @property
    def is_any_crowded(self) -> bool:
        """Whether there is any such prefix."""
        return 0 <= self._clock() - self._crowded_at < CROWDED_S

    def clear(self, key: str, crowd: str) -> None:
        """Take note that all is well again with a record, and so with the servers of its prefix."""
        if self._failures:
            self._failures.drop(key)
        if self._ailing:
            self._ailing.drop(key)
            self._ailing.drop(crowd)

    def clear_all(self) -> None:
        """Begin anew."""
        for remembered in (self._failures, self._ailing, self._crowded):
            remembered.clear()
