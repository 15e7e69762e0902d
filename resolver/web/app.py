"""Makes the two applications of a worker, the public one and that for its operator, and hands them their parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from prometheus_client import CollectorRegistry

from resolver.config import Settings
from resolver.resolution.assembly import Assembly, assemble
from resolver.resolution.bootstrap import Registry
from resolver.telemetry import Metrics
from resolver.web.admin import create_admin_app
from resolver.web.building import build_hosts
from resolver.web.draining import Draining
from resolver.web.handlers import Handlers
from resolver.web.render import template_folders
from resolver.web.static import load_static_files

__all__ = ["ASSEMBLY", "METRICS", "create_apps", "package_version"]

ASSEMBLY: web.AppKey[Assembly] = web.AppKey("assembly", Assembly)
METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)

MAX_BODY_OCTETS = 64 * 1024


def package_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("handle-resolver")
    except PackageNotFoundError:  # running from a checkout that is not installed
        return "0"


def create_apps(
    settings: Settings,
    *,
    registry: Registry | None = None,
    draining: Draining | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[web.Application, web.Application]:
    """Return the public and the admin application, which share one resolver.

    Args:
        settings: what the operator chose.
        registry: where resolution begins, if the settings do not say.
        draining: told when the worker is about to stop.
        clock: seconds since 1970.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    draining = draining or Draining()
    metrics = Metrics(CollectorRegistry(), package_version())
    assembly = assemble(settings, metrics, registry, clock)
    handlers = Handlers(
        build_hosts(settings, assembly.resolver, version=package_version(), clock=clock),
        metrics,
        load_static_files(template_folders(settings.templates)),
        forgive=settings.forgive,
        trusted_proxies=settings.trusted_proxies,
        draining=draining,
        clock=clock,
    )
    public = web.Application(client_max_size=MAX_BODY_OCTETS)
    public[ASSEMBLY] = assembly
    public[METRICS] = metrics
    # One route for everything: handles hold any character, and parse.py reads the target as it came.
    public.router.add_route("*", r"/{target:[\s\S]*}", handlers.handle)
    public.cleanup_ctx.append(_run_assembly)
    return public, create_admin_app(metrics.registry, draining)


async def _run_assembly(app: web.Application) -> AsyncIterator[None]:
    app[ASSEMBLY].start()
    yield
    await app[ASSEMBLY].close()
