"""What a record is about, in a few words, for people who see it for the first time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.answer.candidates import find_places, url_values
from resolver.answer.extras import Extras, LocationData
from resolver.answer.targets import Target, read_target
from resolver.answer.visible import visible_text
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord, HandleValue, has_type
from resolver.phrases import count_phrase, phrase
from resolver.protocol.text import as_text

__all__ = ["Summary", "summarize"]

MAX_SHOWN_PLACES = 5
MAX_TEXT = 300

_DESCRIBING = ("TITLE", "DC.TITLE", "NAME", "DESC", "DESCRIPTION", "DC.DESCRIPTION")


@dataclass(frozen=True, slots=True)
class Summary:
    """What the thing is, and where its handle leads."""

    text: str
    """What the record itself says the thing is; perhaps empty."""
    kind: str
    """What sort of record it is."""
    places: tuple[str, ...]
    """The first URIs that the handle may lead to."""
    hidden: int
    """How many more there are."""
    is_choice: bool
    """Whether it depends on the visitor which of them it is."""


def summarize(record: HandleRecord, own: LocationData, extras: Extras, schemes: frozenset[str]) -> Summary:
    """Return what a record is about.

    Args:
        record: the whole record.
        own: the location data in it.
        extras: location data of other records that it refers to.
        schemes: of URIs that may be redirected to.
    """
    has_documents = any(data.documents for data in (own, *extras.included, *extras.inherited))
    if has_documents:
        found = find_places(record.handle, record.values, own, extras, schemes)
        places = tuple(dict.fromkeys(candidate.target.uri for candidate in found.candidates))
    else:
        places = tuple(_first_url(record.values, schemes))[:1]
    text = next(_texts(record.values), "")
    return Summary(
        text=visible_text(text),
        kind=_kind(record, len(places)),
        places=places[:MAX_SHOWN_PLACES],
        hidden=max(0, len(places) - MAX_SHOWN_PLACES),
        is_choice=len(places) > 1,
    )


def _first_url(values: tuple[HandleValue, ...], schemes: frozenset[str]) -> Iterator[str]:
    exact, subtypes = url_values(values)
    targets = (read_target(value.data, schemes) for value in (*exact, *subtypes))
    yield from (target.uri for target in targets if isinstance(target, Target))


def _texts(values: tuple[HandleValue, ...]) -> Iterator[str]:
    for wanted in _DESCRIBING:
        for value in values:
            text = as_text(value.data) if fold_ascii(value.type) == wanted else None
            if text and text.strip():
                shown = text.strip()
                yield shown if len(shown) <= MAX_TEXT else f"{shown[:MAX_TEXT]}…"


def _kind(record: HandleRecord, places: int) -> str:
    if Handle(record.handle).is_prefix_handle:
        return phrase("a prefix, which all handles of one owner begin with")
    if any(has_type(value.type, "HS_ALIAS") for value in record.values):
        return phrase("an alias: another name for a handle")
    if places:
        return count_phrase(
            "a name for something at one address", "a name for something at %(number)s addresses", places
        )
    return phrase("a record that leads nowhere else")
