"""What the documents say about limits and tests is so."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from resolver.config import Settings, field_of, option_name
from resolver.resolution.toll import Kind

ROOT = Path(__file__).parents[2]
LIMITS = ROOT / "docs" / "limits.md"
SECURITY = ROOT / "SECURITY.md"
GOALS = ROOT / "docs" / "goals.md"


def rows() -> list[tuple[str, str, str]]:
    """Return name, value and place of each limit."""
    found = []
    for line in LIMITS.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[2].startswith("`"):
            found.append((cells[0], cells[1], cells[2].strip("`")))
    return found


@pytest.mark.parametrize(("name", "value", "place"), rows())
def test_limit_is_what_the_page_says(name: str, value: str, place: str) -> None:
    """A setting has the default, a constant the value, that stand beside its name."""
    if place.startswith("--"):
        field = field_of(place.removeprefix("--").replace("-", "_"))
        shown = dict(Settings().shown())[option_name(field.name)]
        assert value.split(" ")[0] == ("" if field.default is None else shown), name
        return
    module, _, constant = place.rpartition(".")
    assert float(value.split(" ")[0]) == getattr(importlib.import_module(module), constant), name


def test_every_limit_among_the_settings_is_there() -> None:
    """A setting that limits something has its line on the page."""
    words = ("max", "rate", "ttl", "deadline", "cache", "list", "dry_run")
    limiting = {
        f"--{name}"
        for name, _ in Settings().shown()
        if set(re.split(r"[-_]", name)) & set(words) or "dry-run" in name
    }
    assert limiting <= {place for _, _, place in rows()}


def test_prices_are_those_of_the_program() -> None:
    """The kinds of work that have a price are the ones that are charged."""
    (value,) = [value for _, value, place in rows() if place == "--rate-costs"]
    assert [item.partition("=")[0] for item in value.split(",")] == list(Kind.__args__)


def test_every_file_that_is_named_exists() -> None:
    """Tests and sources that the pages point to are there."""
    for document in (SECURITY, LIMITS, GOALS):
        named = re.findall(
            r"`((?:tests|resolver|fuzz|benchmarks|soak|docs|deploy|requirements)/[\w./-]*)`",
            document.read_text("utf-8"),
        )
        assert document is LIMITS or len(named) > 30
        missing = [path for path in named if not (ROOT / path).exists()]
        assert not missing, f"{document.name} names {missing}"


def test_every_setting_that_is_named_exists() -> None:
    """Settings that the pages speak of are settings."""
    for document in (SECURITY, LIMITS):
        for name in set(re.findall(r"`--([a-z][a-z-]*)", document.read_text("utf-8"))):
            field_of(name.replace("-", "_"))


def test_every_threat_has_its_section() -> None:
    """Each threat says what is done about it and where that is tried."""
    sections = re.split(r"^### ", SECURITY.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert [int(section.partition(".")[0]) for section in sections] == list(range(1, len(sections) + 1))
    assert len(sections) == 24
    for section in sections:
        assert re.search(r"\*Tested in\*.*`(?:tests|fuzz|requirements)/", section, re.DOTALL), section[:60]


def test_every_goal_has_its_row() -> None:
    """Each goal says what was aimed at, what was reached, and what shows it."""
    rows = [
        line.strip("| ").split(" | ")
        for line in GOALS.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    goals = rows[1:]
    assert [int(goal.partition(".")[0]) for goal, *_ in goals] == list(range(4, 25))
    for row in goals:
        assert len(row) == 4, row[0]
        assert re.search(r"`[\w./-]+`", row[3]), row[0]
