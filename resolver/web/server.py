"""Runs a worker: binds its listeners, serves until it is asked to stop, and stops without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from resolver.config import Settings
from resolver.errors import SettingsError
from resolver.resolution.bootstrap import Registry
from resolver.web.app import ASSEMBLY, COLD_PATH, DESK, FAST_PATH, HOSTS, LIMITS, create_apps
from resolver.web.connections import GuardedConnection, GuardedRunner
from resolver.web.desk import open_desk
from resolver.web.draining import Draining
from resolver.web.malformed import MALFORMED, SERVER_LOGGER
from resolver.web.sieve import FastConnection, KnownHeads

__all__ = ["bind", "new_event_loop", "serve", "serving", "spare_what_stays"]

logger = logging.getLogger(__name__)

BACKLOG = 4096
MAX_REQUEST_LINE = 64 * 1024
"""Longest request line that is read at all; parse.py explains from 8 KiB on that it is too long."""

KEEPALIVE_S = 15.0
"""Also the deadline for the head of a request: slow senders are dropped after it."""

SHUTDOWN_S = 20.0
"""How long requests in flight may take to end."""

ADMIN_SHUTDOWN_S = 1.0

DRAIN_S = 1.0
"""Between closing the listener and closing connections: what the kernel had accepted still gets an answer."""

GC_THRESHOLDS = 3_000, 4, 10
"""How many objects may come without others going before the garbage collector looks through the latest ones; how often
it does before it looks through those that were left as well; how often that, before it looks through all.

What goes well leaves nothing to it. What fails leaves tracebacks, and those of many failures are not to pile up.
"""

_FIRST_PASSED = 3
_PASSED_NAMES = {"the public listener": "public", "the admin listener": "admin"}
"""What a socket unit calls each listener, by ``FileDescriptorName=``."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop: uvloop's where there is one, it doubles the throughput."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def bind(host: str, port: int, what: str) -> socket.socket:
    """Return a listening socket: the one that systemd has opened for it, else a new one.

    Raises:
        SettingsError: the address cannot be had, or what systemd opened is of no use; the message says why.
    """
    passed = _passed(what)
    if passed is not None:
        return passed
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


def _passed(what: str) -> socket.socket | None:
    """Return the listener that was opened before we were started (sd_listen_fds(3)), if there is one.

    It outlives us: while we are started anew, connections wait in its queue.
    """
    # Only for the process it was meant for: what we start inherits these variables as well.
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    name = _PASSED_NAMES.get(what, "")
    if name not in names:
        return None
    if names.count(name) > 1:
        raise SettingsError(f"{what}: several sockets named {name} were passed; one can be served")
    descriptor = _FIRST_PASSED + names.index(name)
    try:
        listener = socket.socket(fileno=descriptor)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError as error:
        raise SettingsError(f"{what}: descriptor {descriptor}, passed as {name}: {error.strerror}") from error
    if not listens or listener.family not in (socket.AF_INET, socket.AF_INET6):
        raise SettingsError(f"{what}: the socket passed as {name} is no listening TCP socket")
    os.set_inheritable(descriptor, False)
    listener.setblocking(False)
    return listener


@contextlib.asynccontextmanager
async def serving(
    settings: Settings,
    public_socket: socket.socket,
    admin_socket: socket.socket | None,
    registry: Registry | None = None,
    drain_s: float = DRAIN_S,
    clock: Callable[[], float] = time.time,
    *,
    desk_folder: Path | None = None,
) -> AsyncIterator[None]:
    """Serve while the block runs; on leaving it, drain.

    Args:
        settings: what the operator chose.
        public_socket: listens already; closed here, yet not shut down, since other workers may share it.
        admin_socket: likewise, or ``None`` if another process answers for this one.
        registry: where resolution begins, if the settings do not say.
        desk_folder: where wishes of another process about the cache arrive, if there is one.
        drain_s: how long what the kernel had accepted already may still come in after the listener is closed.
        clock: seconds since 1970.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    draining = Draining()
    async with contextlib.AsyncExitStack() as stack:
        for listener in (public_socket, admin_socket):
            if listener is not None:
                stack.callback(listener.close)
        public, admin = create_apps(settings, registry=registry, draining=draining, clock=clock)
        site = await _listen(stack, public, public_socket, SHUTDOWN_S)
        if desk_folder is not None:
            await stack.enter_async_context(open_desk(desk_folder, public[DESK]))
        if admin_socket is not None:
            await _listen(stack, admin, admin_socket, ADMIN_SHUTDOWN_S)
        # Most visitors need no page: they are served meanwhile, and the thread lets them by every few milliseconds.
        public[ASSEMBLY].background.start(asyncio.to_thread(public[HOSTS].prepare), name="prepare-pages")
        yield
        draining.is_on = True
        await site.stop()
        await asyncio.sleep(drain_s)


async def _listen(
    stack: contextlib.AsyncExitStack, app: web.Application, listener: socket.socket, shutdown_s: float
) -> web.SockSite:
    fast, cold, limits = app.get(FAST_PATH), app.get(COLD_PATH), app.get(LIMITS)
    runner = GuardedRunner(
        app,
        guard=None if limits is None else limits.guard,
        protocol=GuardedConnection
        if fast is None
        else functools.partial(FastConnection, fast, KnownHeads(), cold=cold),
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=shutdown_s,
        max_line_size=MAX_REQUEST_LINE,
        auto_decompress=False,  # a body that is compressed is refused, however large it would become
    )
    logging.getLogger(SERVER_LOGGER).addFilter(MALFORMED)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=BACKLOG)
    await site.start()
    return site


async def serve(
    settings: Settings,
    public_socket: socket.socket,
    admin_socket: socket.socket | None,
    *,
    registry: Registry | None = None,
    desk_folder: Path | None = None,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: what the operator chose.
        public_socket: listens already.
        admin_socket: likewise, or ``None`` if another process answers for this one.
        registry: where resolution begins, if the settings do not say.
        desk_folder: where wishes of another process about the cache arrive, if there is one.
        announce: called once requests are answered.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, public_socket, admin_socket, registry, desk_folder=desk_folder):
        spare_what_stays()
        announce()
        await stop.wait()
        logger.info("stopping")
        sys.stdout.flush()


def spare_what_stays() -> None:
    """Let the garbage collector look at what is made from now on; all that is there stays until the end.

    To look through that takes some 25 ms, in which nobody is answered, and writes to memory that workers share. And
    what thirty visitors have under way at once is not yet a reason to look.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
