"""Makes the two applications of a worker, the public one and that for its operator, and hands them their parts."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from prometheus_client import CollectorRegistry

from resolver.config import Settings
from resolver.resolution.assembly import Assembly, assemble
from resolver.resolution.bootstrap import Registry
from resolver.resolution.upkeep import Upkeep
from resolver.telemetry import Metrics
from resolver.tracing import open_tracing
from resolver.web.access_log import open_access_log
from resolver.web.admin import create_admin_app
from resolver.web.building import build_hosts
from resolver.web.cold_path import ColdPath, open_cold_path
from resolver.web.desk import OwnDesk
from resolver.web.draining import Draining
from resolver.web.fast_path import FastPath
from resolver.web.handlers import Handlers
from resolver.web.hosts import Hosts
from resolver.web.limits import Limits, build_limits
from resolver.web.render import template_folders
from resolver.web.static import load_static_files
from resolver.web.traced import traced

__all__ = [
    "ASSEMBLY",
    "COLD_PATH",
    "DESK",
    "FAST_PATH",
    "HOSTS",
    "LIMITS",
    "METRICS",
    "create_apps",
    "package_version",
]

ASSEMBLY: web.AppKey[Assembly] = web.AppKey("assembly", Assembly)
METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
DESK: web.AppKey[OwnDesk] = web.AppKey("desk", OwnDesk)
FAST_PATH: web.AppKey[FastPath] = web.AppKey("fast_path", FastPath)
HOSTS: web.AppKey[Hosts] = web.AppKey("hosts", Hosts)
COLD_PATH: web.AppKey[ColdPath | None] = web.AppKey("cold_path", ColdPath)
"""``None`` where the settings leave none."""
LIMITS: web.AppKey[Limits] = web.AppKey("limits", Limits)

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
    tracing = open_tracing(settings.tracing, package_version())
    metrics = Metrics(CollectorRegistry(), package_version(), tracing=tracing)
    assembly = assemble(settings, metrics, registry, clock)
    limits = build_limits(settings, resolver=assembly.resolver, redis=assembly.redis, observer=metrics)
    hosts = build_hosts(settings, assembly.resolver, version=package_version(), clock=clock)
    access_log = open_access_log(
        settings.access_log,
        settings.log_addresses,
        referrers=settings.log_referrers,
        path=settings.access_log_file,
    )
    fast = FastPath(
        assembly.cache,
        hosts,
        metrics,
        trusted_proxies=settings.trusted_proxies,
        draining=draining,
        clock=clock,
        admits=None if limits.admission is None else limits.admission.lines,
        sheds=limits.shedding.turns_away,
        access_log=access_log,
    )
    cold = None
    if hosts.are_all_one and limits.admission is None and access_log is None and tracing is None:
        cold = open_cold_path(
            hosts.usual, metrics, new_request_id=fast.new_request_id, draining=draining, clock=clock
        )
    handlers = Handlers(
        hosts,
        metrics,
        load_static_files(template_folders(settings.templates)),
        forgive=settings.forgive,
        trusted_proxies=settings.trusted_proxies,
        draining=draining,
        clock=clock,
        fast=fast,
        access_log=access_log,
        admission=limits.admission,
    )
    middlewares = [] if tracing is None else [traced(tracing)]
    public = web.Application(client_max_size=MAX_BODY_OCTETS, middlewares=middlewares)
    public[ASSEMBLY] = assembly
    public[METRICS] = metrics
    public[FAST_PATH] = fast
    public[COLD_PATH] = cold
    public[HOSTS] = hosts
    public[LIMITS] = limits
    # One route for everything: handles hold any character, and parse.py reads the target as it came.
    public.router.add_route("*", r"/{target:[\s\S]*}", handlers.handle)
    public.cleanup_ctx.append(_run_assembly)
    public.on_cleanup.append(_calling(metrics.settle))
    if access_log is not None:
        public.on_cleanup.append(_calling(access_log.close))
    if tracing is not None:
        public.on_cleanup.append(_calling(functools.partial(asyncio.to_thread, tracing.close)))
    desk = OwnDesk(Upkeep(assembly.resolver, assembly.cache, clock=clock))
    public[DESK] = desk
    return public, create_admin_app(metrics.registry, draining, desk=desk)


def _calling(close: Callable[[], Awaitable[None] | None]) -> Callable[[web.Application], Awaitable[None]]:
    """Return what calls ``close`` when an application ends."""

    async def call(_: web.Application) -> None:
        waiting = close()
        if waiting is not None:
            await waiting

    return call


async def _run_assembly(app: web.Application) -> AsyncIterator[None]:
    app[ASSEMBLY].start()
    app[LIMITS].start(app[ASSEMBLY].background)
    yield
    await app[ASSEMBLY].close()
