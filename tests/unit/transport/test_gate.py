"""How many questions go to one server at a time, and in which order the others get their turn."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import CrowdedError
from resolver.transport.gate import Gate

HERE, THERE = "192.0.2.1", "192.0.2.2"


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """Visitors of a gate, and which of them are in."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[int] = []

    def send(self, number: int, where: str = HERE) -> asyncio.Task[None]:
        """Let a visitor come, who goes in as soon as he may."""

        async def visit() -> None:
            await self.gate.enter(where)
            self.inside.append(number)

        return asyncio.get_running_loop().create_task(visit())


async def test_room_for_everybody() -> None:
    """Up to the limit nobody waits, and a place where nobody is any more is forgotten."""
    gate = Gate(max_running=3, max_waiting=0)
    for _ in range(3):
        await gate.enter(HERE)
    assert len(gate) == 1
    for _ in range(3):
        gate.leave(HERE)
    assert len(gate) == 0


async def test_first_come_first_served() -> None:
    """Who waits goes in when somebody leaves, in the order they came."""
    crowd = Crowd(Gate(max_running=1, max_waiting=3))
    tasks = [crowd.send(number) for number in range(4)]
    await settle()
    for number in range(4):
        assert crowd.inside == list(range(number + 1))
        crowd.gate.leave(HERE)
        await settle()
    assert all(task.done() for task in tasks)
    assert len(crowd.gate) == 0


async def test_too_many() -> None:
    """Beyond the queue, visitors are turned away at once, and that changes nothing for the others."""
    gate = Gate(max_running=1, max_waiting=1)
    crowd = Crowd(gate)
    crowd.send(0)
    waiting = crowd.send(1)
    await settle()
    with pytest.raises(CrowdedError, match="1 questions are under way and 1 wait"):
        await gate.enter(HERE)
    gate.leave(HERE)
    await waiting
    assert crowd.inside == [0, 1]


async def test_places_do_not_matter_to_each_other() -> None:
    """A crowd at one place keeps nobody from another."""
    gate = Gate(max_running=1, max_waiting=0)
    await gate.enter(HERE)
    await gate.enter(THERE)
    assert len(gate) == 2


async def test_leaving_the_queue() -> None:
    """Who gives up waiting makes room in the queue and is not let in afterwards."""
    crowd = Crowd(Gate(max_running=1, max_waiting=2))
    crowd.send(0)
    given_up, patient = crowd.send(1), crowd.send(2)
    await settle()
    given_up.cancel()
    await settle()
    crowd.send(3)
    await settle()
    crowd.gate.leave(HERE)
    await patient
    assert crowd.inside == [0, 2]


async def test_giving_up_at_the_very_moment() -> None:
    """Who gives up when his turn has just come hands it on: no place is lost."""
    crowd = Crowd(Gate(max_running=1, max_waiting=2))
    crowd.send(0)
    unlucky, next_one = crowd.send(1), crowd.send(2)
    await settle()
    crowd.gate.leave(HERE)
    unlucky.cancel()
    await next_one
    assert crowd.inside == [0, 2]
    crowd.gate.leave(HERE)
    assert len(crowd.gate) == 0


async def test_leaving_the_queue_as_somebody_leaves() -> None:
    """Who gives up in the very moment in which his turn would come is passed over, and nobody stumbles."""
    crowd = Crowd(Gate(max_running=1, max_waiting=2))
    crowd.send(0)
    given_up, patient = crowd.send(1), crowd.send(2)
    await settle()
    given_up.cancel()
    crowd.gate.leave(HERE)
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await patient
    assert crowd.inside == [0, 2]
    crowd.gate.leave(HERE)
    assert len(crowd.gate) == 0


@given(
    st.integers(1, 3),
    st.integers(0, 3),
    st.lists(
        st.tuples(st.sampled_from(["come", "leave", "give up", "pause"]), st.integers(0, 9)), max_size=40
    ),
)
async def test_never_more_than_allowed(running: int, waiting: int, story: list[tuple[str, int]]) -> None:
    """Whoever comes, leaves and gives up in whatever order: never too many inside, and nothing is left in the end."""
    gate = Gate(running, waiting)
    inside = 0
    tasks: list[asyncio.Task[None]] = []

    async def visit(leave: asyncio.Event) -> None:
        nonlocal inside
        try:
            await gate.enter(HERE)
        except CrowdedError:
            return
        inside += 1
        assert inside <= running
        try:
            await leave.wait()
        finally:
            inside -= 1
            gate.leave(HERE)

    leaves: list[asyncio.Event] = []
    for what, who in story:
        if what == "come":
            leaves.append(asyncio.Event())
            tasks.append(asyncio.get_running_loop().create_task(visit(leaves[-1])))
        elif what == "pause":
            await asyncio.sleep(0)
        elif tasks and what == "leave":
            leaves[who % len(leaves)].set()
        elif tasks:
            tasks[who % len(tasks)].cancel()
    for leave in leaves:
        leave.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
    assert (inside, len(gate)) == (0, 0)


async def test_standing_in_line_without_waiting_there() -> None:
    """Who lines up is told when it is in, keeps its place in the order, and may give up before as well as then."""
    gate = Gate(max_running=1, max_waiting=3)
    assert gate.try_enter(HERE)
    first, second = gate.line_up(HERE), gate.line_up(HERE)
    crowd = Crowd(gate)
    last = crowd.send(3)
    await settle()
    with pytest.raises(CrowdedError):
        gate.line_up(HERE)
    gate.give_up(HERE, first)
    gate.leave(HERE)
    assert (first.cancelled(), second.done(), crowd.inside) == (True, True, [])
    gate.give_up(HERE, second)  # its turn had just come
    await last
    assert crowd.inside == [3]
    gate.leave(HERE)
    assert len(gate) == 0


async def test_going_in_at_once_or_not_at_all() -> None:
    """Who will not wait gets in while there is room, takes nobody's turn, and has to leave like others."""
    gate = Gate(max_running=2, max_waiting=1)
    crowd = Crowd(gate)
    assert [gate.try_enter(HERE) for _ in range(3)] == [True, True, False]
    assert gate.try_enter(THERE)
    task = crowd.send(7)
    await settle()
    assert crowd.inside == []
    gate.leave(HERE)
    assert not gate.try_enter(HERE)  # that was the turn of who waits
    await task
    for where in (HERE, HERE, THERE):
        gate.leave(where)
    assert len(gate) == 0
