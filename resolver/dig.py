"""Resolving a handle in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click

from resolver.answer.listing import ValueView, show_value
from resolver.answer.record_json import error_json, record_json, write_json
from resolver.answer.visible import visible_text
from resolver.config import Settings
from resolver.errors import HandleNotFoundError, InvalidHandleError, ResolverError
from resolver.model.handle import Handle
from resolver.model.record import select_values
from resolver.observe import Observer
from resolver.protocol.codes import ResponseCode
from resolver.resolution.assembly import assemble
from resolver.resolution.driver import Trace
from resolver.web.identifiers import strip_labels

__all__ = ["run_dig"]

FOUND, NOT_FOUND, FAILED = 0, 1, 2


async def run_dig(
    settings: Settings,
    text: str,
    *,
    as_json: bool,
    trace: bool,
    auth: bool,
    types: Sequence[str],
    indexes: Sequence[int],
) -> int:
    """Resolve a handle, print what was found, and return the exit status.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    assembly = assemble(settings, Observer())
    noted = Trace() if trace else None
    assembly.start()
    try:
        handle = Handle.parse(strip_labels(text).lstrip("/"))
        resolved = await assembly.resolver.resolve(handle, authoritative=auth, trace=noted)
    except HandleNotFoundError as error:
        return _fail(error, NOT_FOUND, ResponseCode.HANDLE_NOT_FOUND, text, as_json=as_json)
    except InvalidHandleError as error:
        return _fail(error, FAILED, ResponseCode.INVALID_HANDLE, text, as_json=as_json)
    except ResolverError as error:
        return _fail(error, FAILED, ResponseCode.ERROR, text, as_json=as_json)
    finally:
        await assembly.close()
        for entry in noted.entries if noted else ():
            click.echo(
                f"{entry.at_s * 1000:8.1f} ms  {'  ' * entry.depth}{visible_text(entry.handle)}: {entry.text}",
                err=True,
            )
    values = select_values(resolved.record.values, types, indexes)
    if as_json:
        click.echo(write_json(record_json(handle.text, values), pretty=True))
        return FOUND
    click.echo(f"{visible_text(handle.text)}, answered by {resolved.answered_by}")
    for value in values:
        _print(show_value(value))
    if not values:
        click.echo("no values" if not (types or indexes) else "no values of the kind asked for")
    return FOUND


def _print(value: ValueView) -> None:
    head = f"{value.index:>11}  {value.type:<14}"
    lines = (value.text if value.text is not None else value.octets or "").split("\n")
    lines = [f"{fact.label}: {fact.text}" for fact in value.facts] or lines
    for number, line in enumerate(lines):
        click.echo(f"{head if number == 0 else ' ' * len(head)}  {line}")


def _fail(error: ResolverError, status: int, code: ResponseCode, text: str, *, as_json: bool) -> int:
    if as_json:
        click.echo(write_json(error_json(code, str(error), text), pretty=True))
    else:
        click.echo(visible_text(str(error)), err=True)
    return status
