"""The settings as options of commands: what each means, in which unit, its default, and its variable."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import click

from resolver.config import (
    ENVIRON_PREFIX,
    Settings,
    command_line_fields,
    option_name,
    read_settings,
    unit_of,
)
from resolver.errors import SettingsError

__all__ = ["EXIT_FAILED", "Failure", "SettingsCommand", "read_options", "settings_options"]

EXIT_FAILED = 2

# The first setting of each section; the others follow as they are declared.
_SECTIONS = {
    "host": "Listeners and processes",
    "bootstrap": "Asking handle servers",
    "redis": "Remembering",
    "max_lookups": "Limits",
    "trusted_proxies": "Visitors",
    "extra_schemes": "Answers",
    "templates": "Pages",
    "log_level": "Logs and traces",
}

Command = TypeVar("Command", bound=Callable[..., Any])


class Failure(click.ClickException):
    """An error of ours, told in one line."""

    exit_code = EXIT_FAILED

    def format_message(self) -> str:
        """Return the line, without what click would put before it."""
        return self.message


class _SettingOption(click.Option):
    """An option that is a setting."""

    def __init__(self, *names: Any, section: str, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section


class SettingsCommand(click.Command):
    """A command whose help shows the settings below its own options, section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                section = parameter.section if isinstance(parameter, _SettingOption) else "Options"
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records, col_max=34)


def settings_options(*, only: Collection[str] = ()) -> Callable[[Command], Command]:
    """Return what adds an option for every setting to a command.

    Args:
        only: settings that matter to the command; the others are taken as well, so that commands can share a
            file and an environment, yet not shown. All, if empty.
    """

    def add(command: Command) -> Command:
        for field, section in reversed(list(_with_sections())):
            command = _add(command, field, section, hidden=bool(only) and field.name not in only)
        config = click.option(
            "--config",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            metavar="FILE",
            envvar=f"{ENVIRON_PREFIX}CONFIG",
            help=f"A TOML file with settings by the names of these options. [none; {ENVIRON_PREFIX}CONFIG]",
        )
        return config(command)

    return add


def _with_sections() -> list[tuple[dataclasses.Field[Any], str]]:
    section, found = "Settings", []
    for field in command_line_fields():
        section = _SECTIONS.get(field.name, section)
        found.append((field, section))
    return found


def _add(command: Command, field: dataclasses.Field[Any], section: str, *, hidden: bool) -> Command:
    name, flag = option_name(field.name), isinstance(field.default, bool)
    variable = ENVIRON_PREFIX + field.name.upper()
    return click.option(
        f"--{name}/--no-{name}" if flag else f"--{name}",
        field.name,
        cls=_SettingOption,
        section=section,
        default=None,
        hidden=hidden,
        metavar=None if flag else unit_of(field),
        help=f"{field.metadata['help']} [{_defaults()[name]}; {variable}]",
        shell_complete=_completion(field),
    )(command)


@functools.cache
def _defaults() -> dict[str, str]:
    # Hundreds of options show one; to write them all for each took a good part of the time to start.
    return dict(Settings().shown())


def _completion(field: dataclasses.Field[Any]) -> Callable[..., list[Any]]:
    def complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
        unit = unit_of(field)
        if unit in {"FILE", "FOLDER"}:
            return [
                click.shell_completion.CompletionItem(incomplete, type="file" if unit == "FILE" else "dir")
            ]
        return [choice for choice in unit.split("|") if "|" in unit and choice.startswith(incomplete)]

    return complete


def read_options(config: Path | None, options: dict[str, Any]) -> Settings:
    """Return the settings that options, environment and file make together.

    Raises:
        Failure: one of them cannot be used.
    """
    try:
        return read_settings(options, os.environ, config)
    except SettingsError as error:
        raise Failure(str(error)) from error
