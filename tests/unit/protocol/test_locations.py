"""Documents of places, from octets to data."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.model.location import Location, LocationDocument
from resolver.protocol.locations import decode_locations
from resolver.protocol.xml import MAX_ELEMENTS, MAX_XML_OCTETS
from tests.strategies import damaged

SAMPLE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<locations chooseby="locatt,country,weighted" http_sc="303">\n'
    b'  <!-- the usual one -->\n  <location id="0" href="https://example.org/?a=1&amp;b=2" weight="1"/>\n'
    b'  <loc_template href_template="https://example.org/{hdl}" title="&#xfc;ber &quot;alles&quot;"/>\n'
    b'  <other href="https://other.example/"/>\n</locations>\n'
)


def test_known_document() -> None:
    """Attributes come out as text, in their order; the old name of a place counts, other elements do not."""
    assert decode_locations(SAMPLE) == LocationDocument(
        (("chooseby", "locatt,country,weighted"), ("http_sc", "303")),
        (
            Location((("id", "0"), ("href", "https://example.org/?a=1&b=2"), ("weight", "1"))),
            Location((("href_template", "https://example.org/{hdl}"), ("title", 'über "alles"'))),
        ),
    )


@pytest.mark.parametrize(
    "octets",
    [
        b'<l:locations xmlns:l="urn:l"><l:location l:href="x"/></l:locations>',
        b'<locations xmlns="urn:l"><location href="x"/></locations>',
        '<?xml version="1.0" encoding="UTF-16"?><locations><location href="x"/></locations>'.encode("utf-16"),
        b"<anything><location href='x'/></anything>",
        b"\xef\xbb\xbf  <locations><location href='x'></location></locations>  ",
    ],
    ids=["prefixes", "default namespace", "UTF-16", "another root", "byte order mark and blanks"],
)
def test_namespaces_and_encodings_do_not_matter(octets: bytes) -> None:
    """Names count without their namespaces, and text in whatever encoding is declared."""
    assert decode_locations(octets).locations == (Location((("href", "x"),)),)


def test_flags_are_what_their_authors_mean() -> None:
    """An attribute of the root is on if it says 1, yes or true, in any case, and off otherwise."""
    for text in ("1", "yes", "true", "TRUE", " Yes "):
        assert decode_locations(f'<l no_legacy="{text}"/>'.encode()).flag("no_legacy")
    for text in ("0", "no", "false", "", "on", "2"):
        assert not decode_locations(f'<l no_legacy="{text}"/>'.encode()).flag("no_legacy")
    assert not decode_locations(b"<l/>").flag("no_legacy")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"text",
        b"<locations>",
        b'<!DOCTYPE l [<!ENTITY x "y">]><l><location href="&x;"/></l>',
        b"<l>" + b"<location/>" * MAX_ELEMENTS + b"</l>",
        b"<l>" + b" " * MAX_XML_OCTETS + b"</l>",
        b"<l>" * 100 + b"</l>" * 100,
    ],
    ids=["nothing", "text", "unfinished", "document type", "too many", "too long", "too deep"],
)
def test_what_cannot_be_read_is_refused(octets: bytes) -> None:
    """A document that is broken, dangerous or endless is refused in one way, which callers know."""
    with pytest.raises(MessageFormatError):
        decode_locations(octets)


@given(st.one_of(st.binary(max_size=60), damaged(SAMPLE)))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are a document or raise MessageFormatError: no third outcome."""
    with contextlib.suppress(MessageFormatError):
        assert len(decode_locations(octets).locations) < MAX_ELEMENTS
