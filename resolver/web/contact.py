"""Whom a visitor may write to about a handle, found without keeping the visitor waiting."""

from __future__ import annotations

import asyncio

from resolver.errors import ResolverError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord
from resolver.protocol.namespaces import namespace_of
from resolver.protocol.text import strict_text
from resolver.resolution.service import Resolver

__all__ = ["find_contact"]

PATIENCE_S = 0.3
MAX_LENGTH = 200
MAX_PREFIXES = 4


async def find_contact(resolver: Resolver, asked: str) -> str:
    """Return the e-mail address of whoever is responsible for the prefix of a handle, or an empty text.

    The prefix's own policy counts first, then the EMAIL of its record, then the same of the prefixes that it
    derives from.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            prefix = Handle.parse(asked).prefix
            for _ in range(MAX_PREFIXES):
                resolved = await resolver.resolve(Handle.parse(f"0.NA/{prefix}"))
                contact = _contact_in(resolved.record)
                prefix, dot, _ = prefix.rpartition(".")
                if contact or not dot:
                    return contact
    except (ResolverError, TimeoutError):
        return ""
    return ""


def _contact_in(record: HandleRecord) -> str:
    namespace = namespace_of(record.values)
    candidates = [namespace.contact if namespace else ""]
    candidates += [
        strict_text(value.data) or "" for value in record.values if fold_ascii(value.type) == "EMAIL"
    ]
    return next((text.strip() for text in candidates if "@" in text and len(text) <= MAX_LENGTH), "")
