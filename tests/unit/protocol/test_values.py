"""Handle values, HS_ADMIN and HS_VLIST on the wire."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.model.record import AdminPermission, AdminRecord, HandleRecord, HandleValue, Reference
from resolver.protocol.values import (
    decode_admin,
    decode_value_list,
    decode_vlist,
    encode_admin,
    encode_value,
    encode_value_list,
    encode_vlist,
    read_value,
)
from resolver.protocol.wire import Cursor
from tests.strategies import admins, damaged, records, references, values
from tests.vectors import Vector, params, vectors
from tests.vectors.expected import expected_admin, expected_references, expected_value

VALUES = [found for found in vectors("data") if found.notes["type"] == "value"]
ADMINS = [found for found in vectors("data") if found.notes["type"] == "HS_ADMIN"]
VLISTS = [found for found in vectors("data") if found.notes["type"] == "HS_VLIST"]

DECODERS: dict[str, Callable[[bytes], object]] = {"HS_ADMIN": decode_admin, "HS_VLIST": decode_vlist}


def decode_value(octets: bytes) -> HandleValue:
    cursor = Cursor(octets)
    value = read_value(cursor)
    cursor.expect_end("the value")
    return value


# --- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(VALUES))
def test_value_vectors_both_ways(found: Vector) -> None:
    """The octets decode to the value, and the value encodes to the octets."""
    value = expected_value(found.facts["value"])
    assert decode_value(found.octets) == value
    assert encode_value(value) == found.octets


@pytest.mark.parametrize("found", params(VALUES))
def test_value_vectors_have_their_trust_digest(found: Vector) -> None:
    """The digest that signatures cover is that of the encoded value without index and timestamp."""
    digest = hashlib.sha256(encode_value(decode_value(found.octets))[8:]).digest()
    assert base64.b64encode(digest).decode() == found.facts["trust_digest"]


@pytest.mark.parametrize("found", params(VALUES))
def test_value_cut_short_is_refused(found: Vector) -> None:
    """A value that ends early, after whichever octet, is refused, alone and in a list."""
    for length in range(len(found.octets)):
        with pytest.raises(MessageFormatError):
            decode_value(found.octets[:length])
        with pytest.raises(MessageFormatError):
            decode_value_list(b"\0\0\0\1" + found.octets[:length])


@given(values)
def test_value_round_trip(value: HandleValue) -> None:
    """Every value reads as it was written."""
    assert decode_value(encode_value(value)) == value


@given(records)
def test_value_list_round_trip(record: HandleRecord) -> None:
    """A list of values keeps its order, and anything after it is refused."""
    octets = encode_value_list(record.values)
    assert decode_value_list(octets) == record.values
    with pytest.raises(MessageFormatError):
        decode_value_list(octets + b"\0")


def test_unused_permission_bits_are_dropped() -> None:
    """The upper four bits of the permissions mean nothing, so two values that differ there are equal."""
    octets = bytearray(encode_value(HandleValue(1, "URL", b"x")))
    octets[13] |= 0xF0
    assert decode_value(bytes(octets)) == HandleValue(1, "URL", b"x")


def test_numbers_of_a_value_have_a_sign() -> None:
    """Timestamp, TTL and index are read as deployed software reads them, from -2^31 to 2^31 - 1."""
    octets = b"\xff\xff\xff\xff" + b"\x80\0\0\0" + b"\0" + b"\xff\xff\xff\xfe" + bytes(13)
    value = decode_value(octets)
    assert (value.index, value.timestamp, value.ttl) == (-1, -(2**31), -2)


@given(
    st.one_of(st.binary(max_size=80), st.sampled_from(VALUES).flatmap(lambda found: damaged(found.octets)))
)
def test_garbage_for_values_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are a value, or a list of them, or raise MessageFormatError."""
    for decode in (decode_value, decode_value_list, lambda cut: decode_value_list(b"\0\0\0\1" + cut)):
        with contextlib.suppress(MessageFormatError):
            decode(octets)


# --- HS_ADMIN --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(ADMINS))
def test_admin_vectors_both_ways(found: Vector) -> None:
    """The octets decode to the administrator and his permissions, and back."""
    admin = expected_admin(found.facts)
    assert decode_admin(found.octets) == admin
    assert encode_admin(admin) == found.octets


@pytest.mark.parametrize("found", params(ADMINS))
def test_admin_cut_short_is_refused(found: Vector) -> None:
    """An HS_ADMIN that ends early is refused; of the old form the two extra octets may be missing."""
    whole = len(found.octets) - (2 if found.facts["legacy_length"] else 0)
    for length in range(len(found.octets)):
        if length == whole:
            assert decode_admin(found.octets[:length]).legacy_length is False
            continue
        with pytest.raises(MessageFormatError):
            decode_admin(found.octets[:length])


@pytest.mark.parametrize(("surplus", "legacy"), [(0, False), (2, True)])
def test_two_octets_too_many_are_remembered(surplus: int, legacy: bool) -> None:
    """The two octets that old software appended are kept, since digests of the value cover them."""
    octets = encode_admin(AdminRecord(AdminPermission.ADD_HANDLE, Reference("0.NA/1", 300))) + bytes(surplus)
    assert decode_admin(octets).legacy_length is legacy
    assert encode_admin(decode_admin(octets)) == octets


@pytest.mark.parametrize("surplus", [1, 3, 4, 100])
def test_other_surplus_of_an_admin_is_refused(surplus: int) -> None:
    """Any other number of octets after an HS_ADMIN makes it unreadable."""
    octets = encode_admin(AdminRecord(AdminPermission.ADD_HANDLE, Reference("0.NA/1", 300)))
    with pytest.raises(MessageFormatError):
        decode_admin(octets + bytes(surplus))


@given(admins)
def test_admin_round_trip(admin: AdminRecord) -> None:
    """Every HS_ADMIN reads as it was written, permissions of newer protocols included."""
    assert decode_admin(encode_admin(admin)) == admin


# --- HS_VLIST --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(VLISTS))
def test_vlist_vectors_both_ways(found: Vector) -> None:
    """The octets decode to the references, and back."""
    expected = expected_references(found.facts["references"])
    assert decode_vlist(found.octets) == expected
    assert encode_vlist(expected) == found.octets


@pytest.mark.parametrize("found", params(VLISTS))
def test_vlist_cut_short_is_refused(found: Vector) -> None:
    """A list of references that ends early is refused."""
    for length in range(len(found.octets)):
        with pytest.raises(MessageFormatError):
            decode_vlist(found.octets[:length])


@given(st.lists(references, max_size=5).map(tuple))
def test_vlist_round_trip(listed: tuple[Reference, ...]) -> None:
    """Every list of references reads as it was written, and anything after it is refused."""
    octets = encode_vlist(listed)
    assert decode_vlist(octets) == listed
    with pytest.raises(MessageFormatError):
        decode_vlist(octets + b"\0")


# --- both ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found", params(one for one in vectors("refused_data") if one.notes["type"] in DECODERS)
)
def test_bad_vectors_are_refused(found: Vector) -> None:
    """Data that deployed software cannot read is not read here either."""
    assert found.verdict == "malformed"
    with pytest.raises(MessageFormatError):
        DECODERS[found.notes["type"]](found.octets)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([*ADMINS, *VLISTS]).flatmap(lambda found: damaged(found.octets)),
    )
)
def test_garbage_for_references_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are an HS_ADMIN, an HS_VLIST, or raise MessageFormatError."""
    for decode in (decode_admin, decode_vlist):
        with contextlib.suppress(MessageFormatError):
            decode(octets)
