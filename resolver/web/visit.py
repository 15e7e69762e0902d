"""One request while it is answered: what has been read of it, and under what it will be counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from resolver.answer.negotiation import Requester
from resolver.config import Network
from resolver.model.site import IPAddress
from resolver.web.clients import Origin, read_origin, read_visitor_address
from resolver.web.parse import BadRequestError, Parameters, parameters_from_json

__all__ = ["Visit", "read_body"]


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
    asked: str | None = None
    """The handle, once it has been read."""
    query_text: str = ""
    """What followed the question mark, as it came."""
    parameters: Parameters = field(default_factory=Parameters)

    @property
    def changes_nothing(self) -> bool:
        """Whether the method is GET or HEAD."""
        return self.request.method in ("GET", "HEAD")

    @property
    def origin(self) -> Origin:
        """How the visitor reached us."""
        request = self.request
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
    def speaks_old_http(self) -> bool:
        """Whether the visitor's program knows only the redirects of HTTP/1.0."""
        return self.request.version < (1, 1)


async def read_body(request: web.Request) -> Parameters:
    """Read the parameters in the body of a POST: a form of either kind, or a JSON object.

    Raises:
        BadRequestError: the body is not what its type says.
    """
    try:
        if request.content_type == "application/json":
            return parameters_from_json(json.loads(await request.read() or b"{}"))
        form: Any = await request.post()
    except (ValueError, UnicodeDecodeError, LookupError, RecursionError) as error:
        raise BadRequestError("the body of the request cannot be read") from error
    return Parameters((name, value) for name, value in form.items() if isinstance(value, str))
