"""The door to handle servers: which transport, which errors, and what is counted. The transports are fakes."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from resolver.errors import (
    AddressRefusedError,
    LookupTimeoutError,
    MessageFormatError,
    TransportError,
)
from resolver.model.site import IPAddress, Transport
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.endpoint import Endpoint
from resolver.transport.network import Network
from tests.fakes import RecordingObserver

ADDRESS = ip_address("8.8.8.8")
PORT = 2641
HANDLE = "10.1/abc"


class FakeTransport:
    """Returns octets or raises, as told."""

    def __init__(self, outcome: bytes | Exception = b"answer") -> None:
        self.outcome = outcome
        self.asked: list[tuple[IPAddress, int, bytes]] = []

    async def exchange(self, address: IPAddress, port: int, message: bytes) -> bytes:
        self.asked.append((address, port, message))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Door:
    """A network over two fake transports."""

    def __init__(self, outcome: bytes | Exception = b"answer") -> None:
        self.udp, self.tcp = FakeTransport(outcome), FakeTransport(outcome)
        self.observer = RecordingObserver()
        self.network = Network(
            AddressPolicy(),
            udp=self.udp,  # type: ignore[arg-type]  # fakes with the same method
            tcp=self.tcp,  # type: ignore[arg-type]
            observer=self.observer,
        )

    @property
    def counted(self) -> list[tuple[object, ...]]:
        return [event[1:] for event in self.observer.counts.elements()]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_each_transport(transport: Transport) -> None:
    """A message goes to the transport that was named, and its answer comes back as it is."""
    door = Door()
    assert await door.network.exchange(Endpoint(transport, ADDRESS, PORT), b"question", HANDLE) == b"answer"
    used, other = (door.udp, door.tcp) if transport is Transport.UDP else (door.tcp, door.udp)
    assert used.asked == [(ADDRESS, PORT, b"question")]
    assert other.asked == []
    assert door.counted == [(transport.name.lower(), "answer")]


@pytest.mark.parametrize(
    ("error", "raised", "outcome"),
    [
        (LookupTimeoutError("silence"), LookupTimeoutError, "timeout"),
        (TransportError("refused"), TransportError, "error"),
        (MessageFormatError("4 GiB announced"), TransportError, "error"),
    ],
)
async def test_trouble(error: Exception, raised: type[Exception], outcome: str) -> None:
    """Each kind of trouble is an upstream error of its own, and counted as such."""
    door = Door(error)
    with pytest.raises(raised, match=str(error)):
        await door.network.exchange(Endpoint(Transport.UDP, ADDRESS, PORT), b"question", HANDLE)
    assert door.counted == [("udp", outcome)]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", PORT), ("8.8.8.8", 25), ("8.8.8.8", 70_000)])
async def test_policy_comes_first(transport: Transport, address: str, port: int) -> None:
    """What the policy refuses never reaches a transport."""
    door = Door()
    with pytest.raises(AddressRefusedError):
        await door.network.exchange(Endpoint(transport, ip_address(address), port), b"question", HANDLE)
    assert door.udp.asked == door.tcp.asked == []
    assert door.counted == [(transport.name.lower(), "refused")]


async def test_no_address() -> None:
    """A site record that gives no address is trouble with that server, not with us."""
    door = Door()
    with pytest.raises(TransportError, match="no address"):
        await door.network.exchange(Endpoint(Transport.TCP, None, PORT), b"question", HANDLE)
    assert door.counted == [("tcp", "error")]


async def test_cancelled_is_no_failure() -> None:
    """An exchange that is given up because another server was faster is not counted as a server's failure."""
    door = Door()

    async def never(*_: object) -> bytes:
        await asyncio.Event().wait()
        return b""

    door.udp.exchange = never  # type: ignore[method-assign, assignment]
    asking = asyncio.get_running_loop().create_task(
        door.network.exchange(Endpoint(Transport.UDP, ADDRESS, PORT), b"question", HANDLE)
    )
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert door.counted == [("udp", "overtaken")]
