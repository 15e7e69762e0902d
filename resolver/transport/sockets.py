"""Sockets for datagrams, each for one exchange: connected to the server, closed after the answer.

The kernel chooses a random port and drops what comes from any other address.

Sockets that live for a millisecond are awaited together: an entry in the event loop for each of them would take
seven system calls more than an answer does. So there is one entry, for a set of descriptors of our own (epoll(7)).
"""

from __future__ import annotations

import asyncio
import contextvars
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

from resolver.model.site import IPAddress
from resolver.protocol.fragments import MAX_DATAGRAM

__all__ = ["Channel", "OpenChannel", "Receiver", "Sockets"]

MAX_EVENTS = 64
"""Sockets that are read in one go; those left over are read in the next."""


class Channel(Protocol):
    """Carries datagrams between us and one server."""

    def send(self, datagram: bytes, /) -> Any:
        """Send a datagram; raises ``OSError``."""

    def close(self) -> None:
        """Hear nothing more."""


class Receiver(Protocol):
    """Takes what comes over a channel."""

    @property
    def is_waiting(self) -> bool:
        """Whether anything more is wanted at the moment."""

    def take(self, datagram: bytes, /) -> None:
        """Take a datagram that came from the address asked."""

    def fail(self, error: Exception, /) -> None:
        """Take the news that no answer will come."""


OpenChannel = Callable[[IPAddress, int, Receiver], Channel]
"""Opens a channel to an address and port, from which everything goes into the inbox; raises ``OSError``."""


class Sockets:
    """Opens sockets, and knows which of them have something to read."""

    def __init__(self) -> None:
        self._ears: _Ears | None = None

    def open(self, address: IPAddress, port: int, receiver: Receiver) -> Channel:
        """Open a socket for one exchange.

        Raises:
            OSError: it cannot be had, or there is no way to the address.
        """
        loop = asyncio.get_running_loop()
        if self._ears is None or self._ears.loop is not loop:
            self._ears = _Ears(loop)
        return _Socket(address, port, receiver, self._ears)

    def close(self) -> None:
        """Hear nothing more on any of them."""
        if self._ears is not None:
            self._ears.close()
            self._ears = None


class _Ears:
    """Hears for many sockets by one entry in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._readers: dict[int, Callable[[], None]] = {}
        # Where there is no epoll, which is Linux's, each socket has an entry of its own.
        self._set = select.epoll() if hasattr(select, "epoll") else None
        if self._set is not None:
            # In a context of its own: whoever asks first must not be taken for the one who asks all that follow.
            contextvars.Context().run(loop.add_reader, self._set.fileno(), self._listen, self._set)

    def attend(self, descriptor: int, read: Callable[[], None]) -> None:
        """Call ``read`` whenever there is something to read."""
        if self._set is None:
            self.loop.add_reader(descriptor, read)
            return
        self._set.register(descriptor, select.EPOLLIN)
        self._readers[descriptor] = read

    def ignore(self, descriptor: int) -> None:
        """Call it no more; the socket is about to be closed, which takes it out of the set."""
        if self._set is None:
            self.loop.remove_reader(descriptor)
        else:
            self._readers.pop(descriptor, None)

    def close(self) -> None:
        """Leave the event loop."""
        for descriptor in list(self._readers):
            self.ignore(descriptor)
        if self._set is not None:
            self.loop.remove_reader(self._set.fileno())
            self._set.close()

    def _listen(self, ready: select.epoll) -> None:
        for descriptor, _ in ready.poll(0, MAX_EVENTS):
            # Whoever was heard before may have closed it, or even opened another of this number, with nothing to read.
            read = self._readers.get(descriptor)
            if read is not None:
                read()


class _Socket:
    """A socket of its own for one exchange."""

    __slots__ = ("_ears", "_receiver", "_socket", "send")

    def __init__(self, address: IPAddress, port: int, receiver: Receiver, ears: _Ears) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        # The bare kind, without what socket.socket adds for files and for blocking; there is one for each question.
        self._socket = socket.SocketType(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect((str(address), port))
            ears.attend(self._socket.fileno(), self._read)
        except BaseException:
            self._socket.close()
            raise
        self._receiver = receiver
        self._ears = ears
        self.send: Callable[[bytes], Any] = self._socket.send

    def _read(self) -> None:
        while self._receiver.is_waiting:
            try:
                datagram = self._socket.recv(MAX_DATAGRAM + 1)
            except BlockingIOError:
                return
            except OSError as error:  # a refusal by ICMP arrives here, long before the time-out
                self._receiver.fail(error)
                return
            self._receiver.take(datagram)

    def close(self) -> None:
        """Hear nothing more."""
        self._ears.ignore(self._socket.fileno())
        self._socket.close()
