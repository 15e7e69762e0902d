"""Handles for scripts: records as JSON, in the form of the deployed REST API."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from msgspec.structs import replace

from resolver.answer.links import signposts, write_links
from resolver.answer.record_json import record_json
from resolver.model.record import select_values
from resolver.resolution.service import Resolved
from resolver.web.conditional import unless_known
from resolver.web.identifiers import citation_url, encode_handle
from resolver.web.lookups import Lookups
from resolver.web.parse import HandleQuery
from resolver.web.render import Caching, Renderer
from resolver.web.verification import verdict_json
from resolver.web.visit import Visit

__all__ = ["Api"]


class Api:
    """Answers for scripts."""

    def __init__(self, lookups: Lookups, renderer: Renderer, *, max_age_s: float) -> None:
        self._lookups = lookups
        self._renderer = renderer
        self._max_age_s = max_age_s

    async def record(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer with the values of a record; aliases are not followed.

        Raises:
            ResolverError: there is no answer.
        """
        visit.endpoint = "api"
        visit.for_scripts = True
        resolved, shown = await self.describe(query)
        visit.code = shown["responseCode"]
        expires_at = None if query.authoritative else resolved.expires_at
        text = query.handle.text
        response = self._renderer.json(
            shown,
            Caching(expires_at, self._max_age_s, resolved.stale),
            pretty=query.pretty,
            callback=query.callback,
            headers={
                "Link": write_links(signposts(self._renderer.root, encode_handle(text)), citation_url(text))
            },
        )
        return unless_known(visit.request, response)

    async def describe(self, query: HandleQuery) -> tuple[Resolved, dict[str, Any]]:
        """Return what is known of a handle, and the members of the answer that say so.

        Raises:
            ResolverError: there is no answer.
        """
        resolved = await self._lookups.resolve(query.handle, query)
        values = select_values(resolved.record.values, query.preferences.types, query.preferences.indexes)
        more: dict[str, Any] = {}
        if resolved.stale:
            more["stale"] = True
        if resolved.namespace is not None and resolved.namespace.is_inactive:
            more["namespaceStatus"] = resolved.namespace.status
        if query.wants_report:
            verdict = await self._lookups.judge(resolved.record)
            more["verification"] = verdict_json(verdict, resolved.answered_by)
            if verdict.is_trusted and verdict.not_after is not None:
                resolved = replace(resolved, expires_at=min(resolved.expires_at, verdict.not_after))
        return resolved, record_json(query.handle.text, values, **more)
