"""Whether a response belongs to a request."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from resolver.errors import MessageFormatError
from resolver.model.record import HandleValue
from resolver.protocol.bodies import (
    Body,
    ErrorResponse,
    ReferralResponse,
    ResolutionRequest,
    ResolutionResponse,
)
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import Envelope
from resolver.protocol.matching import (
    UNREADABLE_REQUEST_ID,
    check_answer,
    digest_algorithm_of,
    digest_request,
)
from resolver.protocol.message import (
    CLOCK_SKEW_S,
    Header,
    Message,
    RequestDigest,
    decode_message,
    encode_message,
)
from tests.vectors import Vector, params, vector, vectors

NOW = 1_700_000_000.0
WITH_REQUEST = [found for found in vectors("messages") if found.titled("request")]

REQUEST = Message(
    Envelope((2, 11), request_id=4711, message_length=0),
    Header(OpCode.RESOLUTION, op_flags=OpFlag.PUBLIC_ONLY),
    ResolutionRequest("20.500.12345/abc"),
)
OCTETS = encode_message(REQUEST)
FOUND = ResolutionResponse("20.500.12345/abc", (HandleValue(1, "URL", b"https://example.org/"),))


def an_answer(
    body: Body = FOUND,
    code: ResponseCode = ResponseCode.SUCCESS,
    request_id: int = 4711,
    digest: RequestDigest | None = None,
    **header: Any,
) -> Message:
    return Message(
        Envelope((2, 11), request_id, 0),
        replace(Header(OpCode.RESOLUTION, code, expiration=int(NOW) + 43200), **header),
        body,
        digest,
    )


def certified() -> tuple[Message, bytes]:
    request = replace(REQUEST, header=replace(REQUEST.header, op_flags=OpFlag.REQUEST_DIGEST))
    return request, encode_message(request)


@pytest.mark.parametrize("found", params(WITH_REQUEST))
def test_vectors_answer_their_requests(found: Vector) -> None:
    """The answers of deployed software belong to its requests, whatever digest they carry."""
    (octets,) = found.titled("request")
    answer = decode_message(found.octets)
    check_answer(decode_message(octets), octets, answer, NOW)
    assert answer.request_digest is not None
    assert answer.request_digest.digest == digest_request(octets, answer.request_digest.algorithm)


@pytest.mark.parametrize("found", params(WITH_REQUEST))
def test_vectors_answer_no_other_request(found: Vector) -> None:
    """An answer with a digest does not pass for that to a request that differs in one octet."""
    (octets,) = found.titled("request")
    other = octets[:-5] + bytes([octets[-5] ^ 1]) + octets[-4:]
    with pytest.raises(MessageFormatError, match="digest of another request"):
        check_answer(decode_message(octets), other, decode_message(found.octets), NOW)


@pytest.mark.parametrize(
    "answer",
    [
        an_answer(),
        an_answer(ResolutionResponse("20.500.12345/ABC", FOUND.values)),
        an_answer(ErrorResponse(), ResponseCode.HANDLE_NOT_FOUND),
        an_answer(ReferralResponse("0.SERV/1"), ResponseCode.SERVICE_REFERRAL),
        an_answer(expiration=0),
        an_answer(expiration=int(NOW) - CLOCK_SKEW_S),
    ],
    ids=["values", "another case", "not found", "referral", "no expiration", "clock a little behind"],
)
def test_proper_answers_are_taken(answer: Message) -> None:
    """An answer to what was asked is believed; servers may spell the handle in another case."""
    check_answer(REQUEST, OCTETS, answer, NOW)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (an_answer(REQUEST.body, ResponseCode.NONE), "request came back"),
        (an_answer(request_id=4712), "another request"),
        (an_answer(opcode=OpCode.GET_SITE_INFO), "GET_SITE_INFO"),
        (an_answer(ErrorResponse(), ResponseCode.ERROR, opcode=OpCode(777)), "OC_777"),
        (an_answer(expiration=int(NOW) - CLOCK_SKEW_S - 1), "expired"),
        (an_answer(ResolutionResponse("20.500.12345/other", FOUND.values)), "another handle"),
        (an_answer(ResolutionResponse("20.500.12345/\u00e1bc", ())), "another handle"),
        (an_answer(digest=RequestDigest("SHA-256", bytes(32))), "digest of another request"),
        (an_answer(digest=RequestDigest("MD5", b"", unmarked=True)), "digest of another request"),
        (an_answer(request_id=UNREADABLE_REQUEST_ID), "another request"),
        (an_answer(ErrorResponse(), ResponseCode.HANDLE_NOT_FOUND, UNREADABLE_REQUEST_ID), "another request"),
        (an_answer(ErrorResponse(), ResponseCode.VALUES_NOT_FOUND, UNREADABLE_REQUEST_ID), "another request"),
        (
            an_answer(ReferralResponse(), ResponseCode.SERVICE_REFERRAL, UNREADABLE_REQUEST_ID),
            "another request",
        ),
        (
            an_answer(ReferralResponse(), ResponseCode.PREFIX_REFERRAL, UNREADABLE_REQUEST_ID),
            "another request",
        ),
    ],
    ids=[
        "echo",
        "another id",
        "another operation",
        "unknown operation",
        "expired",
        "another handle",
        "a handle that looks alike",
        "wrong digest",
        "empty digest",
        "values for nobody",
        "not found for nobody",
        "nothing for nobody",
        "referral for nobody",
        "prefix referral for nobody",
    ],
)
def test_wrong_answers_are_refused(answer: Message, reason: str) -> None:
    """Nothing that fails to name the request is believed, least of all what would be shown or cached."""
    with pytest.raises(MessageFormatError, match=reason):
        check_answer(REQUEST, OCTETS, answer, NOW)


def test_server_that_could_not_read_is_believed() -> None:
    """A complaint about an unreadable request cannot name it, and counts as the failure of that server."""
    complaint = decode_message(vector("messages", "resp-protocol-error-unsolicited").octets)
    check_answer(REQUEST, OCTETS, complaint, NOW)


def test_digest_that_was_asked_for_must_be_there() -> None:
    """Who asks for the digest of the request refuses an answer without it."""
    request, octets = certified()
    with pytest.raises(MessageFormatError, match="lacks the digest"):
        check_answer(request, octets, an_answer(), NOW)
    digest = RequestDigest("SHA-256", digest_request(octets, "SHA-256"))
    check_answer(request, octets, an_answer(digest=digest), NOW)


@pytest.mark.parametrize(
    ("version", "algorithm"),
    [
        ((5, 0), "MD5"),
        ((2, 0), "MD5"),
        ((2, 1), "SHA-1"),
        ((2, 6), "SHA-1"),
        ((2, 7), "SHA-256"),
        ((2, 11), "SHA-256"),
        ((3, 0), "SHA-256"),
    ],
)
def test_servers_choose_the_digest_by_version(version: tuple[int, int], algorithm: str) -> None:
    """A server of ours digests requests as deployed servers of that version do."""
    assert digest_algorithm_of(version) == algorithm


def test_digest_leaves_out_envelope_and_credential() -> None:
    """The digest of a request does not change with its id, its version or its signature."""
    changed = replace(REQUEST, envelope=Envelope((2, 3), 1, 0, session_id=9))
    assert digest_request(encode_message(changed), "SHA-256") == digest_request(OCTETS, "SHA-256")
    with pytest.raises(MessageFormatError):
        digest_request(OCTETS[:40], "SHA-256")
