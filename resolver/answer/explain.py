"""Why a handle leads where it leads: every place it might have led to, and the rule that decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from resolver.answer.candidates import find_places, url_values
from resolver.answer.choose import Answer, NotAcceptable, Redirect
from resolver.answer.extras import Extras, LocationData
from resolver.answer.locations import Candidate
from resolver.answer.targets import Unusable, read_target
from resolver.answer.visible import visible_text
from resolver.model.record import HandleRecord, HandleValue
from resolver.phrases import phrase
from resolver.protocol.text import as_text

__all__ = ["Verdict", "Weighed", "weigh_places"]

Verdict = Literal["chosen", "passed_over", "unusable"]

MAX_SHOWN_TEXT = 500

_RULES = {
    "locatt": phrase("it does not have the attribute that was asked for"),
    "Accept": phrase("another one goes better with what the program accepts"),
    "Accept-Language": phrase("another one is in the language that was asked for"),
    "address": phrase("another one is meant for this network"),
    "country": phrase("another one is meant for this country"),
    "score": phrase("another one has a better score"),
    "weighted": phrase("the draw, by weight, has picked another one"),
    "weightless": phrase("its weight is 0, and another one has more"),
    "order": phrase("another one comes first in the record"),
    "subtype": phrase("a value that is exactly a URL comes before it"),
    "only": phrase("it is the only one left"),
    "first": phrase("it is the first URL of the record that can be used"),
}


@dataclass(frozen=True, slots=True)
class Weighed:
    """One place that a handle might lead to, and what became of it."""

    uri: str
    """As it would be sent; of a place that cannot be used, as it is recorded."""
    verdict: Verdict
    rule: str
    """The method that decided (``locatt``, ``country`` …), or ``order`` where the record's order did."""
    why: str
    """The same in words."""
    source: str
    """The value it is recorded in, or the handle it is inherited from."""
    attributes: tuple[tuple[str, str], ...] = ()


def weigh_places(
    record: HandleRecord,
    values: tuple[HandleValue, ...],
    own: LocationData,
    extras: Extras,
    answer: Answer,
    schemes: frozenset[str],
) -> tuple[Weighed, ...]:
    """Return every place a record names, the chosen one first.

    Args:
        record: at the end of all aliases.
        values: those of it that count.
        own: the location data among them.
        extras: location data of other records.
        answer: what was decided.
        schemes: of URIs that may be redirected to.
    """
    if not any(data.documents for data in (own, *extras.included, *extras.inherited)):
        return tuple(_by_url_rule(values, answer, schemes))
    places = find_places(record.handle, values, own, extras, schemes)
    unusable = [
        Weighed(
            _shown(location.get("href") or location.get("href_template") or ""),
            *("unusable", "target", reason),
            source=record.handle,
            attributes=_attributes(location.attributes),
        )
        for location, reason in places.unusable
    ]
    match answer:
        case Redirect(choice=choice) if choice is not None:
            last = choice.removed[-1][1] if choice.removed else "only"
            rule = last if last == "weighted" else "only"
            chosen = _weighed(choice.candidate, "chosen", rule, _RULES["only"], record.handle)
            return (chosen, *_removed(choice.removed, record.handle), *unusable)
        case NotAcceptable():
            removed = _removed(((candidate, "Accept") for candidate in places.candidates), record.handle)
            return (*removed, *unusable)
        case _:
            return tuple(unusable)


def _removed(removed: Iterable[tuple[Candidate, str]], handle: str) -> Iterator[Weighed]:
    for candidate, rule in removed:
        why = _RULES["weightless" if rule == "weighted" and candidate.weight <= 0 else rule]
        yield _weighed(candidate, "passed_over", rule, why, handle)


def _weighed(candidate: Candidate, verdict: Verdict, rule: str, why: str, handle: str) -> Weighed:
    if rule == "weighted" and verdict == "chosen":
        why = phrase("the draw, by weight, has picked it")
    attributes = _attributes(candidate.location.attributes)
    return Weighed(
        candidate.target.uri, verdict, rule, why, visible_text(candidate.origin or handle), attributes
    )


def _attributes(attributes: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (visible_text(name), _shown(text))
        for name, text in attributes
        if name not in {"href", "href_template"} and (name, text) != ("mode", "legacy")
    )


def _by_url_rule(
    values: tuple[HandleValue, ...], answer: Answer, schemes: frozenset[str]
) -> Iterator[Weighed]:
    exact, subtypes = url_values(values)
    is_chosen = False
    left: list[Weighed] = []
    for group, later in ((exact, "order"), (subtypes, "subtype" if exact else "order")):
        for value in group:
            source = f"{value.index} {visible_text(value.type)}"
            target = read_target(value.data, schemes)
            if isinstance(target, Unusable):
                text = _shown(as_text(value.data) or value.data[:64].hex(" "))
                left.append(Weighed(text, "unusable", "target", target.reason, source))
            elif not is_chosen and isinstance(answer, Redirect):
                is_chosen = True
                yield Weighed(target.uri, "chosen", "order", _RULES["first"], source)
            else:
                left.append(Weighed(target.uri, "passed_over", later, _RULES[later], source))
    yield from left


def _shown(text: str) -> str:
    shown = visible_text(text)
    return shown if len(shown) <= MAX_SHOWN_TEXT else f"{shown[:MAX_SHOWN_TEXT]}…"
