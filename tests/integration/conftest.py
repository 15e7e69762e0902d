"""What the integration tests share: a real Redis, and a proxy over the sample network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_redis import factories

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.redis_process import RedisProcess, server_executable

# Started by the suite, on a free port outside the range of outgoing connections.
redis_shared = factories.redis_proc(executable=server_executable(), port=[(20000, 29999)])


@pytest.fixture
def redis_url(redis_shared: factories.redis_proc) -> str:
    """The address of a Redis that many tests share; each should use keys of its own."""
    return f"redis://{redis_shared.host}:{redis_shared.port}/0"


@pytest.fixture
def redis_server() -> Iterator[RedisProcess]:
    """A Redis of one test alone, which it may kill, freeze and start again."""
    process = RedisProcess()
    process.start()
    yield process
    process.close()


@pytest.fixture(scope="session")
def demo_proxy() -> Iterator[RunningProxy]:
    """A proxy with default settings over the sample network."""
    with run_proxy(shipped_records()) as proxy:
        yield proxy
