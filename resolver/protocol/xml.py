"""XML out of records: written by strangers, so read without DTD, entities or network, and only up to a size.

The reader is expat, which forgets a document with it. libxml2 does not: it keeps every name it has ever seen,
for as long as the process lives, so that records with ever new names would fill our memory.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from resolver.errors import MessageFormatError

__all__ = ["MAX_XML_OCTETS", "Element", "local_name", "parse_xml"]

MAX_XML_OCTETS = 64 * 1024
"""Longest document that is read; real ones have a few hundred octets."""

MAX_ELEMENTS = 1000
MAX_DEPTH = 32
MAX_ATTRIBUTES = 64

_DOCTYPE = b"<!DOCTYPE"


def parse_xml(octets: bytes) -> Element:
    """Return the root element of a small, well-formed document.

    Raises:
        MessageFormatError: not well-formed, has a document type, or is larger or deeper than the limits.
    """
    if len(octets) > MAX_XML_OCTETS:
        raise MessageFormatError(f"XML of {len(octets)} octets, at most {MAX_XML_OCTETS} are read")
    # Looked for before expat sees any of it, in every encoding that it knows: those of two octets differ by zeros.
    if _DOCTYPE in octets.replace(b"\0", b""):
        raise MessageFormatError("XML with a document type is not read")
    parser = ElementTree.XMLParser(target=_BoundedBuilder())  # noqa: S314 - see above
    try:
        parser.feed(octets.strip())
        root: Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise MessageFormatError(f"no well-formed XML: {error}") from error
    return root


def local_name(name: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


class _BoundedBuilder(ElementTree.TreeBuilder):
    """Builds a tree, and stops where one grows too large."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        """Open an element.

        Raises:
            MessageFormatError: it is one too many, or has too many attributes.
        """
        self._depth += 1
        self._elements += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH or len(attrs) > MAX_ATTRIBUTES:
            raise MessageFormatError(
                f"XML with more than {MAX_ELEMENTS} elements, {MAX_DEPTH} levels or {MAX_ATTRIBUTES} attributes"
            )
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        """Close an element."""
        self._depth -= 1
        return super().end(tag)
