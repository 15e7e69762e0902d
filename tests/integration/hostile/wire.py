"""Octets in, whatever comes back out: requests that no client library would send, and all answers to them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

__all__ = ["Answer", "Conversation", "converse"]

PATIENCE_S = 20.0
"""How long an answer may take."""

SILENCE_S = 4.0
"""After which a server that has nothing more to say is believed to wait for us."""


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def first(self, name: str) -> str:
        """Return the first value of a header, or an empty text."""
        return next(iter(self.all(name)), "")

    @property
    def media_type(self) -> str:
        """The media type without its parameters."""
        return self.first("content-type").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Conversation:
    """What came back over one connection."""

    answers: tuple[Answer, ...]
    closed: bool
    """Whether the server closed it."""
    rest: bytes
    """Octets after the last whole response."""


async def converse(host: str, port: int, octets: bytes, *, closes: bool = True) -> Conversation:
    """Send ``octets`` over a connection of their own, and take all that comes back.

    Args:
        host: where the proxy listens.
        port: likewise.
        octets: the request, or whatever it is.
        closes: whether the proxy is to close the connection.
    """
    reader, writer = await asyncio.open_connection(host, port)
    received = bytearray()
    closed = False
    head_only = [method == b"HEAD" for method in re.findall(rb"(?:^|\n)([A-Z]+) [^\n]* HTTP/", octets)]
    try:
        writer.write(octets)
        patience_s = PATIENCE_S if closes else SILENCE_S
        while True:
            try:
                piece = await asyncio.wait_for(reader.read(65536), patience_s)
            except TimeoutError:
                break
            except ConnectionError:
                closed = True
                break
            if not piece:
                closed = True
                break
            received += piece
    finally:
        writer.transport.abort()
    answers, rest = _split(bytes(received), head_only)
    return Conversation(answers, closed, rest)


def _split(octets: bytes, head_only: list[bool]) -> tuple[tuple[Answer, ...], bytes]:
    answers: list[Answer] = []
    while octets:
        head, blank, after = octets.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/\d\.\d (\d{3}) [ -~]*", status_line)
        if found is None or not blank:
            break
        headers = tuple(
            (name, value.strip(" ")) for name, _, value in (line.partition(":") for line in lines)
        )
        answer = Answer(int(found.group(1)), headers, b"")
        body, octets = _cut_body(answer, after, bodiless=any(head_only[len(answers) : len(answers) + 1]))
        answers.append(Answer(answer.status, headers, body))
    return tuple(answers), octets


def _cut_body(answer: Answer, after: bytes, *, bodiless: bool) -> tuple[bytes, bytes]:
    if bodiless or answer.status in (204, 304) or answer.status < 200:
        return b"", after
    if "chunked" in answer.first("transfer-encoding"):
        return _join_chunks(after)
    length = answer.first("content-length")
    return (after[: int(length)], after[int(length) :]) if length else (after, b"")


def _join_chunks(octets: bytes) -> tuple[bytes, bytes]:
    joined = b""
    while found := re.match(rb"([0-9a-fA-F]+)\r\n", octets):
        start, length = found.end(), int(found.group(1), 16)
        joined += octets[start : start + length]
        octets = octets[start + length + 2 :]
        if not length:
            break
    return joined, octets
