"""The table of settings in the README says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resolver.config import Settings, command_line_fields, option_name
from resolver.config_table import BEGIN, END, main, settings_table, with_table

README = Path(__file__).parents[2] / "README.md"
EMPTY = f"before\n{BEGIN}\n{END}\nafter\n"


def rows() -> dict[str, list[str]]:
    """Return the cells of each row, by option."""
    lines = [line for line in settings_table().splitlines() if line.startswith("| `--")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].split("`")[1]: row for row in cells}


def test_readme_has_the_table_of_this_version() -> None:
    """After a change of a setting, "make docs" writes it anew."""
    text = README.read_text("utf-8")
    assert with_table(text) == text


def test_every_setting_has_its_row() -> None:
    """None is forgotten, and each is named in both ways, with a default and a meaning."""
    shown = dict(Settings().shown())
    found = rows()
    assert list(found) == [f"--{option_name(field.name)}" for field in command_line_fields()]
    for field in command_line_fields():
        name, default, _, meaning = found[f"--{option_name(field.name)}"]
        assert f"`RESOLVER_{field.name.upper()}`" in name
        assert default.strip("`") == shown[option_name(field.name)]
        assert meaning.replace("\\|", "|") == field.metadata["help"]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--port", "0 to 65,535"),
        ("--deadline", "0.1 to 60 s"),
        ("--cache-bytes", "0 to 1,099,511,627,776 octets"),
        ("--conneg", "`lenient`, `strict`"),
        ("--transports", "list of `udp`, `tcp`, `http`, `https`"),
        ("--allow-private-addresses", "`true`, `false`"),
        ("--bootstrap", "file"),
        ("--templates", "folder"),
        ("--state-dir", "folder"),
        ("--trusted-proxies", "list"),
        ("--site-name", "text"),
        ("--redis", "URL"),
    ],
)
def test_values_are_those_that_are_taken(option: str, values: str) -> None:
    """Bounds, units and choices come from the code that reads the setting."""
    assert rows()[option][2] == values


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    """The rest of the file stays, however often the table is written."""
    file = tmp_path / "README.md"
    file.write_text(EMPTY, "utf-8")
    for _ in range(2):
        main([str(file)])
        assert file.read_text("utf-8") == f"before\n{BEGIN}\n{settings_table()}\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", END, f"{END}\n{BEGIN}\n", EMPTY + EMPTY])
def test_a_file_without_its_marks_is_left_alone(text: str) -> None:
    """Better an error than a table in some place."""
    with pytest.raises(ValueError, match="must be there once"):
        with_table(text)
