"""Native messages over HTTP: each is answered by a message, whatever it is and whatever comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import (
    AliasError,
    ClosingError,
    HandleNotFoundError,
    InvalidHandleError,
    LookupTimeoutError,
    NoServerAnsweredError,
    RefusedError,
    ResolverError,
    ServiceNotFoundError,
    TooManyRequestsError,
)
from resolver.model.handle import Handle
from resolver.model.record import HandleValue
from resolver.model.site import Transport
from resolver.protocol.bodies import (
    Body,
    ErrorResponse,
    OtherBody,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import Envelope
from resolver.protocol.matching import UNREADABLE_REQUEST_ID, check_answer
from resolver.protocol.message import Header, Message, decode_message, encode_message
from resolver.resolution.service import Resolved
from resolver.transport.http import MESSAGE_TYPE
from resolver.web.native import Gateway, is_native
from tests.fakes import EPOCH, record_of, text_value, url_value
from tests.unit.web.pages import renderer

HANDLE = "10.1/abc"
BOTH = {"Accept": MESSAGE_TYPE, "Content-Type": MESSAGE_TYPE}


class Source:
    """What the gateway asks for records, and whether it may."""

    def __init__(self, *values: HandleValue, error: ResolverError | None = None) -> None:
        self.values, self.error = values, error
        self.conditions: dict[str, bool] = {}
        self.resolver = self

    def check_prefix(self, handle: Handle) -> None:
        assert isinstance(handle, Handle)

    async def resolve(self, handle: Handle, **conditions: bool) -> Resolved:
        self.conditions = conditions
        if self.error is not None:
            raise self.error
        return Resolved(record_of(handle.text, *self.values), EPOCH, EPOCH + 60, "udp://192.0.2.1:2641")


class Request:
    """As much of a request as the gateway looks at."""

    def __init__(self, octets: bytes, sockname: Any = ("192.0.2.7", 8000)) -> None:
        self._octets = octets
        self.transport = self
        self._sockname = sockname

    async def read(self) -> bytes:
        return self._octets

    def get_extra_info(self, _: str) -> Any:
        return self._sockname


async def post(octets: bytes, source: Source | None = None, **request: Any) -> Message:
    """Post octets, and return the message that answers them."""
    gateway = Gateway(source or Source(), renderer(), clock=lambda: EPOCH)  # type: ignore[arg-type]
    response = await gateway.answer(Request(octets, **request))  # type: ignore[arg-type]
    assert (response.status, response.content_type) == (200, MESSAGE_TYPE)
    assert response.headers["Cache-Control"] == "no-store"
    assert isinstance(response.body, bytes)
    return decode_message(response.body)


async def ask(
    source: Source | None = None,
    body: Body | None = None,
    *,
    flags: OpFlag = OpFlag.PUBLIC_ONLY,
    opcode: OpCode = OpCode.RESOLUTION,
    **request: Any,
) -> Message:
    """Ask something, and return the answer after checking that it is one."""
    asked = Message(
        Envelope((2, 11), 77, 0), Header(opcode, op_flags=flags), body or ResolutionRequest(HANDLE)
    )
    octets = encode_message(asked)
    answer = await post(octets, source, **request)
    check_answer(asked, octets, answer, EPOCH)
    return answer


# --- what is taken for a message -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("POST", BOTH, True),
        ("POST", {**BOTH, "Accept": f"{MESSAGE_TYPE}, */*;q=0.1"}, True),
        ("POST", {name: value.upper() for name, value in BOTH.items()}, True),
        ("GET", BOTH, False),
        ("PUT", BOTH, False),
        ("POST", {"Accept": MESSAGE_TYPE}, False),
        ("POST", {"Content-Type": MESSAGE_TYPE}, False),
        ("POST", {"Accept": "*/*", "Content-Type": "application/x-www-form-urlencoded"}, False),
    ],
)
def test_is_native(method: str, headers: dict[str, str], expected: bool) -> None:
    """A native message comes by POST, and both what it is and what is wanted is a message."""
    assert is_native(make_mocked_request(method, "/10.1%2Fabc", headers)) is expected


# --- resolution ------------------------------------------------------------------------------------------


async def test_record() -> None:
    """A record is answered as a handle server would."""
    answer = await ask(Source(url_value(), text_value(2, "DESC", "x")))
    assert answer.code is ResponseCode.SUCCESS
    assert answer.body == ResolutionResponse(HANDLE, (url_value(), text_value(2, "DESC", "x")))


@pytest.mark.parametrize(
    ("indexes", "types", "expected"),
    [
        ((2,), (), [2]),
        ((), ("URL",), [1]),
        ((2,), ("URL",), [1, 2]),
        ((), ("DESC.",), [2]),
        ((1, 2, 9), (), [1, 2]),
    ],
)
async def test_some_values(indexes: tuple[int, ...], types: tuple[str, ...], expected: list[int]) -> None:
    """Indexes and types choose among the values."""
    answer = await ask(
        Source(url_value(), text_value(2, "DESC", "x")), ResolutionRequest(HANDLE, indexes, types)
    )
    assert isinstance(answer.body, ResolutionResponse)
    assert [value.index for value in answer.body.values] == expected


async def test_no_such_values() -> None:
    """A handle without the values that are asked for says so."""
    answer = await ask(Source(url_value()), ResolutionRequest(HANDLE, (9,), ("EMAIL",)))
    assert answer.code is ResponseCode.VALUES_NOT_FOUND


@pytest.mark.parametrize(
    ("flags", "conditions"),
    [
        (OpFlag.PUBLIC_ONLY, (False, False, True)),
        (OpFlag.AUTHORITATIVE | OpFlag.PUBLIC_ONLY, (True, False, True)),
        (OpFlag.CERTIFIED | OpFlag.PUBLIC_ONLY, (False, True, True)),
        (OpFlag(0), (False, False, False)),
    ],
)
async def test_conditions(flags: OpFlag, conditions: tuple[bool, bool, bool]) -> None:
    """The flags of the request are the conditions of the lookup."""
    source = Source()
    await ask(source, flags=flags)
    names = ("authoritative", "certified", "public_only")
    assert source.conditions == dict(zip(names, conditions, strict=True))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HandleNotFoundError(HANDLE), 100),
        (ServiceNotFoundError(HANDLE, "10.1", "it is not registered"), 100),
        (InvalidHandleError("the service calls this handle invalid"), 102),
        (ClosingError("too much is going on"), 3),
        (TooManyRequestsError("the allowance is spent"), 3),
        (RefusedError(5, "no"), 5),
        (RefusedError(401, "no"), 401),
        (RefusedError(402, "who are you"), 406),
        (RefusedError(303, "elsewhere"), 2),
        (NoServerAnsweredError([]), 2),
        (LookupTimeoutError("8 s"), 2),
        (AliasError(["a"], "x"), 2),
    ],
)
async def test_trouble(error: ResolverError, code: int) -> None:
    """Each kind of trouble has its response code, and its message is passed on."""
    answer = await ask(Source(error=error))
    assert answer.code == code
    assert answer.body == ErrorResponse(str(error))


@pytest.mark.parametrize("handle", ["", "x" * 2049])
async def test_no_handle(handle: str) -> None:
    """What is no handle is not looked up."""
    octets = encode_message(
        Message(Envelope((2, 11), 1, 0), Header(OpCode.RESOLUTION), ResolutionRequest(handle))
    )
    assert (await post(octets)).code in (ResponseCode.INVALID_HANDLE, ResponseCode.PROTOCOL_ERROR)


async def test_too_large() -> None:
    """A record for which a message has no room is told of, and not sent cut."""
    answer = await ask(Source(*(text_value(number, "DESC", "d" * 60_000) for number in range(5))))
    assert answer.code is ResponseCode.ERROR
    assert isinstance(answer.body, ErrorResponse)
    assert "262144" in answer.body.message


# --- other questions -------------------------------------------------------------------------------------


async def test_site_info() -> None:
    """Who asks for the site is told of this listener, by HTTP."""
    answer = await ask(body=SiteInfoRequest(), opcode=OpCode.GET_SITE_INFO)
    assert isinstance(answer.body, SiteInfoResponse)
    (server,) = answer.body.site.servers
    interface = server.query_interface(Transport.HTTP)
    assert interface is not None
    assert (str(server.ip), interface.port) == ("192.0.2.7", 8000)


@pytest.mark.parametrize(
    "sockname", [None, "/run/resolver.sock", ("::", 8000, 0, 0), ("fe80::1%eth0", 80, 0, 2)]
)
async def test_site_info_of_a_strange_listener(sockname: Any) -> None:
    """Whatever listens, the question has an answer."""
    answer = await ask(body=SiteInfoRequest(), opcode=OpCode.GET_SITE_INFO, sockname=sockname)
    assert isinstance(answer.body, SiteInfoResponse)


@pytest.mark.parametrize("opcode", [100, 101, 105, 200, 400, 1000, 777])
async def test_administration(opcode: int) -> None:
    """Nothing is administered here: every other operation is not supported."""
    answer = await ask(body=OtherBody(b"\0\0\0\0"), opcode=OpCode(opcode))
    assert answer.code is ResponseCode.OPERATION_NOT_SUPPORTED


@given(st.binary(max_size=200))
async def test_garbage(octets: bytes) -> None:
    """Garbage is answered too, by a message that names no request."""
    answer = await post(octets)
    assert (answer.code, answer.envelope.request_id) == (ResponseCode.PROTOCOL_ERROR, UNREADABLE_REQUEST_ID)
