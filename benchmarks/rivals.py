"""What ours is compared with: handlers on bare aiohttp that do the least that can be done.

``python -m benchmarks.rivals <kind> [argument]`` with one of

* ``redirect``: a constant 302
* ``json``: constant octets, from a file
* ``redis``: one GET to Redis by redis-py, and a 302 with what it gives
* ``udp``: one exchange of constant octets by an asyncio datagram client, and a constant 302
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

# Nothing of ours is imported here: a rival starts with what it needs itself.

TARGET = "https://repository.example.org/items/00000000"
BACKLOG = 4096


def _redirect() -> Any:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": TARGET})

    return handle


def _json(path: str) -> Any:
    octets = Path(path).read_bytes()

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=octets, content_type="application/json")

    return handle


def _redis(url: str) -> Any:
    from redis.asyncio import BlockingConnectionPool, Redis

    client = Redis.from_pool(BlockingConnectionPool.from_url(url, max_connections=64, timeout=1))

    async def handle(request: web.Request) -> web.Response:
        value = await client.get(request.path)
        return web.Response(status=302, headers={"Location": (value or b"").decode()})

    return handle


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        del addr
        if not self.answer.done():
            self.answer.set_result(data)


def _udp(argument: str) -> Any:
    address, _, octets_hex = argument.partition("/")
    host, _, port = address.partition(":")
    octets = bytes.fromhex(octets_hex)

    async def handle(_: web.Request) -> web.Response:
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            _Answer, remote_addr=(host, int(port))
        )
        transport.sendto(octets)
        await asyncio.wait_for(protocol.answer, 2)
        transport.close()
        return web.Response(status=302, headers={"Location": TARGET})

    return handle


KINDS = {"redirect": _redirect, "json": _json, "redis": _redis, "udp": _udp}


async def redirect_app() -> web.Application:
    """Return an application with a constant 302, as gunicorn wants it."""
    app = web.Application()
    app.router.add_get("/{tail:.*}", _redirect())
    return app


async def _serve(kind: str, arguments: list[str]) -> None:
    app = web.Application()
    app.router.add_get("/{tail:.*}", KINDS[kind](*arguments))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listener.setblocking(False)
    await web.SockSite(runner, listener).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1], sys.argv[2:]))
