"""UDP: one question out, one whole answer in, however many datagrams each takes (RFC 3652 section 2.3).

Every exchange has a socket of its own, connected to the server: the kernel chooses a random port and
drops what comes from any other address. Together with the random request id that is what an attacker who
cannot read along has to guess.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from resolver.errors import LookupTimeoutError, TransportError, UdpUnsuitableError
from resolver.model.site import IPAddress
from resolver.protocol.envelope import request_id_of
from resolver.protocol.fragments import MAX_DATAGRAM, Reassembly, split_message

__all__ = ["MAX_PIECES", "Channel", "Inbox", "OpenChannel", "UdpTransport"]

MAX_PIECES = 16
"""Datagrams of one answer above which the same question is better asked over TCP."""

MAX_NEAR_MISSES = 2
"""Datagrams that almost fit: more than these mean that somebody is guessing, and TCP is safer."""

DEFAULT_TIMEOUTS_S = (0.3, 0.5, 0.8, 1.2)


class Channel(Protocol):
    """Carries datagrams between us and one server."""

    def send(self, datagram: bytes, /) -> Any:
        """Send a datagram; raises ``OSError``."""

    def close(self) -> None:
        """Hear nothing more."""


OpenChannel = Callable[[IPAddress, int, "Inbox"], Channel]
"""Opens a channel to an address and port, from which everything goes into the inbox; raises ``OSError``."""


class UdpTransport:
    """Exchanges messages by UDP."""

    def __init__(
        self, timeouts_s: Sequence[float] = DEFAULT_TIMEOUTS_S, open_channel: OpenChannel | None = None
    ) -> None:
        """Prepare.

        Args:
            timeouts_s: how long to wait after each transmission; as many as there may be.
            open_channel: by a socket unless something else is given.
        """
        self._timeouts_s = tuple(timeouts_s)
        self._open_channel = open_channel or _SocketChannel

    async def exchange(self, address: IPAddress, port: int, message: bytes) -> bytes:
        """Send ``message`` and return the answer as one message.

        Sent again after each of the time-outs but the last. An answer counts if it comes from the address
        asked and carries the request id; whether it fits the question is for the caller to check.

        Raises:
            LookupTimeoutError: silence.
            UdpUnsuitableError: the answer is too large for UDP, or somebody forges answers.
            TransportError: nobody listens there.
        """
        inbox = Inbox(request_id_of(message))
        try:
            channel = self._open_channel(address, port, inbox)
            try:
                answer = await self._converse(channel, inbox, split_message(message))
            finally:
                channel.close()
        except OSError as error:
            raise TransportError(f"udp: {error.strerror or repr(error)}") from error
        if answer is None:
            raise LookupTimeoutError(f"udp: no answer within {sum(self._timeouts_s):.1f} s")
        return answer

    async def _converse(self, channel: Channel, inbox: Inbox, datagrams: Sequence[bytes]) -> bytes | None:
        loop = asyncio.get_running_loop()
        for timeout_s in self._timeouts_s:
            for datagram in datagrams:
                channel.send(datagram)
            timer = loop.call_later(timeout_s, inbox.time_out)
            try:
                answer = await inbox.answer
            finally:
                timer.cancel()
            if answer is not None:
                return answer
            inbox.wait_again()
        return None


class Inbox:
    """Takes datagrams until they make a message, or show that they never will."""

    def __init__(self, request_id: int) -> None:
        self._request_id = request_id
        self._pieces = Reassembly()
        self.wait_again()

    def wait_again(self) -> None:
        """Begin to wait for ``answer``; what has arrived already stays."""
        self.answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        """Whether anything more is wanted at the moment."""
        return not self.answer.done()

    def take(self, datagram: bytes) -> None:
        """Take a datagram that came from the address asked."""
        whole = self._pieces.feed(datagram, self._request_id)
        if not self.is_waiting:
            return
        if whole is not None:
            self.answer.set_result(whole)
        elif self._pieces.expected > MAX_PIECES:
            self.fail(UdpUnsuitableError(f"udp: the answer takes {self._pieces.expected} datagrams"))
        elif self._pieces.near_misses > MAX_NEAR_MISSES:
            self.fail(UdpUnsuitableError("udp: forged answers arrive"))

    def fail(self, error: Exception) -> None:
        """Take the news that no answer will come."""
        if self.is_waiting:
            self.answer.set_exception(error)

    def time_out(self) -> None:
        """End the wait for this transmission with nothing."""
        if self.is_waiting:
            self.answer.set_result(None)


class _SocketChannel:
    """A socket of its own for one exchange."""

    def __init__(self, address: IPAddress, port: int, inbox: Inbox) -> None:
        self._inbox = inbox
        self._socket = socket.socket(_family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect((str(address), port))
        except BaseException:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)
        self.send = self._socket.send

    def _read(self) -> None:
        while self._inbox.is_waiting:
            try:
                datagram = self._socket.recv(MAX_DATAGRAM + 1)
            except BlockingIOError:
                return
            except OSError as error:  # a refusal by ICMP arrives here, long before the time-out
                self._inbox.fail(error)
                return
            self._inbox.take(datagram)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def _family(address: IPAddress) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
