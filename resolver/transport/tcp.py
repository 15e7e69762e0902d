"""TCP: one connection, one question, one answer (RFC 3652 section 2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from resolver.errors import LookupTimeoutError, MessageFormatError, TransportError
from resolver.model.site import IPAddress
from resolver.protocol.envelope import ENVELOPE_SIZE, decode_envelope

__all__ = ["TcpTransport"]

CONNECT_TIMEOUT_S = 1.0
EXCHANGE_TIMEOUT_S = 4.0

Connect = Callable[[str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects to a host and port; raises ``OSError``."""


class TcpTransport:
    """Exchanges messages by TCP."""

    def __init__(
        self,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timeout_s: float = EXCHANGE_TIMEOUT_S,
        connect: Connect = asyncio.open_connection,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._connect = connect

    async def exchange(self, address: IPAddress, port: int, message: bytes) -> bytes:
        """Send ``message`` and return the answer as one message.

        Raises:
            LookupTimeoutError: no connection, or no whole answer, within the time-outs.
            TransportError: refused, cut short, or not a message.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._converse(address, port, message)
        except TimeoutError as error:
            raise LookupTimeoutError(f"tcp: no answer within {self._timeout_s:.1f} s") from error
        except MessageFormatError as error:
            raise TransportError(f"tcp: {error}") from error
        except (OSError, EOFError) as error:
            reason = (
                "connection closed in the middle"
                if isinstance(error, EOFError)
                else error.strerror or repr(error)
            )
            raise TransportError(f"tcp: {reason}") from error

    async def _converse(self, address: IPAddress, port: int, message: bytes) -> bytes:
        async with asyncio.timeout(self._connect_timeout_s):
            reader, writer = await self._connect(str(address), port)
        try:
            writer.write(message)
            await writer.drain()
            head = await reader.readexactly(ENVELOPE_SIZE)
            return head + await reader.readexactly(decode_envelope(head).message_length)
        finally:
            # Not graceful: everything has been said, and a peer that does not read must not hold us up.
            writer.transport.abort()
