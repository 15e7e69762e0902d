"""QR codes of links, as SVG that needs neither script nor style."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import segno

__all__ = ["QrCode", "draw_qr"]

MASK = 3
"""One of the eight patterns, all of which readers know. To find the best takes four times as long, on each page."""

QUIET = 3
"""White modules around the code; readers want some."""


MAX_VERSION = 15
"""77 squares a side: about 400 characters."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """A picture made of black squares."""

    size: int
    """Width and height, the white margin included."""
    path: str
    """The squares, as data of an SVG path whose lines are one unit thick."""


@lru_cache(512)
def draw_qr(text: str) -> QrCode | None:
    """Return the code for a text; ``None`` if it is too long for one that a phone could read from a screen."""
    try:
        code = segno.make_qr(text, error="m", boost_error=False, mask=MASK)
    except segno.DataOverflowError:
        return None
    if int(code.version) > MAX_VERSION:
        return None
    drawn = []
    for y, row in enumerate(code.matrix):
        x = 0
        while x < len(row):
            length = 1
            while x + length < len(row) and row[x + length] == row[x]:
                length += 1
            if row[x]:
                drawn.append(f"M{x + QUIET} {y + QUIET}.5h{length}")
            x += length
    return QrCode(len(code.matrix) + 2 * QUIET, "".join(drawn))
