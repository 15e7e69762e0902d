"""Resolving a handle: the cache, the lookup it saves, and what to answer when neither has anything good.

``Resolver.resolve`` is the way of every request, from top to bottom::

    fresh entry in a tier  -> answer, and fetch anew in the background if it is asked for often and almost over
    expired record         -> look up; if that fails or takes longer than STALE_TIMER_S, answer the old one
    nothing                -> look up, together with everybody else who wants the same handle

A lookup is a conversation with ``lookup.py``, which knows the rules; ``driver.py`` acts on them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from resolver.cache.entry import Absence, CachedRecord, Entry
from resolver.cache.flight import SingleFlight
from resolver.cache.memory import MemoryCache
from resolver.cache.tiers import Cached, TieredCache
from resolver.errors import (
    ClosingError,
    HandleNotFoundError,
    LookupTimeoutError,
    ServiceNotFoundError,
    UpstreamError,
    without_history,
)
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord
from resolver.model.site import Site
from resolver.observe import Observer
from resolver.protocol.namespaces import namespace_of
from resolver.resolution.bootstrap import Registry
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Budget, Driver
from resolver.resolution.lookup import locate, look_up
from resolver.resolution.steps import Answer, Conversation, Fetch, Fetched, Outcome, Question
from resolver.resolution.trace import Trace
from resolver.tasks import Background

__all__ = ["Lifetimes", "Resolved", "Resolver"]

logger = logging.getLogger(__name__)

STALE_TIMER_S = 1.5
"""How long an expired record lets the upstream try before it answers itself; visitors leave after two seconds."""

PREFETCH_SHARE = 0.1
"""Part of its lifetime at the end of which a wanted record is fetched anew."""

PREFETCH_MIN_LIFETIME_S = 10.0
MAX_PREFETCHES = 32
"""Fetches ahead of time that may run at once: they must not crowd out what visitors wait for."""

COMPUTED_ABSENCE_S = 5.0
"""How long a handle counts as missing where the service computes records by a template."""

SHORTEST_FAILURE_S = 0.5
DOUBT_PAUSE_S = 60.0

REFETCH_PAUSE_S = 30.0
"""Age from which the record of a prefix whose service fails is worth asking for again."""

MAX_REMEMBERED_FAILURES = 10_000


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what is believed; all in seconds."""

    record_max: float = 3600.0
    """At most this long, whatever the TTLs of the values say."""
    handle_absence: float = 30.0
    """A handle that does not exist. Short, since somebody may be about to register it."""
    prefix_absence: float = 300.0
    """A prefix without a service."""
    failure: float = 1.0
    """An upstream that could not be asked; nobody asks again meanwhile."""


@dataclass(frozen=True, slots=True)
class Resolved:
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
        observer: Observer | None = None,
        on_registry_outdated: Callable[[], None] = lambda: None,
    ) -> None:
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
        self._failures: MemoryCache[tuple[float, UpstreamError]] = MemoryCache(
            MAX_REMEMBERED_FAILURES, 16 * 2**20
        )
        self._prefetching: set[str] = set()
        self._doubted: MemoryCache[float] = MemoryCache(MAX_REMEMBERED_FAILURES, 4 * 2**20)
        driver.on_outdated = self._doubt

    def adopt(self, registry: Registry) -> None:
        """Begin all lookups with newer data of the registry from now on."""
        self.registry = registry
        self._driver.directory = replace(self._driver.directory, registry=registry.sites)

    @property
    def in_flight(self) -> int:
        """Lookups under way."""
        return len(self._flights)

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
        """
        if not public_only:
            question = Question(handle, authoritative, certified, public_only=False)
            budget = self._budget(_key(handle, certified=certified), trace)
            return _resolved(handle, await self._look_up(question, budget), certified=certified)
        if authoritative:
            return await self._resolve_anew(handle, certified, trace)
        key = _key(handle, certified=certified)
        cached = await self._cache.get(key)
        if cached is not None and cached.freshness == "fresh":
            self._maybe_prefetch(handle, cached, certified=certified)
            return _resolved(handle, cached.entry, certified=certified)
        failure = self._remembered_failure(key)
        if cached is None or certified:
            if failure is not None:
                raise without_history(failure)
            budget = self._budget(key, trace)
            entry = await self._flights.run(
                key, lambda: self._fetch(handle, certified=certified, budget=budget)
            )
            return _resolved(handle, entry, certified=certified)
        if failure is not None:
            return self._stale(handle, cached.entry, "error")
        return await self._resolve_expired(handle, cached.entry)

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
        try:
            async with asyncio.timeout_at(budget.ends_at):
                return await self._driver.drive(conversation, budget, self._infrastructure)
        except TimeoutError as error:
            raise LookupTimeoutError(f"no answer within {self._deadline_s:g} s") from error

    def _budget(self, key: str, trace: Trace | None = None) -> Budget:
        return Budget.start(self._deadline_s, trace, key=key)

    async def _resolve_anew(self, handle: Handle, certified: bool, trace: Trace | None) -> Resolved:
        key = _key(handle, certified=certified)
        flight = f"auth {key}"
        # What another visitor asked for a moment ago may be from before the change this one wants to see.
        await self._flights.settle(flight)
        budget = self._budget(key, trace)
        entry = await self._flights.run(
            flight, lambda: self._fetch(handle, authoritative=True, certified=certified, budget=budget)
        )
        return _resolved(handle, entry, certified=certified)

    async def _resolve_expired(self, handle: Handle, old: Entry) -> Resolved:
        try:
            async with asyncio.timeout(STALE_TIMER_S):
                entry = await self._flights.run(
                    handle.cache_key, lambda: self._fetch(handle, budget=self._budget(handle.cache_key))
                )
        except TimeoutError:
            return self._stale(handle, old, "timeout")
        except (UpstreamError, ClosingError):
            return self._stale(handle, old, "error")
        return _resolved(handle, entry)

    def _stale(self, handle: Handle, old: Entry, reason: str) -> Resolved:
        self._observer.stale_answer(reason)
        return _resolved(handle, old, stale=True)

    # --- ahead of time -----------------------------------------------------------------------------------

    def _maybe_prefetch(self, handle: Handle, cached: Cached, *, certified: bool = False) -> None:
        entry, key = cached.entry, _key(handle, certified=certified)
        left_s = entry.expires_at - self._clock()
        if (
            isinstance(entry, CachedRecord)
            and cached.wanted
            and entry.lifetime_s >= PREFETCH_MIN_LIFETIME_S
            and left_s < PREFETCH_SHARE * entry.lifetime_s
            and len(self._prefetching) < MAX_PREFETCHES
            and key not in self._prefetching
            and self._remembered_failure(key) is None
        ):
            self._prefetching.add(key)
            task = self._flights.start(
                key, lambda: self._fetch(handle, certified=certified, budget=self._budget(key))
            )
            task.add_done_callback(lambda task: self._prefetched(key, task))

    def _prefetched(self, key: str, task: asyncio.Task[Entry]) -> None:
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
            f"auth {key}",
            lambda: self._fetch(
                handle, authoritative=True, certified=question.certified, budget=self._budget(key)
            ),
        )

    # --- asking the network ------------------------------------------------------------------------------

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
                self._remember_failure(key, error, begun_at)
            logger.warning("lookup failed handle=%r error=%s", handle.text, error)
            raise
        if handle.is_global:
            self._observer.registry_lookup("not_found" if isinstance(entry, Absence) else "found")
        self._failures.drop(key)
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
        return self._entry(answer)

    def _absence(self, question: Question) -> Absence:
        if question.handle.is_prefix_handle:
            return Absence(self._clock(), self._lifetimes.prefix_absence)
        described = self._cache.peek(_key(question.handle.prefix_handle, certified=question.certified))
        namespace = None
        if described is not None and isinstance(described.entry, CachedRecord):
            namespace = namespace_of(described.entry.record.values)
        computed = namespace is not None and namespace.has_template
        lifetime_s = self._lifetimes.handle_absence
        return Absence(
            self._clock(),
            min(lifetime_s, COMPUTED_ABSENCE_S) if computed else lifetime_s,
            namespace=namespace,
        )

    def _entry(self, answer: Answer) -> CachedRecord:
        now = self._clock()
        record = HandleRecord(
            answer.record.handle, tuple(value for value in answer.record.values if value.is_public)
        )
        # A record without values is a kind of absence: its owner may be about to fill it.
        longest_s = self._lifetimes.record_max if record.values else self._lifetimes.handle_absence
        lifetime_s = min(longest_s, record.lifetime_s(now, longest_s))
        namespace = namespace_of(answer.prefix_values.values) if answer.prefix_values else None
        return CachedRecord(record, now, lifetime_s, answer.answered_by, namespace)

    async def _infrastructure(self, step: Fetch, budget: Budget) -> Fetched:
        """Get a record that a lookup needs on its way: of a prefix, or of a service handle."""
        handle, certified = step.handle, step.certified
        key = _key(handle, certified=certified)
        deeper = budget.descend(key, step.recursion_count)
        if step.authoritative:
            entry = await self._flights.run(
                f"auth {key}",
                lambda: self._fetch(handle, authoritative=True, certified=certified, budget=deeper),
            )
            return self._fetched(handle, entry)
        cached = await self._cache.get(key)
        if cached is not None and cached.freshness == "fresh":
            self._maybe_prefetch(handle, cached, certified=certified)
            if deeper.trace is not None:
                deeper.trace.note(deeper.depth, handle.text, "remembered")
            return self._fetched(handle, cached.entry)
        try:
            failure = self._remembered_failure(key)
            if failure is not None:
                raise without_history(failure)
            if not handle.is_prefix_handle:
                # Not shared: two service handles that need each other would wait for each other.
                entry = await self._fetch(handle, certified=certified, budget=deeper)
                return self._fetched(handle, entry)
            async with asyncio.timeout(None if cached is None or certified else STALE_TIMER_S):
                # Others may wait for it too, so that it does not end with this visitor's time.
                shared = deeper.renewed(self._deadline_s)
                entry = await self._flights.run(
                    key, lambda: self._fetch(handle, certified=certified, budget=shared)
                )
            return self._fetched(handle, entry)
        except (UpstreamError, TimeoutError):
            if cached is None or certified:
                raise
            self._observer.stale_answer("error")
            return self._fetched(handle, cached.entry, stale=True)

    def _fetched(self, handle: Handle, entry: Entry, *, stale: bool = False) -> Fetched:
        resolved = _resolved(handle, entry, stale=stale)
        return Fetched(resolved.record, is_old=self._clock() - resolved.fetched_at > REFETCH_PAUSE_S)

    def _remember_failure(self, key: str, error: UpstreamError, begun_at: float) -> None:
        """Let nobody ask again for a while; where asking itself took long, for a shorter one."""
        until = max(begun_at + self._lifetimes.failure, self._clock() + SHORTEST_FAILURE_S)
        self._failures.put(key, (until, without_history(error)), 200)

    def _remembered_failure(self, key: str) -> UpstreamError | None:
        remembered = self._failures.get(key)
        if remembered is None:
            return None
        until, error = remembered
        if self._clock() < until:
            return error
        self._failures.drop(key)
        return None


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
