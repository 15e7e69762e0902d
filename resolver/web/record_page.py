"""The record of a handle, shown whole: as a page, or in another form that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from resolver.answer.formats import FORMATS, Format, choose_format, view_record
from resolver.answer.listing import describe_day, describe_duration, show_value
from resolver.answer.negotiation import Requester
from resolver.model.record import HandleValue
from resolver.trust.chain import Verdict
from resolver.web.conditional import make_etag, unless_known
from resolver.web.finding import Found
from resolver.web.identifiers import citation_url
from resolver.web.parse import HandleQuery
from resolver.web.render import Caching, Renderer
from resolver.web.verification import verdict_view
from resolver.web.visit import Visit

__all__ = ["RecordPage"]


class RecordPage:
    """Shows records."""

    def __init__(self, renderer: Renderer, schemes: frozenset[str], *, clock: Callable[[], float]) -> None:
        self._renderer = renderer
        self._schemes = schemes
        self._clock = clock

    def show(
        self,
        visit: Visit,
        query: HandleQuery,
        found: Found,
        values: Sequence[HandleValue],
        headers: Mapping[str, str],
        verdict: Verdict | None = None,
    ) -> web.Response:
        """Show these values of a record, and what its signatures are worth if somebody wanted to know."""
        named = visit.parameters.first("format")
        # Whoever names a form has said what is wanted, even if nobody knows it: Accept is not looked at then.
        form = choose_format(named, visit.requester if named is None else Requester())
        caching = found.caching if named is not None else found.caching.varying("Accept")
        if form is not None:
            return self._in_form(visit, form, found, values, caching, headers)
        view = self._view(query, found, values, verdict)
        response = self._renderer.page("values.html", view, caching, headers=headers)
        # The page also says how old the answer is, which changes by the second and does not matter.
        shown = (found.followed.chain, found.followed.stale, values, found.record.values, verdict)
        etag = make_etag(repr(shown).encode(), weak=True)
        return unless_known(visit.request, response, etag)

    def _in_form(
        self,
        visit: Visit,
        form: Format,
        found: Found,
        values: Sequence[HandleValue],
        caching: Caching,
        headers: Mapping[str, str],
    ) -> web.Response:
        text = found.handle.text
        content = form.write(view_record(text, citation_url(text), values, self._schemes))
        response = self._renderer.octets(content, form.content_type, caching, headers=headers)
        return unless_known(visit.request, response)

    def _view(
        self, query: HandleQuery, found: Found, values: Sequence[HandleValue], verdict: Verdict | None
    ) -> dict[str, Any]:
        followed, resolved = found.followed, found.followed.resolved
        changed = max((value.timestamp for value in resolved.record.values), default=0)
        return {
            "handle": followed.handle,
            "values": [show_value(value, self._schemes) for value in values],
            "unreadable": found.own.unreadable,
            "is_filtered": query.preferences.is_filtered,
            "total": len(resolved.record.values),
            "aliases": [alias.text for alias in followed.chain],
            "is_prefix": not followed.handle.has_slash,
            "citation_url": citation_url(followed.handle.text),
            "changed": describe_day(changed) if changed > 0 else "",
            "answered_by": resolved.answered_by,
            "age": describe_duration(self._clock() - resolved.fetched_at),
            "is_stale": followed.stale,
            "verification": None if verdict is None else verdict_view(verdict, resolved.answered_by),
            "formats": FORMATS,
        }
