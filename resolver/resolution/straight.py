"""The straight way of a lookup: memory knows the prefix, one server is asked, and its first datagram is the answer.

Nearly all lookups go like that, and need no task, no second question and no clock but one for silence. The
rules are those of ``lookup.py``, whose conversations are led here as far as they go without waiting for anything but
that datagram. At the first step that would take more, the straight way is given up, and the ordinary one, that of
``Resolver.resolve``, has to be gone from its beginning. So nothing is decided here, and what may be lost is the
time for which a server that answers at once as a rule was silent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from resolver.cache.entry import CachedRecord, Entry
from resolver.cache.flight import MAX_WAITERS, SingleFlight
from resolver.cache.tiers import TieredCache
from resolver.errors import HandleNotFoundError, ResolverError, ServiceNotFoundError
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.site import Site
from resolver.observe import Observer
from resolver.protocol.namespaces import namespace_of
from resolver.resolution.ahead import is_almost_over
from resolver.resolution.driver import Driver
from resolver.resolution.lookup import ORDINARY, ask_service, sites_of
from resolver.resolution.remembering import Lifetimes, absence_of, record_of
from resolver.resolution.room import Room, crowd_of
from resolver.resolution.setbacks import Setbacks
from resolver.resolution.steps import Answer, Ask, Conversation, Heard, Plan, Question

__all__ = ["OnArrival", "StraightWay"]

logger = logging.getLogger(__name__)

MAX_SERVICES = 1024
"""Kept at hand; read anew when the record of their prefix is another."""

OnArrival = Callable[[Entry | None], None]
"""Told once of what was found, or of ``None`` where the ordinary way has to be gone."""


class _Service(Struct, frozen=True):
    """Who keeps the handles of a prefix."""

    described_by: CachedRecord | None
    """The very record it was read from; ``None`` if the operator has named it."""
    sites: tuple[Site, ...]
    namespace: Namespace | None


class StraightWay:
    """Looks up handles of which memory knows nothing, if it can be done without a detour."""

    def __init__(
        self,
        driver: Driver,
        cache: TieredCache,
        flights: SingleFlight[Entry],
        setbacks: Setbacks,
        room: Room,
        *,
        lifetimes: Lifetimes,
        clock: Callable[[], float],
        observer: Observer,
        instead: Callable[[Handle], Coroutine[Any, Any, Entry]],
    ) -> None:
        """Prepare.

        Args:
            driver: asks the servers.
            cache: what is remembered.
            flights: lookups that several visitors may wait for.
            setbacks: what went wrong of late.
            room: for so many lookups.
            lifetimes: how long what is believed.
            clock: seconds since 1970.
            observer: told what happens.
            instead: the ordinary lookup.
        """
        self._driver = driver
        self._cache = cache
        self._flights = flights
        self._setbacks = setbacks
        self._room = room
        self._lifetimes = lifetimes
        self._clock = clock
        self._observer = observer
        self._instead = instead
        self._journeys: dict[str, _Journey] = {}
        """Under way, by cache key."""
        self._services: dict[str, _Service] = {}
        """By the cache key of what describes them."""

    def set_out(self, handle: Handle, on_arrival: OnArrival) -> bool:
        """Begin a lookup; others who want the same handle wait for it as for any other.

        Args:
            handle: what to look up.
            on_arrival: told how it ended; what was found is remembered by then.

        Returns:
            Whether it was begun; if not, nobody will be told.
        """
        key, crowd = handle.cache_key, crowd_of(handle)
        journey = self._journeys.get(key)
        if journey is not None and len(journey.waiting) < MAX_WAITERS:
            self._observer.cache_lookup("memory", "miss")
            self._observer.coalesced()
            journey.waiting.append(on_arrival)
            return True
        if (
            handle.is_global
            or self._cache.is_shared  # another process may know it, or may be asking for it
            or key in self._flights
            or self._setbacks.failure(key) is not None
            or self._room.has_none_for(crowd)
            or self._cache.peek(key) is not None
        ):
            return False
        service = self._service(handle, crowd)
        if service is None:
            return False
        conversation = ask_service(service.sites, Question(handle), self._driver.directory)
        ask = self._lead(conversation)
        if ask is None:
            conversation.close()
            return False
        journey = _Journey(self, handle, crowd, conversation, service.namespace, self._clock(), on_arrival)
        if not self._driver.shoot(ask.candidate, ask.question, journey.hear):
            conversation.close()
            return False
        self._observer.cache_lookup("memory", "miss")
        self._flights.announce(key)
        self._room.enter(crowd)
        self._journeys[key] = journey
        return True

    def _service(self, handle: Handle, crowd: str) -> _Service | None:
        """Return the service of a handle, if that takes no more than to look into memory."""
        directory = self._driver.directory
        known = directory.sites_for(handle) if directory.knows_more else ()
        if known:
            return _Service(None, known, None)
        cached = self._cache.at_hand(crowd)
        if cached is None or not isinstance(cached.entry, CachedRecord):
            return None
        entry = cached.entry
        if cached.wanted and is_almost_over(crowd, entry, self._clock()):
            return None  # the ordinary way fetches it anew before its time is over
        service = self._services.get(crowd)
        if service is None or service.described_by is not entry:
            sites = self._sites_in(entry, handle)
            if not sites:
                return None
            if len(self._services) >= MAX_SERVICES:
                self._services.clear()
            namespace = namespace_of(entry.record.values)
            service = self._services[crowd] = _Service(entry, sites, namespace)
        return service

    def _sites_in(self, entry: CachedRecord, handle: Handle) -> tuple[Site, ...]:
        """Return the sites that the record of a prefix names itself; none if it names services elsewhere."""
        conversation = sites_of(entry.record, ORDINARY, self._driver.directory, Question(handle))
        try:
            next(conversation)
        except StopIteration as end:
            sites: tuple[Site, ...] = end.value
            return sites
        conversation.close()
        return ()

    def _lead(self, conversation: Conversation[Answer]) -> Ask | None:
        """Answer what the lookup wants to know before it asks a server."""
        try:
            step = next(conversation)
            if isinstance(step, Plan):
                step = conversation.send(self._driver.first(step))
        except (StopIteration, ResolverError):
            return None
        return step if isinstance(step, Ask) else None

    def arrive(self, key: str, crowd: str, entry: Entry, begun_at: float) -> None:
        """Remember what was found, and give it to all who wait."""
        del self._journeys[key]
        self._room.leave(crowd)
        self._setbacks.clear(key, crowd)
        self._cache.put(key, entry, begun_at)
        self._flights.land(key, entry)

    def give_up(self, handle: Handle, crowd: str) -> None:
        """Let those who wait have what the ordinary way brings."""
        del self._journeys[handle.cache_key]
        self._room.leave(crowd)
        self._flights.divert(handle.cache_key, lambda: self._instead(handle))

    def entry_of(
        self, handle: Handle, conversation: Conversation[Answer], namespace: Namespace | None, heard: Heard
    ) -> Entry | None:
        """Return what the lookup makes of what a server said, if that is its end."""
        try:
            conversation.send(heard)
        except StopIteration as end:
            answer: Answer = end.value
            return record_of(answer, namespace, self._clock(), self._lifetimes)
        except ServiceNotFoundError:
            return None
        except HandleNotFoundError:
            return absence_of(handle, namespace, self._clock(), self._lifetimes)
        except ResolverError:
            return None
        conversation.close()
        return None  # it wants to ask somebody else


class _Journey:
    """One lookup between its question and its answer."""

    __slots__ = ("_begun_at", "_conversation", "_crowd", "_handle", "_namespace", "_way", "waiting")

    def __init__(
        self,
        way: StraightWay,
        handle: Handle,
        crowd: str,
        conversation: Conversation[Answer],
        namespace: Namespace | None,
        begun_at: float,
        on_arrival: OnArrival,
    ) -> None:
        self._way = way
        self._handle = handle
        self._crowd = crowd
        self._conversation = conversation
        self._namespace = namespace
        self.waiting = [on_arrival]
        self._begun_at = begun_at

    def hear(self, heard: Heard | None) -> None:
        """Take what the server said."""
        entry = None
        if heard is not None:
            entry = self._way.entry_of(self._handle, self._conversation, self._namespace, heard)
        if entry is None:
            self._conversation.close()
            self._way.give_up(self._handle, self._crowd)
        else:
            self._way.arrive(self._handle.cache_key, self._crowd, entry, self._begun_at)
        for on_arrival in self.waiting:
            try:
                on_arrival(entry)
            except Exception:  # of one of them, which is not the others' fault
                logger.exception("nobody was told of handle=%r", self._handle.text)
