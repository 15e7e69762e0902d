"""What is remembered about a handle: its record, or that it does not exist; and for how long it counts.

Both tiers keep the same octets, so that what one worker wrote another can read, today's version or the
next: the schema number is part of the key and of the entry. Redis is shared and may hold anything, so what
comes out of it is checked field by field, and against the handle that was asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from resolver.errors import MessageFormatError
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord
from resolver.protocol.values import decode_value_list, encode_value_list

__all__ = ["KEY_ROOT", "SCHEMA", "Absence", "CachedRecord", "Entry", "decode_entry", "encode_entry"]

SCHEMA = 1
"""Changes whenever old entries must not be read any more."""

KEY_ROOT = f"hdl:{SCHEMA}"
"""What the names of all our keys in Redis begin with."""


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """The full public record of a handle."""

    record: HandleRecord
    fetched_at: float
    """Seconds since 1970."""
    lifetime_s: float
    """Seconds from ``fetched_at`` during which it counts as fresh."""
    answered_by: str = ""
    namespace: Namespace | None = None

    @property
    def expires_at(self) -> float:
        """Seconds since 1970 until which it is fresh."""
        return self.fetched_at + self.lifetime_s


@dataclass(frozen=True, slots=True)
class Absence:
    """That a handle, or a service for its prefix, does not exist."""

    fetched_at: float
    lifetime_s: float
    missing_prefix: str | None = None
    """The prefix without a service; ``None`` if the service exists and does not know the handle."""
    reason: str = ""
    namespace: Namespace | None = None

    @property
    def expires_at(self) -> float:
        """Seconds since 1970 until which it counts."""
        return self.fetched_at + self.lifetime_s


Entry = CachedRecord | Absence


_NamespaceFields = tuple[str, str, str, tuple[str, ...], bool, bool]


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    schema: int
    key: str
    fetched_at: float
    lifetime_s: float
    handle: str | None
    values: bytes
    answered_by: str
    missing_prefix: str | None
    reason: str
    namespace: _NamespaceFields | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


MAX_KNOWN_ENTRIES = 1024
"""Entries kept in readable form: the records of busy prefixes are read for each of their handles."""

USUAL_OCTETS = 4096
"""Longest entry that is kept so, for all of them together to take some megabytes at most."""


def encode_entry(key: str, entry: Entry) -> bytes:
    """Write an entry for the cache key it belongs to."""
    namespace = None if entry.namespace is None else _namespace_fields(entry.namespace)
    match entry:
        case CachedRecord(record, fetched_at, lifetime_s, answered_by, _):
            values = encode_value_list(record.values)
            stored = _Stored(
                SCHEMA, key, fetched_at, lifetime_s, record.handle, values, answered_by, None, "", namespace
            )
        case Absence(fetched_at, lifetime_s, missing_prefix, reason, _):
            stored = _Stored(
                SCHEMA, key, fetched_at, lifetime_s, None, b"", "", missing_prefix, reason, namespace
            )
    return _encoder.encode(stored)


def _namespace_fields(namespace: Namespace) -> _NamespaceFields:
    return (
        namespace.status,
        namespace.status_message,
        namespace.contact,
        namespace.location_handles,
        namespace.stops_inheritance,
        namespace.has_template,
    )


def decode_entry(key: str, octets: bytes) -> Entry:
    """Read the entry of a cache key.

    Raises:
        MessageFormatError: not an entry, of another schema, or of another key.
    """
    return _usual_entry(key, octets) if len(octets) <= USUAL_OCTETS else _decode(key, octets)


def _decode(key: str, octets: bytes) -> Entry:
    try:
        stored = _decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The latter two are what msgspec lets through: text that is no UTF-8, and endless nesting.
        raise MessageFormatError(f"cached octets are no entry: {error}") from error
    if stored.schema != SCHEMA or stored.key != key:
        raise MessageFormatError("cached entry is of another schema or another handle")
    if not (0 <= stored.fetched_at < math.inf and 0 <= stored.lifetime_s < math.inf):
        raise MessageFormatError("cached entry has times that cannot be")
    namespace = Namespace(*stored.namespace) if stored.namespace is not None else None
    if stored.handle is None:
        return Absence(stored.fetched_at, stored.lifetime_s, stored.missing_prefix, stored.reason, namespace)
    record = HandleRecord(stored.handle, decode_value_list(stored.values))
    return CachedRecord(record, stored.fetched_at, stored.lifetime_s, stored.answered_by, namespace)


_usual_entry = lru_cache(MAX_KNOWN_ENTRIES)(_decode)
