"""Records of which nothing but the first URL matters, as most are: where they lead, by one look at each value."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from resolver.answer.targets import Target, read_target
from resolver.model.handle import fold_ascii
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue, has_type

__all__ = ["has_no_say", "plain_target"]

MAX_KNOWN_TYPES = 1024

_DECIDING = ("HS_ALIAS", "TOMBSTONE", "URL")
"""Types that decide with their subtypes; so does all location data."""


def plain_target(record: HandleRecord, schemes: frozenset[str]) -> Target | None:
    """Return where ``choose_answer`` sends everybody who asks for nothing special.

    Args:
        record: with all its values.
        schemes: of the URIs that may be redirected to, in lower case.

    Returns:
        ``None`` if it takes more than a look to tell.
    """
    first: HandleValue | None = None
    for value in record.values:
        part = _part_of(value.type)
        if part == "decides":
            return None
        if part == "leads" and first is None:
            first = value
    target = None if first is None else read_target(first.data, schemes)
    return target if isinstance(target, Target) else None


def has_no_say(namespace: Namespace | None) -> bool:
    """Whether the namespace of a prefix changes nothing about where its handles lead."""
    return namespace is None or not (namespace.is_inactive or namespace.location_handles)


@lru_cache(MAX_KNOWN_TYPES)
def _part_of(value_type: str) -> Literal["leads", "decides", "none"]:
    if fold_ascii(value_type) in {"URL", "0.TYPE/URL"}:
        return "leads"
    if value_type.startswith("10320/") or any(has_type(value_type, wanted) for wanted in _DECIDING):
        return "decides"
    return "none"
