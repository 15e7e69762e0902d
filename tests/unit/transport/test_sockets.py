"""Sockets that are awaited together: each hears what is meant for it, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from resolver.transport import sockets
from resolver.transport.sockets import MAX_EVENTS, Channel, Sockets
from resolver.web.server import new_event_loop

HERE = ip_address("127.0.0.1")
DEADLINE_S = 10.0


class Ear:
    """Takes datagrams until it has as many as it wants, and does then what it was told."""

    def __init__(self, wanted: int = 1, then: Callable[[], None] = lambda: None) -> None:
        self.wanted, self.then = wanted, then
        self.heard: list[bytes] = []
        self.errors: list[Exception] = []
        self.channel: Channel | None = None

    @property
    def is_waiting(self) -> bool:
        return len(self.heard) < self.wanted and not self.errors and self.channel is not None

    def take(self, datagram: bytes, /) -> None:
        self.heard.append(datagram)
        if not self.is_waiting:
            self.close()
            self.then()

    def fail(self, error: Exception, /) -> None:
        self.errors.append(error)
        self.close()

    def close(self) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.close()


class Server:
    """Sends back what it is sent, but only when a test says so."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((str(HERE), 0))
        self._socket.settimeout(DEADLINE_S)
        self.port: int = self._socket.getsockname()[1]

    def answer(self, count: int) -> None:
        """Answer so many datagrams, the last first: all answers are there before anybody reads one."""
        asked = [self._socket.recvfrom(2048) for _ in range(count)]
        for datagram, sender in reversed(asked):
            self._socket.sendto(datagram, sender)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(params=["epoll", "each alone"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With epoll, and as it is where there is none."""
    if request.param != "epoll":
        monkeypatch.delattr(select, "epoll", raising=False)
    return str(request.param)


@pytest.fixture(params=[new_event_loop, asyncio.new_event_loop], ids=["ours", "asyncio's"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Each of the loops that a worker may run on; nothing fails in its callbacks."""
    complaints: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=request.param) as running:
        running.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        yield running
    assert complaints == []


def ask(all_sockets: Sockets, server: Server, ear: Ear, text: bytes) -> Ear:
    """Open a socket of its own for ``ear``, and send something."""
    ear.channel = all_sockets.open(HERE, server.port, ear)
    ear.channel.send(text)
    return ear


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something has happened."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


def close_all(ears: list[Ear]) -> None:
    for ear in ears:
        ear.close()


def nothing_is_left(all_sockets: Sockets) -> bool:
    """Whether no socket is attended to any more."""
    ears = all_sockets._ears
    assert ears is not None
    if ears._set is None:
        return not ears._readers
    return not ears._readers and ears._set.poll(0) == []


def test_many_at_once(ways: str, runner: asyncio.Runner, server: Server) -> None:
    """More sockets than are read in one go: each hears its own answer, and only that."""

    async def scene() -> None:
        all_sockets, count = Sockets(), 2 * MAX_EVENTS + 3
        ears = [ask(all_sockets, server, Ear(), b"%d" % number) for number in range(count)]
        server.answer(count)
        await until(lambda: all(ear.heard for ear in ears))
        assert [ear.heard for ear in ears] == [[b"%d" % number] for number in range(count)]
        assert nothing_is_left(all_sockets)

    runner.run(scene())


def test_closed_by_another(ways: str, runner: asyncio.Runner, server: Server) -> None:
    """A socket that is closed on account of another's answer hears nothing more, though its own is there already."""

    async def scene() -> None:
        all_sockets = Sockets()
        ears = [Ear() for _ in range(8)]
        for ear in ears:
            others = [other for other in ears if other is not ear]
            ear.then = lambda others=others: close_all(others)  # type: ignore[misc]
            ask(all_sockets, server, ear, b"hello")
        server.answer(len(ears))
        await until(lambda: any(ear.heard for ear in ears))
        await asyncio.sleep(0.01)
        assert sum(len(ear.heard) for ear in ears) == 1
        assert not any(ear.errors for ear in ears)
        assert nothing_is_left(all_sockets)

    runner.run(scene())


def test_numbers_come_again(ways: str, runner: asyncio.Runner, server: Server) -> None:
    """A socket opened in the place of one just closed, of the same number, hears nothing that was meant for that."""

    async def scene() -> None:
        all_sockets = Sockets()
        late: list[Ear] = []
        ears = [Ear() for _ in range(8)]

        def replace(others: list[Ear]) -> None:
            for other in others:
                if other.channel is not None:
                    other.close()
                    late.append(ask(all_sockets, server, Ear(), b"late"))

        for ear in ears:
            others = [other for other in ears if other is not ear]
            ear.then = lambda others=others: replace(others)  # type: ignore[misc]
            ask(all_sockets, server, ear, b"early")
        server.answer(len(ears))
        await until(lambda: len(late) == len(ears) - 1)
        await asyncio.sleep(0.01)
        assert [ear.heard for ear in late] == [[]] * len(late)
        assert not any(ear.errors for ear in late)
        server.answer(len(late))
        await until(lambda: all(ear.heard for ear in late))
        assert [ear.heard for ear in late] == [[b"late"]] * len(late)
        assert nothing_is_left(all_sockets)

    runner.run(scene())


def test_several_for_one(ways: str, runner: asyncio.Runner, server: Server) -> None:
    """A socket on which several datagrams arrive gives all that are wanted, and is not read beyond that."""

    async def scene() -> None:
        all_sockets = Sockets()
        ear = ask(all_sockets, server, Ear(wanted=2), b"first")
        assert ear.channel is not None
        ear.channel.send(b"second")
        ear.channel.send(b"third")
        server.answer(3)
        await until(lambda: len(ear.heard) == 2)
        await asyncio.sleep(0.01)
        assert ear.heard == [b"third", b"second"]
        assert nothing_is_left(all_sockets)

    runner.run(scene())


def test_refusal_is_heard(ways: str, runner: asyncio.Runner, server: Server) -> None:
    """That nobody listens at a port is heard at once, by whoever asked there and nobody else."""

    async def scene() -> None:
        all_sockets = Sockets()
        gone = Server()
        gone.close()
        refused = ask(all_sockets, gone, Ear(), b"anybody?")
        other = ask(all_sockets, server, Ear(), b"hello")
        await until(lambda: bool(refused.errors))
        assert isinstance(refused.errors[0], ConnectionRefusedError)
        server.answer(1)
        await until(lambda: bool(other.heard))
        assert (refused.heard, other.errors) == ([], [])
        assert nothing_is_left(all_sockets)

    runner.run(scene())


def test_only_who_was_asked(ways: str, runner: asyncio.Runner, server: Server) -> None:
    """What somebody else sends to the port of a socket is not heard."""

    async def scene() -> None:
        all_sockets = Sockets()
        ear = ask(all_sockets, server, Ear(), b"hello")
        _, sender = server._socket.recvfrom(100)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.sendto(b"forged", sender)
        server._socket.sendto(b"true", sender)
        await until(lambda: bool(ear.heard))
        assert ear.heard == [b"true"]

    runner.run(scene())


def test_two_loops(ways: str, server: Server) -> None:
    """The same transport in another loop hears as well."""
    all_sockets = Sockets()

    async def scene() -> None:
        ear = ask(all_sockets, server, Ear(), b"hello")
        server.answer(1)
        await until(lambda: bool(ear.heard))

    for _ in range(2):
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(scene())


class Full:
    """In the place of the set, or of the loop: takes nothing more."""

    def refuse(self, *_: object) -> None:
        raise OSError(28, "No space left on device")

    register = add_reader = refuse


def test_no_room_for_one_more(ways: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system attends to no more sockets, that is said, and nothing of the attempt stays."""

    async def scene() -> None:
        all_sockets = Sockets()
        ask(all_sockets, server, Ear(), b"hello").close()
        ears = all_sockets._ears
        assert ears is not None
        before = open_files()
        monkeypatch.setattr(ears, "loop" if ears._set is None else "_set", Full())
        with pytest.raises(OSError, match="No space left"):
            sockets._Socket(HERE, server.port, Ear(), ears)
        assert ears._readers == {}
        assert open_files() == before

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(scene())


def test_no_way(ways: str, runner: asyncio.Runner) -> None:
    """An address to which there is no way is told as an error of the system, and leaves no socket open."""

    async def scene() -> None:
        all_sockets = Sockets()
        before = open_files()
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's choice
            all_sockets.open(ip_address("255.255.255.255"), 1, Ear())
        gc.collect()
        assert open_files() - before <= 1  # the set itself

    runner.run(scene())


def open_files() -> int:
    """Return how many files this process has open."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0
