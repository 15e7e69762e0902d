"""Refusing in no time what would need a lookup, while there are too many of them, so that answers keep flowing.

A lookup costs a hundred times what an answer out of memory does, and the page that says "busy" costs more than
such an answer too. Under a flood of handles that nobody knows, both would take the time of all others. So
``turns_away`` looks at the request line alone; it errs on the side of letting a request through, where the
ordinary way tells exactly.
"""

from __future__ import annotations

import asyncio
import re

from resolver.errors import InvalidHandleError
from resolver.model.handle import Handle
from resolver.observe import Observer
from resolver.resolution.service import Resolver
from resolver.web.problems import RETRY_AFTER_S

__all__ = ["Shedding", "busy_answer"]

ARRIVAL_S = 0.005
"""From the request line to the lookup; in this time many more may come than there is room for."""

_BODY = b"This resolver has more to do than it can do well. Try again in a moment.\n"
_HEAD = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n"
    b"Retry-After: %d\r\n"
    b"Cache-Control: no-store\r\n"
    b"Access-Control-Allow-Origin: *\r\n"
    b"X-Content-Type-Options: nosniff" % (len(_BODY), RETRY_AFTER_S)
)


def busy_answer(request_id: bytes = b"", *, with_body: bool = True, closes: bool = False) -> bytes:
    """Return a whole answer that says so."""
    return b"".join(
        (
            _HEAD,
            b"\r\nX-Request-ID: " + request_id if request_id else b"",
            b"\r\nConnection: close" if closes else b"",
            b"\r\n\r\n",
            _BODY if with_body else b"",
        )
    )


# A handle and nothing else: no label, no parameters, nothing that would have to be decoded.
_PLAIN = re.compile(r"/((?!api/|static/)[0-9][0-9A-Za-z.]*/[A-Za-z0-9._/-]+)")


class Shedding:
    """Knows which requests cannot be served now."""

    def __init__(self, resolver: Resolver, observer: Observer | None = None) -> None:
        self._resolver = resolver
        self._observer = observer or Observer()
        self._on_their_way = 0
        """Let through, and not yet counted among the lookups."""

    def turns_away(self, target: str) -> bool:
        """Whether a GET of ``target`` would certainly be turned away; it is counted as that, then."""
        if not self._resolver.room.is_pressed:
            return False
        plain = _PLAIN.fullmatch(target)
        if plain is None:
            return False
        try:
            handle = Handle.parse(plain.group(1))
        except InvalidHandleError:
            return False
        if self._resolver.would_refuse(handle, self._on_their_way):
            self._observer.refused("busy")
            return True
        self._on_their_way += 1
        asyncio.get_running_loop().call_later(ARRIVAL_S, self._arrived)
        return False

    def _arrived(self) -> None:
        self._on_their_way -= 1
