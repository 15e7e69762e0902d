"""Asking the resolver on behalf of a visit, with what the operator decides about the host it came to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from resolver.errors import HandleNotFoundError, ServiceNotFoundError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord
from resolver.resolution.service import Resolved, Resolver
from resolver.resolution.trace import Trace
from resolver.resolution.verification import judge
from resolver.trust.chain import Verdict, verify_record
from resolver.web.parse import HandleQuery

__all__ = ["Lookups"]

JUDGING_S = 3.0
"""How long fetching the certificates of one record may take."""


class Lookups:
    """Resolves handles for one host."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        prefixes: tuple[str, ...] = (),
        retry_auth: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            resolver: shared by all hosts.
            prefixes: the only ones this host answers for, with those derived from them; empty for all.
            retry_auth: whether a handle that a mirror does not know is asked for at the primary.
            clock: seconds since 1970.
        """
        self.resolver = resolver
        self._prefixes = tuple(fold_ascii(prefix) for prefix in prefixes)
        self._retry_auth = retry_auth
        self._clock = clock

    @property
    def is_particular(self) -> bool:
        """Whether there is more to a lookup here than to resolve."""
        return bool(self._prefixes) or self._retry_auth

    async def resolve(self, handle: Handle, query: HandleQuery) -> Resolved:
        """Return the record of ``handle`` under the conditions of ``query``.

        Raises:
            ResolverError: there is none, or nobody can tell.
        """
        self.check_prefix(handle)
        try:
            return await self.resolver.resolve(
                handle,
                authoritative=query.authoritative,
                certified=query.certified,
                public_only=query.public_only,
            )
        except ServiceNotFoundError:
            raise
        except HandleNotFoundError:
            if not self._retry_auth or query.authoritative:
                raise
            return await self.resolver.resolve(handle, authoritative=True, certified=query.certified)

    async def look_anew(self, handle: Handle, query: HandleQuery, trace: Trace) -> Resolved:
        """Look ``handle`` up without its memory, and note each step in ``trace``.

        Raises:
            ResolverError: there is no record, or nobody can tell.
        """
        self.check_prefix(handle)
        return await self.resolver.look_anew(handle, authoritative=query.authoritative, trace=trace)

    async def judge(self, record: HandleRecord) -> Verdict:
        """Return what the signatures that a record carries are worth."""

        async def fetch(handle: Handle) -> HandleRecord:
            return (await self.resolver.resolve(handle, certified=True)).record

        inquiry = verify_record(record, self.resolver.registry.trust_keys, self._clock())
        try:
            async with asyncio.timeout(JUDGING_S):
                return await judge(inquiry, fetch)
        except TimeoutError:
            return Verdict(is_trusted=False, reason="the certificates could not be fetched in time")

    def check_prefix(self, handle: Handle) -> None:
        """Refuse a handle that this host does not answer for.

        Raises:
            ServiceNotFoundError: its prefix is none of ours.
        """
        if not self._prefixes:
            return
        prefix = fold_ascii(handle.described_prefix if handle.is_prefix_handle else handle.prefix)
        if not any(prefix == own or prefix.startswith(f"{own}.") for own in self._prefixes):
            raise ServiceNotFoundError(handle.text, prefix, "this host does not answer for it")
