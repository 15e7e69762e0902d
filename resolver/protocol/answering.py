"""From a request and a decision to the message that answers it, as servers write it (RFC 3652 section 2.2)."""

from __future__ import annotations

from resolver.errors import MessageFormatError
from resolver.protocol.bodies import Body, ErrorResponse
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import HIGHEST_VERSION, SITELESS_VERSION, Envelope, ProtocolVersion, is_older
from resolver.protocol.matching import UNREADABLE_REQUEST_ID, digest_algorithm_of, digest_request
from resolver.protocol.message import (
    LAST_MOMENT,
    Header,
    Message,
    RequestDigest,
    decode_message,
    encode_message,
)

__all__ = ["answer_unreadable", "build_answer", "read_request"]

RESPONSE_LIFETIME_S = 43_200

_COPIED_FLAGS = (
    OpFlag.AUTHORITATIVE
    | OpFlag.CERTIFIED
    | OpFlag.ENCRYPT
    | OpFlag.CACHE_CERTIFY
    | OpFlag.PUBLIC_ONLY
    | OpFlag.DO_NOT_REFER
    | OpFlag.REQUEST_DIGEST
)

_PRESENT_CODES_SINCE = (2, 5)
_OLD_CODES = {
    ResponseCode.SERVER_BACKUP: ResponseCode.PREFIX_REFERRAL,
    ResponseCode.INVALID_VALUE: ResponseCode.VALUE_EXISTS,
}


def read_request(octets: bytes) -> Message:
    """Read a message that asks for something.

    Raises:
        MessageFormatError: not a message, or one that answers.
    """
    request = decode_message(octets)
    if request.header.response_code is not ResponseCode.NONE:
        raise MessageFormatError("a response was sent as a request")
    return request


def build_answer(
    octets: bytes,
    request: Message,
    code: ResponseCode,
    body: Body,
    *,
    now: float,
    site_serial: int = 0,
    added_flags: OpFlag = OpFlag(0),
    highest_version: ProtocolVersion = HIGHEST_VERSION,
) -> Message:
    """Return the message that answers a request: same id and version, with a digest where one is asked for.

    Args:
        octets: the request as it came.
        request: the same, decoded.
        code: of the answer.
        body: of the answer.
        now: seconds since 1970.
        site_serial: serial number of the site record of whoever answers.
        added_flags: beside those of the request.
        highest_version: what whoever answers speaks at most.
    """
    envelope = request.envelope
    suggested = envelope.suggested_version
    version = suggested if is_older(suggested, highest_version) else highest_version
    if is_older(version, _PRESENT_CODES_SINCE):
        code = _OLD_CODES.get(code, code)
    flags = (request.header.op_flags & _COPIED_FLAGS) | OpFlag.RECURSIVE | added_flags
    digest = None
    if flags & OpFlag.REQUEST_DIGEST or code is ResponseCode.AUTHENTICATION_NEEDED:
        flags |= OpFlag.REQUEST_DIGEST
        algorithm = digest_algorithm_of(version)
        digest = RequestDigest(algorithm, digest_request(octets, algorithm))
    return Message(
        Envelope(version, envelope.request_id, 0, highest_version, session_id=envelope.session_id),
        Header(
            request.header.opcode,
            code,
            flags,
            site_serial,
            request.header.recursion_count,
            min(int(now) + RESPONSE_LIFETIME_S, LAST_MOMENT),
        ),
        body,
        digest,
    )


def answer_unreadable(text: str, now: float) -> bytes:
    """Return the message that answers octets which are no request."""
    flags = OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY | OpFlag.PUBLIC_ONLY
    ends_at = min(int(now) + RESPONSE_LIFETIME_S, LAST_MOMENT)
    header = Header(OpCode.RESERVED, ResponseCode.PROTOCOL_ERROR, flags, expiration=ends_at)
    return encode_message(
        Message(Envelope(SITELESS_VERSION, UNREADABLE_REQUEST_ID, 0), header, ErrorResponse(text))
    )
