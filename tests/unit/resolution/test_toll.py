"""Whoever is served pays, in every task that belongs to the request, and in no other."""

from __future__ import annotations

import asyncio

import pytest

from resolver.errors import TooManyRequestsError
from resolver.resolution.toll import Kind, charge, pay_from
from resolver.tasks import Background


async def test_nobody_pays_by_default() -> None:
    """Where nothing is limited, work costs nothing."""
    charge("miss")


async def test_tasks_of_a_request_pay_from_its_account() -> None:
    """What a request begins is on its account; what another one does is not."""
    paid: dict[str, list[Kind]] = {"a": [], "b": []}

    async def work() -> None:
        await asyncio.sleep(0)
        charge("miss")

    async def request(name: str) -> None:
        pay_from(paid[name].append)
        charge("auth")
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(work())

    async with asyncio.TaskGroup() as group:
        group.create_task(request("a"))
        group.create_task(request("b"))
    assert paid == {"a": ["auth", "miss", "miss"], "b": ["auth", "miss", "miss"]}
    charge("miss")
    assert len(paid["a"]) + len(paid["b"]) == 6


async def test_who_cannot_pay() -> None:
    """The account has the last word."""

    def refuse(_kind: Kind) -> None:
        raise TooManyRequestsError("nothing left")

    async def request() -> None:
        pay_from(refuse)
        with pytest.raises(TooManyRequestsError):
            charge("miss")

    background = Background()
    await background.start(request(), name="request")
