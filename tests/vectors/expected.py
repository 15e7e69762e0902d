"""The facts of a vector as objects of our model, to be compared with what a decoder returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolver.model.keys import DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.record import AdminPermission, AdminRecord, HandleValue, Reference
from resolver.model.site import Interface, Server, Site, Transport
from resolver.protocol.bodies import (
    Body,
    ChallengeResponse,
    ErrorResponse,
    ReferralResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import MessageFlag, OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import Envelope
from resolver.protocol.message import Credential, Header, Message, RequestDigest
from tests.vectors import vector

__all__ = [
    "expected_admin",
    "expected_key",
    "expected_message",
    "expected_references",
    "expected_site",
    "expected_value",
]

Facts = Mapping[str, Any]

_DEFINED_OP_FLAGS = 0xFFF0_0000


def expected_message(facts: Facts) -> Message:
    """Return the message that the facts of a vector in ``messages`` describe."""
    digest, credential = facts.get("request_digest"), facts.get("credential")
    return Message(
        _envelope(facts["envelope"]),
        _header(facts["header"]),
        _body(facts["body"]),
        None if digest is None else _request_digest(digest),
        None if credential is None else _credential(credential),
    )


def _envelope(facts: Facts) -> Envelope:
    flags = MessageFlag(0)
    for name in facts["flags"]:
        flags |= MessageFlag[name]
    return Envelope(
        version=tuple(facts["version"]),
        request_id=facts["request_id"],
        message_length=facts["message_length"],
        suggested_version=tuple(facts["suggested_version"]),
        flags=flags,
        session_id=facts["session_id"],
        sequence_number=facts["sequence_number"],
    )


def _header(facts: Facts) -> Header:
    return Header(
        opcode=OpCode(facts["opcode"]),
        response_code=ResponseCode(facts["response_code"]),
        op_flags=OpFlag(facts["op_flags"] & _DEFINED_OP_FLAGS),
        site_serial=facts["site_serial"],
        recursion_count=facts["recursion_count"],
        expiration=facts["expiration"],
    )


def _request_digest(facts: Facts) -> RequestDigest:
    return RequestDigest(facts["algorithm"], bytes.fromhex(facts["digest"]), unmarked=facts["code"] == 0)


def _credential(facts: Facts) -> Credential:
    return Credential(
        type=facts["type"],
        digest_algorithm=facts["digest_algorithm"],
        signature=bytes.fromhex(facts["signature"]),
        signer=facts["signer"],
        session_counter=facts["session_counter"],
        version=facts["version"],
        flags=facts["flags"],
    )


def _body(facts: Facts) -> Body:
    match facts:
        case {"kind": "resolution request"}:
            return ResolutionRequest(facts["handle"], tuple(facts["indexes"]), tuple(facts["types"]))
        case {"kind": "site info request"}:
            return SiteInfoRequest(facts["handle"])
        case {"kind": "resolution response"}:
            return ResolutionResponse(facts["handle"], tuple(map(expected_value, facts["values"])))
        case {"kind": "site info response"}:
            return SiteInfoResponse(expected_site(vector("data", facts["site_of"]).facts))
        case {"kind": "referral"}:
            values = tuple(map(expected_value, facts["values"])) if "values" in facts else None
            return ReferralResponse(facts["handle"], values)
        case {"kind": "challenge"}:
            return ChallengeResponse(bytes.fromhex(facts["nonce"]))
        case {"kind": "error"}:
            return ErrorResponse(facts["message"], tuple(facts["indexes"]) if "indexes" in facts else None)
        case _:
            raise AssertionError(f"a vector with a body of kind {facts['kind']!r}")


def expected_value(facts: Facts) -> HandleValue:
    """Return the handle value that the facts describe."""
    return HandleValue(
        index=facts["index"],
        type=facts["type"],
        data=_data(facts),
        ttl=facts["ttl"],
        ttl_type=facts["ttl_type"],
        permissions=int(facts["permissions"], 2),
        timestamp=facts["timestamp"],
        references=expected_references(facts.get("references", ())),
    )


def _data(facts: Facts) -> bytes:
    if "data_of" in facts:
        return vector("data", facts["data_of"]).octets
    return facts["text"].encode() if "text" in facts else bytes.fromhex(facts["hex"])


def expected_references(facts: Any) -> tuple[Reference, ...]:
    """Return the references that the facts list."""
    return tuple(Reference(one["handle"], one["index"]) for one in facts)


def expected_admin(facts: Facts) -> AdminRecord:
    """Return the administrator that the facts of a vector in ``data`` describe."""
    permissions = AdminPermission(0)
    for name in facts["permissions"]:
        permissions |= AdminPermission[name]
    assert permissions == facts["permission_bits"]
    return AdminRecord(permissions, Reference(facts["handle"], facts["index"]), facts["legacy_length"])


def expected_key(facts: Facts) -> PublicKey:
    """Return the public key that the facts of a vector in ``data`` describe."""

    def number(name: str) -> int:
        return int(facts[name], 16)

    if facts["algorithm"] == "RSA_PUB_KEY":
        return RsaPublicKey(exponent=number("e"), modulus=number("n"))
    return DsaPublicKey(q=number("q"), p=number("p"), g=number("g"), y=number("y"))


def expected_site(facts: Facts) -> Site:
    """Return the site that the facts of a vector in ``data`` describe."""
    return Site(
        format_version=facts["format_version"],
        protocol_version=tuple(facts["protocol_version"]),
        serial_number=facts["serial_number"],
        primary=facts["primary"],
        multi_primary=facts["multi_primary"],
        hash_option=facts["hash_option"],
        hash_filter=facts["hash_filter"],
        attributes=tuple((name, value) for name, value in facts["attributes"]),
        servers=tuple(map(_server, facts["servers"])),
    )


def _server(facts: Facts) -> Server:
    return Server(
        server_id=facts["server_id"],
        address=bytes.fromhex(facts["address"]),
        public_key=vector("data", facts["public_key_of"]).octets if facts["public_key_of"] else b"",
        interfaces=tuple(
            Interface(one["service_type"], Transport[one["transport"]], one["port"])
            for one in facts["interfaces"]
        ),
    )
