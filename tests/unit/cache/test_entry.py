"""Cache entries as octets: both ways, and what other hands may have made of them."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.entry import (
    SCHEMA,
    USUAL_OCTETS,
    Absence,
    CachedRecord,
    Entry,
    decode_entry,
    encode_entry,
)
from resolver.errors import MessageFormatError
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue, Reference, TtlType
from tests.fakes import EPOCH, service_value, site_at, site_value, url_value

KEY = "10.1000/Abc"
NAMESPACE = Namespace("inactive", "gone", "a@example.org", ("10.1000/loc",), True, True)
RECORD = CachedRecord(
    HandleRecord(
        "10.1000/abc",
        (
            url_value(ttl=3600, timestamp=1_700_000_000),
            HandleValue(-1, "X.Ü", b"\0\xff", -5, TtlType.ABSOLUTE, 0x0F, -1, (Reference("0.NA/10", 7),)),
            site_value(site_at("192.0.2.1")),
            service_value("0.SERV/1"),
        ),
    ),
    fetched_at=EPOCH + 0.25,
    lifetime_s=3600.0,
    answered_by="udp://192.0.2.1:2641",
    namespace=NAMESPACE,
)
ABSENCE = Absence(EPOCH, 300.0, "10.1000", "it is not registered", NAMESPACE)
EXAMPLES: dict[str, Entry] = {
    "record": RECORD,
    "empty record": CachedRecord(HandleRecord(KEY, ()), 0.0, 1.0),
    "absence of a prefix": ABSENCE,
    "absence of a handle": Absence(EPOCH, 30.0),
}

text = st.text(st.characters(codec="utf-8"), max_size=20)
i32 = st.integers(-(2**31), 2**31 - 1)
seconds = st.floats(0, 4e9)
values = st.builds(
    HandleValue,
    index=i32,
    type=text,
    data=st.binary(max_size=40),
    ttl=i32,
    ttl_type=st.integers(0, 255),
    permissions=st.integers(0, 15),
    timestamp=i32,
    references=st.lists(st.builds(Reference, text, i32), max_size=2).map(tuple),
)
namespaces = st.none() | st.builds(
    Namespace, text, text, text, st.lists(text, max_size=3).map(tuple), st.booleans(), st.booleans()
)
entries = st.one_of(
    st.builds(
        CachedRecord,
        st.builds(HandleRecord, text, st.lists(values, max_size=4).map(tuple)),
        seconds,
        seconds,
        text,
        namespaces,
    ),
    st.builds(Absence, seconds, seconds, st.none() | text, text, namespaces),
)


@given(text, entries)
def test_both_ways(key: str, entry: Entry) -> None:
    """Any entry comes back as it was, under the key it was written for."""
    assert decode_entry(key, encode_entry(key, entry)) == entry


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_truncation(name: str) -> None:
    """An entry cut short anywhere is refused."""
    octets = encode_entry(KEY, EXAMPLES[name])
    for length in range(len(octets)):
        with pytest.raises(MessageFormatError):
            decode_entry(KEY, octets[:length])


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_bit(name: str) -> None:
    """An entry with any one bit flipped is refused, or still an entry of proper types: no third outcome."""
    octets = encode_entry(KEY, EXAMPLES[name])
    for position in range(8 * len(octets)):
        flipped = bytearray(octets)
        flipped[position // 8] ^= 1 << position % 8
        with contextlib.suppress(MessageFormatError):
            check_types(decode_entry(KEY, bytes(flipped)))


@pytest.mark.parametrize("octet", [0x00, 0x80, 0xC1, 0xC7, 0xDF, 0xFF])
def test_every_octet(octet: int) -> None:
    """The same with whole octets replaced, by ones that mean much in msgpack or nothing in UTF-8."""
    octets = encode_entry(KEY, RECORD)
    for position in range(len(octets)):
        with contextlib.suppress(MessageFormatError):
            check_types(decode_entry(KEY, octets[:position] + bytes([octet]) + octets[position + 1 :]))


@given(st.binary(max_size=200))
def test_garbage(octets: bytes) -> None:
    """Arbitrary octets are refused."""
    with pytest.raises(MessageFormatError):
        decode_entry(KEY, octets)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=30,
    )
)
def test_other_msgpack(content: object) -> None:
    """Well-formed msgpack that is no entry is refused."""
    with pytest.raises(MessageFormatError):
        decode_entry(KEY, msgspec.msgpack.encode(content))


def test_deep_nesting() -> None:
    """An entry with a field too many, nested a hundred thousand deep, is refused like any other nonsense."""
    octets = encode_entry(KEY, RECORD)
    deep = bytes([octets[0] + 1]) + octets[1:] + b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(MessageFormatError):
        decode_entry(KEY, deep)


@pytest.mark.parametrize("name", EXAMPLES)
def test_another_key(name: str) -> None:
    """An entry found under another key is refused: whoever can write to Redis cannot swap handles by copying."""
    octets = encode_entry(KEY, EXAMPLES[name])
    for other in ("10.1000/abc", "10.1000/Abd", ""):
        with pytest.raises(MessageFormatError, match="another handle"):
            decode_entry(other, octets)


def test_another_schema() -> None:
    """An entry of a newer or older layout is refused."""
    fields = msgspec.msgpack.decode(encode_entry(KEY, RECORD))
    for schema in (SCHEMA - 1, SCHEMA + 1):
        with pytest.raises(MessageFormatError, match="another schema"):
            decode_entry(KEY, msgspec.msgpack.encode([schema, *fields[1:]]))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -1.0])
@pytest.mark.parametrize("field", [2, 3])
def test_impossible_times(field: int, number: float) -> None:
    """A moment or a lifetime that is no finite number, or negative, is refused: it would never expire."""
    fields = msgspec.msgpack.decode(encode_entry(KEY, RECORD))
    fields[field] = number
    with pytest.raises(MessageFormatError):
        decode_entry(KEY, msgspec.msgpack.encode(fields))


def test_expiry() -> None:
    """An entry expires its lifetime after it was fetched."""
    assert RECORD.expires_at == EPOCH + 3600.25
    assert ABSENCE.expires_at == EPOCH + 300


def check_types(entry: Entry) -> None:
    """Check that every field is of the type it is declared with."""
    assert isinstance(entry.fetched_at, float)
    assert isinstance(entry.lifetime_s, float)
    assert entry.namespace is None or (
        isinstance(entry.namespace.status, str)
        and isinstance(entry.namespace.stops_inheritance, bool)
        and all(isinstance(handle, str) for handle in entry.namespace.location_handles)
    )
    match entry:
        case CachedRecord(record):
            assert isinstance(record.handle, str)
            assert isinstance(entry.answered_by, str)
            assert all(isinstance(value, HandleValue) for value in record.values)
        case Absence():
            assert entry.missing_prefix is None or isinstance(entry.missing_prefix, str)
            assert isinstance(entry.reason, str)


@pytest.mark.parametrize("octets", [10, USUAL_OCTETS + 1])
def test_entries_read_again(octets: int) -> None:
    """An entry reads the same however often and however long it is, and never under another key."""
    entry = CachedRecord(HandleRecord("10.1/abc", (HandleValue(1, "DESC", b"d" * octets),)), 1.0, 2.0)
    written = encode_entry("10.1/abc", entry)
    for _ in range(3):
        assert decode_entry("10.1/abc", written) == entry
        with pytest.raises(MessageFormatError):
            decode_entry("10.1/abd", written)
