"""What is broken in turn, and mended again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from resolver.demo.faults import Behaviour
from resolver.demo.handle_service import HandleService
from resolver.protocol.codes import ResponseCode
from tests.redis_process import RedisProcess

__all__ = ["STARVED", "Broken", "Chaos", "children_of", "notice_starvation"]

STARVED = "the machine was too busy to run us"
STARVED_SHARE = 0.7
"""Part of a second that a process may spend waiting for a processor before it counts as starved."""

PAUSE_S = 0.5
"""Between faults while each is met for the first time."""

ALL = frozenset({"udp", "tcp", "http"})
Work = Callable[[], Awaitable[None] | None]


@dataclass
class Broken:
    """A fault that was there for a while."""

    name: str
    began_at: float
    ended_at: float = 0.0
    excuses_errors: bool = False
    """Whether visitors may have been told honestly that there is no answer."""
    kills: bool = False
    """Whether a worker was killed, with whatever it had in hand."""


@dataclass(frozen=True)
class _Fault:
    name: str
    begin: Work
    end: Work = lambda: None
    seconds: float = 5.0
    excuses_errors: bool = False
    kills: bool = False


@dataclass
class Chaos:
    """Breaks servers, Redis and workers."""

    services: list[HandleService]
    redis: RedisProcess
    parent_pid: int
    """Of the program whose workers are killed."""
    chance: random.Random
    broken: list[Broken] = field(default_factory=list)

    async def rage(self, until: float, rest_s: float = 4.0) -> None:
        """Break one thing after the other, in an order of chance, with a rest after each.

        Before that all in a row: what the worst of them takes is taken before memory is watched, in a run of
        25 minutes or more, whose first tenth ends after that.
        """
        for fault in self._faults():
            await asyncio.sleep(PAUSE_S)
            if time.time() + fault.seconds > until:
                return
            await self._break(fault)
        while True:
            faults = list(self._faults())
            self.chance.shuffle(faults)
            for fault in faults:
                await asyncio.sleep(rest_s)
                if time.time() + fault.seconds + rest_s > until:
                    return
                await self._break(fault)

    async def _break(self, fault: _Fault) -> None:
        noted = Broken(fault.name, time.time(), excuses_errors=fault.excuses_errors, kills=fault.kills)
        self.broken.append(noted)
        await _do(fault.begin)
        await asyncio.sleep(fault.seconds)
        await _do(fault.end)
        noted.ended_at = time.time()

    def _faults(self) -> Iterator[_Fault]:
        yield from self._faults_of_servers()
        yield from self._faults_of_redis()
        yield _Fault("worker killed", lambda: self._signal(signal.SIGKILL), seconds=3.0, kills=True)
        yield _Fault("worker told to go", lambda: self._signal(signal.SIGTERM), seconds=4.0)
        yield _Fault("worker frozen", self._freeze_worker, self._thaw_workers, seconds=1.5)
        yield _Fault(
            "all workers replaced (SIGHUP)", lambda: os.kill(self.parent_pid, signal.SIGHUP), seconds=6.0
        )

    # --- servers -----------------------------------------------------------------------------------------

    def _faults_of_servers(self) -> Iterator[_Fault]:
        one = self.services[:1]
        for name, seconds, faults in (
            ("one of two servers silent", 6.0, {"silent": ALL}),
            ("one of two servers answers nonsense", 5.0, {"garbage": True}),
            ("one of two servers cuts its answers", 5.0, {"cut": 30}),
        ):
            yield self._misbehaving(name, one, seconds, faults)
        for name, seconds, faults in (
            ("UDP of all servers silent", 6.0, {"silent": frozenset({"udp"})}),
            ("a third of all datagrams lost", 6.0, {"loss": 0.33}),
            ("all servers slow by 0.4 s", 6.0, {"delay_s": 0.4}),
            ("datagrams doubled and out of order", 5.0, {"duplicate": True, "reorder": True}),
        ):
            yield self._misbehaving(name, self.services, seconds, faults)
        for name, seconds, faults in (
            ("all servers silent", 8.0, {"silent": ALL}),
            ("all servers answer nonsense", 5.0, {"garbage": True}),
            ("all servers answer other questions", 5.0, {"wrong_id": True}),
            ("all servers busy", 5.0, {"code": ResponseCode.SERVER_BUSY}),
            ("all servers out of order", 5.0, {"code": ResponseCode.ERROR}),
            ("all connections reset half-way", 5.0, {"reset": True}),
        ):
            yield self._misbehaving(name, self.services, seconds, faults, excuses_errors=True)

    def _misbehaving(
        self,
        name: str,
        services: list[HandleService],
        seconds: float,
        faults: dict[str, Any],
        *,
        excuses_errors: bool = False,
    ) -> _Fault:
        def begin() -> None:
            for service in services:
                service.behaviour = Behaviour(**faults)

        def end() -> None:
            for service in services:
                service.behaviour = Behaviour()

        return _Fault(name, begin, end, seconds, excuses_errors)

    # --- Redis -------------------------------------------------------------------------------------------

    def _faults_of_redis(self) -> Iterator[_Fault]:
        redis = self.redis

        async def pause() -> None:
            await self._command("CLIENT", "PAUSE", "2000", "ALL")

        async def refuse() -> None:
            await self._command("CONFIG", "SET", "maxmemory", "1")

        async def accept() -> None:
            await self._command("CONFIG", "SET", "maxmemory", "0")

        async def follow() -> None:
            await self._command("REPLICAOF", "127.0.0.1", "1")

        async def lead() -> None:
            await self._command("REPLICAOF", "NO", "ONE")

        yield _Fault("Redis killed", redis.kill, lambda: asyncio.to_thread(redis.start), 6.0)
        yield _Fault("Redis frozen", redis.freeze, redis.thaw, 5.0)
        yield _Fault("Redis paused", pause, seconds=4.0)
        yield _Fault("Redis full", refuse, accept, 5.0)
        yield _Fault("Redis read-only", follow, lead, 5.0)
        yield _Fault("Redis emptied again and again", self._flush, seconds=0.5)
        yield _Fault("every entry in Redis replaced by nonsense", self._spoil, seconds=4.0)
        yield _Fault("connections to Redis cut again and again", self._cut, seconds=0.5)

    async def _command(self, *words: str) -> None:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self.redis.command, *words)

    async def _flush(self) -> None:
        for _ in range(10):
            await self._command("FLUSHALL")
            await asyncio.sleep(0.3)

    async def _cut(self) -> None:
        for _ in range(10):
            await self._command("CLIENT", "KILL", "TYPE", "normal")
            await asyncio.sleep(0.3)

    async def _spoil(self) -> None:
        client = Redis.from_url(self.redis.url)
        try:
            async for key in client.scan_iter(count=1000):
                match self.chance.randrange(4):
                    case 0:
                        await client.set(key, self.chance.randbytes(40), ex=60)
                    case 1:
                        value = await client.get(key) or b"x"
                        at = self.chance.randrange(len(value))
                        await client.set(key, value[:at], ex=60)
                    case 2:
                        await client.delete(key)
                        await client.lpush(key, "a list")
                        await client.expire(key, 60)
                    case _:
                        await client.set(key, "nonsense", ex=60)
        except RedisError:
            return
        finally:
            await client.aclose()

    # --- workers -----------------------------------------------------------------------------------------

    def _signal(self, number: int) -> None:
        workers = children_of(self.parent_pid)[1:]  # the first is the process of the admin listener
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(workers), number)

    def _freeze_worker(self) -> None:
        self._signal(signal.SIGSTOP)

    def _thaw_workers(self) -> None:
        for pid in children_of(self.parent_pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, in that order."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return sorted(map(int, text.split()))


async def _do(work: Work) -> None:
    result = work()
    if result is not None:
        await result


async def notice_starvation(broken: list[Broken], roots: list[int]) -> None:
    """Note when processes are ready to run and do not get to: time-outs then say nothing about the program."""
    waited: dict[int, float] = {}
    while True:
        began_at = time.time()
        await asyncio.sleep(1)
        late_s = time.time() - began_at - 1
        now = {pid: _waited_s(pid) for root in roots for pid in (root, *children_of(root))}
        longest_s = max((seconds - waited.get(pid, seconds) for pid, seconds in now.items()), default=0.0)
        waited = now
        if max(longest_s, late_s) > STARVED_SHARE:
            broken.append(Broken(STARVED, began_at, time.time()))


def _waited_s(pid: int) -> float:
    """Return how long a process has waited for a processor since it began; see proc(5), schedstat."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
