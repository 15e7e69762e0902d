"""HS_NAMESPACE: what a prefix says about its handles, read from XML."""

from __future__ import annotations

from collections.abc import Iterable

from resolver.errors import MessageFormatError
from resolver.model.handle import fold_ascii
from resolver.model.namespace import ACTIVE, Namespace
from resolver.model.record import HandleValue
from resolver.protocol.xml import Element, local_name, parse_xml

__all__ = ["NAMESPACE_TYPE", "decode_namespace", "namespace_of"]

NAMESPACE_TYPE = "HS_NAMESPACE"

_TRUE = frozenset({"1", "yes", "true"})


def decode_namespace(data: bytes) -> Namespace:
    """Read the data of an HS_NAMESPACE value; the name of the root element means nothing.

    Raises:
        MessageFormatError: not XML that may be read.
    """
    root = parse_xml(data)
    locations = [element for element in root if local_name(element.tag) == "locs"]
    return Namespace(
        status=_text(root, "status") or ACTIVE,
        status_message=_text(root, "statusmsg"),
        contact=_text(root, "contact"),
        location_handles=tuple(handle for element in locations if (handle := _content(element))),
        stops_inheritance=any(element.get("no_nslocs", "").lower() in _TRUE for element in locations),
        has_template=any(local_name(element.tag) == "template" for element in root),
    )


def namespace_of(values: Iterable[HandleValue]) -> Namespace | None:
    """Return the namespace among the values of a prefix record: that with the lowest index that can be read.

    One that cannot be read counts as absent, as deployed software has it: a typing error of an operator
    must not take a prefix down.
    """
    found = sorted(
        (value for value in values if fold_ascii(value.type) == NAMESPACE_TYPE), key=lambda value: value.index
    )
    for value in found:
        if not value.data.strip():
            continue
        try:
            return decode_namespace(value.data)
        except MessageFormatError:
            continue
    return None


def _content(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _text(root: Element, name: str) -> str:
    return next((_content(element) for element in root if local_name(element.tag) == name), "")
