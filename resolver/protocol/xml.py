"""XML out of records: written by strangers, so read without DTD, entities or network, and only up to a size."""

from __future__ import annotations

from lxml import etree

from resolver.errors import MessageFormatError

__all__ = ["MAX_XML_OCTETS", "parse_xml"]

MAX_XML_OCTETS = 64 * 1024
"""Longest document that is read; real ones have a few hundred octets."""

MAX_ELEMENTS = 1000
MAX_DEPTH = 32
MAX_ATTRIBUTES = 64


def parse_xml(octets: bytes) -> etree._Element:
    """Return the root element of a small, well-formed document.

    Raises:
        MessageFormatError: not well-formed, has a document type, or is larger or deeper than the limits.
    """
    if len(octets) > MAX_XML_OCTETS:
        raise MessageFormatError(f"XML of {len(octets)} octets, at most {MAX_XML_OCTETS} are read")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(octets.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MessageFormatError(f"no well-formed XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise MessageFormatError("XML with a document type is not read")
    _check_shape(root)
    return root


def _check_shape(root: etree._Element) -> None:
    depth = elements = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        elements += 1
        if elements > MAX_ELEMENTS or depth > MAX_DEPTH or len(element.attrib) > MAX_ATTRIBUTES:
            raise MessageFormatError(
                f"XML with more than {MAX_ELEMENTS} elements, {MAX_DEPTH} levels or {MAX_ATTRIBUTES} attributes"
            )
