"""Public keys in the encoding of HS_PUBKEY values and site records (RFC 3651 section 3.2.2)."""

from __future__ import annotations

from resolver.errors import MessageFormatError
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.protocol.wire import Cursor, write_bytes, write_text

__all__ = ["decode_public_key", "encode_public_key"]

_RSA = "RSA_PUB_KEY"
_DSA = "DSA_PUB_KEY"
_DH = "DH_PUB_KEY"

_NO_FLAGS = b"\0\0"
# Every deployed writer ends an RSA key with four zero octets; digests and comparisons cover them.
_RSA_TAIL = b"\0\0\0\0"

MAX_NUMBER_OCTETS = 4096
"""Longest number of a key that is read: 32768 bits, twice what anybody uses."""


def decode_public_key(octets: bytes) -> PublicKey:
    """Read a key. What follows its last number is ignored, as deployed software does.

    Raises:
        MessageFormatError: the octets are no key, or one of an unknown algorithm.
    """
    cursor = Cursor(octets)
    algorithm = cursor.text(limit=64)
    cursor.u16()  # flags, reserved

    def number() -> int:
        # Written as two's complement, yet read without sign: some writers forget the leading zero.
        return int.from_bytes(cursor.octets(limit=MAX_NUMBER_OCTETS), "big")

    match algorithm:
        case "RSA_PUB_KEY":
            return RsaPublicKey(exponent=number(), modulus=number())
        case "DSA_PUB_KEY":
            return DsaPublicKey(q=number(), p=number(), g=number(), y=number())
        case "DH_PUB_KEY":
            return DhPublicKey(y=number(), p=number(), g=number())
        case _:
            raise MessageFormatError(f"unknown key algorithm {algorithm!r}")


def encode_public_key(key: PublicKey) -> bytes:
    """Write a key as deployed software does, RSA with its four zero octets at the end."""
    match key:
        case RsaPublicKey(exponent, modulus):
            return _encode(_RSA, exponent, modulus) + _RSA_TAIL
        case DsaPublicKey(q, p, g, y):
            return _encode(_DSA, q, p, g, y)
        case DhPublicKey(y, p, g):
            return _encode(_DH, y, p, g)


def _encode(algorithm: str, *numbers: int) -> bytes:
    return (
        write_text(algorithm)
        + _NO_FLAGS
        + b"".join(write_bytes(_two_complement(number)) for number in numbers)
    )


def _two_complement(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
