"""Reads wanted together are done together, and nobody's trouble is anybody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from resolver.cache.batches import MAX_KEYS, MAX_READS, Batches
from resolver.errors import CacheError


class Store:
    """Answers when it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[str], int]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.running = self.most_running = 0
        self.trouble: Exception | None = None

    async def read(self, keys: Sequence[str], wanted_by: int) -> Sequence[bytes | None]:
        """Return the name of each key as its value; there is none for those that begin with a minus."""
        self.asked.append((keys, wanted_by))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.may_answer.wait()
            if self.trouble is not None:
                raise self.trouble
            return [None if key.startswith("-") else key.encode() for key in keys]
        finally:
            self.running -= 1


async def test_one_tick_is_one_read() -> None:
    """Keys wanted in the same turn of the loop are read at once, each once, and everybody gets his own value."""
    store = Store()
    batches = Batches(store.read)
    found = await asyncio.gather(*(batches.get(key) for key in ("a", "b", "a", "-c")))
    assert found == [b"a", b"b", b"a", None]
    assert store.asked == [(("a", "b", "-c"), 4)]


async def test_later_ones_are_read_anew() -> None:
    """A value is never older than the question for it."""
    store = Store()
    batches = Batches(store.read)
    assert await batches.get("a") == b"a"
    store.may_answer.clear()
    waiting = asyncio.gather(batches.get("a"))
    await asyncio.sleep(0.01)
    later = asyncio.gather(batches.get("a"))
    await asyncio.sleep(0.01)
    assert len(store.asked) == 3
    store.may_answer.set()
    assert await waiting == await later == [b"a"]


async def test_reads_grow_while_others_are_under_way() -> None:
    """Only a few reads run side by side; what is wanted meanwhile is read together when one of them returns."""
    store = Store()
    store.may_answer.clear()
    batches = Batches(store.read)
    waiting = []
    for number in range(20):
        waiting.append(asyncio.gather(batches.get(f"key-{number}")))
        await asyncio.sleep(0.001)
    store.may_answer.set()
    assert [(await one)[0] for one in waiting] == [f"key-{number}".encode() for number in range(20)]
    assert store.most_running == MAX_READS
    assert len(store.asked) == MAX_READS + 1


async def test_reads_are_bounded() -> None:
    """Many keys at once are read in pieces."""
    store = Store()
    batches = Batches(store.read)
    await asyncio.gather(*(batches.get(f"key-{number}") for number in range(3 * MAX_KEYS)))
    assert max(len(keys) for keys, _ in store.asked) == MAX_KEYS
    assert len(store.asked) == 3


async def test_trouble_is_everybodys() -> None:
    """Where the read fails, all who waited for it learn so, and the next one is tried again."""
    store = Store()
    batches = Batches(store.read)
    store.trouble = CacheError("redis get: nothing")
    found = await asyncio.gather(*(batches.get(key) for key in "abc"), return_exceptions=True)
    assert [str(error) for error in found] == ["redis get: nothing"] * 3
    assert {type(error) for error in found} == {CacheError}
    store.trouble = None
    assert await batches.get("a") == b"a"


@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_whoever_reads_for_all_may_leave(turns: int) -> None:
    """A visitor who leaves while the read for several is his does not take their answer along."""
    store = Store()
    store.may_answer.clear()
    batches = Batches(store.read)
    tasks = [asyncio.get_running_loop().create_task(batches.get(key)) for key in "abc"]
    for _ in range(turns):
        await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    store.may_answer.set()
    assert await asyncio.gather(*tasks[1:]) == [b"b", b"c"]
    assert tasks[0].cancelled()


async def test_who_waits_may_leave() -> None:
    """One who only waited is not missed."""
    store = Store()
    store.may_answer.clear()
    batches = Batches(store.read)
    tasks = [asyncio.get_running_loop().create_task(batches.get(key)) for key in "abc"]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    store.may_answer.set()
    assert await tasks[0] == b"a"
    assert await tasks[2] == b"c"
