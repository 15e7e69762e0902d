"""Two processes that share a Redis look up a handle once, whatever its visitors, one of them or Redis do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from resolver.cache.lease import LEASE_S
from resolver.demo.handle_service import Behaviour
from resolver.demo.network import HandleNetwork
from resolver.protocol.codes import ResponseCode
from tests.fakes import record_of, url_value
from tests.integration.crowds import Asked, targets, visit, visit_and_leave
from tests.integration.processes import Program, run_network, run_program, wait_until
from tests.redis_process import RedisProcess

pytestmark = pytest.mark.xdist_group("shared-lookups")

PREFIX = "20.500.12345"
URL = "https://example.org/"


@dataclass
class Pair:
    """Two processes, the Redis between them, and the network they ask."""

    programs: tuple[Program, Program]
    redis: RedisProcess
    network: HandleNetwork
    asked: Asked
    options: tuple[str, ...]

    @property
    def urls(self) -> list[str]:
        """Where they serve."""
        return [program.url for program in self.programs]

    @property
    def behaviour(self) -> Behaviour:
        """What is wrong with the server of the handles."""
        return self.network.services["LIBRARY"].behaviour

    def new_handle(self, name: str, url: str = URL) -> str:
        """Return a handle that nobody has asked for yet."""
        handle = f"{PREFIX}/{name}"
        self.network.services["LIBRARY"].store.put(record_of(handle, url_value(url)))
        return handle

    def coalesced(self) -> float:
        """Return how many visitors waited for a lookup that somebody else did."""
        return sum(program.sample("resolver_coalesced_total") for program in self.programs)


@contextlib.contextmanager
def started(options: tuple[str, ...]) -> Iterator[Program]:
    """Run a process until it has Redis and knows the prefix."""
    with run_program("serve", *options) as program:
        wait_until(lambda: program.sample("resolver_redis_up") == 1, "redis connected")
        assert program.fetch(f"/{PREFIX}/letter")[0] == 200
        yield program


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two processes over one network."""
    redis = RedisProcess()
    with contextlib.ExitStack() as stack:
        redis.start()
        stack.callback(redis.close)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        network, bootstrap = stack.enter_context(run_network(tmp_path_factory.mktemp("network")))
        asked = Asked(network, patch)
        options = (
            *("--bootstrap", str(bootstrap), "--allow-private-addresses"),
            *("--redis", redis.url, "--transports", "tcp"),
        )
        programs = stack.enter_context(started(options)), stack.enter_context(started(options))
        yield Pair(programs, redis, network, asked, options)


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    """The same, with nothing wrong before and after."""
    yield running
    running.behaviour.code, running.behaviour.delay_s = None, 0.0
    for program in running.programs:
        wait_until(lambda program=program: _has_redis(program), "redis connected", 20)


def _has_redis(program: Program) -> bool:
    """Whether a process has its Redis, after something that makes it try."""
    program.fetch(f"/{PREFIX}/{time.monotonic_ns()}")
    return program.sample("resolver_redis_up") == 1


async def crowd(pair: Pair, count: int, handle: str) -> list[int]:
    """Let visitors come to both processes at once; return the statuses they get."""
    answers = await asyncio.gather(*(visit(url, f"/{handle}") for url in targets(pair.urls, count)))
    return [answer.status for answer in answers]


async def test_fifty_visitors_one_lookup(pair: Pair) -> None:
    """Fifty visitors of a handle that nobody knows, at two processes: its server is asked exactly once."""
    handle, before = pair.new_handle("fifty"), pair.coalesced()
    pair.behaviour.delay_s = 0.3
    assert await crowd(pair, 50, handle) == [302] * 50
    assert pair.asked[handle] == 1
    assert pair.coalesced() - before == 49


async def test_visitors_who_leave(pair: Pair) -> None:
    """Fifty visitors who leave in the middle cost the fifty-first nothing: no lookup, and not a second."""
    handle = pair.new_handle("leavers")
    pair.behaviour.delay_s = 0.5
    began = time.monotonic()
    await asyncio.gather(*(visit_and_leave(url, f"/{handle}", 0.2) for url in targets(pair.urls, 50)))
    answer = await visit(pair.urls[1], f"/{handle}")
    assert answer.status == 302
    assert time.monotonic() - began < 5
    assert pair.asked[handle] == 1


async def test_absence_is_found_once(pair: Pair) -> None:
    """A handle that does not exist is asked for once as well."""
    missing = f"{PREFIX}/not-there"
    pair.behaviour.delay_s = 0.2
    assert await crowd(pair, 50, missing) == [404] * 50
    assert pair.asked[missing] == 1


async def test_failure_is_shared(pair: Pair) -> None:
    """A failure is everybody's: the server that is out of order is not asked by the other process as well."""
    handle = pair.new_handle("failure")
    pair.behaviour.code, pair.behaviour.delay_s = ResponseCode.ERROR, 0.2
    assert set(await crowd(pair, 50, handle)) == {502}
    assert pair.asked[handle] == 1
    assert await crowd(pair, 2, handle) == [502, 502]
    assert pair.asked[handle] == 1
    pair.behaviour.code, pair.behaviour.delay_s = None, 0.0
    await asyncio.sleep(1.5)
    assert await crowd(pair, 2, handle) == [302, 302]


async def test_replaced_meanwhile(pair: Pair) -> None:
    """Who asks by auth while a lookup is under way sees the change, and so does everybody afterwards."""
    handle = pair.new_handle("replaced", "https://old.example/")
    pair.behaviour.delay_s = 0.6
    early = asyncio.get_running_loop().create_task(crowd(pair, 10, handle))
    await asyncio.sleep(0.3)
    pair.new_handle("replaced", "https://new.example/")
    answer = await visit(pair.urls[1], f"/{handle}?auth")
    assert answer.header("Location") == "https://new.example/"
    assert set(await early) == {302}
    for url in pair.urls:
        assert (await visit(url, f"/{handle}")).header("Location") == "https://new.example/"


async def test_process_that_dies(pair: Pair) -> None:
    """When the process that looks it up is killed, visitors of another are answered soon, and nothing stays behind."""
    handle = pair.new_handle("dying")
    lease = f"hdl:1!lease:{handle}"
    with started(pair.options) as dying:
        pair.behaviour.delay_s = 6.0
        lost = asyncio.get_running_loop().create_task(visit(dying.url, f"/{handle}"))
        async with asyncio.timeout(10):
            while pair.redis.command("EXISTS", lease) != b":1\r\n":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        waiting = asyncio.get_running_loop().create_task(visit(pair.urls[0], f"/{handle}"))
        await asyncio.sleep(0.1)
        os.kill(dying.process.pid, signal.SIGKILL)
        pair.behaviour.delay_s = 0.0
        began = time.monotonic()
        assert (await waiting).status == 302
        assert time.monotonic() - began < 2.5 * LEASE_S
        await asyncio.wait([lost])
        assert lost.exception() is not None
    await asyncio.sleep(2.2)
    assert pair.redis.command("EXISTS", lease) == b":0\r\n"


async def test_redis_freezes_meanwhile(pair: Pair) -> None:
    """A Redis that says nothing any more holds up nobody for longer than its time-out."""
    handle = pair.new_handle("frozen")
    pair.behaviour.delay_s = 0.5
    visitors = asyncio.get_running_loop().create_task(crowd(pair, 50, handle))
    await asyncio.sleep(0.25)
    pair.redis.freeze()
    began = time.monotonic()
    try:
        assert await visitors == [302] * 50
        assert time.monotonic() - began < 4
    finally:
        pair.redis.thaw()


async def test_redis_dies_meanwhile(pair: Pair) -> None:
    """When Redis is killed while one process waits for the other, all visitors are answered all the same."""
    handle = pair.new_handle("killed")
    pair.behaviour.delay_s = 0.5
    visitors = asyncio.get_running_loop().create_task(crowd(pair, 50, handle))
    await asyncio.sleep(0.25)
    pair.redis.kill()
    try:
        assert await visitors == [302] * 50
        assert pair.asked[handle] <= 4
    finally:
        pair.redis.start()
