"""Public keys as the Handle System stores them (RFC 3651 section 3.2.2 and deployed practice)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DhPublicKey", "DsaPublicKey", "PublicKey", "RsaPublicKey"]


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """An RSA key: public exponent and modulus."""

    exponent: int
    modulus: int

    @property
    def bits(self) -> int:
        """Length of the modulus."""
        return self.modulus.bit_length()


@dataclass(frozen=True, slots=True)
class DsaPublicKey:
    """A DSA key: the domain parameters and the public number."""

    q: int
    p: int
    g: int
    y: int

    @property
    def bits(self) -> int:
        """Length of the prime."""
        return self.p.bit_length()


@dataclass(frozen=True, slots=True)
class DhPublicKey:
    """A Diffie-Hellman key; only sessions use it, and a resolver opens none."""

    y: int
    p: int
    g: int

    @property
    def bits(self) -> int:
        """Length of the prime."""
        return self.p.bit_length()


PublicKey = RsaPublicKey | DsaPublicKey | DhPublicKey
