"""Answers that must be signed: which are taken, which are not, and that they are kept apart from others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec.structs import replace

from resolver.errors import HandleNotFoundError, NoServerAnsweredError, RefusedError, ServiceNotFoundError
from resolver.model.site import Site
from resolver.protocol.codes import OpFlag, ResponseCode
from resolver.protocol.keys import encode_public_key
from resolver.protocol.signing import public_key_of
from resolver.resolution.bootstrap import registry_from_records
from tests.fakes import record_of, site_value, url_value
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World, url_of


@cache
def key() -> rsa.RSAPrivateKey:
    """Return the key of every server here."""
    return rsa.generate_private_key(65537, 2048)


def with_key(site: Site) -> Site:
    """Return a site record that names the key of its server."""
    octets = encode_public_key(public_key_of(key()))
    return replace(site, servers=tuple(replace(server, public_key=octets) for server in site.servers))


def let_sign(world: World, *addresses: str) -> None:
    """Give servers their key, and their site records too."""
    for address in addresses:
        service = world.services[address]
        service._key = key()
        service.site = world._sites[address] = with_key(service.site)


@pytest.fixture
async def signing() -> AsyncIterator[World]:
    """The usual world, in which every server signs."""
    world = World.with_one_prefix()
    let_sign(world, REGISTRY, PRIMARY, MIRROR)
    sites = [site_value(world.site(address), n) for n, address in enumerate((PRIMARY, MIRROR))]
    world.register("10.1", *sites)
    world.resolver.adopt(registry_from_records([record_of("0.NA/0.NA", site_value(world.site(REGISTRY)))]))
    yield world
    await world.close()


def stop_signing(world: World, *addresses: str) -> None:
    """Let servers answer without a signature."""
    for address in addresses:
        world.services[address]._key = None


async def test_signed_all_the_way(signing: World) -> None:
    """Where every server on the way signs, the record is certified, and each was asked to sign."""
    resolved = await signing.resolve(certified=True)
    assert (url_of(resolved), resolved.certified) == ("https://example.org/", True)
    wanted = OpFlag.CERTIFIED | OpFlag.REQUEST_DIGEST
    assert all(
        exchanged.request.header.op_flags & wanted == wanted for exchanged in signing.network.exchanges
    )
    assert [exchanged.address for exchanged in signing.network.exchanges] == [REGISTRY, PRIMARY]


async def test_registry_that_does_not_sign(signing: World) -> None:
    """Without a signature of the registry nobody knows whose servers are the right ones."""
    stop_signing(signing, REGISTRY)
    with pytest.raises(NoServerAnsweredError) as failed:
        await signing.resolve(certified=True)
    assert failed.value.unsigned
    assert signing.asked(PRIMARY, MIRROR) == 0


async def test_service_that_does_not_sign(signing: World) -> None:
    """Nor is a record certified that its service does not sign."""
    stop_signing(signing, PRIMARY, MIRROR)
    with pytest.raises(NoServerAnsweredError) as failed:
        await signing.resolve(certified=True)
    assert failed.value.unsigned


async def test_one_of_two_does_not_sign(signing: World) -> None:
    """Of two servers the one that signs is heard; the other has done nothing wrong for ordinary questions."""
    stop_signing(signing, PRIMARY)
    assert (await signing.resolve(certified=True)).answered_by == f"udp://{MIRROR}:2641"
    assert (await signing.resolve(HANDLE, public_only=False)).answered_by == f"udp://{PRIMARY}:2641"


async def test_forged_record(signing: World) -> None:
    """A record that was changed on the way is not taken."""
    signing.services[PRIMARY].behaviour.rewrite = lambda octets: octets.replace(
        b"https://example.org/", b"https://evil.invalid"
    )
    resolved = await signing.resolve(certified=True)
    assert (url_of(resolved), resolved.answered_by) == ("https://example.org/", f"udp://{MIRROR}:2641")


async def test_forged_absence(signing: World) -> None:
    """That a handle does not exist must be signed as well."""
    stop_signing(signing, PRIMARY, MIRROR)
    with pytest.raises(NoServerAnsweredError):
        await signing.resolve("10.1/missing", certified=True)
    let_sign(signing, PRIMARY, MIRROR)
    await signing.pass_time(5)
    with pytest.raises(HandleNotFoundError):
        await signing.resolve("10.1/missing", certified=True)


async def test_forged_absence_of_a_prefix(signing: World) -> None:
    """So must it be that a prefix is not registered."""
    with pytest.raises(ServiceNotFoundError):
        await signing.resolve("10.77/x", certified=True)
    stop_signing(signing, REGISTRY)
    with pytest.raises(NoServerAnsweredError):
        await signing.resolve("10.78/x", certified=True)


async def test_refusal_is_signed(signing: World) -> None:
    """A refusal for good is signed too, and then it is one."""
    signing.services[PRIMARY].behaviour.code = ResponseCode.OPERATION_NOT_SUPPORTED
    with pytest.raises(RefusedError):
        await signing.resolve(certified=True)


# --- apart from others -----------------------------------------------------------------------------------


async def test_ordinary_record_is_not_certified(signing: World) -> None:
    """What was remembered of ordinary answers does not count for who wants signed ones."""
    await signing.resolve()
    asked = signing.exchanges
    resolved = await signing.resolve(certified=True)
    assert resolved.certified
    assert signing.exchanges == asked + 2


async def test_certified_record_is_remembered(signing: World) -> None:
    """A certified record is remembered as such."""
    for _ in range(3):
        assert (await signing.resolve(certified=True)).certified
    assert signing.exchanges == 2


async def test_certified_is_never_old(signing: World) -> None:
    """Nobody who wants a certified record gets an old one, whatever happens to the servers."""
    signing.services[PRIMARY].store.put(record_of(HANDLE, url_value(ttl=60)))
    await signing.resolve(certified=True)
    await signing.resolve()
    await signing.pass_time(61)
    signing.shut_down(PRIMARY, MIRROR)
    with pytest.raises(NoServerAnsweredError):
        await signing.resolve(certified=True)
    assert (await signing.resolve()).stale


async def test_failure_of_certified_is_remembered_apart(signing: World) -> None:
    """That nobody signs says nothing to those who do not ask for it, and is itself not asked again at once."""
    stop_signing(signing, PRIMARY, MIRROR)
    for _ in range(3):
        with pytest.raises(NoServerAnsweredError):
            await signing.resolve(certified=True)
    certified = signing.exchanges
    assert not (await signing.resolve()).certified
    assert certified < signing.exchanges


async def test_certified_and_authoritative(signing: World) -> None:
    """Both at once: the primary's word, signed."""
    await signing.resolve(certified=True)
    signing.change("https://new.example/")
    resolved = await signing.resolve(certified=True, authoritative=True)
    assert (url_of(resolved), resolved.certified) == ("https://new.example/", True)
    assert url_of(await signing.resolve(certified=True)) == "https://new.example/"
