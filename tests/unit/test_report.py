"""What became of the handles of each prefix, out of logs that may be long, packed, damaged or hostile."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resolver import report as module
from resolver.cli import main
from resolver.report import Frequent, Report, report_csv, report_json, report_text


def line(handle: str | None, code: int = 1, at: str = "2026-11-02T10:00:00.000Z", **more: Any) -> str:
    """Return a line of an access log."""
    shown = {"time": at, "address": "192.0.2.0", "handle": handle, "code": code, "ms": 2.0, **more}
    return json.dumps({name: value for name, value in shown.items() if value is not None})


LINES = [
    *[line("10.1/a")] * 5,
    line("10.1/b", 200),
    *[line("10.1/gone", 100)] * 2,
    line("10.1/typo", 100),
    line("10.1/down", 2, ms=20.0),
    line("10.1/busy", 3),
    line("20.5.x/A", at="2026-11-01T00:00:00.000Z"),
    line("20.5.X/a", at="2026-11-30T23:59:59.999Z"),
    line("0.NA/10.1"),
    line(None),
    line(None, endpoint="batch"),
]


def read(*lines: str, **how: Any) -> Report:
    """Return a report of these lines."""
    report = Report(**how)
    report.read(lines)
    return report


def test_outcomes_are_counted_by_prefix() -> None:
    """Each request for a handle counts for its prefix, in whatever case it was written; pages do not count."""
    found = {prefix.prefix: prefix for prefix in read(*LINES).prefixes}
    assert {name: prefix.total for name, prefix in found.items()} == {"10.1": 12, "20.5.X": 2}
    assert found["10.1"].outcomes == {"found": 7, "not_found": 3, "failed": 1, "refused": 1}
    assert found["10.1"].missing.most_common() == [("10.1/gone", 2), ("10.1/typo", 1)]
    assert found["10.1"].failing.most_common() == [("10.1/down", 1)]
    assert found["10.1"].share("not_found") == 0.25


@pytest.mark.parametrize(
    ("how", "prefixes"),
    [
        ({"prefixes": ["10.1"]}, ["10.1"]),
        ({"prefixes": ["20.5"]}, ["20.5.X"]),
        ({"prefixes": ["20.5.x"]}, ["20.5.X"]),
        ({"prefixes": ["20"]}, ["20.5.X"]),
        ({"prefixes": ["10.10", "1"]}, []),
        ({"since": "2026-11-03"}, ["20.5.X"]),
        ({"until": "2026-11-02"}, ["20.5.X"]),
        ({"since": "2026-11-02", "until": "2026-11-03"}, ["10.1"]),
        ({"since": "2026-12"}, []),
    ],
)
def test_only_what_is_wanted_counts(how: dict[str, Any], prefixes: list[str]) -> None:
    """A prefix, with those derived from it; a span of time, its end excluded."""
    assert [prefix.prefix for prefix in read(*LINES, **how).prefixes] == prefixes


def test_text_for_people() -> None:
    """Totals, shares, and the names that came up most."""
    assert report_text(read(*LINES, "nonsense"), top=1).splitlines() == [
        "2026-11-01T00:00:00.000Z to 2026-11-30T23:59:59.999Z: 14 requests for handles of 2 prefixes",
        "",
        "10.1: 12 requests, 3.5 ms each",
        "  7 found (58.3%), 3 not found (25.0%), 1 failed (8.3%), 1 turned away (8.3%)",
        "  asked for most:",
        "          5  10.1/a",
        "  looked for in vain:",
        "          2  10.1/gone",
        "  failed:",
        "          1  10.1/down",
        "",
        "20.5.X: 2 requests, 2.0 ms each",
        "  2 found (100.0%)",
        "  asked for most:",
        "          1  20.5.X/a",
        "",
        "1 lines are none of an access log in JSON, and were left out.",
    ]
    assert "No request for a handle" in report_text(read(), top=1)


def test_json_for_programs() -> None:
    """The same as numbers."""
    shown = report_json(read(*LINES), top=10)
    first = shown["prefixes"][0]
    assert (first["requests"], first["notFound"], first["failed"], first["turnedAway"]) == (12, 3, 1, 1)
    assert first["mostNotFound"] == [
        {"handle": "10.1/gone", "requests": 2},
        {"handle": "10.1/typo", "requests": 1},
    ]


def test_csv_names_every_failure() -> None:
    """The list that an owner works through; no cell of it is a formula."""
    rows = list(csv.reader(io.StringIO(report_csv(read(*LINES, line("=1+1/x", 100), line("@x/\n", 2))))))
    assert rows[0] == ["prefix", "handle", "outcome", "requests"]
    assert ["10.1", "10.1/gone", "not_found", "2"] in rows
    assert ["10.1", "10.1/down", "failed", "1"] in rows
    assert ["'=1+1", "'=1+1/x", "not_found", "1"] in rows
    assert all(len(row) == 4 for row in rows)


def test_no_address_is_told() -> None:
    """Whatever the log holds of visitors, the report does not."""
    report = read(line("10.1/a", address="192.0.2.77", user_agent="a browser", referrer="https://r.example/"))
    for text in (report_text(report, 10), json.dumps(report_json(report, 10)), report_csv(report)):
        assert "192.0.2" not in text
        assert "browser" not in text
        assert "r.example" not in text


@given(st.lists(st.text() | st.just(line("10.1/\x1b[2J\u202e", 100)), max_size=5))
def test_any_line_is_borne(lines: list[str]) -> None:
    """What is no line of a log is counted as such, and no handle writes to the terminal."""
    report = read(*lines)
    assert not set(report_text(report, 10)) & set("\x1b\u202e")


@pytest.mark.parametrize(
    "nonsense",
    [
        "{",
        "[]",
        "1",
        '"x"',
        "null",
        "{}",
        '{"time": 1, "handle": "10.1/x", "code": 1}',
        '{"time": "2026", "handle": "10.1/x", "code": "1"}',
        '{"time": "2026", "handle": "10.1/x", "code": 1, "ms": "x"}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_nonsense_is_counted(nonsense: str) -> None:
    """A line that is none of ours changes nothing but one number."""
    report = read(nonsense, line("10.1/a"))
    assert report.unreadable == 1
    assert [prefix.total for prefix in report.prefixes] == [1]


def test_names_are_bounded() -> None:
    """However many names come up once, those that come up often are remembered."""
    names = Frequent(limit=100)
    for number in range(5000):
        names.add(f"once-{number}")
        if number % 10 == 0:
            names.add("often")
    assert names.most_common(1) == [("often", 500)]
    assert len(names.most_common()) <= 100


def test_prefixes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more prefixes than can be remembered, the others are counted together."""
    monkeypatch.setattr(module, "MAX_PREFIXES", 3)
    found = read(*(line(f"10.{number}/x") for number in range(10))).prefixes
    assert [(prefix.prefix, prefix.total) for prefix in found][:2] == [("(others)", 7), ("10.0", 1)]


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    """Two logs, one of them packed."""
    plain, packed = tmp_path / "access.log", tmp_path / "access.log.1.gz"
    plain.write_text("\n".join(LINES[:8]) + "\n", "utf-8")
    packed.write_bytes(gzip.compress("\n".join(LINES[8:]).encode() + b"\n\xff\xfe\n"))
    return [str(plain), str(packed)]


def test_command_reads_files(logs: list[str]) -> None:
    """Files are read one after the other, packed or not."""
    done = CliRunner().invoke(main, ["report", *logs, "--json", "--top", "0"])
    assert done.exit_code == 0
    shown = json.loads(done.output)
    assert [(prefix["prefix"], prefix["requests"]) for prefix in shown["prefixes"]] == [
        ("10.1", 12),
        ("20.5.X", 2),
    ]
    assert shown["unreadableLines"] == 1
    assert shown["prefixes"][0]["mostAsked"] == []


@pytest.mark.parametrize("words", [[], ["-"]])
def test_command_reads_standard_input(words: list[str]) -> None:
    """Without a file, the log comes through a pipe."""
    done = CliRunner().invoke(main, ["report", *words, "--prefix", "10.1", "--csv"], input="\n".join(LINES))
    assert done.exit_code == 0
    assert done.output.splitlines()[1] == "10.1,10.1/gone,not_found,2"
    done = CliRunner().invoke(main, ["report", *words], input="\n".join(LINES))
    assert "10.1: 12 requests" in done.output


@pytest.mark.parametrize(
    ("name", "content"), [("none", None), ("bad.gz", b"\x1f\x8bnonsense"), ("cut.gz", b"")]
)
def test_command_names_what_it_cannot_read(tmp_path: Path, name: str, content: bytes | None) -> None:
    """A log that is not there, or damaged, is an error in one line."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content or gzip.compress(LINES[0].encode() * 1000)[:-20])
    done = CliRunner().invoke(main, ["report", str(path)])
    assert done.exit_code == 2
    assert name in done.output
    assert isinstance(done.exception, SystemExit)
