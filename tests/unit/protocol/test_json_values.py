"""Handle values as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.record_json import error_json, record_json, write_json
from resolver.errors import MessageFormatError
from resolver.model.record import HandleRecord, HandleValue, Reference, TtlType
from resolver.protocol.bodies import (
    ErrorResponse,
    ReferralResponse,
    ResolutionResponse,
    SiteInfoResponse,
)
from resolver.protocol.codes import ResponseCode
from resolver.protocol.json_sites import site_to_json
from resolver.protocol.json_values import (
    data_to_json,
    record_from_json,
    time_from_json,
    time_to_json,
    value_from_json,
    value_to_json,
)
from resolver.protocol.message import Message, decode_message
from resolver.protocol.values import decode_vlist, encode_value, read_value
from resolver.protocol.wire import Cursor
from tests.strategies import any_json, damaged_json, i32, json_records, json_values, records, values
from tests.vectors import Vector, params, table, tables, vector, vectors
from tests.vectors.expected import expected_value

VALUES = [found for found in vectors("data") if found.notes["type"] == "value"]
STRUCTURED = [
    found for found in vectors("data") if found.notes["type"] in ("HS_ADMIN", "HS_VLIST", "HS_PUBKEY")
]


def in_order(shown: Any) -> str:
    """Return JSON as text, so that the order of its members counts."""
    return json.dumps(shown, indent=1)


# --- vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(VALUES))
def test_value_vectors_both_ways(found: Vector) -> None:
    """A value is shown as the deployed API shows it, in the same order, and read back as it was."""
    shown = json.loads(found.facts["json"])
    value = read_value(Cursor(found.octets))
    assert in_order(value_to_json(value)) == in_order(shown)
    assert value_from_json(shown) == value == expected_value(found.facts["value"])


@pytest.mark.parametrize("found", params(STRUCTURED))
def test_structured_vectors_both_ways(found: Vector) -> None:
    """Data of administrators, lists and keys is shown structured, and becomes the same octets again."""
    shown = json.loads(found.facts["json"])
    assert in_order(data_to_json(found.notes["type"], found.octets)) == in_order(shown)
    value = value_from_json({"index": 1, "type": found.notes["type"], "data": shown})
    assert value.data == found.octets


@pytest.mark.parametrize("case", table("timestamp_format")["times"], ids=lambda case: str(case["timestamp"]))
def test_time_vectors(case: dict[str, Any]) -> None:
    """Times are shown in UTC, before 1970 too, and a timestamp of 0 is left out."""
    shown = value_to_json(HandleValue(1, "URL", b"", timestamp=case["timestamp"]))
    assert shown.get("timestamp") == case.get("text")
    if "text" in case:
        assert time_from_json(case["text"]) == case["timestamp"]


def api_answer(message: Message, requested: str) -> Any:
    """Return what the REST API says about the handle ``requested`` where a server said ``message``."""
    match message.body:
        case ResolutionResponse(handle, found) if found:
            return record_json(handle, found)
        case ResolutionResponse(handle):
            return {"responseCode": 1, "handle": handle, "values": []}
        case SiteInfoResponse(site):
            return {"responseCode": 1, "site": site_to_json(site)}
        case ReferralResponse(handle, found):
            shown: dict[str, Any] = {"responseCode": int(message.code)}
            if handle:
                shown["referralHandle"] = handle
            if found is not None:
                shown["values"] = [value_to_json(value) for value in found]
            return {**shown, "handle": requested}
        case ErrorResponse() if message.code is ResponseCode.VALUES_NOT_FOUND:
            return record_json(requested, ())
        case ErrorResponse(text):
            return error_json(message.code, text, requested)
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize("case", tables("rest"))
def test_rest_vectors(case: dict[str, Any]) -> None:
    """Scripts that read the deployed API get the same octets from us, compact and pretty."""
    requested = json.loads(case["compact"]).get("handle", "")  # errors of servers do not name it
    shown = api_answer(decode_message(vector("messages", case["message_of"]).octets), requested)
    assert write_json(shown).decode() == case["compact"]
    assert write_json(shown, pretty=True).decode() == case["pretty"]


# --- properties ------------------------------------------------------------------------------------------


@given(json_values)
def test_value_round_trip(value: HandleValue) -> None:
    """A value that JSON can express is the same after it was one."""
    assert value_from_json(json.loads(json.dumps(value_to_json(value)))) == value


@given(json_records)
def test_record_round_trip(record: HandleRecord) -> None:
    """A record that the API shows can be read from a file again."""
    shown = json.loads(write_json(record_json(record.handle, record.values)))
    assert record_from_json(shown) == record


@given(records)
def test_every_value_can_be_shown(record: HandleRecord) -> None:
    """Whatever octets a value holds, the API can show it as JSON, under its index and type."""
    for value, shown in zip(record.values, map(value_to_json, record.values), strict=True):
        assert json.loads(write_json(shown)) == json.loads(json.dumps(shown))
        assert (shown["index"], shown["type"]) == (value.index, value.type)


@given(values)
def test_reading_what_was_shown_keeps_what_json_has(value: HandleValue) -> None:
    """A value that was shown and read again shows the same."""
    shown = value_to_json(value)
    if shown["data"]["format"] not in ("site", "key"):  # a site record may hold what no file may
        assert value_to_json(value_from_json(shown)) == shown


@given(i32)
def test_time_round_trip(seconds: int) -> None:
    """Every time that a value can hold is read as it was written."""
    assert time_from_json(time_to_json(seconds)) == seconds


ADMIN_JSON: dict[str, Any] = {
    "index": 100,
    "type": "HS_ADMIN",
    "data": {"format": "admin", "value": {"handle": "0.NA/1", "index": 200, "permissions": "011111110011"}},
    "permissions": "1110",
    "ttl": 86400,
    "timestamp": "2023-11-14T22:13:20Z",
    "references": [{"handle": "0.NA/1", "index": 300}],
}
SAMPLES = [
    ADMIN_JSON,
    {
        "index": 2,
        "type": "HS_SITE",
        "data": {"format": "site", "value": json.loads(vector("data", "data-hs-site-minimal").facts["json"])},
        "ttl": "2026-01-01T00:00:00Z",
    },
    {
        "index": 3,
        "type": "HS_VLIST",
        "data": {"format": "vlist", "value": [{"handle": "0.NA/1", "index": 1}, "300:0.NA/2"]},
    },
    {"index": 4, "type": "HS_PUBKEY", "data": json.loads(vector("data", "data-hs-pubkey-rsa").facts["json"])},
    {"index": 5, "type": "X", "data": {"format": "hex", "value": "00ff"}},
]


@given(st.one_of(any_json, *map(damaged_json, SAMPLES)))
def test_garbage_for_values_never_escapes(shown: Any) -> None:
    """Any JSON is a value that can be kept, written to the wire and shown, or raises MessageFormatError."""
    try:
        value = value_from_json(shown)
    except MessageFormatError:
        return
    assert value.lifetime_s(1.7e9) >= 0
    again = read_value(Cursor(encode_value(value)))
    assert (again.index, again.ttl, again.timestamp) == (value.index, value.ttl, value.timestamp)
    value_to_json(value)


@given(st.one_of(any_json, damaged_json({"handle": "10.1/x", "values": SAMPLES})))
def test_garbage_for_records_never_escapes(shown: Any) -> None:
    """Any JSON is a record or raises MessageFormatError."""
    try:
        record = record_from_json(shown)
    except MessageFormatError:
        return
    assert record.handle == shown["handle"]


# --- values that people wrote ----------------------------------------------------------------------------


def test_little_is_enough() -> None:
    """A value written by hand needs an index, a type and text; the rest has the usual defaults."""
    value = value_from_json({"index": 1, "type": "URL", "data": "https://example.org/"})
    assert value == HandleValue(1, "URL", b"https://example.org/")
    assert (value.ttl, value.ttl_type, value.permissions) == (86400, TtlType.RELATIVE, 0b1110)


@pytest.mark.parametrize(
    ("written", "permissions"), [("1110", 14), ("0000", 0), ("1111", 15), ("0010", 2), ("*", 15), (None, 14)]
)
def test_permissions_are_four_digits(written: str | None, permissions: int) -> None:
    """Permissions are four digits, all of which count, or a star for every one of them."""
    shown = {"index": 1, "type": "URL", "permissions": written}
    assert value_from_json(shown).permissions == permissions


@pytest.mark.parametrize(
    ("permissions", "shown"), [(14, None), (15, "1111"), (12, "1100"), (2, "0010"), (0, "0000")]
)
def test_usual_permissions_are_not_shown(permissions: int, shown: str | None) -> None:
    """Permissions are shown where they are not the usual ones, always with four digits."""
    assert value_to_json(HandleValue(1, "URL", b"", permissions=permissions)).get("permissions") == shown


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14T22:13:20+00:00", 1_700_000_000),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000),
        ("2023-11-14T22:13:20", 1_700_000_000),
        ("2023-11-14T22:13:20.250Z", 1_700_000_000),
        ("1970-01-01", 0),
        (1_700_000_000, 1_700_000_000),
    ],
)
def test_times_are_read_as_people_write_them(written: Any, seconds: int) -> None:
    """A time may have a zone, a fraction, or be a number of seconds; without a zone it is UTC."""
    assert time_from_json(written) == seconds


@pytest.mark.parametrize("ttl_type", [1, 2, 255])
def test_other_ttls_are_shown_as_times(ttl_type: int) -> None:
    """A TTL that is not relative is shown as a moment, as the deployed API does."""
    shown = value_to_json(HandleValue(1, "URL", b"", ttl=1_767_225_600, ttl_type=ttl_type))
    assert shown["ttl"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("300:0.NA/10", Reference("0.NA/10", 300)),
        ("0.NA/10", Reference("0.NA/10", 0)),
        ("x:y/z", Reference("x:y/z", 0)),
        (":0.NA/10", Reference(":0.NA/10", 0)),
        ("1:2:3", Reference("2:3", 1)),
        ("\u0663:0.NA/10", Reference("\u0663:0.NA/10", 0)),
        ({"handle": "0.NA/10", "index": 300}, Reference("0.NA/10", 300)),
    ],
)
def test_references_are_read_as_people_write_them(written: Any, expected: Reference) -> None:
    """A reference is an object or ``index:handle``; without ASCII digits before a colon all of it is the handle."""
    shown = {"index": 1, "type": "HS_VLIST", "data": {"format": "vlist", "value": [written]}}
    assert decode_vlist(value_from_json(shown).data) == (expected,)
    assert value_from_json({"index": 1, "type": "X", "references": [written]}).references == (expected,)


@pytest.mark.parametrize(
    ("data", "octets"),
    [
        ("text", b"text"),
        ("caf\u00e9", "caf\u00e9".encode()),
        ({"format": "string", "value": ""}, b""),
        ({"format": "base64", "value": "AP8="}, b"\0\xff"),
        ({"format": "hex", "value": "00FF"}, b"\0\xff"),
    ],
)
def test_data_has_several_forms(data: Any, octets: bytes) -> None:
    """Data is a bare text, or an object that names its format."""
    assert value_from_json({"index": 1, "type": "X", "data": data}).data == octets


def value_json(**changes: Any) -> dict[str, Any]:
    return {**ADMIN_JSON, **changes}


def admin_json(**changes: Any) -> dict[str, Any]:
    return formatted_json("admin", {"handle": "0.NA/1", "index": 200, "permissions": "0" * 12, **changes})


def formatted_json(name: str, value: Any) -> dict[str, Any]:
    return value_json(data={"format": name, "value": value})


BAD_VALUES: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "empty": {},
    "no type": {"index": 1},
    "no index": {"type": "URL"},
    "index as text": value_json(index="1"),
    "index true": value_json(index=True),
    "index too large": value_json(index=2**31),
    "index too small": value_json(index=-(2**31) - 1),
    "index of hundreds of digits": value_json(index=10**400),
    "type a number": value_json(type=1),
    "TTL null": value_json(ttl=None),
    "TTL true": value_json(ttl=True),
    "TTL a float": value_json(ttl=1.5),
    "TTL in words": value_json(ttl="soon"),
    "TTL too large": value_json(ttl=2**31),
    "TTL of hundreds of digits": value_json(ttl=10**400),
    "TTL a moment too late": value_json(ttl="9999-12-31T23:59:59Z"),
    "timestamp in words": value_json(timestamp="yesterday"),
    "timestamp a list": value_json(timestamp=[1]),
    "timestamp too large": value_json(timestamp=2**32),
    "timestamp too early": value_json(timestamp="0001-01-01T00:00:00Z"),
    "permissions too short": value_json(permissions="111"),
    "permissions too long": value_json(permissions="11100"),
    "permissions not binary": value_json(permissions="1120"),
    "permissions a number": value_json(permissions=1110),
    "references a number": value_json(references=5),
    "references as text": value_json(references="300:0.NA/1"),
    "references an object": value_json(references={"handle": "0.NA/1", "index": 1}),
    "reference a number": value_json(references=[5]),
    "reference without index": value_json(references=[{"handle": "0.NA/1"}]),
    "index of a reference true": value_json(references=[{"handle": "0.NA/1", "index": True}]),
    "index of a reference too large": value_json(references=[{"handle": "0.NA/1", "index": 2**31}]),
    "index of a reference of thousands of digits": value_json(references=["9" * 5000 + ":0.NA/1"]),
    "data a number": value_json(data=5),
    "data null": value_json(data=None),
    "data without format": value_json(data={}),
    "data no Unicode": value_json(data="\ud800"),
    "string a number": formatted_json("string", 5),
    "string no Unicode": formatted_json("string", "\ud800"),
    "base64 too short": formatted_json("base64", "A"),
    "base64 with other characters": formatted_json("base64", "!!!!"),
    "hex too short": formatted_json("hex", "0"),
    "admin empty": formatted_json("admin", {}),
    "vlist an object": formatted_json("vlist", {}),
    "vlist of numbers": formatted_json("vlist", [5]),
    "vlist with an index of thousands of digits": formatted_json("vlist", ["9" * 5000 + ":0.NA/1"]),
    "site empty": formatted_json("site", {}),
    "site with a large serial": formatted_json("site", {"servers": [], "serialNumber": 65536}),
    "site with a large format": formatted_json("site", {"servers": [], "version": 65536}),
    "site with a large hash option": formatted_json("site", {"servers": [], "hashOption": 256}),
    "site with a large version": formatted_json("site", {"servers": [], "protocolVersion": "256.0"}),
    "key empty": formatted_json("key", {}),
    "unknown format": formatted_json("future", ""),
    "admin permissions not binary": admin_json(permissions="2"),
    "admin permissions empty": admin_json(permissions=""),
    "admin permissions negative": admin_json(permissions="-1"),
    "admin permissions too long": admin_json(permissions="1" * 17),
    "admin index too large": admin_json(index=2**31),
}


@pytest.mark.parametrize("shown", BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_refused(shown: Any) -> None:
    """A value with a member missing, of the wrong kind, or too large for the wire is refused."""
    with pytest.raises(MessageFormatError):
        value_from_json(shown)


@pytest.mark.parametrize(
    "shown",
    [
        None,
        [],
        {},
        {"handle": "10.1/x"},
        {"values": []},
        {"handle": 1, "values": []},
        {"handle": "10.1/x", "values": {}},
        {"handle": "10.1/x", "values": [None]},
    ],
    ids=json.dumps,
)
def test_bad_records_are_refused(shown: Any) -> None:
    """A record without a handle, or without a list of values, is refused."""
    with pytest.raises(MessageFormatError):
        record_from_json(shown)


def test_refusal_names_record_and_value() -> None:
    """An operator is told which value of which record to correct."""
    shown = {"handle": "10.1/x", "values": [{"index": 7, "type": "URL", "ttl": "soon"}]}
    with pytest.raises(MessageFormatError, match=r"record '10\.1/x': value 7: 'soon'"):
        record_from_json(shown)
