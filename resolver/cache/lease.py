"""One lookup for all processes that share a Redis, however many of them want the same handle at once.

Who comes first takes a lease on the handle: a key in Redis with a token of its own and a short life, which is
prolonged while the lookup goes on. The others look at that key every few milliseconds. When the lookup ends,
its outcome, good or bad, takes the place of the lease for a moment, if the token is still the same; so nobody
who waits misses it, and nobody overwrites what is not his. A process that dies leaves nothing behind: its
lease ends by itself, and one of those who wait goes on in its place. Redis failing means that everybody goes
on alone, as without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from resolver.cache.entry import Entry
from resolver.cache.outcome import Failure, Found, Outcome, decode_outcome, encode_outcome
from resolver.errors import CacheError, LookupTimeoutError, MessageFormatError, UpstreamError
from resolver.observe import Observer
from resolver.tasks import Background

__all__ = ["LEASE_S", "LeaseStore", "Leases"]

LEASE_S = 3.0
"""What a process that dies in the middle of a lookup costs those who wait for it. Much shorter, and one that is
merely out of breath would lose its lease."""

SHORTEST_LEASE_S = 0.5
"""Where lookups must be quick, a lease lives half as long as they may take: who has waited for one that nobody
prolongs has as much time for a lookup of its own."""

OUTCOME_S = 2.0
"""How long an outcome stays where the lease was; who waits looks far more often."""

MAX_STRIKES = 3
"""Failures of Redis after which everybody goes on alone; a single one may be a moment of weakness, ours or its."""

WITHDRAWAL_PAUSE_S = 0.25
WITHDRAWAL_TRIES = 40
"""How often a lease is given back until Redis hears of it; one that is frozen carries out later what it got before."""

MAX_WITHDRAWALS = 200

FIRST_PAUSE_S = 0.004
LONGEST_PAUSE_S = 0.05

_HELD = b"?"
_ENDED = b"="

TOKEN_OCTETS = 12
"""Random, behind ``_HELD``: so long is a lease, and anything else in its place is none."""


class LeaseStore(Protocol):
    """What leases need of Redis; every method raises ``CacheError`` where it is not well."""

    async def claim_lease(self, key: str, value: bytes, lease_s: float, over: bytes) -> bytes | None:
        """Write ``value`` where nothing is, or exactly ``over``; return what else is there, ``None`` if written."""

    async def extend_lease(self, key: str, value: bytes, lease_s: float) -> bool:
        """Prolong the life of ``value``, if it is still there; return whether it is."""

    async def end_lease(self, key: str, value: bytes, outcome: bytes, keep_s: float) -> bool:
        """Put ``outcome`` (nothing, if empty) in the place of ``value``, if it is still there; return whether."""


class Leases:
    """Shares lookups between processes."""

    def __init__(
        self,
        store: LeaseStore,
        background: Background,
        *,
        deadline_s: float,
        clock: Callable[[], float],
        observer: Observer | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: the Redis.
            background: tells others how lookups ended, after the answer went out.
            deadline_s: time for one lookup.
            clock: seconds since 1970.
            observer: told of each lookup that another process did for us.
        """
        self._store = store
        self._background = background
        self._lease_s = min(LEASE_S, max(SHORTEST_LEASE_S, deadline_s / 2))
        self._clock = clock
        self._observer = observer or Observer()
        self._withdrawing = 0

    async def run(
        self,
        key: str,
        work: Callable[[], Awaitable[Entry]],
        *,
        is_fresh: Callable[[Entry], bool],
        failure_until: Callable[[Entry | UpstreamError], float | None],
        ends_at: float,
    ) -> Outcome:
        """Return the result of ``work``, done here or by another process at the same time; ``Failure`` only there.

        Args:
            key: what it is about.
            work: the lookup.
            is_fresh: whether what another process found a moment ago will do.
            failure_until: until when an outcome concerns others, in seconds since 1970; ``None`` if it does not.
            ends_at: when to give up waiting, on the clock of the event loop.

        Raises:
            LookupTimeoutError: another process did not come to an end in time.
            UpstreamError: the lookup failed here.
        """
        token = _HELD + secrets.token_bytes(TOKEN_OCTETS)
        over, pause_s, has_waited, strikes = b"", FIRST_PAUSE_S, False, 0
        while True:
            try:
                there = await self._store.claim_lease(key, token, self._lease_s, over)
            except CacheError:
                strikes += 1
                if strikes < MAX_STRIKES:
                    await asyncio.sleep(pause_s)
                    continue
                self._withdraw_soon(key, token)
                begun_at = self._clock()
                return Found(await work(), begun_at)
            if there is None or there == token:  # the latter if we did not hear that it was written
                return await self._lead(key, token, work, failure_until)
            if _is_lease(there):
                has_waited = True
                if asyncio.get_running_loop().time() + pause_s > ends_at:
                    raise LookupTimeoutError("another process did not find an answer in time")
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 1.5)
                continue
            outcome = _read(key, there)
            match outcome:
                case Found(entry) if has_waited or is_fresh(entry):
                    self._observer.coalesced()
                    return outcome
                case Failure(until=until) if self._clock() < until:
                    self._observer.coalesced()
                    return outcome
            if asyncio.get_running_loop().time() > ends_at:  # somebody goes on writing what helps nobody
                raise LookupTimeoutError("another process did not find an answer in time")
            over = there

    def _withdraw_soon(self, key: str, token: bytes) -> None:
        """See to it that a lease keeps nobody waiting whose claim, or whose end, Redis may not have heard of."""
        if self._withdrawing < MAX_WITHDRAWALS:
            self._withdrawing += 1
            self._background.start(self._withdraw(key, token), name="lease-withdraw")

    async def _withdraw(self, key: str, token: bytes) -> None:
        heard = 0
        try:
            for _ in range(WITHDRAWAL_TRIES):
                await asyncio.sleep(WITHDRAWAL_PAUSE_S)
                with contextlib.suppress(CacheError):
                    await self._store.end_lease(key, token, b"", 0.0)
                    heard += 1
                if heard == 2:  # after the first, what was sent before may still have been on its way
                    return
        finally:
            self._withdrawing -= 1

    async def _lead(
        self,
        key: str,
        token: bytes,
        work: Callable[[], Awaitable[Entry]],
        failure_until: Callable[[Entry | UpstreamError], float | None],
    ) -> Found:
        begun_at = self._clock()
        keeping: list[asyncio.Task[None]] = []
        # Most lookups are over before this begins.
        timer = asyncio.get_running_loop().call_later(
            self._lease_s / 3,
            lambda: keeping.append(self._background.start(self._keep(key, token), name="lease")),
        )
        outcome, keep_s = b"", 0.0
        try:
            entry = await work()
            if failure_until(entry) is not None:
                outcome, keep_s = _ENDED + encode_outcome(key, Found(entry, begun_at)), OUTCOME_S
        except UpstreamError as error:
            until = failure_until(error)
            if until is not None:
                outcome, keep_s = _ENDED + encode_outcome(key, Failure(error, until)), until - self._clock()
            raise
        finally:
            timer.cancel()
            for task in keeping:
                task.cancel()
            self._background.start(self._end(key, token, outcome, keep_s), name="lease-end")
        return Found(entry, begun_at)

    async def _keep(self, key: str, token: bytes) -> None:
        is_ours = True
        with contextlib.suppress(CacheError):
            while is_ours:
                is_ours = await self._store.extend_lease(key, token, self._lease_s)
                await asyncio.sleep(self._lease_s / 3)

    async def _end(self, key: str, token: bytes, outcome: bytes, keep_s: float) -> None:
        try:
            await self._store.end_lease(key, token, outcome if keep_s > 0 else b"", keep_s)
        except CacheError:
            self._withdraw_soon(key, token)  # else others would wait for it as long as it lives


def _is_lease(octets: bytes) -> bool:
    """Whether a lookup is under way; what has been damaged nobody would ever put an end to."""
    return octets.startswith(_HELD) and len(octets) == len(_HELD) + TOKEN_OCTETS


def _read(key: str, octets: bytes) -> Outcome | None:
    """Read what another process left; ``None`` if nothing can be made of it."""
    try:
        return decode_outcome(key, octets.removeprefix(_ENDED))
    except MessageFormatError:
        return None
