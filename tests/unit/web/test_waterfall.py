"""The picture of a lookup: each step a bar, in order, to scale, within the frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.resolution.trace import TraceEntry
from resolver.web.waterfall import LEAST_PERCENT, MAX_LABEL, MAX_ROWS, ROW, draw_waterfall

SERVER = "udp://192.0.2.1:2641"


def step(
    began_ms: float, took_ms: float, handle: str = "1/x", server: str | None = SERVER, **more: object
) -> TraceEntry:
    """Return a step."""
    return TraceEntry(began_ms / 1000, took_ms / 1000, 0, handle, "SUCCESS", server, **more)  # type: ignore[arg-type]


def test_bars_are_to_scale() -> None:
    """Registry, then service: each begins and ends where it did, in hundredths of the whole."""
    picture = draw_waterfall([step(50, 50), step(0, 40, "0.NA/1")])
    assert [(bar.kind, bar.x, bar.width) for bar in picture.bars] == [("registry", 0, 40), ("site", 50, 50)]
    assert [bar.time for bar in picture.bars] == ["40 ms", "50 ms"]
    assert picture.total_ms == pytest.approx(100)
    assert [text for _, text in picture.ticks] == ["0 ms", "25 ms", "50 ms", "75 ms", "100 ms"]
    assert picture.height == 2 * ROW + 22


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (step(0, 1, "0.NA/1"), "registry"),
        (step(0, 1, "0.na/1"), "registry"),
        (step(0, 1, "0.NAX/1"), "site"),
        (step(0, 1, "0.SERV/1"), "site"),
        (step(0, 1, "0.NA/1", None), "memory"),
    ],
)
def test_what_a_bar_stands_for(entry: TraceEntry, kind: str) -> None:
    """Whether the registry was asked, a service, or nobody."""
    assert draw_waterfall([entry]).bars[0].kind == kind


def test_texts_fit() -> None:
    """Long names are cut, and nothing in them turns the text around."""
    bar = draw_waterfall([step(0, 1, "1/\u202e" + "x" * 500, site="s" * 500)]).bars[0]
    assert len(bar.label) == MAX_LABEL
    assert len(bar.whom) == 60
    assert "\u202e" not in bar.label
    assert bar.whom.startswith(f"{SERVER} · sss")


@pytest.mark.parametrize(
    ("took", "text"), [(0, "0 ms"), (0.26, "0.3 ms"), (12.4, "12 ms"), (2801.4, "2.8 s")]
)
def test_times_are_as_exact_as_it_makes_sense(took: float, text: str) -> None:
    """Tenths of the unit that fits."""
    assert draw_waterfall([step(0, took)]).bars[0].time == text


def test_nothing_happened() -> None:
    """Without steps there is nothing to draw."""
    picture = draw_waterfall([])
    assert (picture.bars, picture.ticks, picture.total_ms, picture.hidden) == ((), (), 0.0, 0)


def test_too_many_steps_are_counted() -> None:
    """A lookup that went wild does not make a page without end."""
    picture = draw_waterfall([step(number, 1) for number in range(MAX_ROWS + 7)])
    assert (len(picture.bars), picture.hidden) == (MAX_ROWS, 7)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), max_size=20))
def test_bars_stay_in_the_frame(times: list[tuple[float, float]]) -> None:
    """Whatever the clock says, no bar leaves the picture or disappears, and they stand in order."""
    picture = draw_waterfall([step(began, took) for began, took in times])
    for bar in picture.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= 100.02
        assert bar.width >= round(LEAST_PERCENT, 2)
    began = [bar.began_ms for bar in picture.bars]
    assert began == sorted(began)
