"""Hypothesis builders for the model and for messages.

What they build can be written to the wire and read back unchanged, unless a docstring says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.model.handle import Handle
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.record import AdminPermission, AdminRecord, HandleRecord, HandleValue, Reference, TtlType
from resolver.model.site import HashOption, Interface, Server, Site, Transport
from resolver.protocol.bodies import (
    ChallengeResponse,
    ErrorResponse,
    OtherBody,
    ReferralResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import MessageFlag, OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import Envelope
from resolver.protocol.keys import encode_public_key
from resolver.protocol.message import Credential, Header, Message, RequestDigest, encode_message
from resolver.protocol.sites import encode_site
from resolver.protocol.text import as_text, strict_text
from resolver.protocol.values import encode_admin, encode_vlist

__all__ = [
    "addresses",
    "admins",
    "any_json",
    "credentials",
    "damaged",
    "damaged_json",
    "handle_texts",
    "handles",
    "i32",
    "interfaces",
    "json_records",
    "json_sites",
    "json_values",
    "messages",
    "public_keys",
    "records",
    "references",
    "servers",
    "sites",
    "texts",
    "u32",
    "values",
]

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFF_FFFF)
i32 = st.integers(-(2**31), 2**31 - 1)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
"""Whatever can be written as UTF-8, control characters included."""

# --- handles ---------------------------------------------------------------------------------------------

_SEGMENTS = st.text(st.characters(codec="utf-8", exclude_characters="/."), min_size=1, max_size=6)
_PREFIXES = st.lists(_SEGMENTS, min_size=1, max_size=4).map(".".join)

handle_texts = st.one_of(
    st.builds("{}/{}".format, _PREFIXES, texts),
    _PREFIXES,
    st.builds("0.NA/{}".format, _PREFIXES),
    st.sampled_from(["20.500.12345/abc", "0.NA/0.NA", "0.0/0.0", "10.1000/1", "a/b/c", "p/", "/x", "/"]),
)
handles = handle_texts.map(Handle.parse)

references = st.builds(Reference, handle_texts, i32)

# --- keys and sites --------------------------------------------------------------------------------------

_NUMBERS = st.integers(0, 2**2048)

public_keys: st.SearchStrategy[PublicKey] = st.one_of(
    st.builds(RsaPublicKey, _NUMBERS, _NUMBERS),
    st.builds(DsaPublicKey, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS),
    st.builds(DhPublicKey, _NUMBERS, _NUMBERS, _NUMBERS),
)

addresses = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.ip_addresses(v=4).map(lambda address: bytes(12) + address.packed),
    st.ip_addresses(v=6).map(lambda address: address.packed),
    # Runs of zero groups are what the text form is about.
    st.lists(st.sampled_from([b"\0\0", b"\0\1", b"\x20\x01"]), min_size=8, max_size=8).map(b"".join),
)

interfaces = st.builds(Interface, u8, u8, u32)

servers = st.builds(
    Server,
    server_id=u32,
    address=addresses,
    public_key=st.one_of(st.just(b""), public_keys.map(encode_public_key), st.binary(max_size=24)),
    interfaces=st.lists(interfaces, max_size=3).map(tuple),
)

_ATTRIBUTES = st.tuples(st.one_of(texts, st.sampled_from(["desc", "domain", "alt_addr", "path.0"])), texts)

sites = st.builds(
    Site,
    format_version=u16,
    protocol_version=st.tuples(u8, u8),
    serial_number=u16,
    primary=st.booleans(),
    multi_primary=st.booleans(),
    hash_option=u8,
    hash_filter=texts,
    attributes=st.lists(_ATTRIBUTES, max_size=3).map(tuple),
    servers=st.lists(servers, max_size=3).map(tuple),
)

json_sites = st.builds(
    Site,
    format_version=u16,
    protocol_version=st.tuples(u8, u8),
    serial_number=u16,
    primary=st.booleans(),
    multi_primary=st.booleans(),
    hash_option=st.sampled_from(HashOption).map(int),
    hash_filter=texts,
    attributes=st.lists(_ATTRIBUTES, max_size=3).map(tuple),
    servers=st.lists(
        st.builds(
            Server,
            server_id=u32,
            address=addresses,
            public_key=servers.map(lambda server: server.public_key),
            interfaces=st.lists(
                st.builds(
                    Interface,
                    service_type=st.integers(0, 3),
                    transport=st.one_of(st.sampled_from(Transport).map(int), u8),
                    port=st.integers(1, 65535),
                ),
                max_size=3,
            ).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)
"""Sites that JSON can express: what an interface is for has two bits there, and ports are ports."""

# --- values and records ----------------------------------------------------------------------------------

admins = st.builds(AdminRecord, u16.map(AdminPermission), references, st.booleans())

_FREE_TYPES = st.one_of(st.sampled_from(["URL", "EMAIL", "DESC", "HS_ALIAS", "10320/loc", "HS_SERV"]), texts)


def _value_of(
    types: st.SearchStrategy[str], data: st.SearchStrategy[bytes], ttl_types: st.SearchStrategy[int] = u8
) -> st.SearchStrategy[HandleValue]:
    return st.builds(
        HandleValue,
        index=i32,
        type=types,
        data=data,
        ttl=i32,
        ttl_type=ttl_types,
        permissions=st.integers(0, 15),
        timestamp=i32,
        references=st.lists(references, max_size=2).map(tuple),
    )


_STRUCTURED_VALUES = st.one_of(
    _value_of(st.sampled_from(["HS_ADMIN", "HS_ADMIN.X", "hs_admin"]), admins.map(encode_admin)),
    _value_of(st.just("HS_VLIST"), st.lists(references, max_size=3).map(tuple).map(encode_vlist)),
    _value_of(st.sampled_from(["HS_SITE", "HS_SITE.6", "HS_NA_DELEGATE"]), sites.map(encode_site)),
    _value_of(st.just("HS_PUBKEY"), public_keys.map(encode_public_key)),
)
_FREE_VALUES = _value_of(_FREE_TYPES, st.one_of(texts.map(str.encode), st.binary(max_size=24)))

values = st.one_of(_FREE_VALUES, _STRUCTURED_VALUES)

records = st.builds(HandleRecord, handle_texts, st.lists(values, max_size=4).map(tuple))


def _survives_as_text(data: bytes) -> bool:
    # What is only laid out like UTF-8 loses octets in JSON, as it does in the deployed API.
    return as_text(data) is None or strict_text(data) is not None


_TTL_TYPES = st.sampled_from(TtlType).map(int)
_FREE_DATA = st.one_of(texts.map(str.encode), st.binary(max_size=24))

json_values = st.one_of(
    _value_of(_FREE_TYPES, _FREE_DATA.filter(_survives_as_text), _TTL_TYPES),
    _value_of(
        st.just("HS_ADMIN"),
        st.builds(AdminRecord, st.integers(0, 0xFFF).map(AdminPermission), references, st.booleans()).map(
            encode_admin
        ),
        _TTL_TYPES,
    ),
    _value_of(st.just("HS_VLIST"), st.lists(references, max_size=3).map(tuple).map(encode_vlist), _TTL_TYPES),
    _value_of(st.sampled_from(["HS_SITE", "HS_SITE.PREFIX"]), json_sites.map(encode_site), _TTL_TYPES),
    _value_of(st.just("HS_PUBKEY"), public_keys.map(encode_public_key), _TTL_TYPES),
)
"""Values that JSON can express: it knows two kinds of TTL, and of HS_ADMIN twelve permissions."""

json_records = st.builds(HandleRecord, handle_texts, st.lists(json_values, max_size=3).map(tuple))

# --- messages --------------------------------------------------------------------------------------------

_VERSIONS = st.one_of(st.sampled_from([(2, 1), (2, 3), (2, 10), (2, 11), (3, 0), (5, 0)]), st.tuples(u8, u8))

_ENVELOPES = st.builds(
    Envelope,
    version=_VERSIONS,
    request_id=u32,
    message_length=st.just(0),
    suggested_version=st.tuples(st.integers(1, 31), u8),
    flags=st.sampled_from([MessageFlag(0), MessageFlag.TRUNCATED]),
    session_id=u32,
    sequence_number=u32,
)

_ERROR_CODES = [
    code
    for code in ResponseCode
    if code
    not in (
        ResponseCode.NONE,
        ResponseCode.SUCCESS,
        ResponseCode.SERVICE_REFERRAL,
        ResponseCode.PREFIX_REFERRAL,
        ResponseCode.AUTHENTICATION_NEEDED,
    )
]
_OTHER_OPERATIONS = [code for code in OpCode if code not in (OpCode.RESOLUTION, OpCode.GET_SITE_INFO)]
_REFERRAL_CODES = [ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL]

_VALUE_LISTS = st.lists(values, max_size=3).map(tuple)
_INDEXES = st.lists(i32, max_size=4).map(tuple)

# Which body follows from which pair of codes.
_CODES_AND_BODIES = st.one_of(
    st.tuples(
        st.just(OpCode.RESOLUTION),
        st.just(ResponseCode.NONE),
        st.builds(ResolutionRequest, handle_texts, _INDEXES, st.lists(texts, max_size=3).map(tuple)),
    ),
    st.tuples(
        st.just(OpCode.GET_SITE_INFO), st.just(ResponseCode.NONE), st.builds(SiteInfoRequest, handle_texts)
    ),
    st.tuples(
        st.just(OpCode.RESOLUTION),
        st.just(ResponseCode.SUCCESS),
        st.builds(ResolutionResponse, handle_texts, _VALUE_LISTS),
    ),
    st.tuples(
        st.just(OpCode.GET_SITE_INFO), st.just(ResponseCode.SUCCESS), st.builds(SiteInfoResponse, sites)
    ),
    st.tuples(
        st.sampled_from(OpCode),
        st.sampled_from(_ERROR_CODES),
        st.builds(ErrorResponse, texts, st.one_of(st.none(), _INDEXES)),
    ),
    st.tuples(
        st.sampled_from(OpCode),
        st.sampled_from(_REFERRAL_CODES),
        st.builds(ReferralResponse, handle_texts, st.one_of(st.none(), _VALUE_LISTS)),
    ),
    st.tuples(
        st.sampled_from(OpCode),
        st.just(ResponseCode.AUTHENTICATION_NEEDED),
        st.builds(ChallengeResponse, st.binary(max_size=20)),
    ),
    st.tuples(
        st.sampled_from(_OTHER_OPERATIONS),
        st.sampled_from([ResponseCode.NONE, ResponseCode.SUCCESS]),
        st.builds(OtherBody, st.binary(max_size=24)),
    ),
)

_REQUEST_DIGESTS = st.one_of(
    st.builds(RequestDigest, st.just("MD5"), st.binary(min_size=16, max_size=16), st.booleans()),
    st.builds(RequestDigest, st.just("SHA-1"), st.binary(min_size=20, max_size=20)),
    st.builds(RequestDigest, st.just("SHA-256"), st.binary(min_size=32, max_size=32)),
)

credentials = st.builds(
    Credential,
    type=st.sampled_from(["HS_SIGNED", "HS_MAC", "HS_DSAPUBKEY", "X"]),
    digest_algorithm=st.sampled_from(["SHA-256", "SHA1", "MD5", "HMAC-SHA256", ""]),
    signature=st.binary(max_size=40),
    signer=st.one_of(st.just(""), handle_texts),
    session_counter=u32,
    version=u8,
    flags=u16,
)


@st.composite
def messages(draw: Callable[..., Any]) -> Message:
    """Build any message whose body is the one that its codes and its version announce.

    The length in its envelope is the one that ``encode_message`` writes.
    """
    opcode, code, body = draw(_CODES_AND_BODIES)
    envelope = draw(_ENVELOPES)
    if code is ResponseCode.PREFIX_REFERRAL:
        envelope = replace(envelope, version=draw(st.sampled_from([(2, 5), (2, 11), (3, 0)])))
    op_flags = OpFlag(draw(u32) & 0xFF70_0000)  # RD comes with a digest, below
    digest = None
    if code is ResponseCode.AUTHENTICATION_NEEDED or (code is not ResponseCode.NONE and draw(st.booleans())):
        digest = draw(_REQUEST_DIGESTS)
        op_flags |= OpFlag.REQUEST_DIGEST
    header = Header(opcode, code, op_flags, draw(u16), draw(u8), draw(u32))
    message = Message(envelope, header, body, digest, draw(st.one_of(st.none(), credentials)))
    length = len(encode_message(message)) - 20
    return replace(message, envelope=replace(envelope, message_length=length))


# --- damage ----------------------------------------------------------------------------------------------


@st.composite
def damaged(draw: Callable[..., Any], octets: bytes) -> bytes:
    """Build what is left of ``octets`` after some were changed, cut out, or pushed in."""
    start = draw(st.integers(0, len(octets)))
    removed = draw(st.integers(0, 8))
    inserted = draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]))
    )
    return octets[:start] + inserted + octets[start + removed :]


_JSON_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**16, 2**31, 2**32, 2**64, -(2**31) - 1, 10**400]),
    st.integers(),
    st.floats(),
    texts,
    st.text(max_size=6),
    st.sampled_from(["", "*", "1110", "2.11", "::1", "9" * 5000, "300:0.NA/10", "1970-01-01", "AQAB", "0:"]),
)

any_json = st.recursive(
    _JSON_LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
"""What a JSON parser can return, lone surrogates and NaN included."""


@st.composite
def damaged_json(draw: Callable[..., Any], whole: Any) -> Any:
    """Build ``whole`` with one member or element replaced by something else, left out, or added."""
    copy = json.loads(json.dumps(whole))
    at = copy
    while isinstance(at, dict | list) and at:
        key = draw(st.sampled_from(sorted(at)) if isinstance(at, dict) else st.integers(0, len(at) - 1))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 2)) == 0:
            if draw(st.integers(0, 4)) == 0:
                del at[key]
            else:
                at[key] = draw(any_json)
            return copy
        at = at[key]
    return draw(any_json)
