"""What is said of the time, and with it: the same for all that is sent in one second."""

from __future__ import annotations

import functools
from email.utils import formatdate

from msgspec import Struct

__all__ = ["Said", "Second", "http_date"]

MAX_LIFETIMES = 4096
"""Lifetimes that are remembered; forgotten all at once when there are more."""

MAX_MINUTES = 4096
"""As many as records live, mostly."""

_LAST_WORDS = tuple(b"%02d GMT" % second for second in range(60))


class Said(Struct, gc=False):
    """A whole response, but for the request id in the middle."""

    before: bytes
    after: bytes
    until: float
    """Seconds since 1970 from which on it is not right any more, if its second is not over before."""


class Second:
    """A second of the clock."""

    __slots__ = ("_lifetimes", "begins_at", "date", "ends_at", "said")

    def __init__(self, now: float) -> None:
        self.begins_at = int(now)
        """Seconds since 1970."""
        self.ends_at = self.begins_at + 1
        self.date = http_date(self.begins_at)
        self.said: dict[object, Said] = {}
        """Answers that were sent in this second, and may be sent again."""
        self._lifetimes: dict[int, bytes] = {}

    def lifetime(self, left_s: int) -> bytes:
        """Return how an answer says that it holds so much longer: what follows ``max-age=``, up to ``Expires``."""
        said = self._lifetimes.get(left_s)
        if said is None:
            if len(self._lifetimes) >= MAX_LIFETIMES:
                self._lifetimes.clear()
            said = self._lifetimes[left_s] = b"%d\r\nExpires: %b" % (
                left_s,
                http_date(self.begins_at + left_s),
            )
        return said


def http_date(second: int) -> bytes:
    """Return a whole second since 1970 as HTTP writes it (RFC 9110 section 5.6.7)."""
    return _minute(second // 60) + _LAST_WORDS[second % 60]


@functools.lru_cache(MAX_MINUTES)
def _minute(number: int) -> bytes:
    return formatdate(number * 60, usegmt=True).removesuffix("00 GMT").encode()
