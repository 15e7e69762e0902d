"""Switches faults of the demo's servers on and off while they run.

``GET /`` lists the servers and what is wrong with them, ``PUT /NAME`` with an object of faults sets those of one
server, and ``{}`` makes it well. For loopback only: whoever can reach it may break the demo, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web

from resolver.demo.faults import behaviour_from_json, behaviour_to_json
from resolver.demo.handle_service import HandleService
from resolver.errors import SettingsError

__all__ = ["Control"]


class Control:
    """The listener."""

    def __init__(self, services: Mapping[str, HandleService]) -> None:
        self._services = services
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application()
        app.router.add_get("/", self._list)
        app.router.add_get("/{name}", self._show)
        app.router.add_put("/{name}", self._set)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(
            {name: behaviour_to_json(service.behaviour) for name, service in self._services.items()}
        )

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(behaviour_to_json(self._service(request).behaviour))

    async def _set(self, request: web.Request) -> web.Response:
        service = self._service(request)
        try:
            service.behaviour = behaviour_from_json(json.loads(await request.text()))
        except (ValueError, SettingsError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(behaviour_to_json(service.behaviour))

    def _service(self, request: web.Request) -> HandleService:
        service = self._services.get(request.match_info["name"].upper())
        if service is None:
            text = json.dumps({"error": f"no such server; there are {', '.join(self._services)}"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return service
