"""In which form a record is given."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from resolver.answer.formats import FORMATS, RecordView, choose_format
from resolver.answer.negotiation import Requester
from resolver.answer.record_json import record_json, write_json
from tests.unit.answer.formats.samples import ALL, HANDLE, view, views
from tests.unit.answer.places import FIREFOX


def chosen(named: str | None = None, accept: str | None = None) -> str | None:
    """Return the name of the form, or ``None`` for the page."""
    found = choose_format(named, Requester(accept))
    return found and found.name


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("application/json", "json"),
        ("text/plain", "txt"),
        ("text/csv", "csv"),
        ("text/turtle", "ttl"),
        ("application/ld+json", "jsonld"),
        ("TEXT/Turtle;charset=utf-8", "ttl"),
        ('application/ld+json;profile="https://x.example/a, https://x.example/b";q=0.2, text/csv', "csv"),
        ("text/csv;q=0.5, text/turtle;q=0.9", "ttl"),
        ("application/rdf+xml, text/turtle;q=0.5", "ttl"),
        ("text/turtle, */*;q=0.1", "ttl"),
        ("text/html, application/json", None),
        ("application/json;q=0.9, text/html", None),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None),
        ("application/xml, */*;q=0.5, text/csv;q=0.4", None),
        ("text/turtle;q=0", None),
        ("application/xml", None),
        ("*/*", None),
        ("text/*", None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
    ids=repr,
)
def test_programs_get_the_form_they_accept(accept: str | None, name: str | None) -> None:
    """The first form that is accepted before any page counts; who accepts none of them gets the page."""
    assert chosen(accept=accept) == name


@pytest.mark.parametrize("accept", [None, "text/html", "application/json", "text/csv"], ids=repr)
def test_parameter_wins_over_what_is_accepted(accept: str | None) -> None:
    """``?format=`` is for people and scripts that cannot choose their headers, so it comes first, in any case."""
    for form in FORMATS:
        assert chosen(form.name, accept) == form.name
        assert chosen(form.name.upper(), accept) == form.name
    assert chosen("html", accept) is None
    assert chosen("HTML", accept) is None


@pytest.mark.parametrize("named", ["", "docx", "../json", "json "])
def test_unknown_name_asks_for_nothing(named: str) -> None:
    """A form that does not exist is as good as none: what is accepted decides."""
    assert chosen(named) is None
    assert chosen(named, "text/csv") == "csv"


def test_names_and_types_are_told_apart() -> None:
    """Every form has its own name and media type, and says how its text is encoded."""
    assert len({form.name for form in FORMATS}) == len({form.media_type for form in FORMATS}) == len(FORMATS)
    for form in FORMATS:
        assert form.label
        assert form.content_type.partition(";")[0] == form.media_type
        assert ("charset=utf-8" in form.content_type) is form.media_type.startswith("text/")


def test_json_is_that_of_the_api() -> None:
    """The record as JSON is the same wherever it is asked for."""
    (form,) = [form for form in FORMATS if form.name == "json"]
    assert form.write(view(*ALL)) == write_json(record_json(HANDLE, ALL))
    assert json.loads(form.write(view()))["responseCode"] == 200


@given(views)
def test_any_record_can_be_written_in_every_form(record: RecordView) -> None:
    """Whatever a record holds, it comes out in UTF-8 in each form."""
    for form in FORMATS:
        assert form.write(record).decode()


def test_browsers_see_the_page() -> None:
    """A person with a browser gets a page without asking for it."""
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    assert choose_format(None, Requester(accept, "de", FIREFOX)) is None
