"""A connection that answers at once what can be answered at once, before a task or a request is made.

aiohttp's own parser reads what comes in, here as everywhere, so that there is one view of HTTP. Between it and
the rest of the server stands a ``Sieve``: if nothing else is under way on the connection, it answers the
requests at the front for which ``fast_path.py`` has an answer, and passes on the others, in order.

Parsing takes longer than all else together, and visitors send the same headers again and again. So the
connection remembers by their octets the header sections that the parser has found good. Where such octets come
again, between two requests, alone, and behind a request line whose octets it has read before or that holds
nothing but ``GET`` and a plain target, the parser would find again what it has found before: how it reads a
header section does not depend on the line before it. Nothing is interpreted here, only compared; and a
connection on which anything else came is left to the parser for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDictProxy

from resolver.web.cold_path import ColdPath
from resolver.web.connections import GuardedConnection
from resolver.web.fast_path import FastPath, is_plain, line_of, target_of
from resolver.web.shedding import busy_answer

__all__ = ["FastConnection", "KnownHeads"]

MAX_BATCH = 32
"""As many requests as the parser hands out at once; it may hold back more, which aiohttp knows how to ask for."""

MAX_HEADS = 1024
MAX_HEAD_OCTETS = 2048

_VERSION = b" HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_SECRETS = (hdrs.AUTHORIZATION, hdrs.COOKIE)
"""Not ours to remember."""

_NOTHING: tuple[tuple[()], bool, bytes] = ((), False, b"")


class KnownHeads(dict[bytes, "CIMultiDictProxy[str]"]):
    """Header sections of plain requests, with the empty line at their end, and what the parser read in them."""

    def learn(self, octets: bytes, headers: CIMultiDictProxy[str]) -> None:
        """Remember one."""
        if len(octets) > MAX_HEAD_OCTETS or any(name in headers for name in _SECRETS):
            return
        if len(self) >= MAX_HEADS:
            self.clear()
        self[octets] = headers


class Sieve:
    """Stands in for the parser of a connection, and lets through what has no ready answer."""

    __slots__ = ("_connection", "_fast", "_heads", "_parser", "is_between", "under_way", "was_tried")

    def __init__(self, connection: RequestHandler, fast: FastPath, heads: KnownHeads) -> None:
        self._connection: Any = connection
        self._fast = fast
        self._heads = heads
        self._parser: Any = connection._parser
        self.is_between = True
        """Whether the parser has read nothing yet but whole plain requests, each of which came alone."""
        self.was_tried = False
        """Whether what comes next was looked at before it was parsed."""
        self.under_way = 0
        """Requests that were passed on and are not answered yet."""

    def end(self) -> None:
        """Let go of the connection, and of the parser, which knows it: else all wait for the garbage collector."""
        self._parser = self._connection = None

    def is_idle(self) -> bool:
        """Return whether an answer would be the next thing that is sent."""
        waiter = self._connection._waiter
        if waiter is not None:
            return not waiter.done()  # the task of the connection waits for a request
        # Or it is about to: none before this one has asked for the connection to be closed.
        return self.is_between and not self.under_way

    def feed_data(self, data: bytes) -> tuple[Sequence[Any], bool, bytes]:
        """Parse, answer what can be answered, and return the rest."""
        was_between, self.is_between = self.is_between, False
        result: tuple[Sequence[Any], bool, bytes] = self._parser.feed_data(data)
        requests, upgraded, tail = result
        if was_between:
            self.is_between = not upgraded and self._learn(data, requests)
        if not requests:
            return result
        answered = 0
        if not upgraded and self.is_idle() and len(requests) < MAX_BATCH:
            answered = self._fast.answer(self._connection, requests, sheds=not self.was_tried)
        self.under_way += len(requests) - answered
        if not answered:
            return result
        for _ in range(answered):
            self._parser.message_consumed()
        _stay_alive(self._connection, answered, self._fast.loop_time)
        return _NOTHING if answered == len(requests) else (requests[answered:], upgraded, tail)

    def _learn(self, data: bytes, requests: Sequence[Any]) -> bool:
        """Take note of a plain GET; return whether ``data`` was one, whole and alone."""
        if len(requests) != 1 or not is_plain(*requests[0]):
            return False
        request = requests[0][0]
        line, _, head = data.partition(_VERSION)
        if line != line_of(request.path) or data.find(_END) != len(data) - len(_END):
            return False
        if head not in self._heads:
            self._heads.learn(head, request.headers)
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


class FastConnection(GuardedConnection):
    """A connection with a sieve."""

    __slots__ = ("_asked", "_cold", "_fast", "_heads", "_held", "_sieve")

    def __init__(
        self,
        fast: FastPath,
        heads: KnownHeads,
        manager: web.Server,
        *,
        cold: ColdPath | None = None,
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._fast = fast
        self._cold = cold
        self._asked: bytes | None = None
        """The request for which the cold path is under way."""
        self._held = b""
        """What came behind it."""
        self._heads = heads
        self._sieve = Sieve(self, fast, heads)
        self._parser = self._sieve  # type: ignore[assignment]  # does what a parser does

    def data_received(self, data: bytes) -> None:
        """Answer one request of a known form, or have the data parsed."""
        if self._asked is not None:
            self._hold(data)
            return
        line, _, head = data.partition(_VERSION)
        headers = self._heads.get(head)
        if headers is None or not self._is_fit():
            super().data_received(data)
        elif self._fast.answer_one(self, line, headers):
            _stay_alive(self, 1, self._fast.loop_time)
        else:
            self._go_on(data, target_of(line), headers)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._sieve.end()

    def _is_fit(self) -> bool:
        """Return whether an answer may be sent at once; where the visitor does not read, the ordinary way waits."""
        return (
            self._sieve.is_between
            and self._sieve.is_idle()
            and not (self._paused or self._close or self._force_close or self._fast.draining.is_on)
        )

    def _go_on(self, data: bytes, target: str | None, headers: CIMultiDictProxy[str]) -> None:
        """Do without a ready answer for a request of a known form."""
        if target is not None:
            if self._fast.turn_away_one(self, target, headers):
                _stay_alive(self, 1, self._fast.loop_time)
                return
            if self._cold is not None and self._cold.begin(target, self._answer_cold):
                self._asked = data
                self._request_in_progress = True  # whoever stops the worker waits for it
                _stay_alive(self, 0, self._loop.time())
                return
            self._sieve.was_tried = True
        super().data_received(data)
        self._sieve.was_tried = False

    def _hold(self, data: bytes) -> None:
        """Keep what comes before the answer that is under way; no more than has come until reading ends."""
        if not self._held and self.transport is not None:
            self.transport.pause_reading()
        self._held += data

    def _answer_cold(self, answer: bytes | None) -> None:
        """Send an answer of the cold path, or go the ordinary way; then go on with what came behind."""
        asked, held = self._asked or b"", self._held
        self._asked, self._held = None, b""
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if self.transport is None or self.transport.is_closing():
            return  # the visitor has left
        if held:
            self.transport.resume_reading()
        if answer is not None:
            self.transport.write(answer)
            _stay_alive(self, 1, self._loop.time())
        elif self._force_close:
            self.transport.write(busy_answer(closes=True))  # too late for a detour
        else:
            super().data_received(asked)
        if self._cold is not None and self._cold.draining.is_on:
            if answer is None:
                self.close()
            else:
                self.force_close()  # nobody else would end it before the worker ends
        if held:
            self.data_received(held)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer of the ordinary way."""
        sent = await super().finish_response(request, resp, start_time)
        self._sieve.under_way -= 1
        return sent


def _stay_alive(connection: RequestHandler, answered: int, now: float) -> None:
    """Do for requests that were answered what aiohttp does after each: count, and start the idle time anew."""
    connection._request_count += answered
    connection._next_keepalive_close_time = closes_at = now + connection._keepalive_timeout
    if connection._keepalive_handle is None:
        connection._keepalive_handle = connection._loop.call_at(closes_at, connection._process_keepalive)
