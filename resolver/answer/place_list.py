"""All places that a handle may lead to, as XML and as JSON (``action=showurls``)."""

from __future__ import annotations

import re
from typing import Any
from xml.sax.saxutils import quoteattr

from resolver.answer.candidates import Places
from resolver.answer.locations import Candidate

__all__ = ["places_json", "places_xml"]

# Of what XML allows in names, that on which all readers agree; "xmlns" would be no attribute.
_NAME = re.compile(
    r"(?!xmlns$)[A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff][A-Za-z0-9_.\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff-]*"
)
_NO_CHARACTER = re.compile("[^\\t\\n\\r\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def places_xml(places: Places) -> bytes:
    """Return a ``locations`` document with the attributes of each place, its weight as a number and its href filled."""
    elements = "".join(f"<location{_written(candidate)}/>" for candidate in places.candidates)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n<locations>{elements}</locations>".encode()


def _written(candidate: Candidate) -> str:
    # A name or a character that XML cannot hold is left out; the place itself is still listed.
    return "".join(
        f" {name}={quoteattr(str(value))}"
        for name, value in _attributes(candidate).items()
        if _NAME.fullmatch(name) and _NO_CHARACTER.search(str(value)) is None
    )


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
