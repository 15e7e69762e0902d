"""Records as tables for spreadsheets."""

from __future__ import annotations

import base64
import csv
import io
import json

import pytest
from hypothesis import given

from resolver.answer.formats import RecordView
from resolver.answer.formats.table import write
from resolver.model.record import HandleValue
from tests.unit.answer.formats.samples import ALL, HANDLE, view, views

HEADER = ["handle", "index", "type", "format", "data", "ttl", "timestamp"]


def rows(octets: bytes) -> list[list[str]]:
    """Read a table as a spreadsheet does."""
    header, *found = csv.reader(io.StringIO(octets.decode(), newline=""))
    assert header == HEADER
    return found


def test_known_record() -> None:
    """Each value is a line: text as it is, octets as base64, structured data as JSON."""
    octets = write(view(*ALL))
    assert octets.startswith(b"handle,index,type,format,data,ttl,timestamp\r\n")
    found = rows(octets)
    assert found[0] == [
        HANDLE,
        "1",
        "URL",
        "string",
        "https://example.org/?a=1&b=2",
        "86400",
        "2023-11-14T22:13:20Z",
    ]
    assert found[1] == [HANDLE, "2", "DESC", "string", 'Über "alles",\n\tzweite Zeile\\', "60", ""]
    assert found[2][3] == "admin"
    assert json.loads(found[2][4]) == {
        "handle": "0.NA/20.500.12345",
        "index": 200,
        "permissions": "111111111111",
    }
    assert found[3][3:6] == ["base64", base64.b64encode(b"\x00\xff\x01").decode(), "1970-01-02T00:00:00Z"]
    assert rows(write(view())) == []


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"], ids=ascii
)
def test_spreadsheets_calculate_nothing(start: str) -> None:
    """What a spreadsheet would take for a formula is marked as text, in whatever column the record put it."""
    formula = f"{start}cmd|' /C calc'!A0"
    (row,) = rows(write(view(HandleValue(1, formula, formula.encode()), handle=f"{formula}/x")))
    assert row[0] == f"'{formula}/x"
    assert row[2] == f"'{formula}"
    assert row[4] == f"'{formula}"


@pytest.mark.parametrize(
    "text", ["a=b", "1-1", "mail@example.org", " =1", "'=1", "", "https://x.example/?a=+1"]
)
def test_harmless_text_is_left_alone(text: str) -> None:
    """What no spreadsheet calculates comes out as it went in."""
    (row,) = rows(write(view(HandleValue(1, "X", text.encode()))))
    assert row[4] == text


def test_numbers_stay_numbers() -> None:
    """An index or a TTL below zero is a number, not a formula."""
    (row,) = rows(write(view(HandleValue(-5, "X", b"-5", ttl=-1))))
    assert (row[1], row[4], row[5]) == ("-5", "'-5", "-1")


@given(views)
def test_table_reads_back_as_the_record(record: RecordView) -> None:
    """Whatever a record holds, each line has all columns and no cell begins a formula; text comes back whole."""
    found = rows(write(record))
    assert len(found) == len(record.values)
    for row, shown in zip(found, record.values, strict=True):
        assert len(row) == len(HEADER)
        assert int(row[1]) == shown.value.index
        for cell in (row[0], row[2], row[4], row[6]):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        if row[3] == "base64":
            assert base64.b64decode(row[4].removeprefix("'")) == shown.value.data
        elif row[3] == "string":
            assert row[4] in {shown.text, f"'{shown.text}"} or shown.text is None
