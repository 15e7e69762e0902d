"""The settings as a table for the README: made from ``Settings`` alone, so that it cannot say anything else.

python -m resolver.config_table README.md       # writes the table between the two marker lines of the file
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

from resolver.config import ENVIRON_PREFIX, HostSettings, Settings, command_line_fields, option_name, unit_of

__all__ = ["BEGIN", "END", "settings_table", "with_table"]

BEGIN = "<!-- settings: written by python -m resolver.config_table README.md -->"
END = "<!-- end of settings -->"

_NONSENSE = "-1"
"""No setting but text takes it; what a parser says against it tells what it does take."""


def settings_table() -> str:
    """Return the table in Markdown, with a line on the settings of single hosts."""
    defaults = dict(Settings().shown())
    lines = ["| setting | default | values | |", "|---|---|---|---|"]
    for field in command_line_fields():
        name = option_name(field.name)
        default = defaults[name]
        # What is no value, such as "none", stands in for one.
        is_value = field.default not in (None, "", ())
        cells = [
            f"`--{name}`<br>`{ENVIRON_PREFIX}{field.name.upper()}`",
            f"`{default}`" if is_value else default,
            _values(field),
            field.metadata["help"],
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    of_hosts = [f"`{option_name(field.name)}`" for field in dataclasses.fields(HostSettings)]
    of_hosts.remove("`name`")
    tables = 'In the file only, for one host name each, in tables such as `[hosts."hdl.example.org"]`'
    return "\n".join([*lines, "", f"{tables}: {', '.join(of_hosts)}."])


def _values(field: dataclasses.Field[Any]) -> str:
    """Return what a setting may be: its bounds, its choices, or at least of which kind it is."""
    if isinstance(field.default, bool):
        return "`true`, `false`"
    unit, said = unit_of(field), _objection(field)
    if "|" in unit:
        return ", ".join(f"`{choice}`" for choice in unit.split("|"))
    if found := re.search(r"from (\S+) to (\S+?)( seconds)?$", said):
        low, high = (f"{float(bound):,.15g}" for bound in found.group(1, 2))
        shown_unit = " s" if unit == "SECONDS" else " octets" if field.name.endswith("_bytes") else ""
        return f"{low} to {high}{shown_unit}"
    if found := re.search(r"is none of (.+)$", said):
        return "list of " + ", ".join(f"`{choice}`" for choice in found.group(1).split(", "))
    return unit if unit == "URL" else unit.lower()


def _objection(field: dataclasses.Field[Any]) -> str:
    try:
        field.metadata["parse"](_NONSENSE)
    except ValueError as error:
        return str(error)
    return ""


def with_table(text: str) -> str:
    """Return a text with the table between its marker lines.

    Raises:
        ValueError: it does not have both of them, once each.
    """
    head, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail or END in tail:
        raise ValueError(f"the lines {BEGIN!r} and {END!r} must be there once")
    return f"{head}{BEGIN}\n{settings_table()}\n{END}{tail}"


def main(words: list[str]) -> None:
    """Print the table, or write it into the files that are named."""
    if not words:
        print(settings_table())
    for word in words:
        path = Path(word)
        path.write_text(with_table(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
