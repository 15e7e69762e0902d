"""What came of it: a page in Markdown, and a plot beside it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from soak.chaos import STARVED, Broken

__all__ = ["Outcome", "Sample", "judge_troubles", "write_markdown", "write_plot"]

GRACE_S = 4.0
"""How long after a fault its consequences may still be felt: failures are remembered, connections are made anew."""

BUSY_SHARE = 0.05
BUSY = "**The machine was busy with other things: of errors and losses this run says less than one on a calm machine.**"

WIDTH, HEIGHT, LEFT, TOP = 1000, 130, 70, 24


@dataclass(frozen=True)
class Sample:
    """What the calm program held at one moment."""

    at: float
    resident_octets: int
    files: int


@dataclass
class Outcome:
    """Everything that was seen."""

    began_at: float
    ended_at: float
    command: str
    broken: list[Broken]
    seconds: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    logged_errors: int = 0

    @property
    def counts(self) -> Counter[str]:
        """How often what was seen."""
        total: Counter[str] = Counter()
        for second in self.seconds:
            total.update(second["counts"])
        return total

    @property
    def growth(self) -> float:
        """Growth of memory after the first tenth, as a share."""
        return _growth([float(sample.resident_octets) for sample in self.samples])

    @property
    def file_growth(self) -> float:
        """Growth of open files after the first tenth, as a share."""
        return _growth([float(sample.files) for sample in self.samples])


def _growth(values: Sequence[float]) -> float:
    tenth = max(1, len(values) // 10)
    first, last = values[tenth : 2 * tenth], values[-tenth:]
    return statistics.median(last) / statistics.median(first) - 1 if first and last else 0.0


def judge_troubles(outcome: Outcome) -> dict[str, list[dict[str, Any]]]:
    """Return what no fault excuses: wrong answers, lost requests, and errors while nothing was broken.

    Where the machine had no time for us, nobody can say whose fault it was: such errors and losses are
    neither excused nor held against us, but counted by themselves as ``unjudged``.
    """
    found: dict[str, list[dict[str, Any]]] = {"wrong": [], "lost": [], "error": [], "unjudged": []}
    starved = [fault for fault in outcome.broken if fault.name == STARVED]
    for second in outcome.seconds:
        for trouble in second["troubles"]:
            kind = trouble["kind"]
            if kind == "wrong":
                found["wrong"].append(trouble)
            elif any(_explains(fault, trouble) for fault in outcome.broken):
                continue
            elif any(_is_during(fault, trouble) for fault in starved):
                found["unjudged"].append(trouble)
            else:
                found[kind].append(trouble)
    return found


def _explains(fault: Broken, trouble: dict[str, Any]) -> bool:
    excuses = fault.kills if trouble["kind"] == "lost" else fault.excuses_errors
    return excuses and _is_during(fault, trouble)


def _is_during(fault: Broken, trouble: dict[str, Any]) -> bool:
    ended_at = fault.ended_at or trouble["at"]
    return fault.began_at <= trouble["until"] and trouble["at"] <= ended_at + GRACE_S


def write_markdown(outcome: Outcome, plot_name: str) -> str:
    """Return the report."""
    counts, troubles = outcome.counts, judge_troubles(outcome)
    answered = sum(counts[kind] for kind in ("right", "stale", "missing", "error", "wrong"))
    faults = Counter(fault.name for fault in outcome.broken if fault.name != STARVED)
    starved_s = sum(fault.ended_at - fault.began_at for fault in outcome.broken if fault.name == STARVED)
    unjudged = Counter(trouble["kind"] for trouble in troubles["unjudged"])
    excused = counts["error"] - len(troubles["error"]) - unjudged["error"]
    killed = counts["lost"] - len(troubles["lost"]) - unjudged["lost"]
    span_s = max(1.0, outcome.ended_at - outcome.began_at)
    rows = [
        ("Requests answered", f"{answered:,}"),
        ("Visitors who left in the middle", f"{counts['left']:,}"),
        ("Right", f"{counts['right'] + counts['missing']:,}"),
        ("Out of date within the bounds, and marked so", f"{counts['stale']:,}"),
        ("Honest errors while all servers were broken", f"{excused:,}"),
        ("Errors that nothing excuses", f"{len(troubles['error']):,}"),
        ("**Wrong answers**", f"**{len(troubles['wrong']):,}**"),
        ("Connections lost with workers that were killed", f"{killed:,}"),
        ("**Lost requests**", f"**{len(troubles['lost']):,}**"),
        ("Slowest answer", f"{max((second['slowest_s'] for second in outcome.seconds), default=0):.1f} s"),
        ("Memory of the calm worker after the first tenth", f"{outcome.growth:+.1%}"),
        ("Its open files after the first tenth", f"{outcome.file_growth:+.1%}"),
        ("Seconds in which the machine was too busy to run us", f"{starved_s:,.0f} of {span_s:,.0f}"),
        ("Errors in these seconds that no fault explains, not judged", f"{unjudged['error']:,}"),
        ("Losses in these seconds that no fault explains, not judged", f"{unjudged['lost']:,}"),
        ("Tracebacks in the logs", f"{outcome.logged_errors:,}"),
    ]
    minutes = (outcome.ended_at - outcome.began_at) / 60
    lines = [
        "# Soak",
        "",
        f"Written by `{outcome.command}`: {minutes:.0f} minutes, {faults.total()} faults one after the other. Each",
        "answer was held against what was true when it was asked for. Two programs share a Redis: one has two",
        "workers, which are killed, frozen and replaced; the other is calm, lives through everything else, and its",
        "memory is watched. A third program has no Redis.",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        *([BUSY, ""] if starved_s > BUSY_SHARE * span_s else []),
        f"![Requests, errors and memory over time]({plot_name})",
        "",
        "| what was broken | times |",
        "|---|---:|",
        *(f"| {name} | {times} |" for name, times in sorted(faults.items())),
        "",
    ]
    for kind, found in troubles.items():
        if found:
            lines += [f"## Not excused: {kind}", ""]
            lines += [
                f"- {trouble['at'] - outcome.began_at:.1f} s: {trouble['what']}" for trouble in found[:50]
            ]
            lines.append("")
    return "\n".join(lines)


def write_plot(outcome: Outcome) -> str:
    """Return the plot: answers and errors each second, and memory; faults that excuse errors in red."""
    span = max(1.0, outcome.ended_at - outcome.began_at)

    def across(at: float) -> float:
        return LEFT + WIDTH * min(1.0, max(0.0, (at - outcome.began_at) / span))

    per_second: dict[int, Counter[str]] = {}
    for second in outcome.seconds:
        per_second.setdefault(int(second["at"]), Counter()).update(second["counts"])
    moments = sorted(per_second)
    panels = [
        (
            "answers/s",
            [(float(at), float(sum(per_second[at].values()))) for at in moments],
            "#1f6f54",
        ),
        ("out of date/s", [(float(at), float(per_second[at]["stale"])) for at in moments], "#b7791f"),
        ("errors/s", [(float(at), float(per_second[at]["error"])) for at in moments], "#b3261e"),
        (
            "memory, MiB",
            [(sample.at, sample.resident_octets / 2**20) for sample in outcome.samples],
            "#2b5797",
        ),
        ("open files", [(sample.at, float(sample.files)) for sample in outcome.samples], "#5b5b5b"),
    ]
    parts = []
    for row, (name, points, colour) in enumerate(panels):
        top = TOP + row * (HEIGHT + 24)
        highest = max((value for _, value in points), default=1.0) or 1.0
        for fault in (fault for fault in outcome.broken if fault.name != STARVED):
            start, end = across(fault.began_at), across(fault.ended_at or outcome.ended_at)
            fill = "#f6d5d2" if fault.excuses_errors else "#e7ecf3"
            parts.append(
                f'<rect x="{start:.1f}" y="{top}" width="{max(0.5, end - start):.1f}" height="{HEIGHT}" fill="{fill}">'
                f"<title>{fault.name}</title></rect>"
            )
        line = " ".join(
            f"{across(at):.1f},{top + HEIGHT - HEIGHT * value / highest:.1f}"
            for at, value in _thinned(points)
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1"/>')
        parts.append(f'<text x="{LEFT}" y="{top - 5}">{name}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{highest:,.0f}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>')
    height = TOP + len(panels) * (HEIGHT + 24)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return points[:: max(1, len(points) // 1000)]
