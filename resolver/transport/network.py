"""The one door to handle servers: picks the transport, applies the address policy, counts what happens."""

from __future__ import annotations

import time

from resolver.errors import (
    AddressRefusedError,
    LookupTimeoutError,
    MessageFormatError,
    TransportError,
    UpstreamError,
)
from resolver.model.site import IPAddress, Transport
from resolver.observe import Observer
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.tcp import TcpTransport
from resolver.transport.udp import UdpTransport

__all__ = ["Network"]


class Network:
    """Sends one message to one server and returns what comes back."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        udp: UdpTransport | None = None,
        tcp: TcpTransport | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._policy = policy
        self._udp = udp or UdpTransport()
        self._tcp = tcp or TcpTransport()
        self._observer = observer or Observer()

    async def exchange(
        self, transport: Transport, address: IPAddress | None, port: int, message: bytes
    ) -> bytes:
        """Send ``message`` to ``address`` and return the whole message that answers it.

        Raises:
            AddressRefusedError: the policy does not allow the address.
            LookupTimeoutError: silence.
            TransportError: anything else that kept an answer from arriving.
        """
        started = time.perf_counter()
        outcome = "overtaken"  # unless something else ends it: cancelled, since somebody else answered first
        try:
            if address is None:
                raise TransportError("the site record gives no address")
            self._policy.check(address, port)
            answer = await self._transport(transport).exchange(address, port, message)
            outcome = "answer"
            return answer
        except AddressRefusedError:
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
            raise TransportError(f"{transport.name.lower()}: {error}") from error
        finally:
            self._observer.exchange(transport.name.lower(), outcome, time.perf_counter() - started)

    def _transport(self, transport: Transport) -> UdpTransport | TcpTransport:
        match transport:
            case Transport.UDP:
                return self._udp
            case Transport.TCP:
                return self._tcp
            case Transport.HTTP | Transport.HTTPS:
                raise UpstreamError(f"{transport.name} is not spoken")
