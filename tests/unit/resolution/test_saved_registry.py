"""Registry data on disk: what is saved is what is read, and nothing else is taken for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.errors import SettingsError
from resolver.model.keys import RsaPublicKey
from resolver.model.record import HandleRecord, HandleValue, Reference
from resolver.protocol.keys import encode_public_key
from resolver.resolution.bootstrap import (
    Registry,
    load_bootstrap_file,
    load_shipped_registry,
    registry_from_records,
)
from resolver.resolution.saved_registry import SavedRegistry, load_saved_registry, save_registry
from tests import strategies
from tests.fakes import EPOCH, record_of, site_at, site_value, text_value

KEY, OTHER_KEY = RsaPublicKey(65537, 2**2047 + 1), RsaPublicKey(65537, 2**2047 + 3)


def registry(*keys: RsaPublicKey, address: str = "192.0.2.1", extra: HandleRecord | None = None) -> Registry:
    """Return a small registry with these keys as its root of trust."""
    return registry_from_records(
        [
            record_of("0.NA/0.NA", site_value(site_at(address))),
            record_of(
                "0.0/0.0",
                text_value(1, "DESC", "root"),
                *(HandleValue(300 + n, "HS_PUBKEY", encode_public_key(key)) for n, key in enumerate(keys)),
            ),
            *([extra] if extra else ()),
        ]
    )


BASE = registry(KEY)
FRESH = registry(KEY, address="192.0.2.99")


def saved_in(folder: Path) -> Path:
    """Save fresh data, and return the file."""
    save_registry(folder, SavedRegistry(FRESH, EPOCH), BASE)
    (path,) = folder.iterdir()
    return path


def test_nothing_saved(tmp_path: Path) -> None:
    """Without a file, or without a folder, there is nothing."""
    assert load_saved_registry(tmp_path, BASE) is None
    assert load_saved_registry(tmp_path / "nowhere", BASE) is None


def test_there_and_back(tmp_path: Path) -> None:
    """What was saved is read with its age, into a folder that is made if need be."""
    folder = tmp_path / "state" / "deep"
    save_registry(folder, SavedRegistry(FRESH, EPOCH + 0.25), BASE)
    assert load_saved_registry(folder, BASE) == SavedRegistry(FRESH, EPOCH + 0.25)


def test_shipped_data(tmp_path: Path) -> None:
    """So is the real registry, octet by octet, since signatures cover every one."""
    shipped = load_shipped_registry()
    save_registry(tmp_path, SavedRegistry(shipped, EPOCH), shipped)
    loaded = load_saved_registry(tmp_path, shipped)
    assert loaded is not None
    assert loaded.registry == shipped


@given(st.lists(strategies.values, max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[HandleValue]) -> None:
    """Records of the strangest form survive, whether or not JSON has words for them."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thirty times would be slow, and proves nothing here
    name = "0.SERV/1"
    # JSON knows two types of TTL; there are no others.
    values = tuple(
        replace(value, index=number, ttl_type=value.ttl_type % 2) for number, value in enumerate(given, 1)
    )
    fresh = registry(KEY, extra=HandleRecord(name, values))
    save_registry(tmp_path, SavedRegistry(fresh, EPOCH), BASE)
    loaded = load_saved_registry(tmp_path, BASE)
    assert loaded is not None
    assert loaded.registry.records[name].values == values


def test_references_survive(tmp_path: Path) -> None:
    """References and permissions are part of what is saved."""
    value = HandleValue(7, "X", b"\0\xff", 5, 0, 0x0A, 9, (Reference("10.1/x", 3),))
    fresh = registry(KEY, extra=HandleRecord("0.SERV/1", (value,)))
    save_registry(tmp_path, SavedRegistry(fresh, EPOCH), BASE)
    loaded = load_saved_registry(tmp_path, BASE)
    assert loaded is not None
    assert loaded.registry.records["0.SERV/1"].values == (value,)


def test_may_be_given_to_bootstrap(tmp_path: Path) -> None:
    """The file is one that ``--bootstrap`` takes."""
    assert load_bootstrap_file(saved_in(tmp_path)) == FRESH


@pytest.mark.parametrize("other", [registry(OTHER_KEY), registry(KEY, OTHER_KEY), registry()])
def test_another_registry(tmp_path: Path, other: Registry) -> None:
    """What goes back to another root of trust is as good as nothing."""
    saved_in(tmp_path)
    assert load_saved_registry(tmp_path, other) is None
    assert load_saved_registry(tmp_path, BASE) is not None


def test_registries_without_keys(tmp_path: Path) -> None:
    """Without a root of trust, registries are told apart by their records."""
    base = registry()
    save_registry(tmp_path, SavedRegistry(base, EPOCH), base)
    assert load_saved_registry(tmp_path, base) is not None
    assert load_saved_registry(tmp_path, registry(address="192.0.2.2")) is None


def test_order_of_keys_does_not_matter(tmp_path: Path) -> None:
    """The order of the keys is no other root of trust."""
    save_registry(tmp_path, SavedRegistry(FRESH, EPOCH), registry(KEY, OTHER_KEY))
    assert load_saved_registry(tmp_path, registry(OTHER_KEY, KEY)) is not None


@pytest.mark.parametrize("left", [0, 1, 100, -2])
def test_damaged(tmp_path: Path, left: int) -> None:
    """A file that was cut is told, with its name."""
    path = saved_in(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(SettingsError, match=str(path)):
        load_saved_registry(tmp_path, BASE)


@pytest.mark.parametrize("age", [None, "yesterday", True, []])
def test_without_an_age(tmp_path: Path, age: object) -> None:
    """A file that does not say how old it is cannot be judged."""
    path = saved_in(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "lastUpdate": age}))
    with pytest.raises(SettingsError, match="lastUpdate"):
        load_saved_registry(tmp_path, BASE)


def test_written_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails, the old file stays as it was, and nothing else is left behind."""
    path = saved_in(tmp_path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_registry(tmp_path, SavedRegistry(BASE, EPOCH + 1), BASE)
    assert [(each, each.read_bytes()) for each in tmp_path.iterdir()] == [(path, before)]


def test_replaced(tmp_path: Path) -> None:
    """Newer data take the place of older ones."""
    saved_in(tmp_path)
    save_registry(tmp_path, SavedRegistry(BASE, EPOCH + 60), BASE)
    assert load_saved_registry(tmp_path, BASE) == SavedRegistry(BASE, EPOCH + 60)
    assert len(list(tmp_path.iterdir())) == 1
