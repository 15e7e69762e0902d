"""Judging a record by its signatures, with the certificates fetched on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from resolver.errors import InvalidHandleError, ResolverError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord
from resolver.trust.chain import Inquiry, Verdict

__all__ = ["judge"]

Fetch = Callable[[Handle], Awaitable[HandleRecord]]


async def judge(inquiry: Inquiry, fetch: Fetch) -> Verdict:
    """Let ``inquiry`` have the records it asks for, and return its verdict; what cannot be had is not trusted."""
    record: HandleRecord | None = None
    try:
        wanted = next(inquiry)
        while True:
            try:
                record = await fetch(Handle.parse(wanted))
            except (InvalidHandleError, ResolverError):
                record = None
            wanted = inquiry.send(record)
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict
    finally:
        inquiry.close()
