"""What the operator sees, on a listener of its own: metrics and health."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from resolver.web.draining import Draining

__all__ = ["create_admin_app"]

_DRAINING: web.AppKey[Draining] = web.AppKey("draining", Draining)


def create_admin_app(collectors: CollectorRegistry, draining: Draining) -> web.Application:
    """Return the application of the admin listener.

    Args:
        collectors: what ``/metrics`` shows.
        draining: whether the process is about to stop.
    """
    app = web.Application()
    app[_DRAINING] = draining
    app.router.add_get("/metrics", make_aiohttp_handler(collectors))
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    return app


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _readyz(request: web.Request) -> web.Response:
    # The registry's addresses are loaded before the listeners open; Redis is never a condition.
    if request.app[_DRAINING].is_on:
        return web.json_response(
            {"status": "not ready", "missing": ["the process is about to stop"]}, status=503
        )
    return web.json_response({"status": "ready"})
