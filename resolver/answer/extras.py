"""Location data from beyond the record: of handles it includes, and of the prefix it lies under.

Which handles these are follows from the documents alone; whoever fetches them (``web/extras.py``) asks
``wanted_handles`` level by level and never needs to understand a document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from resolver.errors import InvalidHandleError, MessageFormatError
from resolver.model.handle import Handle
from resolver.model.location import LocationDocument
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue, has_type
from resolver.protocol.locations import LINKS_TYPE, LOCATIONS_TYPE, decode_locations

__all__ = ["HEADERS_TYPE", "NO_EXTRAS", "Extras", "LocationData", "inherits_from", "read_location_data"]

HEADERS_TYPE = "10320/headers"


class LocationData(Struct, frozen=True):
    """What one record says about where its handle leads."""

    handle: str
    documents: tuple[LocationDocument, ...] = ()
    links: tuple[LocationDocument, ...] = ()
    headers: tuple[str, ...] = ()
    unreadable: tuple[int, ...] = ()
    """Indexes of values that should hold XML and do not."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the plain URL rule does not cover."""
        return not (self.documents or self.links or self.headers)

    def included_handles(self) -> tuple[Handle, ...]:
        """Return the handles whose locations the documents include."""
        texts = (text for document in self.documents for text in _listed(document.get("include")))
        return tuple(_handles(texts))


class Extras(Struct, frozen=True):
    """Location data of other records, in the order in which it was found."""

    included: tuple[LocationData, ...] = ()
    inherited: tuple[LocationData, ...] = ()


NO_EXTRAS = Extras()


def read_location_data(record: HandleRecord, values: Iterable[HandleValue] | None = None) -> LocationData:
    """Read the location data of a record, or of some of its values; what cannot be read is noted and left out."""
    documents: list[LocationDocument] = []
    links: list[LocationDocument] = []
    headers: list[str] = []
    unreadable: list[int] = []
    for value in record.values if values is None else values:
        if not value.type.startswith("10320/"):
            continue
        if has_type(value.type, HEADERS_TYPE):
            headers.append(value.data.decode("utf-8", "replace"))
            continue
        if has_type(value.type, LOCATIONS_TYPE):
            into = documents
        elif has_type(value.type, LINKS_TYPE):
            into = links
        else:
            continue
        try:
            into.append(decode_locations(value.data))
        except MessageFormatError:
            unreadable.append(value.index)
    return LocationData(record.handle, tuple(documents), tuple(links), tuple(headers), tuple(unreadable))


class Inheritance(Struct, frozen=True):
    """Where locations that hold for a whole prefix come from."""

    handles: tuple[Handle, ...]
    """Handles with location data."""
    prefixes: tuple[Handle, ...]
    """Handles of prefixes, whose namespaces name such handles."""


def inherits_from(own: LocationData, namespaces: Sequence[Namespace]) -> Inheritance:
    """Return where a record inherits locations from.

    Args:
        own: of the record.
        namespaces: that of its prefix, then that of the registry, as far as there are any.
    """
    documents = (*own.documents, *own.links)
    if any(document.flag("no_nslocs") for document in documents):
        return Inheritance((), ())
    prefixes = [text for document in documents for text in _listed(document.get("includeNamespace"))]
    overriding = [text for document in documents for text in _listed(document.get("overridePrefix"))]
    instead = [text for document in documents for text in _listed(document.get("nshdl"))]
    named: list[str] = []
    if instead:
        named = instead
    elif overriding:
        prefixes = [*overriding, *prefixes]
    else:
        named = list(_of_namespaces(namespaces))
    as_handles = (text if text.upper().startswith("0.NA/") else f"0.NA/{text}" for text in prefixes)
    return Inheritance(tuple(_handles(named)), tuple(_handles(as_handles)))


def _of_namespaces(namespaces: Sequence[Namespace]) -> Iterable[str]:
    for namespace in namespaces:
        yield from namespace.location_handles
        if namespace.stops_inheritance:
            return


def _listed(text: str | None) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text or "") if part]


def _handles(texts: Iterable[str]) -> Iterable[Handle]:
    for text in texts:
        try:
            yield Handle.parse(text.strip())
        except InvalidHandleError:
            continue
