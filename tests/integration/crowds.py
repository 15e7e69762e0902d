"""Many visitors at once, over connections of their own, who may leave whenever they like."""

from __future__ import annotations

import asyncio
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator

import pytest

from resolver.demo.handle_service import HandleService
from resolver.demo.network import HandleNetwork
from resolver.protocol.bodies import ResolutionRequest
from resolver.protocol.message import decode_message
from tests.raw_http import RawResponse, exchange, write_request


class Asked:
    """Counts what the servers of a network are asked for."""

    def __init__(self, network: HandleNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        answer = HandleService.answer

        def counting(service: HandleService, message: bytes) -> bytes:
            body = decode_message(message).body
            if isinstance(body, ResolutionRequest) and service in network.services.values():
                with self._lock:
                    self._counts[body.handle] += 1
            return answer(service, message)

        monkeypatch.setattr(HandleService, "answer", counting)

    def __getitem__(self, handle: str) -> int:
        with self._lock:
            return self._counts[handle]


def targets(urls: list[str], count: int) -> Iterator[str]:
    """Return ``count`` of the URLs, in turn."""
    return (urls[number % len(urls)] for number in range(count))


async def visit(base: str, path: str, **headers: str) -> RawResponse:
    """Get a path over a connection of its own."""
    where = urllib.parse.urlsplit(base)
    assert where.hostname is not None
    assert where.port is not None
    lines = [("Host", where.netloc), ("Connection", "close"), *headers.items()]
    return await exchange(where.hostname, where.port, write_request("GET", path, headers=lines))


async def visit_and_leave(base: str, path: str, after_s: float) -> None:
    """Ask for a path and hang up before the answer is there."""
    where = urllib.parse.urlsplit(base)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(write_request("GET", path, headers=[("Host", where.netloc)]))
    await asyncio.sleep(after_s)
    writer.transport.abort()
