"""XML that strangers wrote."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.protocol.xml import MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_XML_OCTETS, parse_xml
from tests.strategies import damaged

LAUGHS = b"".join(
    b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("k"))
)
SAMPLE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- note --><locations chooseby="country,weighted">'
    b'<location id="1" href="https://example.org/" weight="0.5" country="gb">text &amp; &#233;</location>'
    b"<x:y xmlns:x='urn:x'><![CDATA[<raw>]]></x:y><?php?></locations>"
)


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def with_attributes(count: int) -> bytes:
    return b"<a " + b" ".join(b'x%d="1"' % number for number in range(count)) + b"/>"


@pytest.mark.parametrize(
    "octets",
    [
        SAMPLE,
        b"<a/>",
        b"  \n<a/>\n ",
        "<a>café</a>".encode(),
        '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>',
        b"\xef\xbb\xbf<a/>",
    ],
    ids=["all sorts", "smallest", "white space", "UTF-8", "UTF-16", "Latin-1", "byte order mark"],
)
def test_proper_documents_are_read(octets: bytes) -> None:
    """What a careful owner writes is read, in whatever encoding it declares."""
    assert parse_xml(octets).tag in ("a", "locations")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"  \n ",
        b"text",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&nbsp;</a>",
        b"<a x=1/>",
        b"<x:a/>",
        b"<a>\xff</a>",
        b"<a>\x00</a>",
        b"<a>&#0;</a>",
        b'<?xml version="1.0" encoding="no-such-thing"?><a/>',
        b'<?xml version="1.0" encoding="UTF-16"?><a/>',
    ],
    ids=lambda octets: repr(octets)[2:-1][:40],
)
def test_what_is_no_xml_is_refused(octets: bytes) -> None:
    """A document with a mistake is refused, in every way to make one."""
    with pytest.raises(MessageFormatError):
        parse_xml(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        b'<!DOCTYPE a PUBLIC "-//X//X" "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://192.0.2.1/x">%x;]><a/>',
        b'<!DOCTYPE a [<!ENTITY a "ha">' + LAUGHS + b"]><a>&j;</a>",
        b'<!DOCTYPE a [<!ENTITY a "ha">' + LAUGHS + b']><a x="&j;"/>',
        b'<!DOCTYPE a [<!ENTITY x "' + b"h" * 30_000 + b'">]><a>' + b"&x;" * 10_000 + b"</a>",
        b'<!DOCTYPE a [<!ENTITY x "&y;"><!ENTITY y "&x;">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ATTLIST a x CDATA "y">]><a/>',
    ],
    ids=[
        "bare",
        "DTD in the network",
        "DTD in a file",
        "entity",
        "entity in a file",
        "parameter entity",
        "billion laughs",
        "billion laughs in an attribute",
        "quadratic blowup",
        "entity loop",
        "default attribute",
    ],
)
def test_document_types_are_refused(octets: bytes) -> None:
    """A document with a type is refused: none of its entities is expanded, no file or host is read for it."""
    with pytest.raises(MessageFormatError):
        parse_xml(octets)


@pytest.mark.parametrize(
    "octets",
    [
        nested(MAX_DEPTH),
        b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>",
        with_attributes(MAX_ATTRIBUTES),
        b"<a>" + b"x" * (MAX_XML_OCTETS - 7) + b"</a>",
    ],
    ids=["levels", "elements", "attributes", "octets"],
)
def test_limits_are_generous(octets: bytes) -> None:
    """A document that reaches a limit is still read."""
    assert parse_xml(octets).tag == "a"


@pytest.mark.parametrize(
    "octets",
    [
        nested(MAX_DEPTH + 1),
        nested(9_000),
        nested(200_000),
        b"<a>" * 200_000,
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<a>" + b"<b/>" * 16_000 + b"</a>",
        with_attributes(MAX_ATTRIBUTES + 1),
        with_attributes(7_000),
        with_attributes(300_000),
        b"<a>" + b"x" * (MAX_XML_OCTETS - 6) + b"</a>",
        b" " * (MAX_XML_OCTETS + 1),
    ],
    ids=[
        "levels",
        "thousands of levels",
        "far too many levels",
        "unclosed",
        "elements",
        "thousands of elements",
        "attributes",
        "thousands of attributes",
        "far too many attributes",
        "octets",
        "white space",
    ],
)
def test_beyond_the_limits_is_refused(octets: bytes) -> None:
    """A document that is too deep, too wide or too long is refused, however deep, wide or long it is."""
    with pytest.raises(MessageFormatError):
        parse_xml(octets)


def test_comments_and_instructions_are_dropped() -> None:
    """Only elements and text are left of a document: a comment can neither hide nor cut anything."""
    root = parse_xml(b"<a><?x y?>one<!-- -->two<!-- <b/> --></a>")
    assert (len(root), root.text) == (0, "onetwo")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_names_are_forgotten() -> None:
    """Documents with ever new names leave nothing behind: a reader that keeps them all would fill our memory."""

    def read(start: int) -> None:
        for document in range(start, start + 150):
            names = b"".join(b'<l%d-%d a%d-%d=""/>' % (document, n, document, n) for n in range(500))
            parse_xml(b"<a>" + names + b"</a>")

    read(0)
    before = resident_octets()
    read(150)
    assert resident_octets() - before < 2 * 2**20


def resident_octets() -> int:
    """Return what this process holds in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found.group(1)) * 1024 if found else 0


@given(
    st.one_of(
        st.binary(max_size=60),
        damaged(SAMPLE),
        st.text("<>&;/='\"!?[]-ax \u00e9", max_size=40).map(str.encode),
    )
)
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are a document or raise MessageFormatError: no third outcome."""
    with contextlib.suppress(MessageFormatError):
        parse_xml(octets)
