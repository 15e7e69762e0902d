"""Records as Turtle and JSON-LD, read back by a library that is not ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from rdflib import RDF, XSD, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCTERMS

from resolver.answer.formats import RecordView
from resolver.answer.formats.linked_data import VOCABULARY, write_json_ld, write_turtle
from resolver.answer.formats.view import view_record
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.model.record import HandleValue
from tests.unit.answer.formats.samples import ALL, CITATION, HANDLE, view, views

# The library's own parser of JSON-LD uses what the library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

SUBJECT = URIRef(CITATION)
SCHEMA = Namespace("https://schema.org/")
FIELD = Namespace(VOCABULARY)


def turtle(record: RecordView) -> Graph:
    """Read the Turtle of a record."""
    return Graph().parse(data=write_turtle(record), format="turtle")


def json_ld(record: RecordView) -> Graph:
    """Read the JSON-LD of a record; nothing is fetched for it."""
    return Graph().parse(data=write_json_ld(record), format="json-ld")


@pytest.mark.parametrize("read", [turtle, json_ld])
def test_known_record(read: type[Graph]) -> None:
    """The handle is the subject; standard types have common terms, and every value is there with its fields."""
    graph = read(view(*ALL, HandleValue(5, "title", b"A title")))  # type: ignore[arg-type]
    assert set(graph.objects(SUBJECT, DCTERMS.identifier)) == {Literal(HANDLE)}
    assert set(graph.objects(SUBJECT, SCHEMA.url)) == {URIRef("https://example.org/?a=1&b=2")}
    assert set(graph.objects(SUBJECT, DCTERMS.description)) == {Literal('Über "alles",\n\tzweite Zeile\\')}
    assert set(graph.objects(SUBJECT, DCTERMS.title)) == {Literal("A title")}
    shown = {
        int(graph.value(node, FIELD["index"])): (  # type: ignore[arg-type]
            str(graph.value(node, FIELD["type"])),
            str(graph.value(node, FIELD["data"])),
            graph.value(node, DCTERMS.modified),
        )
        for node in graph.objects(SUBJECT, FIELD["value"])
    }
    changed = Literal("2023-11-14T22:13:20Z", datatype=XSD.dateTime)
    assert shown[1] == ("URL", "https://example.org/?a=1&b=2", changed)
    assert shown[2] == ("DESC", 'Über "alles",\n\tzweite Zeile\\', None)
    assert shown[3] == ("PHOTO", "AP8B", None)
    assert shown[4] == ("URL", "javascript:alert(1)", None)
    assert json.loads(shown[100][1])["handle"] == "0.NA/20.500.12345"
    assert set(shown) == {1, 2, 3, 4, 5, 100}
    assert (None, RDF.type, None) not in graph


def test_dangerous_addresses_are_no_links() -> None:
    """What nobody is redirected to is data, and not the address of the thing."""
    script = HandleValue(1, "URL", b"javascript:alert(1)")
    assert list(turtle(view(script)).objects(SUBJECT, SCHEMA.url)) == []
    assert b"<javascript" not in write_turtle(view(script))


def test_json_ld_needs_nothing_from_elsewhere() -> None:
    """The document holds its context, so that it can be read without fetching anything."""
    shown = json.loads(write_json_ld(view(*ALL)))
    assert isinstance(shown["@context"], dict)
    assert all(isinstance(term, str | dict) for term in shown["@context"].values())
    assert shown["@id"] == CITATION


@settings(max_examples=60)
@given(views)
def test_both_notations_say_the_same(record: RecordView) -> None:
    """Whatever a record holds, both can be read, and hold the same statements: every value with its own fields."""
    graph = turtle(record)
    assert isomorphic(graph, json_ld(record))
    assert set(graph.objects(SUBJECT, DCTERMS.identifier)) == {Literal(record.handle)}
    nodes = list(graph.objects(SUBJECT, FIELD["value"]))
    shown = sorted(
        (int(graph.value(node, FIELD["index"])), str(graph.value(node, FIELD["type"]))) for node in nodes
    )  # type: ignore[arg-type]
    assert shown == sorted((one.value.index, one.value.type) for one in record.values)
    # Nothing in a record can state anything about somebody else.
    assert {subject for subject in graph.subjects() if isinstance(subject, URIRef)} == {SUBJECT}


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example/><https://evil.example/> a <https://evil.example/",
        "https://x.example/a b",
        'https://x.example/"',
        "https://x.example/\\u003e",
        "https://x.example/\n> .",
        "https://x.example/{}|^`",
    ],
    ids=ascii,
)
def test_address_of_the_handle_stays_one_address(address: str) -> None:
    """Characters that would end an address in Turtle are encoded."""
    record = view_record(HANDLE, address, (ALL[0],), DEFAULT_SCHEMES)
    graph = turtle(record)
    subjects = {subject for subject in graph.subjects() if isinstance(subject, URIRef)}
    assert len(subjects) == 1
    assert str(subjects.pop()).startswith("https://x.example/")
    assert len(list(graph.objects(None, FIELD["value"]))) == 1
