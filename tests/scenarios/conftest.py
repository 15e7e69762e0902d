"""Scenarios run in virtual time: an hour passes in no time, and so does every time-out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from resolver.resolution import driver
from resolver.transport import network
from tests.fakes import VirtualTimeLoop
from tests.scenarios.world import World, loop_time


def pytest_asyncio_loop_factories() -> dict[str, type[VirtualTimeLoop]]:
    """Give every scenario a loop that never really waits."""
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def learned_in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learned about servers ages in virtual time too."""
    for module in (driver, network):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=loop_time, perf_counter=loop_time))


@pytest.fixture(autouse=True)
def nothing_left_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance always brings the same, so that the first site of a record is asked first."""
    monkeypatch.setattr(driver, "secrets", SimpleNamespace(token_bytes=bytes))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A registry, prefix ``10.1`` with a service of two sites, and a resolver without Redis."""
    world = World.with_one_prefix()
    yield world
    await world.close()


@pytest.fixture
async def shared_world() -> AsyncIterator[World]:
    """The same with a Redis."""
    world = World.with_one_prefix(redis=True)
    yield world
    await world.close()
