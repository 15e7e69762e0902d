"""One request while it is answered: what has been read of it, and under what it will be counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from resolver.answer.negotiation import Requester
from resolver.config import Network
from resolver.model.site import IPAddress
from resolver.web.admission import FREE, Pass
from resolver.web.clients import Origin, read_origin, read_visitor_address
from resolver.web.languages import Reader
from resolver.web.parse import BadRequestError, Parameters, parameters_from_json, without_parameter

__all__ = ["ANSWERED", "Visit", "read_body", "within_time"]

Content = TypeVar("Content")

BODY_TIMEOUT_S = 10.0
"""How long a body may take to come; without this, an octet now and then would keep a request open for ever."""

# What the readers of bodies raise where a body is not what it says: wrong JSON, unknown character sets and
# transfer encodings, endless nesting, lines without end, chunks that do not fit.
_UNREADABLE = (ValueError, LookupError, RuntimeError, HttpProcessingError, web.RequestPayloadError)


@dataclass(slots=True)
class Visit:
    """A request."""

    request: web.Request
    request_id: str
    trusted_proxies: Sequence[Network]
    endpoint: str = "redirect"
    """The label under which it is counted."""
    for_scripts: bool = False
    """Whether errors go out as JSON."""
    passed: Pass = FREE
    """What the visitor may spend."""
    asked: str | None = None
    """The handle, once it has been read."""
    query_text: str = ""
    """What followed the question mark, as it came."""
    parameters: Parameters = field(default_factory=Parameters)
    code: int | None = None
    """The response code (RFC 3652 section 2.2.2.2), where the status does not tell it."""
    looked_at_origin: bool = False
    """Whether the answer depends on how the visitor reached us, beyond the host that answers."""

    @property
    def changes_nothing(self) -> bool:
        """Whether the method is GET or HEAD."""
        return self.request.method in ("GET", "HEAD")

    @property
    def origin(self) -> Origin:
        """How the visitor reached us."""
        request = self.request
        self.looked_at_origin = True
        return read_origin(request.remote, request.scheme, request.headers, self.trusted_proxies)

    @property
    def address(self) -> IPAddress | None:
        """Where the visitor is."""
        return read_visitor_address(self.request.remote, self.request.headers, self.trusted_proxies)

    @property
    def requester(self) -> Requester:
        """What the request says about who asks."""
        headers = self.request.headers
        return Requester(
            accept=", ".join(headers.getall("Accept", [])) if "Accept" in headers else None,
            accept_language=", ".join(headers.getall("Accept-Language", [])),
            user_agent=headers.get("User-Agent"),
        )

    @property
    def reader(self) -> Reader:
        """What the request says about the language of whoever reads the answer."""
        query = without_parameter(self.query_text, "lang") if self.changes_nothing else None
        return Reader(self.parameters.first("lang"), self.requester.accept_language, query)

    @property
    def speaks_old_http(self) -> bool:
        """Whether the visitor's program knows only the redirects of HTTP/1.0."""
        return self.request.version < (1, 1)


ANSWERED: web.RequestKey[tuple[str, str | None]] = web.RequestKey("answered", tuple)
"""Under which a request that was answered holds its endpoint and the handle it asked for.

Not the visit: each would hold the other, and all that hangs on them wait for the garbage collector.
"""


async def within_time(reading: Awaitable[Content]) -> Content:
    """Wait for a body, or part of one.

    Raises:
        BadRequestError: it does not come, or the visitor has left in the middle of it.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await reading
    except TimeoutError as error:
        raise BadRequestError("the body of the request does not come", status=408) from error
    except ConnectionError as error:  # no mistake of ours, and nobody is there to be told
        raise BadRequestError("the connection ended within the body of the request") from error


async def read_body(request: web.Request) -> Parameters:
    """Read the parameters in the body of a POST: a form of either kind, or a JSON object.

    Raises:
        BadRequestError: the body is not what its type says.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequestError("a body that is compressed is not read", status=415)
    try:
        if request.content_type == "application/json":
            return parameters_from_json(json.loads(await within_time(request.read()) or b"{}"))
        form: Any = await within_time(request.post())
    except _UNREADABLE as error:
        raise BadRequestError("the body of the request cannot be read") from error
    return Parameters((name, value) for name, value in form.items() if isinstance(value, str))
