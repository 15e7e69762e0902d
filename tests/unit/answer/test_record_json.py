"""The JSON that scripts read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from resolver.answer.record_json import error_json, http_status_of, record_json, write_json
from resolver.model.record import HandleRecord, HandleValue, Reference, TtlType
from resolver.protocol.codes import ResponseCode
from tests.strategies import records

URL = HandleValue(1, "URL", b"https://example.org/", timestamp=1_700_000_000)


def test_members_stand_in_their_usual_order() -> None:
    """Scripts that compare texts find the members where the deployed API puts them."""
    full = HandleValue(
        2, "DESC", b"text", ttl=60, permissions=0b1111, timestamp=1, references=(Reference("0.NA/1", 300),)
    )
    shown = record_json("20.500.12345/ABC", [URL, full], stale=True)
    assert list(shown) == ["responseCode", "handle", "values", "stale"]
    assert list(shown["values"][0]) == ["index", "type", "data", "ttl", "timestamp"]
    assert list(shown["values"][1]) == [
        "index",
        "type",
        "data",
        "permissions",
        "ttl",
        "timestamp",
        "references",
    ]
    assert shown["responseCode"] == 1
    assert shown["handle"] == "20.500.12345/ABC"


def test_known_record_octet_by_octet() -> None:
    """A small record looks exactly as the deployed API writes it."""
    absolute = HandleValue(2, "X", b"\xff\x00", ttl=86_400, ttl_type=TtlType.ABSOLUTE)
    assert write_json(record_json("a/b", [URL, absolute])) == (
        b'{"responseCode":1,"handle":"a/b","values":['
        b'{"index":1,"type":"URL","data":{"format":"string","value":"https://example.org/"},'
        b'"ttl":86400,"timestamp":"2023-11-14T22:13:20Z"},'
        b'{"index":2,"type":"X","data":{"format":"base64","value":"/wA="},"ttl":"1970-01-02T00:00:00Z"}]}'
    )


def test_nothing_that_matches_is_code_200() -> None:
    """A record without a match says so by its code, and has its members in the order of the deployed API."""
    shown = record_json("a/b", [], namespaceStatus="inactive")
    assert shown == {"responseCode": 200, "values": [], "handle": "a/b", "namespaceStatus": "inactive"}
    assert list(shown) == ["responseCode", "values", "handle", "namespaceStatus"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((100, "", "a/b"), {"responseCode": 100, "handle": "a/b"}),
        ((2, "trouble"), {"responseCode": 2, "message": "trouble"}),
        ((ResponseCode.INVALID_HANDLE, "empty", ""), {"responseCode": 102, "message": "empty", "handle": ""}),
        ((3,), {"responseCode": 3}),
    ],
)
def test_errors_have_only_what_there_is_to_say(arguments: tuple[Any, ...], shown: dict[str, Any]) -> None:
    """An error has its code, and message and handle where they are known, in this order."""
    assert error_json(*arguments) == shown
    assert list(error_json(*arguments)) == list(shown)


def test_pretty_is_the_same_indented() -> None:
    """``pretty`` changes blanks and line ends, not what is said."""
    shown = record_json("a/b", [URL])
    pretty = write_json(shown, pretty=True)
    assert pretty.startswith(b'{\n  "responseCode": 1,\n  "handle": "a/b",\n')
    assert json.loads(pretty) == json.loads(write_json(shown)) == shown


@pytest.mark.parametrize("pretty", [False, True])
def test_line_separators_are_escaped(pretty: bool) -> None:
    """The two line ends of JavaScript are escaped, so that the octets serve for JSONP; nothing else is."""
    shown = {"value": "a\u2028b\u2029c\u2013“\u2027\u202a", "\u2028": "\\u2028"}
    octets = write_json(shown, pretty=pretty)
    assert b"\xe2\x80\xa8" not in octets
    assert b"\xe2\x80\xa9" not in octets
    assert b"\\u2028b\\u2029c" in octets
    assert "\u2013“\u2027\u202a".encode() in octets
    assert json.loads(octets) == shown


@given(records)
def test_any_record_can_be_written_and_read(record: HandleRecord) -> None:
    """Whatever a record holds, its JSON is UTF-8, holds no raw line separator, and reads back."""
    shown = record_json(record.handle, record.values)
    for pretty in (False, True):
        text = write_json(shown, pretty=pretty).decode()
        assert not set(text) & {"\u2028", "\u2029"}
        assert json.loads(text) == shown


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, 200),
        (200, 200),
        (3, 503),
        (7, 503),
        (4, 400),
        (102, 400),
        (202, 400),
        (5, 501),
        (100, 404),
        (400, 403),
        (401, 403),
        (402, 401),
        (403, 403),
        (404, 403),
        (2, 502),
        (6, 502),
        (300, 502),
        (301, 502),
        (302, 502),
        (500, 502),
        (777, 502),
        (0xFFFF_FFFF, 502),
    ],
)
def test_code_decides_the_status(code: int, status: int) -> None:
    """Programs that read only the HTTP status learn the same; a code that nobody knows is the upstream's trouble."""
    assert http_status_of(code) == status
