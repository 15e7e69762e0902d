"""Everything that is linked to a handle, for programs: ``/api/linkset/`` (RFC 9264)."""

from __future__ import annotations

from aiohttp import web

from resolver.answer.candidates import find_places
from resolver.answer.links import item_links, links_of, signposts
from resolver.answer.linkset import LINKSET_JSON, LINKSET_TEXT, linkset_json, linkset_text
from resolver.answer.negotiation import read_weighted
from resolver.answer.record_json import write_json
from resolver.web.conditional import unless_known
from resolver.web.finding import Finder
from resolver.web.identifiers import citation_url, encode_handle
from resolver.web.parse import HandleQuery
from resolver.web.render import Renderer
from resolver.web.visit import Visit

__all__ = ["Linksets"]


class Linksets:
    """Answers with link sets, on one host."""

    def __init__(self, finder: Finder, renderer: Renderer, schemes: frozenset[str]) -> None:
        self._finder = finder
        self._renderer = renderer
        self._schemes = schemes

    async def answer(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer with all links of a handle; aliases are followed.

        Raises:
            ResolverError: there is no answer.
        """
        followed = await self._finder.follow(query)
        found = await self._finder.find(query, followed, with_extras=True)
        text = found.handle.text
        origin = visit.origin
        places = find_places(text, found.values, found.own, found.extras, self._schemes)
        links = (
            *links_of(text, found.own, found.extras, self._schemes),
            *item_links(
                candidate.target for candidate in places.candidates if not candidate.location.has("rel")
            ),
            # In a document of its own, a relative link would be relative to who knows what.
            *signposts(self._renderer.base_url(origin.scheme, origin.host), encode_handle(text)),
        )
        anchor = citation_url(text)
        wants_text = next(
            (name == LINKSET_TEXT for name in read_weighted(visit.requester.accept) if "linkset" in name),
            False,
        )
        content = (
            linkset_text(anchor, links)
            if wants_text
            else write_json(linkset_json(anchor, links), pretty=query.pretty)
        )
        response = self._renderer.octets(
            content, LINKSET_TEXT if wants_text else LINKSET_JSON, found.caching.varying("Accept")
        )
        return unless_known(visit.request, response)
