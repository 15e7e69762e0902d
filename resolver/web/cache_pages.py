"""The cache on the admin listener: ``/cache/``, for whoever runs the resolver.

Nothing here can be done by a page that the operator happens to look at: what changes something is either not
GET or POST, or takes JSON only, and a browser asks before it sends either to another origin.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from resolver.web.desk import Desk
from resolver.web.identifiers import strip_labels

__all__ = ["add_cache_pages"]

MAX_HANDLES = 100_000
MAX_BODY_OCTETS = 64 * 1024 * 1024
WARMED_AT_ONCE = 8

_HANDLES = "/cache/handles/"


def add_cache_pages(app: web.Application, desk: Desk) -> None:
    """Let ``app`` answer below ``/cache``."""
    pages = _CachePages(desk)
    app.router.add_get("/cache", pages.summary)
    app.router.add_delete("/cache", pages.flush)
    app.router.add_get(_HANDLES + r"{handle:[\s\S]+}", pages.show)
    app.router.add_delete(_HANDLES + r"{handle:[\s\S]+}", pages.flush_one)
    app.router.add_post("/cache/warm", pages.warm)


class _CachePages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def summary(self, _: web.Request) -> web.Response:
        return web.json_response({"workers": await self._desk.ask({"do": "summary"})})

    async def show(self, request: web.Request) -> web.Response:
        handle = _handle_of(request)
        said = await self._desk.ask({"do": "show", "handle": handle})
        is_held = any(name in worker for worker in said for name in ("plain", "signed"))
        status = 200 if is_held else 400 if any("error" in worker for worker in said) else 404
        return web.json_response({"handle": handle, "workers": said}, status=status)

    async def flush_one(self, request: web.Request) -> web.Response:
        handle = _handle_of(request)
        said = await self._desk.ask({"do": "flush", "handle": handle})
        status = 400 if any("error" in worker for worker in said) else 200
        return web.json_response({"handle": handle, "workers": said}, status=status)

    async def flush(self, request: web.Request) -> web.Response:
        prefix = request.query.get("prefix", "")
        # So that a prefix that was forgotten does not empty everything.
        if not prefix and "all" not in request.query:
            return web.json_response({"error": "say ?prefix=… or ?all"}, status=400)
        said = await self._desk.ask({"do": "flush", "prefix": prefix})
        return web.json_response({"prefix": prefix or None, "workers": said})

    async def warm(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            return web.json_response({"error": "the body must be application/json"}, status=415)
        try:
            octets = await request.clone(client_max_size=MAX_BODY_OCTETS).read()
            handles = _read_handles(json.loads(octets))
        except (ValueError, RecursionError) as error:
            return web.json_response({"error": str(error)}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        waiting, turn = iter(handles), asyncio.Lock()

        async def work() -> None:
            for handle in waiting:
                said = await self._desk.ask({"do": "warm", "handle": strip_labels(handle)})
                line = {"handle": handle, **_outcome(said)}
                async with turn:
                    await response.write(json.dumps(line).encode() + b"\n")

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(WARMED_AT_ONCE, len(handles))):
                    group.create_task(work())
            await response.write_eof()
        except* ConnectionError:
            pass  # the operator has seen enough
        return response


def _outcome(said: list[dict[str, Any]]) -> dict[str, str]:
    """Return the worst of what the workers say: all of them are to have it."""
    if not said:
        return {"outcome": "failed", "message": "no worker answers"}
    for worker in said:
        if "error" in worker:
            return {"outcome": "failed", "message": worker["error"]}
        if worker["outcome"] != "found":
            return {"outcome": worker["outcome"], "message": worker["message"]}
    return {"outcome": "found"}


def _read_handles(content: Any) -> list[str]:
    handles = content.get("handles") if isinstance(content, dict) else None
    if not isinstance(handles, list) or not all(isinstance(handle, str) for handle in handles):
        raise ValueError('the body must be like {"handles": ["20.500.12345/abc"]}')
    if not 0 < len(handles) <= MAX_HANDLES:
        raise ValueError(f"{len(handles)} handles were sent; from 1 to {MAX_HANDLES} can be taken")
    return handles


def _handle_of(request: web.Request) -> str:
    """Return the handle in the path as it was meant: decoded once, and not tidied up."""
    path = request.raw_path.partition("?")[0]
    return strip_labels(unquote(path.removeprefix(_HANDLES), errors="surrogateescape"))
