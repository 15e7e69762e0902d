"""The bodies of messages: which class one is follows from opcode and response code alone (RFC 3652 section 3)."""

from __future__ import annotations

from msgspec import Struct

from resolver.errors import MessageFormatError
from resolver.model.handle import MAX_HANDLE_OCTETS
from resolver.model.record import HandleValue
from resolver.model.site import Site
from resolver.protocol.codes import OpCode, ResponseCode
from resolver.protocol.sites import decode_site, encode_site
from resolver.protocol.values import SMALLEST_VALUE, encode_value, read_value
from resolver.protocol.wire import Cursor, write_bytes, write_list, write_text, write_u32

__all__ = [
    "Body",
    "ChallengeResponse",
    "ErrorResponse",
    "OtherBody",
    "ReferralResponse",
    "ResolutionRequest",
    "ResolutionResponse",
    "SiteInfoRequest",
    "SiteInfoResponse",
    "read_body",
    "write_body",
]


class ResolutionRequest(Struct, frozen=True):
    """Asks for the values of a handle; empty lists restrict nothing."""

    handle: str
    indexes: tuple[int, ...] = ()
    types: tuple[str, ...] = ()


class SiteInfoRequest(Struct, frozen=True):
    """Asks a server for its site record; the handle means nothing."""

    handle: str = "/"


class ResolutionResponse(Struct, frozen=True):
    """The values of a handle."""

    handle: str
    values: tuple[HandleValue, ...]


class SiteInfoResponse(Struct, frozen=True):
    """The site record of the server that answers."""

    site: Site


class ErrorResponse(Struct, frozen=True):
    """Any response that is neither success, referral nor challenge."""

    message: str = ""
    indexes: tuple[int, ...] | None = None


class ReferralResponse(Struct, frozen=True):
    """Says who to ask instead: by a handle, by values that hold sites, or both."""

    handle: str = ""
    values: tuple[HandleValue, ...] | None = None


class ChallengeResponse(Struct, frozen=True):
    """Asks the client to authenticate; an anonymous resolver cannot."""

    nonce: bytes


class OtherBody(Struct, frozen=True):
    """The body of an operation that a resolver has no part in."""

    octets: bytes


_TWO_EMPTY_LISTS = bytes(8)

Body = (
    ResolutionRequest
    | SiteInfoRequest
    | ResolutionResponse
    | SiteInfoResponse
    | ErrorResponse
    | ReferralResponse
    | ChallengeResponse
    | OtherBody
)


def read_body(cursor: Cursor, opcode: OpCode, code: ResponseCode) -> Body:
    """Read a body from ``cursor``, whose end is the end of the body.

    Args:
        cursor: stands behind the request digest, if there is one.
        opcode: of the header.
        code: what the response code means coming from a peer of this version.

    Raises:
        MessageFormatError: the octets do not hold what the codes announce.
    """
    match code:
        case ResponseCode.NONE:
            return _read_request(cursor, opcode)
        case ResponseCode.SUCCESS:
            return _read_success(cursor, opcode)
        case ResponseCode.SERVICE_REFERRAL | ResponseCode.PREFIX_REFERRAL:
            handle = cursor.text(MAX_HANDLE_OCTETS)
            return ReferralResponse(
                handle, cursor.list_of(read_value, SMALLEST_VALUE) if cursor.remaining else None
            )
        case ResponseCode.AUTHENTICATION_NEEDED:
            return ChallengeResponse(cursor.octets())
        case _:
            return _read_error(cursor)


def _read_request(cursor: Cursor, opcode: OpCode) -> Body:
    match opcode:
        case OpCode.RESOLUTION:
            return ResolutionRequest(
                handle=cursor.text(MAX_HANDLE_OCTETS),
                indexes=cursor.list_of(Cursor.i32, 4),
                types=cursor.list_of(Cursor.text, 4),
            )
        case OpCode.GET_SITE_INFO:
            return SiteInfoRequest(cursor.text(MAX_HANDLE_OCTETS))
        case _:
            return OtherBody(cursor.take(cursor.remaining))


def _read_success(cursor: Cursor, opcode: OpCode) -> Body:
    if not opcode.is_known:
        raise MessageFormatError(f"success of the unknown operation {int(opcode)}")
    match opcode:
        case OpCode.RESOLUTION:
            handle = cursor.text(MAX_HANDLE_OCTETS)
            # Deployed software ignores octets after the last value.
            return ResolutionResponse(handle, cursor.list_of(read_value, SMALLEST_VALUE))
        case OpCode.GET_SITE_INFO:
            return SiteInfoResponse(decode_site(cursor.take(cursor.remaining)))
        case _:
            return OtherBody(cursor.take(cursor.remaining))


def _read_error(cursor: Cursor) -> ErrorResponse:
    if not cursor.remaining:
        return ErrorResponse()  # protocol 2.0 may leave the text out altogether
    message = cursor.text()
    return ErrorResponse(message, cursor.list_of(Cursor.i32, 4) if cursor.remaining else None)


def write_body(body: Body) -> bytes:
    """Write a body."""
    match body:
        case ResolutionRequest(handle, (), ()):
            return write_text(handle) + _TWO_EMPTY_LISTS
        case ResolutionRequest(handle, indexes, types):
            return (
                write_text(handle) + write_list(map(write_u32, indexes)) + write_list(map(write_text, types))
            )
        case SiteInfoRequest(handle):
            return write_text(handle)
        case ResolutionResponse(handle, values):
            return write_text(handle) + write_list(map(encode_value, values))
        case SiteInfoResponse(site):
            return encode_site(site)
        case ErrorResponse(text, None):
            return write_text(text)
        case ErrorResponse(text, indexes):
            return write_text(text) + write_list(map(write_u32, indexes or ()))
        case ReferralResponse(handle, None):
            return write_text(handle)
        case ReferralResponse(handle, values):
            return write_text(handle) + write_list(map(encode_value, values or ()))
        case ChallengeResponse(nonce):
            return write_bytes(nonce)
        case OtherBody(octets):
            return octets
