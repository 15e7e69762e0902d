"""Messages that answer: same id, same version, digest where one is asked for, as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.protocol.answering import RESPONSE_LIFETIME_S, answer_unreadable, build_answer, read_request
from resolver.protocol.bodies import (
    Body,
    ChallengeResponse,
    ErrorResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import Envelope
from resolver.protocol.matching import UNREADABLE_REQUEST_ID, check_answer
from resolver.protocol.message import Header, Message, decode_message, encode_message
from tests.fakes import EPOCH, site_at, url_value

HANDLE = "10.1/abc"


def request(
    flags: OpFlag = OpFlag.PUBLIC_ONLY,
    body: Body | None = None,
    *,
    opcode: OpCode = OpCode.RESOLUTION,
    version: tuple[int, int] = (2, 11),
    suggested: tuple[int, int] = (2, 11),
) -> Message:
    """Return a request."""
    return Message(
        Envelope(version, 0x1234_5678, 0, suggested),
        Header(opcode, op_flags=flags, site_serial=7, recursion_count=3, expiration=int(EPOCH) + 60),
        body or ResolutionRequest(HANDLE),
    )


def answered(asked: Message, code: ResponseCode, body: Body, **how: object) -> Message:
    """Answer a request, and return the answer as its sender reads it, checked."""
    octets = encode_message(asked)
    answer = decode_message(
        encode_message(build_answer(octets, read_request(octets), code, body, now=EPOCH, **how))  # type: ignore[arg-type]
    )
    check_answer(asked, octets, answer, EPOCH)
    return answer


FOUND = ResolutionResponse(HANDLE, (url_value(),))


def test_answer() -> None:
    """An answer carries the id and version of the request, its recursion count, and a date until when it counts."""
    answer = answered(request(), ResponseCode.SUCCESS, FOUND, site_serial=99)
    assert answer.body == FOUND
    assert answer.envelope.request_id == 0x1234_5678
    assert answer.header.expiration == EPOCH + RESPONSE_LIFETIME_S
    assert (answer.header.site_serial, answer.header.recursion_count) == (99, 3)
    assert answer.request_digest is None


@given(
    st.sampled_from(OpFlag),  # any of them together
    st.sampled_from([(2, 1), (2, 5), (2, 7), (2, 10), (2, 11), (3, 0)]),
)
def test_every_answer_belongs_to_its_request(flags: OpFlag, version: tuple[int, int]) -> None:
    """Whatever flags and version a request has, its sender takes the answer, digest included."""
    answer = answered(request(flags, suggested=version), ResponseCode.SUCCESS, FOUND)
    assert (answer.request_digest is not None) == bool(flags & OpFlag.REQUEST_DIGEST)
    assert answer.header.op_flags & OpFlag.RECURSIVE
    assert bool(answer.header.op_flags & OpFlag.PUBLIC_ONLY) == bool(flags & OpFlag.PUBLIC_ONLY)
    assert not answer.header.op_flags & (OpFlag.OVERWRITE | OpFlag.KEEP_CONNECTION | OpFlag.CONTINUOUS)


@pytest.mark.parametrize(
    ("suggested", "used", "digest"),
    [
        ((2, 1), (2, 1), "SHA-1"),
        ((2, 6), (2, 6), "SHA-1"),
        ((2, 7), (2, 7), "SHA-256"),
        ((2, 11), (2, 11), "SHA-256"),
        ((2, 99), (2, 11), "SHA-256"),
        ((3, 0), (2, 11), "SHA-256"),
        ((2, 0), (2, 0), "MD5"),
        ((5, 0), (5, 0), "MD5"),
    ],
)
def test_version(suggested: tuple[int, int], used: tuple[int, int], digest: str) -> None:
    """The answer is in the version that the sender would rather read, at most ours; 5.0 is older than all."""
    octets = encode_message(request(OpFlag.REQUEST_DIGEST, suggested=suggested))
    answer = build_answer(octets, decode_message(octets), ResponseCode.SUCCESS, FOUND, now=EPOCH)
    assert (answer.envelope.version, answer.envelope.suggested_version) == (used, (2, 11))
    assert answer.request_digest is not None
    assert answer.request_digest.algorithm == digest


def test_challenge_has_a_digest() -> None:
    """A challenge carries the digest of what it is about, asked for or not."""
    answer = answered(request(), ResponseCode.AUTHENTICATION_NEEDED, ChallengeResponse(bytes(16)))
    assert answer.request_digest is not None


def test_flags_of_the_server() -> None:
    """A server adds what it says of itself."""
    answer = answered(request(), ResponseCode.SUCCESS, FOUND, added_flags=OpFlag.AUTHORITATIVE)
    assert answer.header.op_flags & OpFlag.AUTHORITATIVE


def test_site_info() -> None:
    """A question for the site record is answered as such."""
    asked = request(body=SiteInfoRequest(), opcode=OpCode.GET_SITE_INFO)
    answer = answered(asked, ResponseCode.SUCCESS, SiteInfoResponse(site_at("192.0.2.1")))
    assert answer.body == SiteInfoResponse(site_at("192.0.2.1"))


def test_unreadable() -> None:
    """Who sends octets that are no request is told so, by a message that names no request."""
    answer = decode_message(answer_unreadable("what is this", EPOCH))
    assert answer.envelope.request_id == UNREADABLE_REQUEST_ID
    assert (answer.header.opcode, answer.code) == (OpCode.RESERVED, ResponseCode.PROTOCOL_ERROR)
    assert answer.body == ErrorResponse("what is this")
    assert answer.envelope.version == (2, 3)


def test_unreadable_is_understood() -> None:
    """That message counts as an answer to any request."""
    asked = request()
    answer = decode_message(answer_unreadable("what is this", EPOCH))
    check_answer(asked, encode_message(asked), answer, EPOCH)


def test_response_in_place_of_a_request() -> None:
    """A response is no request: two servers must not answer each other for ever."""
    octets = encode_message(request())
    answer = build_answer(octets, decode_message(octets), ResponseCode.SUCCESS, FOUND, now=EPOCH)
    for response in (encode_message(answer), answer_unreadable("", EPOCH)):
        with pytest.raises(MessageFormatError):
            read_request(response)


@given(st.binary(max_size=100))
def test_garbage(octets: bytes) -> None:
    """Garbage is no request, and says so in one kind of error."""
    with pytest.raises(MessageFormatError):
        read_request(octets)
