"""Which form of a record somebody wants: by ``?format=``, or by what their program accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resolver.answer.formats import linked_data, table, text
from resolver.answer.formats.view import RecordView
from resolver.answer.negotiation import Requester, read_weighted
from resolver.answer.record_json import record_json, write_json
from resolver.phrases import phrase

__all__ = ["FORMATS", "Format", "choose_format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One form of a record."""

    name: str
    """As in ``?format=``."""
    media_type: str
    label: str
    """For people."""
    write: Callable[[RecordView], bytes]

    @property
    def content_type(self) -> str:
        """The media type with its character set, where that is not always the same."""
        return f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type


def _json(record: RecordView) -> bytes:
    return write_json(record_json(record.handle, [shown.value for shown in record.values]))


FORMATS = (
    Format("json", "application/json", "JSON", _json),
    Format("txt", "text/plain", phrase("plain text"), text.write),
    Format("csv", "text/csv", "CSV", table.write),
    Format("ttl", "text/turtle", "Turtle", linked_data.write_turtle),
    Format("jsonld", "application/ld+json", "JSON-LD", linked_data.write_json_ld),
)
_BY_NAME = {form.name: form for form in FORMATS}
_BY_TYPE = {form.media_type: form for form in FORMATS}
_PAGE = "html"
_PAGES = frozenset({"text/html", "application/xhtml+xml", "*/*", "text/*", "application/*"})


def choose_format(named: str | None, requester: Requester) -> Format | None:
    """Return the form that is wanted, or ``None`` for the page.

    Args:
        named: from ``?format=``, ``html`` for the page; a name that is not known asks for nothing.
        requester: what the request says beside.
    """
    name = (named or "").lower()
    if name == _PAGE or name in _BY_NAME:
        return _BY_NAME.get(name)
    for media_type in read_weighted(requester.accept):
        if media_type in _PAGES:
            return None
        if media_type in _BY_TYPE:
            return _BY_TYPE[media_type]
    return None
