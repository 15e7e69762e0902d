"""One proxy with three doors: behind one is the fast path, behind another the cold path too, the third has neither."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from resolver.config import Settings
from resolver.demo.network import HandleNetwork, shipped_records
from resolver.web.app import COLD_PATH, FAST_PATH, METRICS, create_apps
from resolver.web.connections import GuardedConnection, GuardedRunner
from resolver.web.fast_path import FastPath
from resolver.web.server import MAX_REQUEST_LINE, bind
from resolver.web.sieve import FastConnection, KnownHeads

__all__ = ["ScriptedClock", "TwoWays", "request", "two_ways", "without_chance"]

SILENCE_S = 0.3
"""After this nothing more is coming."""

LAST = "/robots.txt?last"
"""Asked for at the end of each conversation, so that its end is seen; the fast path never has it."""

START = int(time.time()) + 0.25
"""About now, since the handle servers go by the real time."""


class ScriptedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Return seconds since 1970."""
        return self.now


@dataclass
class TwoWays:
    """The doors, and what is behind them."""

    fast: int
    slow: int
    """The ordinary way alone."""
    cold: int
    """As in a worker: the fast path, the cold path, and the ordinary way for the rest."""
    app: web.Application
    path: FastPath
    network: HandleNetwork
    metrics: Any
    clock: ScriptedClock
    server: web.Server
    """Knows the connections through all doors."""
    ordinary: list[str] = field(default_factory=list)
    """The targets of requests that went the ordinary way, through any door."""

    async def talk(self, port: int, chunks: Sequence[bytes]) -> bytes:
        """Send octets piece by piece, then a request to close; return everything that comes back."""
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", port))
            await asyncio.sleep(0.002)  # it is another moment now, also by the clock of the event loop
            with contextlib.suppress(ConnectionError):  # closed while we were still talking
                for chunk in (*chunks, request(LAST, "Connection: close\r\n")):
                    await loop.sock_sendall(connection, chunk)
                    await asyncio.sleep(0.002)  # so that they do not arrive as one
            received, got = b"", b" "
            while got:
                try:
                    async with asyncio.timeout(SILENCE_S):
                        got = await loop.sock_recv(connection, 65536)
                except TimeoutError:
                    return received
                except ConnectionError:
                    break
                received += got
            return received + b"<closed>"

    async def both(self, chunks: Sequence[bytes]) -> tuple[bytes, bytes]:
        """Say the same at both doors, one after the other; return what came back, without what is left to chance."""
        return tuple([without_chance(await self.talk(port, chunks)) for port in (self.fast, self.slow)])  # type: ignore[return-value]

    async def warm(self, *targets: str, headers: str = "") -> None:
        """Ask for each target often enough for its answer to be ready, if it ever is."""
        for _ in range(3):
            for target in targets:
                await self.talk(self.slow, [request(target, headers + "Connection: close\r\n")])

    def counts(self) -> Counter[str]:
        """Return all that is counted of requests and looks into the cache; of times only how many there were."""
        return Counter(
            {
                f"{sample.name}{sorted(sample.labels.items())}": sample.value
                for metric in self.metrics.registry.collect()
                for sample in metric.samples
                if re.fullmatch(
                    "resolver_(requests_total|cache_lookups_total|request_seconds_count)", sample.name
                )
            }
        )


def request(target: str, headers: str = "", method: str = "GET", version: str = "1.1") -> bytes:
    """Return a request as clients write it."""
    return f"{method} {target} HTTP/{version}\r\nHost: resolver.example\r\n{headers}\r\n".encode()


def without_chance(octets: bytes) -> bytes:
    """Put fixed words in the place of moments and request ids, which differ from answer to answer."""
    octets = re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: now", octets)
    for request_id in set(re.findall(rb"\r\nX-Request-ID: ([0-9a-f]{16})", octets)):
        octets = octets.replace(request_id, b"request-id")
    return octets


@contextlib.asynccontextmanager
async def two_ways(network: HandleNetwork | None = None, **settings: Any) -> AsyncIterator[TwoWays]:
    """Open the doors while the block runs."""
    async with contextlib.AsyncExitStack() as stack:
        if network is None:
            network = HandleNetwork(shipped_records())
            await network.start()
            stack.push_async_callback(network.close)
        clock = ScriptedClock()
        chosen = Settings(**{"allow_private_addresses": True, "refresh_registry": False, **settings})
        public, _ = create_apps(chosen, registry=network.registry, clock=clock)
        fast, ports = public[FAST_PATH], []
        protocols = (
            functools.partial(FastConnection, fast, KnownHeads()),
            GuardedConnection,
            functools.partial(FastConnection, fast, KnownHeads(), cold=public[COLD_PATH]),
        )
        runner = GuardedRunner(public, access_log=None, keepalive_timeout=5, max_line_size=MAX_REQUEST_LINE)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        server = runner.server
        assert server is not None
        ways = TwoWays(0, 0, 0, public, fast, network, public[METRICS], clock, server)
        _note_ordinary(ways)
        for protocol in protocols:
            listener = bind("127.0.0.1", 0, "a door")
            ports.append(listener.getsockname()[1])
            listening = await asyncio.get_running_loop().create_server(
                functools.partial(protocol, server, loop=asyncio.get_running_loop(), **server._kwargs),
                sock=listener,
            )
            stack.callback(listening.close)
        ways.fast, ways.slow, ways.cold = ports
        yield ways


def _note_ordinary(ways: TwoWays) -> None:
    keep = ways.path.keep

    def noting(visit: Any, response: web.StreamResponse, watch: Any) -> None:
        if visit.request.raw_path != LAST:
            ways.ordinary.append(visit.request.raw_path)
        keep(visit, response, watch)

    ways.path.keep = noting  # type: ignore[method-assign]  # each request of the ordinary way comes by here
