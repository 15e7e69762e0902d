"""Keys of TLS certificates, compared with those of site records."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from resolver.protocol.keys import encode_public_key
from resolver.protocol.signing import encoded_key_of_certificate, public_key_of
from tests.strategies import damaged

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a handle server")])
START = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def a_key(algorithm: str) -> rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey:
    match algorithm:
        case "RSA":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - short keys are made quickly
        case "DSA":
            return dsa.generate_private_key(1024)  # noqa: S505
        case _:
            return ec.generate_private_key(ec.SECP256R1())


@cache
def a_certificate(algorithm: str) -> bytes:
    key = a_key(algorithm)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, START, START + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("algorithm", ["RSA", "DSA"])
def test_key_is_that_of_the_site_record(algorithm: str) -> None:
    """The key of a certificate has the very octets that a site record holds for the same key."""
    key = a_key(algorithm)
    assert not isinstance(key, ec.EllipticCurvePrivateKey)
    assert encoded_key_of_certificate(a_certificate(algorithm)) == encode_public_key(public_key_of(key))


def test_keys_of_other_kinds_match_nothing() -> None:
    """A key that no site record can hold is as good as none."""
    assert encoded_key_of_certificate(a_certificate("EC")) == b""


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----"])
def test_what_is_no_certificate_has_no_key(octets: bytes) -> None:
    """Octets that are no certificate have no key, and raise nothing."""
    assert encoded_key_of_certificate(octets) == b""


@pytest.mark.parametrize("version", [1, 3, 127])
def test_certificate_of_another_version_has_no_key(version: int) -> None:
    """A certificate of a version that does not exist has no key, though the rest of it can be read."""
    octets = a_certificate("RSA").replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version]), 1)
    assert encoded_key_of_certificate(octets) == b""


@given(st.one_of(st.binary(max_size=80), st.deferred(lambda: damaged(a_certificate("EC")))))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Whatever a server shows as its certificate, it has a key that can be compared, or none."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", CryptographyDeprecationWarning
        )  # serial numbers that are not positive
        assert isinstance(encoded_key_of_certificate(octets), bytes)
