"""When servers fail, are silent, or have moved: what is answered, how soon, and who is spared."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import traceback
import weakref

import pytest

from resolver.errors import (
    HandleNotFoundError,
    LookupTimeoutError,
    NoServerAnsweredError,
    ServiceNotFoundError,
    UpstreamError,
)
from resolver.model.site import Transport
from resolver.protocol.codes import ResponseCode
from resolver.resolution.service import STALE_TIMER_S
from tests.fakes import record_of
from tests.scenarios.world import (
    HANDLE,
    MIRROR,
    PRIMARY,
    REGISTRY,
    STALE_MAX_S,
    World,
    loop_time,
    url_of,
)

OLD, NEW = "https://old.example/", "https://new.example/"
SERVICE = (PRIMARY, MIRROR)
NEW_HOME = "198.51.100.9"


async def expire(world: World) -> None:
    """Remember the handle, and let it expire, but not its prefix."""
    world.change(OLD, ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.change(NEW, ttl=60)


# --- one server fails, another answers -------------------------------------------------------------------


async def test_one_of_two_is_down(world: World) -> None:
    """Where nobody listens at one server, the next is asked at once."""
    world.shut_down(PRIMARY)
    for _ in range(5):
        assert (await world.resolve(HANDLE, public_only=False)).answered_by == f"udp://{MIRROR}:2641"
    assert loop_time() == 0


async def test_one_of_two_is_silent(world: World) -> None:
    """A silent server costs the patience once by each transport, and is left in peace then."""
    world.silence(PRIMARY)
    world.delay(0.01, MIRROR)
    for _ in range(20):
        assert (await world.resolve(HANDLE, public_only=False)).answered_by == f"udp://{MIRROR}:2641"
        await world.settle()
    assert loop_time() == pytest.approx(2 * 0.4 + 20 * 0.011)
    assert [exchanged.transport for exchanged in world.network.exchanges if exchanged.address == PRIMARY] == [
        Transport.UDP,
        Transport.TCP,
    ]


async def test_silent_server_is_tried_again(world: World) -> None:
    """A server that was silent is tried again after a while, and used once it answers."""
    world.silence(PRIMARY)
    await world.resolve(HANDLE, public_only=False)
    world.bring_up()
    await world.pass_time(61)
    world.shut_down(MIRROR)
    assert (await world.resolve(HANDLE, public_only=False)).answered_by.endswith(f"{PRIMARY}:2641")


async def test_udp_does_not_get_through(world: World) -> None:
    """Where UDP is silent everywhere, TCP answers, and is the first choice from then on."""
    for address in (REGISTRY, *SERVICE):
        world.services[address].behaviour.silent = frozenset({"udp"})
        world.delay(0.01, address)
    resolved = await world.resolve(HANDLE, public_only=False)
    assert resolved.answered_by.startswith("tcp://")
    await world.settle()
    asked = world.exchanges
    await world.resolve(HANDLE, public_only=False)
    assert [exchanged.transport for exchanged in world.network.exchanges[asked:]] == [Transport.TCP]


async def test_slow_server_that_answers_first(world: World) -> None:
    """A server slower than its patience may still be the one that answers."""
    world.delay(0.5, PRIMARY)
    world.silence(MIRROR)
    resolved = await world.resolve()
    assert resolved.answered_by == f"udp://{PRIMARY}:2641"
    assert loop_time() == pytest.approx(0.5)
    # The other was given up before its patience was over, which tells nothing: two ways are known, not three.
    await world.settle()
    assert len(world.health) == 2


@pytest.mark.parametrize(
    "lie",
    [
        lambda octets: b"",
        lambda octets: octets[:-1],
        lambda octets: octets + b"\0",
        lambda octets: bytes(len(octets)),
        lambda octets: octets[:4] + b"\0\0\0\0\x12\x34\x56\x78" + octets[12:],
        lambda octets: octets.replace(b"10.1/abc", b"10.1/abd"),
    ],
    ids=["nothing", "cut", "too long", "zeros", "another request id", "another handle"],
)
async def test_nonsense_from_one_of_two(lie: object, world: World) -> None:
    """A server that answers nonsense, or something else than was asked, counts as failed; the next is asked."""
    world.services[PRIMARY].behaviour.rewrite = lie  # type: ignore[assignment]
    assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"


@pytest.mark.parametrize("code", [2, 3, 4, 6, 7, 300, 301])
async def test_one_of_two_passes_the_question_on(world: World, code: int) -> None:
    """A server that cannot answer now does not keep the other from it."""
    world.services[PRIMARY].behaviour.code = ResponseCode(code)
    for _ in range(5):
        assert (await world.resolve(HANDLE, public_only=False)).answered_by == f"udp://{MIRROR}:2641"


# --- all servers fail ------------------------------------------------------------------------------------


async def test_all_are_down(world: World) -> None:
    """Where nobody answers, the error names every way that was tried."""
    world.shut_down(*SERVICE)
    with pytest.raises(NoServerAnsweredError) as failed:
        await world.resolve()
    assert {server for server, _ in failed.value.attempts} == {
        f"{transport}://{address}:2641" for transport in ("udp", "tcp") for address in SERVICE
    }


async def test_failure_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A lookup that failed is logged once, with the handle and what every server did, not once for each visitor."""
    world.shut_down(*SERVICE)
    for _ in range(3):
        with pytest.raises(NoServerAnsweredError):
            await world.resolve()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(
        f"lookup failed handle='{HANDLE}' error=udp://{PRIMARY}:2641: udp: refused; "
    )


async def test_failure_is_remembered(world: World) -> None:
    """A failure is believed for a second: meanwhile nobody asks again."""
    world.shut_down(*SERVICE)
    for _ in range(3):
        with pytest.raises(NoServerAnsweredError):
            await world.resolve()
    assert world.asked(*SERVICE) == 4
    world.bring_up()
    await world.pass_time(0.9)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve()
    await world.pass_time(0.1)
    assert await world.url() == "https://example.org/"
    assert await world.url() == "https://example.org/"


async def test_remembered_failure_does_not_grow(world: World) -> None:
    """However many visitors are told of a remembered failure, it holds on to none of them."""
    world.shut_down(*SERVICE)
    lengths = []
    for _ in range(50):
        with pytest.raises(NoServerAnsweredError) as failed:
            await world.resolve()
        lengths.append(len(list(traceback.walk_tb(failed.value.__traceback__))))
    assert lengths[-1] <= lengths[1] + 3


async def test_remembered_failure_holds_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A remembered failure does not keep alive what the visitors who met it had in their hands."""
    # pytest keeps what is logged, errors included.
    caplog.set_level(logging.CRITICAL, logger="resolver")

    class Luggage:
        pass

    async def visit() -> weakref.ref[Luggage]:
        luggage = Luggage()
        with contextlib.suppress(NoServerAnsweredError):
            await world.resolve()
        return weakref.ref(luggage)

    world.shut_down(*SERVICE)
    left_behind = await asyncio.gather(*(visit() for _ in range(3)))
    left_behind.append(await visit())
    await world.settle()
    gc.collect()
    assert [reference() for reference in left_behind] == [None] * 4


async def test_registry_is_down(world: World) -> None:
    """Where the registry does not answer, that is trouble and not absence, and asked again after five seconds."""
    world.shut_down(REGISTRY)
    for _ in range(3):
        with pytest.raises(UpstreamError):
            await world.resolve()
    assert world.exchanges == 2
    assert world.observer.counts["registry_lookup", "failed"] == 1
    world.bring_up()
    await world.pass_time(5)
    assert await world.url() == "https://example.org/"


async def test_registry_is_down_for_other_handles_too(world: World) -> None:
    """A failure of the registry is remembered for the prefix, so that its other handles do not ask again."""
    world.shut_down(REGISTRY)
    for number in range(5):
        with pytest.raises(UpstreamError):
            await world.resolve(f"10.1/{number}")
    assert world.asked(REGISTRY) == 2


async def test_deadline(world: World) -> None:
    """A lookup ends at its deadline, whatever it waits for, and leaves nothing behind."""
    world.silence(*SERVICE)
    world.resolver = world.worker(deadline_s=2.0)
    with pytest.raises(LookupTimeoutError, match="within 2 s"):
        await world.resolve()
    assert loop_time() == pytest.approx(2.0)
    await world.settle()
    assert (len(world.background), world.resolver.room.in_flight) == (0, 0)


async def test_deadline_covers_the_prefix_too(world: World) -> None:
    """The time that the prefix took is taken from the handle's."""
    world.delay(1.5, REGISTRY)
    world.silence(*SERVICE)
    world.resolver = world.worker(deadline_s=2.0)
    with pytest.raises(LookupTimeoutError):
        await world.resolve()
    assert loop_time() == pytest.approx(2.0)


@pytest.mark.parametrize("silent_s", [0.5, 1.5, 2.2, 2.9, 3.5, 4.0, 5.5])
async def test_back_from_silence(world: World, silent_s: float) -> None:
    """Where everybody was silent and then is back, a visitor who waits has his answer within two seconds of it."""
    await world.resolve()
    world.silence(*SERVICE)
    waiting = asyncio.get_running_loop().create_task(world.resolve(HANDLE, public_only=False))
    await world.pass_time(silent_s)
    world.bring_up()
    while True:
        try:
            await waiting
        except UpstreamError:
            waiting = asyncio.get_running_loop().create_task(world.resolve(HANDLE, public_only=False))
        else:
            break
    assert loop_time() - silent_s <= 2.0


async def test_all_silent(world: World) -> None:
    """Where everybody is silent, the error says that silence was the trouble."""
    world.silence(*SERVICE)
    with pytest.raises(NoServerAnsweredError) as failed:
        await world.resolve()
    assert failed.value.timed_out


# --- an old record stands in -----------------------------------------------------------------------------


async def test_old_record_after_a_failure(world: World) -> None:
    """An expired record stands in at once where every server refuses, marked as what it is."""
    await expire(world)
    world.shut_down(*SERVICE)
    resolved = await world.resolve()
    assert (url_of(resolved), resolved.stale) == (OLD, True)
    assert loop_time() == 60
    assert world.observer.counts["stale_answer", "error"] == 1


async def test_old_record_after_silence(world: World) -> None:
    """Where servers are silent, the visitor waits no longer than the stale timer."""
    await expire(world)
    world.silence(*SERVICE)
    resolved = await world.resolve()
    assert (url_of(resolved), resolved.stale) == (OLD, True)
    assert loop_time() == 60 + STALE_TIMER_S
    assert world.observer.counts["stale_answer", "timeout"] == 1


async def test_lookup_goes_on_behind_the_old_record(world: World) -> None:
    """What comes after the visitor got the old record is remembered for the next one."""
    await expire(world)
    world.delay(2.0, *SERVICE)
    assert await world.url() == OLD
    await world.pass_time(1.0)
    asked = world.exchanges
    resolved = await world.resolve()
    assert (url_of(resolved), resolved.stale) == (NEW, False)
    assert world.exchanges == asked


async def test_answer_within_the_stale_timer(world: World) -> None:
    """An answer that comes in time is better than the old record."""
    await expire(world)
    world.delay(1.0, *SERVICE)
    resolved = await world.resolve()
    assert (url_of(resolved), resolved.stale) == (NEW, False)


async def test_failure_with_an_old_record(world: World) -> None:
    """While a failure is remembered, the old record stands in without anybody being asked."""
    await expire(world)
    world.shut_down(*SERVICE)
    await world.resolve()
    asked = world.exchanges
    for _ in range(3):
        assert (await world.resolve()).stale
    assert world.exchanges == asked


async def test_recovery_from_an_old_record(world: World) -> None:
    """Once the service is back, the old record is history."""
    await expire(world)
    world.shut_down(*SERVICE)
    await world.resolve()
    world.bring_up()
    await world.pass_time(61)
    resolved = await world.resolve()
    assert (url_of(resolved), resolved.stale) == (NEW, False)


async def test_too_old_a_record(world: World) -> None:
    """A record stands in for a day, and not a second longer."""
    await expire(world)
    world.shut_down(*SERVICE)
    await world.pass_time(STALE_MAX_S - 1)
    assert (await world.resolve()).stale
    await world.pass_time(6)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve()


async def test_everything_dead_for_an_hour(world: World) -> None:
    """With every server dead, all that is remembered is still answered, an hour long."""
    handles = [f"10.1/{number}" for number in range(200)]
    for handle in handles:
        world.change(f"https://example.org/{handle}", handle=handle, ttl=60)
        await world.resolve(handle)
    world.shut_down(REGISTRY, *SERVICE)
    for _ in range(6):
        await world.pass_time(600)
        for handle in handles:
            resolved = await world.resolve(handle)
            assert (url_of(resolved), resolved.stale) == (f"https://example.org/{handle}", True)


async def test_old_prefix_record(world: World) -> None:
    """With the registry dead, the old record of the prefix still leads to its service."""
    world.change(NEW, handle="10.1/def")
    await world.resolve()
    await world.pass_time(3600)
    world.shut_down(REGISTRY)
    assert (await world.resolve("10.1/def")).stale is False
    assert world.observer.counts["stale_answer", "error"] == 1


async def test_old_prefix_record_and_a_silent_registry(world: World) -> None:
    """With the registry silent, that costs the stale timer, once in a while."""
    world.change(NEW, handle="10.1/def")
    world.change(NEW, handle="10.1/ghi")
    await world.resolve()
    await world.pass_time(3600)
    world.silence(REGISTRY)
    assert await world.url("10.1/def") == NEW
    assert loop_time() == pytest.approx(3600 + STALE_TIMER_S)


async def test_no_absence_in_place_of_trouble(world: World) -> None:
    """An absence that has expired never stands in: the handle may exist by now."""
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/new")
    await world.pass_time(30)
    world.shut_down(*SERVICE)
    with pytest.raises(UpstreamError):
        await world.resolve("10.1/new")


async def test_old_record_of_another_worker(shared_world: World) -> None:
    """After a restart an old record in Redis stands in like one in memory."""
    world = shared_world
    await expire(world)
    world.shut_down(*SERVICE)
    world.resolver = world.worker()
    assert (await world.resolve()).stale


async def test_old_record_with_redis_broken(shared_world: World) -> None:
    """With Redis and the service broken, memory answers alone."""
    world = shared_world
    assert world.redis is not None
    await expire(world)
    world.redis.broken = True
    world.shut_down(*SERVICE)
    for _ in range(3):
        resolved = await world.resolve()
        assert (url_of(resolved), resolved.stale) == (OLD, True)


# --- a service that moved --------------------------------------------------------------------------------


def move(world: World) -> None:
    """Let the service of the prefix move to another address."""
    world.shut_down(*SERVICE)
    service = world.add_prefix("10.1", NEW_HOME, record_of(HANDLE), record_of("10.1/def"))
    assert service.site == world.site(NEW_HOME)


async def test_service_moved(world: World) -> None:
    """Where all known servers of a prefix fail, its record is fetched anew, and the new server is asked."""
    await world.resolve()
    await world.pass_time(31)
    move(world)
    assert (await world.resolve("10.1/def")).answered_by == f"udp://{NEW_HOME}:2641"
    assert world.asked(REGISTRY) == 2


async def test_new_home_is_remembered(world: World) -> None:
    """From then on everybody finds the new server at once."""
    await world.resolve()
    await world.pass_time(31)
    move(world)
    await world.resolve("10.1/def")
    asked = world.exchanges
    await world.resolve("10.1/def", public_only=False)
    assert world.exchanges == asked + 1
    assert world.network.exchanges[-1].address == NEW_HOME


async def test_service_fails_soon_after_it_was_found(world: World) -> None:
    """A prefix record that was fetched a moment ago is believed: the registry is not asked for each failure."""
    await world.resolve()
    await world.pass_time(29)
    world.shut_down(*SERVICE)
    with pytest.raises(NoServerAnsweredError):
        await world.resolve("10.1/def")
    assert world.asked(REGISTRY) == 1


async def test_prefix_was_given_up(world: World) -> None:
    """A prefix that is not registered any more, and whose servers are gone, has no service."""
    await world.resolve()
    await world.pass_time(31)
    world.shut_down(*SERVICE)
    world.registry.store.delete("0.NA/10.1")
    with pytest.raises(ServiceNotFoundError, match="it is not registered"):
        await world.resolve("10.1/def")


async def test_registry_asked_anew_only_through_its_primary(world: World) -> None:
    """Whether a service moved is asked of a primary of the registry, since a mirror may not know yet."""
    await world.resolve()
    await world.pass_time(31)
    move(world)
    await world.resolve("10.1/def")
    last = [exchanged for exchanged in world.network.exchanges if exchanged.address == REGISTRY][-1]
    assert last.request.header.op_flags.AUTHORITATIVE in last.request.header.op_flags
