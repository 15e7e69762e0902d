"""QR codes: every module where the encoder put it, a quiet margin, and none where it would be no use."""

from __future__ import annotations

import re

import segno
from hypothesis import given
from hypothesis import strategies as st

from resolver.web.qr import MASK, QUIET, QrCode, draw_qr


def modules(code: QrCode) -> set[tuple[int, int]]:
    """Return the black squares of a picture, as column and row."""
    found = set()
    for x, y, length in re.findall(r"M(\d+) (\d+)\.5h(\d+)", code.path):
        found |= {(int(x) + step, int(y)) for step in range(int(length))}
    return found


@given(st.text(min_size=1, max_size=120))
def test_the_picture_is_the_code(text: str) -> None:
    """What is drawn is what the encoder made, moved by the margin."""
    code = draw_qr(text)
    assert code is not None
    matrix = segno.make_qr(text, error="m", boost_error=False, mask=MASK).matrix
    wanted = {
        (x + QUIET, y + QUIET) for y, row in enumerate(matrix) for x, module in enumerate(row) if module
    }
    assert modules(code) == wanted
    assert code.size == len(matrix) + 2 * QUIET


def test_the_picture_is_small() -> None:
    """A usual link costs no more than a few lines of text."""
    code = draw_qr("https://hdl.handle.net/20.500.12345/map-1482")
    assert code is not None
    assert len(code.path) < 4000
    assert re.fullmatch(r"[Mh0-9 .]+", code.path)


def test_what_no_phone_could_read_is_left_out() -> None:
    """A handle of kilobytes has no code, and that is no error."""
    assert draw_qr("x" * 300) is not None
    assert draw_qr("x" * 1000) is None
    assert draw_qr("x" * 100_000) is None
