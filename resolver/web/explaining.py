"""How a handle is resolved, told step by step: ``?action=explain`` for people, ``/api/explain/`` for programs.

The handle and its prefix are looked up anew, as if nothing were known of them, so that there is something to
see. Nothing of the handle is remembered, and no other visitor gets any of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from aiohttp import web
from msgspec.structs import replace

from resolver.answer.choose import NotAcceptable, Redirect, alias_of, choose_answer
from resolver.answer.explain import Weighed, weigh_places
from resolver.answer.preferences import Action
from resolver.answer.tombstone import find_listed, tombstone_of
from resolver.answer.visible import visible_text
from resolver.cache.tiers import Cached
from resolver.errors import (
    ClosingError,
    HandleNotFoundError,
    ResolverError,
    TooManyRequestsError,
    UpstreamError,
)
from resolver.model.handle import Handle
from resolver.phrases import phrase
from resolver.resolution.aliases import Followed, follow_aliases
from resolver.resolution.service import Resolved
from resolver.resolution.trace import Trace, TraceEntry
from resolver.web.contact import find_contact
from resolver.web.explanation import (
    MAX_SITES,
    Decision,
    Explanation,
    SiteView,
    describe_memory,
    explanation_json,
    removed_from,
    view_site,
)
from resolver.web.finding import Finder, Found
from resolver.web.handle_pages import HandlePages
from resolver.web.lookups import Lookups
from resolver.web.parse import HandleQuery
from resolver.web.problems import NamespaceInactiveError, NotAcceptableError, problem_of
from resolver.web.render import Caching, Renderer
from resolver.web.visit import Visit
from resolver.web.waterfall import draw_waterfall

__all__ = ["Explainer"]

REGISTRY_PATIENCE_S = 2.0
"""What is known of the prefix is enough to go on with."""

_NOT_KEPT = Caching(None, 0)


class Explainer:
    """Explains, on one host."""

    def __init__(
        self,
        lookups: Lookups,
        finder: Finder,
        pages: HandlePages,
        renderer: Renderer,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._lookups = lookups
        self._finder = finder
        self._pages = pages
        self._renderer = renderer
        self._clock = clock

    async def page(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer with a page; that a handle cannot be resolved is an explanation as well.

        Raises:
            ClosingError: there is no room for a lookup.
            TooManyRequestsError: the visitor has had enough of them.
        """
        visit.endpoint = "explain"
        explanation = await self._explain(visit, query)
        view = {"it": explanation, "picture": draw_waterfall(explanation.steps)}
        return self._renderer.page("explain.html", view, _NOT_KEPT, reader=visit.reader)

    async def json(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer with JSON.

        Raises:
            ClosingError, TooManyRequestsError: as ``page`` does.
        """
        visit.endpoint = "explain"
        explanation = await self._explain(visit, query)
        return self._renderer.json(explanation_json(explanation), _NOT_KEPT, pretty=query.pretty)

    # --- finding out -------------------------------------------------------------------------------------

    async def _explain(self, visit: Visit, query: HandleQuery) -> Explanation:
        handle, trace = query.handle, Trace()
        memory = describe_memory(await self._lookups.resolver.remembered(handle), self._clock())
        path = visit.request.raw_path.partition("?")[0]
        weighed: tuple[Weighed, ...] = ()
        chain: tuple[str, ...] = ()
        final, values, problem = handle, None, None
        asked = replace(query, preferences=replace(query.preferences, action=Action.REDIRECT))
        try:
            await self._ask_registry(asked, trace)
            followed = await self._follow(asked, trace)
            final, chain = followed.handle, tuple(visible_text(link.text) for link in followed.chain)
            values = len(followed.resolved.record.values)
            found = await self._finder.find(asked, followed, with_extras=True)
            decision, weighed = self._decide(visit, asked, found)
        except (ClosingError, TooManyRequestsError):
            raise  # that says something about us, and nothing about the handle
        except ResolverError as error:
            problem = problem_of(error)
            decision = Decision("problem", problem.status, problem.what)
        return Explanation(
            received=visible_text(path),
            removed=removed_from(path, handle.text),
            handle=handle,
            final=final,
            memory=memory,
            steps=_worth_telling(trace.entries),
            sites=await self._sites(final, trace),
            aliases=chain,
            values=values,
            contact=await find_contact(self._lookups.resolver, final.text),
            weighed=weighed,
            decision=decision,
            problem=problem,
        )

    async def _ask_registry(self, query: HandleQuery, trace: Trace) -> None:
        """Ask anew for the record of the prefix, if it is known so well that the lookup would not."""
        prefix = query.handle.prefix_handle
        self._lookups.check_prefix(query.handle)
        known = await self._lookups.resolver.remembered(prefix)
        if not query.handle.is_prefix_handle and isinstance(known, Cached) and known.freshness == "fresh":
            with contextlib.suppress(HandleNotFoundError, UpstreamError, TimeoutError):
                async with asyncio.timeout(REGISTRY_PATIENCE_S):
                    await self._lookups.look_anew(prefix, query, trace)

    async def _follow(self, query: HandleQuery, trace: Trace) -> Followed:
        async def resolve(handle: Handle) -> Resolved:
            return await self._lookups.look_anew(handle, query, trace)

        followed = await follow_aliases(
            query.handle,
            resolve,
            lambda record: None if query.ignore_aliases else alias_of(record, query.preferences),
        )
        namespace = followed.resolved.namespace
        if namespace is not None and namespace.is_inactive:
            raise NamespaceInactiveError(namespace)
        return followed

    def _decide(self, visit: Visit, query: HandleQuery, found: Found) -> tuple[Decision, tuple[Weighed, ...]]:
        policy = self._pages.policy
        answer = choose_answer(
            found.record,
            query.preferences,
            extras=found.extras,
            circumstances=self._pages.circumstances(visit, query),
            chance=self._pages.chance,
            schemes=policy.schemes,
        )
        weighed = weigh_places(found.record, found.values, found.own, found.extras, answer, policy.schemes)
        if not query.preferences.is_filtered:
            tombstone = tombstone_of(
                found.record, find_listed(found.handle, policy.tombstones), policy.schemes
            )
            if tombstone is not None:
                return Decision("gone", 410, phrase("The record says that the thing is gone.")), weighed
        match answer:
            case Redirect(target, status):
                return Decision("redirect", status, phrase("The visitor is sent on."), target.uri), weighed
            case NotAcceptable(offered, looked_at):
                refused = problem_of(NotAcceptableError(offered, looked_at))
                return Decision("problem", refused.status, refused.what), weighed
            case _:
                words = phrase("There is nowhere to go, so that the visitor sees the record.")
                return Decision("values", 200, words), weighed

    async def _sites(self, handle: Handle, trace: Trace) -> tuple[SiteView, ...]:
        try:
            self._lookups.check_prefix(handle)
            sites = await self._lookups.resolver.locate(handle)
        except ResolverError:
            return ()
        return tuple(view_site(site, handle, trace.entries) for site in sites[:MAX_SITES])


def _worth_telling(steps: Sequence[TraceEntry]) -> tuple[TraceEntry, ...]:
    """Leave out that something was remembered where it has been asked for as well."""
    asked = {step.handle for step in steps if step.server is not None}
    return tuple(step for step in steps if step.server is not None or step.handle not in asked)
