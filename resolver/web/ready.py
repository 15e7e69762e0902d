"""A finished response, folded up small, and said again at any moment of its life.

Most of what a response says is said by all of its kind; only a few words differ, such as the address it leads
to. Those are kept for each, the rest once for all. What changes with time is filled in when it is sent.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from msgspec import Struct

from resolver.cache.memory import MAX_FREQUENCY
from resolver.web.access_log import AccessEntry
from resolver.web.heads import write_head
from resolver.web.render import Caching
from resolver.web.seconds import Said, Second

__all__ = ["Kind", "ReadyAnswer", "Tally", "fold"]

FIXED_OCTETS = 270
"""What an answer weighs beside its own words: the object, its places in tables, the name it is found by."""

MIN_WORD = 8
"""Shorter words are not worth a place of their own."""

MAX_BODY_OCTETS = 64 * 1024

MAX_KINDS = 4096
"""They differ in status, headers and lengths."""

MAX_SAID = 1024
"""Answers that are remembered whole until a second is over."""

# What stands in a text for what is filled in later: its number among the fillings. No text may hold such octets itself.
_LIFETIME, _DATE, _REQUEST_ID = b"\0", b"\x01", b"\x02"
_WORDS = (b"\x03", b"\x04", b"\x05", b"\x06", b"\x07")
_BETWEEN = b"\x08"
_PLACES = re.compile(rb"[\x00-\x07]")
_RESERVED = re.compile(rb"[\x00-\x08]")


@dataclass(slots=True, eq=False)
class Tally:
    """Answers of one kind that were sent and are not counted yet."""

    endpoint: str
    outcome: str
    looks: int
    """Into the cache, for each of them."""
    count: int = 0
    seconds: float = 0.0
    """For all of them together."""

    def take(self) -> tuple[int, float]:
        """Return how many there were and the time they took, and begin anew."""
        taken = self.count, self.seconds
        self.count, self.seconds = 0, 0.0
        return taken


class Kind:
    """What many answers have in common."""

    __slots__ = ("_order", "_parts", "body_octets", "has_etag", "max_age_s", "tally")

    def __init__(self, text: bytes, body_octets: int, max_age_s: float, tally: Tally) -> None:
        """Prepare.

        Args:
            text: of a whole response, with places for what differs.
            body_octets: how much of it is the body.
            max_age_s: how long it may be kept at most.
            tally: where the use of such answers is counted.
        """
        self._parts = [part for literal in _PLACES.split(text) for part in (literal, b"")][:-1]
        self._order = operator.itemgetter(*(place[0] for place in _PLACES.findall(text)))
        self.body_octets = body_octets
        self.has_etag = b"\r\nETag: " in text.partition(b"\r\n\r\n")[0]
        self.max_age_s = max_age_s
        self.tally = tally

    def fill(self, lifetime: bytes, date: bytes, request_id: bytes, words: bytes) -> bytes:
        """Return the text with all that differs."""
        fillings = [lifetime, date, request_id]
        fillings += words.split(_BETWEEN)
        parts = self._parts.copy()
        parts[1::2] = self._order(fillings)
        return b"".join(parts)


class ReadyAnswer(Struct, eq=False, gc=False):
    """One response to one request target, for as long as what it was made of holds.

    There may be as many of them as records in memory, so each octet counts. None refers to anything that refers
    to it, which spares the garbage collector the search.
    """

    name: bytes
    """Under which it is found."""
    kind: Kind
    words: bytes
    """What it says and others of its kind do not, one after the other."""
    expires_at: float
    """Seconds since 1970 until which it holds."""
    refresh_at: float
    """Seconds since 1970 from which the ordinary way has to be gone once in a while; never after ``expires_at``."""
    its_keys: str | tuple[str, ...]
    """As ``keys``, or the only one."""
    entry: AccessEntry | None = None
    """How its use is written down, if it is."""
    hits: int = 0
    """How often it was used, as far as the cache wants to know and does not know yet."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the cache entries it was made of."""
        return (self.its_keys,) if isinstance(self.its_keys, str) else self.its_keys

    @property
    def octets(self) -> int:
        """What it weighs, beside what it shares with others."""
        return FIXED_OCTETS + len(self.name) + len(self.words)

    def octets_at(self, now: float, second: Second, request_id: bytes) -> bytes:
        """Return the response as it is ``now``, before it expires.

        Args:
            now: seconds since 1970.
            second: the one that ``now`` lies in.
            request_id: of the request, with further lines to add to the head.
        """
        said = second.said.get(self)
        if said is None or now >= said.until:
            kind, left_s = self.kind, self.expires_at - now
            left = int(left_s if left_s < kind.max_age_s else kind.max_age_s)
            lifetime = second.lifetime(left)
            if self.hits < MAX_FREQUENCY:
                self.hits += 1
            if len(second.said) >= MAX_SAID:
                return kind.fill(lifetime, second.date, request_id, self.words)
            whole = kind.fill(lifetime, second.date, _REQUEST_ID, self.words)
            before, _, after = whole.partition(_REQUEST_ID)
            # Max-age changes with the last second that is whole, Date with the one on the clock.
            until = self.expires_at - (left if left_s < kind.max_age_s else kind.max_age_s)
            said = second.said[self] = Said(before, after, until)
        return b"".join((said.before, request_id, said.after))


def fold(response: web.Response, caching: Caching, words: Sequence[str], tally: Tally) -> tuple[Kind, bytes]:
    """Return of which kind ``response`` is, and which words it says that others of its kind do not.

    Args:
        response: whole, but for the headers that are added on sending.
        caching: what it says about how long it may be kept; the same for everybody.
        words: what it holds and others do not; the first are looked for first.
        tally: where its use is counted.

    Raises:
        ValueError: it cannot be folded.
    """
    body = response.body
    if caching.expires_at is None or not isinstance(body, bytes) or not 0 < len(body) <= MAX_BODY_OCTETS:
        raise ValueError("not to be kept, or without a body of a common size")
    etag = response.headers.get("ETag", "")
    own = [word.encode() for word in dict.fromkeys((*words, etag)) if len(word) >= MIN_WORD]
    if _RESERVED.search(b"".join((body, *own))):
        raise ValueError("octets that stand for something else here")
    own = own[: len(_WORDS) - 1]
    marks = {"lifetime": _LIFETIME.decode(), "request_id": _REQUEST_ID.decode(), "date": _DATE.decode()}
    head = _without(own, write_head(response, length=str(len(body)), **marks).encode())
    # Of redirects, all but the words is the same; of records, hardly anything is.
    if "Location" in response.headers:
        text = head + _without(own, body)
    else:
        text = head + _WORDS[len(own)]
        own.append(body)
    return _kind(text, len(body), caching.max_age_s, tally), _BETWEEN.join(own)


def _without(words: Sequence[bytes], text: bytes) -> bytes:
    for place, word in zip(_WORDS, words, strict=False):
        text = text.replace(word, place)
    return text


_kind = functools.lru_cache(MAX_KINDS)(Kind)
