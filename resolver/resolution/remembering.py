"""What is remembered of how a lookup ended: a record, or that there is none, and for how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from resolver.cache.entry import Absence, CachedRecord
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord
from resolver.resolution.steps import Answer

__all__ = ["Lifetimes", "absence_of", "record_of"]

COMPUTED_ABSENCE_S = 5.0
"""How long a handle counts as missing where the service computes records by a template."""


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


def record_of(answer: Answer, namespace: Namespace | None, now: float, lifetimes: Lifetimes) -> CachedRecord:
    """Return what is kept of an answer: its public values.

    Args:
        answer: of the service.
        namespace: of the prefix, if there is one.
        now: seconds since 1970.
        lifetimes: how long what is believed.
    """
    given = answer.record.values
    public = tuple([value for value in given if value.is_public])
    record = answer.record if len(public) == len(given) else HandleRecord(answer.record.handle, public)
    # A record without values is a kind of absence: its owner may be about to fill it.
    longest_s = lifetimes.record_max if public else lifetimes.handle_absence
    return CachedRecord(record, now, record.lifetime_s(now, longest_s), answer.answered_by, namespace)


def absence_of(handle: Handle, namespace: Namespace | None, now: float, lifetimes: Lifetimes) -> Absence:
    """Return that there is no such handle.

    Args:
        handle: the one that was looked up.
        namespace: of its prefix, if there is one; it may say that missing records are computed.
        now: seconds since 1970.
        lifetimes: how long what is believed.
    """
    if handle.is_prefix_handle:
        return Absence(now, lifetimes.prefix_absence)
    computed = namespace is not None and namespace.has_template
    lifetime_s = lifetimes.handle_absence
    return Absence(now, min(lifetime_s, COMPUTED_ABSENCE_S) if computed else lifetime_s, namespace=namespace)
