"""Following HS_ALIAS from one handle to the next (RFC 3651 section 3.2, as the deployed proxy does it)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from resolver.errors import AliasError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord
from resolver.resolution.service import Resolved

__all__ = ["MAX_ALIASES", "Followed", "follow_aliases"]

MAX_ALIASES = 20
"""Hops from one alias to the next; what the deployed proxy allows."""


class Followed(Struct, frozen=True):
    """The record at the end of a chain of aliases."""

    handle: Handle
    resolved: Resolved
    chain: tuple[Handle, ...]
    """The aliases on the way, the first as it was asked for; empty if there was none."""
    expires_at: float
    """When the first record on the way expires, in seconds since 1970."""
    stale: bool
    """Whether any record on the way is past its time."""


async def follow_aliases(
    handle: Handle,
    resolve: Callable[[Handle], Awaitable[Resolved]],
    alias_of: Callable[[HandleRecord], str | None],
) -> Followed:
    """Resolve ``handle``, then what it is an alias of, until a record is none.

    Raises:
        AliasError: the chain loops or is longer than ``MAX_ALIASES``.
        InvalidHandleError: an alias of something that is no handle.
        ResolverError: whatever ``resolve`` raises.
    """
    chain: list[Handle] = []
    seen: set[str] = set()
    resolved = await resolve(handle)
    expires_at, stale = resolved.expires_at, resolved.stale
    while (target := alias_of(resolved.record)) is not None:
        seen.add(handle.cache_key)
        chain.append(handle)
        handle = Handle.parse(target)
        named = [link.text for link in (*chain, handle)]
        if handle.cache_key in seen:
            raise AliasError(named, "it comes back to itself")
        if len(chain) > MAX_ALIASES:
            raise AliasError(named[: MAX_ALIASES + 1], f"the chain has more than {MAX_ALIASES} links")
        resolved = await resolve(handle)
        expires_at, stale = min(expires_at, resolved.expires_at), stale or resolved.stale
    return Followed(handle, resolved, tuple(chain), expires_at, stale)
