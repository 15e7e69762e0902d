"""Every request of the public listener: read where it goes, have it answered, explain what went wrong, count it."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from resolver.answer.negotiation import prefers_json, read_weighted
from resolver.answer.preferences import Action
from resolver.answer.record_json import error_json
from resolver.config import Network
from resolver.errors import HandleNotFoundError, ResolverError
from resolver.model.handle import Handle
from resolver.protocol.codes import ResponseCode
from resolver.resolution.toll import pay_from
from resolver.telemetry import Metrics
from resolver.web.access_log import AccessLog
from resolver.web.admission import Admission, Refusal
from resolver.web.conditional import unless_known
from resolver.web.contact import find_contact
from resolver.web.draining import Draining
from resolver.web.fast_path import FastPath
from resolver.web.hosts import Host, Hosts
from resolver.web.native import is_native
from resolver.web.openapi import describe_api, operations_of
from resolver.web.parse import (
    ApiDescriptionRoute,
    ApiPageRoute,
    ApiRoute,
    BadRequestError,
    ExplainRoute,
    FormRoute,
    HandleRoute,
    HelpRoute,
    LinksetRoute,
    PrefixRoute,
    StaticRoute,
    UnknownApiRoute,
    WhichRoute,
    handle_of_form,
    read_parameters,
    read_query,
    read_route,
    split_target,
)
from resolver.web.problems import (
    PROBLEM_TYPE,
    Problem,
    internal_problem,
    outcome_of_status,
    problem_of,
    too_large_problem,
)
from resolver.web.render import Caching
from resolver.web.static import StaticFile
from resolver.web.suggestions import find_suggestion
from resolver.web.visit import ANSWERED, Visit, read_body

__all__ = ["Handlers"]

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_VERSIONS = ((1, 0), (1, 1))
_PREFLIGHT = {
    "Allow": ", ".join(METHODS),
    "Access-Control-Allow-Methods": ", ".join(METHODS),
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
    "Cache-Control": "public, max-age=86400",
}

# Read before the target is, since even one that cannot be read is explained to a script in JSON.
_BELOW_API = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?/api(?:[/?#]|$)")

STATIC_MAX_AGE_S = 86_400
PAGE_MAX_AGE_S = 300
NOT_FOUND_MAX_AGE_S = 30

_NO_STORE = Caching(None, 0)


class Handlers:
    """Answers every request of the public listener."""

    def __init__(
        self,
        hosts: Hosts,
        metrics: Metrics,
        static_files: dict[str, StaticFile],
        *,
        forgive: str,
        trusted_proxies: Sequence[Network],
        draining: Draining,
        clock: Callable[[], float],
        fast: FastPath,
        access_log: AccessLog | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission
        self._access_log = access_log
        self._fast = fast
        self._hosts = hosts
        self._metrics = metrics
        self._static_files = static_files
        self._forgive = forgive
        self._trusted_proxies = tuple(trusted_proxies)
        self._draining = draining
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, count it, and let nothing but an answer out."""
        visit = Visit(request, secrets.token_hex(8), self._trusted_proxies)
        started = time.perf_counter()
        status = 500
        response: web.StreamResponse | None = None
        self._metrics.began()
        try:
            watch = self._fast.watch()
            host = self._hosts.find(visit.origin.host)
            visit.looked_at_origin = False  # the fast path tells hosts apart itself
            response = await self._answer_or_explain(visit, host)
            self._fast.keep(visit, response, watch)
            response.headers.update(visit.passed.headers)
            response.headers["X-Request-ID"] = visit.request_id
            if self._draining.is_on:
                response.force_close()
            status = response.status
            return response
        finally:
            elapsed_s = time.perf_counter() - started
            request[ANSWERED] = visit.endpoint, visit.asked
            self._metrics.ended()
            if status == 503:
                self._metrics.refused("draining" if self._draining.is_on else "busy")
            self._metrics.answered_one(visit.endpoint, outcome_of_status(status), elapsed_s)
            if self._access_log is not None:
                self._access_log.note_visit(visit, response, self._clock(), elapsed_s)

    async def _answer_or_explain(self, visit: Visit, host: Host) -> web.StreamResponse:
        try:
            return await self._answer(visit, host)
        except HandleNotFoundError as error:
            return await self._explain_missing(visit, host, problem_of(error))
        except ResolverError as error:
            return await self._explain(visit, host, problem_of(error))
        except web.HTTPRequestEntityTooLarge:
            return await self._explain(visit, host, too_large_problem())
        except Exception:
            logger.exception(
                "request failed request_id=%s target=%r", visit.request_id, visit.request.raw_path
            )
            return await self._explain(visit, host, internal_problem())

    def _admit(self, visit: Visit) -> None:
        """Let the visitor in, on account of its address.

        Raises:
            TooManyRequestsError: it has asked for too much.
            BarredError: it is not served at all.
        """
        if self._admission is None:
            return
        decision = self._admission.admit(visit.request.remote, visit.request.headers)
        if isinstance(decision, Refusal):
            raise decision.error
        visit.passed = decision
        # Each request has a task of its own, with which this ends.
        pay_from(decision.account)

    async def _answer(self, visit: Visit, host: Host) -> web.StreamResponse:
        request = visit.request
        if request.method == "OPTIONS":
            visit.endpoint = "static"
            return host.renderer.empty(204, _PREFLIGHT)
        visit.for_scripts = _BELOW_API.match(request.raw_path) is not None
        if visit.for_scripts:
            visit.endpoint = "api"
        self._admit(visit)
        if is_native(request):
            visit.endpoint = "api"
            return await host.gateway.answer(request)
        if request.version not in _VERSIONS:
            raise BadRequestError("only HTTP/1.0 and HTTP/1.1 are spoken here", status=505)
        path, visit.query_text = split_target(request.raw_path)
        if request.method not in METHODS:
            raise BadRequestError(f"method {request.method} is not for resolving", status=405)
        again = await self._fast.again(visit)
        if again is not None:
            return again
        own_hosts = _own_hosts(visit, host) if request.method == "POST" or _may_be_pasted(path) else ()
        route = read_route(path, own_hosts)
        visit.parameters = read_parameters(visit.query_text)
        if request.method == "POST":
            if route == ApiRoute(""):
                return await host.batches.answer(visit, {"X-Request-ID": visit.request_id}, self._note_one)
            visit.parameters |= await read_body(request)
        typed = visit.parameters.first("hdl") if request.method == "POST" else None
        match route:
            case HandleRoute(text):
                return await self._handle(visit, host, text)
            case FormRoute() if typed is not None:
                visit.query_text = ""
                return await self._handle(visit, host, handle_of_form(typed, own_hosts))
            case ApiRoute(text):
                query = read_query(text, visit.parameters, for_api=True)
                visit.asked = query.handle.text
                return await host.api.record(visit, query)
            case LinksetRoute(text):
                query = read_query(text, visit.parameters, for_api=False)
                visit.asked = query.handle.text
                return await host.linksets.answer(visit, query)
            case ExplainRoute(text):
                query = read_query(text, visit.parameters, for_api=False, shortcuts=host.locatt_shortcuts)
                visit.asked = query.handle.text
                return await host.explainer.json(visit, query)
            case PrefixRoute(text):
                return await host.services.prefix(visit, text)
            case WhichRoute(texts):
                return await host.services.which(visit, texts)
            case ApiPageRoute():
                visit.endpoint, visit.for_scripts = "static", False
                shown = describe_api(host.renderer.version, host.renderer.root)
                return self._page(visit, host, "api.html", api=shown, operations=operations_of(shown))
            case ApiDescriptionRoute():
                visit.endpoint = "static"
                return self._description(request, host)
            case UnknownApiRoute(unknown):
                message = f"there is no {unknown} here; records are below /api/handles/"
                raise BadRequestError(message, status=404, code=ResponseCode.ERROR)
            case FormRoute():
                visit.endpoint = "form"
                typed = "".join(filter(str.isprintable, visit.parameters.first("hdl") or ""))
                return self._page(visit, host, "form.html", asked=typed)
            case HelpRoute():
                visit.endpoint = "static"
                return self._page(visit, host, "help.html")
            case StaticRoute(name):
                visit.endpoint = "static"
                return self._static(request, host, name)

    def _note_one(self, visit: Visit, handle: str, code: int, elapsed_s: float) -> None:
        """Write down what became of one handle among several."""
        if self._access_log is not None:
            self._access_log.note_one(visit, handle, code, self._clock(), elapsed_s)

    async def _handle(self, visit: Visit, host: Host, text: str) -> web.Response:
        query = read_query(text, visit.parameters, for_api=False, shortcuts=host.locatt_shortcuts)
        visit.asked = query.handle.text
        if query.preferences.action is Action.API:
            return await host.api.record(visit, query)
        if query.preferences.action is Action.EXPLAIN:
            return await host.explainer.page(visit, query)
        return await host.pages.answer(visit, query)

    # --- other pages -------------------------------------------------------------------------------------

    def _page(self, visit: Visit, host: Host, template: str, **view: Any) -> web.Response:
        caching = Caching(self._clock() + PAGE_MAX_AGE_S, PAGE_MAX_AGE_S)
        return host.renderer.page(template, view, caching, reader=visit.reader)

    def _description(self, request: web.Request, host: Host) -> web.Response:
        shown = describe_api(host.renderer.version, host.renderer.root)
        caching = Caching(self._clock() + PAGE_MAX_AGE_S, PAGE_MAX_AGE_S)
        return unless_known(request, host.renderer.json(shown, caching))

    def _static(self, request: web.Request, host: Host, name: str) -> web.Response:
        file = self._static_files.get(name)
        if file is None:
            raise BadRequestError("there is no such file", status=404, code=ResponseCode.HANDLE_NOT_FOUND)
        now = self._clock()
        headers = Caching(now + STATIC_MAX_AGE_S, STATIC_MAX_AGE_S).headers(now)
        response = host.renderer.empty(200, {**headers, "Content-Type": file.content_type})
        response.body = file.content
        return unless_known(request, response, file.etag)

    # --- no answer ---------------------------------------------------------------------------------------

    async def _explain_missing(self, visit: Visit, host: Host, problem: Problem) -> web.Response:
        """Say that there is no such handle, and which one may have been meant."""
        suggestion = None
        if self._forgive != "off" and visit.asked and not visit.for_scripts:
            suggestion = await find_suggestion(host.lookups, visit.asked)
        if suggestion is not None and self._forgive == "redirect" and visit.changes_nothing:
            return host.renderer.redirect(302, host.pages.own_url(visit, suggestion), _NO_STORE)
        return await self._explain(visit, host, problem, suggestion)

    async def _explain(
        self, visit: Visit, host: Host, problem: Problem, suggestion: Handle | None = None
    ) -> web.Response:
        visit.code = problem.code
        caching = _NO_STORE
        if problem.status == 404 and not visit.parameters.flag("auth"):
            caching = Caching(self._clock() + NOT_FOUND_MAX_AGE_S, host.max_age_s)
        caching = caching.varying("Accept")
        headers = {"Allow": ", ".join(METHODS)} if problem.status == 405 else {}
        if visit.for_scripts:
            if _accepts_problems(visit):
                return host.renderer.problem_json(problem, caching, asked=visit.asked, headers=headers)
            shown = error_json(problem.code, problem.what, visit.asked)
            headers |= dict(problem.headers)
            return host.renderer.json(shown, caching, status=problem.status, headers=headers)
        if prefers_json(visit.requester):
            more = {"suggestion": suggestion.text if suggestion else None, "requestId": visit.request_id}
            return host.renderer.problem_json(problem, caching, asked=visit.asked, headers=headers, **more)
        contact = ""
        if problem.is_about_handle and visit.asked:
            contact = await find_contact(host.lookups.resolver, visit.asked)
        view = {
            "asked": visit.asked or "",
            "request_id": visit.request_id,
            "prefix_contact": contact,
            "suggestion": suggestion.text if suggestion else None,
        }
        return host.renderer.problem_page(problem, view, caching, headers, reader=visit.reader)


def _may_be_pasted(path: str) -> bool:
    """Whether a path may hold the URL of a resolver, ours for instance: all have a colon."""
    return ":" in path or "%3a" in path.lower()


def _own_hosts(visit: Visit, host: Host) -> tuple[str, ...]:
    origin = visit.origin
    base = host.renderer.base_url(origin.scheme, origin.host)
    return (base.partition("://")[2],) if base else ()


def _accepts_problems(visit: Visit) -> bool:
    return PROBLEM_TYPE in read_weighted(visit.requester.accept)
