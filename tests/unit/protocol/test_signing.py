"""Signatures of messages."""

from __future__ import annotations

from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.errors import MessageFormatError, SignatureError
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.protocol.bodies import ErrorResponse
from resolver.protocol.codes import OpCode, ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE, Envelope, ProtocolVersion
from resolver.protocol.keys import decode_public_key
from resolver.protocol.message import (
    Header,
    Message,
    decode_message,
    encode_message,
    header_and_body,
)
from resolver.protocol.signing import (
    PrivateKey,
    public_key_of,
    sign_message,
    signed_octets,
    verify_message,
    verify_signature,
)
from tests.strategies import public_keys
from tests.vectors import Vector, params, vector, vectors

SIGNED = [found for found in vectors("messages") if "signature" in found.notes]
GOOD = [found for found in SIGNED if found.notes["signature"] == "valid"]
BAD = [found for found in SIGNED if found.notes["signature"] == "wrong"]


def key_of(found: Vector) -> PublicKey:
    return decode_public_key(vector("data", found.notes["key"]).octets)


@cache
def a_key(algorithm: str) -> PrivateKey:
    if algorithm == "RSA":
        return rsa.generate_private_key(65537, 1024)  # noqa: S505 - short keys are made quickly
    return dsa.generate_private_key(1024)  # noqa: S505


def an_answer(version: ProtocolVersion = (2, 11)) -> Message:
    return Message(
        Envelope(version, 4711, 0, suggested_version=(2, 11), session_id=0x0102_0304),
        Header(OpCode.RESOLUTION, ResponseCode.HANDLE_NOT_FOUND),
        ErrorResponse("no such handle"),
    )


# --- vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(SIGNED))
def test_vectors_cover_what_their_version_covers(found: Vector) -> None:
    """What is signed begins with the fields that the protocol version prescribes, then header and body."""
    prefix = bytes.fromhex(found.notes["signed prefix"])
    assert signed_octets(found.octets, decode_message(found.octets)) == prefix + header_and_body(found.octets)


@pytest.mark.parametrize("found", params(GOOD))
def test_good_vectors_verify(found: Vector) -> None:
    """Signatures of deployed servers verify, in every protocol version and with every kind of key."""
    verify_message(found.octets, decode_message(found.octets), key_of(found))


@pytest.mark.parametrize("found", params(BAD))
def test_bad_vectors_do_not_verify(found: Vector) -> None:
    """A changed octet of the data, or another request id, makes the signature wrong."""
    with pytest.raises(SignatureError, match="signature is wrong"):
        verify_message(found.octets, decode_message(found.octets), key_of(found))


@pytest.mark.parametrize("found", params(GOOD))
def test_no_octet_can_be_changed(found: Vector) -> None:
    """Of a signed answer no octet of header and body can be changed unnoticed."""
    end = ENVELOPE_SIZE + len(header_and_body(found.octets))
    step = 3 if found.notes["key"].endswith("dsa") else 1  # DSA takes its time
    for position in range(ENVELOPE_SIZE, end, step):
        octets = bytearray(found.octets)
        octets[position] ^= 0x01
        with pytest.raises((SignatureError, MessageFormatError)):
            verify_message(bytes(octets), decode_message(bytes(octets)), key_of(found))


@pytest.mark.parametrize(
    "found", params(found for found in GOOD if found.facts["envelope"]["version"] >= [2, 7])
)
def test_identity_is_covered(found: Vector) -> None:
    """From 2.7 on an answer cannot be passed off as one to another request, session or protocol version."""
    for position in (1, 4, 7, 8, 11):
        octets = bytearray(found.octets)
        octets[position] ^= 0x04
        with pytest.raises(SignatureError):
            verify_message(bytes(octets), decode_message(bytes(octets)), key_of(found))


@pytest.mark.parametrize("found", params(GOOD))
def test_other_keys_do_not_verify(found: Vector) -> None:
    """A signature is that of one key; another key of the same kind, or of another kind, refuses it."""
    message = decode_message(found.octets)
    for key in (public_key_of(a_key("RSA")), public_key_of(a_key("DSA"))):
        with pytest.raises(SignatureError):
            verify_message(found.octets, message, key)


# --- signing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "version", "digest"),
    [
        ("RSA", (2, 5), "SHA1"),
        ("RSA", (2, 6), "SHA1"),
        ("RSA", (2, 7), "SHA-256"),
        ("RSA", (2, 11), "SHA-256"),
        ("RSA", (3, 0), "SHA-256"),
        ("DSA", (2, 7), "SHA1"),
        ("DSA", (2, 10), "SHA1"),
        ("DSA", (2, 11), "SHA-256"),
        ("DSA", (5, 0), "SHA1"),
    ],
)
def test_what_we_sign_verifies(algorithm: str, version: ProtocolVersion, digest: str) -> None:
    """A server of ours signs as deployed servers of that version and key do."""
    key, message = a_key(algorithm), an_answer(version)
    credential = sign_message(encode_message(message), message, key)
    assert (credential.type, credential.digest_algorithm) == ("HS_SIGNED", digest)
    octets = encode_message(replace(message, credential=credential))
    verify_message(octets, decode_message(octets), public_key_of(key))


def signed(**changes: object) -> bytes:
    message = an_answer()
    credential = sign_message(encode_message(message), message, a_key("RSA"))
    return encode_message(replace(message, credential=replace(credential, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["SHA-256", "sha-256", "SHA256"])
def test_digest_has_several_names(name: str) -> None:
    """The digest of a signature may be spelled in each of the ways that peers spell it."""
    octets = signed(digest_algorithm=name)
    verify_message(octets, decode_message(octets), public_key_of(a_key("RSA")))


def test_old_name_of_signatures_is_known() -> None:
    """``HS_DSAPUBKEY`` is an old name of ``HS_SIGNED``."""
    octets = signed(type="HS_DSAPUBKEY")
    verify_message(octets, decode_message(octets), public_key_of(a_key("RSA")))


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (encode_message(an_answer()), "not signed"),
        (signed(type="HS_MAC"), "HS_MAC"),
        (signed(digest_algorithm="MD5"), "MD5"),
        (signed(digest_algorithm=""), "not accepted"),
        (signed(digest_algorithm="SHA1"), "wrong"),
        (signed(session_counter=1), "wrong"),
        (signed(signature=b""), "wrong"),
        (signed(signature=b"\0" * 128), "wrong"),
        (signed(signature=b"\xff" * 4096), "wrong"),
    ],
    ids=["unsigned", "MAC", "MD5", "no digest", "another digest", "counter", "empty", "zeros", "long"],
)
def test_bad_signatures_are_refused(octets: bytes, reason: str) -> None:
    """Without a signature by a public key, with a digest that can be forged, or a wrong one: nothing is believed."""
    with pytest.raises(SignatureError, match=reason):
        verify_message(octets, decode_message(octets), public_key_of(a_key("RSA")))


def test_message_cut_short_is_not_verified() -> None:
    """Octets that are less than the message they are said to be are refused like a wrong signature."""
    octets = signed()
    with pytest.raises(SignatureError):
        verify_message(octets[:50], decode_message(octets), public_key_of(a_key("RSA")))


@pytest.mark.parametrize(
    "key",
    [
        RsaPublicKey(65537, 2**1023 - 1),
        RsaPublicKey(65537, 0),
        RsaPublicKey(0, 2**2048 - 1),
        RsaPublicKey(1, 2**2048 - 1),
        RsaPublicKey(2, 2**2048 - 1),
        RsaPublicKey(65537, 2**2048),
        RsaPublicKey(2**2047 + 1, 2**2048 - 1),
        RsaPublicKey(65537, 2**32767 + 1),
        DsaPublicKey(q=2**159 + 1, p=2**1022 + 1, g=2, y=3),
        DsaPublicKey(q=0, p=2**1023 + 1, g=2, y=3),
        DsaPublicKey(q=2**159 + 1, p=2**1023 + 1, g=0, y=3),
        DsaPublicKey(q=2**159 + 1, p=2**1023 + 1, g=2, y=0),
        DsaPublicKey(q=2**159, p=2**1023, g=2, y=3),
        DsaPublicKey(q=2**159 + 1, p=2**32767 + 1, g=2, y=3),
        DhPublicKey(y=2, p=2**1023 + 1, g=2),
    ],
    ids=[
        "RSA too short",
        "RSA of nothing",
        "RSA to the power of 0",
        "RSA to the power of 1",
        "RSA to an even power",
        "RSA with an even modulus",
        "RSA to a huge power",
        "RSA far too long",
        "DSA too short",
        "DSA without q",
        "DSA without g",
        "DSA without y",
        "DSA with even primes",
        "DSA far too long",
        "Diffie-Hellman",
    ],
)
@pytest.mark.parametrize("digest", ["SHA-256", "SHA1"])
def test_bad_keys_are_refused(key: PublicKey, digest: str) -> None:
    """A key that is too weak, or that is no key at all, verifies nothing, and says so as a wrong signature does."""
    dsa_signature = bytes.fromhex("3006020101020101")
    for signature in (b"\0" * 128, b"\1", dsa_signature):
        with pytest.raises(SignatureError):
            verify_signature(key, digest, b"signed", signature)


@given(public_keys, st.sampled_from(["SHA-256", "SHA1"]), st.binary(max_size=300))
def test_garbage_never_escapes(key: PublicKey, digest: str, signature: bytes) -> None:
    """No key and no signature that a stranger makes up ends in anything but SignatureError."""
    with pytest.raises(SignatureError):
        verify_signature(key, digest, b"signed", signature)


@given(st.text(max_size=10))
def test_made_up_digests_are_refused(name: str) -> None:
    """Whatever a stranger calls his digest, his signature is refused."""
    with pytest.raises(SignatureError):
        verify_signature(public_key_of(a_key("RSA")), name, b"signed", b"\0" * 128)
