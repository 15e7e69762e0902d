"""Who is responsible, and what each of them says: questions of an operator rather than of a visitor."""

from __future__ import annotations

import pytest

from resolver.errors import (
    HandleNotFoundError,
    LookupTimeoutError,
    NoServerAnsweredError,
    ServiceNotFoundError,
    UpstreamError,
)
from resolver.model.handle import Handle
from resolver.resolution.trace import Trace
from tests.fakes import service_value
from tests.scenarios.world import DEADLINE_S, HANDLE, MIRROR, PRIMARY, REGISTRY, World, loop_time

NAME = Handle(HANDLE)


async def test_locate(world: World) -> None:
    """The sites of a service are found without asking them."""
    assert await world.resolver.locate(NAME) == (world.site(PRIMARY), world.site(MIRROR))
    assert world.asked(PRIMARY, MIRROR) == 0


async def test_locate_what_is_remembered(world: World) -> None:
    """What is remembered of the prefix is used, and what was learned is remembered."""
    for _ in range(3):
        await world.resolver.locate(NAME)
    await world.resolve()
    assert world.asked(REGISTRY) == 1


async def test_locate_the_registry(world: World) -> None:
    """For the handle of a prefix that is the registry."""
    assert await world.resolver.locate(Handle("0.NA/10.1")) == (world.site(REGISTRY),)
    assert world.exchanges == 0


async def test_locate_nobody(world: World) -> None:
    """Nobody is responsible for a prefix that is not registered."""
    with pytest.raises(ServiceNotFoundError):
        await world.resolver.locate(Handle("10.77/x"))


async def test_locate_in_a_circle(world: World) -> None:
    """Nor for one whose service needs itself."""
    world.register("10.2", service_value("10.2/serv"))
    with pytest.raises(ServiceNotFoundError):
        await world.resolver.locate(Handle("10.2/x"))
    assert loop_time() < 1


async def test_locate_without_the_registry(world: World) -> None:
    """That the registry is silent is trouble, and ends in time."""
    world.silence(REGISTRY)
    with pytest.raises(UpstreamError):
        await world.resolver.locate(NAME)
    assert loop_time() <= DEADLINE_S


@pytest.mark.parametrize("address", [PRIMARY, MIRROR])
async def test_each_site(world: World, address: str) -> None:
    """A site is asked and nobody else, the registry included."""
    answer = await world.resolver.ask_site(NAME, world.site(address))
    assert (answer.answered_by, answer.authoritative) == (
        f"udp://{address}:2641",
        address == PRIMARY,
    )
    assert [exchanged.address for exchanged in world.network.exchanges] == [address]


async def test_nothing_is_remembered(world: World) -> None:
    """What one site says is not what everybody gets."""
    await world.resolver.ask_site(NAME, world.site(MIRROR))
    await world.resolver.ask_site(NAME, world.site(MIRROR))
    assert world.asked(MIRROR) == 2
    assert len(world.cache) == 0


async def test_site_that_does_not_know(world: World) -> None:
    """A site that does not know the handle says so for itself alone."""
    with pytest.raises(HandleNotFoundError):
        await world.resolver.ask_site(Handle("10.1/missing"), world.site(MIRROR))
    assert world.asked(PRIMARY) == 0


async def test_site_that_is_down(world: World) -> None:
    """Nobody answers in the place of a site that is down, and its trouble is nobody else's."""
    world.shut_down(MIRROR)
    with pytest.raises(NoServerAnsweredError):
        await world.resolver.ask_site(NAME, world.site(MIRROR))
    assert world.asked(PRIMARY) == 0
    assert await world.url() == "https://example.org/"


async def test_site_that_is_silent(world: World) -> None:
    """A silent site costs the deadline at most."""
    world.silence(MIRROR)
    world.resolver = world.worker(deadline_s=1.0)
    with pytest.raises(LookupTimeoutError):
        await world.resolver.ask_site(NAME, world.site(MIRROR))
    assert loop_time() == pytest.approx(1.0)


async def test_trace(world: World) -> None:
    """Both tell who was asked."""
    trace = Trace()
    (primary, _) = await world.resolver.locate(NAME, trace=trace)
    await world.resolver.ask_site(NAME, primary, trace=trace)
    assert [(entry.server, entry.handle) for entry in trace.entries] == [
        (f"udp://{REGISTRY}:2641", "0.NA/10.1"),
        (f"udp://{PRIMARY}:2641", HANDLE),
    ]


async def test_trace_of_what_is_remembered(world: World) -> None:
    """A look into memory is a step as well."""
    await world.resolve()
    trace = Trace()
    await world.resolver.locate(NAME, trace=trace)
    assert [(entry.server, entry.handle, entry.outcome) for entry in trace.entries] == [
        (None, "0.NA/10.1", "remembered")
    ]
