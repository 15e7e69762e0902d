"""Handles for scripts: records as JSON, in the form of the deployed REST API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from resolver.answer.links import write_links
from resolver.answer.record_json import record_json
from resolver.model.record import select_values
from resolver.resolution.service import Resolver
from resolver.web.identifiers import citation_url
from resolver.web.parse import HandleQuery
from resolver.web.render import Caching, Renderer
from resolver.web.visit import Visit

__all__ = ["Api"]


class Api:
    """Answers for scripts."""

    def __init__(
        self, resolver: Resolver, renderer: Renderer, *, max_age_s: float, clock: Callable[[], float]
    ) -> None:
        self._resolver = resolver
        self._renderer = renderer
        self._max_age_s = max_age_s
        self._clock = clock

    async def record(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer with the values of a record; aliases are not followed.

        Raises:
            ResolverError: there is no answer.
        """
        visit.endpoint = "api"
        visit.for_scripts = True
        resolved = await self._resolver.resolve(
            query.handle, authoritative=query.authoritative, public_only=query.public_only
        )
        values = select_values(resolved.record.values, query.preferences.types, query.preferences.indexes)
        more: dict[str, Any] = {}
        if resolved.stale:
            more["stale"] = True
        if resolved.namespace is not None and resolved.namespace.is_inactive:
            more["namespaceStatus"] = resolved.namespace.status
        expires_at = None if query.authoritative else resolved.expires_at
        return self._renderer.json(
            record_json(query.handle.text, values, **more),
            Caching(expires_at, self._max_age_s, resolved.stale),
            pretty=query.pretty,
            callback=query.callback,
            headers={"Link": write_links((), citation_url(query.handle.text))},
        )
