"""Whether a record may be trusted: every signature on it good, by somebody allowed to, up to the root of trust.

A conversation without I/O: it yields the handle of a record it needs for the next certificate and is sent
that record, or ``None`` if it cannot be had. Dates count; a chain that was good once is not good for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from resolver.errors import SignatureError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE, Handle, fold_ascii
from resolver.model.keys import PublicKey
from resolver.model.record import HandleRecord, HandleValue, Reference, has_type
from resolver.protocol.json_values import time_to_json
from resolver.protocol.values import encode_value
from resolver.trust.jws import Claims, Grant, Jws, read_claims, read_jws, verify_jws

__all__ = ["CERTIFICATE_TYPE", "SIGNATURE_TYPE", "Verdict", "value_digest", "verify_record"]

MAX_CHAIN = 50

MAX_SIGNATURES = 16
"""Signatures of one record: each may make us fetch as many records as a chain has certificates."""

MAX_REASON = 400
"""Characters of a reason: it quotes names that strangers chose."""

SIGNATURE_TYPE = "HS_SIGNATURE"
CERTIFICATE_TYPE = "HS_CERT"

# Index and timestamp stand first in an encoded value; a signature does not cover them.
_UNSIGNED_OCTETS = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the signatures of a record are worth."""

    is_trusted: bool
    reason: str
    """Why not, or an empty text."""
    signers: tuple[str, ...] = ()
    """``index:handle`` of who signed, then who vouches for them, up to the root; of the first signature that
    leads there."""
    not_after: float | None = None
    """Seconds since 1970 until which all of it holds, or held, if it says so."""
    signed_indexes: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Link:
    """One step of a chain: who says it, and what they were allowed to say."""

    claims: Claims
    jws: Jws


Inquiry = Generator[str, HandleRecord | None, Verdict]


def value_digest(value: HandleValue, algorithm: str) -> bytes:
    """Return the digest of a value as signatures list it.

    Raises:
        SignatureError: an algorithm that is not accepted.
    """
    if algorithm.upper() not in {"SHA-256", "SHA256", "SHA-1", "SHA1"}:
        raise SignatureError(f"digests with {algorithm!r} are not accepted")
    name = "sha256" if "256" in algorithm else "sha1"
    return hashlib.new(name, encode_value(value)[_UNSIGNED_OCTETS:], usedforsecurity=False).digest()


def verify_record(record: HandleRecord, root_keys: Sequence[PublicKey], now: float) -> Inquiry:
    """Judge a record by the signatures it carries.

    Args:
        record: with all of its values.
        root_keys: the keys of the root of trust.
        now: seconds since 1970.
    """
    signatures = [value for value in record.values if value.type.upper() == SIGNATURE_TYPE]
    if not signatures:
        return Verdict(is_trusted=False, reason="it is not signed")
    if len(signatures) > MAX_SIGNATURES:
        return Verdict(is_trusted=False, reason=f"it has more than {MAX_SIGNATURES} signatures")
    signed: set[int] = set()
    signers: tuple[str, ...] = ()
    ends: list[float] = []
    reason = ""
    for value in signatures:
        try:
            jws = read_jws(value.data)
            claims = read_claims(jws)
            chain = yield from _build_chain(_Link(claims, jws))
            _check_root(chain[-1], root_keys)
            # The root vouches for itself, which is no news.
            signers = signers or tuple(dict.fromkeys(str(link.claims.issuer) for link in chain))
            ends += [link.claims.not_after for link in chain if link.claims.not_after is not None]
            _check_dates(chain, now)
            covered = _check_digests(record, claims)
        except SignatureError as error:
            reason = f"signature {value.index}: {error}"[:MAX_REASON]
            break
        if all(_allows(link.claims.grants, record.handle) for link in chain[1:]):
            signed |= covered
    else:
        unsigned = sorted(
            value.index
            for value in record.values
            if _needs_signature(value, record) and value.index not in signed
        )
        if unsigned:
            named = ", ".join(map(str, unsigned[:10]))
            reason = f"values {named} are not signed by anybody allowed to"
    return Verdict(
        is_trusted=not reason,
        reason=reason,
        signers=signers,
        not_after=min(ends, default=None),
        signed_indexes=frozenset(signed),
    )


# --- the chain -------------------------------------------------------------------------------------------


def _build_chain(first: _Link) -> Generator[str, HandleRecord | None, list[_Link]]:
    """Return the signature and the certificates above it; each is signed by the key of the next."""
    chain = [first]
    waiting: list[Reference] = list(first.claims.chain)
    seen: set[tuple[str, int]] = set()
    while len(chain) <= MAX_CHAIN:
        current = chain[-1]
        if current.claims.is_self_issued:
            if current.claims.public_key is None:
                raise SignatureError("the last certificate has no key")
            verify_jws(current.jws, current.claims.public_key)
            return chain
        if not waiting:
            waiting = list(current.claims.chain) or [Reference(current.claims.issuer.handle, 0)]
        wanted = waiting.pop(0)
        key = (_folded(wanted.handle), wanted.index)
        if key in seen:
            raise SignatureError("the certificates refer to each other in a circle")
        seen.add(key)
        record = yield wanted.handle
        parent = _certificate(record, wanted, current.claims.issuer)
        if parent.claims.public_key is None:
            raise SignatureError(f"the certificate of {current.claims.issuer} has no key")
        verify_jws(current.jws, parent.claims.public_key)
        chain.append(parent)
    raise SignatureError(f"more than {MAX_CHAIN} certificates vouch for each other")


def _certificate(record: HandleRecord | None, wanted: Reference, issuer: Reference) -> _Link:
    if record is None:
        raise SignatureError(f"the record of {wanted.handle} with the next certificate cannot be had")
    found = []
    for value in record.values:
        named = value.index == wanted.index if wanted.index else value.type.upper() == CERTIFICATE_TYPE
        if named:
            try:
                jws = read_jws(value.data)
                link = _Link(read_claims(jws), jws)
            except SignatureError:
                if wanted.index:
                    raise
                continue
            if wanted.index or link.claims.subject == str(issuer):
                found.append(link)
    if not found:
        raise SignatureError(f"{wanted.handle} has no certificate for {issuer}")
    best = max(found, key=lambda link: link.claims.issued_at)
    if _folded_reference(best.claims.subject) != _folded_reference(str(issuer)):
        raise SignatureError(f"the chain is broken: {wanted} is no certificate for {issuer}")
    return best


def _check_root(last: _Link, root_keys: Iterable[PublicKey]) -> None:
    handle = last.claims.subject.partition(":")[2]
    if fold_ascii(handle) != TRUST_ROOT_HANDLE or last.claims.public_key not in tuple(root_keys):
        raise SignatureError("the chain does not end in the root of trust")


def _check_dates(chain: Iterable[_Link], now: float) -> None:
    for link in chain:
        begin, end = link.claims.not_before, link.claims.not_after
        if begin is not None and now < begin:
            moment = time_to_json(int(begin))
            raise SignatureError(f"what {link.claims.issuer} has signed is not valid before {moment}")
        if end is not None and end < now:
            raise SignatureError(
                f"what {link.claims.issuer} has signed was valid until {time_to_json(int(end))}"
            )


# --- the values ------------------------------------------------------------------------------------------


def _check_digests(record: HandleRecord, claims: Claims) -> set[int]:
    """Return the indexes that the signature covers; all it lists must be there, unchanged."""
    if _folded(claims.subject) != _folded(record.handle):
        raise SignatureError(f"it is about {claims.subject}")
    values = {value.index: value for value in record.values}
    for index, digest in claims.digests:
        value = values.get(index)
        if value is None:
            raise SignatureError(f"value {index} is missing")
        if value_digest(value, claims.digest_algorithm) != digest:
            raise SignatureError(f"value {index} has been changed")
    return {index for index, _ in claims.digests}


def _needs_signature(value: HandleValue, record: HandleRecord) -> bool:
    if value.type.upper() == SIGNATURE_TYPE or not value.is_public:
        return False
    return not (fold_ascii(record.handle) == ROOT_HANDLE and has_type(value.type, "10320/sig"))


def _allows(grants: Iterable[Grant], handle: str) -> bool:
    return any(_grant_covers(grant, fold_ascii(handle)) for grant in grants)


def _grant_covers(grant: Grant, handle: str) -> bool:
    given = fold_ascii(grant.handle)
    prefix = given.removeprefix("0.NA/") if given.startswith("0.NA/") else None
    match grant.permission:
        case "everything":
            return True
        case "thisHandle":
            return handle == given or (prefix is not None and handle.startswith(prefix + "/"))
        case "derivedPrefixes":
            if prefix is None:
                return False
            return handle.startswith((f"0.NA/{prefix}.", f"{prefix}.")) and _is_derived(handle, prefix)
        case "handlesUnderThisPrefix":
            return prefix is not None and handle.startswith(prefix + "/")
        case _:
            return False


def _is_derived(handle: str, prefix: str) -> bool:
    described = handle.removeprefix("0.NA/") if handle.startswith("0.NA/") else handle.partition("/")[0]
    return described.startswith(prefix + ".")


def _folded(handle: str) -> str:
    return Handle(handle).cache_key


def _folded_reference(text: str) -> tuple[str, str]:
    index, _, handle = text.partition(":")
    return index, _folded(handle)
