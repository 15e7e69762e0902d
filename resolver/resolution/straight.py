"""The straight way of a lookup: memory knows the prefix, one server is asked, and its first datagram is the answer.

Nearly all lookups go like that, and need no task, no second question and no clock but one for silence. The
rules are those of ``lookup.py``, whose conversations are led here as far as they go without waiting for anything but
that datagram, or for its turn to leave. At the first step that would take more, the straight way is given up, and the
ordinary one, that of ``Resolver.resolve``, has to be gone from its beginning, in what is left of the time. So nothing
is decided here, and what may be lost is the time for which one server was waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial
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

LONGEST_S = 0.2
"""A server that may take longer is not asked so: it is too late to learn then that a datagram was lost."""

LONGEST_ALONE_S = 1.0
"""The same for a service of one site, which has no other to be asked meanwhile. Questions may wait for their turn there
for twice as long, which is what a full line takes (``transport/gate.py``)."""

SHARE_ALONE = 1 / 8
"""Part of a lookup's time that takes the place of ``LONGEST_ALONE_S`` where it is shorter."""

STRAY_WEIGHT = 10
MAX_STRAYED = 30
REST_S = 1.0
"""For so long the straight way to a service is left alone where a tenth of all lookups, or three in a row, stray."""

OnArrival = Callable[[Entry | None], None]
"""Told once of what was found, or of ``None`` where the ordinary way has to be gone."""


class _Service(Struct, eq=False):
    """Who keeps the handles of a prefix, and whether it is any use to go straight there."""

    described_by: CachedRecord | None
    """The very record it was read from; ``None`` if the operator has named it."""
    sites: tuple[Site, ...]
    namespace: Namespace | None = None
    strayed: int = 0
    """How much went astray of late: one lookup weighs as much as ``STRAY_WEIGHT`` that arrive."""
    rests_until: float = 0.0
    """Seconds since 1970."""

    def is_resting(self, now: float) -> bool:
        """Whether too much has gone astray a moment ago."""
        return now < self.rests_until <= now + REST_S

    def arrived(self) -> None:
        """Take note of a lookup that went well."""
        if self.strayed:
            self.strayed -= 1

    def went_astray(self, now: float) -> None:
        """Take note of one that was given up: records too large for a datagram do so each time."""
        self.strayed += STRAY_WEIGHT
        if self.strayed >= MAX_STRAYED:
            self.strayed -= STRAY_WEIGHT  # one more will tell whether anything has changed
            self.rests_until = now + REST_S


class _Journey(Struct, eq=False):
    """One lookup between its question and its answer."""

    handle: Handle
    key: str
    crowd: str
    service: _Service
    conversation: Conversation[Answer]
    begun_at: float
    """Seconds since 1970."""
    waiting: list[OnArrival]


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
        deadline_s: float,
        lifetimes: Lifetimes,
        clock: Callable[[], float],
        observer: Observer,
        instead: Callable[[Handle, float], Coroutine[Any, Any, Entry]],
    ) -> None:
        """Prepare.

        Args:
            driver: asks the servers.
            cache: what is remembered.
            flights: lookups that several visitors may wait for.
            setbacks: what went wrong of late.
            room: for so many lookups.
            deadline_s: time for one lookup.
            lifetimes: how long what is believed.
            clock: seconds since 1970.
            observer: told what happens.
            instead: the ordinary lookup, of whose time so many seconds have passed.
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
        self._longest_alone_s = min(LONGEST_ALONE_S, SHARE_ALONE * deadline_s)
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
        journey = _Journey(handle, key, crowd, service, conversation, self._clock(), [on_arrival])
        is_alone = len(service.sites) == 1
        is_begun = self._driver.shoot(
            ask.candidate,
            ask.question,
            partial(self._hear, journey),
            longest_s=max(LONGEST_S, self._longest_alone_s) if is_alone else LONGEST_S,
            wait_s=2 * self._longest_alone_s if is_alone else 0.0,
        )
        if not is_begun:
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
        entry: CachedRecord | None = None
        sites = directory.sites_for(handle) if directory.knows_more else ()
        if not sites:
            cached = self._cache.at_hand(crowd)
            if cached is None or not isinstance(cached.entry, CachedRecord):
                return None
            entry = cached.entry
            if cached.wanted and is_almost_over(crowd, entry, self._clock()):
                return None  # the ordinary way fetches it anew before its time is over
        service = self._services.get(crowd)
        if service is None or service.described_by is not entry or (entry is None and service.sites != sites):
            service = self._read_service(handle, entry, sites)
            if len(self._services) >= MAX_SERVICES:
                self._services.clear()
            self._services[crowd] = service
        return service if service.sites and not service.is_resting(self._clock()) else None

    def _read_service(self, handle: Handle, entry: CachedRecord | None, sites: tuple[Site, ...]) -> _Service:
        if entry is None:
            return _Service(None, sites)
        return _Service(entry, self._sites_in(entry, handle), namespace_of(entry.record.values))

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

    def _hear(self, journey: _Journey, heard: Heard | None) -> None:
        """Take what the server said; whatever comes of it, nobody is left waiting."""
        entry: Entry | None = None
        try:
            entry = None if heard is None else self._entry_of(journey, heard)
        except Exception:
            logger.exception("lookup failed handle=%r", journey.handle.text)
        journey.conversation.close()
        del self._journeys[journey.key]
        try:
            self._settle(journey, entry)
        finally:
            for on_arrival in journey.waiting:
                try:
                    on_arrival(entry)
                except Exception:  # of one of them, which is not the others' fault
                    logger.exception("nobody was told of handle=%r", journey.handle.text)

    def _settle(self, journey: _Journey, entry: Entry | None) -> None:
        """Remember what was found, and give it to all who wait; or let them have what the ordinary way brings."""
        key = journey.key
        self._room.leave(journey.crowd)
        if entry is None:
            journey.service.went_astray(self._clock())
            spent_s = self._flights.age_s(key)
            self._flights.divert(key, lambda: self._instead(journey.handle, spent_s))
            return
        journey.service.arrived()
        self._flights.land(key, entry)
        self._setbacks.clear(key, journey.crowd)
        self._cache.put(key, entry, journey.begun_at)

    def _entry_of(self, journey: _Journey, heard: Heard) -> Entry | None:
        """Return what the lookup makes of what a server said, if that is its end."""
        namespace = journey.service.namespace
        try:
            journey.conversation.send(heard)
        except StopIteration as end:
            answer: Answer = end.value
            return record_of(answer, namespace, self._clock(), self._lifetimes)
        except ServiceNotFoundError:
            return None
        except HandleNotFoundError:
            return absence_of(journey.handle, namespace, self._clock(), self._lifetimes)
        except ResolverError:
            return None
        return None  # it wants to ask somebody else
