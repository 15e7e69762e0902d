"""A finished response, folded up small, and unfolded for any second of its life.

Most of what a response says is said by all of its kind; only a few words differ, such as the address it leads
to. Those are kept for each, the rest once for all. What changes with time is filled in when it is sent.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from resolver.web.access_log import AccessEntry
from resolver.web.render import Caching

__all__ = ["ReadyAnswer", "Tally", "Unfolded"]

FIXED_OCTETS = 340
"""What an answer weighs beside its own words: the object, its places in tables, the name it is found by."""

MIN_WORD = 8
"""Shorter words are not worth a place of their own."""

MAX_BODY_OCTETS = 64 * 1024

MAX_SHAPES = 4096
"""Texts that many answers share; they differ in status, headers and lengths."""

# What is filled in later. Neither text may hold such octets itself.
_MAX_AGE, _EXPIRES, _REQUEST_ID, _DATE = b"\x01", b"\x02", b"\x03", b"\x04"
_WORDS = (b"\x05", b"\x06", b"\x07", b"\x08")
_BETWEEN = b"\0"
_PLACES = re.compile(rb"[\x00-\x08]")
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Unfolded:
    """What is sent, but for the request id in the middle."""

    before: bytes
    after: bytes
    body_at: int
    """Where in ``after`` the body begins."""
    until: float
    """Seconds since 1970 from which something in it is not right any more."""


@dataclass(slots=True)
class Tally:
    """Answers of one kind that were sent and are not counted yet."""

    endpoint: str
    outcome: str
    looks: int
    """Into the cache, for each of them."""
    count: int = 0
    seconds: float = 0.0


class ReadyAnswer:
    """One response to one request target, for as long as what it was made of holds.

    There may be as many of them as records in memory, so each octet counts.
    """

    __slots__ = (
        *(
            "_body",
            "_head",
            "_keys",
            "_max_age_s",
            "_own_octets",
            "_words",
            "entry",
            "expires_at",
            "has_etag",
            "name",
        ),
        *("refresh_at", "tally"),
    )

    name: str
    """Under which it is found."""
    refresh_at: float
    """Seconds since 1970 from which the ordinary way has to be gone once in a while."""
    tally: Tally
    """Where its use is counted."""
    entry: AccessEntry | None
    """How its use is written down, if it is."""

    def __init__(self, response: web.Response, caching: Caching, words: Sequence[str]) -> None:
        """Fold ``response`` up.

        Args:
            response: whole, but for the headers that are added on sending.
            caching: what it says about how long it may be kept; the same for everybody.
            words: what it holds and others of its kind do not; the first are looked for first.

        Raises:
            ValueError: it cannot be folded.
        """
        self.entry = None
        body = response.body
        if caching.expires_at is None or not isinstance(body, bytes) or not 0 < len(body) <= MAX_BODY_OCTETS:
            raise ValueError("not to be kept, or without a body of a common size")
        if _PLACES.search(body):
            raise ValueError("octets that stand for something else here")
        etag = response.headers.get("ETag", "")
        self.has_etag = bool(etag)
        self.expires_at = caching.expires_at
        self._max_age_s = caching.max_age_s
        own = [word.encode() for word in dict.fromkeys((*words, etag)) if len(word) >= MIN_WORD]
        own = own[: len(_WORDS)]
        self._words = _BETWEEN.join(own)
        self._head = _shape(_without(own, _head(response, len(body))))
        # Of redirects, all but the words is the same; of records, hardly anything is.
        make = _shape if "Location" in response.headers else _Shape
        self._body = make(_without(own, body))

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the cache entries it was made of."""
        return (self._keys,) if isinstance(self._keys, str) else self._keys

    @keys.setter
    def keys(self, keys: tuple[str, ...]) -> None:
        self._keys: str | tuple[str, ...] = keys[0] if len(keys) == 1 else keys

    @property
    def octets(self) -> int:
        """What it weighs, beside what it shares with others."""
        return FIXED_OCTETS + len(self.name) + len(self._words) + self._body.own_octets

    def unfold(self, now: float) -> Unfolded:
        """Return the response as it is ``now``, in seconds since 1970."""
        left_s = self.expires_at - now
        left = max(0, int(min(left_s, self._max_age_s)))
        second = int(now)
        fillings = (
            *(b"", b"%d" % left, _http_date(second + left), _REQUEST_ID, _http_date(second)),
            *self._words.split(_BETWEEN),
        )
        before, _, rest = self._head.fill(fillings).partition(_REQUEST_ID)
        # Max-age changes with the last second that is whole, Date with the one on the clock.
        changes_at = self.expires_at - (left if left_s < self._max_age_s else self._max_age_s)
        return Unfolded(before, rest + self._body.fill(fillings), len(rest), min(second + 1, changes_at))


class _Shape:
    """A text with places for what differs."""

    __slots__ = ("_order", "_text", "own_octets")

    def __init__(self, text: bytes, *, is_shared: bool = False) -> None:
        literals = _PLACES.split(text)
        self._text = b"%b".join(literal.replace(b"%", b"%%") for literal in literals)
        self._order = tuple(place[0] for place in _PLACES.findall(text))
        self.own_octets = 0 if is_shared else len(text)
        """What it weighs for the one answer that has it; nothing if many do."""

    def fill(self, fillings: Sequence[bytes]) -> bytes:
        """Return the text with a filling in each place, by the octet that stands there."""
        return self._text % tuple([fillings[place] for place in self._order])


def _head(response: web.Response, body_octets: int) -> bytes:
    """Return the head as the server would send it, with places for what is filled in."""
    headers = dict(response.headers)
    if len(headers) != len(response.headers) or _LINE_BREAKS.search("".join(headers.values())):
        raise ValueError("repeated or malformed headers")
    headers["Cache-Control"] = f"public, max-age={_MAX_AGE.decode()}"
    headers["Expires"] = _EXPIRES.decode()
    headers["X-Request-ID"] = _REQUEST_ID.decode()
    headers["Content-Length"] = str(body_octets)
    headers["Date"] = _DATE.decode()
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def _without(words: Sequence[bytes], text: bytes) -> bytes:
    for place, word in zip(_WORDS, words, strict=False):
        text = text.replace(word, place)
    return text


@functools.lru_cache(MAX_SHAPES)
def _shape(text: bytes) -> _Shape:
    """Return the shape of ``text``, the same object for all that are equal."""
    return _Shape(text, is_shared=True)


@functools.lru_cache(MAX_SHAPES)
def _http_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
