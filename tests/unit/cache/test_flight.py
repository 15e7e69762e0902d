"""One piece of work for many who wait: shared results, shared errors, and who may leave."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from resolver.cache import flight
from resolver.cache.flight import SingleFlight
from resolver.errors import ClosingError, TransportError
from resolver.tasks import Background
from tests.fakes import RecordingObserver


class Work:
    """Work that ends when a test says so, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        self.ended += 1
        return self.begun


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    """What owns the work; nothing of it is left afterwards."""
    owner = Background()
    yield owner
    await owner.close()


@pytest.fixture
def flights(background: Background) -> SingleFlight[int]:
    return SingleFlight(background)


async def begin(
    flights: SingleFlight[int], work: Work, count: int, key: str = "key"
) -> list[asyncio.Task[int]]:
    """Let ``count`` callers wait for ``work``."""
    tasks = [asyncio.get_running_loop().create_task(flights.run(key, work)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_ten_callers_one_piece_of_work(background: Background) -> None:
    """Ten callers of one key begin one piece of work, nine of them are counted, and all get its result."""
    observer = RecordingObserver()
    flights: SingleFlight[int] = SingleFlight(background, observer)
    work = Work()
    callers = await begin(flights, work, 10)
    assert len(flights) == 1
    work.may_end.set()
    assert await asyncio.gather(*callers) == [1] * 10
    assert (work.begun, len(flights), len(background)) == (1, 0, 0)
    assert observer.counts["coalesced",] == 9


async def test_other_keys_do_not_wait(flights: SingleFlight[int]) -> None:
    """Different keys are different work."""
    slow, quick = Work(), Work()
    quick.may_end.set()
    (waiting,) = await begin(flights, slow, 1, "slow")
    assert await flights.run("quick", quick) == 1
    assert not waiting.done()
    slow.may_end.set()
    assert await waiting == 1


async def test_ended_work_is_not_shared(flights: SingleFlight[int]) -> None:
    """Who comes after the end begins anew."""
    work = Work()
    work.may_end.set()
    assert [await flights.run("key", work), await flights.run("key", work)] == [1, 2]


async def test_one_leaves_nine_stay(flights: SingleFlight[int]) -> None:
    """A caller who is cancelled leaves the other nine, and the work, alone."""
    work = Work()
    leaver, *others = await begin(flights, work, 10)
    leaver.cancel()
    await settled()
    assert leaver.cancelled()
    work.may_end.set()
    assert await asyncio.gather(*others) == [1] * 9


async def test_first_leaves(flights: SingleFlight[int]) -> None:
    """Even if everybody leaves, the work is done: its result is worth remembering."""
    work = Work()
    callers = await begin(flights, work, 3)
    for caller in callers:
        caller.cancel()
    await settled()
    assert all(caller.cancelled() for caller in callers)
    work.may_end.set()
    await settled()
    assert (work.ended, len(flights)) == (1, 0)


async def test_error_reaches_all(flights: SingleFlight[int]) -> None:
    """Work that fails fails for everybody, and is not remembered here."""
    work = Work()
    work.error = TransportError("nobody home")
    callers = await begin(flights, work, 3)
    work.may_end.set()
    assert await asyncio.gather(*callers, return_exceptions=True) == [work.error] * 3
    assert len(flights) == 0


async def test_error_nobody_waits_for(flights: SingleFlight[int], caplog: pytest.LogCaptureFixture) -> None:
    """Work that fails in a known way after everybody left causes no noise."""
    work = Work()
    work.error = TransportError("nobody home")
    (leaver,) = await begin(flights, work, 1)
    leaver.cancel()
    work.may_end.set()
    await settled()
    assert (len(flights), caplog.records) == (0, [])


async def test_too_many_waiters(flights: SingleFlight[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when enough wait already is turned away at once; those who wait are not disturbed."""
    monkeypatch.setattr(flight, "MAX_WAITERS", 3)
    work = Work()
    callers = await begin(flights, work, 3)
    with pytest.raises(ClosingError):
        await flights.run("key", work)
    work.may_end.set()
    assert await asyncio.gather(*callers) == [1] * 3


async def test_who_left_makes_room(flights: SingleFlight[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers who left do not count any more."""
    monkeypatch.setattr(flight, "MAX_WAITERS", 3)
    work = Work()
    leaver, *others = await begin(flights, work, 3)
    leaver.cancel()
    await settled()
    others += await begin(flights, work, 1)
    work.may_end.set()
    assert await asyncio.gather(*others) == [1] * 3


async def test_waiters_of_the_past_do_not_count(
    flights: SingleFlight[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work begun the moment its forerunner ends counts its own waiters, not those that are just leaving."""
    monkeypatch.setattr(flight, "MAX_WAITERS", 3)
    first, second = Work(), Work()
    task = flights.start("key", first)
    early = await begin(flights, first, 3)
    task.add_done_callback(lambda _: flights.start("key", second))
    first.may_end.set()
    assert await asyncio.gather(*early) == [1] * 3
    late = await begin(flights, second, 3)
    refused = (await begin(flights, second, 1))[0]
    await settled()
    assert refused.done()
    assert isinstance(refused.exception(), ClosingError)
    second.may_end.set()
    assert await asyncio.gather(*late) == [1] * 3


async def test_shutdown(flights: SingleFlight[int], background: Background) -> None:
    """Where the work is ended because the process stops, those who wait are told, not cancelled."""
    callers = await begin(flights, Work(), 3)
    await background.close()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [ClosingError] * 3
    assert len(flights) == 0


async def test_caller_cancelled_at_shutdown(flights: SingleFlight[int], background: Background) -> None:
    """A caller who is cancelled together with the work stays cancelled: whoever did it waits for that."""
    (caller,) = await begin(flights, Work(), 1)
    caller.cancel()
    await background.close()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_settle(flights: SingleFlight[int]) -> None:
    """``settle`` waits for work under way, however it ends, and not at all where there is none."""
    await flights.settle("key")
    work = Work()
    work.error = TransportError("nobody home")
    (caller,) = await begin(flights, work, 1)
    settling = asyncio.get_running_loop().create_task(flights.settle("key"))
    await settled()
    assert not settling.done()
    work.may_end.set()
    await settling
    with pytest.raises(TransportError):
        await caller


async def test_settle_can_be_left(flights: SingleFlight[int]) -> None:
    """Who gives up settling does not end the work."""
    work = Work()
    (caller,) = await begin(flights, work, 1)
    settling = asyncio.get_running_loop().create_task(flights.settle("key"))
    await settled()
    settling.cancel()
    await settled()
    work.may_end.set()
    assert await caller == 1


async def test_start_does_not_wait(flights: SingleFlight[int]) -> None:
    """``start`` begins work, or returns what runs already, and later callers join it."""
    work = Work()
    task = flights.start("key", work)
    assert flights.start("key", work) is task
    (caller,) = await begin(flights, work, 1)
    work.may_end.set()
    assert (await caller, await task, work.begun) == (1, 1, 1)


# --- announced, and brought by somebody else -------------------------------------------------------------


async def test_what_was_announced_arrives(background: Background) -> None:
    """Who wants what was announced waits for it, begins no work of its own, and is counted."""
    observer = RecordingObserver()
    flights: SingleFlight[int] = SingleFlight(background, observer)
    flights.announce("key")
    work = Work()
    callers = await begin(flights, work, 3)
    assert "key" in flights
    assert (len(flights), work.begun, observer.counts["coalesced",]) == (1, 0, 3)
    flights.land("key", 7)
    assert await asyncio.gather(*callers) == [7] * 3
    assert (len(flights), work.begun, len(background)) == (0, 0, 0)


async def test_who_leaves_before_it_arrives(flights: SingleFlight[int]) -> None:
    """A caller who is cancelled leaves the others what was announced."""
    flights.announce("key")
    leaver, *others = await begin(flights, Work(), 3)
    leaver.cancel()
    await settled()
    flights.land("key", 7)
    assert await asyncio.gather(*others) == [7] * 2
    assert leaver.cancelled()


async def test_diverted(flights: SingleFlight[int]) -> None:
    """What does not come is worked for instead, once, for those who wait and those who come then."""
    flights.announce("key")
    work = Work()
    callers = await begin(flights, Work(), 2)
    flights.divert("key", work)
    callers += await begin(flights, Work(), 2)
    work.may_end.set()
    assert await asyncio.gather(*callers) == [1] * 4
    assert (work.begun, len(flights)) == (1, 0)


async def test_diverted_for_who_comes_then(flights: SingleFlight[int]) -> None:
    """Where nobody waits any more the work is begun all the same: who was told of the detour comes for it."""
    flights.announce("key")
    (leaver,) = await begin(flights, Work(), 1)
    leaver.cancel()
    await settled()
    work = Work()
    flights.divert("key", work)
    callers = await begin(flights, Work(), 1)
    work.may_end.set()
    assert await asyncio.gather(*callers) == [1]
    assert (work.begun, len(flights)) == (1, 0)


async def test_diverted_in_vain(flights: SingleFlight[int]) -> None:
    """Where the work fails, it fails for all of them."""
    flights.announce("key")
    work = Work()
    work.error = TransportError("nobody home")
    callers = await begin(flights, work, 3)
    flights.divert("key", work)
    work.may_end.set()
    assert await asyncio.gather(*callers, return_exceptions=True) == [work.error] * 3
    assert len(flights) == 0


async def test_diverted_in_vain_for_nobody(flights: SingleFlight[int]) -> None:
    """Where all have left by then, nobody is told that it failed, nor does asyncio complain of that."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda *complaint: complaints.append(complaint))
    flights.announce("key")
    work = Work()
    work.error = TransportError("nobody home")
    (leaver,) = await begin(flights, work, 1)
    flights.divert("key", work)
    leaver.cancel()
    work.may_end.set()
    await settled()
    gc.collect()  # what nobody looked at complains when it goes
    assert (len(flights), complaints) == (0, [])


async def test_diverted_and_stopped(flights: SingleFlight[int], background: Background) -> None:
    """Where the process stops meanwhile, those who wait are told so, not cancelled."""
    flights.announce("key")
    callers = await begin(flights, Work(), 3)
    flights.divert("key", Work())
    await settled()
    await background.close()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [ClosingError] * 3
    assert len(flights) == 0
