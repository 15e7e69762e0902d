"""The sockets of a demo server: UDP, TCP, HTTP and HTTPS, each with the faults that are switched on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from resolver.demo.faults import Behaviour
from resolver.errors import MessageFormatError
from resolver.protocol.envelope import ENVELOPE_SIZE, decode_envelope
from resolver.protocol.fragments import Reassembly, split_message

__all__ = ["Listeners", "Peer"]

MAX_PENDING_REQUESTS = 1000
"""Requests of several datagrams that may be incomplete at a time."""

SILENCE_S = 3600.0
MESSAGE_TYPE = "application/x-hdl-message"


class Peer(Protocol):
    """Who answers."""

    behaviour: Behaviour

    def answer(self, octets: bytes) -> bytes:
        """Return the message that answers ``octets``, whatever they are."""


class Listeners:
    """What one server listens on."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._close: list[Callable[[], Any]] = []

    async def open_native(self, host: str, port: int) -> None:
        """Listen on UDP and TCP.

        Raises:
            OSError: a port is taken.
        """
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _UdpServer(self._peer), local_addr=(host, port)
        )
        self._close.append(transport.close)
        server = await asyncio.start_server(self._serve_tcp, host, port)
        self._close.append(server.close)

    async def open_http(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen on HTTP, or on HTTPS where ``tls`` is given.

        Raises:
            OSError: the port is taken.
        """
        name = "http" if tls is None else "https"
        app = web.Application()
        app.router.add_post(r"/{handle:[\s\S]*}", functools.partial(self._serve_http, name))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._close.append(runner.cleanup)
        await web.TCPSite(runner, host, port, ssl_context=tls).start()

    async def close(self) -> None:
        """Stop listening."""
        while self._close:
            ended = self._close.pop()()
            if asyncio.iscoroutine(ended):
                await ended
        await asyncio.sleep(0)  # a transport is closed in the next round of the loop

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                head = await reader.readexactly(ENVELOPE_SIZE)
                try:
                    request = head + await reader.readexactly(decode_envelope(head).message_length)
                except MessageFormatError:
                    request = head
                behaviour = self._peer.behaviour
                if behaviour.is_silent_on("tcp"):
                    await reader.read()
                    return
                await asyncio.sleep(behaviour.delay_on("tcp"))
                answer = behaviour.distort(self._peer.answer(request), "tcp")
                end = behaviour.cut_on("tcp", len(answer))
                writer.write(answer[:end])
                await writer.drain()
                if end is not None and behaviour.reset:
                    _reset(writer.transport)
        finally:
            writer.close()

    async def _serve_http(self, name: str, request: web.Request) -> web.StreamResponse:
        octets = await request.read()
        behaviour = self._peer.behaviour
        if behaviour.is_silent_on(name):
            await asyncio.sleep(SILENCE_S)
        await asyncio.sleep(behaviour.delay_on(name))
        answer = behaviour.distort(self._peer.answer(octets), name)
        end = behaviour.cut_on(name, len(answer))
        status = behaviour.status if name in behaviour.only_on else 200
        if end is None:
            return web.Response(status=status, body=answer, content_type=MESSAGE_TYPE)
        response = web.StreamResponse(
            status=status, headers={"Content-Type": MESSAGE_TYPE, "Content-Length": str(len(answer))}
        )
        await response.prepare(request)
        await response.write(answer[:end])
        if request.transport is not None:
            if behaviour.reset:
                _reset(request.transport)
            else:
                request.transport.close()
        return response


def _reset(transport: Any) -> None:
    """Close a connection in such a way that the peer is told of an error (RST)."""
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    transport.abort()


class _UdpServer(asyncio.DatagramProtocol):
    """Puts requests together and sends answers, losing what it is told to lose."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._pending: dict[tuple[Any, int], Reassembly] = {}

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.DatagramTransport
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        behaviour = self._peer.behaviour
        if behaviour.loses():
            return
        whole = self._put_together(data, addr)
        if whole is None or behaviour.is_silent_on("udp"):
            return
        answer = behaviour.distort(self._peer.answer(whole), "udp")
        delay_s = behaviour.delay_on("udp")
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send, answer, addr)
        else:
            self._send(answer, addr)

    def _put_together(self, data: bytes, addr: tuple[str, int]) -> bytes | None:
        try:
            envelope = decode_envelope(data)
        except MessageFormatError:
            return data  # no part of anything: answered as it is
        key = (addr, envelope.request_id)
        whole = self._pending.setdefault(key, Reassembly()).feed(data, envelope.request_id)
        if whole is not None or len(self._pending) > MAX_PENDING_REQUESTS:
            self._pending.pop(key, None)
        return whole

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport.is_closing():
            return
        behaviour = self._peer.behaviour
        end = behaviour.cut_on("udp", len(answer))
        datagrams = [answer] if end is not None else _datagrams(answer)
        faulty = "udp" in behaviour.only_on
        for datagram in reversed(datagrams) if behaviour.reorder and faulty else datagrams:
            for _ in range(2 if behaviour.duplicate and faulty else 1):
                if behaviour.loses():
                    continue
                if behaviour.wrong_port and faulty:
                    _send_from_elsewhere(datagram[:end], addr)
                else:
                    self._transport.sendto(datagram[:end], addr)


def _datagrams(answer: bytes) -> list[bytes]:
    try:
        return split_message(answer, mark=False)
    except MessageFormatError:
        return [answer]


def _send_from_elsewhere(datagram: bytes, addr: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.sendto(datagram, addr)
