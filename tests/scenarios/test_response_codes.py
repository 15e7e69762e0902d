"""What comes of every response code: a visitor's answer, an error for good, or a question to the next server."""

from __future__ import annotations

import pytest

from resolver.errors import (
    HandleNotFoundError,
    InvalidHandleError,
    NoServerAnsweredError,
    RefusedError,
    ResolverError,
)
from resolver.protocol.bodies import (
    Body,
    ChallengeResponse,
    ErrorResponse,
    ReferralResponse,
    ResolutionResponse,
)
from resolver.protocol.codes import ResponseCode
from tests.fakes import record_of, site_at, site_value, url_value
from tests.scenarios.world import HANDLE, MIRROR, PRIMARY, REGISTRY, World, url_of

ASK_ANOTHER = {2, 3, 4, 6, 7, 300, 301, 500}
"""After these another server may know better."""

FINAL = {5, 101, 201, 202, 400, 401, 402, 403, 404, 405, 406, 501, 502, 503, 504, 505}
"""After these no server will: the question was wrong, or needs what an anonymous resolver has not."""

ANSWERS = {1, 100, 102, 200}
REFERRALS = {302, 303}
UNKNOWN = [8, 99, 103, 203, 304, 407, 506, 777, 900, 901, 902, 2**31 - 1, 2**32 - 1]


def body_for(code: int) -> Body:
    """Return the body that goes with a code."""
    match code:
        case 1:
            return ResolutionResponse(HANDLE, (url_value(),))
        case 302 | 303:
            return ReferralResponse("", (site_value(site_at(MIRROR)),))
        case 402:
            return ChallengeResponse(bytes(16))
        case _:
            return ErrorResponse("says a test")


def answering(world: World, code: int, *addresses: str) -> None:
    """Let servers answer everything with one code."""
    for address in addresses:
        world.script(address, lambda _handle: (ResponseCode(code), body_for(code)))


def test_every_code_is_here() -> None:
    """No response code of the protocol is forgotten below, and none is in two groups."""
    assert set(ResponseCode) - {ResponseCode.NONE} == ASK_ANOTHER | FINAL | ANSWERS | REFERRALS
    assert len(ASK_ANOTHER) + len(FINAL) + len(ANSWERS) + len(REFERRALS) == len(ResponseCode) - 1


async def error_of(world: World, handle: str = HANDLE) -> ResolverError:
    """Resolve what cannot be resolved."""
    with pytest.raises(ResolverError) as raised:
        await world.resolve(handle)
    return raised.value


# --- answers ---------------------------------------------------------------------------------------------


async def test_success(world: World) -> None:
    """1: the record."""
    answering(world, 1, PRIMARY)
    assert url_of(await world.resolve()) == "https://example.org/"


async def test_success_without_values(world: World) -> None:
    """1 without values is as good as 200: the handle exists."""
    world.script(PRIMARY, lambda handle: (ResponseCode.SUCCESS, ResolutionResponse(handle, ())))
    assert (await world.resolve()).record.values == ()


async def test_handle_not_found(world: World) -> None:
    """100: no such handle, whatever another server might say."""
    answering(world, 100, PRIMARY)
    assert isinstance(await error_of(world), HandleNotFoundError)
    assert world.asked(MIRROR) == 0


async def test_invalid_handle(world: World) -> None:
    """102: the service does not take it for a handle; nobody else is asked."""
    answering(world, 102, PRIMARY)
    assert isinstance(await error_of(world), InvalidHandleError)
    assert world.asked(MIRROR) == 0


async def test_values_not_found(world: World) -> None:
    """200: the handle exists, and has no values for the public."""
    answering(world, 200, PRIMARY)
    resolved = await world.resolve()
    assert (resolved.record.handle, resolved.record.values) == (HANDLE, ())
    assert world.asked(MIRROR) == 0


# --- referrals -------------------------------------------------------------------------------------------


async def test_service_referral(world: World) -> None:
    """302: asked there."""
    answering(world, 302, PRIMARY)
    assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"


async def test_prefix_referral_for_a_prefix(world: World) -> None:
    """303 for the handle of a prefix: asked there."""
    world.script(
        REGISTRY,
        lambda _handle: (
            ResponseCode.PREFIX_REFERRAL,
            ReferralResponse("", (site_value(world.site(MIRROR), 1, "HS_SITE.PREFIX"),)),
        ),
    )
    world.script(MIRROR, lambda handle: (ResponseCode.SUCCESS, ResolutionResponse(handle, (url_value(),))))
    assert (await world.resolve("0.NA/10.1.5")).answered_by == f"udp://{MIRROR}:2641"


async def test_prefix_referral_for_no_prefix(world: World) -> None:
    """303 for any other handle: there is nothing it could refer to."""
    answering(world, 303, PRIMARY)
    error = await error_of(world)
    assert isinstance(error, RefusedError)
    assert error.code == 303


@pytest.mark.parametrize("code", sorted(REFERRALS))
async def test_referral_to_nobody(world: World, code: int) -> None:
    """302 and 303 that name nobody: trouble, and no word about the handle."""
    world.script(REGISTRY, lambda _handle: (ResponseCode(code), ReferralResponse("", None)))
    assert isinstance(await error_of(world, "0.NA/10.1.5"), NoServerAnsweredError)


# --- everything else -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(ASK_ANOTHER))
async def test_another_knows_better(world: World, code: int) -> None:
    """2, 3, 4, 6, 7, 300, 301 and 500: the next server is asked, and that one does not answer by TCP either."""
    answering(world, code, PRIMARY)
    assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"
    assert world.asked(PRIMARY) == 1


@pytest.mark.parametrize("code", sorted(ASK_ANOTHER))
async def test_nobody_knows_better(world: World, code: int) -> None:
    """Where every server says so, the error tells which said what, each once."""
    answering(world, code, PRIMARY, MIRROR)
    error = await error_of(world)
    assert isinstance(error, NoServerAnsweredError)
    assert [
        (server, refused.code) for server, refused in error.attempts if isinstance(refused, RefusedError)
    ] == [(f"udp://{address}:2641", code) for address in (PRIMARY, MIRROR)]
    assert "says a test" in str(error)


@pytest.mark.parametrize("code", sorted(ASK_ANOTHER))
async def test_busy_is_no_absence(world: World, code: int) -> None:
    """A server that cannot answer at the moment says nothing about the handle: soon it is asked again."""
    answering(world, code, PRIMARY, MIRROR)
    await error_of(world)
    world.script(PRIMARY, lambda handle: (ResponseCode.SUCCESS, ResolutionResponse(handle, (url_value(),))))
    await world.pass_time(1)
    assert await world.url() == "https://example.org/"


@pytest.mark.parametrize("code", sorted(FINAL))
async def test_final(world: World, code: int) -> None:
    """The others are for good: passed on with their code, and nobody else is bothered."""
    answering(world, code, PRIMARY)
    error = await error_of(world)
    assert isinstance(error, RefusedError)
    assert error.code == code
    assert world.asked(MIRROR) == 0


@pytest.mark.parametrize("code", UNKNOWN)
async def test_unknown(world: World, code: int) -> None:
    """A code that nobody knows is no answer: the next server is asked."""
    answering(world, code, PRIMARY)
    assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"


async def test_request_in_place_of_an_answer(world: World) -> None:
    """0, the code of requests, is no answer either: who sends a question back is not understood."""
    answering(world, 0, PRIMARY)
    assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"


@pytest.mark.parametrize("code", [100, 200])
async def test_prefix_that_the_registry_does_not_know(world: World, code: int) -> None:
    """From the registry about a prefix, 100 and 200 mean that there is no service for it."""
    answering(world, code, REGISTRY)
    error = await error_of(world, "10.77/x")
    assert isinstance(error, HandleNotFoundError)
    assert world.asked(PRIMARY, MIRROR) == 0


@pytest.mark.parametrize("code", sorted(ASK_ANOTHER | FINAL))
async def test_registry_that_cannot_answer(world: World, code: int) -> None:
    """Anything else from the registry is trouble, and no word about the prefix."""
    answering(world, code, REGISTRY)
    error = await error_of(world, "10.77/x")
    assert not isinstance(error, HandleNotFoundError)


async def test_old_meaning_of_303(world: World) -> None:
    """303 from software before 2.5 means what 7 does today: the next server is asked."""
    world.services[PRIMARY].store.put(record_of(HANDLE))
    answering(world, 303, PRIMARY)
    world.services[PRIMARY].behaviour.rewrite = lambda octets: b"\x02\x04\x02\x04" + octets[4:]
    assert (await world.resolve()).answered_by == f"udp://{MIRROR}:2641"
