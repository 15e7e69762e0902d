"""What is remembered, for how long, and what it saves."""

from __future__ import annotations

import pytest

from resolver.errors import HandleNotFoundError, RefusedError, ServiceNotFoundError, UpstreamError
from resolver.model.record import HandleValue, TtlType
from resolver.resolution.remembering import Lifetimes
from tests.fakes import EPOCH, record_of, text_value, url_value
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World, url_of

HIDDEN = 0b1000
SERVICE = (PRIMARY, MIRROR)


def put(world: World, *values: HandleValue, handle: str = HANDLE) -> None:
    """Let the service keep these values."""
    world.services[PRIMARY].store.put(record_of(handle, *values))


# --- records ---------------------------------------------------------------------------------------------


async def test_first_handle_of_a_prefix(world: World) -> None:
    """The first handle of a prefix costs two questions: one to the registry, one to the service."""
    resolved = await world.resolve()
    assert resolved.record == record_of(HANDLE)
    assert [exchanged.handle for exchanged in world.network.exchanges] == ["0.NA/10.1", HANDLE]
    assert world.asked(REGISTRY) == 1
    assert (resolved.fetched_at, resolved.stale) == (EPOCH, False)
    assert resolved.answered_by in {f"udp://{address}:2641" for address in SERVICE}


async def test_same_handle_again(world: World) -> None:
    """The same handle again costs nothing, and is the same answer."""
    first = await world.resolve()
    await world.pass_time(10)
    assert await world.resolve() == first
    assert world.exchanges == 2


async def test_second_handle_of_a_prefix(world: World) -> None:
    """The record of a prefix is remembered on its own: the second handle costs one question."""
    put(world, handle="10.1/def")
    await world.resolve()
    await world.resolve("10.1/def")
    assert world.exchanges == 3
    assert world.asked(REGISTRY) == 1


async def test_spellings_of_a_handle(world: World) -> None:
    """The prefix may be written in any case; suffixes that differ in case are remembered apart."""
    world.add_prefix("10.ABC", "198.51.100.9", record_of("10.abc/x"))
    await world.resolve("10.abc/x")
    await world.resolve("10.ABC/x")
    assert world.asked("198.51.100.9") == 1
    await world.resolve("10.abc/X")
    assert world.asked("198.51.100.9") == 2


async def test_expiry(world: World) -> None:
    """A record is remembered for its TTL, and asked for again afterwards."""
    world.change("https://old.example/", ttl=60)
    assert await world.url() == "https://old.example/"
    world.change("https://new.example/", ttl=60)
    await world.pass_time(59)
    assert await world.url() == "https://old.example/"
    await world.pass_time(1)
    assert await world.url() == "https://new.example/"
    assert world.asked(*SERVICE) == 2


async def test_shortest_ttl_counts(world: World) -> None:
    """Of several values the one that expires first decides."""
    put(world, url_value(ttl=600), text_value(2, "EMAIL", "a@example.org", ttl=60))
    assert (await world.resolve()).expires_at == EPOCH + 60


async def test_hidden_values_do_not_count(world: World) -> None:
    """Values that the public does not see do not shorten the life of those it sees."""
    put(world, url_value(ttl=600), text_value(2, "SECRET", "x", ttl=1, permissions=HIDDEN))
    resolved = await world.resolve()
    assert resolved.expires_at == EPOCH + 600
    assert [value.type for value in resolved.record.values] == ["URL"]


async def test_longest_lifetime(world: World) -> None:
    """However long the TTL, a record is not believed for longer than the operator allows."""
    world.change("https://example.org/", ttl=2**31 - 1)
    assert (await world.resolve()).expires_at == EPOCH + Lifetimes().record_max


@pytest.mark.parametrize("ttl", [0, -1])
async def test_ttl_of_zero(world: World, ttl: int) -> None:
    """A record with a TTL of zero is asked for each time."""
    world.change("https://example.org/", ttl=ttl)
    for _ in range(3):
        assert (await world.resolve()).expires_at == world.clock()
    assert world.asked(*SERVICE) == 3
    assert world.asked(REGISTRY) == 1


async def test_absolute_ttl(world: World) -> None:
    """An absolute TTL is the moment until which a record counts."""
    world.change("https://example.org/", ttl=int(EPOCH) + 100, ttl_type=TtlType.ABSOLUTE)
    await world.pass_time(40)
    assert (await world.resolve()).expires_at == EPOCH + 100
    await world.pass_time(59)
    await world.resolve()
    assert world.asked(*SERVICE) == 1
    await world.pass_time(1)
    for _ in range(2):
        await world.resolve()
    assert world.asked(*SERVICE) == 3


async def test_ttl_of_an_unknown_kind(world: World) -> None:
    """A TTL of a kind that nobody has defined counts as expired."""
    world.change("https://example.org/", ttl=600, ttl_type=7)
    for _ in range(2):
        await world.resolve()
    assert world.asked(*SERVICE) == 2


async def test_prefix_record_expires(world: World) -> None:
    """The record of a prefix has a lifetime of its own."""
    world.change("https://example.org/", ttl=60)
    await world.resolve()
    await world.pass_time(Lifetimes().record_max)
    await world.resolve()
    assert (world.asked(REGISTRY), world.asked(*SERVICE)) == (2, 2)


async def test_namespace_comes_with_the_record(world: World) -> None:
    """What the owner of the prefix says about all of its handles is remembered with each of them."""
    namespace = "<namespace><status>inactive</status></namespace>"
    values = world.registry.store.get("0.NA/10.1")
    assert values is not None
    world.register("10.1", *values.values, text_value(5, "HS_NAMESPACE", namespace))
    for _ in range(2):
        resolved = await world.resolve()
        assert resolved.namespace is not None
        assert resolved.namespace.is_inactive


# --- absence ---------------------------------------------------------------------------------------------


async def test_missing_handle(world: World) -> None:
    """That a handle does not exist is believed for half a minute."""
    for _ in range(3):
        with pytest.raises(HandleNotFoundError) as missing:
            await world.resolve("10.1/new")
        assert type(missing.value) is HandleNotFoundError
    assert world.asked(*SERVICE) == 1
    put(world, handle="10.1/new")
    await world.pass_time(29)
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/new")
    await world.pass_time(1)
    assert (await world.resolve("10.1/new")).record == record_of("10.1/new")


async def test_missing_prefix(world: World) -> None:
    """That a prefix is not registered is believed for five minutes, for all of its handles."""
    for number in range(3):
        with pytest.raises(ServiceNotFoundError, match="it is not registered"):
            await world.resolve(f"10.2/{number}")
    assert world.exchanges == 1
    await world.pass_time(299)
    with pytest.raises(ServiceNotFoundError):
        await world.resolve("10.2/0")
    assert world.exchanges == 1
    world.add_prefix("10.2", "198.51.100.9", record_of("10.2/0"))
    await world.pass_time(1)
    assert (await world.resolve("10.2/0")).record == record_of("10.2/0")


async def test_prefix_without_sites(world: World) -> None:
    """A prefix that names no site is remembered as having none."""
    world.register("10.2", url_value())
    for _ in range(3):
        with pytest.raises(ServiceNotFoundError, match="names no site"):
            await world.resolve("10.2/x")
    assert world.exchanges == 1


async def test_handle_that_was_deleted(world: World) -> None:
    """A record that has expired and is gone is not answered any more, though it is still remembered."""
    world.change("https://example.org/", ttl=60)
    await world.resolve()
    world.services[PRIMARY].store.delete(HANDLE)
    await world.pass_time(60)
    for _ in range(2):
        with pytest.raises(HandleNotFoundError):
            await world.resolve()
    assert world.asked(*SERVICE) == 2


async def test_record_without_public_values(world: World) -> None:
    """A handle that has nothing for the public is a record without values, believed as briefly as absence."""
    put(world, text_value(2, "SECRET", "x", permissions=HIDDEN))
    for _ in range(2):
        resolved = await world.resolve()
        assert (resolved.record.handle, resolved.record.values) == (HANDLE, ())
    assert resolved.expires_at == EPOCH + 30
    assert world.asked(*SERVICE) == 1
    await world.pass_time(30)
    put(world)
    assert url_of(await world.resolve()) == "https://example.org/"


async def test_registry_lookups_are_counted(world: World) -> None:
    """What the registry was asked, and what came of it, is told to the observer."""
    await world.resolve()
    with pytest.raises(ServiceNotFoundError):
        await world.resolve("10.2/x")
    assert world.observer.counts["registry_lookup", "found"] == 1
    assert world.observer.counts["registry_lookup", "not_found"] == 1


# --- with everything, for who asks for it ----------------------------------------------------------------


async def test_everything_is_never_remembered(world: World) -> None:
    """Who wants hidden values refused rather than left out is not answered from memory, and leaves nothing in it."""
    for _ in range(2):
        assert url_of(await world.resolve(public_only=False)) == "https://example.org/"
    assert world.asked(*SERVICE) == 2
    await world.resolve()
    assert world.asked(*SERVICE) == 3
    await world.resolve(public_only=False)
    assert world.asked(*SERVICE) == 4
    assert world.asked(REGISTRY) == 1


async def test_refusal_is_not_remembered(world: World) -> None:
    """That somebody was refused hidden values does not keep the next visitor from the public ones."""
    put(world, url_value(), text_value(2, "SECRET", "x", permissions=HIDDEN))
    with pytest.raises(RefusedError):
        await world.resolve(public_only=False)
    assert url_of(await world.resolve()) == "https://example.org/"


async def test_absence_of_everything(world: World) -> None:
    """A missing handle is missing under any condition."""
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/new", public_only=False)


# --- with Redis ------------------------------------------------------------------------------------------


async def test_after_a_restart(shared_world: World) -> None:
    """A new process finds in Redis what the old one knew: handle, prefix, and absence."""
    world = shared_world
    await world.resolve()
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/new")
    await world.pass_time(1)
    asked = world.exchanges
    world.resolver = world.worker()
    assert url_of(await world.resolve()) == "https://example.org/"
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/new")
    put(world, handle="10.1/other")
    await world.resolve("10.1/other")
    assert world.exchanges == asked + 1


async def test_redis_is_not_needed(shared_world: World) -> None:
    """With Redis broken everything works as without it."""
    world = shared_world
    assert world.redis is not None
    world.redis.broken = True
    for _ in range(2):
        assert url_of(await world.resolve()) == "https://example.org/"
    assert world.exchanges == 2


# --- clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_s", [-86_400.0, -7200.0])
async def test_clock_set_back(world: World, error_s: float) -> None:
    """An entry from what is now the future is not believed."""
    await world.resolve()
    world.clock_error_s = error_s
    await world.resolve()
    assert world.exchanges == 4


async def test_clock_set_forward(world: World) -> None:
    """A clock set forward expires what is remembered; the service is asked again."""
    await world.resolve()
    world.clock_error_s = 7200.0
    assert not (await world.resolve()).stale
    assert world.asked(*SERVICE) == 2


@pytest.mark.parametrize("moment", [2**31 - 5, 2**31 + 5, 2**32 - 40_000])
async def test_clock_of_later_years(world: World, moment: int) -> None:
    """Where seconds since 1970 leave 31 bits, in 2038, and when they are about to leave 32, all works as ever."""
    world.clock_error_s = moment - EPOCH
    world.change("https://example.org/", ttl=60)
    for _ in range(2):
        assert await world.url() == "https://example.org/"
    assert world.exchanges == 2
    await world.pass_time(60)
    assert not (await world.resolve()).stale
    assert world.exchanges == 3


async def test_clock_beyond_what_messages_can_tell(world: World) -> None:
    """With a clock that shows 2106, which no answer can outlive, there is trouble, and no failure of ours."""
    world.clock_error_s = 2**32 + 1000 - EPOCH
    with pytest.raises(UpstreamError):
        await world.resolve()
