"""``python -m benchmarks.visitors URL RATE SECONDS FIRST``: so many visitors a second, each for a handle of their own.

They come when they come, whether or not those before them have been answered. Prints what they got as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.parse
from collections import Counter

from benchmarks.network import PREFIX

CONNECTIONS = 400


class Visitors:
    """A crowd on a fixed number of connections, which asks for one handle after the other."""

    def __init__(self, url: str, first: int) -> None:
        self._first = first
        where = urllib.parse.urlsplit(url)
        self._host, self._port = where.hostname, where.port
        self._due: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
        self.statuses: Counter[int] = Counter()
        self.refused_ms: list[float] = []
        self.late = 0

    async def _visit(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        while True:
            due_at, number = await self._due.get()
            began = time.perf_counter()
            self.late += began - due_at > 0.25
            writer.write(f"GET /{PREFIX}/{self._first + number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.statuses[status] += 1
            if status == 503:
                self.refused_ms.append((time.perf_counter() - began) * 1000)

    async def come(self, rate: float, seconds: float) -> None:
        """Let them come."""
        async with asyncio.TaskGroup() as group:
            visits = [group.create_task(self._visit()) for _ in range(CONNECTIONS)]
            began, sent = time.perf_counter(), 0
            while (elapsed := time.perf_counter() - began) < seconds:
                while sent < elapsed * rate:
                    self._due.put_nowait((began + sent / rate, sent))
                    sent += 1
                await asyncio.sleep(0.002)
            for visit in visits:
                visit.cancel()

    def told(self) -> dict[str, object]:
        """Return what they saw."""
        times = sorted(self.refused_ms)
        return {
            "statuses": dict(self.statuses),
            "late": self.late,
            "refused_p50_ms": times[len(times) // 2] if times else None,
            "refused_p99_ms": times[len(times) * 99 // 100] if times else None,
        }


async def _main(url: str, rate: float, seconds: float, first: int) -> None:
    visitors = Visitors(url, first)
    try:
        await visitors.come(rate, seconds)
    finally:
        print(json.dumps(visitors.told()), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
