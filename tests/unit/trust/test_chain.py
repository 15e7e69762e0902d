"""Whether a record may be trusted, by chains that the tests sign themselves."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from resolver.errors import SignatureError
from resolver.model.record import HandleRecord, HandleValue, Permission, TtlType
from resolver.trust.chain import MAX_CHAIN, MAX_REASON, MAX_SIGNATURES, value_digest
from tests.fakes import EPOCH, text_value
from tests.unit.trust.chains import (
    DAY,
    EVERYTHING,
    HANDLE,
    OWNER,
    REGISTRY,
    ROOT,
    VALUES,
    Signed,
    authorities,
    certificate,
    digests,
    jwk,
    jws,
    key_of,
    public,
    signature,
    signed,
)

# --- good chains -----------------------------------------------------------------------------------------


def test_good_chain() -> None:
    """A signature of the owner, for whom the registry vouches, for whom the root vouches."""
    case = signed()
    verdict = case.verdict()
    assert verdict.is_trusted
    assert verdict.reason == ""
    assert verdict.signers == (OWNER, REGISTRY, ROOT)
    assert verdict.signed_indexes == {1, 2}
    assert verdict.not_after == EPOCH + 30 * DAY
    assert case.asked == ["0.NA/20.500.1", "0.NA/0.NA", "0.0/0.0"]


def test_chain_holds_as_long_as_its_weakest_link() -> None:
    """What is signed for a month by somebody who is vouched for until tomorrow holds until tomorrow."""
    case = signed(registry=certificate(REGISTRY, ROOT, exp=EPOCH + DAY))
    assert case.verdict().not_after == EPOCH + DAY


def test_chain_without_dates() -> None:
    """Dates may be missing; then it holds without end."""
    undated: dict[str, Any] = {"nbf": None, "exp": None, "iat": None}
    case = signed(
        signature(HANDLE, VALUES, OWNER, **undated),
        root=certificate(ROOT, ROOT, **undated),
        registry=certificate(REGISTRY, ROOT, **undated),
        owner=certificate(OWNER, REGISTRY, **undated),
    )
    verdict = case.verdict()
    assert (verdict.is_trusted, verdict.not_after) == (True, None)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("RS256", "SHA-256"),
        ("RS384", "SHA-384"),
        ("RS512", "SHA-512"),
        ("RS160", "SHA-1"),
        ("RS128", "SHA-1"),
    ],
)
def test_algorithms_of_rsa(algorithm: str, digest: str) -> None:
    """Each algorithm by which deployed software signs with RSA keys is accepted, under its own name."""
    case = signed(signature(HANDLE, VALUES, OWNER, algorithm=algorithm, digest=digest))
    assert case.verdict().is_trusted


@pytest.mark.parametrize(("algorithm", "digest"), [("DS256", "SHA-256"), ("DS", "SHA-1"), ("DSA", "SHA-1")])
def test_algorithms_of_dsa(algorithm: str, digest: str) -> None:
    """The same with DSA keys."""
    key = key_of("somebody", "DSA")
    case = signed(
        signature(HANDLE, VALUES, OWNER, by=key, algorithm=algorithm, digest=digest),
        owner=certificate(OWNER, REGISTRY, key=key),
    )
    assert case.verdict().is_trusted


def test_digests_with_sha1() -> None:
    """Values may be listed with SHA-1 digests, as old software did."""
    case = signed(signature(HANDLE, VALUES, OWNER, digests=digests(VALUES, "SHA-1")))
    assert case.verdict().is_trusted


def test_timestamps_are_not_covered() -> None:
    """A server may write another timestamp than the signer had."""
    good = signed()
    moved = tuple(replace(value, timestamp=123) for value in good.record.values)
    assert Signed(replace(good.record, values=moved), good.others).verdict().is_trusted


def test_handles_ignore_case_where_the_system_does() -> None:
    """Prefixes are written in any case, in the handle and in the signature."""
    other = HandleRecord("0.na/X", (*VALUES, signature("0.NA/x", VALUES, REGISTRY)))
    assert Signed(other, authorities()).verdict().is_trusted


def test_chain_claim_names_the_way() -> None:
    """A signature may name the values with the certificates, wherever they are."""
    elsewhere = {
        "20.500.9/certs": HandleRecord(
            "20.500.9/certs",
            (certificate(OWNER, REGISTRY, index=7), certificate(REGISTRY, ROOT, index=8)),
        ),
        "0.0/0.0": authorities()["0.0/0.0"],
    }
    way = ["7:20.500.9/certs", "8:20.500.9/certs", "0.0/0.0"]
    case = Signed(HandleRecord(HANDLE, (*VALUES, signature(HANDLE, VALUES, OWNER, chain=way))), elsewhere)
    assert case.verdict().reason == ""
    assert case.asked == ["20.500.9/certs", "20.500.9/certs", "0.0/0.0"]


def test_newest_certificate_counts() -> None:
    """Of several certificates for the same key, the one issued last is used, whatever else stands there."""
    stale = certificate(OWNER, REGISTRY, index=500, by=key_of("nobody"), iat=EPOCH - 100 * DAY)
    foreign = certificate("300:0.NA/other", REGISTRY, index=501, iat=EPOCH)
    broken = HandleValue(502, "HS_CERT", b"no.certificate.at all")
    case = signed()
    owner = case.others["0.NA/20.500.1"]
    case.others["0.NA/20.500.1"] = replace(owner, values=(stale, broken, *owner.values, foreign))
    assert case.verdict().is_trusted


def test_several_signers_share_a_record() -> None:
    """Two signatures that each cover a part cover the whole together."""
    case = signed(signature(HANDLE, VALUES[:1], OWNER), signature(HANDLE, VALUES[1:], REGISTRY, index=402))
    verdict = case.verdict()
    assert verdict.is_trusted
    assert verdict.signers == (OWNER, REGISTRY, ROOT)


def test_what_is_not_public_needs_no_signature() -> None:
    """Values that the public cannot see may stay unsigned."""
    hidden = text_value(3, "HS_SECKEY", "x", permissions=Permission.ADMIN_READ)
    case = signed()
    assert (
        Signed(replace(case.record, values=(*case.record.values, hidden)), case.others).verdict().is_trusted
    )


def test_old_signatures_of_the_root_record_need_none() -> None:
    """In the root record, the XML signatures of older software are left alone; elsewhere they are values."""
    old = text_value(9, "10320/sig.sig", "<signature/>")
    for handle, trusted in (("0.NA/0.NA", True), (HANDLE, False)):
        record = HandleRecord(handle, (*VALUES, old, signature(handle, VALUES, REGISTRY)))
        assert Signed(record, authorities()).verdict().is_trusted is trusted


# --- bad ones --------------------------------------------------------------------------------------------


def refused(case: Signed, reason: str, now: float = EPOCH) -> None:
    """Check that a record is not trusted, and why."""
    verdict = case.verdict(now)
    assert not verdict.is_trusted
    assert reason in verdict.reason, verdict.reason


def test_unsigned() -> None:
    """A record without a signature is not trusted."""
    refused(Signed(HandleRecord(HANDLE, VALUES), authorities()), "it is not signed")


@pytest.mark.parametrize("who", ["signature", "owner", "registry", "root"])
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": EPOCH - 1}, "was valid until 2027-01-15T07:59:59Z"),
        ({"nbf": EPOCH + 1}, "is not valid before 2027-01-15T08:00:01Z"),
    ],
    ids=["expired", "not yet valid"],
)
def test_dates_of_every_link_count(who: str, claims: dict[str, Any], reason: str) -> None:
    """Wherever in the chain something has expired, or is not valid yet, the record is not trusted now."""
    links = {
        "signature": lambda: signed(signature(HANDLE, VALUES, OWNER, **claims)),
        "owner": lambda: signed(owner=certificate(OWNER, REGISTRY, **claims)),
        "registry": lambda: signed(registry=certificate(REGISTRY, ROOT, **claims)),
        "root": lambda: signed(root=certificate(ROOT, ROOT, **claims)),
    }
    case = links[who]()
    refused(case, reason)
    assert case.verdict(EPOCH - 1 if "exp" in claims else EPOCH + 1).is_trusted
    assert case.verdict().signers == (OWNER, REGISTRY, ROOT)


@pytest.mark.parametrize("who", ["signature", "owner", "registry", "root"])
def test_wrong_keys_are_noticed(who: str) -> None:
    """Whichever link is signed with another key than it should be, the chain breaks there."""
    other = key_of("somebody else")
    links = {
        "signature": lambda: signed(signature(HANDLE, VALUES, OWNER, by=other)),
        "owner": lambda: signed(owner=certificate(OWNER, REGISTRY, by=other)),
        "registry": lambda: signed(registry=certificate(REGISTRY, ROOT, by=other)),
        "root": lambda: signed(root=certificate(ROOT, ROOT, by=other)),
    }
    case = links[who]()
    refused(case, "the signature is wrong")
    assert case.verdict().signers == ()


@pytest.mark.parametrize(
    "change",
    [
        {"data": b"https://evil.example/"},
        {"type": "URL.x"},
        {"ttl": 1},
        {"ttl_type": TtlType.ABSOLUTE},
        {"permissions": Permission.PUBLIC_READ},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changed_values_are_noticed(change: dict[str, object]) -> None:
    """Data, type, TTL and permissions of a value are covered."""
    case = signed()
    first, *rest = case.record.values
    changed = replace(case.record, values=(replace(first, **change), *rest))  # type: ignore[arg-type]
    refused(Signed(changed, case.others), "value 1 has been changed")


def test_missing_and_added_values_are_noticed() -> None:
    """A value that was taken away or put beside the signed ones makes the record untrusted."""
    case = signed()
    without = replace(case.record, values=case.record.values[1:])
    refused(Signed(without, case.others), "value 1 is missing")
    added = replace(case.record, values=(*case.record.values, text_value(9, "URL", "x")))
    verdict = Signed(added, case.others).verdict()
    assert not verdict.is_trusted
    assert "values 9 are not signed" in verdict.reason
    assert verdict.signed_indexes == {1, 2}


def test_signature_of_another_handle() -> None:
    """A good signature about another handle, with the same values, is worth nothing here."""
    refused(signed(signature("20.500.1/abd", VALUES, OWNER)), "it is about 20.500.1/abd")
    refused(signed(signature("20.500.1/ABC", VALUES, OWNER)), "it is about 20.500.1/ABC")


def test_one_bad_signature_spoils_the_good_one() -> None:
    """Every signature has to hold: a record with a good and a bad one is not trusted."""
    good = signature(HANDLE, VALUES, OWNER)
    refused(signed(good, signature(HANDLE, VALUES, OWNER, index=402, exp=EPOCH - 1)), "signature 402")
    refused(signed(good, HandleValue(402, "HS_SIGNATURE", b"{}")), "signature 402: no JSON web signature")
    refused(signed(good, HandleValue(402, "hs_signature", b"x")), "signature 402")


@pytest.mark.parametrize(
    "algorithm", ["none", "NONE", "", "HS256", "RS", "ES256", "PS256", "RS257", "rs256", "DS256"]
)
def test_algorithms_that_are_not_accepted(algorithm: str) -> None:
    """No signature at all, shared secrets, unknown algorithms, and those of another kind of key are refused."""
    case = signed(signature(HANDLE, VALUES, OWNER, algorithm=algorithm))
    refused(
        case,
        "the signature is wrong"
        if algorithm == "RS"
        else f"algorithm {algorithm!r} does not go with the key",
    )


def test_no_signature_under_a_known_algorithm() -> None:
    """An empty signature is a wrong one."""
    good = signature(HANDLE, VALUES, OWNER)
    stripped = replace(good, data=good.data.rpartition(b".")[0] + b".")
    refused(signed(stripped), "the signature is wrong")


def test_circle_of_certificates() -> None:
    """Certificates that vouch for each other lead nowhere, and that is noticed."""
    a, b = "300:20.500.2/a", "300:20.500.2/b"
    others = {
        "20.500.2/a": HandleRecord("20.500.2/a", (certificate(a, b),)),
        "20.500.2/b": HandleRecord("20.500.2/b", (certificate(b, a),)),
    }
    case = Signed(HandleRecord(HANDLE, (*VALUES, signature(HANDLE, VALUES, a))), others)
    refused(case, "in a circle")
    assert len(case.asked) == 2


@pytest.mark.parametrize(("length", "trusted"), [(MAX_CHAIN - 3, True), (MAX_CHAIN + 5, False)])
def test_chain_that_is_too_long(length: int, trusted: bool) -> None:
    """A chain may be long, up to a limit."""
    names = [f"300:20.500.2/{number}" for number in range(length)]
    key = key_of("all of them")
    others = authorities()
    for name, above in zip(names, [*names[1:], REGISTRY], strict=True):
        by = key if above in names else key_of(REGISTRY)
        handle = name.partition(":")[2]
        others[handle] = HandleRecord(handle, (certificate(name, above, by=by, key=key),))
    case = Signed(HandleRecord(HANDLE, (*VALUES, signature(HANDLE, VALUES, names[0], by=key))), others)
    if trusted:
        assert case.verdict().reason == ""
    else:
        refused(case, f"more than {MAX_CHAIN} certificates")
        assert len(case.asked) <= MAX_CHAIN


def test_too_many_signatures() -> None:
    """A record with very many signatures is not looked into: each may cost a chain of look-ups."""
    many = [signature(HANDLE, VALUES, OWNER, index=1000 + number) for number in range(MAX_SIGNATURES + 1)]
    case = signed(*many)
    refused(case, "more than 16 signatures")
    assert case.asked == []
    assert signed(*many[:MAX_SIGNATURES]).verdict().is_trusted


def test_foreign_root() -> None:
    """A chain that is perfect in itself, up to another root than ours, is worth nothing."""
    root = key_of("another root")
    case = signed(
        root=certificate(ROOT, ROOT, key=root, by=root), registry=certificate(REGISTRY, ROOT, by=root)
    )
    refused(case, "does not end in the root of trust")
    case.root = (public(root),)
    assert case.verdict().is_trusted


def test_root_key_under_another_name() -> None:
    """Whoever signs for himself is not the root, even with the key of the root."""
    me = "301:20.500.1/me"
    own = certificate(me, me, key=key_of(ROOT), by=key_of(ROOT))
    others = {"20.500.1/me": HandleRecord("20.500.1/me", (own,))}
    record = HandleRecord(HANDLE, (*VALUES, signature(HANDLE, VALUES, me, by=key_of(ROOT))))
    refused(Signed(record, others), "does not end in the root of trust")


def test_signature_that_vouches_for_itself() -> None:
    """A signature whose issuer is its subject, with a key it brings along, convinces nobody."""
    key = key_of("anybody")
    record = HandleRecord(
        HANDLE,
        (*VALUES, signature(HANDLE, VALUES, f"0:{HANDLE}", by=key, sub=f"0:{HANDLE}", publicKey=jwk(key))),
    )
    refused(Signed(record, authorities()), "does not end in the root of trust")


def test_no_roots_at_all() -> None:
    """Where no root of trust is known, nothing is trusted."""
    case = signed()
    case.root = (public(key_of("unrelated")),)
    refused(case, "does not end in the root of trust")


@pytest.mark.parametrize("missing", ["0.NA/20.500.1", "0.NA/0.NA", "0.0/0.0"])
def test_record_with_a_certificate_that_cannot_be_had(missing: str) -> None:
    """Without every certificate on the way there is no trust, and the reason names what is missing."""
    case = signed()
    del case.others[missing]
    refused(case, f"the record of {missing} with the next certificate cannot be had")
    empty = signed()
    empty.others[missing] = HandleRecord(missing, VALUES)
    refused(empty, f"{missing} has no certificate for")


def test_chain_claim_that_leads_astray() -> None:
    """A certificate for somebody else than the issuer, or a value that is none, breaks the chain."""
    others = authorities() | {
        "20.500.9/c": HandleRecord("20.500.9/c", (certificate("300:0.NA/other", REGISTRY), *VALUES))
    }
    for way, reason in (
        (["400:20.500.9/c"], "the chain is broken"),
        (["1:20.500.9/c"], "no JSON web signature"),
        (["77:20.500.9/c"], "no certificate for"),
    ):
        record = HandleRecord(HANDLE, (*VALUES, signature(HANDLE, VALUES, OWNER, chain=way)))
        refused(Signed(record, others), reason)


def test_certificate_without_a_key() -> None:
    """A certificate that names no key vouches for nobody."""
    said = {"iss": REGISTRY, "sub": OWNER, "perms": list(EVERYTHING)}
    bare = HandleValue(400, "HS_CERT", jws(said, key_of(REGISTRY)))
    refused(signed(owner=bare), f"the certificate of {OWNER} has no key")
    rootless = HandleValue(400, "HS_CERT", jws({"iss": ROOT, "sub": ROOT}, key_of(ROOT)))
    refused(signed(root=rootless), "has no key")


def test_reasons_are_short() -> None:
    """A reason quotes names that strangers chose, but not all of a name without end."""
    verdict = signed(signature("20.500.1/" + "x" * 40_000, VALUES, OWNER)).verdict()
    assert verdict.reason.startswith("signature 401: it is about 20.500.1/xxx")
    assert len(verdict.reason) == MAX_REASON


# --- who may sign for what -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "given", "handle", "allowed"),
    [
        ("everything", "", "20.500.7/x", True),
        ("thisHandle", "20.500.7/x", "20.500.7/x", True),
        ("thisHandle", "20.500.7/X", "20.500.7/x", True),
        ("thisHandle", "20.500.7/y", "20.500.7/x", False),
        ("thisHandle", "0.NA/20.500.7", "20.500.7/x", True),
        ("thisHandle", "0.NA/20.500.7", "0.NA/20.500.7", True),
        ("thisHandle", "0.NA/20.500.7", "20.500.70/x", False),
        ("thisHandle", "0.NA/20.500.7", "20.500.7.1/x", False),
        ("derivedPrefixes", "0.NA/20.500.7", "0.NA/20.500.7.1", True),
        ("derivedPrefixes", "0.NA/20.500.7", "20.500.7.1/x", True),
        ("derivedPrefixes", "0.NA/20.500.7", "20.500.7.1.2/x", True),
        ("derivedPrefixes", "0.NA/20.500.7", "20.500.7/x", False),
        ("derivedPrefixes", "0.NA/20.500.7", "0.NA/20.500.7", False),
        ("derivedPrefixes", "0.NA/20.500.7", "0.NA/20.500.71", False),
        ("derivedPrefixes", "20.500.7/x", "20.500.7/x.1", False),
        ("handlesUnderThisPrefix", "0.NA/20.500.7", "20.500.7/x", True),
        ("handlesUnderThisPrefix", "0.NA/20.500.7", "0.NA/20.500.7", False),
        ("handlesUnderThisPrefix", "0.NA/20.500.7", "20.500.7.1/x", False),
        ("handlesUnderThisPrefix", "20.500.7/x", "20.500.7/x/y", False),
        ("something", "20.500.7/x", "20.500.7/x", False),
    ],
)
def test_permissions(permission: str, given: str, handle: str, allowed: bool) -> None:
    """What a certificate allows its subject to sign for is kept to."""
    owner = certificate(OWNER, REGISTRY, permissions=[{"perm": permission, "handle": given}])
    record = HandleRecord(handle, (*VALUES, signature(handle, VALUES, OWNER)))
    verdict = Signed(record, authorities(owner=owner)).verdict()
    assert verdict.is_trusted is allowed
    if not allowed:
        assert "values 1, 2 are not signed by anybody allowed to" in verdict.reason


def test_every_link_has_to_be_allowed() -> None:
    """Nobody can hand on more than he has: the registry's certificate limits those it vouches for."""
    narrow = certificate(REGISTRY, ROOT, permissions=[{"perm": "derivedPrefixes", "handle": "0.NA/10"}])
    refused(signed(registry=narrow), "not signed by anybody allowed to")


def test_unknown_digests_are_refused() -> None:
    """Digests that can be forged, or that nobody knows, are refused."""
    for name in ("MD5", "SHA-512", "", "crc32"):
        with pytest.raises(SignatureError):
            value_digest(VALUES[0], name)
        claim = digests(VALUES) | {"alg": name}
        refused(signed(signature(HANDLE, VALUES, OWNER, digests=claim)), "not accepted")
