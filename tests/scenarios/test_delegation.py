"""Services that refer to services: derived prefixes, referrals, circles, and graphs made to keep us busy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.demo.handle_service import RecordStore
from resolver.errors import (
    HandleNotFoundError,
    LookupTimeoutError,
    NoServerAnsweredError,
    ResolverError,
    ServiceNotFoundError,
    UpstreamError,
)
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Transport
from resolver.protocol.bodies import Body, ErrorResponse, ReferralResponse, ResolutionResponse
from resolver.protocol.codes import ResponseCode
from resolver.resolution.driver import MAX_EXCHANGES, MAX_UNANSWERED
from resolver.resolution.remembering import Lifetimes
from resolver.resolution.trace import Trace
from tests.fakes import record_of, service_value, site_at, site_value, url_value
from tests.scenarios.world import DEADLINE_S, HANDLE, MIRROR, PRIMARY, REGISTRY, World, loop_time, url_of

NOT_FOUND = ResponseCode.HANDLE_NOT_FOUND, ErrorResponse()
NOBODY = "203.0.113.254"
"""An address at which nobody listens."""


def knows(handle: str, *values: HandleValue) -> tuple[ResponseCode, Body]:
    """Answer with a record."""
    record = record_of(handle, *values)
    return ResponseCode.SUCCESS, ResolutionResponse(record.handle, record.values)


def refers(*values: HandleValue, handle: str = "") -> tuple[ResponseCode, Body]:
    """Answer with a service referral."""
    return ResponseCode.SERVICE_REFERRAL, ReferralResponse(handle, values or None)


# --- services found through others -----------------------------------------------------------------------


async def test_service_handle_in_the_registry(world: World) -> None:
    """A service handle is resolved like any handle, and remembered on its own for the next prefix."""
    world.registry.store.put(record_of("0.SERV/1", site_value(world.site(PRIMARY))))
    world.services[PRIMARY]._homed.update({"10.2", "10.3"})
    for prefix in ("10.2", "10.3"):
        world.register(prefix, service_value("0.SERV/1"))
        world.change("https://example.org/", handle=f"{prefix}/x")
        assert await world.url(f"{prefix}/x") == "https://example.org/"
    assert [exchanged.handle for exchanged in world.network.exchanges] == [
        "0.NA/10.2",
        "0.SERV/1",
        "10.2/x",
        "0.NA/10.3",
        "10.3/x",
    ]


async def test_service_handle_anywhere(world: World) -> None:
    """A service handle may live under any prefix, whose own service is found first."""
    world.change("", handle="10.1/serv")
    world.services[PRIMARY].store.put(record_of("10.1/serv", site_value(site_at("198.51.100.9"))))
    world.add_prefix("10.9", "198.51.100.9", record_of("10.9/x"))
    world.register("10.9", service_value("10.1/serv"))
    assert await world.url("10.9/x") == "https://example.org/"
    assert [exchanged.handle for exchanged in world.network.exchanges] == [
        "0.NA/10.9",
        "0.NA/10.1",
        "10.1/serv",
        "10.9/x",
    ]


async def test_derived_prefix(world: World) -> None:
    """A derived prefix that its parent keeps is found through the registry's referral to the parent's servers."""
    parent = world.serve(
        world.services[PRIMARY].store, "198.51.100.9", homed=("10.1", "10.1.5"), homed_derived=("10.1",)
    )
    parent.store.put(record_of("0.NA/10.1.5", site_value(world.site("198.51.100.9"))))
    parent.store.put(record_of("10.1.5/x"))
    world.registry._homed_derived.add("10")
    world.register("10.1", site_value(world.site("198.51.100.9"), 10, "HS_SITE.PREFIX"))
    assert await world.url("10.1.5/x") == "https://example.org/"
    assert [(exchanged.address, exchanged.handle) for exchanged in world.network.exchanges] == [
        (REGISTRY, "0.NA/10.1.5"),
        ("198.51.100.9", "0.NA/10.1.5"),
        ("198.51.100.9", "10.1.5/x"),
    ]
    assert world.network.exchanges[1].request.header.recursion_count == 2


async def test_recursion_is_counted_in_requests(world: World) -> None:
    """Each request tells how deep it is, so that servers that recurse can stop in time."""
    world.registry.store.put(record_of("0.SERV/1", site_value(world.site(PRIMARY))))
    world.register("10.1", service_value("0.SERV/1"))
    await world.resolve()
    assert {
        exchanged.handle: exchanged.request.header.recursion_count for exchanged in world.network.exchanges
    } == {
        "0.NA/10.1": 1,
        "0.SERV/1": 1,
        HANDLE: 0,
    }


async def test_service_referral(world: World) -> None:
    """A service may refer a handle elsewhere; the answer from there is remembered under the handle."""
    world.script(PRIMARY, lambda handle: refers(site_value(world.site(MIRROR))))
    world.script(MIRROR, knows)
    for _ in range(2):
        assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"
    assert world.exchanges == 3


async def test_trace(world: World) -> None:
    """Who wants to know how a handle is resolved is told every step, and how deep it was."""
    world.registry.store.put(
        record_of("0.SERV/1", site_value(site_at(NOBODY), 1), site_value(world.site(PRIMARY), 2))
    )
    world.register("10.1", service_value("0.SERV/1"))
    trace = Trace()
    await world.resolve(trace=trace)
    assert [(entry.depth, entry.handle) for entry in trace.entries] == [
        (1, "0.NA/10.1"),
        (1, "0.SERV/1"),
        (0, HANDLE),
        (0, HANDLE),
    ]
    refused, answered = trace.entries[2:]
    assert (refused.server, refused.outcome, refused.succeeded) == (
        f"udp://{NOBODY}:2641",
        "udp: refused",
        False,
    )
    assert (answered.server, answered.outcome, answered.succeeded) == (
        f"udp://{PRIMARY}:2641",
        "SUCCESS",
        True,
    )


async def test_missing_service_handle_is_absence(world: World) -> None:
    """A prefix whose only service handle is missing has no service, and that is remembered like any absence."""
    world.register("10.2", service_value("10.1/gone"))
    for _ in range(2):
        with pytest.raises(ServiceNotFoundError):
            await world.resolve("10.2/x")
    with pytest.raises(HandleNotFoundError):
        await world.resolve("10.1/gone")
    assert world.exchanges == 3
    assert url_of(await world.resolve()) == "https://example.org/"


# --- circles ---------------------------------------------------------------------------------------------


async def test_service_that_needs_itself(world: World) -> None:
    """A prefix whose service handle lives under that very prefix has no service."""
    world.register("10.2", service_value("10.2/serv"))
    with pytest.raises(ServiceNotFoundError):
        await world.resolve("10.2/x")
    with pytest.raises(ServiceNotFoundError):
        await world.resolve("10.2/serv")
    assert world.exchanges <= 4
    assert loop_time() < 1


async def test_two_services_that_need_each_other(world: World) -> None:
    """Nor have two prefixes whose service handles live under each other, whoever of them is asked for, or both."""
    world.register("10.2", service_value("10.3/serv"))
    world.register("10.3", service_value("10.2/serv"))
    for handle in ("10.2/x", "10.3/x", "10.2/serv", "10.3/serv"):
        with pytest.raises(ServiceNotFoundError):
            await world.resolve(handle)
    assert world.exchanges <= 8
    assert loop_time() < 1


async def test_circle_with_a_way_out(world: World) -> None:
    """A circle does not hide a site beside it."""
    world.register("10.2", service_value("10.3/serv"), site_value(world.site(PRIMARY)))
    world.register("10.3", service_value("10.2/serv"))
    world.services[PRIMARY]._homed.add("10.2")
    world.change("https://example.org/", handle="10.2/x")
    assert await world.url("10.2/x") == "https://example.org/"


async def test_circle_is_no_absence_for_who_can_do_without(world: World) -> None:
    """A service handle that was cut off from within a circle is found when it is asked for from outside."""
    world.add_prefix("10.2", "198.51.100.9", record_of("10.2/serv", site_value(site_at("198.51.100.10"))))
    world.register("10.2", service_value("10.3/serv", 1), site_value(world.site("198.51.100.9"), 2))
    world.register("10.3", service_value("10.2/serv"))
    world.serve(RecordStore([record_of("10.3/serv")]), "198.51.100.10", homed=("10.3",))
    await world.resolve("10.2/serv")
    assert (await world.resolve("10.3/serv")).record == record_of("10.3/serv")


async def test_referral_of_a_prefix_to_itself(world: World) -> None:
    """A registry that refers a prefix handle to that very handle gets an end at once, not a wait for ourselves."""
    world.script(REGISTRY, lambda handle: refers(handle="0.NA/10.2"))
    with pytest.raises(ResolverError):
        await world.resolve("0.NA/10.2")
    assert loop_time() < 1


async def test_prefixes_that_refer_to_each_other(world: World) -> None:
    """Two prefix handles referred to each other end, also when both are asked for at once and wait for each other."""
    other = {"0.NA/10.2": "0.NA/10.3", "0.NA/10.3": "0.NA/10.2"}
    world.script(REGISTRY, lambda handle: refers(handle=other[handle]))
    results = await asyncio.gather(*(world.resolve(handle) for handle in other), return_exceptions=True)
    assert all(isinstance(result, ResolverError) for result in results)
    assert loop_time() <= DEADLINE_S


async def test_referrals_in_a_circle(world: World) -> None:
    """Two services that refer to each other are left after so many times."""
    world.script(PRIMARY, lambda handle: refers(site_value(world.site(MIRROR))))
    world.script(MIRROR, lambda handle: refers(site_value(world.site(PRIMARY))))
    with pytest.raises(NoServerAnsweredError, match="without end"):
        await world.resolve()
    assert world.asked(PRIMARY, MIRROR) == 11


RING = {HANDLE: "10.1/a", "10.1/a": "10.1/b", "10.1/b": "10.1/a"}


def refer_in_a_circle(world: World) -> None:
    """Let both servers of the service refer each handle to another one of the same prefix, round and round."""
    for address in (PRIMARY, MIRROR):
        world.script(address, lambda handle: refers(handle=RING[handle]))


async def test_handles_referred_to_in_a_circle(world: World) -> None:
    """A service whose referrals lead back to themselves gave no usable answer: trouble, and no absence."""
    refer_in_a_circle(world)
    with pytest.raises(NoServerAnsweredError, match="referred"):
        await world.resolve()
    assert world.exchanges <= 8
    assert loop_time() < 1


async def test_circle_counts_no_longer_than_a_failure(world: World) -> None:
    """Who refers in a circle is asked again as soon as one that failed; for a moment nobody else asks it."""
    usual = world.services[PRIMARY]
    refer_in_a_circle(world)
    with pytest.raises(UpstreamError):
        await world.resolve()
    world.network.add(PRIMARY, usual)
    asked = world.exchanges
    with pytest.raises(UpstreamError):
        await world.resolve()
    assert world.exchanges == asked
    await world.pass_time(Lifetimes().failure)
    assert await world.url() == "https://example.org/"


async def test_circle_leaves_the_last_known_answer(world: World) -> None:
    """A record past its time stands in for a service that refers in a circle, for everybody and at once."""
    await world.resolve()
    await world.pass_time(Lifetimes().record_max)
    refer_in_a_circle(world)
    for _ in range(2):
        resolved = await world.resolve()
        assert (url_of(resolved), resolved.stale) == ("https://example.org/", True)
    assert loop_time() < Lifetimes().record_max + 1


async def test_circle_tells_nothing_about_the_handles_in_it(world: World) -> None:
    """What is referred to on the way round is not taken for missing, nor for failed, when asked for on its own."""
    for address in (PRIMARY, MIRROR):
        world.script(
            address,
            lambda handle: refers(handle="10.1/a") if handle == HANDLE else knows(handle, url_value()),
        )
    with pytest.raises(UpstreamError):
        await world.resolve()
    assert await world.url("10.1/a") == "https://example.org/"


async def test_registry_refers_in_a_circle(world: World) -> None:
    """A registry that refers in a circle is in trouble: no prefix counts as unregistered for it."""
    usual = world.registry
    world.script(REGISTRY, lambda handle: refers(handle=handle))
    with pytest.raises(UpstreamError):
        await world.resolve()
    world.network.add(REGISTRY, usual)
    await world.pass_time(Lifetimes().failure)
    assert await world.url() == "https://example.org/"


async def test_referral_to_a_service_that_does_not_exist(world: World) -> None:
    """Nor is a handle missing whose server refers to a service that nobody knows."""
    await world.resolve()
    await world.pass_time(Lifetimes().record_max)
    for address in (PRIMARY, MIRROR):
        world.script(address, lambda handle: refers(handle="10.9/no-such-service"))
    assert (await world.resolve()).stale
    with pytest.raises(NoServerAnsweredError, match="referred"):
        await world.resolve("10.1/new")


# --- graphs made to keep us busy -------------------------------------------------------------------------


def expensive(world: World, prefix: str, *, then: str, at: str | None = None) -> None:
    """Register a prefix whose services take more questions than anybody may cause, and lead to ``then`` at last.

    They are at as many addresses where nobody is, or all ``at`` one.
    """
    handles = []
    for number in range(19):
        below = f"{prefix}.{number}"
        world.register(below, site_value(site_at(at or f"203.0.113.{100 + number}")))
        handles.append(f"{below}/serv")
    world.register(prefix, *(service_value(handle, n) for n, handle in enumerate([*handles, then])))


async def test_quota(world: World) -> None:
    """One visitor's request causes forty questions at most, whatever records refer to."""
    expensive(world, "10.66", then="10.1/serv")
    with pytest.raises(ResolverError):
        await world.resolve("10.66/x")
    assert world.exchanges == MAX_EXCHANGES


async def test_nobody_is_flooded(world: World) -> None:
    """However often records name one address, it gets twelve questions of a request if it does not answer."""
    expensive(world, "10.66", then="10.1/serv", at=NOBODY)
    with pytest.raises(ResolverError):
        await world.resolve("10.66/x")
    registry = 1 + 19
    assert (
        world.exchanges == registry + MAX_UNANSWERED + 2
    )  # the others are those of the handle that is found


async def test_quota_is_spent_once(world: World) -> None:
    """That a handle costs more than the quota is remembered like any failure: asking again costs nothing."""
    expensive(world, "10.66", then="10.1/serv")
    for _ in range(3):
        with pytest.raises(UpstreamError):
            await world.resolve("10.66/x")
    assert world.exchanges == MAX_EXCHANGES


async def test_spent_quota_is_nobody_elses_fault(world: World) -> None:
    """Where one visitor's quota ran out, the prefix that was not asked for any more is not taken for broken."""
    expensive(world, "10.66", then="10.1/serv")
    with pytest.raises(ResolverError):
        await world.resolve("10.66/x")
    assert await world.url(HANDLE) == "https://example.org/"


async def test_spent_quota_is_no_servers_fault(world: World) -> None:
    """Servers that were not asked because the quota was spent are not counted as failing."""
    expensive(world, "10.66", then="10.1/serv")
    with pytest.raises(ResolverError):
        await world.resolve("10.66/x")
    asked = {(exchanged.transport, exchanged.address) for exchanged in world.network.exchanges}
    assert len(world.health) == len(asked)


def slow_then_good(world: World) -> None:
    """Register a prefix that takes almost all the time there is, and then leads to a good one."""
    slow = "198.51.100.66"
    world.serve(RecordStore(), slow)
    world.register("10.66", service_value("10.67/serv", 1), service_value("10.1/serv", 2))
    world.register("10.67", site_value(site_at(slow, transports=[Transport.UDP])))
    world.delay(0.04, REGISTRY)
    world.delay(DEADLINE_S - 0.1, slow)


async def test_spent_time_is_nobody_elses_fault(world: World) -> None:
    """Where a visitor's time ran out while another prefix was asked for, that prefix is not taken for broken."""
    slow_then_good(world)
    with pytest.raises(LookupTimeoutError):
        await world.resolve("10.66/x")
    assert world.network.exchanges[-1].handle == "0.NA/10.1"
    assert await world.url(HANDLE) == "https://example.org/"


async def test_time_of_one_visitor_is_not_that_of_another(world: World) -> None:
    """Who comes to share a question with a visitor whose time is almost up has all of his own."""
    slow_then_good(world)
    late = asyncio.get_running_loop().create_task(world.resolve("10.66/x"))
    await world.pass_time(DEADLINE_S - 0.01)
    assert await world.url(HANDLE) == "https://example.org/"
    with pytest.raises(LookupTimeoutError):
        await late


async def test_depth_is_nobody_elses_fault(world: World) -> None:
    """Where a chain of services was too long, its last link is not taken for unregistered by everybody else."""
    length = MAX_EXCHANGES
    for number in range(length):
        last = number == length - 1
        world.register(
            f"10.200.{number}", service_value("10.1/serv" if last else f"10.200.{number + 1}/serv")
        )
    for _ in range(2):
        with pytest.raises(ResolverError):
            await world.resolve("10.200.0/x")
    assert await world.url(HANDLE) == "https://example.org/"


PREFIXES = [f"10.{number}" for number in range(6)]
ADDRESSES = [f"198.51.100.{number}" for number in range(100, 106)]

sites = st.sampled_from([*ADDRESSES, NOBODY, REGISTRY]).map(site_at)
handles = st.one_of(
    st.sampled_from(PREFIXES).flatmap(lambda prefix: st.sampled_from([f"{prefix}/{name}" for name in "abc"])),
    st.sampled_from([*(f"0.NA/{prefix}" for prefix in PREFIXES), "0.NA/0.NA", "0.SERV/1"]),
)
values = st.lists(
    st.one_of(
        st.builds(site_value, sites, value_type=st.sampled_from(["HS_SITE", "HS_SITE.6", "HS_SITE.PREFIX"])),
        st.builds(service_value, handles, value_type=st.sampled_from(["HS_SERV", "HS_SERV.PREFIX"])),
        st.just(url_value()),
        st.just(HandleValue(7, "HS_SITE", b"broken")),
    ),
    min_size=1,
    max_size=5,
).map(tuple)
answers = st.one_of(
    st.tuples(st.just("knows"), values, st.just("")),
    st.tuples(st.just("refers"), values, st.just("")),
    st.tuples(st.just("refers"), st.just(()), handles),
    st.tuples(st.just("refers prefix"), values, st.just("")),
    st.tuples(st.just("refers prefix"), st.just(()), handles),
    st.tuples(st.sampled_from(["missing", "busy", "refused"]), st.just(()), st.just("")),
)
behaviours = st.sampled_from(["answers", "answers", "answers", "down", "silent", "slow"])


@pytest.mark.timeout(600)  # with the profile for afternoons
@given(
    script=st.dictionaries(
        st.tuples(
            st.sampled_from([REGISTRY, *ADDRESSES]),
            st.one_of(handles, st.sampled_from([f"0.NA/{prefix}" for prefix in PREFIXES])),
        ),
        answers,
        min_size=5,
        max_size=40,
    ),
    behaviour=st.dictionaries(st.sampled_from([REGISTRY, *ADDRESSES]), behaviours),
    asked=st.lists(handles, min_size=1, max_size=3),
    authoritative=st.booleans(),
)
async def test_any_graph(
    script: dict[tuple[str, str], tuple[str, tuple[HandleValue, ...], str]],
    behaviour: dict[str, str],
    asked: list[str],
    *,
    authoritative: bool,
) -> None:
    """Whatever refers to what, each lookup ends in time, with a record or an error, after forty questions at most."""
    world = World()
    try:
        for address in (REGISTRY, *ADDRESSES):
            world.script(address, _by(script, address))
            match behaviour.get(address):
                case "down":
                    world.shut_down(address)
                case "silent":
                    world.silence(address)
                case "slow":
                    world.delay(0.3, address)
        for handle in asked:
            exchanges, began_at = world.exchanges, loop_time()
            with contextlib.suppress(ResolverError):
                resolved = await world.resolve(handle, authoritative=authoritative)
                assert isinstance(resolved.record, HandleRecord)
            assert world.exchanges - exchanges <= MAX_EXCHANGES
            assert loop_time() - began_at <= DEADLINE_S + 0.3
        await world.settle()
        assert world.resolver.room.in_flight == 0
        assert len(world.background) == 0
    finally:
        await world.close()


def _by(script: dict[tuple[str, str], tuple[str, tuple[HandleValue, ...], str]], address: str) -> Any:
    def answer(handle: str) -> tuple[ResponseCode, Body]:
        kind, values, target = script.get((address, handle), ("missing", (), ""))
        match kind:
            case "knows":
                return knows(handle, *values)
            case "refers":
                return refers(*values, handle=target)
            case "refers prefix":
                return ResponseCode.PREFIX_REFERRAL, ReferralResponse(target, values or None)
            case "busy":
                return ResponseCode.SERVER_BUSY, ErrorResponse("busy")
            case "refused":
                return ResponseCode.INSUFFICIENT_PERMISSIONS, ErrorResponse("no")
            case _:
                return NOT_FOUND

    return answer
