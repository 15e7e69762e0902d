"""What exactly is signed in which version: every version, key and digest, against octets put together by hand."""

from __future__ import annotations

import struct
from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa
from msgspec.structs import replace

from resolver.errors import SignatureError
from resolver.protocol.bodies import ErrorResponse
from resolver.protocol.codes import OpCode, ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE, Envelope, ProtocolVersion
from resolver.protocol.message import Credential, Header, Message, decode_message, encode_message
from resolver.protocol.signing import PrivateKey, public_key_of, sign_message, verify_message

VERSIONS: list[ProtocolVersion] = [(2, minor) for minor in range(1, 12)] + [(3, 0), (5, 0)]
DIGESTS = {"SHA-256": hashes.SHA256(), "SHA1": hashes.SHA1()}  # noqa: S303 - deployed servers sign with it
SESSION, REQUEST, COUNTER = 0x0102_0304, 0x0A0B_0C0D, 0x1112_1314


@cache
def key_of(kind: str) -> PrivateKey:
    if kind == "RSA":
        return rsa.generate_private_key(65537, 1024)  # noqa: S505 - short keys are made quickly
    return dsa.generate_private_key(1024)  # noqa: S505


def sign(octets: bytes, key: PrivateKey, digest: str) -> bytes:
    """Sign as a server does, without the code under test."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), DIGESTS[digest])
    return key.sign(octets, DIGESTS[digest])


def prefix_of(version: ProtocolVersion, suggested: ProtocolVersion = (2, 11)) -> bytes:
    """Return what is signed before header and body (RFC 3652 section 2.2.4 as deployed)."""
    if version < (2, 6) or version[0] == 5:
        return b""
    if version == (2, 6):
        return struct.pack("!BBHIIH", *version, SESSION >> 16, COUNTER, 0, 0)
    if version == (2, 7):
        return struct.pack("!BBIII", *version, SESSION, REQUEST, COUNTER)
    return struct.pack("!BBBBIII", *version, *suggested, SESSION, REQUEST, COUNTER)


def an_answer(version: ProtocolVersion) -> Message:
    return Message(
        Envelope(version, REQUEST, 0, session_id=SESSION),
        Header(OpCode.RESOLUTION, ResponseCode.HANDLE_NOT_FOUND, expiration=2_000_000_000),
        ErrorResponse("no such handle"),
    )


def signed(version: ProtocolVersion, kind: str, digest: str, *, covered: bytes | None = None) -> bytes:
    """Return an answer with a signature over ``covered``, or over what its version prescribes."""
    message = an_answer(version)
    plain = encode_message(message)
    # An unsigned message ends with the length of its credential, four octets of zero.
    octets = prefix_of(version) + plain[ENVELOPE_SIZE:-4] if covered is None else covered
    credential = Credential("HS_SIGNED", digest, sign(octets, key_of(kind), digest), session_counter=COUNTER)
    return encode_message(replace(message, credential=credential))


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("kind", ["RSA", "DSA"])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"{version[0]}.{version[1]}")
def test_every_version_key_and_digest(version: ProtocolVersion, kind: str, digest: str) -> None:
    """A signature over exactly what the version prescribes verifies, and no other octet may differ."""
    octets = signed(version, kind, digest)
    key = public_key_of(key_of(kind))
    verify_message(octets, decode_message(octets), key)
    message = decode_message(octets)
    other = "SHA1" if digest == "SHA-256" else "SHA-256"
    lied = replace(message, credential=replace(message.credential, digest_algorithm=other))  # type: ignore[type-var]
    with pytest.raises(SignatureError):
        verify_message(octets, lied, key)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"{version[0]}.{version[1]}")
def test_what_other_versions_sign_does_not_do(version: ProtocolVersion) -> None:
    """What would be right in another version is wrong in this one."""
    body = encode_message(an_answer(version))[ENVELOPE_SIZE:-4]
    right = prefix_of(version)
    for other in VERSIONS:
        prefix = prefix_of(other)
        if prefix[2:] == right[2:]:
            continue
        octets = signed(version, "RSA", "SHA-256", covered=prefix + body)
        with pytest.raises(SignatureError, match="wrong"):
            verify_message(octets, decode_message(octets), public_key_of(key_of("RSA")))


@pytest.mark.parametrize("kind", ["RSA", "DSA"])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"{version[0]}.{version[1]}")
def test_digest_that_our_servers_choose(version: ProtocolVersion, kind: str) -> None:
    """Since 2.7 with RSA and since 2.11 with any key a server signs with SHA-256, before that with SHA-1."""
    message = an_answer(version)
    credential = sign_message(encode_message(message), message, key_of(kind))
    strong = version[0] != 5 and version >= ((2, 7) if kind == "RSA" else (2, 11))
    assert credential.digest_algorithm == ("SHA-256" if strong else "SHA1")
    octets = encode_message(replace(message, credential=credential))
    verify_message(octets, decode_message(octets), public_key_of(key_of(kind)))


@pytest.mark.parametrize("version", [(2, 8), (2, 11)])
def test_suggested_version_is_covered(version: ProtocolVersion) -> None:
    """From 2.8 on nobody can talk two peers into an older version unnoticed."""
    octets = bytearray(signed(version, "RSA", "SHA-256"))
    octets[3] = 5
    with pytest.raises(SignatureError):
        verify_message(bytes(octets), decode_message(bytes(octets)), public_key_of(key_of("RSA")))
