"""What is true when: every handle has versions, which follow each other by the clock alone."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from resolver.model.record import HandleRecord, HandleValue

__all__ = ["HANDLES", "PREFIX", "SLACK_S", "Claim", "Truth", "handle_of"]

PREFIX = "20.500.777"
HANDLES = 500
SLACK_S = 3.0
"""For what lies between the moment a server looks up a record and that at which the visitor is answered."""

_TTLS = (2, 10, 30)
_PLACE = re.compile(r"https://v(\d+)\.example\.org/(\d+)$")


def handle_of(number: int) -> str:
    """Return a handle."""
    return f"{PREFIX}/{number}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer said: a version of a handle, or (-1) that the handle does not exist."""

    number: int
    version: int

    @classmethod
    def of_place(cls, uri: str) -> Claim | None:
        """Read a claim out of a place."""
        found = _PLACE.match(uri)
        return cls(int(found.group(2)), int(found.group(1))) if found else None


class Truth:
    """The versions of all handles; the same for whoever makes it with the same moment of beginning."""

    def __init__(self, began_at: float, *, stale_max_s: float, absence_s: float) -> None:
        """Begin.

        Args:
            began_at: seconds since 1970.
            stale_max_s: how long past its time a record may stand in for a failing upstream.
            absence_s: how long a missing handle may be believed to be missing.
        """
        self.began_at = began_at
        self._stale_max_s = stale_max_s
        self._absence_s = absence_s
        chance = random.Random(777)  # noqa: S311 - the same for everybody
        self._periods = [chance.uniform(20.0, 120.0) for _ in range(HANDLES)]
        self._phases = [chance.uniform(0.0, 120.0) for _ in range(HANDLES)]
        self._comes_and_goes = [chance.random() < 0.1 for _ in range(HANDLES)]

    def ttl_s(self, number: int) -> int:
        """Return how long a record may be kept."""
        return _TTLS[number % len(_TTLS)]

    def version_at(self, number: int, now: float) -> int:
        """Return the version of a handle; -1 where it does not exist at that moment."""
        version = int((now - self.began_at + self._phases[number]) // self._periods[number])
        return -1 if self._comes_and_goes[number] and version % 3 == 2 else version

    def record(self, number: int, now: float) -> HandleRecord | None:
        """Return the record of a handle."""
        version = self.version_at(number, now)
        if version < 0:
            return None
        place = f"https://v{version}.example.org/{number}".encode()
        value = HandleValue(1, "URL", place, ttl=self.ttl_s(number), timestamp=int(self.began_at))
        return HandleRecord(handle_of(number), (value,))

    def is_right(
        self, claim: Claim, asked_at: float, answered_at: float, *, stale: bool = False, anew: bool = False
    ) -> bool:
        """Whether a claim was true at some moment that the answer may go back to.

        Args:
            claim: what was answered.
            asked_at: when the request was sent.
            answered_at: when the answer was there.
            stale: whether the answer says that it is out of date.
            anew: whether the visitor has asked for an answer that nobody remembers.
        """
        if claim.version < 0:
            allowed_s = 0.0 if anew else self._absence_s
        else:
            allowed_s = 0.0 if anew else self.ttl_s(claim.number) + (self._stale_max_s if stale else 0.0)
        moment = asked_at - SLACK_S - allowed_s
        while moment < answered_at:
            if self.version_at(claim.number, moment) == claim.version:
                return True
            moment += self._left_s(claim.number, moment) + 0.001
        return self.version_at(claim.number, answered_at) == claim.version

    def _left_s(self, number: int, now: float) -> float:
        """Return how long the version of this moment lasts."""
        period = self._periods[number]
        return period - (now - self.began_at + self._phases[number]) % period
