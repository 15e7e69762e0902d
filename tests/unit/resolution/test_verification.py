"""Judging a record: the inquiry gets the records it asks for, and what cannot be had."""

from __future__ import annotations

import pytest

from resolver.errors import HandleNotFoundError, ResolverError, TransportError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord
from resolver.resolution.verification import judge
from resolver.trust.chain import Inquiry, Verdict
from tests.fakes import record_of

TRUSTED = Verdict(is_trusted=True, reason="")
RECORDS = {name: record_of(name) for name in ("0.NA/1", "0.NA/2")}


class Clerk:
    """An inquiry that asks for handles and keeps what it gets."""

    def __init__(self, *wanted: str) -> None:
        self.wanted = wanted
        self.got: list[HandleRecord | None] = []
        self.closed = False

    def inquire(self) -> Inquiry:
        try:
            for name in self.wanted:
                self.got.append((yield name))
        finally:
            self.closed = True
        return TRUSTED


async def fetch(handle: Handle) -> HandleRecord:
    """Return a record that is there."""
    if handle.text in RECORDS:
        return RECORDS[handle.text]
    raise HandleNotFoundError(handle.text)


async def test_nothing_wanted() -> None:
    """An inquiry that needs nothing has its verdict at once."""
    assert await judge(Clerk().inquire(), fetch) is TRUSTED


async def test_records_in_turn() -> None:
    """Each record is fetched when it is asked for, and handed over."""
    clerk = Clerk("0.NA/1", "0.NA/2", "0.NA/1")
    assert await judge(clerk.inquire(), fetch) is TRUSTED
    assert clerk.got == [RECORDS["0.NA/1"], RECORDS["0.NA/2"], RECORDS["0.NA/1"]]


@pytest.mark.parametrize("error", [HandleNotFoundError("x"), TransportError("refused"), ResolverError("x")])
async def test_record_that_cannot_be_had(error: ResolverError) -> None:
    """A record that cannot be had is nothing, and not the record before it."""

    async def failing(handle: Handle) -> HandleRecord:
        if handle.text == "0.NA/2":
            raise error
        return await fetch(handle)

    clerk = Clerk("0.NA/1", "0.NA/2", "0.NA/1")
    await judge(clerk.inquire(), failing)
    assert clerk.got == [RECORDS["0.NA/1"], None, RECORDS["0.NA/1"]]


@pytest.mark.parametrize("name", ["", "x" * 3000, "\ud800"])
async def test_what_is_no_handle(name: str) -> None:
    """So is one whose name is no handle."""
    clerk = Clerk(name)
    await judge(clerk.inquire(), fetch)
    assert clerk.got == [None]


async def test_bug() -> None:
    """What is not in the tree of our errors goes through, and the inquiry has been closed."""

    async def broken(_: Handle) -> HandleRecord:
        raise KeyError("bug")

    clerk = Clerk("0.NA/1")
    with pytest.raises(KeyError):
        await judge(clerk.inquire(), broken)
    assert clerk.closed
