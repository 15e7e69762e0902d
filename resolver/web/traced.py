"""The span of each request that is answered with some work; see ``tracing.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from resolver.tracing import Tracing
from resolver.web.visit import ANSWERED

__all__ = ["traced"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def traced(tracing: Tracing) -> Any:
    """Return a middleware that makes a span of each request."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        with tracing.request(request.method, path, request.headers) as span:
            response = await handler(request)
            endpoint, handle = request.get(ANSWERED, ("", None))
            span.end(response.status, endpoint, handle)
            return response

    return trace
