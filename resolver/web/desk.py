"""Where an operator's wishes about the cache arrive, and how they reach every process that has one.

With one worker, the admin listener is in the same process, and asks it directly. With several, it is in a
process of its own: each worker then listens on a socket in a folder that only this program can enter, one line
of JSON in, one line out, and the admin process asks them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from resolver.errors import InvalidHandleError
from resolver.model.handle import Handle
from resolver.resolution.upkeep import Upkeep

__all__ = ["Desk", "DesksOfWorkers", "OwnDesk", "open_desk"]

logger = logging.getLogger(__name__)

MAX_LINE = 4 * 1024 * 1024
"""Longest line, of a record with many large values."""

PATIENCE_S = 30.0

Wish = dict[str, Any]


class Desk(Protocol):
    """Takes wishes."""

    async def ask(self, wish: Wish) -> list[dict[str, Any]]:
        """Have a wish fulfilled, and return what each process says to it."""
        ...


class OwnDesk:
    """Takes the wishes for this process."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    async def ask(self, wish: Wish) -> list[dict[str, Any]]:
        """Have a wish fulfilled here."""
        return [{"process": os.getpid(), **await self._fulfil(wish)}]

    async def _fulfil(self, wish: Wish) -> dict[str, Any]:
        try:
            match wish:
                case {"do": "summary"}:
                    return self._upkeep.summary()
                case {"do": "show", "handle": str(text)}:
                    return self._upkeep.show(Handle.parse(text))
                case {"do": "flush", "handle": str(text)}:
                    await self._upkeep.flush(Handle.parse(text))
                    return {}
                case {"do": "flush", "prefix": str(prefix)}:
                    return await self._upkeep.flush_below(prefix)
                case {"do": "warm", "handle": str(text)}:
                    outcome, message = await self._upkeep.warm(Handle.parse(text))
                    return {"outcome": outcome, **({"message": message} if message else {})}
                case _:
                    return {"error": "nobody knows how to do that"}
        except InvalidHandleError as error:
            return {"error": str(error)}


class DesksOfWorkers:
    """Passes wishes on to every worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def ask(self, wish: Wish) -> list[dict[str, Any]]:
        """Have a wish fulfilled by each worker, one after the other.

        So the second finds in Redis what the first has just looked up.
        """
        said = []
        for path in sorted(self._folder.glob("*.sock")):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    said += await _ask(path, wish)
            except (ConnectionRefusedError, FileNotFoundError):
                # Left behind by a worker that was killed; its successor has one of its own.
                path.unlink(missing_ok=True)
            except (OSError, EOFError, ValueError) as error:
                logger.warning("worker does not answer at its desk path=%s error=%r", path, error)
        return said


async def _ask(path: Path, wish: Wish) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=MAX_LINE)
    try:
        writer.write(json.dumps(wish).encode() + b"\n")
        await writer.drain()
        said = json.loads(await reader.readuntil())
    finally:
        writer.close()
    if not isinstance(said, list):
        raise ValueError("an answer that is no list")  # noqa: TRY004 - handled like any other nonsense
    return said


@contextlib.asynccontextmanager
async def open_desk(folder: Path, desk: Desk) -> AsyncIterator[None]:
    """Take wishes in ``folder`` while the block runs."""
    path = folder / f"{os.getpid()}.sock"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wish = json.loads(await reader.readuntil())
            writer.write(json.dumps(await desk.ask(wish)).encode() + b"\n")
            await writer.drain()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            logger.info("wish cannot be read error=%r", error)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, str(path), limit=MAX_LINE)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
