"""``python -m benchmarks.staleness``: every upstream dies; how soon are expired records answered?"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
import urllib.parse
from pathlib import Path

from benchmarks.network import PREFIX
from benchmarks.processes import python, running
from benchmarks.rows import ours

TTL = 12


async def _ask(url: str, handles: int, at_once: int) -> tuple[list[float], int, int]:
    """Ask for every handle once; return the times in milliseconds, how many were answered, and how many stale."""
    where = urllib.parse.urlsplit(url)
    numbers = iter(range(handles))
    times: list[float] = []
    answered = stale = 0

    async def visit() -> None:
        nonlocal answered, stale
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for number in numbers:
            began = time.perf_counter()
            writer.write(f"GET /{PREFIX}/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            times.append((time.perf_counter() - began) * 1000)
            answered += head.startswith(b"http/1.1 302 ")
            stale += b"\r\nwarning: 110 " in head
        writer.close()

    await asyncio.gather(*(visit() for _ in range(at_once)))
    return sorted(times), answered, stale


def _say(what: str, handles: int, found: tuple[list[float], int, int]) -> None:
    times, answered, stale = found
    print(
        f"{what}: {answered / handles:.1%} answered, {stale / handles:.1%} stale, "
        f"p50 {times[len(times) // 2]:.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms, longest {times[-1]:.1f} ms",
        flush=True,
    )


def main() -> None:
    """Fill the cache, let it expire, stop or kill every server, and ask again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.staleness", description=__doc__)
    parser.add_argument("--handles", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=100, help="visitors who wait at the same time")
    options = parser.parse_args()
    for fault, number in (("silent", signal.SIGSTOP), ("gone", signal.SIGKILL)):
        with tempfile.TemporaryDirectory() as folder:
            bootstrap = Path(folder) / "bootstrap.json"
            command = python("benchmarks.network", str(bootstrap), str(options.handles), "0", str(TTL))
            with (
                running(command, core=1, announces=r"udp://[0-9.]+:\d+") as network,
                ours(bootstrap) as subject,
            ):
                _say("warm", options.handles, asyncio.run(_ask(subject.url, options.handles, 8)))
                time.sleep(TTL + 1)
                os.kill(network.pid, number)
                try:
                    first = asyncio.run(_ask(subject.url, options.handles, options.at_once))
                    _say(f"servers {fault}, first visitors", options.handles, first)
                    for _ in range(3):
                        following = asyncio.run(_ask(subject.url, options.handles, 1))
                        _say(f"servers {fault}, those who follow", options.handles, following)
                finally:
                    if number == signal.SIGSTOP:
                        os.kill(network.pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
