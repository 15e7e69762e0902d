"""The XML of ``10320/loc`` and ``10320/links`` values."""

from __future__ import annotations

import functools

from resolver.model.location import Location, LocationDocument
from resolver.protocol.xml import Element, local_name, parse_xml

__all__ = ["LINKS_TYPE", "LOCATIONS_TYPE", "decode_locations"]

LOCATIONS_TYPE = "10320/loc"
LINKS_TYPE = "10320/links"

_REMEMBERED_OCTETS = 4096
_REMEMBERED = 512
"""Parsed documents of up to so many octets that are kept: all handles of a prefix share what they inherit."""

_LOCATION_NAMES = frozenset({"location", "loc_template"})


def decode_locations(data: bytes) -> LocationDocument:
    """Read a document of locations; elements of other names are left out.

    Raises:
        MessageFormatError: not XML that may be read.
    """
    return _decode_remembered(data) if len(data) <= _REMEMBERED_OCTETS else _decode(data)


def _decode(data: bytes) -> LocationDocument:
    root = parse_xml(data)
    return LocationDocument(
        attributes=_attributes(root),
        locations=tuple(
            Location(_attributes(element)) for element in root if local_name(element.tag) in _LOCATION_NAMES
        ),
    )


_decode_remembered = functools.lru_cache(maxsize=_REMEMBERED)(_decode)


def _attributes(element: Element) -> tuple[tuple[str, str], ...]:
    return tuple((local_name(name), value) for name, value in element.items())
