"""Answers that the visitor has already: ``ETag`` and 304 (RFC 9110 section 13)."""

from __future__ import annotations

import hashlib
import re

from aiohttp import web

__all__ = ["make_etag", "unless_known"]

_KEPT = frozenset(
    {
        *("cache-control", "expires", "vary", "etag", "link", "warning", "server"),
        *("access-control-allow-origin", "access-control-expose-headers"),
    }
)


def make_etag(content: bytes, *, weak: bool = False) -> str:
    """Return a tag that changes whenever ``content`` does."""
    digest = hashlib.sha256(content).hexdigest()[:24]
    return f'W/"{digest}"' if weak else f'"{digest}"'


def unless_known(request: web.Request, response: web.Response, etag: str | None = None) -> web.Response:
    """Return ``response`` with its tag, or 304 if the request names it.

    Args:
        request: may say in ``If-None-Match`` what the visitor has.
        response: with its whole body.
        etag: by default one that changes with any octet of the body.
    """
    if etag is None:
        etag = make_etag(response.body if isinstance(response.body, bytes) else b"")
    response.headers["ETag"] = etag
    if request.method not in ("GET", "HEAD") or not _is_known(request, etag):
        return response
    kept = {name: value for name, value in response.headers.items() if name.lower() in _KEPT}
    return web.Response(status=304, headers=kept)


def _is_known(request: web.Request, etag: str) -> bool:
    known = ", ".join(request.headers.getall("If-None-Match", []))
    # Weak comparison: proxies that compress make tags weak, and the same answer is meant.
    return known.strip() == "*" or etag.removeprefix("W/") in re.findall(r'"[^"]*"', known)
