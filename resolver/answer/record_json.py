"""The JSON of the API: the members around the values, and how it is written (compatible with the deployed REST API)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from resolver.model.record import HandleValue
from resolver.protocol.codes import ResponseCode
from resolver.protocol.json_values import value_to_json

__all__ = ["error_json", "http_status_of", "record_json", "write_json"]

Json = Any

_HTTP_STATUS = {
    ResponseCode.SUCCESS: 200,
    ResponseCode.VALUES_NOT_FOUND: 200,
    ResponseCode.SERVER_BUSY: 503,
    ResponseCode.SERVER_BACKUP: 503,
    ResponseCode.PROTOCOL_ERROR: 400,
    ResponseCode.INVALID_HANDLE: 400,
    ResponseCode.INVALID_VALUE: 400,
    ResponseCode.OPERATION_NOT_SUPPORTED: 501,
    ResponseCode.HANDLE_NOT_FOUND: 404,
    ResponseCode.INVALID_ADMIN: 403,
    ResponseCode.INSUFFICIENT_PERMISSIONS: 403,
    ResponseCode.AUTHENTICATION_NEEDED: 401,
    ResponseCode.AUTHENTICATION_FAILED: 403,
    ResponseCode.INVALID_CREDENTIAL: 403,
}


def http_status_of(code: int) -> int:
    """Return the HTTP status with which a response code goes out; trouble of the upstream is 502."""
    return _HTTP_STATUS.get(ResponseCode(code), 502)


def record_json(handle: str, values: Sequence[HandleValue], **more: Json) -> dict[str, Json]:
    """Return the members of a successful answer, or of one where nothing matches, in their usual order."""
    if not values:
        return {"responseCode": int(ResponseCode.VALUES_NOT_FOUND), "values": [], "handle": handle, **more}
    return {
        "responseCode": int(ResponseCode.SUCCESS),
        "handle": handle,
        "values": [value_to_json(value) for value in values],
        **more,
    }


def error_json(code: int, message: str = "", handle: str | None = None) -> dict[str, Json]:
    """Return the members of an error."""
    shown: dict[str, Json] = {"responseCode": int(code)}
    if message:
        shown["message"] = message
    if handle is not None:
        shown["handle"] = handle
    return shown


def _plain_text(value: object) -> str:
    """Return a text that can be said in other languages as what it is in English."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_json(shown: Json, *, pretty: bool = False) -> bytes:
    """Write JSON without spaces, or indented by two.

    The two line separators that JavaScript once could not have in strings are escaped, as the deployed API
    does, so that the same octets serve for JSONP.
    """
    octets = msgspec.json.encode(shown, enc_hook=_plain_text)
    if pretty:
        octets = msgspec.json.format(octets, indent=2)
    if b"\xe2\x80" in octets:
        octets = octets.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return octets
