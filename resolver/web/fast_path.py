"""The fast path: a finished answer for exactly this request is sent again, before a task or a request is made.

What comes in on a connection is read in ``sieve.py``. Here is what it looks into: ready answers, by request.
Every request that is in any way unusual goes the ordinary way, which this path must not be told apart from.

An answer comes from the ordinary way. It is kept if it may be (``FastPath.keep`` lists the conditions), found
by the request line and whatever else it depended on, and attached to the cache entries it was made of: it
goes when one of them is replaced, evicted, doubted or expires. In the last tenth of their time one request a
second goes the ordinary way, which then fetches the record anew.

Requests that come in together, in one moment of the event loop, are answered as of that moment: the clocks are
looked at once, at the first of them, and how long that one took stands for all.
"""

from __future__ import annotations

import html
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDictProxy, MultiMapping

from resolver.cache.entry import CachedRecord
from resolver.cache.memory import Made
from resolver.cache.tiers import MAX_CLOCK_SKEW_S, TieredCache, Watch
from resolver.config import Network
from resolver.resolution.ahead import prefetch_at
from resolver.telemetry import Metrics
from resolver.web.access_log import BUSY_ENTRY, AccessEntry, AccessLog, entry_of
from resolver.web.aside import Aside
from resolver.web.clients import read_origin, read_visitor_address
from resolver.web.draining import Draining
from resolver.web.hosts import Hosts
from resolver.web.identifiers import encode_handle
from resolver.web.problems import outcome_of_status
from resolver.web.ready import ReadyAnswer, Tally, fold
from resolver.web.render import CACHING
from resolver.web.seconds import Second
from resolver.web.shedding import busy_answer
from resolver.web.visit import Visit

__all__ = ["FastPath", "is_plain", "line_of", "target_of"]

MAX_NAME = 1024
"""Longest target, with what else an answer is found by."""

MAX_KEYS = 4
"""Records that one answer may be made of."""

REFRESH_PAUSE_S = 1.0
"""How often the ordinary way is gone where a record is almost over."""

_AND = b"\n"
"""Between a request line and the headers that an answer depends on."""

_STATUSES = frozenset({200, 301, 302, 303, 307, 308})
KEYED_BY = ("Accept", "Accept-Language")
"""Request headers that an answer may depend on; it is then found by their values as well."""

CERTIFIED = "cert "
"""What the keys of signed answers begin with."""

Admits = Callable[[str | None, MultiMapping[str]], bytes | None]
"""Asked for each request, by the peer's address and the headers: header lines to add, each after a line break
(mostly none); or ``None`` to have the ordinary way decide."""


class FastPath:
    """Ready answers, by what is asked.

    Their names are request lines up to the version, in octets; HEAD finds what GET does.
    """

    def __init__(
        self,
        cache: TieredCache,
        hosts: Hosts,
        metrics: Metrics,
        *,
        trusted_proxies: Sequence[Network],
        draining: Draining,
        clock: Callable[[], float],
        admits: Admits | None = None,
        sheds: Callable[[str], bool] = lambda _target: False,
        access_log: AccessLog | None = None,
    ) -> None:
        self._access_log = access_log
        self._cache = cache
        self._hosts = hosts
        self._metrics = metrics
        self._trusted_proxies = tuple(trusted_proxies)
        self.draining = draining
        self._clock = clock
        self._admits = admits
        self._sheds = sheds
        self._aside = Aside(cache)
        self._second = Second(0)
        """The latest in which anything was asked."""
        self._is_one_host = hosts.are_all_one
        self._answers: dict[bytes, ReadyAnswer] = {}
        self._varying: dict[bytes, dict[bytes, ReadyAnswer]] = {}
        """By request line, then by their whole names: those that depend on request headers as well."""
        self._now = 0.0
        """The moment, in seconds since 1970."""
        self.loop_time = 0.0
        """The same by the clock of the event loop."""
        self._began = 0.0
        """The same by the clock that durations are measured with, until the first answer."""
        self._took_s = 0.0
        """How long that took."""
        self._ids: list[bytes] = []
        self._tallies: dict[tuple[str, str, int], Tally] = {}
        self._untold: list[Tally] = []
        """Kinds of which there are answers that are not counted yet."""
        metrics.ask_for_more(self._tell)
        cache.memory.on_undone = self._forget

    def __len__(self) -> int:
        return len(self._answers) + sum(map(len, self._varying.values()))

    # --- filling -----------------------------------------------------------------------------------------

    def watch(self) -> Watch:
        """Begin to take note of what an answer is made of."""
        return self._cache.watch()

    def keep(self, visit: Visit, response: web.StreamResponse, watch: Watch) -> None:
        """Keep an answer of the ordinary way, if it would be the same for the next who asks the same.

        Args:
            visit: the request, and what was looked at of it.
            response: its whole answer.
            watch: begun before anything was read from the cache.
        """
        request, caching = visit.request, response.get(CACHING)
        if (
            caching is None
            or caching.expires_at is None
            or caching.stale
            or caching.is_personal
            or visit.looked_at_origin
            or response.status not in _STATUSES
            or not set(caching.vary) <= set(KEYED_BY)
            or not isinstance(response, web.Response)
            or not watch.has_all
        ):
            return
        records = {key: entry for key, entry in watch.found.items() if isinstance(entry, CachedRecord)}
        if len(records) < len(watch.found) or len(records) > MAX_KEYS or not _may_be_known(request):
            return
        if any(key.startswith(CERTIFIED) for key in records):
            return  # what a signature is worth depends on more than the record
        line = self._scoped(visit.origin.host, line_of(request.raw_path))
        name = _name(line, request.headers) if caching.vary else line
        if len(name) > MAX_NAME:
            return
        refresh_at = min(prefetch_at(key, record) or record.expires_at for key, record in records.items())
        if not self._cache.is_unchanged(watch):
            if not any(self._cache.peek(key) for key in records):
                self._aside.keep(name, visit, response, caching, watch, refresh_at)
            return
        location = response.headers.get("Location", "")
        words = location, html.escape(location), encode_handle(visit.asked or "")
        tally = self._tally(visit.endpoint, outcome_of_status(response.status), len(watch.keys))
        try:
            kind, own_words = fold(response, caching, words, tally)
        except ValueError:
            return
        now = self._clock()
        keys = tuple(map(self._cache.memory.own_name, records))
        self._put(
            ReadyAnswer(
                name,
                kind,
                own_words,
                float(caching.expires_at),
                float(min(caching.expires_at, refresh_at if refresh_at > now else now + REFRESH_PAUSE_S)),
                keys if len(keys) > 1 else keys[0],
                None if self._access_log is None else entry_of(visit, response),
            )
        )

    async def again(self, visit: Visit) -> web.Response | None:
        """Return an answer that was set aside, if there is one and it still holds."""
        request = visit.request
        if not self._aside or not _may_be_known(request):
            return None
        line = self._scoped(visit.origin.host, line_of(request.raw_path))
        visit.looked_at_origin = False
        now = self._clock()
        found = await self._aside.again(line, visit, now)
        return found or await self._aside.again(_name(line, request.headers), visit, now)

    def _put(self, answer: ReadyAnswer) -> None:
        line, varies, _ = answer.name.partition(_AND)
        answers = self._varying.setdefault(line, {}) if varies else self._answers
        old = answers.get(answer.name)
        answers[answer.name] = answer
        if old is not None:
            self._detach(old)
        if not all(self._cache.memory.attach(key, answer) for key in answer.keys):
            self._forget(answer)

    def _forget(self, made: Made) -> None:
        """Give up an answer."""
        if not isinstance(made, ReadyAnswer):
            return
        line, varies, _ = made.name.partition(_AND)
        answers = self._varying.get(line, {}) if varies else self._answers
        if answers.get(made.name) is not made:
            return
        del answers[made.name]
        if varies and not answers:
            del self._varying[line]
        self._detach(made)

    def _detach(self, answer: ReadyAnswer) -> None:
        for key in answer.keys:
            self._cache.memory.detach(key, answer)

    def _tally(self, endpoint: str, outcome: str, looks: int) -> Tally:
        kind = endpoint, outcome, looks
        return self._tallies.setdefault(kind, Tally(*kind))

    def _scoped(self, host: str | None, line: bytes) -> bytes:
        """Return a request line, with the name of the host it was said to where hosts answer differently."""
        return line if self._is_one_host else b"%b %b" % (self._hosts.name(host).encode(), line)

    # --- answering ---------------------------------------------------------------------------------------

    def answer(
        self,
        connection: RequestHandler,
        requests: Sequence[tuple[RawRequestMessage, Any]],
        *,
        sheds: bool = True,
    ) -> int:
        """Answer the requests at the front for which there is an answer at hand; return how many those were.

        Args:
            connection: on which they came.
            requests: as aiohttp's parser gives them.
            sheds: whether those for which there is no room are turned away as well.
        """
        self._look_at_clocks(connection)
        answered: list[tuple[Tally, AccessEntry | None, bytes]] = []
        octets: list[bytes] = []
        for request, body in requests:
            method, headers = request.method, request.headers
            if not is_plain(request, body) or method not in ("GET", "HEAD"):
                break
            ready = self._find(connection, line_of(request.path), headers)
            if ready is None and sheds and self._may_turn_away(connection, request.path):
                request_id = self.new_request_id()
                octets.append(busy_answer(request_id, with_body=method == "GET"))
                answered.append((self._tally("redirect", "busy", 0), BUSY_ENTRY, request_id))
                continue
            added = None if ready is None else self._admit(connection, headers, ready)
            if ready is None or added is None:
                break
            request_id = self.new_request_id()
            whole = ready.octets_at(self._now, self._second, request_id + added)
            octets.append(whole if method == "GET" else whole[: -ready.kind.body_octets])
            answered.append((ready.kind.tally, ready.entry, request_id))
        if answered:
            connection.transport.write(b"".join(octets))  # type: ignore[union-attr]  # data have just come in on it
            for (tally, entry, request_id), (request, _) in zip(answered, requests, strict=False):
                self._count(tally)
                if entry is not None:
                    head = request.method, request.path, request.headers
                    self._note(connection, *head, entry, request_id)
        return len(answered)

    def answer_one(self, connection: RequestHandler, line: bytes, headers: CIMultiDictProxy[str]) -> bool:
        """Answer a plain request, if there is an answer at hand; return whether it was.

        Args:
            connection: on which it came, which is fit to be answered on.
            line: the request line up to the version, as it came in: anything without that.
            headers: of a request that ``is_plain``.
        """
        self._look_at_clocks(connection)
        # What nearly all ask for is found at once; ``_find`` knows all the rest.
        ready = self._answers.get(line) if self._is_one_host else None
        if ready is None or self._now >= ready.refresh_at:
            ready = self._find(connection, line, headers)
            if ready is None:
                return False
        kind = ready.kind
        request_id = said_id = self._ids.pop() if self._ids else self.new_request_id()
        if kind.has_etag or self._admits is not None:
            added = self._admit(connection, headers, ready)
            if added is None:
                return False
            said_id = request_id + added
        octets = ready.octets_at(self._now, self._second, said_id)
        connection.transport.write(octets)  # type: ignore[union-attr]  # data have just come in on it
        self._count(kind.tally)
        if ready.entry is not None:
            self._note(connection, "GET", target_of(line) or "", headers, ready.entry, request_id)
        return True

    def turn_away_one(self, connection: RequestHandler, target: str, headers: CIMultiDictProxy[str]) -> bool:
        """Say to a plain GET that there is no room for a lookup, if there is none; return whether it was said."""
        if not self._may_turn_away(connection, target):
            return False
        request_id = self.new_request_id()
        connection.transport.write(busy_answer(request_id))  # type: ignore[union-attr]  # data have just come in on it
        self._count(self._tally("redirect", "busy", 0))
        self._note(connection, "GET", target, headers, BUSY_ENTRY, request_id)
        return True

    def _may_turn_away(self, connection: RequestHandler, target: str) -> bool:
        return self._is_one_host and not connection._paused and self._sheds(target)

    def _admit(
        self, connection: RequestHandler, headers: CIMultiDictProxy[str], ready: ReadyAnswer
    ) -> bytes | None:
        """Return what is added to the head of an answer, or ``None`` if the ordinary way has to decide."""
        if ready.kind.has_etag and hdrs.IF_NONE_MATCH in headers:
            return None
        return b"" if self._admits is None else self._admits(_remote(connection), headers)

    def _find(
        self, connection: RequestHandler, line: bytes, headers: CIMultiDictProxy[str]
    ) -> ReadyAnswer | None:
        if self.draining.is_on or connection._paused:
            return None
        if not self._is_one_host:
            origin = read_origin(_remote(connection), _scheme(connection), headers, self._trusted_proxies)
            line = self._scoped(origin.host, line)
        ready = self._answers.get(line)
        if ready is None and line in self._varying:
            ready = self._varying[line].get(_name(line, headers))
        if ready is None:
            return None
        if self._now < ready.refresh_at:
            return ready
        if self._now >= ready.expires_at:
            self._forget(ready)
        return None  # until the ordinary way has been gone, and has kept its answer for another while

    def _look_at_clocks(self, connection: RequestHandler) -> None:
        """Take note of the moment if it is another one, and begin another second if it lies in another one."""
        loop_time = connection._loop.time()
        if loop_time == self.loop_time:
            return
        self.loop_time = loop_time
        self._began = time.perf_counter()
        now = self._now = self._clock()
        second = self._second
        if second.begins_at <= now < second.ends_at:
            return
        if now < second.begins_at - MAX_CLOCK_SKEW_S:
            self._cache.undo_made()  # the clock was set back: what is kept counted on another time
        self._second = Second(now)

    def new_request_id(self) -> bytes:
        """Return what ``secrets.token_hex(8)`` would, out of a supply that is fetched at once."""
        if not self._ids:
            supply = secrets.token_hex(8 * 512).encode()
            self._ids = [supply[at : at + 16] for at in range(0, len(supply), 16)]
        return self._ids.pop()

    # --- counting ----------------------------------------------------------------------------------------

    def _note(
        self,
        connection: RequestHandler,
        method: str,
        target: str,
        headers: CIMultiDictProxy[str],
        entry: AccessEntry,
        request_id: bytes,
    ) -> None:
        """Write down an answer; ``entry`` holds what is the same for all that get it."""
        if self._access_log is not None:
            address = read_visitor_address(_remote(connection), headers, self._trusted_proxies)
            self._access_log.note_again(
                entry,
                at=self._now,
                elapsed_s=self._took_s,
                address=address,
                method=method,
                target=target,
                headers=headers,
                request_id=request_id.decode(),
            )

    def _count(self, tally: Tally) -> None:
        if self._began:
            self._took_s = time.perf_counter() - self._began
            self._began = 0.0
        if not tally.count:
            self._untold.append(tally)
            self._metrics.come_due()
        tally.count += 1
        tally.seconds += self._took_s

    def _tell(self) -> None:
        """Count what was answered since the last time."""
        told = [(tally, *tally.take()) for tally in self._untold]
        self._untold.clear()
        for tally, count, seconds in told:
            self._metrics.answered(tally.endpoint, tally.outcome, tally.looks, count, seconds / count)


def _may_be_known(request: web.BaseRequest) -> bool:
    return request.method in ("GET", "HEAD") and request.version == HttpVersion11


def is_plain(request: RawRequestMessage, body: object) -> bool:
    """Whether a request is like most: of today's HTTP, without a body, and with nothing asked of the connection."""
    return (
        body is EMPTY_PAYLOAD
        and not request.should_close
        and not request.upgrade
        and request.version == HttpVersion11
        and hdrs.EXPECT not in request.headers
    )


def line_of(target: str) -> bytes:
    """Return the request line of a GET, up to the version, from a target as aiohttp's parser gives it."""
    return b"GET " + target.encode("utf-8", "surrogateescape")


def target_of(line: bytes) -> str | None:
    """Return the target in a request line up to the version, or ``None`` if it is not that of a GET."""
    return line[4:].decode("utf-8", "surrogateescape") if line.startswith(b"GET ") else None


def _name(line: bytes, headers: CIMultiDictProxy[str]) -> bytes:
    """Return what an answer that depends on headers is found by; neither a line nor a header holds a line break."""
    values = (", ".join(headers.getall(name, ())).encode("utf-8", "surrogateescape") for name in KEYED_BY)
    return _AND.join([line, *values])


def _remote(connection: RequestHandler) -> str | None:
    """Return the peer's address as ``web.Request.remote`` gives it."""
    peer = connection.peername
    return str(peer[0]) if isinstance(peer, list | tuple) else peer


def _scheme(connection: RequestHandler) -> str:
    return "http" if connection.ssl_context is None else "https"
