"""All places that a handle may lead to, as XML and as JSON (``action=showurls``)."""

from __future__ import annotations

from typing import Any

from lxml import etree

from resolver.answer.candidates import Places
from resolver.answer.locations import Candidate

__all__ = ["places_json", "places_xml"]


def places_xml(places: Places) -> bytes:
    """Return a ``locations`` document with the attributes of each place, its weight as a number and its href filled."""
    root = etree.Element("locations")
    for candidate in places.candidates:
        element = etree.SubElement(root, "location")
        for name, value in _attributes(candidate).items():
            try:
                element.set(name, str(value))
            except ValueError:
                continue  # a name or a character that XML cannot hold; the place itself is still listed
    octets: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return octets


def places_json(handle: str, places: Places) -> dict[str, Any]:
    """Return the same for scripts."""
    return {"handle": handle, "locations": [_attributes(candidate) for candidate in places.candidates]}


def _attributes(candidate: Candidate) -> dict[str, str | float]:
    location = candidate.location
    shown: dict[str, str | float] = {
        name: value for name, value in location.attributes if name not in {"href", "href_template", "weight"}
    }
    if candidate.is_legacy or location.has("weight"):
        shown["weight"] = candidate.weight
    shown["href"] = candidate.target.uri
    return shown
