"""What a record is about, at a glance."""

from __future__ import annotations

import pytest

from resolver.answer.extras import NO_EXTRAS, Extras, read_location_data
from resolver.answer.summary import MAX_SHOWN_PLACES, MAX_TEXT, Summary, summarize
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.model.record import HandleRecord, HandleValue
from tests.unit.answer.places import HANDLE, data_of, document, url


def summary_of(*values: HandleValue, handle: str = HANDLE, extras: Extras = NO_EXTRAS) -> Summary:
    """Return the summary of a record with these values."""
    record = HandleRecord(handle, values)
    return summarize(record, read_location_data(record), extras, DEFAULT_SCHEMES)


def text(words: str, value_type: str = "DESC", index: int = 9) -> HandleValue:
    """Return a value that describes the thing."""
    return HandleValue(index, value_type, words.encode())


def test_one_url_is_where_it_leads() -> None:
    """Of several URLs the first decides, as it does for a redirect."""
    found = summary_of(url("one"), url("two", index=6), url("iiif", value_type="URL.iiif"))
    assert found.places == ("https://one.example/",)
    assert (found.is_choice, found.hidden) == (False, 0)
    assert found.kind == "a name for something at one address"


def test_places_that_are_no_use_do_not_count() -> None:
    """Where nobody is sent, nothing leads."""
    assert summary_of(HandleValue(1, "URL", b"javascript:alert(1)"), url("two")).places == (
        "https://two.example/",
    )
    assert (
        summary_of(HandleValue(1, "URL", b"javascript:alert(1)")).kind == "a record that leads nowhere else"
    )


def test_several_places_are_a_choice() -> None:
    """Places of location documents are listed once each; it depends on the visitor which one counts."""
    found = summary_of(document(*(f"p{number}" for number in range(8)), "p0"), url("p1"))
    assert found.places == tuple(f"https://p{number}.example/" for number in range(MAX_SHOWN_PLACES))
    assert (found.hidden, found.is_choice) == (8 - MAX_SHOWN_PLACES, True)
    assert found.kind == "a name for something at 8 addresses"


def test_inherited_places_count() -> None:
    """A record without a place of its own leads where its prefix says."""
    extras = Extras((), (data_of(document("home"), handle="0.NA/20.500.12345"),))
    assert summary_of(text("x"), extras=extras).places == ("https://home.example/",)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((text("a map"),), "a map"),
        ((text("long"), text("Tides", "TITLE")), "Tides"),
        ((text("  \n"), text("second")), "second"),
        ((HandleValue(1, "DESC", b"\xff\xfe"),), ""),
        ((text("x" * 1000),), "x" * MAX_TEXT + "…"),
        ((text("a\u202eb"),), "a\\u202eb"),
        ((), ""),
    ],
)
def test_what_the_record_says_itself(values: tuple[HandleValue, ...], wanted: str) -> None:
    """A title before a description, whatever their order; made fit to be shown."""
    assert summary_of(*values).text == wanted


@pytest.mark.parametrize(
    ("handle", "values", "kind"),
    [
        ("0.NA/20.500.12345", (), "a prefix, which all handles of one owner begin with"),
        (HANDLE, (HandleValue(1, "HS_ALIAS", b"1/2"), url("x")), "an alias: another name for a handle"),
        (HANDLE, (text("x"),), "a record that leads nowhere else"),
    ],
)
def test_kinds(handle: str, values: tuple[HandleValue, ...], kind: str) -> None:
    """Prefixes and aliases are called so."""
    assert summary_of(*values, handle=handle).kind == kind
