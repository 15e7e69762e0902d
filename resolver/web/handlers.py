"""One request from top to bottom: read what is asked, ask the resolver, choose the answer, render it."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy

from resolver.answer.choose import JsonRecord, Listing, Redirect, alias_of, choose_answer
from resolver.answer.listing import describe_day, describe_duration, show_value
from resolver.answer.preferences import Action
from resolver.answer.record_json import error_json, record_json
from resolver.config import Network
from resolver.errors import ResolverError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.namespace import Namespace
from resolver.protocol.codes import ResponseCode
from resolver.protocol.namespaces import namespace_of
from resolver.protocol.text import strict_text
from resolver.resolution.aliases import Followed, follow_aliases
from resolver.resolution.service import Resolved, Resolver
from resolver.telemetry import Metrics
from resolver.web.clients import Origin, read_origin
from resolver.web.draining import Draining
from resolver.web.identifiers import encode_handle
from resolver.web.parse import (
    ApiRoute,
    BadRequestError,
    FormRoute,
    HandleQuery,
    HandleRoute,
    HelpRoute,
    Parameters,
    StaticRoute,
    UnknownApiRoute,
    handle_of_form,
    parameters_from_json,
    read_parameters,
    read_query,
    read_route,
    split_target,
)
from resolver.web.problems import Problem, internal_problem, outcome_of_status, problem_of
from resolver.web.render import Caching, Renderer
from resolver.web.static import StaticFile

__all__ = ["Handlers"]

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_PREFLIGHT = {
    "Allow": ", ".join(METHODS),
    "Access-Control-Allow-Methods": ", ".join(METHODS),
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
    "Cache-Control": "public, max-age=86400",
}

CONTACT_PATIENCE_S = 0.3
"""How long an error page waits for the address of whoever can help."""

STATIC_MAX_AGE_S = 86_400
NOT_FOUND_MAX_AGE_S = 30
MAX_CONTACT_LENGTH = 200

_NO_STORE = Caching(None, 0)


@dataclass(slots=True)
class _Visit:
    """What is known of a request while it is answered."""

    request: web.Request
    request_id: str
    endpoint: str = "redirect"
    """The label under which it is counted."""
    for_scripts: bool = False
    """Whether errors go out as JSON."""
    asked: str | None = None
    """The handle, once it has been read."""


class Handlers:
    """Answers every request of the public listener."""

    def __init__(
        self,
        resolver: Resolver,
        renderer: Renderer,
        metrics: Metrics,
        static_files: dict[str, StaticFile],
        *,
        max_age_s: float,
        schemes: frozenset[str],
        trusted_proxies: Sequence[Network],
        draining: Draining,
        clock: Callable[[], float],
    ) -> None:
        self._resolver = resolver
        self._renderer = renderer
        self._metrics = metrics
        self._static_files = static_files
        self._max_age_s = max_age_s
        self._schemes = schemes
        self._trusted_proxies = tuple(trusted_proxies)
        self._draining = draining
        self._clock = clock

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request, count it, and let nothing but an answer out."""
        visit = _Visit(request, secrets.token_hex(8))
        started = time.perf_counter()
        status = 500
        self._metrics.in_flight.inc()
        try:
            response = await self._answer_or_explain(visit)
            response.headers["X-Request-ID"] = visit.request_id
            if self._draining.is_on:
                response.force_close()
            status = response.status
            return response
        finally:
            self._metrics.in_flight.dec()
            self._metrics.requests.labels(visit.endpoint, outcome_of_status(status)).inc()
            self._metrics.request_seconds.labels(visit.endpoint).observe(time.perf_counter() - started)

    async def _answer_or_explain(self, visit: _Visit) -> web.Response:
        try:
            return await self._answer(visit)
        except ResolverError as error:
            return await self._explain(visit, problem_of(error))
        except web.HTTPRequestEntityTooLarge:
            problem = Problem(
                413,
                ResponseCode.PROTOCOL_ERROR,
                "The request is too large",
                "Its body is longer than is read.",
            )
            return await self._explain(visit, problem)
        except Exception:
            logger.exception(
                "request failed request_id=%s target=%r", visit.request_id, visit.request.raw_path
            )
            return await self._explain(visit, internal_problem())

    async def _answer(self, visit: _Visit) -> web.Response:
        request = visit.request
        if request.method == "OPTIONS":
            visit.endpoint = "static"
            return self._renderer.empty(204, _PREFLIGHT)
        path, query_text = split_target(request.raw_path)
        visit.for_scripts = path.startswith("/api")
        if visit.for_scripts:
            visit.endpoint = "api"
        if request.method not in METHODS:
            raise BadRequestError(f"method {request.method} is not for resolving", status=405)
        route = read_route(path, self._own_hosts(request))
        parameters = read_parameters(query_text)
        if request.method == "POST":
            parameters |= await _read_body(request)
        match route:
            case HandleRoute(text):
                return await self._handle_page(visit, text, parameters, query_text)
            case ApiRoute(text):
                return await self._api(visit, read_query(text, parameters, for_api=True))
            case UnknownApiRoute(unknown):
                return self._json_error(
                    404, ResponseCode.ERROR, f"there is no {unknown} here; records are below /api/handles/"
                )
            case FormRoute() if request.method == "POST" and parameters.first("hdl") is not None:
                text = handle_of_form(parameters.first("hdl") or "", self._own_hosts(request))
                return await self._handle_page(visit, text, parameters, "")
            case FormRoute():
                visit.endpoint = "form"
                return self._page("form.html", {"asked": parameters.first("hdl") or ""})
            case HelpRoute():
                visit.endpoint = "static"
                return self._page("help.html", {})
            case StaticRoute(name):
                visit.endpoint = "static"
                return self._static(request, name)

    # --- handles -----------------------------------------------------------------------------------------

    async def _handle_page(
        self, visit: _Visit, text: str, parameters: Parameters, query_text: str
    ) -> web.Response:
        query = read_query(text, parameters, for_api=False)
        visit.asked = query.handle.text
        match query.preferences.action:
            case Action.API:
                visit.for_scripts = True
                return await self._api(visit, query)
            case Action.REDIRECT | Action.METADATA:
                visit.endpoint = "redirect"
            case _:
                visit.endpoint = "values"
        followed = await follow_aliases(
            query.handle,
            self._resolve_for(query),
            lambda record: None if query.ignore_aliases else alias_of(record, query.preferences),
        )
        caching = self._caching(query, followed.expires_at, stale=followed.stale)
        if followed.resolved.namespace is not None and followed.resolved.namespace.is_inactive:
            return await self._explain(visit, _inactive(followed.resolved.namespace), caching)
        redirecting = query.preferences.action in (Action.REDIRECT, Action.METADATA)
        if followed.chain and redirecting and visit.request.method in ("GET", "HEAD"):
            return self._renderer.redirect(
                301, self._own_url(visit.request, followed.handle, query_text), caching
            )
        match choose_answer(followed.resolved.record, query.preferences, self._schemes):
            case Redirect(target, status):
                shown = 200 if query.preferences.redirection_headers else status
                return self._renderer.redirect(shown, target.uri, caching)
            case Listing(values) | JsonRecord(values):
                visit.endpoint = "values"
                views = [show_value(value, self._schemes) for value in values]
                return self._renderer.page("values.html", self._listing_view(query, followed, views), caching)

    async def _api(self, visit: _Visit, query: HandleQuery) -> web.Response:
        visit.endpoint = "api"
        visit.asked = query.handle.text
        resolved = await self._resolve_for(query)(query.handle)
        answer = choose_answer(resolved.record, query.preferences, self._schemes)
        if not isinstance(answer, JsonRecord):
            raise TypeError(f"the API answers with JSON, not {answer!r}")
        more: dict[str, Any] = {}
        if resolved.stale:
            more["stale"] = True
        if resolved.namespace is not None and resolved.namespace.is_inactive:
            more["namespaceStatus"] = resolved.namespace.status
        return self._renderer.json(
            record_json(query.handle.text, answer.values, **more),
            self._caching(query, resolved.expires_at, stale=resolved.stale),
            pretty=query.pretty,
            callback=query.callback,
        )

    def _resolve_for(self, query: HandleQuery) -> Callable[[Handle], Awaitable[Resolved]]:
        return lambda handle: self._resolver.resolve(
            handle, authoritative=query.authoritative, public_only=query.public_only
        )

    def _caching(self, query: HandleQuery, expires_at: float, *, stale: bool) -> Caching:
        return _NO_STORE if query.authoritative else Caching(expires_at, self._max_age_s, stale)

    def _listing_view(self, query: HandleQuery, followed: Followed, views: Sequence[Any]) -> dict[str, Any]:
        resolved = followed.resolved
        now = self._clock()
        changed = max((value.timestamp for value in resolved.record.values), default=0)
        return {
            "handle": followed.handle,
            "values": views,
            "is_filtered": query.preferences.is_filtered,
            "total": len(resolved.record.values),
            "aliases": [alias.text for alias in followed.chain],
            "is_prefix": not followed.handle.has_slash,
            "citation_url": _citation_url(followed.handle),
            "changed": describe_day(changed) if changed > 0 else "",
            "answered_by": resolved.answered_by,
            "age": describe_duration(now - resolved.fetched_at),
            "is_stale": followed.stale,
        }

    # --- other pages -------------------------------------------------------------------------------------

    def _page(self, template: str, view: dict[str, Any]) -> web.Response:
        return self._renderer.page(template, view, Caching(self._clock() + STATIC_MAX_AGE_S, 300))

    def _static(self, request: web.Request, name: str) -> web.Response:
        file = self._static_files.get(name)
        if file is None:
            raise BadRequestError("there is no such file", status=404, code=ResponseCode.HANDLE_NOT_FOUND)
        caching = Caching(self._clock() + STATIC_MAX_AGE_S, STATIC_MAX_AGE_S)
        headers = {**caching.headers(self._clock()), "ETag": file.etag}
        if request.headers.get("If-None-Match") == file.etag:
            return self._renderer.empty(304, headers)
        response = self._renderer.empty(200, {**headers, "Content-Type": file.content_type})
        response.body = file.content
        return response

    # --- no answer ---------------------------------------------------------------------------------------

    async def _explain(self, visit: _Visit, problem: Problem, caching: Caching | None = None) -> web.Response:
        if caching is None:
            caching = _NO_STORE
            if problem.status == 404 and not read_parameters(visit.request.raw_path.partition("?")[2]).flag(
                "auth"
            ):
                caching = Caching(self._clock() + NOT_FOUND_MAX_AGE_S, self._max_age_s)
        headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
        if problem.status == 405:
            headers["Allow"] = ", ".join(METHODS)
        if visit.for_scripts:
            shown = error_json(problem.code, problem.what, visit.asked)
            return self._renderer.json(shown, caching, status=problem.status, headers=headers)
        contact = await self._contact_for(visit.asked) if problem.is_about_handle and visit.asked else ""
        view = {
            "asked": visit.asked or "",
            "request_id": visit.request_id,
            "prefix_contact": contact,
            "without_slash": _without_slash(visit.asked) if problem.status == 404 else None,
        }
        response = self._renderer.problem_page(problem, view, caching)
        response.headers.update(headers)
        return response

    async def _contact_for(self, asked: str) -> str:
        """Return the e-mail address of whoever is responsible for the prefix, if it can be had quickly."""
        try:
            async with asyncio.timeout(CONTACT_PATIENCE_S):
                resolved = await self._resolver.resolve(Handle.parse(asked).prefix_handle)
        except (ResolverError, TimeoutError):
            return ""
        namespace = namespace_of(resolved.record.values)
        candidates = [namespace.contact if namespace else ""]
        candidates += [
            strict_text(value.data) or ""
            for value in resolved.record.values
            if fold_ascii(value.type) == "EMAIL"
        ]
        return next(
            (text.strip() for text in candidates if "@" in text and len(text) <= MAX_CONTACT_LENGTH), ""
        )

    def _json_error(self, status: int, code: int, message: str) -> web.Response:
        return self._renderer.json(error_json(code, message), _NO_STORE, status=status)

    # --- our own address ---------------------------------------------------------------------------------

    def _origin(self, request: web.Request) -> Origin:
        return read_origin(request.remote, request.scheme, request.headers, self._trusted_proxies)

    def _own_hosts(self, request: web.Request) -> tuple[str, ...]:
        origin = self._origin(request)
        base = self._renderer.base_url(origin.scheme, origin.host)
        return (base.partition("://")[2],) if base else ()

    def _own_url(self, request: web.Request, handle: Handle, query_text: str) -> str:
        origin = self._origin(request)
        query = f"?{_header_safe(query_text)}" if query_text else ""
        return f"{self._renderer.base_url(origin.scheme, origin.host)}/{encode_handle(handle.text)}{query}"


async def _read_body(request: web.Request) -> Parameters:
    """Read the parameters in the body of a POST: a form of either kind, or a JSON object.

    Raises:
        BadRequestError: the body is not what its type says.
    """
    try:
        if request.content_type == "application/json":
            return parameters_from_json(json.loads(await request.read() or b"{}"))
        form: MultiDictProxy[Any] = await request.post()
    except (ValueError, UnicodeDecodeError, LookupError, RecursionError) as error:
        raise BadRequestError("the body of the request cannot be read") from error
    return Parameters((name, value) for name, value in form.items() if isinstance(value, str))


def _header_safe(query_text: str) -> str:
    octets = query_text.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if 0x20 < octet < 0x7F else f"%{octet:02X}" for octet in octets)


def _without_slash(asked: str | None) -> str | None:
    shorter = (asked or "").rstrip("/")
    return shorter if asked and shorter != asked and "/" in shorter else None


def _citation_url(handle: Handle) -> str:
    base = "https://doi.org/" if handle.text.startswith("10.") else "https://hdl.handle.net/"
    return base + encode_handle(handle.text)


def _inactive(namespace: Namespace) -> Problem:
    return Problem(
        404,
        ResponseCode.HANDLE_NOT_FOUND,
        "Inactive prefix",
        namespace.status_message or "The owner of this prefix has switched off its handles.",
        whose="The owner of the prefix has decided so.",
        is_about_handle=True,
    )
