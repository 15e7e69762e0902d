"""Runs a worker: binds its listeners, serves until it is asked to stop, and stops without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from resolver.config import Settings
from resolver.errors import SettingsError
from resolver.resolution.bootstrap import Registry
from resolver.web.app import create_apps
from resolver.web.draining import Draining

__all__ = ["bind", "new_event_loop", "serve", "serving"]

logger = logging.getLogger(__name__)

BACKLOG = 4096
KEEPALIVE_S = 15.0
"""Also the deadline for the head of a request: slow senders are dropped after it."""

SHUTDOWN_S = 20.0
"""How long requests in flight may take to end."""

DRAIN_S = 1.0
"""Between closing the listener and closing connections: what the kernel had accepted still gets an answer."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop: uvloop's where there is one, it doubles the throughput."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def bind(host: str, port: int, what: str) -> socket.socket:
    """Return a listening socket.

    Raises:
        SettingsError: the address cannot be had; the message says why.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(f"{what} cannot listen on {host!r}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host in {"", "::"} else 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"{what} cannot listen on {host}:{port}: {error.strerror}; choose another port, or stop who has it"
        ) from error
    return listener


@contextlib.asynccontextmanager
async def serving(
    settings: Settings,
    public_socket: socket.socket,
    admin_socket: socket.socket | None,
    registry: Registry | None = None,
) -> AsyncIterator[None]:
    """Serve while the block runs; on leaving it, drain.

    Args:
        settings: what the operator chose.
        public_socket: listens already; shared with other workers, so not shut down here.
        admin_socket: likewise, or ``None`` if another process answers for this one.
        registry: where resolution begins, if the settings do not say.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    draining = Draining()
    public, admin = create_apps(settings, registry=registry, draining=draining)
    runners = []
    public_runner = web.AppRunner(
        public, access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=SHUTDOWN_S
    )
    admin_runner = web.AppRunner(admin, access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=1.0)
    try:
        runners.append(public_runner)
        await public_runner.setup()
        site = web.SockSite(public_runner, public_socket, backlog=BACKLOG)
        await site.start()
        if admin_socket is not None:
            runners.append(admin_runner)
            await admin_runner.setup()
            await web.SockSite(admin_runner, admin_socket).start()
        yield
        draining.is_on = True
        await site.stop()
        await asyncio.sleep(DRAIN_S if public_runner.server and public_runner.server.connections else 0)
    finally:
        for runner in runners:
            await runner.cleanup()


async def serve(
    settings: Settings,
    public_socket: socket.socket,
    admin_socket: socket.socket | None,
    *,
    registry: Registry | None = None,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, public_socket, admin_socket, registry):
        announce()
        await stop.wait()
        logger.info("stopping")
        sys.stdout.flush()
