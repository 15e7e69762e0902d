"""What the operator sees, on a listener of its own: metrics, health, and the cache."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from resolver.web.cache_pages import add_cache_pages
from resolver.web.desk import Desk
from resolver.web.draining import Draining

__all__ = ["create_admin_app"]

_MISSING: web.AppKey[Callable[[], list[str]]] = web.AppKey("missing")


def create_admin_app(
    collectors: CollectorRegistry,
    draining: Draining,
    is_serving: Callable[[], bool] = lambda: True,
    *,
    desk: Desk | None = None,
) -> web.Application:
    """Return the application of the admin listener.

    Args:
        collectors: what ``/metrics`` shows.
        draining: whether the process is about to stop.
        is_serving: whether anybody answers on the public listener.
        desk: takes wishes about the cache.
    """

    def missing() -> list[str]:
        # The registry's addresses are loaded before the listeners open; Redis is never a condition.
        found = ["the process is about to stop"] if draining.is_on else []
        return found if is_serving() else [*found, "no worker serves"]

    app = web.Application()
    app[_MISSING] = missing
    app.router.add_get("/metrics", make_aiohttp_handler(collectors))
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    if desk is not None:
        add_cache_pages(app, desk)
    return app


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _readyz(request: web.Request) -> web.Response:
    missing = request.app[_MISSING]()
    if missing:
        return web.json_response({"status": "not ready", "missing": missing}, status=503)
    return web.json_response({"status": "ready"})
