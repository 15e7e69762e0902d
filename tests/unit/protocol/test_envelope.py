"""The twenty octets before every message."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.errors import MessageFormatError
from resolver.protocol.codes import MessageFlag
from resolver.protocol.envelope import (
    ENVELOPE_SIZE,
    MAX_MESSAGE_LENGTH,
    Envelope,
    ProtocolVersion,
    decode_envelope,
    encode_envelope,
    is_older,
    request_id_of,
)
from resolver.protocol.message import Message
from tests.strategies import messages
from tests.vectors import Vector, params, vectors
from tests.vectors.expected import expected_message

OCTETS = bytes.fromhex(
    "02 0b 22 0a 00000007"  # MajorVersion 2, MinorVersion 11, TC and suggested version 2.10, SessionId 7
    "000004d2 00000001 00000200"  # RequestId 1234, SequenceNumber 1, MessageLength 512
)
ENVELOPE = Envelope(
    version=(2, 11),
    request_id=1234,
    message_length=512,
    suggested_version=(2, 10),
    flags=MessageFlag.TRUNCATED,
    session_id=7,
    sequence_number=1,
)


def test_known_octets_both_ways() -> None:
    """The octets decode to the envelope, and the envelope encodes to the octets."""
    assert decode_envelope(OCTETS) == ENVELOPE
    assert encode_envelope(ENVELOPE) == OCTETS


@pytest.mark.parametrize("found", params(vectors("messages")))
def test_vectors_decode(found: Vector) -> None:
    """The envelope of every vector is read field by field, whatever follows it."""
    assert decode_envelope(found.octets) == expected_message(found.facts).envelope


@pytest.mark.parametrize("found", params(one for one in vectors("refused_messages") if "flags" in one.notes))
def test_flags_of_vectors_are_seen(found: Vector) -> None:
    """Compression and encryption can be told from the envelope alone."""
    assert decode_envelope(found.octets).flags == MessageFlag[found.notes["flags"]]


@pytest.mark.parametrize("length", range(ENVELOPE_SIZE))
def test_short_octets_are_refused(length: int) -> None:
    """An envelope cut short anywhere is refused."""
    with pytest.raises(MessageFormatError, match=f"20 octets, got {length}"):
        decode_envelope(OCTETS[:length])


@pytest.mark.parametrize("length", [MAX_MESSAGE_LENGTH + 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_no_server_makes_us_wait_for_too_much(length: int) -> None:
    """A message longer than the limit is refused by its envelope, before any of it is waited for."""
    with pytest.raises(MessageFormatError, match=str(length)):
        decode_envelope(OCTETS[:16] + length.to_bytes(4, "big"))


def test_longest_message_is_taken() -> None:
    """A message of exactly the limit may be announced."""
    octets = OCTETS[:16] + MAX_MESSAGE_LENGTH.to_bytes(4, "big")
    assert decode_envelope(octets).message_length == MAX_MESSAGE_LENGTH


@pytest.mark.parametrize("version", [(2, 1), (2, 11), (3, 0)])
def test_peer_that_suggests_nothing_gets_its_own_version(version: ProtocolVersion) -> None:
    """A suggestion of major version 0, which RFC 3652 peers send, means the version of the message."""
    octets = bytes(version) + b"\0\0" + OCTETS[4:]
    assert decode_envelope(octets).suggested_version == version


@given(messages())
def test_round_trip(message: Message) -> None:
    """An envelope that is written reads the same."""
    envelope = message.envelope
    assert decode_envelope(encode_envelope(envelope)) == envelope
    assert decode_envelope(encode_envelope(envelope) + b"more") == envelope


@given(st.binary(max_size=64))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets decode to something that can be written again, or raise MessageFormatError."""
    with contextlib.suppress(MessageFormatError):
        envelope = decode_envelope(octets)
        assert decode_envelope(encode_envelope(envelope)) == envelope


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ((2, 9), (2, 10), True),
        ((2, 10), (2, 9), False),
        ((2, 11), (2, 11), False),
        ((2, 11), (3, 0), True),
        ((5, 0), (2, 1), True),
        ((5, 0), (3, 0), True),
        ((2, 1), (5, 0), False),
        ((5, 0), (5, 1), True),
    ],
)
def test_version_five_is_the_oldest(version: ProtocolVersion, than: ProtocolVersion, expected: bool) -> None:
    """Versions compare by major and minor number, but 5 was what software called itself before 2.1."""
    assert is_older(version, than) is expected


def test_flags_and_suggestion_share_an_octet() -> None:
    """Every flag can be written without changing the version that is suggested beside it."""
    flags = MessageFlag.COMPRESSED | MessageFlag.ENCRYPTED | MessageFlag.TRUNCATED
    envelope = replace(ENVELOPE, flags=flags, suggested_version=(31, 255))
    assert decode_envelope(encode_envelope(envelope)) == envelope


@given(messages(), st.integers(0, 2**32 - 1))
def test_length_from_outside(message: Message, length: int) -> None:
    """An envelope can be written for a message of another length than its own."""
    envelope = message.envelope
    assert encode_envelope(envelope, length) == encode_envelope(replace(envelope, message_length=length))


@given(messages())
def test_request_id(message: Message) -> None:
    """The request id can be read without the rest."""
    assert request_id_of(encode_envelope(message.envelope)) == message.envelope.request_id
