"""What became of the handles of each prefix, out of access logs in their JSON form.

For whoever owns a prefix: how much it is used, how much of that fails, and which handles people look for in vain.
Addresses are not even read. However long the logs are, and however hostile: a bounded number of names is kept, of
those that come up most.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from resolver.answer.visible import visible_text
from resolver.errors import SettingsError
from resolver.model.handle import Handle, fold_ascii

__all__ = ["PrefixReport", "Report", "read_lines", "report_csv", "report_json", "report_text"]

Outcome = Literal["found", "not_found", "failed", "refused"]

MAX_PREFIXES = 20_000
MAX_NAMES = 20_000
"""Handles remembered for one outcome of one prefix."""

OTHERS = "(others)"
"""Where prefixes are counted for which there is no room any more."""

_FOUND = frozenset({1, 200})
_REFUSED = frozenset({3})
_NOT_FOUND = frozenset({100, 102})


class Frequent:
    """Counts names; when there are too many, those that came up least are forgotten."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count a name."""
        self._counts[name] += 1
        if len(self._counts) > self._limit:
            self._counts = Counter(dict(self._counts.most_common(self._limit // 2)))

    def most_common(self, count: int | None = None) -> list[tuple[str, int]]:
        """Return the names that came up most, and how often; equal ones by name."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return ranked if count is None else ranked[:count]


@dataclass(slots=True)
class PrefixReport:
    """What became of the handles of one prefix."""

    prefix: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    ms: float = 0.0
    """Time that all answers took together."""
    asked: Frequent = field(default_factory=Frequent)
    missing: Frequent = field(default_factory=Frequent)
    failing: Frequent = field(default_factory=Frequent)

    @property
    def total(self) -> int:
        """Requests for its handles."""
        return self.outcomes.total()

    def share(self, outcome: Outcome) -> float:
        """Return the part of all requests that ended so, from 0 to 1."""
        return self.outcomes[outcome] / self.total if self.total else 0.0

    def add(self, handle: str, outcome: Outcome, ms: float) -> None:
        """Count a request."""
        self.outcomes[outcome] += 1
        self.ms += ms
        self.asked.add(handle)
        if outcome == "not_found":
            self.missing.add(handle)
        elif outcome == "failed":
            self.failing.add(handle)


class Report:
    """Reads lines and keeps count."""

    def __init__(self, *, prefixes: Iterable[str] = (), since: str = "", until: str = "") -> None:
        """Prepare.

        Args:
            prefixes: the only ones that count, with those derived from them; empty for all.
            since: beginning of the first moment that counts, such as ``2026-11-01``; empty for any.
            until: beginning of the first moment that does not count any more; empty for none.
        """
        self._wanted = tuple(fold_ascii(prefix) for prefix in prefixes)
        self._since, self._until = since, until
        self._prefixes: dict[str, PrefixReport] = {}
        self.first = ""
        """Moment of the earliest request that counts."""
        self.last = ""
        self.unreadable = 0
        """Lines that are none of an access log in JSON."""

    def read(self, lines: Iterable[str]) -> None:
        """Count every line."""
        for line in lines:
            if line.strip():
                self.add(line)

    def add(self, line: str) -> None:
        """Count one line."""
        try:
            entry = json.loads(line)
            at, handle, code = entry["time"], entry.get("handle"), entry["code"]
            ms = float(entry.get("ms", 0.0))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.unreadable += 1
            return
        if not isinstance(at, str) or not isinstance(code, int):
            self.unreadable += 1
            return
        if (
            not isinstance(handle, str)
            or not handle
            or at < self._since
            or (self._until and at >= self._until)
        ):
            return  # a page, a file, a batch as a whole; or not of the time that is asked about
        prefix = _prefix_of(handle)
        if self._wanted and not any(prefix == own or prefix.startswith(f"{own}.") for own in self._wanted):
            return
        self.first = min(self.first or at, at)
        self.last = max(self.last, at)
        self._of(prefix).add(handle, _outcome_of(code), ms)

    def _of(self, prefix: str) -> PrefixReport:
        found = self._prefixes.get(prefix)
        if found is None:
            if len(self._prefixes) >= MAX_PREFIXES:
                prefix = OTHERS
            found = self._prefixes.setdefault(prefix, PrefixReport(prefix))
        return found

    @property
    def prefixes(self) -> list[PrefixReport]:
        """The report of each prefix, the busiest first."""
        return sorted(self._prefixes.values(), key=lambda report: (-report.total, report.prefix))


def _prefix_of(text: str) -> str:
    handle = Handle(text)
    return fold_ascii(handle.described_prefix if handle.is_prefix_handle else handle.prefix)


def _outcome_of(code: int) -> Outcome:
    if code in _FOUND:
        return "found"
    if code in _NOT_FOUND:
        return "not_found"
    return "refused" if code in _REFUSED else "failed"


def read_lines(path: Path | None) -> Iterator[str]:
    """Read the lines of a log, packed or not; ``None`` stands for standard input.

    Raises:
        SettingsError: it cannot be read.
    """
    if path is None:
        yield from sys.stdin
        return
    try:
        with (
            gzip.open(path) if path.suffix == ".gz" else path.open("rb") as octets,
            io.TextIOWrapper(octets, "utf-8", errors="replace") as lines,
        ):
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


# --- what is shown ---------------------------------------------------------------------------------------


def report_text(report: Report, top: int) -> str:
    """Return a report for people.

    Args:
        report: that has read everything.
        top: how many handles are named in each list.
    """
    shown = report.prefixes
    if not shown:
        return "No request for a handle is in these logs.\n"
    total = sum(prefix.total for prefix in shown)
    lines = [f"{report.first} to {report.last}: {total} requests for handles of {len(shown)} prefixes"]
    for prefix in shown:
        lines += ["", *_prefix_lines(prefix, top)]
    if report.unreadable:
        lines += ["", f"{report.unreadable} lines are none of an access log in JSON, and were left out."]
    return "\n".join(lines) + "\n"


def _prefix_lines(prefix: PrefixReport, top: int) -> Iterator[str]:
    words: dict[Outcome, str] = {
        "found": "found",
        "not_found": "not found",
        "failed": "failed",
        "refused": "turned away",
    }
    parts = [
        f"{prefix.outcomes[outcome]} {word} ({prefix.share(outcome):.1%})"
        for outcome, word in words.items()
        if prefix.outcomes[outcome]
    ]
    yield f"{visible_text(prefix.prefix)}: {prefix.total} requests, {prefix.ms / prefix.total:.1f} ms each"
    yield f"  {', '.join(parts)}"
    for title, names in (
        ("asked for most", prefix.asked),
        ("looked for in vain", prefix.missing),
        ("failed", prefix.failing),
    ):
        ranked = names.most_common(top)
        if ranked:
            yield f"  {title}:"
            yield from (f"  {count:>9}  {visible_text(handle)}" for handle, count in ranked)


def report_json(report: Report, top: int) -> dict[str, Any]:
    """Return a report for programs."""
    return {
        "first": report.first or None,
        "last": report.last or None,
        "unreadableLines": report.unreadable,
        "prefixes": [
            {
                "prefix": prefix.prefix,
                "requests": prefix.total,
                "found": prefix.outcomes["found"],
                "notFound": prefix.outcomes["not_found"],
                "failed": prefix.outcomes["failed"],
                "turnedAway": prefix.outcomes["refused"],
                "meanMs": round(prefix.ms / prefix.total, 1),
                "mostAsked": _named(prefix.asked, top),
                "mostNotFound": _named(prefix.missing, top),
                "mostFailed": _named(prefix.failing, top),
            }
            for prefix in report.prefixes
        ],
    }


def _named(names: Frequent, top: int) -> list[dict[str, Any]]:
    return [{"handle": handle, "requests": count} for handle, count in names.most_common(top)]


def report_csv(report: Report) -> str:
    """Return every handle that was looked for in vain, or failed, for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["prefix", "handle", "outcome", "requests"])
    for prefix in report.prefixes:
        for outcome, names in (("not_found", prefix.missing), ("failed", prefix.failing)):
            for handle, count in names.most_common():
                writer.writerow([_cell(prefix.prefix), _cell(handle), outcome, count])
    return text.getvalue()


def _cell(text: str) -> str:
    """Return ``text`` so that no spreadsheet takes it for a formula."""
    shown = visible_text(text).replace("\t", " ").replace("\n", " ")
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def sum_up(paths: Sequence[Path | None], report: Report) -> None:
    """Read all logs, one after the other.

    Raises:
        SettingsError: one of them cannot be read.
    """
    for path in paths:
        report.read(read_lines(path))
