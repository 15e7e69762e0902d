"""From the location data of a record, and of those it inherits from, to the places that can be redirected to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote

from resolver.answer.extras import Extras, LocationData
from resolver.answer.locations import DEFAULT_METHODS, Candidate
from resolver.answer.targets import Target, Unusable, read_target
from resolver.model.handle import fold_ascii
from resolver.model.location import Location, LocationDocument
from resolver.model.record import HandleValue, has_type
from resolver.phrases import phrase

__all__ = ["Places", "find_places", "place_target", "url_values"]

MAX_CANDIDATES = 1000
"""Places that are looked at; a record with more is not meant to be read."""

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Places:
    """Where a handle may lead."""

    candidates: tuple[Candidate, ...]
    methods: tuple[str, ...]
    """By which methods to choose, in this order."""
    unusable: tuple[tuple[Location, str], ...] = ()
    """Places that nobody is sent to, with the reason."""


def url_values(values: tuple[HandleValue, ...]) -> tuple[tuple[HandleValue, ...], tuple[HandleValue, ...]]:
    """Return the values that are exactly a URL, and those of its subtypes, each in record order."""
    exact = tuple(value for value in values if fold_ascii(value.type) in {"URL", "0.TYPE/URL"})
    subtypes = tuple(
        value for value in values if fold_ascii(value.type) != "URL" and has_type(value.type, "URL")
    )
    return exact, subtypes


def find_places(
    handle: str, values: tuple[HandleValue, ...], own: LocationData, extras: Extras, schemes: frozenset[str]
) -> Places:
    """Return all places for a handle: its own, those it includes, those of its prefix, and its plain URLs.

    Args:
        handle: the one at the end of all aliases; templates are filled with it.
        values: those of the record that were asked for.
        own: the location data among them.
        extras: location data of other records.
        schemes: of URIs that may be redirected to.
    """
    documents = [(own.handle, document, False) for document in own.documents]
    documents += [(data.handle, document, False) for data in extras.included for document in data.documents]
    documents += [(data.handle, document, True) for data in extras.inherited for document in data.documents]
    has_own = any(not inherited for _, _, inherited in documents)
    inherited_status = next(
        (
            status
            for _, document, inherited in documents
            if inherited and (status := _status(document.get("http_sc")))
        ),
        None,
    )
    candidates: list[Candidate] = []
    unusable: list[tuple[Location, str]] = []
    stated = (
        (origin, document, location) for origin, document, _ in documents for location in document.locations
    )
    for origin, document, location in stated:
        if len(candidates) == MAX_CANDIDATES:
            break
        match place_target(location, handle, schemes):
            case Target() as target:
                candidates.append(
                    Candidate(
                        location,
                        target,
                        _weight(location.get("weight"), 1.0),
                        _status(location.get("http_sc"))
                        or _status(document.get("http_sc"))
                        or inherited_status,
                        origin="" if origin == own.handle else origin,
                    )
                )
            case Unusable(reason):
                unusable.append((location, reason))
    if not any(document.flag("no_legacy") for document in own.documents):
        legacy = _legacy(values, own.documents, schemes, first_weight=0.0 if has_own else 1.0)
        candidates += islice(legacy, MAX_CANDIDATES - len(candidates))
    methods = next(
        (
            named
            for _, document, _ in documents
            if (named := document.get("chooseby", "choose_by")) is not None
        ),
        None,
    )
    return Places(
        tuple(candidates),
        DEFAULT_METHODS if methods is None else tuple(name.strip() for name in methods.split(",")),
        tuple(unusable),
    )


def _legacy(
    values: tuple[HandleValue, ...],
    documents: tuple[LocationDocument, ...],
    schemes: frozenset[str],
    *,
    first_weight: float,
) -> Iterator[Candidate]:
    """Plain URL values: without a word about their weight the first one counts alone, in record order."""
    exact, subtypes = url_values(values)
    url_weight = next((text for document in documents if (text := document.get("urlWeight"))), None)
    subtype_weight = next(
        (text for document in documents if (text := document.get("urlSubtypeWeight"))), None
    )
    default = first_weight
    for group, given in ((exact, url_weight), (subtypes, subtype_weight)):
        for value in group:
            target = read_target(value.data, schemes)
            if isinstance(target, Target):
                weight = default if given is None else _weight(given, default)
                yield Candidate(Location((("mode", "legacy"),)), target, weight, is_legacy=True)
                default = 0.0


def place_target(location: Location, handle: str, schemes: frozenset[str]) -> Target | Unusable:
    """Return where a location leads for ``handle``, or why nobody is sent there."""
    template = location.get("href_template")
    text = location.get("href") if template is None else _fill(template, handle)
    return (
        Unusable(phrase("it has no href"))
        if text is None
        else read_target(text.encode("utf-8", "surrogatepass"), schemes)
    )


def _fill(template: str, handle: str) -> str:
    whole = quote(handle, safe="", encoding="utf-8", errors="surrogatepass")
    path = quote(handle, safe="/-._~:@!$&'()*+,;=", encoding="utf-8", errors="surrogatepass")
    return template.replace("{hdl:path}", path).replace("{hdl}", whole)


def _weight(text: str | None, default: float) -> float:
    try:
        weight = float(text) if text is not None else default
    except ValueError:
        return default
    return weight if 0 <= weight <= 1e12 else 0.0 if weight < 0 else default


def _status(text: str | None) -> int | None:
    return (
        int(text)
        if text is not None and text.strip() in {str(status) for status in REDIRECT_STATUSES}
        else None
    )
