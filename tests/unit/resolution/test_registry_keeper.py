"""The registry data are replaced by newer ones only if these are signed by whom the present ones trust."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from resolver.errors import HandleNotFoundError, NoServerAnsweredError, ResolverError, SignatureError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.keys import encode_public_key
from resolver.resolution.bootstrap import Registry, registry_from_records
from resolver.resolution.registry_keeper import MAX_AGE_S, MAX_SERVICE_HANDLES, RegistryKeeper
from resolver.resolution.saved_registry import SavedRegistry, load_saved_registry, save_registry
from resolver.resolution.service import Resolved
from resolver.tasks import Background
from tests.fakes import EPOCH, FakeClock, record_of, service_value, site_at, site_value, text_value
from tests.unit.trust.chains import REGISTRY, ROOT, certificate, key_of, public, signature

OLD_SITE, NEW_SITE, THIRD_SITE = site_at("192.0.2.1"), site_at("192.0.2.2"), site_at("192.0.2.3")
ROOT_KEY = HandleValue(300, "HS_PUBKEY", encode_public_key(public(key_of(ROOT))))


def signed(handle: str, *values: HandleValue, by: str = REGISTRY) -> HandleRecord:
    """Return a record with a signature over all its values."""
    return HandleRecord(handle, (*values, signature(handle, values, by)))


def trust_root(*keys: HandleValue, by: str = ROOT) -> HandleRecord:
    """Return the record of the root of trust."""
    return signed("0.0/0.0", *(keys or (ROOT_KEY,)), certificate(ROOT, ROOT), by=by)


def root(*values: HandleValue) -> HandleRecord:
    """Return the root record; without ``values`` it names the new site."""
    return signed("0.NA/0.NA", *(values or (site_value(NEW_SITE),)), certificate(REGISTRY, ROOT))


class Source:
    """A resolver as the keeper sees it, over records that a test sets."""

    def __init__(self, *records: HandleRecord) -> None:
        self.registry = registry_from_records([record_of("0.NA/0.NA", site_value(OLD_SITE)), trust_root()])
        self.records = {fold_ascii(record.handle): record for record in records}
        self.errors: dict[str, ResolverError] = {}
        self.asked: list[str] = []
        self.on_registry_outdated: Callable[[], None] = lambda: None

    def adopt(self, registry: Registry) -> None:
        self.registry = registry

    async def resolve(self, handle: Handle, *, authoritative: bool, certified: bool) -> Resolved:
        assert authoritative
        assert certified
        self.asked.append(handle.text)
        if handle.text in self.errors:
            raise self.errors[handle.text]
        record = self.records.get(fold_ascii(handle.text))
        if record is None:
            raise HandleNotFoundError(handle.text)
        return Resolved(record, EPOCH, EPOCH, "udp://192.0.2.1:2641", certified=True)


def keeper_of(
    source: Source, folder: Path | None = None, *, now: float = EPOCH, fetched_at: float = 0.0
) -> RegistryKeeper:
    """Return a keeper that trusts what ``source`` begins with."""
    return RegistryKeeper(
        source,  # type: ignore[arg-type]  # a fake with the same methods
        source.registry,
        fetched_at=fetched_at,
        folder=folder,
        background=Background(),
        clock=FakeClock(now),
    )


async def test_newer_data() -> None:
    """Records that are signed up to the root of trust are taken over, and the trust root's keys with them."""
    source = Source(root(), trust_root())
    assert await keeper_of(source).refresh()
    assert source.registry.sites == (NEW_SITE,)
    assert source.registry.trust_keys == (public(key_of(ROOT)),)
    assert source.asked == ["0.0/0.0", "0.NA/0.NA"]


async def test_service_handles() -> None:
    """Service handles are followed and verified too, each once, wherever they lead."""
    source = Source(
        root(site_value(NEW_SITE), service_value("0.GHR/1", 20), service_value("0.ghr/2", 21)),
        trust_root(),
        signed("0.GHR/1", service_value("0.GHR/2", 1), service_value("0.NA/0.NA", 2)),
        signed("0.GHR/2", site_value(THIRD_SITE), service_value("0.GHR/1", 2), text_value(3, "HS_SERV", "")),
    )
    assert await keeper_of(source).refresh()
    assert source.registry.sites == (NEW_SITE, THIRD_SITE)
    assert source.asked == ["0.0/0.0", "0.NA/0.NA", "0.GHR/1", "0.ghr/2"]


@pytest.mark.parametrize(
    "service",
    [
        record_of("0.GHR/1", site_value(THIRD_SITE)),
        signed("0.GHR/1", site_value(THIRD_SITE), by=ROOT + "x"),
        HandleRecord(
            "0.GHR/1", (*signed("0.GHR/1", site_value(NEW_SITE)).values[1:], site_value(THIRD_SITE))
        ),
    ],
    ids=["not signed", "signed by a stranger", "changed"],
)
async def test_service_that_is_not_trusted(service: HandleRecord) -> None:
    """A service handle that is not trusted is left out, and costs nobody anything."""
    source = Source(root(site_value(NEW_SITE), service_value("0.GHR/1")), trust_root(), service)
    assert await keeper_of(source).refresh()
    assert source.registry.sites == (NEW_SITE,)
    assert "0.GHR/1" not in source.registry.records


async def test_service_that_cannot_be_had() -> None:
    """So is one that cannot be had."""
    source = Source(root(site_value(NEW_SITE), service_value("0.GHR/1")), trust_root())
    assert await keeper_of(source).refresh()
    assert source.registry.sites == (NEW_SITE,)


async def test_endless_services() -> None:
    """Services that lead on and on are followed so far and no further."""
    chain = [
        signed(f"0.GHR/{number}", service_value(f"0.GHR/{number + 1}"))
        for number in range(MAX_SERVICE_HANDLES + 20)
    ]
    source = Source(root(site_value(NEW_SITE), service_value("0.GHR/0")), trust_root(), *chain)
    assert await keeper_of(source).refresh()
    assert len(source.asked) == MAX_SERVICE_HANDLES


STRANGER = "301:0.NA/66"


@pytest.mark.parametrize(
    "records",
    [
        [record_of("0.NA/0.NA", site_value(NEW_SITE)), trust_root()],
        [root(), record_of("0.0/0.0", ROOT_KEY)],
        [signed("0.NA/0.NA", site_value(NEW_SITE), certificate(REGISTRY, ROOT), by=STRANGER), trust_root()],
        [signed("0.NA/0.NA", site_value(NEW_SITE), certificate(REGISTRY, STRANGER)), trust_root()],
        [HandleRecord("0.NA/0.NA", (*root().values, text_value(99, "DESC", "added"))), trust_root()],
        [root(text_value(1, "DESC", "no site")), trust_root()],
        [root(), trust_root(text_value(1, "DESC", "no key"))],
        [root()],
        [trust_root()],
    ],
    ids=[
        "root not signed",
        "trust root not signed",
        "signed by a stranger",
        "certified by a stranger",
        "value added",
        "no site",
        "no key",
        "no trust root",
        "no root",
    ],
)
async def test_what_is_not_taken(records: list[HandleRecord], tmp_path: Path) -> None:
    """If anything of the root is not as it should be, the old data stay, in memory and on disk."""
    source = Source(*records)
    before = source.registry
    assert not await keeper_of(source, tmp_path).refresh()
    assert source.registry is before
    assert os.listdir(tmp_path) == []


async def test_new_key_that_the_old_one_signed() -> None:
    """The key of the root changes if the old one says so; from then on the new one is believed as well."""
    new_key = HandleValue(301, "HS_PUBKEY", encode_public_key(public(key_of("new root"))))
    source = Source(root(), trust_root(ROOT_KEY, new_key))
    assert await keeper_of(source).refresh()
    assert set(source.registry.trust_keys) == {public(key_of(ROOT)), public(key_of("new root"))}


async def test_new_key_that_signs_itself() -> None:
    """A new key that vouches for itself alone is nobody's."""
    key = key_of("new root")
    pretender = HandleValue(300, "HS_PUBKEY", encode_public_key(public(key)))
    values = (pretender, certificate(ROOT, ROOT, by=key, key=key))
    source = Source(root(), HandleRecord("0.0/0.0", (*values, signature("0.0/0.0", values, ROOT, by=key))))
    before = source.registry
    assert not await keeper_of(source).refresh()
    assert source.registry is before


@pytest.mark.parametrize("now", [EPOCH - 400 * 86_400, EPOCH + 400 * 86_400])
async def test_dates_count(now: float) -> None:
    """Signatures from before their time or after it are worth nothing."""
    assert not await keeper_of(Source(root(), trust_root()), now=now).refresh()


@pytest.mark.parametrize(
    "error", [NoServerAnsweredError([]), SignatureError("the answer is not signed"), HandleNotFoundError("x")]
)
async def test_registry_that_cannot_be_asked(error: ResolverError) -> None:
    """A registry that does not answer, or does not sign, costs nothing but a try."""
    source = Source(root(), trust_root())
    source.errors["0.NA/0.NA"] = error
    before = source.registry
    assert not await keeper_of(source).refresh()
    assert source.registry is before


# --- on disk ---------------------------------------------------------------------------------------------


async def test_saved(tmp_path: Path) -> None:
    """What was learned is on disk, with its age, for the next start."""
    source = Source(root(), trust_root())
    base = source.registry
    assert await keeper_of(source, tmp_path).refresh()
    assert load_saved_registry(tmp_path, base) == SavedRegistry(source.registry, EPOCH)


async def test_disk_that_cannot_be_written(tmp_path: Path) -> None:
    """A disk that is full is trouble for the next start only: the new data are in use."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    source = Source(root(), trust_root())
    assert not await keeper_of(source, blocked / "folder").refresh()
    assert source.registry.sites == (NEW_SITE,)


async def test_what_another_worker_saved(tmp_path: Path) -> None:
    """What another worker has fetched meanwhile is taken over without asking anybody."""
    source = Source(root(), trust_root())
    fresh = replace(source.registry, sites=(THIRD_SITE,), records=source.registry.records)
    save_registry(tmp_path, SavedRegistry(fresh, EPOCH - 60), source.registry)
    assert await keeper_of(source, tmp_path, fetched_at=EPOCH - 2 * MAX_AGE_S).refresh()
    assert source.asked == []


@pytest.mark.parametrize("age_s", [MAX_AGE_S, 10 * MAX_AGE_S])
async def test_what_another_worker_saved_long_ago(tmp_path: Path, age_s: float) -> None:
    """What is as old as ours, or past its time, is fetched anew."""
    source = Source(root(), trust_root())
    save_registry(tmp_path, SavedRegistry(source.registry, EPOCH - age_s), source.registry)
    assert await keeper_of(source, tmp_path).refresh()
    assert source.registry.sites == (NEW_SITE,)


async def test_damaged_file(tmp_path: Path) -> None:
    """A damaged file does not keep newer data from being fetched, and is replaced by them."""
    source = Source(root(), trust_root())
    base = source.registry
    (tmp_path / "registry.json").write_text("{")
    assert await keeper_of(source, tmp_path).refresh()
    assert load_saved_registry(tmp_path, base) == SavedRegistry(source.registry, EPOCH)


# --- without a root of trust -----------------------------------------------------------------------------


async def test_nothing_to_verify_by() -> None:
    """Data without a root of trust are never refreshed: nobody could tell good ones from bad."""
    source = Source(root(), trust_root())
    source.registry = registry_from_records([record_of("0.NA/0.NA", site_value(OLD_SITE))])
    background = Background()
    keeper = RegistryKeeper(
        source,  # type: ignore[arg-type]
        source.registry,
        fetched_at=0.0,
        folder=None,
        background=background,
        clock=FakeClock(),
    )
    keeper.start()
    assert len(background) == 0
