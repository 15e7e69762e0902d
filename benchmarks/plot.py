"""A plot of throughput and latency over the number of connections, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.load import Measured

__all__ = ["draw"]

WIDTH, HEIGHT = 860, 380
PANEL = (330, 250)
COLOURS = ("#0b6e4f", "#c1440e", "#3a5a98", "#7a4f9a")
MARKS = ("circle", "square", "diamond", "circle")

Curves = Mapping[str, Sequence[tuple[int, Measured]]]


def draw(curves: Curves, path: Path) -> None:
    """Write the plot: on the left requests a second, on the right the 99th percentile of latency."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>Throughput and latency of a warm redirect over the number of connections</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_panel(70, 40, "Requests a second", curves, lambda run: run.requests_per_s, logarithmic=False),
        *_panel(500, 40, "99th percentile, ms", curves, lambda run: run.p99_ms, logarithmic=True),
        *_legend(curves),
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n", "utf-8")


def _panel(
    left: float,
    top: float,
    title: str,
    curves: Curves,
    value: Callable[[Measured], float],
    *,
    logarithmic: bool,
) -> list[str]:
    width, height = PANEL
    counts = sorted({count for runs in curves.values() for count, _ in runs})
    values = [value(run) for runs in curves.values() for _, run in runs]
    ticks = _decades(min(values), max(values)) if logarithmic else _steps(max(values))
    low, high = ticks[0], ticks[-1]

    def x_of(count: int) -> float:
        span = math.log2(counts[-1] / counts[0]) or 1
        return left + width * math.log2(count / counts[0]) / span

    def y_of(number: float) -> float:
        share = math.log(number / low) / math.log(high / low) if logarithmic else number / high
        return top + height * (1 - share)

    parts = [f'<text x="{left}" y="{top - 14}" font-weight="600">{title}</text>']
    for tick in ticks:
        y = y_of(tick)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{tick:,g}</text>')
    for count in counts:
        parts.append(
            f'<text x="{x_of(count):.1f}" y="{top + height + 18}" text-anchor="middle" fill="#444">{count}</text>'
        )
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle" fill="#444">connections</text>'
    )
    for number, runs in enumerate(curves.values()):
        points = [(x_of(count), y_of(value(run))) for count, run in runs]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[number]}" stroke-width="2"/>')
        parts += [_mark(x, y, number) for x, y in points]
    return parts


def _legend(curves: Curves) -> list[str]:
    parts, x = [], 70.0
    for number, name in enumerate(curves):
        parts.append(_mark(x + 6, HEIGHT - 24, number))
        parts.append(f'<text x="{x + 18}" y="{HEIGHT - 20}">{html.escape(name)}</text>')
        x += 40 + 7 * len(name)
    return parts


def _mark(x: float, y: float, number: int) -> str:
    """Return a mark that can be told from the others without colours."""
    colour = COLOURS[number]
    match MARKS[number]:
        case "square":
            return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{colour}"/>'
        case "diamond":
            return f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z" fill="{colour}"/>'
        case _:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def _steps(highest: float) -> list[float]:
    """Return round numbers from 0 to just above ``highest``."""
    step = 10 ** math.floor(math.log10(highest))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if highest / (step * part) <= 6)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _decades(lowest: float, highest: float) -> list[float]:
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    return [10.0**exponent for exponent in range(first, max(last, first + 1) + 1)]
