"""What a lookup says to whoever drives it, and what it hears back. Data only.

A lookup is a generator: it yields a *step*, the driver acts on it and sends back an *event*. The driver
knows sockets, the cache and the clock, and none of the rules; ``lookup.py`` knows the rules and nothing
else.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from msgspec import Struct

from resolver.errors import UpstreamError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord
from resolver.model.site import Server, Site, Transport
from resolver.protocol.message import Message
from resolver.transport.endpoint import Endpoint

__all__ = [
    "Answer",
    "Ask",
    "Candidate",
    "Conversation",
    "Event",
    "Failed",
    "Fetch",
    "Fetched",
    "Heard",
    "Listen",
    "Outcome",
    "Plan",
    "Question",
    "Quiet",
    "Step",
]


class Question(Struct, frozen=True):
    """What is to be found out, and under which conditions."""

    handle: Handle
    authoritative: bool = False
    """Only primary sites may answer."""
    certified: bool = False
    """Every answer on the way must be signed by the server that gave it."""
    public_only: bool = True
    recursion_count: int = 0
    """Lookups that led here: each one costs a step of the limit."""


class Candidate(Struct, frozen=True):
    """One way to ask one server: the site it belongs to, its address, and the interface."""

    site: Site
    server: Server
    endpoint: Endpoint
    patience_s: float = 0.4
    """How long to wait for it alone before somebody else is asked as well."""
    is_probe: bool = False
    """Asked to learn how it does now: nobody waits for it in the end, and it is not blamed for being late."""
    is_repetition: bool = False
    """Asked before, and again since nobody says anything."""

    @property
    def transport(self) -> Transport:
        """How the server is spoken to."""
        return self.endpoint.transport

    def __str__(self) -> str:
        return str(self.endpoint)


# --- steps: the lookup speaks ----------------------------------------------------------------------------


class Fetch(Struct, frozen=True):
    """Get me the record of this handle, from the cache or by a lookup of its own."""

    handle: Handle
    recursion_count: int
    authoritative: bool = False
    """Ask the primary, whatever the cache holds."""
    certified: bool = False
    """Only signed answers count, out of the cache as well."""


class Plan(Struct, frozen=True):
    """Put these sites into the order in which they should be asked for this handle."""

    sites: tuple[Site, ...]
    handle: Handle
    primaries_only: bool


class Ask(Struct, frozen=True):
    """Start asking this candidate; tell me what comes, or that it takes longer than its patience."""

    candidate: Candidate
    question: Question


class Listen(Struct, frozen=True):
    """I have nobody else to ask: wait for those asked already."""

    patience_s: float
    """How long before I want to say something again."""


Step = Fetch | Plan | Ask | Listen


# --- events: the driver answers --------------------------------------------------------------------------


class Fetched(Struct, frozen=True):
    """A record that was fetched; to ``Fetch``."""

    record: HandleRecord
    is_old: bool
    """Whether it was remembered from long enough ago that asking again may tell something new."""


class Heard(Struct, frozen=True):
    """A candidate answered, and its answer belongs to the question; to ``Ask`` and ``Listen``."""

    candidate: Candidate
    message: Message


class Failed(Struct, frozen=True):
    """A candidate will not answer any more; to ``Ask`` and ``Listen``."""

    candidate: Candidate
    error: UpstreamError


class Quiet(Struct, frozen=True):
    """Nobody has answered within the patience; to ``Ask`` and ``Listen``."""


Event = Fetched | tuple[Candidate, ...] | Heard | Failed | Quiet


class Answer(Struct, frozen=True):
    """How a lookup ends well: the record, and who gave it."""

    record: HandleRecord
    answered_by: str
    authoritative: bool
    """Given by a primary site."""
    prefix_values: HandleRecord | None = None
    """The record of the handle's prefix, where one was needed to find the service."""


Outcome = TypeVar("Outcome")
Conversation = Generator[Step, Event, Outcome]
