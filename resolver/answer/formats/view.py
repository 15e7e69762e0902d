"""What every form of a record is made from: plain data, nothing decided about how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resolver.answer.listing import ValueView, show_value
from resolver.answer.targets import Target, read_target
from resolver.model.record import HandleValue
from resolver.protocol.json_values import time_to_json
from resolver.protocol.text import as_text

__all__ = ["RecordView", "ShownValue", "view_record"]


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One value: as it is, and decoded."""

    value: HandleValue
    view: ValueView
    text: str | None
    """The data as text, unshortened; ``None`` if they are structured or binary."""
    uri: str | None
    """Where the data lead, whatever the type."""
    changed: str | None
    """``YYYY-MM-DDThh:mm:ssZ``."""


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record, or those of its values that were asked for."""

    handle: str
    citation_url: str
    values: tuple[ShownValue, ...]

    def first_text(self, *types: str) -> str | None:
        """Return the text of the first value of one of these types."""
        return next(
            (shown.text for shown in self.values if shown.value.type.upper() in types and shown.text), None
        )


def view_record(
    handle: str, citation_url: str, values: Sequence[HandleValue], schemes: frozenset[str]
) -> RecordView:
    """Return the neutral view of some values of a record."""
    return RecordView(handle, citation_url, tuple(_show(value, schemes) for value in values))


def _show(value: HandleValue, schemes: frozenset[str]) -> ShownValue:
    view = show_value(value, schemes)
    target = read_target(value.data, schemes)
    return ShownValue(
        value=value,
        view=view,
        text=None if view.facts else as_text(value.data),
        uri=target.uri if isinstance(target, Target) else None,
        changed=time_to_json(value.timestamp) if value.timestamp else None,
    )
