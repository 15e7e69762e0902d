"""JSON Web Signatures as HS_CERT and HS_SIGNATURE hold them, and the claims they make (RFC 7515; deployed practice)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resolver.errors import MessageFormatError, SignatureError
from resolver.model.keys import DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.record import Reference
from resolver.protocol.json_sites import key_from_json

if TYPE_CHECKING:
    from resolver.protocol.signing import PrivateKey

__all__ = ["Claims", "Grant", "Jws", "read_claims", "read_jws", "verify_jws", "write_jws"]

MAX_JWS_OCTETS = 64 * 1024
MAX_LISTED = 2048

LATEST = 253_402_300_799.0
"""The end of the year 9999: what is said to hold longer cannot be shown as a date, and need not."""

# What follows RS or DS in "alg"; SHA-1 where an old writer gives no size.
_DIGESTS = {
    "256": "SHA-256",
    "384": "SHA-384",
    "512": "SHA-512",
    "160": "SHA-1",
    "128": "SHA-1",
    "": "SHA-1",
    "A": "SHA-1",
}


@dataclass(frozen=True, slots=True)
class Jws:
    """A signed piece of JSON."""

    algorithm: str
    """``RS256``, ``DS256`` and their like."""
    payload: Mapping[str, Any]
    signed: bytes
    """The octets that the signature covers."""
    signature: bytes


@dataclass(frozen=True, slots=True)
class Grant:
    """What a certificate allows its subject to sign for."""

    permission: str
    handle: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a JWS says."""

    issuer: Reference
    subject: str
    """``index:handle`` of a key for HS_CERT, the handle of the record for HS_SIGNATURE."""
    not_before: float | None
    not_after: float | None
    issued_at: float
    public_key: PublicKey | None
    grants: tuple[Grant, ...]
    digest_algorithm: str
    digests: tuple[tuple[int, bytes], ...]
    """Index and digest of each value that is signed."""
    chain: tuple[Reference, ...]

    @property
    def is_self_issued(self) -> bool:
        """Whether the chain ends here."""
        return self.subject == str(self.issuer)


def read_jws(text: bytes) -> Jws:
    """Read the compact or the JSON serialisation; of several signatures, the first.

    Raises:
        SignatureError: neither.
    """
    if len(text) > MAX_JWS_OCTETS:
        raise SignatureError(f"signature of {len(text)} octets, at most {MAX_JWS_OCTETS} are read")
    try:
        if text.lstrip().startswith(b"{"):
            shown = json.loads(text)
            first = shown["signatures"][0]
            parts = [first["protected"], shown["payload"], first["signature"]]
        else:
            parts = text.decode("ascii").strip().split(".")
        header_part, payload_part, signature_part = (str(part) for part in parts)
        header, payload = json.loads(_decode(header_part)), json.loads(_decode(payload_part))
        algorithm = header["alg"]
        if not isinstance(payload, Mapping) or not isinstance(algorithm, str):
            raise SignatureError("signature lacks its algorithm or its claims")
        signed = f"{header_part}.{payload_part}".encode("ascii")
        return Jws(algorithm, payload, signed, _decode(signature_part))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise SignatureError("no JSON web signature") from error


def _decode(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error


def write_jws(claims: Mapping[str, Any], key: PrivateKey) -> bytes:
    """Sign claims: the compact serialisation, with SHA-256, as deployed software writes it."""
    from resolver.protocol.signing import make_signature, public_key_of

    kind = "RS256" if isinstance(public_key_of(key), RsaPublicKey) else "DS256"
    signed = b".".join(_encode(json.dumps(part).encode()) for part in ({"alg": kind}, claims))
    return signed + b"." + _encode(make_signature(key, "SHA-256", signed))


def _encode(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def verify_jws(jws: Jws, key: PublicKey) -> None:
    """Check that the owner of ``key`` has signed.

    Raises:
        SignatureError: another kind of key than the algorithm says, or a wrong signature.
    """
    from resolver.protocol.signing import verify_signature

    fits = {"RS": RsaPublicKey, "DS": DsaPublicKey}.get(jws.algorithm[:2])
    digest = _DIGESTS.get(jws.algorithm[2:])
    if fits is None or digest is None or not isinstance(key, fits):
        raise SignatureError(f"algorithm {jws.algorithm!r} does not go with the key")
    verify_signature(key, digest, jws.signed, jws.signature)


def read_claims(jws: Jws) -> Claims:
    """Read what a JWS says.

    Raises:
        SignatureError: a claim is missing or of the wrong kind.
    """
    payload = jws.payload
    try:
        digests = payload.get("digests") or {}
        return Claims(
            issuer=_reference(payload["iss"]),
            subject=_text(payload["sub"]),
            not_before=_moment(payload.get("nbf")),
            not_after=_moment(payload.get("exp")),
            issued_at=_moment(payload.get("iat")) or 0.0,
            public_key=key_from_json(payload["publicKey"]) if "publicKey" in payload else None,
            grants=tuple(
                Grant(_text(grant["perm"]), _text(grant.get("handle", "")))
                for grant in _listed(payload.get("perms"))
            ),
            digest_algorithm=_text(digests.get("alg", "SHA-256")),
            digests=tuple(
                (int(item["index"]), base64.b64decode(_text(item["digest"]), validate=True))
                for item in _listed(digests.get("digests"))
            ),
            chain=tuple(_reference(item) for item in _listed(payload.get("chain"))),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, MessageFormatError) as error:
        raise SignatureError(f"signature with unreadable claims: {error!r}") from error


def _reference(shown: Any) -> Reference:
    text = _text(shown)
    index, colon, handle = text.partition(":")
    return (
        Reference(handle, int(index))
        if colon and index.isascii() and index.isdecimal()
        else Reference(text, 0)
    )


def _text(shown: Any) -> str:
    if not isinstance(shown, str):
        raise TypeError("not text")
    return shown


def _moment(shown: Any) -> float | None:
    if shown is None:
        return None
    if isinstance(shown, bool) or not isinstance(shown, int | float):
        raise TypeError("not a number of seconds")
    if shown != shown:  # NaN, which Python's JSON has
        raise ValueError("no number")
    return min(max(float(shown), 0.0), LATEST)


def _listed(shown: Any) -> list[Any]:
    if shown is None:
        return []
    if not isinstance(shown, list) or len(shown) > MAX_LISTED:
        raise TypeError("not a list, or too long")
    return shown
