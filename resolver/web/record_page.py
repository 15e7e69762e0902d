"""The record of a handle, shown whole: as a page, or in another form that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from resolver.answer.extras import read_location_data
from resolver.answer.formats import FORMATS, Format, choose_format, view_record
from resolver.answer.listing import describe_day, describe_duration, show_value
from resolver.answer.negotiation import Requester
from resolver.answer.summary import summarize
from resolver.model.record import HandleValue
from resolver.protocol.json_values import time_to_json
from resolver.trust.chain import Verdict
from resolver.web.conditional import make_etag, unless_known
from resolver.web.contact import find_contact
from resolver.web.finding import Found
from resolver.web.identifiers import citation_url
from resolver.web.lookups import Lookups
from resolver.web.parse import HandleQuery
from resolver.web.qr import draw_qr
from resolver.web.render import Caching, Renderer
from resolver.web.verification import verdict_view
from resolver.web.visit import Visit

__all__ = ["RecordPage"]

MAX_SHOWN_VALUES = 250
"""On a page, which says how many there are; other forms have them all."""


class RecordPage:
    """Shows records."""

    def __init__(
        self, lookups: Lookups, renderer: Renderer, schemes: frozenset[str], *, clock: Callable[[], float]
    ) -> None:
        self._lookups = lookups
        self._renderer = renderer
        self._schemes = schemes
        self._clock = clock

    async def show(
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
        if verdict is not None and verdict.is_trusted and verdict.not_after is not None:
            caching = caching.until(verdict.not_after)
        view = self._view(query, found, values, verdict)
        view["prefix_contact"] = await find_contact(self._lookups.resolver, found.handle.text)
        response = self._renderer.page("values.html", view, caching, reader=visit.reader, headers=headers)
        # The page also says when the answer was asked for, which does not matter.
        shown = (
            *(found.followed.chain, found.followed.stale, values, found.record.values, verdict),
            *(
                view["summary"],
                view["prefix_contact"],
                visit.reader.named,
                response.headers["Content-Language"],
            ),
        )
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
        text = followed.handle.text
        age_s = self._clock() - resolved.fetched_at
        changed = max((value.timestamp for value in resolved.record.values), default=0)
        return {
            "handle": followed.handle,
            "values": [show_value(value, self._schemes) for value in values[:MAX_SHOWN_VALUES]],
            "unreadable": found.own.unreadable,
            "is_filtered": query.preferences.is_filtered,
            "total": len(resolved.record.values),
            "aliases": [alias.text for alias in followed.chain],
            "is_prefix": not followed.handle.has_slash,
            "summary": summarize(
                resolved.record, read_location_data(resolved.record), found.extras, self._schemes
            ),
            "citation_url": citation_url(text),
            "label": "doi:" if text.startswith("10.") else "hdl:",
            "qr": draw_qr(citation_url(text)),
            "changed": describe_day(changed) if changed > 0 else "",
            "answered_by": resolved.answered_by,
            "age": describe_duration(age_s),
            # A moment, not an age: the page is kept, here and by others, and grows older meanwhile.
            "asked_when": time_to_json(int(resolved.fetched_at)).replace("T", " ").replace("Z", " UTC"),
            "is_stale": followed.stale,
            "verification": None if verdict is None else verdict_view(verdict, resolved.answered_by),
            "formats": FORMATS,
        }
