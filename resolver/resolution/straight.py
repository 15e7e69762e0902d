"""The straight way of a lookup: memory knows the prefix, one server is asked, and its first datagram is the answer.

Nearly all lookups go like that, and need no task, no second question and no clock but one for silence. The
rules are those of ``lookup.py``, whose conversation is led here as far as it goes without waiting for anything but
that datagram. At the first step that would take more, the straight way is given up, and the ordinary one, that of
``Resolver.resolve``, has to be gone from its beginning. So nothing is decided here, and what may be lost is the
time for which a server that answers at once as a rule was silent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from resolver.cache.entry import CachedRecord, Entry
from resolver.cache.flight import MAX_WAITERS, SingleFlight
from resolver.cache.tiers import TieredCache
from resolver.errors import HandleNotFoundError, ResolverError, ServiceNotFoundError
from resolver.model.handle import Handle
from resolver.observe import Observer
from resolver.protocol.namespaces import namespace_of
from resolver.resolution.ahead import is_almost_over
from resolver.resolution.driver import Driver
from resolver.resolution.lookup import look_up
from resolver.resolution.remembering import Lifetimes, absence_of, record_of
from resolver.resolution.room import Room, crowd_of
from resolver.resolution.setbacks import Setbacks
from resolver.resolution.steps import Answer, Ask, Conversation, Event, Fetch, Fetched, Heard, Plan, Question

__all__ = ["OnArrival", "StraightWay"]

logger = logging.getLogger(__name__)

OnArrival = Callable[[Entry | None], None]
"""Told once of what was found, or of ``None`` where the ordinary way has to be gone."""


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
        conversation = look_up(Question(handle), self._driver.directory)
        ask, known = self._lead(conversation)
        if ask is None:
            conversation.close()
            return False
        journey = _Journey(self, handle, crowd, conversation, known, self._clock(), on_arrival)
        if not self._driver.shoot(ask.candidate, ask.question, journey.hear):
            conversation.close()
            return False
        self._observer.cache_lookup("memory", "miss")
        self._flights.announce(key)
        self._room.enter(crowd)
        self._journeys[key] = journey
        return True

    def _lead(self, conversation: Conversation[Answer]) -> tuple[Ask | None, CachedRecord | None]:
        """Answer what the lookup wants to know before it asks a server; the record of the prefix is all there is."""
        event: Event | None = None
        known: CachedRecord | None = None
        try:
            while True:
                step = next(conversation) if event is None else conversation.send(event)
                match step:
                    case Ask():
                        return step, known
                    case Plan():
                        event = self._driver.first(step)
                    case Fetch(handle) if known is None and (known := self._at_hand(handle)) is not None:
                        event = Fetched(known.record, is_old=False)  # of no matter until something goes wrong
                    case _:
                        return None, None
        except (StopIteration, ResolverError):
            return None, None

    def _at_hand(self, handle: Handle) -> CachedRecord | None:
        cached = self._cache.at_hand(handle.cache_key)
        if cached is None or not isinstance(cached.entry, CachedRecord):
            return None
        # The ordinary way fetches it anew before its time is over.
        almost_over = cached.wanted and is_almost_over(handle.cache_key, cached.entry, self._clock())
        return None if almost_over else cached.entry

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
        self, handle: Handle, conversation: Conversation[Answer], known: CachedRecord | None, heard: Heard
    ) -> Entry | None:
        """Return what the lookup makes of what a server said, if that is its end."""
        try:
            conversation.send(heard)
        except StopIteration as end:
            answer: Answer = end.value
            return record_of(answer, self._clock(), self._lifetimes)
        except ServiceNotFoundError:
            return None
        except HandleNotFoundError:
            namespace = None if known is None else namespace_of(known.record.values)
            return absence_of(handle, namespace, self._clock(), self._lifetimes)
        except ResolverError:
            return None
        conversation.close()
        return None  # it wants to ask somebody else


class _Journey:
    """One lookup between its question and its answer."""

    __slots__ = ("_begun_at", "_conversation", "_crowd", "_handle", "_known", "_way", "waiting")

    def __init__(
        self,
        way: StraightWay,
        handle: Handle,
        crowd: str,
        conversation: Conversation[Answer],
        known: CachedRecord | None,
        begun_at: float,
        on_arrival: OnArrival,
    ) -> None:
        self._way = way
        self._handle = handle
        self._crowd = crowd
        self._conversation = conversation
        self._known = known
        self.waiting = [on_arrival]
        self._begun_at = begun_at

    def hear(self, heard: Heard | None) -> None:
        """Take what the server said."""
        entry = None
        if heard is not None:
            entry = self._way.entry_of(self._handle, self._conversation, self._known, heard)
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
