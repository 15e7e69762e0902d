"""When the data of the registry are fetched anew: daily, when a server says they have changed, and never in a rush."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from resolver.resolution.registry_keeper import FIRST_DELAY_S, MAX_AGE_S, PAUSE_S, RegistryKeeper
from resolver.tasks import Background
from tests.fakes import EPOCH
from tests.scenarios.world import loop_time
from tests.unit.resolution.test_registry_keeper import Source, root, trust_root

DAY_S = 86_400.0


def clock() -> float:
    return EPOCH + loop_time()


class Kept:
    """A keeper at work."""

    def __init__(self, *, age_s: float = 0.0, **records: Any) -> None:
        self.source = Source(*records.get("records", (root(), trust_root())))
        self.background = Background()
        self.keeper = RegistryKeeper(
            self.source,  # type: ignore[arg-type]  # a fake with the same methods
            self.source.registry,
            fetched_at=EPOCH - age_s,
            folder=None,
            background=self.background,
            clock=clock,
        )

    @property
    def fetches(self) -> int:
        """How often the root record was asked for."""
        return self.source.asked.count("0.NA/0.NA")


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    """A keeper of fresh data."""
    kept = Kept()
    kept.keeper.start()
    yield kept
    await kept.background.close()


async def pass_time(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(seconds)


async def test_fresh_data(kept: Kept) -> None:
    """Fresh data are left alone until they are almost a day old, and then fetched once a day."""
    await pass_time(MAX_AGE_S - 1)
    assert kept.fetches == 0
    await pass_time(FIRST_DELAY_S + PAUSE_S)
    assert kept.fetches == 1
    await pass_time(10 * DAY_S)
    assert 10 <= kept.fetches <= 12


async def test_old_data() -> None:
    """Data from before a day are fetched anew soon after the start, and not at the very moment of all workers."""
    kept = Kept(age_s=2 * DAY_S)
    kept.keeper.start()
    await pass_time(FIRST_DELAY_S + 0.1)
    assert kept.fetches == 1
    await kept.background.close()


async def test_server_says_that_they_changed(kept: Kept) -> None:
    """When a server of the registry says that its record has changed, the data are fetched at once."""
    await pass_time(3600)
    kept.source.on_registry_outdated()
    await pass_time(1)
    assert kept.fetches == 1


async def test_server_that_always_says_so(kept: Kept) -> None:
    """A server that says so with every answer does not make us ask all the time."""
    await pass_time(FIRST_DELAY_S)
    for _ in range(600):
        kept.source.on_registry_outdated()
        await pass_time(1)
    assert 1 <= kept.fetches <= 600 / PAUSE_S + 1


async def test_registry_that_cannot_be_had() -> None:
    """A registry that cannot be had is asked again every few minutes, without end."""
    kept = Kept(age_s=2 * DAY_S, records=())
    kept.keeper.start()
    await pass_time(FIRST_DELAY_S + 10 * PAUSE_S + 1)
    assert 10 <= kept.source.asked.count("0.0/0.0") <= 12
    kept.source.records = Source(root(), trust_root()).records
    await pass_time(PAUSE_S)
    assert kept.fetches == 1
    await kept.background.close()


async def test_end(kept: Kept) -> None:
    """With everything else in the background the keeper ends."""
    await kept.background.close()
    kept.source.on_registry_outdated()
    await pass_time(DAY_S)
    assert kept.fetches == 0
