"""A circuit breaker: after a few failures nobody waits any more, and a single probe tells when it is over."""

from __future__ import annotations

__all__ = ["Breaker"]

FAILURES_TO_OPEN = 5
WINDOW_S = 1.0
OPEN_S = 1.0


class Breaker:
    """Decides whether something that fails should be tried at all. Pure: the caller brings the time."""

    def __init__(self) -> None:
        self._failures: list[float] = []
        self._open_until = 0.0
        self._probing = False

    def allows(self, now: float) -> bool:
        """Whether to try; once the pause is over, one caller may, and the others wait for its result."""
        if not self._open_until:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    @property
    def is_open(self) -> bool:
        """Whether callers are being sent away."""
        return bool(self._open_until)

    def succeeded(self) -> None:
        """Take in that a try went well."""
        self._failures.clear()
        self._open_until = 0.0
        self._probing = False

    def abandoned(self) -> None:
        """Take in that a try was cancelled, which tells nothing."""
        self._probing = False

    def failed(self, now: float) -> None:
        """Take in that a try failed."""
        if self._probing:
            self._probing = False
            self._open_until = now + OPEN_S
            return
        self._failures = [moment for moment in self._failures if now - moment < WINDOW_S] + [now]
        if len(self._failures) >= FAILURES_TO_OPEN:
            self._failures.clear()
            self._open_until = now + OPEN_S
