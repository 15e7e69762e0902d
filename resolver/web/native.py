"""The native protocol as a service: messages in the body of POST requests, for clients behind firewalls.

Whoever makes this resolver the gateway of a native client gets the same answers as everybody else, out of the
same cache. Only resolution and site information are served; everything else is answered with code 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aiohttp import web

from resolver.errors import (
    ClosingError,
    HandleNotFoundError,
    InvalidHandleError,
    MessageFormatError,
    RefusedError,
    ResolverError,
    TooManyRequestsError,
)
from resolver.model.handle import Handle
from resolver.model.record import select_values
from resolver.model.site import HashOption, Interface, Server, ServiceType, Site, Transport, encode_address
from resolver.protocol.answering import answer_unreadable, build_answer, read_request
from resolver.protocol.bodies import (
    Body,
    ErrorResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import OpFlag, ResponseCode
from resolver.protocol.envelope import HIGHEST_VERSION
from resolver.protocol.message import Message, encode_message
from resolver.transport.http import MESSAGE_TYPE
from resolver.web.clients import read_address
from resolver.web.lookups import Lookups
from resolver.web.render import Caching, Renderer
from resolver.web.visit import within_time

__all__ = ["Gateway", "is_native"]


def is_native(request: web.Request) -> bool:
    """Whether a request brings a message of the native protocol and wants one back."""
    return request.method == "POST" and all(
        MESSAGE_TYPE in request.headers.get(name, "").lower() for name in ("Accept", "Content-Type")
    )


class Gateway:
    """Answers native messages."""

    def __init__(
        self, lookups: Lookups, renderer: Renderer, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._lookups = lookups
        self._renderer = renderer
        self._clock = clock

    async def answer(self, request: web.Request) -> web.Response:
        """Answer the message in the body of ``request``; whatever comes of it, the status is 200."""
        octets = await within_time(request.read())
        try:
            message = read_request(octets)
        except MessageFormatError as error:
            return self._response(answer_unreadable(str(error), self._clock()))
        code, body = await self._decide(message, request)
        answer = build_answer(octets, message, code, body, now=self._clock())
        try:
            return self._response(encode_message(answer))
        except MessageFormatError as error:  # larger than any message may be
            body = ErrorResponse(str(error))
            answer = build_answer(octets, message, ResponseCode.ERROR, body, now=self._clock())
            return self._response(encode_message(answer))

    def _response(self, octets: bytes) -> web.Response:
        return self._renderer.octets(octets, MESSAGE_TYPE, Caching(None, 0))

    async def _decide(self, message: Message, request: web.Request) -> tuple[ResponseCode, Body]:
        match message.body:
            case ResolutionRequest(handle, indexes, types):
                return await self._resolve(message.header.op_flags, handle, indexes, types)
            case SiteInfoRequest():
                return ResponseCode.SUCCESS, SiteInfoResponse(_own_site(request))
            case _:
                return ResponseCode.OPERATION_NOT_SUPPORTED, ErrorResponse("this server only resolves")

    async def _resolve(
        self, flags: OpFlag, asked: str, indexes: Sequence[int], types: Sequence[str]
    ) -> tuple[ResponseCode, Body]:
        try:
            handle = Handle.parse(asked)
            self._lookups.check_prefix(handle)
            resolved = await self._lookups.resolver.resolve(
                handle,
                authoritative=bool(flags & OpFlag.AUTHORITATIVE),
                certified=bool(flags & OpFlag.CERTIFIED),
                public_only=bool(flags & OpFlag.PUBLIC_ONLY),
            )
        except ResolverError as error:
            return _code_of(error), ErrorResponse(str(error))
        values = select_values(resolved.record.values, tuple(types), tuple(indexes))
        if not values:
            return ResponseCode.VALUES_NOT_FOUND, ErrorResponse()
        return ResponseCode.SUCCESS, ResolutionResponse(asked, values)


# Codes whose bodies hold something else than an error message.
_NO_ERRORS = frozenset(
    {ResponseCode.SUCCESS, ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL, ResponseCode.NONE}
)


def _code_of(error: ResolverError) -> ResponseCode:
    match error:
        case HandleNotFoundError():
            return ResponseCode.HANDLE_NOT_FOUND
        case InvalidHandleError():
            return ResponseCode.INVALID_HANDLE
        case ClosingError() | TooManyRequestsError():
            return ResponseCode.SERVER_BUSY
        case RefusedError(code=ResponseCode.AUTHENTICATION_NEEDED):
            return ResponseCode.AUTHENTICATION_ERROR  # a challenge for us, which the client could not answer
        case RefusedError(code=code) if code not in _NO_ERRORS:
            return ResponseCode(code)
        case _:
            return ResponseCode.ERROR


def _own_site(request: web.Request) -> Site:
    """Describe this listener as a site: where the request came in, by HTTP only."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    host, port = name[:2] if isinstance(name, tuple) else ("", 0)
    server = Server(
        1, encode_address(read_address(host)), b"", (Interface(ServiceType.QUERY, Transport.HTTP, port),)
    )
    return Site(
        format_version=1,
        protocol_version=HIGHEST_VERSION,
        serial_number=1,
        primary=False,
        multi_primary=False,
        hash_option=HashOption.BY_HANDLE,
        hash_filter="",
        attributes=(("desc", "handle-resolver gateway"),),
        servers=(server,),
    )
