"""Certificates and signatures that tests make themselves, with nothing of the code under test in the signing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa

from resolver.model.keys import DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.values import encode_value
from resolver.trust.chain import Verdict, verify_record
from tests.fakes import EPOCH, text_value, url_value

Key = rsa.RSAPrivateKey | dsa.DSAPrivateKey

DAY = 86_400
EVERYTHING = ({"perm": "everything"},)
ROOT, REGISTRY, OWNER = "301:0.0/0.0", "301:0.NA/0.NA", "300:0.NA/20.500.1"
HANDLE = "20.500.1/abc"

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-1": hashes.SHA1(),  # noqa: S303 - deployed records are signed with it
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}


@cache
def key_of(name: str, kind: str = "RSA") -> Key:
    """Return the key of somebody; the same whenever it is asked for."""
    if kind == "DSA":
        return dsa.generate_private_key(1024)  # noqa: S505 - short keys are made quickly
    return rsa.generate_private_key(65537, 1024)  # noqa: S505


def public(key: Key) -> PublicKey:
    """Return the public half of a key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return RsaPublicKey(numbers.e, numbers.n)
    of_dsa = key.public_key().public_numbers()
    group = of_dsa.parameter_numbers
    return DsaPublicKey(q=group.q, p=group.p, g=group.g, y=of_dsa.y)


def jwk(key: Key) -> dict[str, str]:
    """Return the public half of a key as JSON."""
    numbers: dict[str, int]
    match public(key):
        case RsaPublicKey(exponent, modulus):
            kind, numbers = "RSA", {"n": modulus, "e": exponent}
        case DsaPublicKey(q, p, g, y):
            kind, numbers = "DSA", {"y": y, "p": p, "q": q, "g": g}
        case _:
            raise TypeError(key)
    return {"kty": kind} | {
        name: base64url(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()
        for name, number in numbers.items()
    }


def base64url(octets: bytes) -> bytes:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def jws(
    claims: Mapping[str, Any], key: Key, *, algorithm: str | None = None, digest: str = "SHA-256"
) -> bytes:
    """Return signed claims; ``algorithm`` is what the header says, ``digest`` what is used."""
    named = algorithm
    if named is None:
        named = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "DS256"
    signed = b".".join(base64url(json.dumps(part).encode()) for part in ({"alg": named}, claims))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed, padding.PKCS1v15(), _HASHES[digest])
    else:
        signature = key.sign(signed, _HASHES[digest])
    return signed + b"." + base64url(signature)


def certificate(
    subject: str,
    issuer: str,
    *,
    index: int = 400,
    by: Key | None = None,
    key: Key | None = None,
    permissions: Sequence[Mapping[str, str]] = EVERYTHING,
    **claims: Any,
) -> HandleValue:
    """Return an HS_CERT in which ``issuer`` vouches for ``subject``."""
    said = {
        "iss": issuer,
        "sub": subject,
        "iat": EPOCH - DAY,
        "nbf": EPOCH - DAY,
        "exp": EPOCH + 300 * DAY,
        "publicKey": jwk(key or key_of(subject)),
        "perms": list(permissions),
    }
    return HandleValue(index, "HS_CERT", jws(said | claims, by or key_of(issuer)))


def signature(
    handle: str,
    values: Sequence[HandleValue],
    issuer: str,
    *,
    index: int = 401,
    by: Key | None = None,
    algorithm: str | None = None,
    digest: str = "SHA-256",
    **claims: Any,
) -> HandleValue:
    """Return an HS_SIGNATURE of ``issuer`` over values of a handle."""
    said = {
        "iss": issuer,
        "sub": handle,
        "iat": EPOCH - DAY,
        "nbf": EPOCH - DAY,
        "exp": EPOCH + 30 * DAY,
        "digests": digests(values),
    }
    octets = jws(
        {name: value for name, value in (said | claims).items() if value is not None},
        by or key_of(issuer),
        algorithm=algorithm,
        digest=digest,
    )
    return HandleValue(index, "HS_SIGNATURE", octets)


def digests(values: Sequence[HandleValue], algorithm: str = "SHA-256") -> dict[str, Any]:
    """Return the claim that lists values: without index and timestamp, the first eight octets of each."""
    make = {"SHA-256": hashlib.sha256, "SHA-1": hashlib.sha1}[algorithm]
    listed = [
        {"index": value.index, "digest": base64.b64encode(make(encode_value(value)[8:]).digest()).decode()}
        for value in values
    ]
    return {"alg": algorithm, "digests": listed}


VALUES = (url_value("https://example.org/abc"), text_value(2, "DESC", "Something."))
"""What the record of the tests holds beside its signature."""


@dataclass
class Signed:
    """A record, the records with the certificates above it, and whose keys are the root of trust."""

    record: HandleRecord
    others: dict[str, HandleRecord] = field(default_factory=dict)
    root: Sequence[PublicKey] = ()
    asked: list[str] = field(default_factory=list)
    """Handles of which the verification wanted to see the record."""

    def verdict(self, now: float = EPOCH) -> Verdict:
        """Return what the signatures of the record are worth."""
        inquiry = verify_record(self.record, self.root or (public(key_of(ROOT)),), now)
        try:
            wanted = next(inquiry)
            while True:
                self.asked.append(wanted)
                assert len(self.asked) < 1000, "the verification does not come to an end"
                wanted = inquiry.send(self.others.get(wanted))
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict


def authorities(**changed: HandleValue) -> dict[str, HandleRecord]:
    """Return the records with the certificates of root, registry and owner, some of them in another form."""
    return {
        "0.0/0.0": HandleRecord("0.0/0.0", (changed.get("root", certificate(ROOT, ROOT)),)),
        "0.NA/0.NA": HandleRecord("0.NA/0.NA", (changed.get("registry", certificate(REGISTRY, ROOT)),)),
        "0.NA/20.500.1": HandleRecord(
            "0.NA/20.500.1",
            (
                changed.get(
                    "owner",
                    certificate(
                        OWNER, REGISTRY, permissions=[{"perm": "thisHandle", "handle": "0.NA/20.500.1"}]
                    ),
                ),
            ),
        ),
    }


def signed(
    *signatures: HandleValue, values: Sequence[HandleValue] = VALUES, **changed: HandleValue
) -> Signed:
    """Return the record of the tests with these signatures, or with a good one of its owner."""
    found = signatures or (signature(HANDLE, values, OWNER),)
    return Signed(HandleRecord(HANDLE, (*values, *found)), authorities(**changed))
