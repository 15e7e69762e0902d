"""The decision: send the visitor somewhere, or show what is recorded.

Without location data the first value that is exactly a ``URL`` decides, in the order of the record, then
the first of a subtype such as ``URL.mirror``. A value that leads nowhere is passed over; if none is left,
the visitor sees the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.answer.preferences import Action, Preferences
from resolver.answer.targets import DEFAULT_SCHEMES, Target, append_to_target, read_target
from resolver.model.handle import fold_ascii
from resolver.model.record import HandleRecord, HandleValue, has_type, select_values
from resolver.protocol.text import strict_text

__all__ = ["Answer", "JsonRecord", "Listing", "Redirect", "alias_of", "choose_answer"]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the visitor to a URI."""

    target: Target
    status: int = 302


@dataclass(frozen=True, slots=True)
class Listing:
    """Show these values on a page; perhaps there are none."""

    values: tuple[HandleValue, ...]


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """Give these values as JSON; perhaps there are none."""

    values: tuple[HandleValue, ...]


Answer = Redirect | Listing | JsonRecord


def choose_answer(
    record: HandleRecord, preferences: Preferences, schemes: frozenset[str] = DEFAULT_SCHEMES
) -> Answer:
    """Return the answer for a visitor with these preferences.

    Args:
        record: the record at the end of all aliases.
        preferences: what the visitor asked for.
        schemes: of the URIs that may be redirected to, in lower case.
    """
    values = select_values(record.values, preferences.types, preferences.indexes)
    match preferences.action:
        case Action.API:
            return JsonRecord(values)
        case Action.REDIRECT | Action.METADATA:
            target = next(_targets(values, schemes), None)
            if target is not None:
                return Redirect(_with_appended(target, preferences.url_append))
            return Listing(values)
        case Action.SHOW_VALUES | Action.SHOW_URLS | Action.EXPLAIN:
            return Listing(values)


def _targets(values: tuple[HandleValue, ...], schemes: frozenset[str]) -> Iterator[Target]:
    exact = [value for value in values if fold_ascii(value.type) in {"URL", "0.TYPE/URL"}]
    subtypes = [value for value in values if fold_ascii(value.type) != "URL" and has_type(value.type, "URL")]
    for value in (*exact, *subtypes):
        target = read_target(value.data, schemes)
        if isinstance(target, Target):
            yield target


def _with_appended(target: Target, appended: str) -> Target:
    if not appended:
        return target
    return append_to_target(target, appended) or target


def alias_of(record: HandleRecord, preferences: Preferences) -> str | None:
    """Return the handle that ``record`` is an alias of, if the values asked for say so.

    An empty text is an alias of nothing; data that are no UTF-8 are none.
    """
    for value in select_values(record.values, preferences.types, preferences.indexes):
        if has_type(value.type, "HS_ALIAS"):
            text = strict_text(value.data)
            return None if text is None else text.strip()
    return None
