"""``python -m soak.visitors URL BEGAN_AT …``: a process of visitors; prints what they saw, a line of JSON a second.

They ask over connections that they keep, for handles as popular as in life (Zipf), in every way there is: as
people, as programs, for what nobody may remember, for what does not exist; and some leave in the middle.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from resolver.web.server import new_event_loop
from soak.truth import HANDLES, PREFIX, Claim, Truth, handle_of

PATIENCE_S = 20.0
ZIPF = 0.9
HONEST = frozenset({429, 502, 503, 504})
_PLACE_ON_A_PAGE = re.compile(rb"https://v\d+\.example\.org/\d+")


@dataclass
class Tally:
    """What was seen in one second."""

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[dict[str, Any]] = field(default_factory=list)
    slowest_s: float = 0.0


class Visitors:
    """Visitors of one process."""

    def __init__(self, host: str, port: int, truth: Truth, chance: random.Random, pause_s: float) -> None:
        self._host, self._port = host, port
        self._truth = truth
        self._chance = chance
        self._pause_s = pause_s
        self._weights = list(itertools.accumulate(1 / (rank + 1) ** ZIPF for rank in range(HANDLES)))
        self.tally = Tally()

    async def visit(self, until: float) -> None:
        """Ask, one question after the other, until then."""
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while time.time() < until:
            for number in self._chance.choices(range(HANDLES), cum_weights=self._weights, k=50):
                if connection is None or self._chance.random() < 0.01:
                    if connection is not None:
                        connection[1].close()
                    try:
                        connection = await asyncio.open_connection(self._host, self._port)
                    except OSError as error:
                        self._lost(time.time(), f"no connection: {error!r}")
                        await asyncio.sleep(0.05)
                        connection = None
                        continue
                if not await self._ask(connection, number):
                    connection[1].close()
                    connection = None
                if self._pause_s:
                    await asyncio.sleep(self._pause_s * 2 * self._chance.random())
        if connection is not None:
            connection[1].close()

    async def _ask(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], number: int) -> bool:
        """Ask one question; return whether the connection can be kept."""
        kind, target = self._question(number)
        method = "HEAD" if kind == "head" else "GET"
        reader, writer = connection
        asked_at = time.time()
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: soak.example\r\n\r\n".encode())
        if kind == "leaves":
            self.tally.counts["left"] += 1
            return False
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                if method == "GET":
                    length = int(_header(head, b"content-length") or 0)
                body = await reader.readexactly(length)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self._lost(asked_at, f"{target}: {error!r}")
            return False
        answered_at = time.time()
        self.tally.slowest_s = max(self.tally.slowest_s, answered_at - asked_at)
        self._judge(kind, target, number, head, body, asked_at, answered_at)
        return _header(head, b"connection").lower() != b"close"

    def _question(self, number: int) -> tuple[str, str]:
        handle, drawn = handle_of(number), self._chance.random()
        for share, kind, target in (
            (0.84, "redirect", f"/{handle}"),
            (0.07, "api", f"/api/handles/{handle}"),
            (0.03, "page", f"/{handle}?noredirect"),
            (0.01, "missing", f"/{PREFIX}/none-{self._chance.getrandbits(40)}"),
            (0.005, "auth", f"/{handle}?auth"),
            (0.02, "head", f"/{handle}"),
            (0.005, "text", f"/{handle}?noredirect&format=txt"),
            (0.005, "places", f"/{handle}?action=showurls&format=json"),
        ):
            drawn -= share
            if drawn < 0:
                return kind, target
        return "leaves", f"/{handle}"

    def _judge(
        self,
        kind: str,
        target: str,
        number: int,
        head: bytes,
        body: bytes,
        asked_at: float,
        answered_at: float,
    ) -> None:
        status = int(head[9:12])
        stale = b"110 - " in _header(head, b"warning")
        claim: Claim | None = None
        if status in HONEST:
            self.tally.counts["error"] += 1
            what = f"{target}: {status}"
            self.tally.troubles.append({"kind": "error", "at": asked_at, "until": answered_at, "what": what})
            return
        if kind == "missing":
            self._note(status == 404, "missing", f"{target}: {status}", asked_at, answered_at)
            return
        if status == 404:
            claim = Claim(number, -1)
        elif status == 302:
            claim = Claim.of_place(_header(head, b"location").decode("latin-1"))
        elif status == 200:
            found = _PLACE_ON_A_PAGE.search(body)
            claim = Claim.of_place(found.group().decode()) if found else None
        right = (
            claim is not None
            and claim.number == number
            and self._truth.is_right(claim, asked_at, answered_at, stale=stale, anew=kind == "auth")
            and not (stale and kind == "auth")
        )
        self._note(right, "stale" if stale else "right", f"{target}: {status} {claim}", asked_at, answered_at)

    def _note(self, right: bool, kind: str, what: str, asked_at: float, answered_at: float) -> None:
        self.tally.counts[kind if right else "wrong"] += 1
        if not right:
            self.tally.troubles.append({"kind": "wrong", "at": asked_at, "until": answered_at, "what": what})

    def _lost(self, asked_at: float, what: str) -> None:
        self.tally.counts["lost"] += 1
        self.tally.troubles.append({"kind": "lost", "at": asked_at, "until": time.time(), "what": what})


def _header(head: bytes, name: bytes) -> bytes:
    found = re.search(rb"(?i)\r\n" + name + rb": *([^\r]*)", head)
    return found.group(1) if found else b""


async def _report(visitors: Visitors, until: float) -> None:
    while time.time() < until + PATIENCE_S:
        await asyncio.sleep(1)
        tally, visitors.tally = visitors.tally, Tally()
        shown = {"at": time.time(), "slowest_s": tally.slowest_s, **vars(tally)}
        print(json.dumps(shown), flush=True)


async def _run(options: argparse.Namespace) -> None:
    where = urlsplit(options.url)
    truth = Truth(options.began_at, stale_max_s=options.stale_max, absence_s=options.absence)
    chance = random.Random(options.seed)  # noqa: S311 - what visitors ask for
    visitors = Visitors(where.hostname or "", where.port or 0, truth, chance, options.pause)
    until = time.time() + options.seconds
    async with asyncio.TaskGroup() as group:
        reporting = group.create_task(_report(visitors, until))
        asking = [group.create_task(visitors.visit(until)) for _ in range(options.connections)]
        await asyncio.wait(asking)
        await asyncio.sleep(1.1)
        reporting.cancel()


def main() -> None:
    """Visit as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m soak.visitors")
    parser.add_argument("url")
    parser.add_argument("began_at", type=float)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stale-max", type=float, required=True)
    parser.add_argument("--absence", type=float, required=True)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
