"""Background work: owned, named, logged, ended."""

from __future__ import annotations

import asyncio

import pytest

from resolver.errors import TransportError
from resolver.tasks import Background


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(3):
        await asyncio.sleep(0)


async def raise_error(error: BaseException) -> None:
    raise error


async def test_work_runs_and_is_let_go() -> None:
    """Work runs under its name, its result can be had, and nothing holds it afterwards."""
    background = Background()

    async def work() -> str:
        return asyncio.current_task().get_name()  # type: ignore[union-attr]

    task = background.start(work(), name="some work")
    assert len(background) == 1
    assert await task == "some work"
    assert len(background) == 0


async def test_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in work that nobody waits for is logged once, with its name and its trace."""
    background = Background()
    background.start(raise_error(ZeroDivisionError("oops")), name="buggy")
    await settled()
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "background task failed name=buggy")
    assert record.exc_info is not None
    assert len(background) == 0


async def test_known_trouble_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error of our tree is somebody else's to log."""
    background = Background()
    task = background.start(raise_error(TransportError("refused")), name="lookup")
    await settled()
    assert isinstance(task.exception(), TransportError)
    assert caplog.records == []


async def test_cancelled_work_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Cancelled work ends in silence."""
    background = Background()
    task = background.start(asyncio.Event().wait(), name="waits")
    await settled()
    task.cancel()
    await settled()
    assert (task.cancelled(), len(background), caplog.records) == (True, 0, [])


async def test_close_waits_for_the_end() -> None:
    """``close`` cancels what runs and returns only after it has cleaned up."""
    background = Background()
    cleaned: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(number)

    for number in range(3):
        background.start(work(number), name=f"work {number}")
    await settled()
    await background.close()
    assert sorted(cleaned) == [0, 1, 2]
    assert len(background) == 0


async def test_close_ends_what_ending_work_starts() -> None:
    """Work that is begun while others end is ended too."""
    background = Background()
    last: list[asyncio.Task[bool]] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            last.append(background.start(asyncio.Event().wait(), name="afterwards"))

    background.start(work(), name="work")
    await settled()
    await background.close()
    assert last[0].cancelled()
    assert len(background) == 0


async def test_close_with_nothing_to_do() -> None:
    """Closing twice, or with nothing under way, is fine."""
    background = Background()
    await background.close()
    await background.close()
