"""The wire in place of the fake network: the real transports over datagrams and connections that are scripted.

What a server says goes through a script that decides what of it arrives, when, how often and in which order.
No sockets are opened and nobody sleeps.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from resolver.demo.handle_service import HandleService
from resolver.model.site import IPAddress
from resolver.protocol.envelope import ENVELOPE_SIZE, decode_envelope, request_id_of
from resolver.protocol.fragments import Reassembly, split_message
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.endpoint import Endpoint
from resolver.transport.gate import Gate
from resolver.transport.network import Network, OnReply
from resolver.transport.sockets import Receiver
from resolver.transport.tcp import TcpTransport
from resolver.transport.udp import UdpTransport
from tests.fakes import FakeNetwork

Arrival = tuple[float, bytes]
"""How many seconds after it was sent something arrives, and what."""

END = b""
"""The end of a connection, in the place of octets."""


def at_once(pieces: list[bytes]) -> Iterable[Arrival]:
    """Let everything arrive as it was sent."""
    return [(0.0, piece) for piece in pieces]


@dataclass(slots=True)
class Line:
    """What happens on the way from and to one address."""

    datagrams: Callable[[list[bytes]], Iterable[Arrival]] = at_once
    """From the datagrams of one answer to what arrives of them."""
    connection: Callable[[list[bytes]], Iterable[Arrival]] = at_once
    """From the octets of one answer, in one piece, to what arrives of them and when it ends."""
    requests_lost: int = 0
    """How many of the next datagrams of ours do not arrive."""
    received: list[bytes] = field(default_factory=list)
    """Datagrams of ours that arrived."""
    connections: int = 0


class Wire(FakeNetwork):
    """The same as the fake network, through the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, Line] = {}
        self.gate = Gate()
        self.channels = 0
        """That are open."""
        self.shots: list[str] = []
        """Handles that were asked for by a single datagram."""
        self._network = Network(
            AddressPolicy(allow_private=True),
            udp=UdpTransport(open_channel=lambda *where: _Channel(self, *where)),
            tcp=TcpTransport(connect=self._connect),
            gate=self.gate,
        )

    def line(self, address: str) -> Line:
        """Return the way to an address."""
        return self.lines.setdefault(address, Line())

    async def exchange(
        self,
        endpoint: Endpoint,
        message: bytes,
        handle: str,
        *,
        patience_s: float = 0.0,
        on_turn: Callable[[], None] = lambda: None,
    ) -> bytes:
        self.note(endpoint, message)
        return await self._network.exchange(endpoint, message, handle, patience_s=patience_s, on_turn=on_turn)

    def shoot(
        self,
        endpoint: Endpoint,
        message: bytes,
        handle: str,
        on_reply: OnReply,
        *,
        patience_s: float,
        wait_s: float = 0.0,
    ) -> bool:
        """Ask by a single datagram, as the real network does."""
        is_begun = self._network.shoot(
            endpoint, message, handle, on_reply, patience_s=patience_s, wait_s=wait_s
        )
        if is_begun:
            self.note(endpoint, message)
            self.shots.append(handle)
        return is_begun

    def service_at(self, address: IPAddress, port: int) -> HandleService:
        """Return who listens there.

        Raises:
            ConnectionRefusedError: nobody does.
        """
        service = self._services.get((str(address), port))
        if service is None or str(address) in self.down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return service

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, Any]:
        service = self.service_at(ip_address(host), port)
        line = self.line(host)
        line.connections += 1
        reader = asyncio.StreamReader()
        return reader, _Writer(service, line, reader)


def _later(delay_s: float, arrive: Callable[[bytes], None], piece: bytes) -> None:
    """Let something arrive; what arrives at once does so in its order, for which timers do not care."""
    loop = asyncio.get_running_loop()
    if delay_s:
        loop.call_later(delay_s, arrive, piece)
    else:
        loop.call_soon(arrive, piece)


class _Channel:
    def __init__(self, wire: Wire, address: IPAddress, port: int, inbox: Receiver) -> None:
        self._wire, self._address, self._port, self._inbox = wire, address, port, inbox
        wire.channels += 1
        self._line = wire.line(str(address))
        self._request = Reassembly()
        self._is_open = True

    def send(self, datagram: bytes, /) -> None:
        assert self._is_open
        assert len(datagram) <= 512
        loop = asyncio.get_running_loop()
        try:
            service = self._wire.service_at(self._address, self._port)
        except ConnectionRefusedError as error:
            loop.call_soon(self._inbox.fail, error)
            return
        if self._line.requests_lost:
            self._line.requests_lost -= 1
            return
        self._line.received.append(datagram)
        whole = self._request.feed(datagram, request_id_of(datagram))
        if whole is None:
            return
        self._request = Reassembly()
        for delay_s, piece in self._line.datagrams(split_message(service.answer(whole), mark=False)):
            _later(delay_s, self._arrive, piece)

    def _arrive(self, datagram: bytes) -> None:
        if not self._is_open:
            return
        if self._inbox.is_waiting:
            self._inbox.take(datagram)
        else:
            _later(0.0, self._arrive, datagram)  # it stays in the socket until somebody reads again

    def close(self) -> None:
        assert self._is_open
        self._is_open = False
        self._wire.channels -= 1


class _Writer:
    """As much of a ``StreamWriter`` as a client needs."""

    def __init__(self, service: HandleService, line: Line, reader: asyncio.StreamReader) -> None:
        self._service, self._line, self._reader = service, line, reader
        self._is_open = True
        self.transport = self

    def write(self, octets: bytes) -> None:
        assert len(octets) == ENVELOPE_SIZE + decode_envelope(octets).message_length
        for delay_s, piece in self._line.connection([self._service.answer(octets)]):
            _later(delay_s, self._arrive, piece)

    async def drain(self) -> None:
        """Everything has been sent."""

    def _arrive(self, octets: bytes) -> None:
        if self._is_open:
            if octets == END:
                self._reader.feed_eof()
            else:
                self._reader.feed_data(octets)

    def abort(self) -> None:
        self._is_open = False
