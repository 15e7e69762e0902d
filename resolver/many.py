"""Resolving many handles in the terminal: a line of JSON for each, as each answer arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from resolver.answer.record_json import error_json, record_json, write_json
from resolver.config import Settings
from resolver.errors import HandleNotFoundError, InvalidHandleError, ResolverError
from resolver.model.handle import Handle
from resolver.model.record import select_values
from resolver.observe import Observer
from resolver.protocol.codes import ResponseCode
from resolver.resolution.assembly import assemble
from resolver.resolution.service import Resolver
from resolver.web.identifiers import strip_labels

__all__ = ["resolve_many"]

LOOKUPS_AT_ONCE = 16


async def resolve_many(
    settings: Settings,
    handles: Sequence[str],
    tell: Callable[[bytes, ResponseCode], None],
    *,
    auth: bool = False,
    types: Sequence[str] = (),
    indexes: Sequence[int] = (),
) -> None:
    """Resolve handles side by side.

    Args:
        settings: what the operator chose.
        handles: in any way in which they can be pasted.
        tell: takes the line of each, in the order in which answers arrive, and its response code.
        auth: ask primary servers.
        types: only values of these types.
        indexes: only values with these indexes.

    Raises:
        SettingsError: a setting, or a file that one names, cannot be used.
    """
    assembly = assemble(settings, Observer())
    waiting = iter(handles)

    async def work() -> None:
        for text in waiting:
            tell(*await _answer(assembly.resolver, text, auth, tuple(types), tuple(indexes)))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(LOOKUPS_AT_ONCE, len(handles))):
                group.create_task(work())
    finally:
        await assembly.close()


async def _answer(
    resolver: Resolver, asked: str, auth: bool, types: tuple[str, ...], indexes: tuple[int, ...]
) -> tuple[bytes, ResponseCode]:
    text = strip_labels(asked).lstrip("/")
    code = ResponseCode.SUCCESS
    try:
        resolved = await resolver.resolve(Handle.parse(text), authoritative=auth)
    except ResolverError as error:
        match error:
            case HandleNotFoundError():
                code = ResponseCode.HANDLE_NOT_FOUND
            case InvalidHandleError():
                code = ResponseCode.INVALID_HANDLE
            case _:
                code = ResponseCode.ERROR
        shown = error_json(code, str(error), text)
    else:
        shown = record_json(text, select_values(resolved.record.values, types, indexes))
    return write_json(shown if text == asked else {**shown, "asked": asked}), code
