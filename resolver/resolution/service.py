"""Resolving a handle: the cache, the lookup it saves, and what to answer when neither has anything good.

``Resolver.resolve`` is the way of every request, from top to bottom::

    fresh entry in a tier  -> answer, and fetch anew in the background if it is asked for often and almost over
    expired record         -> look up; if that fails or takes longer than STALE_TIMER_S, answer the old one
    nothing                -> look up, together with everybody else who wants the same handle, in this
                              process (cache/flight.py) and in all that share a Redis (cache/lease.py)

There is room for so many lookups; beyond that, what is remembered is still answered. A lookup is a conversation
with ``lookup.py``, which knows the rules; ``driver.py`` acts on them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, assert_never

from msgspec import Struct

from resolver.cache.entry import Absence, CachedRecord, Entry
from resolver.cache.flight import SingleFlight
from resolver.cache.lease import Leases
from resolver.cache.memory import MemoryCache
from resolver.cache.outcome import Failure, Found
from resolver.cache.tiers import Cached, TieredCache
from resolver.errors import (
    ClosingError,
    HandleNotFoundError,
    LookupTimeoutError,
    NoServerAnsweredError,
    ServiceNotFoundError,
    TooManyRequestsError,
    UpstreamError,
    without_history,
)
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord
from resolver.model.site import Site
from resolver.observe import Observer
from resolver.protocol.namespaces import namespace_of
from resolver.resolution.ahead import MAX_PREFETCHES, is_almost_over
from resolver.resolution.bootstrap import Registry
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Budget, Driver
from resolver.resolution.lookup import locate, look_up
from resolver.resolution.remembering import Lifetimes, absence_of, record_of
from resolver.resolution.room import Room, crowd_of, met_a_crowd
from resolver.resolution.setbacks import Setbacks
from resolver.resolution.steps import Answer, Conversation, Fetch, Fetched, Outcome, Question
from resolver.resolution.straight import StraightWay
from resolver.resolution.toll import Kind
from resolver.resolution.trace import Trace
from resolver.tasks import Background

__all__ = ["Resolved", "Resolver"]

logger = logging.getLogger(__name__)

STALE_TIMER_S = 1.5
"""How long an expired record lets the upstream try before it answers itself; visitors leave after two seconds."""

PROBE_PATIENCE_S = 0.3
"""How long a visitor waits for a refresh where one has failed of late: enough if all is well again."""

MAX_LOOKUPS = 512
"""Lookups that may be under way for visitors; see the setting ``max-lookups``."""

DOUBT_PAUSE_S = 60.0

AUTH = "auth "
"""Begins the names of lookups that ask a primary server."""

REFETCH_PAUSE_S = 30.0
"""Age from which the record of a prefix whose service fails is worth asking for again."""

MAX_DOUBTED = 10_000


class Resolved(Struct, frozen=True):
    """The record of a handle, and how much it is worth."""

    record: HandleRecord
    fetched_at: float
    """Seconds since 1970."""
    expires_at: float
    """Seconds since 1970."""
    answered_by: str
    namespace: Namespace | None = None
    stale: bool = False
    certified: bool = False
    """Whether every answer on the way was signed by the server that gave it."""


class Resolver:
    """Resolves handles through the Handle System, with a memory."""

    def __init__(
        self,
        registry: Registry,
        driver: Driver,
        cache: TieredCache,
        background: Background,
        *,
        deadline_s: float,
        lifetimes: Lifetimes,
        clock: Callable[[], float],
        leases: Leases | None = None,
        max_lookups: int = MAX_LOOKUPS,
        observer: Observer | None = None,
        on_registry_outdated: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            registry: where lookups begin.
            driver: asks the servers.
            cache: what is remembered.
            background: runs the lookups.
            deadline_s: time for one lookup.
            lifetimes: how long what is believed.
            clock: seconds since 1970.
            leases: shares lookups with other processes.
            max_lookups: how many may be under way for visitors.
            observer: told what happens.
            on_registry_outdated: called when a server says that the data of the registry are old.
        """
        self.on_registry_outdated = on_registry_outdated
        self.registry = registry
        """What is known of the Global Handle Registry; see ``adopt``."""
        self._driver = driver
        self._cache = cache
        self._deadline_s = deadline_s
        self._lifetimes = lifetimes
        self._clock = clock
        self._observer = observer or Observer()
        self._flights: SingleFlight[Entry] = SingleFlight(background, self._observer)
        self._leases = leases
        self._setbacks = Setbacks(lifetimes.failure, clock)
        self.room = Room(max_lookups, self._setbacks, self._flights.__len__)
        self._prefetching: set[str] = set()
        self._doubted: MemoryCache[float] = MemoryCache(MAX_DOUBTED, 4 * 2**20)
        driver.on_outdated = self._doubt
        self.straight_way = StraightWay(
            driver,
            cache,
            self._flights,
            self._setbacks,
            self.room,
            deadline_s=deadline_s,
            lifetimes=lifetimes,
            clock=clock,
            observer=self._observer,
            instead=lambda handle, spent_s: self._fetch_counted(
                handle, budget=Budget.start(deadline_s - spent_s, key=handle.cache_key)
            ),
        )
        """For visitors who can be answered without a task."""

    def adopt(self, registry: Registry) -> None:
        """Begin all lookups with newer data of the registry from now on."""
        self.registry = registry
        self._driver.directory = replace(self._driver.directory, registry=registry.sites)
        self._cache.undo_made()  # answers may have inherited from the registry's namespace

    # --- room --------------------------------------------------------------------------------------------

    def would_refuse(self, handle: Handle, on_their_way: int = 0) -> bool:
        """Whether a visitor who asks for ``handle`` behind so many others is turned away; looks into memory only."""
        key = handle.cache_key
        return (
            not self._cache.is_shared  # else another process may know it
            and self.room.has_none_for(crowd_of(handle), on_their_way)
            and key not in self._flights
            and self._cache.peek(key) is None
        )

    def _make_room(self, flight: str, handle: Handle, kind: Kind = "miss") -> None:
        """Let the visitor pay for a lookup, unless it can share one that is under way.

        Raises:
            ClosingError: there is no room for another one.
            TooManyRequestsError: the visitor has nothing left to pay with.
        """
        if flight not in self._flights:
            self.room.make(handle, kind)

    async def resolve(
        self,
        handle: Handle,
        *,
        authoritative: bool = False,
        certified: bool = False,
        public_only: bool = True,
        trace: Trace | None = None,
    ) -> Resolved:
        """Return the record of ``handle``.

        Args:
            handle: what to resolve.
            authoritative: ask a primary server, whatever is remembered, and remember its answer instead.
            certified: take signed answers only, on the whole way; never an old one.
            public_only: whether the server should leave out what the public may not read; if not, and
                there is such a value, it refuses. Never answered from memory.
            trace: where to note what happens on the way.

        Raises:
            HandleNotFoundError: there is no such handle; as ``ServiceNotFoundError``, no such prefix.
            InvalidHandleError: the service calls the handle invalid.
            UpstreamError: no server gave an answer, and nothing remembered may stand in.
            ClosingError: too much is going on.
            TooManyRequestsError: whoever asks has spent its allowance, and nothing remembered may stand in.
        """
        if not public_only:
            return await self._resolve_alone(handle, authoritative, certified, trace)
        if authoritative:
            return await self._resolve_anew(handle, certified, trace)
        key = _key(handle, certified=certified)
        cached = await self._cache.get(key)
        if cached is not None and cached.freshness == "fresh":
            self._maybe_prefetch(handle, cached, certified=certified)
            return _resolved(handle, cached.entry, certified=certified)
        failure = self._setbacks.failure(key)
        budget = self._budget(key, trace)
        if cached is None or certified:
            if failure is not None:
                raise without_history(failure)
            self._make_room(key, handle)
            entry = await self._flights.run(
                key, lambda: self._fetch_counted(handle, certified=certified, budget=budget)
            )
            return _resolved(handle, entry, certified=certified)
        if failure is not None:
            self._observer.stale_answer("error")
            return _resolved(handle, cached.entry, stale=True)
        fetched = await self._refreshed(handle, budget, for_visitor=True)
        return _resolved(handle, cached.entry if fetched is None else fetched, stale=fetched is None)

    async def remembered(self, handle: Handle) -> Cached | UpstreamError | None:
        """Return what is known of ``handle`` without asking anybody: an entry, that asking failed, or nothing."""
        cached = await self._cache.get(handle.cache_key)
        return cached or self._setbacks.failure(handle.cache_key)

    async def look_anew(self, handle: Handle, *, authoritative: bool = False, trace: Trace) -> Resolved:
        """Look ``handle`` up as if nothing were known of it, and remember nothing: to see how it goes.

        Raises:
            ResolverError: as ``resolve`` does.
        """
        return await self._resolve_alone(handle, authoritative, False, trace, public_only=True)

    def forget_setbacks(self, handle: Handle | None = None) -> None:
        """Let a handle, or all of them, be tried anew at once, however it went before."""
        if handle is None:
            self._setbacks.clear_all()
            return
        for certified in (False, True):
            self._setbacks.clear(_key(handle, certified=certified), crowd_of(handle))

    async def locate(self, handle: Handle, *, trace: Trace | None = None) -> tuple[Site, ...]:
        """Return the sites of the service that is responsible for ``handle``, without asking them.

        Raises:
            ServiceNotFoundError: nobody is responsible.
            UpstreamError: no server could be asked who is.
        """
        budget = self._budget(f"locate {handle.cache_key}", trace)
        return await self._converse(locate(Question(handle), self._driver.directory), budget)

    async def ask_site(
        self, handle: Handle, site: Site, *, certified: bool = False, trace: Trace | None = None
    ) -> Answer:
        """Ask one site, and nobody else, for a handle; nothing is remembered.

        Raises:
            HandleNotFoundError: the site does not know it.
            UpstreamError: the site gave no answer.
        """
        only = Directory(self.registry.sites, gateway=(site,))
        budget = self._budget(f"ask {handle.cache_key}", trace)
        return await self._converse(look_up(Question(handle, certified=certified), only), budget)

    async def _converse(self, conversation: Conversation[Outcome], budget: Budget) -> Outcome:
        self._cache.spoil_watch()
        try:
            async with asyncio.timeout_at(budget.ends_at):
                return await self._driver.drive(conversation, budget, self._infrastructure)
        except TimeoutError as error:
            raise LookupTimeoutError(f"no answer within {self._deadline_s:g} s") from error

    def _budget(self, key: str, trace: Trace | None = None) -> Budget:
        return Budget.start(self._deadline_s, trace, key=key)

    async def _resolve_alone(
        self,
        handle: Handle,
        authoritative: bool,
        certified: bool,
        trace: Trace | None,
        *,
        public_only: bool = False,
    ) -> Resolved:
        """Ask for one visitor alone. With all values: what one may see is not another's to share."""
        self._make_room("", handle, "auth" if authoritative else "miss")
        question = Question(handle, authoritative, certified, public_only=public_only)
        budget = self._budget(_key(handle, certified=certified), trace)
        self.room.alone += 1
        try:
            entry = await self._look_up(question, budget)
        finally:
            self.room.alone -= 1
        return _resolved(handle, entry, certified=certified)

    async def _resolve_anew(self, handle: Handle, certified: bool, trace: Trace | None) -> Resolved:
        key = _key(handle, certified=certified)
        flight = f"{AUTH}{key}"
        # What another visitor asked for a moment ago may be from before the change this one wants to see.
        await self._flights.settle(flight)
        self._make_room(flight, handle, "auth")
        budget = self._budget(key, trace)
        entry = await self._flights.run(
            flight, lambda: self._fetch(handle, authoritative=True, certified=certified, budget=budget)
        )
        return _resolved(handle, entry, certified=certified)

    async def _refreshed(self, handle: Handle, budget: Budget, *, for_visitor: bool = False) -> Entry | None:
        """Fetch what is in place of an expired entry by now; ``None`` if that fails, or does not come in time.

        Nobody waits longer than ``STALE_TIMER_S`` after the fetch began. Where one has failed of late, one visitor a
        second tries it for a moment, and nobody else waits at all.
        """
        key, crowd, reason = handle.cache_key, crowd_of(handle), "timeout"

        def fetch() -> Coroutine[Any, Any, Entry]:
            return self._fetch_counted(handle, budget=budget)

        ailing = next(filter(self._setbacks.is_ailing, (crowd, key)), None)
        try:
            if ailing is not None:
                if not self.room.is_pressed and self._setbacks.may_probe(ailing):
                    async with asyncio.timeout(PROBE_PATIENCE_S - self._flights.age_s(key)):
                        return await self._flights.run(key, fetch)
            else:
                if for_visitor:
                    self._make_room(key, handle)
                async with asyncio.timeout(STALE_TIMER_S - self._flights.age_s(key)):
                    return await self._flights.run(key, fetch)
        except TimeoutError:
            if ailing is None:
                self._setbacks.ail(key, crowd)
        except (UpstreamError, ClosingError, TooManyRequestsError):
            reason = "error"
        self._observer.stale_answer(reason)
        return None

    # --- ahead of time -----------------------------------------------------------------------------------

    def _maybe_prefetch(self, handle: Handle, cached: Cached, *, certified: bool = False) -> None:
        entry, key = cached.entry, _key(handle, certified=certified)
        if (
            isinstance(entry, CachedRecord)
            and cached.wanted
            and is_almost_over(key, entry, self._clock())
            and len(self._prefetching) < MAX_PREFETCHES
            and self.room.is_comfortable
            and key not in self._prefetching
            and self._setbacks.failure(key) is None
        ):
            self._prefetching.add(key)
            task = self._flights.start(
                key, lambda: self._fetch_counted(handle, certified=certified, budget=self._budget(key))
            )
            task.add_done_callback(lambda task: self._prefetched(key, task))

    def _prefetched(self, key: str, task: asyncio.Future[Entry]) -> None:
        self._prefetching.discard(key)
        self._observer.prefetched("failed" if task.cancelled() or task.exception() else "ok")

    def _doubt(self, site: Site, question: Question) -> None:
        """Fetch anew what named a site that says of itself that its record has changed."""
        if site in self.registry.sites:
            self.on_registry_outdated()
            return
        handle = question.handle.prefix_handle
        key = _key(handle, certified=question.certified)
        if self._clock() - (self._doubted.get(key) or 0.0) < DOUBT_PAUSE_S:
            return  # one that says so for ever is not worth more than this
        self._doubted.put(key, self._clock(), 8)
        self._flights.start(
            f"{AUTH}{key}",
            lambda: self._fetch(
                handle, authoritative=True, certified=question.certified, budget=self._budget(key)
            ),
        )

    # --- asking the network ------------------------------------------------------------------------------

    def _fetch_counted(
        self, handle: Handle, *, budget: Budget, certified: bool = False
    ) -> Coroutine[Any, Any, Entry]:
        """Begin what ``_fetch_together`` does, and count it from now on."""
        crowd = crowd_of(handle)
        self.room.enter(crowd)
        return self._count_until_over(
            crowd, lambda: self._fetch_together(handle, budget=budget, certified=certified)
        )

    async def _count_until_over(self, crowd: str, work: Callable[[], Coroutine[Any, Any, Entry]]) -> Entry:
        met: UpstreamError | None = None
        try:
            return await work()
        except UpstreamError as error:
            met = error
            raise
        finally:
            self.room.leave(crowd, met)

    async def _fetch_together(self, handle: Handle, *, budget: Budget, certified: bool = False) -> Entry:
        """Look ``handle`` up, or let another process do it that wants it too."""
        if self._leases is None:
            return await self._fetch(handle, budget=budget, certified=certified)
        key, refusals, is_ours = _key(handle, certified=certified), budget.refusals, False

        async def fetch() -> Entry:
            nonlocal is_ours
            is_ours = True
            return await self._fetch(handle, budget=budget, certified=certified)

        def failure_until(outcome: Entry | UpstreamError) -> float | None:
            if isinstance(outcome, UpstreamError):
                return None if met_a_crowd(outcome) else self._setbacks.failure_until(key)
            about = isinstance(outcome, CachedRecord) or self._is_about_the_handle(budget, refusals)
            return self._clock() if about else None

        outcome = await self._leases.run(
            key,
            fetch,
            is_fresh=lambda entry: self._clock() < entry.expires_at,
            failure_until=failure_until,
            ends_at=budget.ends_at,
        )
        match outcome:
            case Failure(error):
                self._setbacks.fail(key, error, self._clock())
                raise error
            case Found(entry, begun_at):
                if not is_ours:
                    self._cache.adopt(key, entry, begun_at)
                return entry

    async def _fetch(
        self, handle: Handle, *, budget: Budget, authoritative: bool = False, certified: bool = False
    ) -> Entry:
        """Look ``handle`` up, remember the outcome, and return it."""
        key = _key(handle, certified=certified)
        begun_at = self._clock()
        refusals = budget.refusals
        try:
            question = Question(handle, authoritative, certified, recursion_count=budget.depth)
            entry = await self._look_up(question, budget)
        except UpstreamError as error:
            if handle.is_global:
                self._observer.registry_lookup("failed")
            if self._is_about_the_handle(budget, refusals, error):
                self._setbacks.fail(key, error, begun_at)
            if isinstance(error, NoServerAnsweredError | LookupTimeoutError) and not met_a_crowd(error):
                self._setbacks.ail(key, crowd_of(handle))
            logger.warning("lookup failed handle=%r error=%s", handle.text, error)
            raise
        if handle.is_global:
            self._observer.registry_lookup("not_found" if isinstance(entry, Absence) else "found")
        self._setbacks.clear(key, crowd_of(handle))
        if authoritative:
            await self._cache.replace(key, entry)
        elif isinstance(entry, CachedRecord) or self._is_about_the_handle(budget, refusals):
            self._cache.put(key, entry, begun_at)
        return entry

    @staticmethod
    def _is_about_the_handle(budget: Budget, refusals: int, error: UpstreamError | None = None) -> bool:
        """Return whether a bad outcome counts for everybody: not if it came of one visitor's limits."""
        if len(budget.chain) == 1:
            return True  # the lookup that the visitor asked for: the limits are its own
        return budget.refusals == refusals and not isinstance(error, LookupTimeoutError)

    async def _look_up(self, question: Question, budget: Budget) -> Entry:
        try:
            answer = await self._converse(look_up(question, self._driver.directory), budget)
        except ServiceNotFoundError as error:
            return Absence(self._clock(), self._lifetimes.prefix_absence, error.prefix, error.reason)
        except HandleNotFoundError:
            return self._absence(question)
        namespace = namespace_of(answer.prefix_values.values) if answer.prefix_values else None
        return record_of(answer, namespace, self._clock(), self._lifetimes)

    def _absence(self, question: Question) -> Absence:
        described = self._cache.peek(_key(question.handle.prefix_handle, certified=question.certified))
        namespace = None
        if described is not None and isinstance(described.entry, CachedRecord):
            namespace = namespace_of(described.entry.record.values)
        return absence_of(question.handle, namespace, self._clock(), self._lifetimes)

    async def _infrastructure(self, step: Fetch, budget: Budget) -> Fetched:
        """Get a record that a lookup needs on its way: of a prefix, or of a service handle."""
        handle, certified = step.handle, step.certified
        key = _key(handle, certified=certified)
        deeper = budget.descend(key, step.recursion_count)
        if step.authoritative:
            entry = await self._flights.run(
                f"{AUTH}{key}",
                lambda: self._fetch(handle, authoritative=True, certified=certified, budget=deeper),
            )
            return self._fetched(handle, entry)
        cached = await self._cache.get(key)
        if cached is not None and cached.freshness == "fresh":
            self._maybe_prefetch(handle, cached, certified=certified)
            if deeper.trace is not None:
                deeper.trace.note(deeper.depth, handle.text, "remembered")
            return self._fetched(handle, cached.entry)
        old = None if cached is None or certified else cached.entry
        # Others may wait for it too, so that it does not end with this visitor's time.
        shared = deeper.renewed(self._deadline_s)
        try:
            failure = self._setbacks.failure(key)
            if failure is not None:
                raise without_history(failure)
            if not handle.is_prefix_handle:
                # Not shared: two service handles that need each other would wait for each other.
                return self._fetched(handle, await self._fetch(handle, certified=certified, budget=deeper))
            if old is None:
                entry = await self._flights.run(
                    key, lambda: self._fetch_counted(handle, certified=certified, budget=shared)
                )
                return self._fetched(handle, entry)
        except UpstreamError:
            if old is None:
                raise
            self._observer.stale_answer("error")
            return self._fetched(handle, old, stale=True)
        fetched = await self._refreshed(handle, shared)
        return self._fetched(handle, old if fetched is None else fetched, stale=fetched is None)

    def _fetched(self, handle: Handle, entry: Entry, *, stale: bool = False) -> Fetched:
        resolved = _resolved(handle, entry, stale=stale)
        return Fetched(resolved.record, is_old=self._clock() - resolved.fetched_at > REFETCH_PAUSE_S)


def _key(handle: Handle, *, certified: bool) -> str:
    """Return where an entry is kept: signed answers apart from others. No folded prefix has small letters."""
    return f"cert {handle.cache_key}" if certified else handle.cache_key


def _resolved(handle: Handle, entry: Entry, *, stale: bool = False, certified: bool = False) -> Resolved:
    match entry:
        case CachedRecord(record, fetched_at, _, answered_by, namespace):
            return Resolved(record, fetched_at, entry.expires_at, answered_by, namespace, stale, certified)
        case Absence(missing_prefix=str(prefix), reason=reason):
            raise ServiceNotFoundError(handle.text, prefix, reason)
        case Absence():
            raise HandleNotFoundError(handle.text)
        case _:
            assert_never(entry)
