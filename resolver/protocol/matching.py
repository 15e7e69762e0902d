"""Whether a response belongs to a request: nothing that fails this may be believed (RFC 3652 section 2.2.3)."""

from __future__ import annotations

import hashlib
import hmac

from resolver.errors import MessageFormatError
from resolver.model.handle import fold_ascii
from resolver.protocol.bodies import ResolutionRequest, ResolutionResponse
from resolver.protocol.codes import OpFlag, ResponseCode
from resolver.protocol.envelope import is_older
from resolver.protocol.message import Message, header_and_body

__all__ = ["UNREADABLE_REQUEST_ID", "check_answer", "digest_algorithm_of", "digest_request"]

UNREADABLE_REQUEST_ID = 0xFFFF_FFFF
"""Request id with which servers answer what they could not parse."""

_DIGEST_BIT = OpFlag.REQUEST_DIGEST.value
_DIGEST_SINCE = (2, 1)
_SHA256_SINCE = (2, 7)
_HASHES = {"MD5": hashlib.md5, "SHA-1": hashlib.sha1, "SHA-256": hashlib.sha256}


def digest_request(octets: bytes, algorithm: str) -> bytes:
    """Return the digest of a request's header and body, as responses carry it.

    Args:
        octets: the whole request, envelope and credential included.
        algorithm: ``MD5``, ``SHA-1`` or ``SHA-256``.

    Raises:
        MessageFormatError: the octets are too short for what their header announces.
    """
    return _HASHES[algorithm](header_and_body(octets), usedforsecurity=False).digest()


def digest_algorithm_of(version: tuple[int, int]) -> str:
    """Return the digest algorithm that a server of ``version`` uses for request digests."""
    if is_older(version, _DIGEST_SINCE):
        return "MD5"
    return "SHA-1" if is_older(version, _SHA256_SINCE) else "SHA-256"


def check_answer(request: Message, request_octets: bytes, response: Message, now: float) -> None:
    """Check that ``response`` is an answer to ``request``.

    Args:
        request: what was asked.
        request_octets: the same as it went out.
        response: what came back.
        now: seconds since 1970.

    Raises:
        MessageFormatError: another request id, operation or handle, expired, or a request digest that was
            asked for and is missing or wrong.
    """
    code = response.code
    if code is ResponseCode.NONE:
        raise MessageFormatError("a request came back in place of a response")
    unreadable = response.envelope.request_id == UNREADABLE_REQUEST_ID and code not in (
        ResponseCode.SUCCESS,
        ResponseCode.HANDLE_NOT_FOUND,
        ResponseCode.VALUES_NOT_FOUND,
        ResponseCode.SERVICE_REFERRAL,
        ResponseCode.PREFIX_REFERRAL,
    )
    if unreadable:
        return  # the server could not parse the request, so it cannot name it either
    if response.envelope.request_id != request.envelope.request_id:
        raise MessageFormatError("answer to another request")
    if response.header.opcode != request.header.opcode:
        raise MessageFormatError(f"answer to operation {response.header.opcode.name}")
    if response.header.is_expired(now):
        raise MessageFormatError("expired answer")
    _check_request_digest(request, request_octets, response)
    if (
        isinstance(response.body, ResolutionResponse)
        and isinstance(request.body, ResolutionRequest)
        and response.body.handle != request.body.handle
        and fold_ascii(response.body.handle) != fold_ascii(request.body.handle)
    ):
        raise MessageFormatError(f"answer about another handle, {response.body.handle!r}")


def _check_request_digest(request: Message, request_octets: bytes, response: Message) -> None:
    digest = response.request_digest
    if digest is None:
        if request.header.op_flags.value & _DIGEST_BIT:
            raise MessageFormatError("answer lacks the digest of the request")
        return
    if not hmac.compare_digest(digest.digest, digest_request(request_octets, digest.algorithm)):
        raise MessageFormatError("answer carries the digest of another request")
