"""The steps of a lookup as a picture: one bar a step, as long as it took. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from resolver.answer.visible import visible_text
from resolver.model.handle import PREFIX_SPACE, fold_ascii
from resolver.resolution.trace import TraceEntry

__all__ = ["Bar", "Waterfall", "draw_waterfall"]

Kind = Literal["registry", "site", "memory"]

ROW = 54
"""Height of a step in pixels: two lines of text, and the bar below them."""

MAX_ROWS = 60
MAX_LABEL = 34
"""Characters that fit on a narrow phone."""

MAX_WHOM = 60

LEAST_PERCENT = 0.6
"""Width of a step that took no time, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One step."""

    kind: Kind
    label: str
    """What was asked for."""
    server: str
    site: str
    outcome: str
    whom: str
    """Server and site, cut to fit into the picture."""
    time: str
    succeeded: bool
    began_ms: float
    took_ms: float
    octets: int
    y: int
    """Pixels from the top, of the base line of the text."""
    x: float
    """Percent of the width."""
    width: float


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A picture; ``bars`` in the order in which they began."""

    bars: tuple[Bar, ...]
    height: int
    total_ms: float
    ticks: tuple[tuple[float, str], ...]
    """Percent of the width, with the time it stands for."""
    hidden: int
    """Steps that are too many to be drawn."""


def draw_waterfall(entries: Sequence[TraceEntry]) -> Waterfall:
    """Return the picture of a trace."""
    ordered = sorted(entries, key=lambda entry: entry.began_s)
    total_s = max((entry.began_s + entry.elapsed_s for entry in ordered), default=0.0)
    scale = 100 / total_s if total_s > 0 else 0.0
    bars = tuple(_bar(entry, number, scale) for number, entry in enumerate(ordered[:MAX_ROWS]))
    ticks = tuple((quarter * 25.0, _milliseconds(total_s * 250 * quarter)) for quarter in range(5))
    return Waterfall(
        bars, len(bars) * ROW + 22, total_s * 1000, ticks if bars else (), max(0, len(ordered) - MAX_ROWS)
    )


def _bar(entry: TraceEntry, number: int, scale: float) -> Bar:
    kind: Kind = "site"
    if entry.server is None:
        kind = "memory"
    elif fold_ascii(entry.handle).startswith(f"{PREFIX_SPACE}/"):
        kind = "registry"
    width = min(100.0, max(LEAST_PERCENT, entry.elapsed_s * scale))
    whom = " · ".join(part for part in (entry.server or "", visible_text(entry.site)) if part)
    return Bar(
        kind=kind,
        label=_cut(visible_text(entry.handle), MAX_LABEL),
        whom=_cut(whom, MAX_WHOM),
        time=_milliseconds(entry.elapsed_s * 1000) if entry.server else "",
        server=entry.server or "",
        site=visible_text(entry.site),
        outcome=visible_text(entry.outcome),
        succeeded=entry.succeeded,
        began_ms=round(entry.began_s * 1000, 1),
        took_ms=round(entry.elapsed_s * 1000, 1),
        octets=entry.received,
        y=number * ROW + 16,
        x=round(min(entry.began_s * scale, 100 - width), 2),
        width=round(width, 2),
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _milliseconds(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 or milliseconds == 0 else f"{milliseconds:.1f} ms"
