"""Two thousand visitors at the moment at which a record expires, at six workers of two replicas with one Redis."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.demo.network import HandleNetwork
from tests.fakes import record_of, url_value
from tests.integration.crowds import Asked, targets, visit
from tests.integration.processes import Program, run_network, run_program, wait_until
from tests.redis_process import RedisProcess

pytestmark = [pytest.mark.xdist_group("shared-lookups"), pytest.mark.timeout(120)]

HUGE, USUAL = 2000, 200
"""Visitors at once."""

HERDS = 4
WORKERS = (4, 2)
OLD_TTL_S = 2


@contextlib.contextmanager
def replicas(folder: Path, redis: RedisProcess) -> Iterator[tuple[list[Program], HandleNetwork, Asked]]:
    """Run two replicas over one network and one Redis; the network counts what it is asked."""
    with (
        run_network(folder) as (network, bootstrap),
        pytest.MonkeyPatch.context() as patch,
        contextlib.ExitStack() as stack,
    ):
        options = (
            *("--bootstrap", str(bootstrap), "--allow-private-addresses", "--redis", redis.url),
            *("--transports", "tcp"),  # where a question that takes long is not asked twice
        )
        asked = Asked(network, patch)
        programs = [
            stack.enter_context(run_program("serve", *options, "--workers", str(count))) for count in WORKERS
        ]
        for program in programs:
            wait_until(
                lambda program=program: program.sample("resolver_redis_up") >= 1, "redis connected", 20
            )
        yield programs, network, asked


@contextlib.contextmanager
def many_files(count: int) -> Iterator[None]:
    """Let so many connections be open at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 500:
        pytest.skip(f"only {hard} files may be open at a time here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_herd_at_expiry(tmp_path: Path, redis_server: RedisProcess) -> None:
    """Nobody is turned away or sees an error, and the server is asked by one worker for all of them.

    Two thousand at once keep six workers so busy that some do not hear from Redis in time and ask for themselves:
    at most one question for each worker, then. Of smaller herds one has to do with one question.
    """
    with replicas(tmp_path, redis_server) as (programs, network, asked):
        urls = [program.url for program in programs]
        service = network.services["LIBRARY"]

        async def come(count: int, handle: str) -> Counter[tuple[int, str]]:
            answers = await asyncio.gather(*(visit(url, f"/{handle}") for url in targets(urls, count)))
            return Counter((answer.status, answer.header("Location") or "") for answer in answers)

        async def questions_of_herd(count: int, handle: str) -> int:
            service.store.put(record_of(handle, url_value("https://old.example/", ttl=OLD_TTL_S)))
            assert set(await come(60, handle)) == {(302, "https://old.example/")}
            service.store.put(record_of(handle, url_value("https://new.example/")))
            await asyncio.sleep(OLD_TTL_S + 0.1)
            service.behaviour.delay_s = 0.3
            before = asked[handle]
            with many_files(count):
                seen = await come(count, handle)
            service.behaviour.delay_s = 0.0
            assert seen.total() == count
            assert set(seen) <= {(302, "https://old.example/"), (302, "https://new.example/")}
            return asked[handle] - before

        assert 1 <= await questions_of_herd(HUGE, "20.500.12345/herd-huge") <= sum(WORKERS)
        questions = []
        while 1 not in questions:
            assert len(questions) < HERDS, f"the server was asked so many times: {questions}"
            questions.append(await questions_of_herd(USUAL, f"20.500.12345/herd-{len(questions)}"))
