"""Redis is an accelerator: killed, frozen, full or started again under traffic, it costs no request its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.processes import Program, run_network, run_program, wait_until
from tests.redis_process import RedisProcess

PATHS = [
    "/20.500.12345/abc",
    "/20.500.12345/map-1482",
    "/api/handles/20.500.12345/letter",
    "/20.500.12345/none",
]
GOOD = {200, 302, 404}


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    """A Redis of this test alone."""
    process = RedisProcess()
    process.start()
    yield process
    process.close()


@pytest.fixture
def program(redis: RedisProcess, tmp_path: Path) -> Iterator[Program]:
    """A proxy whose memory holds nothing, so that every request would like to use Redis."""
    with run_network(tmp_path) as (_, bootstrap):
        options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--redis", redis.url)
        with run_program("serve", *options, "--cache-size", "0") as running:
            wait_until(lambda: running.sample("resolver_redis_up") == 1, "redis connected")
            yield running


class Traffic:
    """Visitors who come one after the other, in a few threads, until told to stop."""

    def __init__(self, program: Program, visitors: int = 4) -> None:
        self.statuses: list[int] = []
        self.slowest_s = 0.0
        self._program = program
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(visitors)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, number: int) -> None:
        while not self._stop.is_set():
            path = PATHS[number % len(PATHS)]
            number += 1
            started = time.monotonic()
            try:
                status = self._program.fetch(path)[0]
            except OSError:
                status = 0
            self.statuses.append(status)
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            time.sleep(0.002)


def _kill_and_restart(redis: RedisProcess, program: Program) -> None:
    redis.kill()
    wait_until(lambda: program.sample("resolver_redis_up") == 0, "the loss of redis is noticed")
    time.sleep(0.5)
    redis.start()


def _freeze_and_thaw(redis: RedisProcess, program: Program) -> None:
    redis.freeze()
    wait_until(lambda: program.sample("resolver_redis_up") == 0, "the silence of redis is noticed")
    time.sleep(0.5)
    redis.thaw()


@pytest.mark.parametrize("fault", [_kill_and_restart, _freeze_and_thaw])
def test_no_request_fails(
    fault: Callable[[RedisProcess, Program], None], redis: RedisProcess, program: Program
) -> None:
    """Requests before, during and after the fault are all answered, and the gauge follows."""
    with Traffic(program) as traffic:
        time.sleep(0.3)
        fault(redis, program)
        wait_until(lambda: program.sample("resolver_redis_up") == 1, "redis is used again")
        hits = program.sample("resolver_cache_lookups_total", layer="redis", result="hit")
        wait_until(
            lambda: program.sample("resolver_cache_lookups_total", layer="redis", result="hit") > hits + 10,
            "answers come from redis again",
        )
    assert len(traffic.statuses) > 100
    assert set(traffic.statuses) <= GOOD
    assert program.sample("resolver_cache_lookups_total", layer="redis", result="error") > 0


def test_a_full_redis_only_stops_remembering(redis: RedisProcess, program: Program) -> None:
    """When Redis takes nothing more, answers come from the network instead."""
    assert redis.command("CONFIG", "SET", "maxmemory", "1").startswith(b"+OK")
    for path in PATHS * 3:
        assert program.fetch(path)[0] in GOOD
    # What it held before, such as data of the registry, it keeps.
    kept = redis.command("KEYS", "*").lower()
    assert all(path.strip("/").partition("?")[0].encode().lower() not in kept for path in PATHS)


def test_nonsense_in_redis_is_a_miss(redis: RedisProcess, program: Program) -> None:
    """Values that are no entries of ours, or of another type, are counted and passed over."""
    redis.command("SET", "hdl:1:20.500.12345/abc", "nonsense")
    redis.command("LPUSH", "hdl:1:20.500.12345/map-1482", "a list")
    assert program.fetch("/20.500.12345/abc")[1]["Location"] == "https://www.example.org/collections/abc"
    assert program.fetch("/20.500.12345/map-1482")[0] == 302
    assert program.sample("resolver_cache_lookups_total", layer="redis", result="error") >= 2


def test_starting_without_redis(tmp_path: Path) -> None:
    """A proxy whose Redis is not there at the start serves, and uses it as soon as it comes."""
    redis = RedisProcess()
    try:
        with run_network(tmp_path) as (_, bootstrap):
            options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--redis", redis.url)
            with run_program("serve", *options) as running:
                assert running.fetch("/20.500.12345/abc")[0] == 302
                assert running.fetch("/20.500.12345/letter")[0] == 200
                redis.start()
                wait_until(lambda: running.sample("resolver_redis_up") == 1, "redis is found")
    finally:
        redis.close()
