"""One look with ``auth`` after a change is enough for everybody: workers, replicas, whatever they remember."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.demo.network import HandleNetwork
from resolver.model.record import HandleRecord, HandleValue
from tests.integration.processes import Program, run_network, run_program, wait_until
from tests.redis_process import RedisProcess

HANDLE = "20.500.23456/survey-2024"
OLD = "https://data.example.org/survey/2024"
NEW = "https://moved.example.org/survey"
BURST = 40


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[HandleNetwork, Program, Program]]:
    """A network, and two replicas that share a Redis: one of two workers, one of one."""
    redis = RedisProcess()
    redis.start()
    try:
        with run_network(tmp_path) as (network, bootstrap):
            options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--redis", redis.url)
            with (
                run_program("serve", *options, "--workers", "2") as first,
                run_program("serve", *options) as second,
            ):
                for program in (first, second):
                    wait_until(
                        lambda program=program: program.sample("resolver_redis_up") == 1, "redis connected"
                    )
                yield network, first, second
    finally:
        redis.close()


def _locations(program: Program, path: str = f"/{HANDLE}") -> set[str]:
    """Return where a burst of requests, each over a connection of its own, is sent."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return {
            headers["Location"] for _, headers, _ in pool.map(lambda _: program.fetch(path), range(BURST))
        }


def _workers_that_remember(program: Program) -> bool:
    """Whether both workers hold the record: together they hold it twice, beside the prefix record."""
    _locations(program)
    return program.sample("resolver_cache_records", layer="memory") >= 3


def test_one_authoritative_request_is_enough(replicas: tuple[HandleNetwork, Program, Program]) -> None:
    """After a change, the old answer stays until someone asks with auth; then every worker and replica has the new."""
    network, first, second = replicas
    wait_until(lambda: _workers_that_remember(first), "both workers remember the record")
    assert _locations(first) == {OLD}
    assert _locations(second) == {OLD}

    network.stores["archive"].put(HandleRecord(HANDLE, (HandleValue(1, "URL", NEW.encode(), ttl=3600),)))
    assert _locations(first) == {OLD}
    assert _locations(second) == {OLD}

    status, headers, _ = first.fetch(f"/{HANDLE}?auth")
    assert (status, headers["Location"]) == (302, NEW)
    assert headers["Cache-Control"] == "no-store"
    wait_until(lambda: _locations(second) == {NEW}, "the other replica has heard of it", 2)
    wait_until(lambda: _locations(first) == {NEW}, "both workers have heard of it", 2)
    for program in (first, second):
        assert _locations(program) == {NEW}


def test_a_handle_that_was_registered_a_moment_ago(replicas: tuple[HandleNetwork, Program, Program]) -> None:
    """A handle remembered as missing is found everywhere after one request with auth."""
    network, first, second = replicas
    handle = "20.500.23456/new"
    assert first.fetch(f"/{handle}")[0] == 404
    assert second.fetch(f"/{handle}")[0] == 404
    network.stores["archive"].put(HandleRecord(handle, (HandleValue(1, "URL", NEW.encode(), ttl=3600),)))
    assert first.fetch(f"/{handle}")[0] == 404
    assert second.fetch(f"/{handle}?auth")[0] == 302
    for program in (first, second):
        wait_until(lambda program=program: _locations(program, f"/{handle}") == {NEW}, "everybody knows", 2)
