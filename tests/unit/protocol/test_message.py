"""Whole messages, read and written."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.protocol.bodies import ErrorResponse, ReferralResponse
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE, MAX_MESSAGE_LENGTH, Envelope
from resolver.protocol.message import (
    CLOCK_SKEW_S,
    HEADER_SIZE,
    Header,
    Message,
    decode_message,
    encode_message,
    header_and_body,
)
from tests.strategies import damaged, messages
from tests.vectors import Vector, params, vector, vectors
from tests.vectors.expected import expected_message

READABLE = vectors("messages")
STRICT = [found for found in READABLE if "tolerated" not in found.notes]
TOLERATED = [found for found in READABLE if "tolerated" in found.notes]
SHORT = [found for found in READABLE if len(found.octets) <= 600]

BODY_START = ENVELOPE_SIZE + HEADER_SIZE
NOW = 1_700_000_000.0


def with_length(octets: bytes) -> bytes:
    """Return a message whose envelope announces what is really there."""
    return octets[:16] + (len(octets) - ENVELOPE_SIZE).to_bytes(4, "big") + octets[ENVELOPE_SIZE:]


def with_body(octets: bytes, body: bytes) -> bytes:
    """Return a message with another body, all of its lengths being right."""
    start = octets[: BODY_START - 4] + len(body).to_bytes(4, "big")
    return with_length(start + body + bytes(4))


def body_of(octets: bytes) -> bytes:
    return header_and_body(octets)[HEADER_SIZE:]


# --- vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(READABLE))
def test_vectors_decode(found: Vector) -> None:
    """Every field of every vector is read as an independent reader of the same octets read it."""
    assert found.verdict in ("ok", "expired")
    message = decode_message(found.octets)
    assert message == expected_message(found.facts)
    assert message.code == found.facts["header"].get("meant_code", message.header.response_code)


@pytest.mark.parametrize("found", params(STRICT))
def test_vectors_encode(found: Vector) -> None:
    """What we write is octet for octet what deployed software writes."""
    assert encode_message(expected_message(found.facts)) == found.octets


@pytest.mark.parametrize("found", params(TOLERATED))
def test_tolerated_vectors_are_written_properly(found: Vector) -> None:
    """A message with an oddity that has to be tolerated is written without it, and means the same."""
    message = decode_message(found.octets)
    written = encode_message(message)
    again = decode_message(written)
    assert (again.header, again.body, again.credential) == (message.header, message.body, message.credential)
    assert again.envelope.suggested_version == message.envelope.suggested_version
    assert encode_message(again) == written


@pytest.mark.parametrize("found", params(READABLE))
def test_vectors_have_the_lengths_they_announce(found: Vector) -> None:
    """Lengths of body, credential and signature are those that deployed software announces."""
    body_length = len(header_and_body(found.octets)) - HEADER_SIZE
    assert body_length == found.facts["header"]["body_length"]
    credential = found.facts.get("credential")
    if credential is not None:
        assert len(found.octets) - BODY_START - body_length - 4 == credential["length"]
        signed_info = 8 + len(credential["digest_algorithm"]) + len(bytes.fromhex(credential["signature"]))
        assert signed_info == credential["signed_info_length"]


@pytest.mark.parametrize("found", params(vectors("refused_messages")))
def test_bad_vectors_are_refused(found: Vector) -> None:
    """A malformed, compressed or encrypted message is refused as a whole: no partial values."""
    assert found.verdict in ("malformed", "unsupported")
    with pytest.raises(MessageFormatError):
        decode_message(found.octets)


@pytest.mark.parametrize("found", params(one for one in vectors("refused_messages") if "flags" in one.notes))
def test_only_the_flag_is_unsupported(found: Vector) -> None:
    """Without its flag the message is one that we read: nothing else of it is refused."""
    plain = found.octets[:2] + bytes([found.octets[2] & 0x1F]) + found.octets[3:]
    assert plain == vector("messages", found.notes["otherwise"]).octets


@pytest.mark.parametrize("found", params(READABLE))
def test_vectors_expire_as_they_should(found: Vector) -> None:
    """An answer from the past is known to be expired, all others are still to be believed."""
    assert decode_message(found.octets).header.is_expired(NOW) is (found.verdict == "expired")


# --- cut short -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(READABLE))
def test_every_truncation_is_refused(found: Vector) -> None:
    """A message that ends early, after whichever octet, is refused."""
    for length in range(len(found.octets)):
        with pytest.raises(MessageFormatError):
            decode_message(found.octets[:length])


@pytest.mark.parametrize("found", params(READABLE))
def test_every_truncation_is_refused_though_the_envelope_agrees(found: Vector) -> None:
    """A message cut short is refused even where its envelope announces just that; only the credential may lack."""
    body_end = ENVELOPE_SIZE + len(header_and_body(found.octets))
    for length in range(ENVELOPE_SIZE, len(found.octets)):
        octets = with_length(found.octets[:length])
        if length == body_end:
            assert decode_message(octets).credential is None
            continue
        with pytest.raises(MessageFormatError):
            decode_message(octets)


@pytest.mark.parametrize("found", params(SHORT))
def test_truncated_body_is_refused_or_whole(found: Vector) -> None:
    """A body cut short while all lengths agree is refused, unless what is left is a body of its own."""
    body = body_of(found.octets)
    whole = decode_message(found.octets)
    for length in range(len(body)):
        try:
            message = decode_message(with_body(found.octets, body[:length]))
        except MessageFormatError:
            continue
        # Error texts and lists of indexes and values may be left out altogether.
        assert isinstance(message.body, ErrorResponse | ReferralResponse)
        assert body_of(encode_message(message)) in (body[:length], bytes(4))
        assert type(message.body) is type(whole.body)


@pytest.mark.parametrize("found", params(READABLE))
def test_octets_too_many_are_refused(found: Vector) -> None:
    """A message with more octets than its envelope announces is refused."""
    with pytest.raises(MessageFormatError):
        decode_message(found.octets + b"\0")


# --- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(SHORT))
def test_one_wrong_octet_is_harmless(found: Vector) -> None:
    """A message with any octet changed decodes or raises MessageFormatError: no third outcome."""
    for position, wrong in itertools.product(range(len(found.octets)), (0x00, 0x7F, 0x80, 0xFF)):
        octets = bytearray(found.octets)
        octets[position] = wrong
        with contextlib.suppress(MessageFormatError):
            encode_message(decode_message(bytes(octets)))


@given(st.sampled_from(SHORT).flatmap(lambda found: damaged(found.octets)), st.booleans())
def test_damage_is_harmless(octets: bytes, repair: bool) -> None:
    """A message with garbage anywhere decodes or raises MessageFormatError, also where its length is right."""
    if repair and len(octets) >= ENVELOPE_SIZE:
        octets = with_length(octets)
    with contextlib.suppress(MessageFormatError):
        encode_message(decode_message(octets))


@given(
    st.sampled_from(SHORT).flatmap(
        lambda found: st.tuples(st.just(found.octets), damaged(body_of(found.octets)))
    )
)
def test_damaged_body_is_harmless(octets_and_body: tuple[bytes, bytes]) -> None:
    """A damaged body in a message whose lengths are all right decodes or raises MessageFormatError."""
    octets, body = octets_and_body
    with contextlib.suppress(MessageFormatError):
        encode_message(decode_message(with_body(octets, body)))


@given(st.binary(max_size=200))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets decode or raise MessageFormatError: no third outcome."""
    with contextlib.suppress(MessageFormatError):
        decode_message(octets)


@given(
    st.sampled_from(OpCode),
    st.sampled_from(ResponseCode),
    st.sampled_from([(2, 0), (2, 4), (2, 11)]),
    st.binary(),
)
def test_garbage_after_a_good_header_never_escapes(
    opcode: OpCode, code: ResponseCode, version: tuple[int, int], body: bytes
) -> None:
    """Whatever the body of whichever operation, it decodes or raises MessageFormatError."""
    message = Message(Envelope(version, 1, 0), Header(opcode, code), ErrorResponse())
    with contextlib.suppress(MessageFormatError):
        decode_message(with_body(encode_message(message), body))


# --- properties ------------------------------------------------------------------------------------------


@given(messages())
def test_round_trip(message: Message) -> None:
    """Every message that can be built is the same after it went over the wire."""
    assert decode_message(encode_message(message)) == message


@given(messages())
def test_signed_part_is_header_and_body(message: Message) -> None:
    """What digests and signatures cover begins after the envelope and ends before the credential."""
    octets = encode_message(message)
    covered = header_and_body(octets)
    assert octets[ENVELOPE_SIZE:].startswith(covered)
    assert len(covered) == HEADER_SIZE + int.from_bytes(covered[HEADER_SIZE - 4 : HEADER_SIZE], "big")


@pytest.mark.parametrize("length", [0, BODY_START - 1, BODY_START, BODY_START + 27])
def test_nothing_is_covered_in_a_message_cut_short(length: int) -> None:
    """Digests and signatures of half a message are refused, not computed over less."""
    with pytest.raises(MessageFormatError):
        header_and_body(vector("messages", "req-resolve-plain").octets[:length])


# --- single promises -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found", params(one for one in READABLE if one.facts["header"]["response_code"] == 303)
)
def test_old_peers_mean_something_else_by_303(found: Vector) -> None:
    """Code 303 refers to the service of derived prefixes from 2.5 on; before, it meant maintenance."""
    message = decode_message(found.octets)
    old = message.envelope.version < (2, 5)
    assert message.code is (ResponseCode.SERVER_BACKUP if old else ResponseCode.PREFIX_REFERRAL)
    assert isinstance(message.body, ErrorResponse if old else ReferralResponse)


def test_old_peers_may_leave_the_error_text_out() -> None:
    """An error without any body, as protocol 2.0 knows it, is an error with an empty text."""
    message = decode_message(with_body(vector("messages", "resp-not-found").octets, b""))
    assert message.body == ErrorResponse("")


@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        (0, False),
        (1, True),
        (int(NOW) - CLOCK_SKEW_S - 1, True),
        (int(NOW) - CLOCK_SKEW_S, False),
        (int(NOW) + 1, False),
        (0xFFFF_FFFF, False),
    ],
)
def test_clocks_may_differ_a_little(expiration: int, expected: bool) -> None:
    """An answer is believed until some minutes after its expiration; 0 means never, and nothing is negative."""
    assert Header(OpCode.RESOLUTION, expiration=expiration).is_expired(NOW) is expected


@pytest.mark.parametrize("code", [1, 2, 3])
def test_digest_of_a_challenge_is_read_though_no_flag_says_so(code: int) -> None:
    """A challenge carries the digest of the request, asked for or not."""
    challenge = vector("messages", "resp-challenge").octets
    digest = bytes([code]) + bytes({1: 16, 2: 20, 3: 32}[code])
    octets = bytearray(with_body(challenge, digest + b"\0\0\0\1N"))
    octets[BODY_START - 16 : BODY_START - 12] = bytes(4)
    message = decode_message(bytes(octets))
    assert message.header.op_flags == OpFlag(0)
    assert message.request_digest is not None
    assert message.request_digest.digest == digest[1:]


def test_digest_flag_of_a_request_announces_nothing() -> None:
    """The flag in a request asks for a digest; the request itself carries none."""
    message = decode_message(vector("messages", "req-resolve-auth-cert-digest").octets)
    assert message.header.op_flags & OpFlag.REQUEST_DIGEST
    assert message.request_digest is None


@pytest.mark.parametrize(
    ("named", "name"),
    [(b"\1", "MD5"), (b"\2", "SHA-1"), (b"\3", "SHA-256"), (b"\4", "\4"), (b"SHA1", "SHA1")],
)
def test_digest_of_a_signature_may_be_a_number(named: bytes, name: str) -> None:
    """Signers name their digest by text or by one of three numbers."""
    signed_info = len(named).to_bytes(4, "big") + named + b"\0\0\0\2SG"
    credential = bytes(12) + b"\0\0\0\tHS_SIGNED" + len(signed_info).to_bytes(4, "big") + signed_info
    plain = vector("messages", "resp-not-found").octets[:-4]
    message = decode_message(with_length(plain + len(credential).to_bytes(4, "big") + credential))
    assert message.credential is not None
    assert (message.credential.digest_algorithm, message.credential.signature) == (name, b"SG")


@pytest.mark.parametrize("length", ["ffffffff", "80000000", "00000001", "7fffffff"])
def test_length_of_a_credential_is_a_claim(length: str) -> None:
    """A credential that announces more octets than there are, or fewer than none, is refused."""
    with pytest.raises(MessageFormatError):
        decode_message(vector("messages", "resp-not-found").octets[:-4] + bytes.fromhex(length))


def test_message_that_is_too_long() -> None:
    """Nothing is written that nobody would read: the longest message is written, and one octet more is not."""
    envelope, header = Envelope((2, 11), 1, 0), Header(OpCode.RESOLUTION, ResponseCode.ERROR)
    room = (
        MAX_MESSAGE_LENGTH - len(encode_message(Message(envelope, header, ErrorResponse("")))) + ENVELOPE_SIZE
    )
    octets = encode_message(Message(envelope, header, ErrorResponse("x" * room)))
    assert len(decode_message(octets).body.message) == room  # type: ignore[union-attr]
    with pytest.raises(MessageFormatError, match="at most 262144"):
        encode_message(Message(envelope, header, ErrorResponse("x" * (room + 1))))
