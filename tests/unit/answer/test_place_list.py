"""The list of all places, for people and for scripts."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from resolver.answer.candidates import Places
from resolver.answer.extras import Extras
from resolver.answer.locations import Candidate
from resolver.answer.place_list import places_json, places_xml
from resolver.answer.record_json import write_json
from resolver.answer.targets import Target
from resolver.model.location import Location
from resolver.protocol.locations import decode_locations
from tests.unit.answer.places import HANDLE, data_of, document, place_attributes, places_of, url


def rows(octets: bytes) -> list[dict[str, str]]:
    """Return the attributes of each place in XML."""
    root = etree.fromstring(octets)
    assert root.tag == "locations"
    assert [element.tag for element in root] == ["location"] * len(root)
    return [dict(element.attrib) for element in root]  # type: ignore[arg-type]


def test_known_list() -> None:
    """A place comes with its attributes, its weight as a number, and where it leads for this handle."""
    found = places_of(
        document(
            'zero id="0" weight="0" country="us"',
            'href_template="https://x.example/?h={hdl}&amp;x=1" title="Über &lt;&quot;alles&quot;&gt;"',
            root='no_legacy="1"',
        ),
        url("plain"),
    )
    assert rows(places_xml(found)) == [
        {"id": "0", "weight": "0.0", "country": "us", "href": "https://zero.example/"},
        {"title": 'Über <"alles">', "href": "https://x.example/?h=20.500.12345%2Fabc&x=1"},
    ]
    assert places_json(HANDLE, found) == {
        "handle": HANDLE,
        "locations": [
            {"id": "0", "country": "us", "weight": 0.0, "href": "https://zero.example/"},
            {"title": 'Über <"alles">', "href": "https://x.example/?h=20.500.12345%2Fabc&x=1"},
        ],
    }


def test_all_places_are_listed() -> None:
    """Those of the prefix and the plain URLs are listed too; a plain URL says that it is one, and what it weighs."""
    extras = Extras(inherited=(data_of(document("prefix"), handle="20.500.12345/for-all"),))
    shown = rows(places_xml(places_of(url("plain"), document("own"), extras=extras)))
    assert [row["href"] for row in shown] == [
        "https://own.example/",
        "https://prefix.example/",
        "https://plain.example/",
    ]
    assert shown[2] == {"mode": "legacy", "weight": "0.0", "href": "https://plain.example/"}


def test_places_that_nobody_is_sent_to_are_not_listed() -> None:
    """What leads nowhere is on no list of where to go."""
    assert rows(places_xml(places_of(document('href="javascript:alert(1)"', 'weight="1"', "a")))) == [
        {"href": "https://a.example/"}
    ]


def test_empty_list_is_a_document_too() -> None:
    """A handle that leads nowhere has an empty list."""
    empty = Places((), ())
    assert rows(places_xml(empty)) == []
    assert places_xml(empty).startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    assert places_json(HANDLE, empty) == {"handle": HANDLE, "locations": []}


@given(st.lists(place_attributes, max_size=4))
def test_list_can_be_read_back(all_attributes: list[dict[str, str]]) -> None:
    """Whatever the places say, XML and JSON hold the same: every attribute, and the places in order."""
    found = places_of(
        document(
            *(
                f"p{number} " + " ".join(f'{name}="{text}"' for name, text in attributes.items())
                for number, attributes in enumerate(all_attributes)
            )
        )
    )
    shown = json.loads(write_json(places_json(HANDLE, found)))["locations"]
    again = decode_locations(places_xml(found)).locations
    assert [row["href"] for row in shown] == [f"https://p{number}.example/" for number in range(len(shown))]
    assert len(shown) == len(again) == len(all_attributes)
    for attributes, row, location in zip(all_attributes, shown, again, strict=True):
        assert set(row) == {*attributes, "href"}
        for name, text in attributes.items():
            assert name == "weight" or row[name] == text
            assert location.get(name) == str(row[name])


@given(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3))
def test_what_xml_cannot_hold_does_not_break_the_list(attributes: dict[str, str]) -> None:
    """A name or a character that no XML can hold is left out, and the place is still listed."""
    place = Candidate(Location(tuple(attributes.items())), Target("https://a.example/"), 1.0)
    (row,) = rows(places_xml(Places((place,), ())))
    assert row["href"] == "https://a.example/"
