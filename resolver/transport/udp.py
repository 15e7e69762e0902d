"""UDP: one question out, one whole answer in, however many datagrams each takes (RFC 3652 section 2.3).

Every exchange has a socket of its own, connected to the server: the kernel chooses a random port and
drops what comes from any other address. Together with the random request id that is what an attacker who
cannot read along has to guess.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from resolver.errors import LookupTimeoutError, TransportError, UdpUnsuitableError
from resolver.model.site import IPAddress
from resolver.protocol.envelope import decode_envelope
from resolver.protocol.fragments import MAX_DATAGRAM, Reassembly, split_message

__all__ = ["MAX_PIECES", "UdpTransport"]

MAX_PIECES = 16
"""Datagrams of one answer above which the same question is better asked over TCP."""

MAX_NEAR_MISSES = 2
"""Datagrams that almost fit: more than these mean that somebody is guessing, and TCP is safer."""

DEFAULT_TIMEOUTS_S = (0.3, 0.5, 0.8, 1.2)


class UdpTransport:
    """Exchanges messages by UDP."""

    def __init__(self, timeouts_s: Sequence[float] = DEFAULT_TIMEOUTS_S) -> None:
        self._timeouts_s = tuple(timeouts_s)

    async def exchange(self, address: IPAddress, port: int, message: bytes) -> bytes:
        """Send ``message`` and return the answer as one message.

        Sent again after each of the time-outs but the last. An answer counts if it comes from the address
        asked and carries the request id; whether it fits the question is for the caller to check.

        Raises:
            LookupTimeoutError: silence.
            UdpUnsuitableError: the answer is too large for UDP, or somebody forges answers.
            TransportError: nobody listens there.
        """
        try:
            with socket.socket(_family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
                channel.connect((str(address), port))
                return await self._converse(channel, message)
        except OSError as error:
            raise TransportError(f"udp: {error.strerror or error!r}") from error

    async def _converse(self, channel: socket.socket, message: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        inbox = _Inbox(channel, decode_envelope(message).request_id, answer)
        datagrams = split_message(message)
        loop.add_reader(channel.fileno(), inbox.read)
        try:
            for timeout_s in self._timeouts_s:
                for datagram in datagrams:
                    channel.send(datagram)
                timer = loop.call_later(timeout_s, inbox.time_out)
                try:
                    whole = await answer
                finally:
                    timer.cancel()
                if whole:
                    return whole
                answer = inbox.answer = loop.create_future()
        finally:
            loop.remove_reader(channel.fileno())
        raise LookupTimeoutError(f"udp: no answer within {sum(self._timeouts_s):.1f} s")


class _Inbox:
    """Takes datagrams from the socket until they make a message."""

    def __init__(self, channel: socket.socket, request_id: int, answer: asyncio.Future[bytes]) -> None:
        self.answer = answer
        self._channel = channel
        self._request_id = request_id
        self._pieces = Reassembly()

    def read(self) -> None:
        """Empty the socket; runs whenever it is readable."""
        while not self.answer.done():
            try:
                datagram = self._channel.recv(MAX_DATAGRAM + 1)
            except BlockingIOError:
                return
            except OSError as error:  # a refusal by ICMP arrives here, long before the time-out
                self.answer.set_exception(error)
                return
            whole = self._pieces.feed(datagram, self._request_id)
            if whole is not None:
                self.answer.set_result(whole)
            elif self._pieces.expected > MAX_PIECES:
                self.answer.set_exception(
                    UdpUnsuitableError(f"udp: the answer takes {self._pieces.expected} datagrams")
                )
            elif self._pieces.near_misses > MAX_NEAR_MISSES:
                self.answer.set_exception(UdpUnsuitableError("udp: forged answers arrive"))

    def time_out(self) -> None:
        """End the wait for this transmission with an empty result."""
        if not self.answer.done():
            self.answer.set_result(b"")


def _family(address: IPAddress) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
