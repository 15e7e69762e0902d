"""Bodies: which one follows from which codes, and what else is tolerated in them."""

from __future__ import annotations

import pytest

from resolver.errors import MessageFormatError
from resolver.model.handle import MAX_HANDLE_OCTETS
from resolver.model.record import HandleValue
from resolver.protocol.bodies import (
    Body,
    ChallengeResponse,
    ErrorResponse,
    OtherBody,
    ReferralResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    read_body,
    write_body,
)
from resolver.protocol.codes import OpCode, ResponseCode
from resolver.protocol.wire import MAX_LIST_LENGTH, Cursor, write_text

VALUE = HandleValue(1, "URL", b"https://example.org/")


def read(octets: bytes, opcode: int = OpCode.RESOLUTION, code: int = ResponseCode.NONE) -> Body:
    return read_body(Cursor(octets), OpCode(opcode), ResponseCode(code))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (ResolutionRequest("10.1/x", (1, -1), ("URL", "X.")), ResponseCode.NONE),
        (ResolutionResponse("10.1/x", (VALUE,)), ResponseCode.SUCCESS),
        (ErrorResponse("busy"), ResponseCode.SERVER_BUSY),
        (ErrorResponse("", ()), ResponseCode.ERROR),
        (ErrorResponse("not these", (1, 5)), ResponseCode.VALUES_NOT_FOUND),
        (ReferralResponse("0.SERV/10.1"), ResponseCode.SERVICE_REFERRAL),
        (ReferralResponse("0.SERV/10.1", (VALUE,)), ResponseCode.SERVICE_REFERRAL),
        (ReferralResponse("", ()), ResponseCode.PREFIX_REFERRAL),
        (ChallengeResponse(b"nonce"), ResponseCode.AUTHENTICATION_NEEDED),
    ],
    ids=lambda part: part.name if isinstance(part, ResponseCode) else type(part).__name__,
)
def test_code_tells_the_body(body: Body, code: ResponseCode) -> None:
    """The response code alone says what follows; handle and values of a referral go together in any way."""
    assert read(write_body(body), code=code) == body


@pytest.mark.parametrize("tail", [b"\0", b"future", bytes(40)])
def test_octets_after_the_last_value_are_ignored(tail: bytes) -> None:
    """A server that appends something to the values of a handle is understood, as it is today."""
    body = ResolutionResponse("10.1/x", (VALUE,))
    assert read(write_body(body) + tail, code=ResponseCode.SUCCESS) == body


@pytest.mark.parametrize("code", [ResponseCode.NONE, ResponseCode.SUCCESS])
@pytest.mark.parametrize("opcode", [OpCode.RESERVED, OpCode.CREATE_HANDLE, OpCode.SESSION_SETUP])
def test_operations_of_others_are_passed_over(opcode: OpCode, code: ResponseCode) -> None:
    """The body of an operation that no resolver performs is kept as it is."""
    assert read(b"whatever", opcode, code) == OtherBody(b"whatever")


def test_request_for_an_unknown_operation_can_be_read() -> None:
    """A server of ours can answer a request of a newer client, so it has to read it first."""
    assert read(b"whatever", 999) == OtherBody(b"whatever")


def test_success_of_an_unknown_operation_is_refused() -> None:
    """Nobody asked for an operation that we do not know, so nobody can have performed it."""
    with pytest.raises(MessageFormatError, match="999"):
        read(b"whatever", 999, ResponseCode.SUCCESS)


@pytest.mark.parametrize("code", [ResponseCode.NONE, ResponseCode.SUCCESS, ResponseCode.SERVICE_REFERRAL])
def test_handle_has_a_longest_length(code: ResponseCode) -> None:
    """A handle of the longest length is read, one octet more is refused."""
    rest = bytes(8)
    read(write_text("h" * MAX_HANDLE_OCTETS) + rest, code=code)
    with pytest.raises(MessageFormatError):
        read(write_text("h" * (MAX_HANDLE_OCTETS + 1)) + rest, code=code)


def test_record_has_a_largest_size() -> None:
    """As many values are read as deployed software sends, one more is refused."""
    small = HandleValue(1, "", b"")
    largest = ResolutionResponse("10.1/x", (small,) * MAX_LIST_LENGTH)
    assert read(write_body(largest), code=ResponseCode.SUCCESS) == largest
    with pytest.raises(MessageFormatError):
        read(
            write_body(ResolutionResponse("10.1/x", (small,) * (MAX_LIST_LENGTH + 1))),
            code=ResponseCode.SUCCESS,
        )


def test_site_info_is_asked_with_a_placeholder() -> None:
    """The request for a site record carries the single slash that stands for no handle."""
    assert write_body(SiteInfoRequest()) == bytes.fromhex("00000001 2f")
