"""A handle for people: a redirect, the page of its record, or the list of its places."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from resolver.answer.choose import (
    JsonRecord,
    Listing,
    NotAcceptable,
    PlaceList,
    Redirect,
    alias_of,
    choose_answer,
)
from resolver.answer.extras import LocationData, read_location_data
from resolver.answer.links import Link, links_of, write_links
from resolver.answer.listing import ValueView, describe_day, describe_duration, show_value
from resolver.answer.locations import Circumstances
from resolver.answer.place_list import places_json, places_xml
from resolver.answer.preferences import Action
from resolver.answer.record_headers import RecordHeaders, read_record_headers
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import select_values
from resolver.resolution.aliases import Followed, follow_aliases
from resolver.resolution.service import Resolver
from resolver.web.clients import read_address
from resolver.web.extras import INCOMPLETE_LIFETIME_S, Fetched, fetch_extras
from resolver.web.identifiers import citation_url, encode_handle
from resolver.web.parse import HandleQuery
from resolver.web.problems import NamespaceInactiveError, NotAcceptableError
from resolver.web.render import Caching, Renderer
from resolver.web.visit import Visit

__all__ = ["HandlePages"]

_REDIRECTING = (Action.REDIRECT, Action.METADATA)
_OLD_STATUSES = (301, 302)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decides about answers."""

    schemes: frozenset[str]
    max_age_s: float
    strict_negotiation: bool = False


class HandlePages:
    """Answers for people."""

    def __init__(
        self,
        resolver: Resolver,
        renderer: Renderer,
        policy: Policy,
        *,
        clock: Callable[[], float],
        country_of: Callable[[Any], str | None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._resolver = resolver
        self._renderer = renderer
        self._policy = policy
        self._clock = clock
        self._country_of = country_of
        self._chance = chance

    async def answer(self, visit: Visit, query: HandleQuery) -> web.Response:
        """Answer for a handle and the parameters of a visit.

        Raises:
            ResolverError: there is no answer.
        """
        redirecting = query.preferences.action in _REDIRECTING
        visit.endpoint = "redirect" if redirecting else "values"
        followed = await follow_aliases(
            query.handle,
            lambda handle: self._resolver.resolve(
                handle, authoritative=query.authoritative, public_only=query.public_only
            ),
            lambda record: None if query.ignore_aliases else alias_of(record, query.preferences),
        )
        resolved = followed.resolved
        caching = Caching(
            None if query.authoritative else followed.expires_at, self._policy.max_age_s, followed.stale
        )
        if resolved.namespace is not None and resolved.namespace.is_inactive:
            raise NamespaceInactiveError(resolved.namespace)
        if followed.chain and redirecting and visit.changes_nothing:
            return self._renderer.redirect(301, self._own_url(visit, followed.handle), caching)
        return await self._final(visit, query, followed, caching)

    async def _final(
        self, visit: Visit, query: HandleQuery, followed: Followed, caching: Caching
    ) -> web.Response:
        record, preferences = followed.resolved.record, query.preferences
        own = read_location_data(record, select_values(record.values, preferences.types, preferences.indexes))
        fetched = Fetched()
        if preferences.action in (*_REDIRECTING, Action.SHOW_URLS):
            fetched = await fetch_extras(self._resolver, followed.handle, own, self._namespaces(followed))
        caching = self._narrowed(caching, fetched)
        answer = choose_answer(
            record,
            preferences,
            extras=fetched.extras,
            circumstances=self._circumstances(visit, query),
            chance=self._chance,
            schemes=self._policy.schemes,
        )
        links = links_of(followed.handle.text, own, fetched.extras, self._policy.schemes)
        match answer:
            case Redirect():
                return self._redirect(
                    visit, query, followed, answer, caching, links, self._headers(own, followed)
                )
            case PlaceList(places):
                if (
                    "json" in (visit.request.headers.get("Accept") or "")
                    or visit.parameters.first("format") == "json"
                ):
                    shown = places_json(followed.handle.text, places)
                    return self._renderer.json(shown, caching.varying("Accept"), pretty=query.pretty)
                return self._renderer.xml(places_xml(places), caching.varying("Accept"))
            case NotAcceptable(offered, looked_at):
                raise NotAcceptableError(offered, looked_at)
            case Listing(values) | JsonRecord(values):
                visit.endpoint = "values"
                views = [show_value(value, self._policy.schemes) for value in values]
                view = self._listing_view(query, followed, views, own)
                return self._renderer.page(
                    "values.html", view, caching, headers={"Link": self._link_header(followed.handle, links)}
                )

    def _redirect(
        self,
        visit: Visit,
        query: HandleQuery,
        followed: Followed,
        answer: Redirect,
        caching: Caching,
        links: Sequence[Link],
        added: RecordHeaders,
    ) -> web.Response:
        status = answer.status
        if visit.speaks_old_http and status not in _OLD_STATUSES:
            status = 302
        headers = {**dict(added.headers), "Link": self._link_header(followed.handle, links)}
        choice = answer.choice
        if choice is not None:
            caching = caching.varying(*sorted(choice.looked_at), personal=choice.is_personal)
            if choice.unmet_types:
                headers["X-Conneg-Fallback"] = ", ".join(choice.unmet_types)
        if query.preferences.redirection_headers:
            status = 200
        return self._renderer.redirect(status, answer.target.uri, caching, headers=headers, metas=added.metas)

    # --- what the decision needs -------------------------------------------------------------------------

    def _namespaces(self, followed: Followed) -> list[Namespace]:
        own, root = followed.resolved.namespace, self._resolver.registry.namespace
        return [namespace for namespace in (own, root) if namespace is not None]

    def _circumstances(self, visit: Visit, query: HandleQuery) -> Circumstances:
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
            is_strict=self._policy.strict_negotiation,
        )

    def _narrowed(self, caching: Caching, fetched: Fetched) -> Caching:
        expires_at = fetched.expires_at
        if not fetched.is_complete:
            expires_at = min(expires_at, self._clock() + INCOMPLETE_LIFETIME_S)
        return caching.until(expires_at)

    @staticmethod
    def _headers(own: LocationData, followed: Followed) -> RecordHeaders:
        return read_record_headers(own.headers, followed.handle.text)

    # --- what is shown -----------------------------------------------------------------------------------

    def _link_header(self, handle: Handle, links: Sequence[Link]) -> str:
        return write_links(links, citation_url(handle.text))

    def _own_url(self, visit: Visit, handle: Handle) -> str:
        origin = visit.origin
        query = f"?{_header_safe(visit.query_text)}" if visit.query_text else ""
        return f"{self._renderer.base_url(origin.scheme, origin.host)}/{encode_handle(handle.text)}{query}"

    def _listing_view(
        self, query: HandleQuery, followed: Followed, views: Sequence[ValueView], own: LocationData
    ) -> dict[str, Any]:
        resolved = followed.resolved
        changed = max((value.timestamp for value in resolved.record.values), default=0)
        return {
            "handle": followed.handle,
            "values": views,
            "unreadable": own.unreadable,
            "is_filtered": query.preferences.is_filtered,
            "total": len(resolved.record.values),
            "aliases": [alias.text for alias in followed.chain],
            "is_prefix": not followed.handle.has_slash,
            "citation_url": citation_url(followed.handle.text),
            "changed": describe_day(changed) if changed > 0 else "",
            "answered_by": resolved.answered_by,
            "age": describe_duration(self._clock() - resolved.fetched_at),
            "is_stale": followed.stale,
        }


def _header_safe(query_text: str) -> str:
    octets = query_text.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if 0x20 < octet < 0x7F else f"%{octet:02X}" for octet in octets)
