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
from resolver.transport.gate import Gate
from resolver.transport.network import Network
from resolver.transport.udp import OnAnswer
from tests.fakes import RecordingObserver

ADDRESS = ip_address("8.8.8.8")
PORT = 2641
HANDLE = "10.1/abc"


class FakeTransport:
    """Returns octets or raises, as told."""

    def __init__(self, outcome: bytes | Exception = b"answer") -> None:
        self.outcome = outcome
        self.asked: list[tuple[IPAddress, int, bytes]] = []
        self.patience_s = 0.0

    async def exchange(
        self, address: IPAddress, port: int, message: bytes, *, patience_s: float = 0.0
    ) -> bytes:
        self.asked.append((address, port, message))
        self.patience_s = patience_s
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


async def test_patience() -> None:
    """How long a server may take is what decides when a datagram is sent again."""
    door = Door()
    await door.network.exchange(Endpoint(Transport.UDP, ADDRESS, PORT), b"question", HANDLE, patience_s=0.7)
    assert door.udp.patience_s == 0.7


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

    async def never(*_: object, **__: object) -> bytes:
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


# --- a single datagram -----------------------------------------------------------------------------------


class Shooter(FakeTransport):
    """Sends, or does not, and keeps whom to tell of the answer."""

    def __init__(self, *, can_send: bool = True) -> None:
        super().__init__()
        self.can_send = can_send
        self.told: list[OnAnswer] = []

    def shoot(
        self, address: IPAddress, port: int, message: bytes, patience_s: float, on_answer: OnAnswer
    ) -> bool:
        self.asked.append((address, port, message))
        self.told.append(on_answer)
        return self.can_send


class Range:
    """A network whose UDP is a shooter, with room for two questions, and for one more to wait."""

    def __init__(self, *, can_send: bool = True) -> None:
        self.udp, self.gate, self.observer = Shooter(can_send=can_send), Gate(2, 1), RecordingObserver()
        self.network = Network(
            AddressPolicy(),
            udp=self.udp,  # type: ignore[arg-type]  # a fake with the same method
            gate=self.gate,
            observer=self.observer,
        )
        self.heard: list[bytes | None] = []

    def shoot(self, address: str | None = "8.8.8.8", port: int = PORT, wait_s: float = 0.0) -> bool:
        endpoint = Endpoint(Transport.UDP, None if address is None else ip_address(address), port)
        return self.network.shoot(endpoint, b"question", HANDLE, self.hear, patience_s=0.05, wait_s=wait_s)

    def hear(self, answer: bytes | None, _elapsed_s: float) -> None:
        self.heard.append(answer)


@pytest.mark.parametrize(("answer", "outcome"), [(b"answer", "answer"), (None, "overtaken")])
def test_single_datagram(answer: bytes | None, outcome: str) -> None:
    """What comes back is told as it is and counted, and the place at the server is free again."""
    ground = Range()
    assert ground.shoot()
    assert ground.udp.asked == [(ADDRESS, PORT, b"question")]
    assert (len(ground.gate), ground.heard, dict(ground.observer.counts)) == (1, [], {})
    ground.udp.told[0](answer)
    assert (len(ground.gate), ground.heard) == (0, [answer])
    assert dict(ground.observer.counts) == {("exchange", "udp", outcome): 1}


@pytest.mark.parametrize(
    ("address", "port"), [("127.0.0.1", PORT), ("8.8.8.8", 25), ("8.8.8.8", 70_000), (None, PORT)]
)
def test_no_datagram_to_whom_the_policy_refuses(address: str | None, port: int) -> None:
    """What the policy refuses is sent nothing; the ordinary way will say why."""
    ground = Range()
    assert not ground.shoot(address, port)
    assert (ground.udp.asked, len(ground.gate), dict(ground.observer.counts)) == ([], 0, {})


def test_no_datagram_to_a_crowd() -> None:
    """A server that is asked as much as it may be is not asked by who does not wait, until an answer has come."""
    ground = Range()
    assert [ground.shoot() for _ in range(3)] == [True, True, False]
    ground.udp.told[0](b"answer")
    assert ground.shoot()
    for tell in ground.udp.told[1:]:
        tell(None)
    assert len(ground.gate) == 0


def test_datagram_that_cannot_be_sent() -> None:
    """Where it cannot be sent nobody is told or counted, and no place stays taken."""
    ground = Range(can_send=False)
    assert not ground.shoot()
    assert (len(ground.gate), ground.heard, dict(ground.observer.counts)) == (0, [], {})


async def test_datagram_that_waits_for_its_turn() -> None:
    """Who may wait does so while there is room in the line, and is asked for as soon as an answer has come."""
    ground = Range()
    assert [ground.shoot(wait_s=60) for _ in range(4)] == [True, True, True, False]
    assert len(ground.udp.asked) == 2
    ground.udp.told[0](b"first")
    await asyncio.sleep(0)
    assert len(ground.udp.asked) == 3
    assert not ground.shoot()
    for tell in ground.udp.told[1:]:
        tell(b"later")
    assert (len(ground.gate), ground.heard) == (0, [b"first", b"later", b"later"])
    assert ground.observer.counts["exchange", "udp", "answer"] == 3


async def test_datagram_whose_turn_does_not_come() -> None:
    """Who has waited long enough is told so, leaves the line to others, and is not counted: nobody was asked."""
    ground = Range()
    assert [ground.shoot(wait_s=0.01) for _ in range(3)] == [True] * 3
    await asyncio.sleep(0.02)
    assert ground.heard == [None]
    assert len(ground.udp.asked) == 2
    assert ground.shoot(wait_s=60)
    for tell in ground.udp.told:
        tell(b"answer")
    await asyncio.sleep(0)
    ground.udp.told[2](b"answer")
    assert (len(ground.gate), len(ground.udp.asked)) == (0, 3)
    assert ground.heard == [None, b"answer", b"answer", b"answer"]
    assert dict(ground.observer.counts) == {("exchange", "udp", "answer"): 3}


async def test_datagram_that_cannot_be_sent_when_its_turn_has_come() -> None:
    """Then its place goes to the next, and it is told that there will be no answer."""
    ground = Range()
    for _ in range(3):
        assert ground.shoot(wait_s=60)
    ground.udp.can_send = False
    for tell in list(ground.udp.told):
        tell(b"answer")
    await asyncio.sleep(0)
    assert (len(ground.gate), ground.heard) == (0, [b"answer", b"answer", None])


async def test_time_in_line_is_not_told_as_the_servers() -> None:
    """How long an answer took counts from when the question left."""
    ground = Range()
    took_s: list[float] = []
    ground.hear = lambda answer, elapsed_s: took_s.append(elapsed_s)  # type: ignore[method-assign]
    for _ in range(3):
        ground.shoot(wait_s=60)
    await asyncio.sleep(0.2)
    ground.udp.told[0](b"answer")
    await asyncio.sleep(0)
    ground.udp.told[2](b"answer")
    assert took_s[0] >= 0.19
    assert took_s[1] < 0.1
