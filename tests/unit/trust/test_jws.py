"""JSON Web Signatures: both serialisations, what is refused, and what the claims say."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import SignatureError
from resolver.model.record import Reference
from resolver.trust.jws import LATEST, MAX_JWS_OCTETS, Grant, read_claims, read_jws, verify_jws, write_jws
from tests.unit.trust.chains import base64url, jwk, jws, key_of, public

KEY = key_of("somebody")
CLAIMS = {"iss": "300:20.500.1/a", "sub": "20.500.1/b"}


def in_json(compact: bytes, **more: Any) -> bytes:
    """Return the JSON serialisation of a compact one."""
    protected, payload, signature = compact.decode().split(".")
    signatures = [{"protected": protected, "signature": signature}]
    return json.dumps({"payload": payload, "signatures": signatures} | more).encode()


@pytest.mark.parametrize(
    "form", [bytes, in_json, lambda text: b"\n " + text + b"\n"], ids=["compact", "JSON", "spaced"]
)
def test_both_serialisations(form: Any) -> None:
    """The compact and the JSON form say and prove the same."""
    read = read_jws(form(jws(CLAIMS, KEY)))
    assert (read.algorithm, dict(read.payload)) == ("RS256", CLAIMS)
    verify_jws(read, public(KEY))


def test_first_of_several_signatures() -> None:
    """Of several signatures in the JSON form, the first counts."""
    good, bad = jws(CLAIMS, KEY), jws(CLAIMS, key_of("somebody else"))
    both = [json.loads(in_json(text))["signatures"][0] for text in (good, bad)]
    verify_jws(read_jws(in_json(good, signatures=both)), public(KEY))
    with pytest.raises(SignatureError):
        verify_jws(read_jws(in_json(good, signatures=both[::-1])), public(KEY))


@pytest.mark.parametrize("kind", ["RSA", "DSA"])
def test_what_we_write_is_read(kind: str) -> None:
    """Claims that we sign are read back, and verify with that key and no other."""
    key = key_of("writer", kind)
    read = read_jws(write_jws(CLAIMS, key))
    assert dict(read.payload) == CLAIMS
    assert read.algorithm == {"RSA": "RS256", "DSA": "DS256"}[kind]
    verify_jws(read, public(key))
    with pytest.raises(SignatureError):
        verify_jws(read, public(key_of("other", kind)))


def test_not_even_the_header_can_be_changed() -> None:
    """Each octet of what is signed counts."""
    good = jws(CLAIMS, KEY)
    end = good.rindex(b".")
    for position in range(0, end, 3):
        spoiled = bytearray(good)
        spoiled[position] = ord("A") if spoiled[position] != ord("A") else ord("B")
        with pytest.raises(SignatureError):
            verify_jws(read_jws(bytes(spoiled)), public(KEY))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a.b",
        b"a.b.c.d",
        b"...",
        b"\xff.\xff.\xff",
        b"{}",
        b'{"payload": "", "signatures": []}',
        b'{"payload": 1, "signatures": [{"protected": 2, "signature": 3}]}',
        b"[" * 10_000,
        b'{"a":' * 10_000,
        base64url(b'{"alg": 5}') + b"." + base64url(b"{}") + b".",
        base64url(b"{}") + b"." + base64url(b"{}") + b".",
        base64url(b'{"alg": "RS256"}') + b"." + base64url(b"[]") + b".",
        base64url(b'{"alg": "RS256"}') + b"." + base64url(b"\xff") + b".",
        base64url(b'"alg"') + b"." + base64url(b"{}") + b".",
    ],
)
def test_what_is_no_jws(text: bytes) -> None:
    """What cannot be read says so in the one way that callers expect."""
    with pytest.raises(SignatureError):
        read_jws(text)


def test_long_text_is_not_read() -> None:
    """A signature may have so many octets, and no more."""
    with pytest.raises(SignatureError, match="65537 octets"):
        read_jws(b"a" * (MAX_JWS_OCTETS + 1))


@given(st.binary(max_size=200))
def test_garbage_never_escapes(text: bytes) -> None:
    """Whatever a record holds ends in SignatureError or in a JWS, and nothing else."""
    try:
        read_jws(text)
    except SignatureError:
        return
    raise AssertionError("no JWS of this length can come about by chance")


# --- claims ----------------------------------------------------------------------------------------------


def claims_of(**claims: Any) -> Any:
    """Return claims as they are read."""
    return read_claims(read_jws(jws(CLAIMS | claims, KEY)))


def test_claims_are_read() -> None:
    """Each claim has its place."""
    digest = base64.b64encode(b"x" * 32).decode()
    claims = claims_of(
        nbf=1,
        exp=2.5,
        iat=3,
        publicKey=jwk(KEY),
        perms=[{"perm": "everything"}, {"perm": "thisHandle", "handle": "20.500.1/c"}],
        digests={"alg": "SHA-1", "digests": [{"index": 7, "digest": digest}]},
        chain=["300:20.500.1/d", "20.500.1/e", "x:20.500.1/f"],
        content="whatever",
    )
    assert claims.issuer == Reference("20.500.1/a", 300)
    assert claims.subject == "20.500.1/b"
    assert (claims.not_before, claims.not_after, claims.issued_at) == (1.0, 2.5, 3.0)
    assert claims.public_key == public(KEY)
    assert claims.grants == (Grant("everything", ""), Grant("thisHandle", "20.500.1/c"))
    assert (claims.digest_algorithm, claims.digests) == ("SHA-1", ((7, b"x" * 32),))
    assert claims.chain == (
        Reference("20.500.1/d", 300),
        Reference("20.500.1/e", 0),
        Reference("x:20.500.1/f", 0),
    )
    assert not claims.is_self_issued


def test_claims_that_may_be_missing() -> None:
    """Only issuer and subject have to be there."""
    claims = claims_of()
    assert (claims.not_before, claims.not_after, claims.issued_at) == (None, None, 0.0)
    assert (claims.public_key, claims.grants, claims.digests, claims.chain) == (None, (), (), ())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None},
        {"iss": 5},
        {"sub": ["x"]},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("nan")},
        {"nbf": [1]},
        {"publicKey": {}},
        {"publicKey": "key"},
        {"publicKey": {"kty": "oct", "k": "AAAA"}},
        {"perms": {}},
        {"perms": [1]},
        {"perms": [{}]},
        {"perms": [{"perm": "x"}] * 2049},
        {"digests": []},
        {"digests": [1]},
        {"digests": {"digests": [{"index": "x", "digest": ""}]}},
        {"digests": {"digests": [{"index": 1, "digest": "no base64!"}]}},
        {"digests": {"digests": [{"index": 1}]}},
        {"digests": {"alg": 5, "digests": []}},
        {"chain": "0.NA/0.NA"},
        {"chain": [5]},
    ],
    ids=str,
)
def test_unreadable_claims_are_refused(claims: dict[str, Any]) -> None:
    """A claim of the wrong kind makes the whole thing unreadable, in the one way that callers expect."""
    if claims == {"digests": []}:
        assert claims_of(**claims).digests == ()
        return
    with pytest.raises(SignatureError):
        claims_of(**claims)


@pytest.mark.parametrize("end", [float("inf"), 1e300, 10**400, 253_402_300_800])
def test_dates_beyond_all_calendars(end: float) -> None:
    """What is said to hold for ever, or nearly, holds until the end of the calendar; it can still be shown."""
    if end == 10**400:
        with pytest.raises(SignatureError):
            claims_of(exp=end)
    else:
        assert claims_of(exp=end).not_after == LATEST
    assert claims_of(nbf=-5).not_before == 0
