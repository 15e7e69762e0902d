"""Connections that cost too much: more than there is room for, and visitors who do not read what they asked for.

The HTTP server closes connections on which no whole request head comes (``KEEPALIVE_S`` in server.py), and reads no
further while answers wait. What it has no limit for is added here: how many connections there are, and how
long an answer may wait for a visitor who does not read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import resource
import socket
import sys
import termios
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from resolver.observe import Observer
from resolver.web.shedding import busy_answer

__all__ = [
    "ConnectionGuard",
    "GuardedConnection",
    "GuardedRunner",
    "GuardedServer",
    "default_max_connections",
]

logger = logging.getLogger(__name__)

WRITE_STALL_S = 20.0
"""How long octets may wait for a visitor who reads nothing; who reads slowly but steadily is left in peace."""

LEAST_READ_OCTETS = 1024
"""What has to be read meanwhile: with an octet now and then a connection could be held for ever."""

UNSENT_OCTETS = 65_536
"""What the kernel takes beyond what the visitor has room for; else it would take megabytes for who reads nothing."""

SHARE_OF_FILES = 0.8
"""Part of the files that the process may open which connections may be; the rest is for everything else."""

FEWEST_CONNECTIONS = 16


def default_max_connections() -> int:
    """Raise the number of files that this process may open as far as it may, and return what that is good for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        soft = 1_048_576
    return max(FEWEST_CONNECTIONS, int(soft * SHARE_OF_FILES))


class ConnectionGuard:
    """Counts the connections of a listener."""

    def __init__(self, max_connections: int, observer: Observer | None = None) -> None:
        self.max_connections = max_connections
        self.open = 0
        self._observer = observer or Observer()

    def enter(self) -> bool:
        """Count one more; return whether there is room for it. It must ``leave`` in either case."""
        self.open += 1
        if self.open <= self.max_connections:
            return True
        self._observer.refused("connections")
        return False

    def leave(self) -> None:
        """Count one less."""
        self.open -= 1

    def stalled(self) -> None:
        """Count a connection that was cut because nobody read."""
        self._observer.refused("slow")


class GuardedConnection(RequestHandler):
    """A connection that knows when to end."""

    __slots__ = ("_guard", "_stall")

    def __init__(self, manager: Any, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._guard: ConnectionGuard | None = getattr(manager, "guard", None)
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; where there is no room, say so and end."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with contextlib.suppress(OSError):  # another kind of socket
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_OCTETS)
        if self._guard is not None and not self._guard.enter() and self.transport is not None:
            self.transport.write(busy_answer(closes=True))
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._stop_watching()
        if self._guard is not None:
            self._guard.leave()
            self._guard = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to watch: the visitor does not read as fast as we write."""
        super().pause_writing()
        if self._guard is not None and self._stall is None:
            self._stall = self._loop.call_later(WRITE_STALL_S, self._cut, self._waiting_octets())

    def resume_writing(self) -> None:
        """Stop watching: the visitor has read."""
        super().resume_writing()
        self._stop_watching()

    def _waiting_octets(self) -> int:
        """Return what the visitor has not taken yet, in our buffer and in the kernel's."""
        if self.transport is None:
            return 0
        kept = self.transport.get_write_buffer_size()
        # Only what the kernel still holds tells slow from stalled: it takes more from us a megabyte at a time.
        connection = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            kept += int.from_bytes(
                fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )
        return kept

    def _cut(self, waiting_before: int) -> None:
        """End a connection on which nothing was read for a while; look again later at one where something was."""
        self._stall = None
        if self.transport is None or self._guard is None:
            return
        waiting = self._waiting_octets()
        if waiting <= waiting_before - LEAST_READ_OCTETS:
            self._stall = self._loop.call_later(WRITE_STALL_S, self._cut, waiting)
            return
        self._guard.stalled()
        self.transport.abort()

    def _stop_watching(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class GuardedServer(web.Server):
    """Makes guarded connections."""

    guard: ConnectionGuard | None = None
    protocol: Callable[..., RequestHandler] = GuardedConnection

    def __call__(self) -> RequestHandler:
        """Return the protocol of one more connection."""
        make = self.protocol
        return make(self, loop=self._loop, **self._kwargs)


class GuardedRunner(web.AppRunner):
    """Runs an application on guarded connections."""

    __slots__ = ("_guard", "_protocol")

    def __init__(
        self,
        app: web.Application,
        *,
        guard: ConnectionGuard | None = None,
        protocol: Callable[..., RequestHandler] = GuardedConnection,
        **kwargs: Any,
    ) -> None:
        """Prepare.

        Args:
            app: what answers.
            guard: counts the connections; ``None`` lets in everybody.
            protocol: of each connection.
            kwargs: for aiohttp's ``AppRunner``.
        """
        super().__init__(app, **kwargs)
        self._guard = guard
        self._protocol = protocol

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        server = GuardedServer(
            plain.request_handler, request_factory=plain.request_factory, loop=plain._loop, **plain._kwargs
        )
        server.guard = self._guard
        server.protocol = self._protocol
        return server
