"""A resolver put together from settings, without connecting to anything."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from resolver.config import Settings
from resolver.errors import SettingsError, UpstreamError
from resolver.model.handle import Handle
from resolver.observe import Observer
from resolver.resolution.assembly import assemble
from resolver.resolution.bootstrap import load_shipped_registry, registry_from_records
from tests.fakes import record_of, site_at, site_value

ROOT = record_of("0.NA/0.NA", site_value(site_at("127.0.0.1")))


async def test_default_settings() -> None:
    """With default settings there is a resolver over the shipped registry, with memory alone, kept up to date."""
    assembly = assemble(Settings(), Observer())
    assembly.start()
    assert assembly.redis is None
    assert (len(assembly.cache), assembly.resolver.room.in_flight) == (0, 0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "registry-keeper"]
    await assembly.close()
    assert len(assembly.background) == 0


async def test_registry_that_is_not_refreshed() -> None:
    """Where the operator does not want the registry refreshed, nothing runs in the background."""
    assembly = assemble(Settings(refresh_registry=False), Observer())
    assembly.start()
    assert assembly.keeper is None
    assert len(assembly.background) == 0
    await assembly.close()


async def test_registry_of_the_caller() -> None:
    """A registry that is handed in is the one used; its private address is refused by default."""
    assembly = assemble(Settings(), Observer(), registry_from_records([ROOT]))
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1 is not a public address"):
        await assembly.resolver.resolve(Handle("0.NA/10.1"))
    await assembly.close()


async def test_registry_of_the_operator(tmp_path: Path) -> None:
    """A bootstrap file takes the place of the shipped registry; one that cannot be used stops the start."""
    path = tmp_path / "bootstrap_handles"
    path.write_text(json.dumps({"handles": {}}))
    with pytest.raises(SettingsError, match=str(path)):
        assemble(Settings(bootstrap=path), Observer())


def test_redis_that_cannot_be(tmp_path: Path) -> None:
    """A Redis URL that no client knows stops the start."""
    with pytest.raises(SettingsError, match="redis"):
        assemble(Settings(redis="http://127.0.0.1/"), Observer(), load_shipped_registry())


async def test_redis_that_is_not_there() -> None:
    """A Redis that is not there keeps nobody from starting or stopping; who listens to it is ended with the rest."""
    assembly = assemble(
        Settings(redis="unix:///nowhere/redis.sock"), Observer(), registry_from_records([ROOT])
    )
    assembly.start()
    await asyncio.sleep(0.01)
    assert len(assembly.background) == 1
    await assembly.close()
    assert len(assembly.background) == 0
