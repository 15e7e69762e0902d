"""The inbox of a UDP exchange: which datagrams make an answer, and which show that there will be none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import LookupTimeoutError, TransportError, UdpUnsuitableError
from resolver.model.site import IPAddress
from resolver.protocol.envelope import Envelope, encode_envelope
from resolver.protocol.fragments import MAX_PAYLOAD, split_message
from resolver.transport.sockets import Receiver, Sockets
from resolver.transport.udp import MAX_NEAR_MISSES, MAX_PIECES, Inbox, UdpTransport

ID = 1234


def message(octets: int, request_id: int = ID) -> bytes:
    """Return something with the shape of a message."""
    return encode_envelope(Envelope((2, 11), request_id, octets)) + bytes(octets)


async def outcome(inbox: Inbox) -> bytes | None:
    """Return what the inbox has come to by now."""
    assert not inbox.is_waiting
    return await inbox.answer


async def test_whole_answer() -> None:
    """One datagram with the right request id is the answer."""
    inbox = Inbox(ID)
    inbox.take(message(100))
    assert await outcome(inbox) == message(100)


@given(st.integers(0, MAX_PIECES * MAX_PAYLOAD), st.randoms(use_true_random=False))
async def test_pieces_in_any_order(octets: int, chance: object) -> None:
    """Any answer of at most sixteen datagrams is put together, in whatever order and however often they come."""
    pieces = split_message(message(octets), mark=False) * 2
    chance.shuffle(pieces)  # type: ignore[attr-defined]
    inbox = Inbox(ID)
    for piece in pieces:
        inbox.take(piece)
    assert await outcome(inbox) == message(octets)


async def test_first_answer_counts() -> None:
    """What comes after the answer changes nothing, an answer or a failure."""
    inbox = Inbox(ID)
    for octets in (100, 200):
        inbox.take(message(octets))
    inbox.fail(OSError("refused"))
    inbox.time_out()
    assert await outcome(inbox) == message(100)


async def test_piece_too_many() -> None:
    """The first piece of an answer that takes more than sixteen shows that UDP will not do."""
    inbox = Inbox(ID)
    inbox.take(split_message(message(MAX_PIECES * MAX_PAYLOAD + 1), mark=False)[5])
    with pytest.raises(UdpUnsuitableError, match="17 datagrams"):
        await outcome(inbox)


@pytest.mark.parametrize("near_miss", [message(100, ID + 1), b"", message(100)[:-1], message(600)[:512][:-1]])
async def test_near_misses(near_miss: bytes) -> None:
    """A few datagrams that do not fit are put up with, and one more is not."""
    inbox = Inbox(ID)
    for _ in range(MAX_NEAR_MISSES):
        inbox.take(near_miss)
    assert inbox.is_waiting
    inbox.take(near_miss)
    with pytest.raises(UdpUnsuitableError, match="forged"):
        await outcome(inbox)


async def test_waiting_again() -> None:
    """After a time-out the next wait goes on with what has arrived, near misses included."""
    first, second = split_message(message(600), mark=False)
    inbox = Inbox(ID)
    inbox.take(b"")
    inbox.take(first)
    inbox.time_out()
    assert await outcome(inbox) is None
    inbox.wait_again()
    inbox.take(second)
    assert await outcome(inbox) == message(600)


async def test_refusal() -> None:
    """A refusal ends the wait at once."""
    inbox = Inbox(ID)
    inbox.fail(ConnectionRefusedError(111, "Connection refused"))
    with pytest.raises(ConnectionRefusedError):
        await outcome(inbox)


@given(st.lists(st.binary(max_size=600), max_size=20))
async def test_garbage(datagrams: list[bytes]) -> None:
    """No garbage makes an answer, or anything but an ``UdpUnsuitableError``."""
    inbox = Inbox(ID)
    for datagram in datagrams:
        inbox.take(datagram)
    if inbox.is_waiting:
        return
    try:
        whole = await inbox.answer
    except UdpUnsuitableError:
        return
    assert whole is not None
    assert whole[8:12] == ID.to_bytes(4, "big")


# --- the exchange around it ------------------------------------------------------------------------------


class Channel:
    """Notes what is sent, and answers or fails as told."""

    def __init__(self, inbox: Receiver, *, answer_to: int = 0, error: OSError | None = None) -> None:
        self.inbox, self.answer_to, self.error = inbox, answer_to, error
        self.sent: list[bytes] = []
        self.closed = 0

    def send(self, datagram: bytes, /) -> None:
        self.sent.append(datagram)
        if self.error is not None:
            raise self.error
        if len(self.sent) == self.answer_to:
            self.inbox.take(message(10))

    def close(self) -> None:
        self.closed += 1


class Channels:
    """Opens channels, and keeps them."""

    def __init__(self, **how: object) -> None:
        self.how = how
        self.opened: list[Channel] = []

    def __call__(self, _address: IPAddress, _port: int, inbox: Receiver) -> Channel:
        self.opened.append(Channel(inbox, **self.how))  # type: ignore[arg-type]
        return self.opened[-1]


async def exchange(channels: Channels, octets: int = 10) -> bytes:
    transport = UdpTransport((0.001, 0.001, 0.001), channels)
    return await transport.exchange(None, 2641, message(octets))  # type: ignore[arg-type]  # nobody looks


@pytest.mark.parametrize("sent", [1, 2, 3])
async def test_asked_until_answered(sent: int) -> None:
    """The question is sent until an answer comes, and its channel is closed then."""
    channels = Channels(answer_to=sent)
    assert await exchange(channels) == message(10)
    (channel,) = channels.opened
    assert channel.sent == [message(10)] * sent
    assert channel.closed == 1


async def test_server_that_takes_its_time() -> None:
    """Nothing is sent again before a server can have answered; from then on it goes as with others."""
    channels = Channels()
    transport = UdpTransport((0.001, 0.01), channels)
    with pytest.raises(LookupTimeoutError, match=r"0\.1 s"):
        await transport.exchange(None, 2641, message(10), patience_s=0.09)  # type: ignore[arg-type]
    assert len(channels.opened[0].sent) == 2

    asking = asyncio.get_running_loop().create_task(
        UdpTransport((0.001, 5.0), channels).exchange(None, 1, message(1), patience_s=5.0)  # type: ignore[arg-type]
    )
    await asyncio.sleep(0.02)
    assert len(channels.opened[1].sent) == 1
    asking.cancel()


async def test_silence() -> None:
    """After the last time-out it is over."""
    channels = Channels()
    with pytest.raises(LookupTimeoutError):
        await exchange(channels)
    assert [(len(channel.sent), channel.closed) for channel in channels.opened] == [(3, 1)]


async def test_long_question() -> None:
    """Each transmission has all pieces of a long question."""
    channels = Channels(answer_to=4)
    await exchange(channels, octets=600)
    assert channels.opened[0].sent == split_message(message(600)) * 2


async def test_sending_fails() -> None:
    """That nothing can be sent is trouble with this server, told with the reason."""
    channels = Channels(error=OSError(101, "Network is unreachable"))
    with pytest.raises(TransportError, match="udp: Network is unreachable"):
        await exchange(channels)
    assert channels.opened[0].closed == 1


async def test_opening_fails() -> None:
    """So is it that no socket can be had."""

    def exhausted(*_: object) -> Channel:
        raise OSError(24, "Too many open files")

    with pytest.raises(TransportError, match="udp: Too many open files"):
        await UdpTransport((0.001,), exhausted).exchange(None, 1, message(1))  # type: ignore[arg-type]


async def test_given_up() -> None:
    """An exchange that is cancelled closes its channel."""
    channels = Channels()
    asking = asyncio.get_running_loop().create_task(
        UdpTransport((5.0,), channels).exchange(None, 1, message(1))  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert channels.opened[0].closed == 1


# --- a single datagram -----------------------------------------------------------------------------------


def shoot(channels: object, heard: list[bytes | None], octets: int = 10, patience_s: float = 0.01) -> bool:
    transport = UdpTransport(open_channel=channels)  # type: ignore[arg-type]  # a fake with the same methods
    return transport.shoot(None, 2641, message(octets), patience_s, heard.append)  # type: ignore[arg-type]


async def test_shot() -> None:
    """One datagram goes out in the next round; what comes back is told once, and its channel closed."""
    channels, heard = Channels(answer_to=1), list[bytes | None]()
    assert shoot(channels, heard)
    (channel,) = channels.opened
    assert (channel.sent, heard) == ([], [])
    await asyncio.sleep(0)
    assert (channel.sent, heard, channel.closed) == ([message(10)], [message(10)], 1)
    channel.inbox.take(message(10))
    channel.inbox.fail(OSError("refused"))
    await asyncio.sleep(0.02)
    assert (heard, channel.closed) == ([message(10)], 1)


async def test_shot_into_silence() -> None:
    """After its patience it is over, and nothing is sent again."""
    channels, heard = Channels(), list[bytes | None]()
    assert shoot(channels, heard)
    async with asyncio.timeout(5):
        while not heard:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    assert heard == [None]
    assert [(channel.sent, channel.closed) for channel in channels.opened] == [([message(10)], 1)]


async def test_each_shot_has_its_own_patience() -> None:
    """Those that wait together are given up one by one, and a mistake in hearing of one is not the others' matter."""
    channels, told = Channels(), list[str]()
    transport = UdpTransport(open_channel=channels)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)

    def hear(name: str) -> Callable[[bytes | None], None]:
        def note(answer: bytes | None) -> None:
            assert answer is None
            told.append(name)
            if name == "second":
                raise RuntimeError("a mistake")

        return note

    for name, patience_s in (("last", 0.08), ("first", 0.0), ("second", 0.02), ("third", 0.02)):
        assert transport.shoot(None, 2641, message(10), patience_s, hear(name))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while len(told) < 4:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    assert (told[0], sorted(told[1:3]), told[3]) == ("first", ["second", "third"], "last")
    assert all(channel.closed == 1 for channel in channels.opened)


def test_shots_in_one_event_loop_and_then_in_another() -> None:
    """Silence ends a shot in each of them, whatever was still waited for when the first ended."""
    channels, heard = Channels(), list[bytes | None]()
    transport = UdpTransport(open_channel=channels)

    async def shoot_into_silence(patience_s: float) -> None:
        assert transport.shoot(None, 2641, message(10), patience_s, heard.append)  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            while patience_s < 1 and not heard:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    asyncio.run(shoot_into_silence(60))
    asyncio.run(shoot_into_silence(0.01))
    assert heard == [None]


@pytest.mark.parametrize("datagram", [b"", message(100)[:11], message(100, ID + 1)])
async def test_shot_at_a_stranger(datagram: bytes) -> None:
    """What does not carry the request id ends it at once: nothing is waited for behind it."""
    channels, heard = Channels(), list[bytes | None]()
    assert shoot(channels, heard, patience_s=60)
    (channel,) = channels.opened
    channel.inbox.take(datagram)
    assert (heard, channel.closed, channel.inbox.is_waiting) == ([None], 1, False)


async def test_shot_refused() -> None:
    """So does a refusal, while it is sent or afterwards."""
    channels, heard = Channels(error=OSError(101, "Network is unreachable")), list[bytes | None]()
    assert shoot(channels, heard, patience_s=60)
    await asyncio.sleep(0)
    assert (heard, channels.opened[0].closed) == ([None], 1)


async def test_no_shot() -> None:
    """A question of several datagrams, and one without a socket, is none for a single datagram; nobody is told."""
    channels, heard = Channels(), list[bytes | None]()
    assert not shoot(channels, heard, octets=493)

    def exhausted(*_: object) -> Channel:
        raise OSError(24, "Too many open files")

    assert not shoot(exhausted, heard)
    await asyncio.sleep(0.02)
    assert (channels.opened, heard) == ([], [])


async def test_volley() -> None:
    """Those of one round go out together, and each has its own answer."""
    channels, heard = Channels(answer_to=1), list[bytes | None]()
    transport = UdpTransport(open_channel=channels)
    for octets in (10, 10, 10):
        assert transport.shoot(None, 2641, message(octets), 60, heard.append)  # type: ignore[arg-type]
    assert [channel.sent for channel in channels.opened] == [[], [], []]
    await asyncio.sleep(0)
    assert heard == [message(10)] * 3


async def test_shot_that_was_over_before_it_went_out() -> None:
    """Where a round took longer than its patience, it is over, whether it has gone out or not."""
    sockets, heard = Sockets(), list[bytes | None]()
    transport = UdpTransport(open_channel=sockets.open)
    assert transport.shoot(ip_address("127.0.0.1"), 2641, message(10), 60, heard.append)
    (shot,) = transport._ready
    shot.fail(OSError("its time was over"))
    await asyncio.sleep(0)
    assert heard == [None]
