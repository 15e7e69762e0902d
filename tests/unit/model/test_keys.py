"""What public keys tell about themselves."""

from __future__ import annotations

import pytest

from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey


@pytest.mark.parametrize(
    "key",
    [
        RsaPublicKey(exponent=3, modulus=1 << 1023),
        DsaPublicKey(q=1, p=1 << 1023, g=2, y=3),
        DhPublicKey(y=1, p=1 << 1023, g=2),
    ],
    ids=["RSA", "DSA", "DH"],
)
def test_length_is_that_of_the_number_that_matters(key: PublicKey) -> None:
    """An operator reads the strength of a key in bits: of the modulus, or of the prime."""
    assert key.bits == 1024
