"""The one door to handle servers: picks the transport, applies the address policy, counts what happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from resolver.errors import (
    AddressRefusedError,
    CrowdedError,
    LookupTimeoutError,
    MessageFormatError,
    TransportError,
)
from resolver.model.site import IPAddress, Transport
from resolver.observe import Observer
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.endpoint import Endpoint
from resolver.transport.gate import Gate
from resolver.transport.http import HttpTransport
from resolver.transport.tcp import TcpTransport
from resolver.transport.udp import UdpTransport

__all__ = ["Network", "OnReply"]

OnReply = Callable[[bytes | None, float], None]
"""Told once of an answer, or that there is none of the usual kind, and how many seconds after the question left."""

_NAMES = {transport: transport.name.lower() for transport in Transport}


class Network:
    """Sends one message to one server and returns what comes back."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        udp: UdpTransport | None = None,
        tcp: TcpTransport | None = None,
        http: HttpTransport | None = None,
        gate: Gate | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._policy = policy
        self._udp = udp or UdpTransport()
        self._tcp = tcp or TcpTransport()
        self._http = http or HttpTransport()
        self._gate = Gate() if gate is None else gate  # one where nothing goes on has no length
        self._observer = observer or Observer()

    async def exchange(
        self,
        endpoint: Endpoint,
        message: bytes,
        handle: str,
        *,
        patience_s: float = 0.0,
        on_turn: Callable[[], None] = lambda: None,
    ) -> bytes:
        """Send ``message``, which asks for ``handle``, and return the whole message that answers it.

        Args:
            endpoint: of the server.
            message: what to send.
            handle: what it asks for.
            patience_s: how long this server may well take; a datagram is not sent again before.
            on_turn: called when the question leaves, which may be later, since others are before it.

        Raises:
            AddressRefusedError: the policy does not allow the address.
            CrowdedError: too many questions are on their way to this server.
            LookupTimeoutError: silence.
            TransportError: anything else that kept an answer from arriving.
        """
        started = time.perf_counter()
        outcome = "overtaken"  # unless something else ends it: cancelled, since somebody else answered first
        try:
            if endpoint.address is None:
                raise TransportError("the site record gives no address, or a name without one")
            self._policy.check(endpoint.address, endpoint.port)
            place = endpoint.way[:2]
            await self._gate.enter(place)
            try:
                on_turn()
                answer = await self._exchange(endpoint, endpoint.address, message, handle, patience_s)
            finally:
                self._gate.leave(place)
            outcome = "answer"
            return answer
        except (AddressRefusedError, CrowdedError):
            outcome = "refused"
            raise
        except LookupTimeoutError:
            outcome = "timeout"
            raise
        except TransportError:
            outcome = "error"
            raise
        except MessageFormatError as error:
            outcome = "error"
            raise TransportError(f"{_NAMES[endpoint.transport]}: {error}") from error
        finally:
            transport, elapsed_s = endpoint.transport.name.lower(), time.perf_counter() - started
            self._observer.exchange(transport, outcome, elapsed_s)
            self._observer.question(str(endpoint), handle, transport, outcome, elapsed_s)

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
        """Send ``message`` by UDP once, and tell what comes (see ``UdpTransport.shoot``).

        Args:
            endpoint: of the server.
            message: what to send.
            handle: what it asks for.
            on_reply: told of the answer.
            patience_s: how long to wait for it.
            wait_s: how long to wait for the turn, where others are before it.

        Returns:
            Whether it was sent or waits; if not, nobody will be told, and ``exchange`` will say why.
        """
        address, place = endpoint.address, endpoint.way[:2]
        if address is None or not self._policy.allows(address, endpoint.port):
            return False
        shot = partial(self._shoot, endpoint, address, message, handle, patience_s, on_reply)
        if self._gate.try_enter(place):
            return shot()
        return wait_s > 0 and self._line_up(place, wait_s, shot, on_reply)

    def _shoot(
        self,
        endpoint: Endpoint,
        address: IPAddress,
        message: bytes,
        handle: str,
        patience_s: float,
        on_reply: OnReply,
    ) -> bool:
        """Send a question whose turn has come, and leave afterwards; return whether it could be sent."""
        place, started = endpoint.way[:2], time.perf_counter()

        def end(answer: bytes | None) -> None:
            self._gate.leave(place)
            outcome, elapsed_s = "overtaken" if answer is None else "answer", time.perf_counter() - started
            self._observer.exchange("udp", outcome, elapsed_s)
            self._observer.question(endpoint.text, handle, "udp", outcome, elapsed_s)
            on_reply(answer, elapsed_s)

        if self._udp.shoot(address, endpoint.port, message, patience_s, end):
            return True
        self._gate.leave(place)
        return False

    def _line_up(
        self, place: tuple[object, ...], wait_s: float, shot: Callable[[], bool], on_reply: OnReply
    ) -> bool:
        """Let a question wait for its turn; return whether there was room in the line."""
        try:
            turn = self._gate.line_up(place)
        except CrowdedError:
            return False
        timer = asyncio.get_running_loop().call_later(wait_s, turn.cancel)

        def take_turn(_: asyncio.Future[None]) -> None:
            timer.cancel()
            if turn.cancelled():
                self._gate.give_up(place, turn)
                on_reply(None, 0.0)
            elif not shot():
                on_reply(None, 0.0)

        turn.add_done_callback(take_turn)
        return True

    async def _exchange(
        self, endpoint: Endpoint, address: IPAddress, message: bytes, handle: str, patience_s: float
    ) -> bytes:
        match endpoint.transport:
            case Transport.UDP:
                return await self._udp.exchange(address, endpoint.port, message, patience_s=patience_s)
            case Transport.TCP:
                return await self._tcp.exchange(address, endpoint.port, message)
            case Transport.HTTP | Transport.HTTPS:
                return await self._http.exchange(endpoint, message, handle)

    async def close(self) -> None:
        """Give connections back."""
        self._udp.close()
        await self._http.close()
