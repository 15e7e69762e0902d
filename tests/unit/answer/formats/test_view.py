"""What every form of a record is made from."""

from __future__ import annotations

from hypothesis import given

from resolver.answer.formats import RecordView, view_record
from resolver.model.record import HandleValue
from tests.unit.answer.formats.samples import ADMIN, ALL, BINARY, DESC, HANDLE, SCRIPT, URL, view, views


def test_text_is_whole_and_only_where_data_are_text() -> None:
    """Long text is not shortened as on a page; structured and binary data have none."""
    long = HandleValue(1, "DESC", b"x" * 1_000_000)
    shown = {one.value.index: one for one in view(*ALL[1:], long).values}
    assert len(shown[1].text or "") == 1_000_000
    assert shown[DESC.index].text == 'Über "alles",\n\tzweite Zeile\\'
    assert shown[ADMIN.index].text is None
    assert shown[BINARY.index].text is None


def test_links_are_those_that_may_be_followed() -> None:
    """A value leads somewhere if the operator's schemes allow it, whatever its type."""
    other = HandleValue(9, "HOMEPAGE", b"https://home.example/")
    shown = view(URL, SCRIPT, other)
    assert [one.uri for one in shown.values] == [
        "https://example.org/?a=1&b=2",
        None,
        "https://home.example/",
    ]
    strict = view_record(HANDLE, "https://x.example/", (URL,), frozenset({"ftp"}))
    assert strict.values[0].uri is None


def test_changes_are_moments() -> None:
    """When a value was changed is told to the second, in UTC, or not at all."""
    assert [one.changed for one in view(URL, DESC).values] == ["2023-11-14T22:13:20Z", None]


def test_first_text_of_a_type_is_found() -> None:
    """The first value of any of the types wanted that holds text counts, whatever the case of its type."""
    shown = view(HandleValue(1, "desc", b"second"), HandleValue(2, "TITLE", b"third"), BINARY)
    assert shown.first_text("TITLE", "DESC") == "second"
    assert shown.first_text("TITLE") == "third"
    assert shown.first_text("PHOTO", "NONE") is None


@given(views)
def test_any_record_has_a_view(record: RecordView) -> None:
    """Whatever a record holds, each of its values is there, in order, and nothing else."""
    again = view_record(
        record.handle, record.citation_url, [one.value for one in record.values], frozenset({"https"})
    )
    assert [one.value for one in again.values] == [one.value for one in record.values]
    for one in again.values:
        assert one.uri is None or one.uri.lower().startswith("https://")
