"""UDP: one question out, one whole answer in, however many datagrams each takes (RFC 3652 section 2.3).

Every exchange has a socket of its own (``sockets.py``). Its random port and the random request id are what an
attacker who cannot read along has to guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from resolver.errors import LookupTimeoutError, TransportError, UdpUnsuitableError
from resolver.model.site import IPAddress
from resolver.protocol.envelope import request_id_of
from resolver.protocol.fragments import MAX_DATAGRAM, Reassembly, split_message
from resolver.transport.sockets import Channel, OpenChannel, Sockets

__all__ = ["MAX_PIECES", "Channel", "Inbox", "OnAnswer", "OpenChannel", "UdpTransport"]

MAX_PIECES = 16
"""Datagrams of one answer above which the same question is better asked over TCP."""

MAX_NEAR_MISSES = 2
"""Datagrams that almost fit: more than these mean that somebody is guessing, and TCP is safer."""

SWEEP_S = 0.01
"""How often is looked for shots that nobody has answered: a timer for each costs more than to send it."""

DEFAULT_TIMEOUTS_S = (0.3, 0.5, 0.8, 1.2)


OnAnswer = Callable[[bytes | None], None]
"""Told once of an answer, or that there is none of the usual kind."""


class UdpTransport:
    """Exchanges messages by UDP."""

    def __init__(
        self, timeouts_s: Sequence[float] = DEFAULT_TIMEOUTS_S, open_channel: OpenChannel | None = None
    ) -> None:
        """Prepare.

        Args:
            timeouts_s: how long to wait after each transmission; one or more, as many as there may be.
            open_channel: by a socket unless something else is given.
        """
        self._timeouts_s = tuple(timeouts_s)
        self._sockets = Sockets()
        self._open_channel = open_channel or self._sockets.open
        self._ready: list[_Shot] = []
        self._flying: set[_Shot] = set()
        self._watched_by: asyncio.AbstractEventLoop | None = None

    async def exchange(
        self, address: IPAddress, port: int, message: bytes, *, patience_s: float = 0.0
    ) -> bytes:
        """Send ``message`` and return the answer as one message.

        Sent again after each of the time-outs but the last. An answer counts if it comes from the address
        asked and carries the request id; whether it fits the question is for the caller to check.

        Args:
            address: of the server.
            port: of the server.
            message: what to send.
            patience_s: how long the server may well take: until then nothing is sent again.

        Raises:
            LookupTimeoutError: silence.
            UdpUnsuitableError: the answer is too large for UDP, or somebody forges answers.
            TransportError: nobody listens there.
        """
        inbox = Inbox(request_id_of(message))
        try:
            channel = self._open_channel(address, port, inbox)
            try:
                answer = await self._converse(channel, inbox, split_message(message), patience_s)
            finally:
                channel.close()
        except OSError as error:
            raise TransportError(f"udp: {error.strerror or repr(error)}") from error
        if answer is None:
            raise LookupTimeoutError(f"udp: no answer within {sum(self._waits_s(patience_s)):.1f} s")
        return answer

    def close(self) -> None:
        """Give back what is kept between exchanges; more of them may follow all the same."""
        self._sockets.close()

    def shoot(
        self, address: IPAddress, port: int, message: bytes, patience_s: float, on_answer: OnAnswer
    ) -> bool:
        """Send ``message`` once, and tell of the first datagram that comes back, or of anything else that happens.

        For the usual case, where that datagram is the whole answer; ``exchange`` is for all others.

        Args:
            address: of the server.
            port: of the server.
            message: what to send.
            patience_s: how long to wait, or ``SWEEP_S`` longer.
            on_answer: told of the datagram if it has the request id of ``message``, and else of ``None``.

        Returns:
            Whether it was sent; if not, nobody will be told.
        """
        if len(message) > MAX_DATAGRAM:
            return False
        loop = asyncio.get_running_loop()
        shot = _Shot(message, loop.time() + patience_s, self._flying, on_answer)
        try:
            shot.channel = self._open_channel(address, port, shot)
        except OSError:
            return False
        self._flying.add(shot)
        if self._watched_by is not loop:
            self._watched_by = loop
            loop.call_later(SWEEP_S, self._watch, loop)
        # All of a round of the event loop go out together: whoever is asked wakes up once for several of them.
        if not self._ready:
            loop.call_soon(self._fire)
        self._ready.append(shot)
        return True

    def _fire(self) -> None:
        ready, self._ready = self._ready, []
        for shot in ready:
            shot.fire()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up the shots that have had their time, and look again as long as there are any."""
        if not self._flying:
            self._watched_by = None
            return
        loop.call_later(SWEEP_S, self._watch, loop)
        now = loop.time()
        for shot in [shot for shot in self._flying if shot.until <= now]:
            shot.give_up()

    def _waits_s(self, patience_s: float) -> tuple[float, ...]:
        """Return how long to wait after each transmission to a server that may take ``patience_s``."""
        first_s, *others_s = self._timeouts_s
        return max(first_s, patience_s), *others_s

    async def _converse(
        self, channel: Channel, inbox: Inbox, datagrams: Sequence[bytes], patience_s: float
    ) -> bytes | None:
        loop = asyncio.get_running_loop()
        for timeout_s in self._waits_s(patience_s):
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


class _Shot:
    """Takes one datagram, and is over."""

    __slots__ = ("_flying", "_message", "_on_answer", "channel", "is_waiting", "until")

    channel: Channel

    def __init__(self, message: bytes, until: float, flying: set[_Shot], on_answer: OnAnswer) -> None:
        self._message = message
        self.until = until
        self._flying = flying
        self._on_answer = on_answer
        self.is_waiting = True

    def fire(self) -> None:
        if not self.is_waiting:
            return
        try:
            self.channel.send(self._message)
        except OSError:
            self.give_up()

    def give_up(self) -> None:
        self._end(None)

    def take(self, datagram: bytes) -> None:
        self._end(datagram if datagram[8:12] == self._message[8:12] else None)

    def fail(self, _: Exception) -> None:
        self.give_up()

    def _end(self, answer: bytes | None) -> None:
        if self.is_waiting:
            self.is_waiting = False
            self._flying.discard(self)
            self.channel.close()
            del self.channel  # which knows us too: together they would wait for the garbage collector
            self._on_answer(answer)
