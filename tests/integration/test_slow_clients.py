"""Visitors who send or read at their leisure, or come in thousands: they are dropped, and others do not notice."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from resolver.demo.network import shipped_records
from resolver.web import connections, server, visit
from tests.integration.processes import fetch, run_network, run_program, sample_of, wait_until
from tests.integration.proxy import RunningProxy, run_proxy

pytestmark = pytest.mark.xdist_group("slow-clients")

P = "20.500.12345"
WARM = f"/{P}/abc"
PATIENCE_S = 1.0
"""In the place of all the patience that is usual."""

GRACE_S = 8.0
"""What a busy machine may need beside that."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy without much patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "KEEPALIVE_S", PATIENCE_S)
        patch.setattr(visit, "BODY_TIMEOUT_S", PATIENCE_S)
        patch.setattr(connections, "WRITE_STALL_S", PATIENCE_S)
        with run_proxy(shipped_records(), max_connections=40) as running:
            assert fetch(running.url + WARM)[0] == 302
            yield running


def refused(proxy: RunningProxy, reason: str) -> float:
    """Return how many were refused for this reason."""
    text = fetch(f"{proxy.admin_url}/metrics")[2].decode()
    return sample_of(text, "resolver_refused_total", reason=reason)


def answered(proxy: RunningProxy, endpoint: str) -> float:
    """Return how many requests of a kind were answered."""
    text = fetch(f"{proxy.admin_url}/metrics")[2].decode()
    return sample_of(text, "resolver_requests_total", endpoint=endpoint, outcome="ok")


@contextlib.asynccontextmanager
async def connected(
    proxy: RunningProxy, **options: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect until the block ends."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ended_after(reader: asyncio.StreamReader) -> tuple[float, bytes]:
    """Read until the other side closes; return how long that took, and what came."""
    began, came = time.monotonic(), b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S + GRACE_S + 10):
            while chunk := await reader.read(65536):
                came += chunk
    return time.monotonic() - began, came


async def drip(writer: asyncio.StreamWriter, parts: Iterator[bytes], pause_s: float = 0.2) -> None:
    """Send one part after the other until nobody takes them any more."""
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)


def endless(part: bytes) -> Iterator[bytes]:
    """Return the same for ever."""
    while True:
        yield part


async def dripped(proxy: RunningProxy, head: bytes, part: bytes, pause_s: float = 0.2) -> tuple[float, bytes]:
    """Send ``head``, then ``part`` again and again; return how long the connection lived, and what came."""
    async with connected(proxy) as (reader, writer):
        writer.write(head)
        sending = asyncio.get_running_loop().create_task(drip(writer, endless(part), pause_s))
        try:
            return await ended_after(reader)
        finally:
            sending.cancel()


# --- senders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"", b""),
        (b"GET /20.500", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"b"),
    ],
    ids=["nothing", "half a line", "a header now and then", "an octet now and then"],
)
async def test_request_that_does_not_come(head: bytes, part: bytes, proxy: RunningProxy) -> None:
    """A request whose head does not come in time is not waited for, however busily it is sent."""
    lived_s, came = await dripped(proxy, head, part)
    assert came == b""
    assert lived_s < PATIENCE_S + GRACE_S


async def test_second_request_that_does_not_come(proxy: RunningProxy) -> None:
    """Having been answered once gives nobody more time for the next request."""
    head = f"GET {WARM} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n".encode()
    lived_s, came = await dripped(proxy, head, b"X-A: b\r\n")
    assert came.startswith(b"HTTP/1.1 302 ")
    assert came.count(b"HTTP/1.1 ") == 1
    assert lived_s < PATIENCE_S + GRACE_S


@pytest.mark.parametrize(
    "part",
    [b"X-A: b\r\n" * 1000, b"x" * 65536],
    ids=["headers without end", "a header without end"],
)
async def test_head_without_end(part: bytes, proxy: RunningProxy) -> None:
    """A head that never ends is refused as soon as it is too long."""
    lived_s, came = await dripped(proxy, b"GET / HTTP/1.1\r\nHost: x\r\nX-B: ", part, 0)
    assert came.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")) or came == b""
    assert lived_s < PATIENCE_S + GRACE_S


async def test_body_that_does_not_come(proxy: RunningProxy) -> None:
    """A body that comes by an octet now and then is not waited for: 408."""
    head = (
        f"POST {WARM} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 1000\r\nConnection: close\r\n\r\n"
    )
    async with connected(proxy) as (reader, writer):
        writer.write(head.encode())
        sending = asyncio.get_running_loop().create_task(drip(writer, endless(b"a")))
        async with asyncio.timeout(PATIENCE_S + GRACE_S):
            status_line = await reader.readline()
        sending.cancel()
    assert status_line.startswith(b"HTTP/1.1 408 ")


async def test_others_do_not_notice(proxy: RunningProxy) -> None:
    """While many send slowly, others are served as ever."""
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(dripped(proxy, b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"))
        await asyncio.sleep(0.2)
        statuses = [(await asyncio.to_thread(fetch, proxy.url + WARM))[0] for _ in range(20)]
    assert statuses == [302] * 20


# --- readers ---------------------------------------------------------------------------------------------


async def test_visitor_who_does_not_read(proxy: RunningProxy) -> None:
    """Who asks for much and reads nothing is dropped, and counted."""
    before = await asyncio.to_thread(refused, proxy, "slow")
    request = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (proxy.host, proxy.port))
        began = time.monotonic()
        with pytest.raises((ConnectionError, TimeoutError)):  # noqa: PT012 - until it breaks
            async with asyncio.timeout(PATIENCE_S + 2 * GRACE_S):
                while True:
                    await loop.sock_sendall(client, request * 100)
                    await asyncio.sleep(0.01)
        assert time.monotonic() - began < PATIENCE_S + 2 * GRACE_S
    await asyncio.to_thread(
        wait_until, lambda: refused(proxy, "slow") > before, "the connection is counted as slow"
    )


async def test_who_does_not_read_costs_little(proxy: RunningProxy) -> None:
    """Of all that somebody asks for who reads nothing, little is answered: no megabytes wait in the kernel."""
    content = await asyncio.to_thread(fetch, f"{proxy.url}/static/style.css")
    request = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    before, loop = await asyncio.to_thread(answered, proxy, "static"), asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, (proxy.host, proxy.port))
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S + 2 * GRACE_S):
                while True:
                    await loop.sock_sendall(client, request * 100)
    sent = (await asyncio.to_thread(answered, proxy, "static") - before) * len(content[2])
    assert 0 < sent < 2**20


async def test_visitor_who_reads_slowly(proxy: RunningProxy) -> None:
    """Who reads slowly but steadily gets everything, though it takes many times the patience."""
    requests, slow_s = 1500, 4 * PATIENCE_S
    head = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    size = len((await asyncio.to_thread(fetch, f"{proxy.url}/static/style.css"))[2])
    loop, came, began = asyncio.get_running_loop(), 0, time.monotonic()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.setblocking(False)
        await loop.sock_connect(client, (proxy.host, proxy.port))
        sending = loop.create_task(loop.sock_sendall(client, head * (requests - 1) + last))
        async with asyncio.timeout(50):
            while chunk := await loop.sock_recv(client, 16384):
                came += len(chunk)
                await asyncio.sleep(0.1 if time.monotonic() - began < slow_s else 0)
        await sending
    assert came > requests * size
    assert time.monotonic() - began > slow_s


# --- many ------------------------------------------------------------------------------------------------


async def test_too_many_connections(proxy: RunningProxy) -> None:
    """Beyond the room for connections the next is told so and closed; when others leave there is room again."""
    before = await asyncio.to_thread(refused, proxy, "connections")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(60):
            await stack.enter_async_context(connected(proxy))
        reader, _ = await stack.enter_async_context(connected(proxy))
        lived_s, came = await ended_after(reader)
        assert came.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: " in came
        assert b"\r\nConnection: close\r\n" in came
        assert lived_s < GRACE_S
    await asyncio.to_thread(
        wait_until, lambda: fetch(proxy.url + WARM)[0] == 302, "there is room again", PATIENCE_S + GRACE_S
    )
    assert await asyncio.to_thread(refused, proxy, "connections") > before


def test_ten_thousand_connections(tmp_path: Path) -> None:
    """Ten thousand visitors who stay connected are held, while others are served."""
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1.3 * count:
        pytest.skip(f"only {hard} files may be open at a time here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with run_network(tmp_path) as (_, bootstrap):
            options = ("--bootstrap", str(bootstrap), "--allow-private-addresses")
            with run_program("serve", *options) as program:
                with contextlib.ExitStack() as stack:
                    host, port = program.url.removeprefix("http://").split(":")
                    held = [
                        stack.enter_context(socket.create_connection((host, int(port)), 10))
                        for _ in range(count)
                    ]
                    files = Path(f"/proc/{program.process.pid}/fd")
                    if files.exists():
                        wait_until(lambda: len(list(files.iterdir())) > count, "all are connected")
                    assert [program.fetch(WARM)[0] for _ in range(20)] == [302] * 20
                    for client in held[::1000]:
                        client.sendall(f"GET {WARM} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                        assert client.recv(100).startswith(b"HTTP/1.1 302 ")
                assert program.process.poll() is None
                assert program.sample("resolver_refused_total", reason="connections") == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
