"""A request over a raw socket, and what came back: for targets and headers that HTTP clients would tidy up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

READ_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class RawResponse:
    """A response as it arrived."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the values of a header, joined as HTTP allows; ``None`` if it is not there."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None


async def exchange(host: str, port: int, request: bytes) -> RawResponse:
    """Send octets and read one response until the connection closes."""
    async with asyncio.timeout(READ_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request)
            await writer.drain()
            return parse_response(await reader.read())
        finally:
            writer.close()
            await writer.wait_closed()


def parse_response(octets: bytes) -> RawResponse:
    """Read a response that the end of the connection ends."""
    head, _, body = octets.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return RawResponse(int(status_line.split(" ")[1]), headers, body)


def write_request(
    method: str,
    target: str,
    *,
    version: str = "HTTP/1.1",
    headers: list[tuple[str, str]],
    body: str | None = None,
) -> bytes:
    """Write a request exactly as given, with a ``Content-Length`` where there is a body."""
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers)]
    content = (body or "").encode()
    if body is not None:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + content
