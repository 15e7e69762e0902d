"""The library: resolving from a program of one's own. The network is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import resolver
from resolver import HandleClient
from resolver.config import Settings
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.errors import AliasError, HandleNotFoundError, InvalidHandleError, SettingsError, UpstreamError
from resolver.model.record import HandleRecord
from resolver.observe import Observer
from resolver.protocol.codes import OpFlag
from resolver.resolution import assembly
from resolver.resolution.assembly import Assembly, assemble
from resolver.resolution.bootstrap import Registry, registry_from_records
from tests.fakes import FakeNetwork, record_of, site_at, site_value, text_value, url_value

REGISTRY, SERVICE = "192.0.2.1", "198.51.100.1"
FULL = record_of("10.1/abc", url_value(), text_value(2, "DESC", "x"), text_value(3, "URL.OLD", "y"))
ALIAS = record_of("10.1/alias", text_value(1, "HS_ALIAS", " 10.1/second "))
SECOND = record_of("10.1/second", text_value(1, "HS_ALIAS", "10.1/abc"))
CIRCLE = record_of("10.1/circle", text_value(1, "HS_ALIAS", "10.1/circle"))


@pytest.fixture
async def network(monkeypatch: pytest.MonkeyPatch) -> FakeNetwork:
    """A registry and a service, which every client reaches through one fake."""
    network = FakeNetwork()
    registry_site, site = site_at(REGISTRY), site_at(SERVICE)
    root = record_of("0.NA/0.NA", site_value(registry_site))
    registry = RecordStore([root, record_of("0.NA/10.1", site_value(site))])
    network.add(REGISTRY, HandleService(registry, site=registry_site, homed=("0.NA",)))
    service = RecordStore([FULL, ALIAS, SECOND, CIRCLE])
    network.add(SERVICE, HandleService(service, site=site, homed=("10.1",)))

    async def close() -> None:
        """Nothing to give back."""

    network.close = close  # type: ignore[attr-defined]

    def over_the_fake(settings: Settings, observer: Observer, known: Registry | None = None) -> Assembly:
        return assemble(settings, observer, known or registry_from_records([root]))

    monkeypatch.setattr(assembly, "Network", lambda *_, **__: network)
    monkeypatch.setattr("resolver.client.assemble", over_the_fake)
    return network


@pytest.fixture
async def client(network: FakeNetwork) -> AsyncIterator[HandleClient]:
    """A client in use."""
    assert network.exchanges == []
    async with HandleClient(Settings(refresh_registry=False)) as client:
        yield client


async def test_record(client: HandleClient) -> None:
    """A handle resolves to its record, and is remembered."""
    for _ in range(3):
        assert await client.resolve("10.1/abc") == FULL


async def test_remembered(client: HandleClient, network: FakeNetwork) -> None:
    """What was asked for once is not asked for again, unless the primary's word is wanted."""
    for _ in range(3):
        await client.resolve("10.1/abc")
    assert len(network.exchanges) == 2
    await client.resolve("10.1/abc", authoritative=True)
    assert network.exchanges[-1].request.header.op_flags & OpFlag.AUTHORITATIVE


@pytest.mark.parametrize(
    ("types", "indexes", "expected"),
    [
        ((), (), [1, 2, 3]),
        (["URL"], (), [1]),
        (["URL."], (), [1, 3]),
        ((), [2], [2]),
        (["url"], [2], [1, 2]),
        (["EMAIL"], (), []),
    ],
)
async def test_some_values(
    client: HandleClient, types: list[str], indexes: list[int], expected: list[int]
) -> None:
    """Types and indexes choose among the values; either will do."""
    record = await client.resolve("10.1/abc", types=types, indexes=indexes)
    assert [value.index for value in record.values] == expected


async def test_aliases(client: HandleClient) -> None:
    """Aliases are followed if that is wanted, and the record tells what it is of."""
    assert await client.resolve("10.1/alias") == ALIAS
    assert await client.resolve("10.1/alias", aliases=True) == FULL
    with pytest.raises(AliasError, match="comes back to itself"):
        await client.resolve("10.1/circle", aliases=True)


@pytest.mark.parametrize(
    ("handle", "error"),
    [("10.1/missing", HandleNotFoundError), ("10.77/x", HandleNotFoundError), ("", InvalidHandleError)],
)
async def test_errors(client: HandleClient, handle: str, error: type[Exception]) -> None:
    """What cannot be resolved is told by the errors of this package."""
    with pytest.raises(error):
        await client.resolve(handle)


async def test_certified(client: HandleClient) -> None:
    """Where nobody signs, nothing is certified."""
    with pytest.raises(UpstreamError):
        await client.resolve("10.1/abc", certified=True)


async def test_outside(network: FakeNetwork) -> None:
    """Before and after its block a client cannot be used; a new block begins anew."""
    client = HandleClient(Settings(refresh_registry=False))
    with pytest.raises(RuntimeError, match="async with"):
        await client.resolve("10.1/abc")
    for _ in range(2):
        async with client:
            assert isinstance(await client.resolve("10.1/abc"), HandleRecord)
        with pytest.raises(RuntimeError, match="async with"):
            await client.resolve("10.1/abc")
    assert len(network.exchanges) == 4


async def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that is not there is told at the beginning of the block."""
    with pytest.raises(SettingsError, match="nowhere"):
        async with HandleClient(Settings(bootstrap=tmp_path / "nowhere")):
            pass


def test_public_name() -> None:
    """The package has this one name, and no others by accident."""
    assert resolver.__all__ == ["HandleClient"]
    with pytest.raises(AttributeError):
        resolver.Resolver  # noqa: B018
