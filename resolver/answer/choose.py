"""The decision: send the visitor somewhere, show what is recorded, or say where else the handle leads.

Without location data the first value that is exactly a ``URL`` decides, in the order of the record, then
the first of a subtype such as ``URL.mirror``. With location data (``10320/loc``, of the record itself or
inherited) its author's rules do. A place that nobody may be sent to is passed over; if none is left, the
visitor sees the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resolver.answer.candidates import Places, find_places, url_values
from resolver.answer.extras import NO_EXTRAS, Extras, LocationData, read_location_data
from resolver.answer.locations import Choice, Circumstances, choose_location
from resolver.answer.preferences import Action, Preferences
from resolver.answer.targets import DEFAULT_SCHEMES, Target, append_to_target, read_target
from resolver.model.record import HandleRecord, HandleValue, has_type, select_values
from resolver.protocol.text import strict_text

__all__ = [
    "Answer",
    "JsonRecord",
    "Listing",
    "NotAcceptable",
    "PlaceList",
    "Redirect",
    "alias_of",
    "choose_answer",
]

FOUND = 302


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the visitor to a URI."""

    target: Target
    status: int = FOUND
    choice: Choice | None = None
    """How it was chosen, if there was a choice."""
    own: LocationData | None = None
    """The location data of the record, if it has any."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Show these values on a page; perhaps there are none."""

    values: tuple[HandleValue, ...]


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """Give these values as JSON; perhaps there are none."""

    values: tuple[HandleValue, ...]


@dataclass(frozen=True, slots=True)
class PlaceList:
    """List all places that the handle may lead to."""

    places: Places


@dataclass(frozen=True, slots=True)
class NotAcceptable:
    """Nothing is offered in a form that the visitor's program accepts, and the operator wants that said."""

    offered: tuple[str, ...]
    looked_at: frozenset[str]


Answer = Redirect | Listing | JsonRecord | PlaceList | NotAcceptable


def choose_answer(
    record: HandleRecord,
    preferences: Preferences,
    *,
    extras: Extras = NO_EXTRAS,
    circumstances: Circumstances = Circumstances(),
    chance: Callable[[], float] = lambda: 0.0,
    schemes: frozenset[str] = DEFAULT_SCHEMES,
) -> Answer:
    """Return the answer for a visitor with these preferences.

    Args:
        record: the record at the end of all aliases.
        preferences: what the visitor asked for.
        extras: location data of other records, as far as the record refers to them.
        circumstances: what else may matter for the choice among several places.
        chance: gives a random number from 0 up to, but not including, 1.
        schemes: of the URIs that may be redirected to, in lower case.
    """
    values = select_values(record.values, preferences.types, preferences.indexes)
    match preferences.action:
        case Action.API:
            return JsonRecord(values)
        case Action.SHOW_VALUES | Action.EXPLAIN:
            return Listing(values)
        case Action.SHOW_URLS:
            own = read_location_data(record, values)
            return PlaceList(find_places(record.handle, values, own, extras, schemes))
        case Action.REDIRECT | Action.METADATA:
            own = read_location_data(record, values)
            if not own.documents and not _has_documents(extras):
                return _by_url_rule(values, own, preferences, schemes)
            return _by_location(record, values, own, extras, preferences, circumstances, chance, schemes)


def _has_documents(extras: Extras) -> bool:
    return any(data.documents for data in (*extras.included, *extras.inherited))


def _by_url_rule(
    values: tuple[HandleValue, ...], own: LocationData, preferences: Preferences, schemes: frozenset[str]
) -> Answer:
    exact, subtypes = url_values(values)
    for value in (*exact, *subtypes):
        target = read_target(value.data, schemes)
        if isinstance(target, Target):
            return Redirect(_with_appended(target, preferences.url_append), own=None if own.is_empty else own)
    return Listing(values)


def _by_location(
    record: HandleRecord,
    values: tuple[HandleValue, ...],
    own: LocationData,
    extras: Extras,
    preferences: Preferences,
    circumstances: Circumstances,
    chance: Callable[[], float],
    schemes: frozenset[str],
) -> Answer:
    places = find_places(record.handle, values, own, extras, schemes)
    if not places.candidates:
        return Listing(values)
    choice = choose_location(places.candidates, places.methods, circumstances, chance)
    if choice.unmet_types and circumstances.is_strict:
        return NotAcceptable(choice.unmet_types, frozenset(choice.looked_at))
    return Redirect(
        _with_appended(choice.candidate.target, preferences.url_append),
        choice.candidate.http_status or FOUND,
        choice,
        own,
    )


def _with_appended(target: Target, appended: str) -> Target:
    if not appended:
        return target
    return append_to_target(target, appended) or target


def alias_of(record: HandleRecord, preferences: Preferences) -> str | None:
    """Return the handle that ``record`` is an alias of, if the values asked for say so.

    An empty text is an alias of nothing; data that are no UTF-8 are none.
    """
    for value in select_values(record.values, preferences.types, preferences.indexes):
        if has_type(value.type, "HS_ALIAS"):
            text = strict_text(value.data)
            return None if text is None else text.strip()
    return None
