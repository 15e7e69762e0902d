"""Public keys in the encoding of the Handle System."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.model.keys import DsaPublicKey, PublicKey, RsaPublicKey
from resolver.protocol.keys import decode_public_key, encode_public_key
from resolver.protocol.wire import write_bytes, write_text
from tests.strategies import damaged, public_keys
from tests.vectors import Vector, params, vector, vectors
from tests.vectors.expected import expected_key

KEYS = [found for found in vectors("data") if found.notes["type"] == "HS_PUBKEY"]


@pytest.mark.parametrize("found", params(KEYS))
def test_vectors_both_ways(found: Vector) -> None:
    """The octets decode to the key, and the key encodes to the octets, down to what deployed writers append."""
    key = expected_key(found.facts)
    assert decode_public_key(found.octets) == key
    assert encode_public_key(key) == found.octets
    assert found.octets.endswith(bytes.fromhex(found.facts["tail"]))


@pytest.mark.parametrize("found", params(KEYS))
def test_vectors_are_the_keys_of_the_usual_format(found: Vector) -> None:
    """The numbers of a key are those that the rest of the world reads from its SubjectPublicKeyInfo."""
    (octets,) = found.titled("SubjectPublicKeyInfo")
    key = decode_public_key(found.octets)
    match load_der_public_key(octets):
        case rsa.RSAPublicKey() as usual:
            numbers = usual.public_numbers()
            assert key == RsaPublicKey(numbers.e, numbers.n)
        case dsa.DSAPublicKey() as usual:
            y, domain = usual.public_numbers().y, usual.parameters().parameter_numbers()
            assert key == DsaPublicKey(q=domain.q, p=domain.p, g=domain.g, y=y)
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize("found", params(KEYS))
def test_key_cut_short_is_refused(found: Vector) -> None:
    """A key whose numbers are not all there is refused; what deployed writers append may be missing."""
    needed = len(found.octets) - len(found.facts["tail"]) // 2
    for length in range(needed):
        with pytest.raises(MessageFormatError):
            decode_public_key(found.octets[:length])
    for length in range(needed, len(found.octets)):
        assert decode_public_key(found.octets[:length]) == expected_key(found.facts)


@pytest.mark.parametrize("surplus", [1, 4, 100])
def test_surplus_after_a_key_is_ignored(surplus: int) -> None:
    """Octets after the last number of a key do not make it unusable."""
    found = vector("data", "data-hs-pubkey-dsa")
    assert decode_public_key(found.octets + bytes(surplus)) == expected_key(found.facts)


def test_numbers_have_no_sign() -> None:
    """A number whose writer forgot the leading zero is read as the positive one that he meant."""
    octets = write_text("RSA_PUB_KEY") + b"\0\0" + write_bytes(b"\x03") + write_bytes(b"\xff" * 128)
    assert decode_public_key(octets) == RsaPublicKey(exponent=3, modulus=2**1024 - 1)


@pytest.mark.parametrize("name", ["", "EC_PUB_KEY", "rsa_pub_key", "X" * 65])
def test_unknown_algorithms_are_refused(name: str) -> None:
    """A key of a kind that we do not know is unreadable, so that it is shown as it is."""
    with pytest.raises(MessageFormatError):
        decode_public_key(write_text(name) + b"\0\0" + write_bytes(b"\x03") * 4)


def test_huge_numbers_are_refused() -> None:
    """A key with a number that no computer should calculate with is refused."""
    octets = write_text("RSA_PUB_KEY") + b"\0\0" + write_bytes(b"\x03") + write_bytes(b"\x7f" * 4097)
    with pytest.raises(MessageFormatError):
        decode_public_key(octets)


@given(public_keys)
def test_round_trip(key: PublicKey) -> None:
    """Every key reads as it was written."""
    assert decode_public_key(encode_public_key(key)) == key


@given(st.one_of(st.binary(max_size=60), st.sampled_from(KEYS).flatmap(lambda found: damaged(found.octets))))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are a key that can be written again, or raise MessageFormatError."""
    with contextlib.suppress(MessageFormatError):
        key = decode_public_key(octets)
        assert decode_public_key(encode_public_key(key)) == key
