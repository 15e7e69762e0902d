"""What several workers, many visitors and restarts come to."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import apply_load
from benchmarks.network import PREFIX
from benchmarks.nginx import running_nginx
from benchmarks.processes import (
    START_TIMEOUT_S,
    Running,
    free_port,
    memory_octets,
    running_network,
    spread,
)
from benchmarks.rows import Comparison, ours, resolver, visit_all

__all__ = ["Idle", "Restarts", "idle_connections", "restarts", "two_workers"]

PATH = f"/{PREFIX}/"


def two_workers(runs: int, seconds: float) -> tuple[Comparison, Comparison]:
    """Compare two workers to one, on the core that the load does not use: ours, and nginx's."""
    with contextlib.ExitStack() as stack:
        first, second = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        pairs = [
            (stack.enter_context(resolver(first, "--workers", "2")), stack.enter_context(resolver(second))),
            (stack.enter_context(running_nginx(workers=2)), stack.enter_context(running_nginx())),
        ]
        found = Comparison(), Comparison()
        for subject in itertools.chain(*pairs):
            visit_all(subject.url, PATH, 1)
            apply_load(subject.url, PATH, seconds=1)
        for _ in range(runs):
            for (two, one), into in zip(pairs, found, strict=True):
                into.rival.append(apply_load(one.url, PATH, seconds=seconds))
                into.ours.append(apply_load(two.url, PATH, seconds=seconds))
    return found


# --- idle connections ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Idle:
    """What connections cost on which nothing happens."""

    connections: int
    octets_each: float
    seen: Comparison
    """What others see beside them, compared to what they see without."""
    seen_of_nginx: Comparison
    """The same of nginx."""


def idle_connections(count: int, seconds: float, runs: int) -> Idle:
    """Open ``count`` connections that have been answered once and stay, and see what they cost."""
    octets = 0.0
    found = Comparison(), Comparison()
    with (
        tempfile.TemporaryDirectory() as folder,
        resolver(Path(folder)) as subject,
        running_nginx() as rival,
    ):
        visit_all(subject.url, PATH, 1)
        for each in (subject, rival):
            apply_load(each.url, PATH, seconds=2)
        for _ in range(runs):
            for each, into in zip((subject, rival), found, strict=True):
                into.rival.append(apply_load(each.url, PATH, seconds=seconds))
                before = memory_octets(each.pid)
                with _held(each.url, count) as held:
                    if each is subject:
                        octets = max(octets, (memory_octets(each.pid) - before) / held)
                    into.ours.append(apply_load(each.url, PATH, seconds=seconds))
                time.sleep(1)
    return Idle(held, octets, *found)


@contextlib.contextmanager
def _held(url: str, count: int) -> Iterator[int]:
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET {PATH}0 HTTP/1.1\r\nHost: resolver.example\r\nUser-Agent: idle\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port)), 10))
            connection.sendall(request)
            connection.recv(65536)
        yield count


# --- restarts --------------------------------------------------------------------------------------------


@dataclass
class Restarts:
    """What became of requests while workers were replaced, each request over a connection of its own."""

    answered: int = 0
    lost: int = 0
    restarts: int = 0


def restarts(requests: int, rolls: int, workers: int = 4) -> tuple[Restarts, Restarts | None]:
    """Replace all workers ``rolls`` times while requests go on: ours, and gunicorn where it is installed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_network(Path(folder), 10) as bootstrap,
        spread(),
        ours(bootstrap, "--workers", str(workers)) as subject,
    ):
        mine = asyncio.run(_restart(subject, requests, rolls, lambda: _children(subject.pid, skip=1)))
    if importlib.util.find_spec("gunicorn") is None:
        return mine, None
    with _running_gunicorn(workers) as subject:
        return mine, asyncio.run(_restart(subject, requests, rolls, lambda: _children(subject.pid)))


async def _restart(subject: Running, requests: int, rolls: int, workers: Callable[[], set[int]]) -> Restarts:
    seen = Restarts()
    ended = asyncio.Event()

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - what is looked at is other processes
            await asyncio.sleep(0.05)

    async def roll() -> None:
        for number in range(rolls):
            due = requests * (number + 0.5) / rolls
            await until(lambda due=due: seen.answered + seen.lost >= due)  # type: ignore[misc]
            before = workers()
            os.kill(subject.pid, signal.SIGHUP)
            await until(lambda before=before: not before & workers())  # type: ignore[misc]
            seen.restarts += 1
        await until(lambda: seen.answered + seen.lost >= requests)
        ended.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(roll())
        for _ in range(32):
            group.create_task(_visit_until(ended, subject.url, seen))
    return seen


async def _visit_until(ended: asyncio.Event, url: str, seen: Restarts) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET {PATH}0 HTTP/1.1\r\nHost: resolver.example\r\nConnection: close\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    while not ended.is_set():
        answer = b""
        with contextlib.suppress(OSError, TimeoutError), socket.socket() as connection:
            connection.setblocking(False)
            async with asyncio.timeout(30):
                await loop.sock_connect(connection, (host, int(port)))
                await loop.sock_sendall(connection, request)
                answer = await loop.sock_recv(connection, 65536)
        if answer.startswith(b"HTTP/1.1 302"):
            seen.answered += 1
        else:
            seen.lost += 1


def _children(pid: int, skip: int = 0) -> set[int]:
    try:
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[skip:]))
    except OSError:
        return set()


@contextlib.contextmanager
def _running_gunicorn(workers: int) -> Iterator[Running]:
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "benchmarks.rivals:redirect_app"),
            *("--worker-class", "aiohttp.GunicornUVLoopWebWorker", "--workers", str(workers)),
            *("--bind", f"127.0.0.1:{port}", "--backlog", "4096", "--log-level", "error"),
        ]
    )
    try:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while len(_children(process.pid)) < workers:
            if time.monotonic() > ends_at:
                raise RuntimeError("gunicorn did not start")
            time.sleep(0.05)
        time.sleep(3)
        yield Running(process.pid, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()
