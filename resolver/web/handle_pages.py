"""A handle for people: a redirect, what is left of a thing that is gone, or what is recorded.

``HandlePages.answer`` is the way of every such request: find the record, decide, and put the decision into
a response.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from resolver.answer.choose import JsonRecord, Listing, NotAcceptable, PlaceList, Redirect, choose_answer
from resolver.answer.links import links_of, signposts, write_links
from resolver.answer.listing import describe_day
from resolver.answer.locations import Circumstances
from resolver.answer.negotiation import prefers_json
from resolver.answer.place_list import places_json, places_xml
from resolver.answer.preferences import Action
from resolver.answer.record_headers import read_record_headers
from resolver.answer.tombstone import ListedTombstone, Tombstone, find_listed, tombstone_links, tombstone_of
from resolver.model.handle import Handle
from resolver.web.clients import read_address
from resolver.web.contact import find_contact
from resolver.web.countries import CountryOf
from resolver.web.finding import Finder, Found
from resolver.web.identifiers import citation_url, encode_handle
from resolver.web.lookups import Lookups
from resolver.web.parse import HandleQuery
from resolver.web.problems import NotAcceptableError, gone_problem
from resolver.web.record_page import RecordPage
from resolver.web.render import Renderer
from resolver.web.visit import Visit

__all__ = ["HandlePages", "Policy"]

_REDIRECTING = (Action.REDIRECT, Action.METADATA)
_OLD_STATUSES = (301, 302)
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
MAX_OFFERED_TYPES = 20
"""Media types that are named to a program that got none of those it accepts; a header has to hold them."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decides about answers."""

    schemes: frozenset[str]
    strict_negotiation: bool = False
    tombstones: tuple[ListedTombstone, ...] = ()


class HandlePages:
    """Answers for people, on one host."""

    def __init__(
        self,
        lookups: Lookups,
        finder: Finder,
        renderer: Renderer,
        policy: Policy,
        *,
        clock: Callable[[], float],
        country_of: CountryOf,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._lookups = lookups
        self._finder = finder
        self._renderer = renderer
        self.policy = policy
        self._country_of = country_of
        self.chance = chance
        self._record_page = RecordPage(lookups, renderer, policy.schemes, clock=clock)

    async def answer(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer for a handle and the parameters of a visit.

        Raises:
            ResolverError: there is no answer.
        """
        action = query.preferences.action
        redirecting = action in _REDIRECTING
        visit.endpoint = "redirect" if redirecting else "values"
        followed = await self._finder.follow(query)
        if followed.chain and redirecting and visit.changes_nothing:
            caching = self._finder.caching(query, followed)
            return self._renderer.redirect(301, self.own_url(visit, followed.handle), caching)
        if redirecting and not query.preferences.is_filtered:
            listed = find_listed(followed.handle, self.policy.tombstones)
            tombstone = tombstone_of(followed.resolved.record, listed, self.policy.schemes)
            if tombstone is not None:
                return await self._gone(
                    visit, tombstone, await self._finder.find(query, followed, with_extras=False)
                )
        found = await self._finder.find(query, followed, with_extras=action is not Action.API)
        return await self._decide(visit, query, found)

    async def _decide(self, visit: Visit, query: HandleQuery, found: Found) -> web.Response:
        answer = choose_answer(
            found.record,
            query.preferences,
            extras=found.extras,
            circumstances=self.circumstances(visit, query),
            chance=self.chance,
            schemes=self.policy.schemes,
        )
        match answer:
            case Redirect():
                return self._redirect(visit, query, found, answer)
            case PlaceList(places):
                named = visit.parameters.first("format")
                caching = found.caching if named is not None else found.caching.varying("Accept")
                if named == "json" or (named is None and prefers_json(visit.requester)):
                    shown = places_json(found.handle.text, places)
                    return self._renderer.json(shown, caching, pretty=query.pretty)
                return self._renderer.octets(places_xml(places), "text/xml;charset=UTF-8", caching)
            case NotAcceptable(offered, looked_at):
                raise NotAcceptableError(_well_formed(offered), looked_at)
            case Listing(values) | JsonRecord(values):
                visit.endpoint = "values"
                headers = {"Link": self._link_header(found)}
                verdict = await self._lookups.judge(found.record) if query.certified else None
                return await self._record_page.show(visit, query, found, values, headers, verdict)

    def _redirect(self, visit: Visit, query: HandleQuery, found: Found, answer: Redirect) -> web.Response:
        status = answer.status
        if visit.speaks_old_http and status not in _OLD_STATUSES:
            status = 302
        added = read_record_headers(found.own.headers, found.handle.text)
        headers = {**dict(added.headers), "Link": self._link_header(found)}
        choice, caching = answer.choice, found.caching
        if choice is not None:
            caching = caching.varying(*sorted(choice.looked_at), personal=choice.is_personal)
            if choice.unmet_types:
                headers["X-Conneg-Fallback"] = ", ".join(_well_formed(choice.unmet_types))
        if query.preferences.redirection_headers:
            status = 200
        return self._renderer.redirect(status, answer.target.uri, caching, headers=headers, metas=added.metas)

    async def _gone(self, visit: Visit, tombstone: Tombstone, found: Found) -> web.Response:
        text = found.handle.text
        headers = {"Link": write_links(tombstone_links(tombstone), citation_url(text))}
        problem = gone_problem(tombstone)
        caching = found.caching.varying("Accept")
        if prefers_json(visit.requester):
            more = {
                "what": tombstone.what or None,
                "changed": tombstone.changed_exactly,
                "lastKnown": list(tombstone.last_known),
                "archived": list(tombstone.archived),
                "latest": list(tombstone.latest),
            }
            return self._renderer.problem_json(problem, caching, asked=text, headers=headers, **more)
        view = {
            "handle": found.handle,
            "tombstone": tombstone,
            "changed": describe_day(tombstone.changed) if tombstone.changed > 0 else "",
            "citation_url": citation_url(text),
            "prefix_contact": await find_contact(self._lookups.resolver, text),
        }
        return self._renderer.page(
            "tombstone.html", view, caching, reader=visit.reader, status=problem.status, headers=headers
        )

    # --- what the decision needs, and what goes beside it ------------------------------------------------

    def circumstances(self, visit: Visit, query: HandleQuery) -> Circumstances:
        """Return what the choice among several places may look at."""
        preferences = query.preferences
        explicit = read_address(preferences.address)
        address = explicit or visit.address
        return Circumstances(
            wanted_attributes=preferences.wanted_attributes,
            requester=visit.requester,
            country=preferences.country or self._country_of(address),
            country_is_explicit=preferences.country is not None or explicit is not None,
            address=address,
            address_is_explicit=explicit is not None,
            is_strict=self.policy.strict_negotiation,
        )

    def _link_header(self, found: Found) -> str:
        stated = links_of(found.handle.text, found.own, found.extras, self.policy.schemes)
        signs = signposts(self._renderer.root, encode_handle(found.handle.text))
        return write_links((*stated, *signs), citation_url(found.handle.text))

    def own_url(self, visit: Visit, handle: Handle) -> str:
        """Return the address of another handle here, with the parameters of the visit."""
        query = f"?{_header_safe(visit.query_text)}" if visit.query_text else ""
        root = self._renderer.root
        if not root:
            origin = visit.origin
            root = self._renderer.base_url(origin.scheme, origin.host)
        return f"{root}/{encode_handle(handle.text)}{query}"


def _well_formed(media_types: Sequence[str]) -> list[str]:
    """Leave out what is no media type: records may hold anything there, line breaks too."""
    return [text for text in media_types if _MEDIA_TYPE.fullmatch(text)][:MAX_OFFERED_TYPES]


def _header_safe(query_text: str) -> str:
    octets = query_text.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if 0x20 < octet < 0x7F else f"%{octet:02X}" for octet in octets)
