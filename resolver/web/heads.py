"""The head of a response as the server sends it, for those who send responses themselves."""

from __future__ import annotations

import re

from aiohttp import web

__all__ = ["write_head"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def write_head(response: web.Response, *, lifetime: str, request_id: str, length: str, date: str) -> str:
    """Return the head of a response that anybody may keep, with the blank line behind it.

    Args:
        response: whole, but for the headers that are added on sending.
        lifetime: what follows ``max-age=``, with the line ``Expires`` after it.
        request_id: of the request.
        length: of the body, in octets.
        date: of the response.

    Raises:
        ValueError: a header is there twice, or holds what would end it.
    """
    headers = dict(response.headers)
    if len(headers) != len(response.headers) or _CONTROLS.search("".join(headers.values())):
        raise ValueError("repeated or malformed headers")
    del headers["Expires"]
    headers |= {"Cache-Control": f"public, max-age={lifetime}", "X-Request-ID": request_id}
    headers |= {"Content-Length": length, "Date": date}
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
