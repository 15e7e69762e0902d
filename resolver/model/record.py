"""Handle values and records, and how a query chooses among the values of a record (RFC 3651 section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag

from msgspec import Struct

from resolver.model.handle import fold_ascii

__all__ = [
    "DEFAULT_PERMISSIONS",
    "AdminPermission",
    "AdminRecord",
    "HandleRecord",
    "HandleValue",
    "Permission",
    "Reference",
    "TtlType",
    "has_type",
    "matches_type_query",
    "select_values",
]


class Permission(IntFlag):
    """Who may do what with a value; the upper four bits of the octet mean nothing."""

    PUBLIC_WRITE = 0x01
    PUBLIC_READ = 0x02
    ADMIN_WRITE = 0x04
    ADMIN_READ = 0x08


_PUBLIC_READ = int(Permission.PUBLIC_READ)
DEFAULT_PERMISSIONS = Permission.ADMIN_READ | Permission.ADMIN_WRITE | Permission.PUBLIC_READ


class TtlType(IntEnum):
    """How the TTL of a value counts. Any other number on the wire means: already expired."""

    RELATIVE = 0
    """Seconds after retrieval."""
    ABSOLUTE = 1
    """Seconds since 1970 UTC."""


class AdminPermission(IntFlag):
    """What an administrator named by ``HS_ADMIN`` may do (RFC 3651 section 3.2.1 with errata)."""

    ADD_HANDLE = 0x0001
    DELETE_HANDLE = 0x0002
    ADD_DERIVED_PREFIX = 0x0004
    DELETE_DERIVED_PREFIX = 0x0008
    MODIFY_VALUE = 0x0010
    REMOVE_VALUE = 0x0020
    ADD_VALUE = 0x0040
    MODIFY_ADMIN = 0x0080
    REMOVE_ADMIN = 0x0100
    ADD_ADMIN = 0x0200
    READ_VALUE = 0x0400
    LIST_HANDLES = 0x0800
    LIST_DERIVED_PREFIXES = 0x1000


class Reference(Struct, frozen=True):
    """A pointer to one value of a handle; index 0 means any value."""

    handle: str
    index: int

    def __str__(self) -> str:
        return f"{self.index}:{self.handle}"


class AdminRecord(Struct, frozen=True):
    """The data of an ``HS_ADMIN`` value."""

    permissions: AdminPermission
    administrator: Reference
    legacy_length: bool = False
    """Written by software up to 7.3 with two octets more, which digests cover."""


class HandleValue(Struct, frozen=True):
    """One value of a handle (RFC 3651 section 3.1)."""

    index: int
    type: str
    data: bytes
    ttl: int = 86400
    """Seconds, or a moment in seconds since 1970: ``ttl_type`` says which. May be negative."""
    ttl_type: int = TtlType.RELATIVE
    permissions: int = DEFAULT_PERMISSIONS
    timestamp: int = 0
    """Last change in seconds since 1970, signed as the deployed servers read it; 0 means not known."""
    references: tuple[Reference, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether anybody may read the value."""
        return bool(self.permissions & _PUBLIC_READ)

    def lifetime_s(self, now: float) -> float:
        """Seconds that this value may be kept when it is fetched at ``now``; never negative."""
        if self.ttl_type == TtlType.RELATIVE:
            return float(self.ttl) if self.ttl > 0 else 0.0
        return max(0.0, self.ttl - now) if self.ttl_type == TtlType.ABSOLUTE else 0.0


class HandleRecord(Struct, frozen=True):
    """A handle with its values, in the order in which the server keeps them."""

    handle: str
    values: tuple[HandleValue, ...]

    def of_type(self, *types: str) -> tuple[HandleValue, ...]:
        """Return the values whose type is exactly one of ``types``, in record order."""
        return tuple(value for value in self.values if value.type in types)

    def lifetime_s(self, now: float, longest_s: float) -> float:
        """Seconds that the record may be kept: the shortest of its values' lifetimes, at most ``longest_s``."""
        return min([longest_s, *[value.lifetime_s(now) for value in self.values]])


def has_type(value_type: str, wanted: str) -> bool:
    """Return whether a value of ``value_type`` is a ``wanted``: that type or a subtype of it, case ignored.

    ``URL.METADATA`` is a ``URL``; ``URLX`` is not.
    """
    value_type, wanted = fold_ascii(value_type), fold_ascii(wanted)
    return value_type == wanted or value_type.startswith(wanted + ".")


def matches_type_query(value_type: str, query: str) -> bool:
    """Return whether ``query`` of a request asks for ``value_type``; a trailing dot asks for the family."""
    if query.endswith("."):
        return has_type(value_type, query[:-1])
    return fold_ascii(value_type) == fold_ascii(query)


def select_values(
    values: Iterable[HandleValue], types: Iterable[str], indexes: Iterable[int]
) -> tuple[HandleValue, ...]:
    """Return the values that a query with ``types`` and ``indexes`` asks for: their union, or all of them.

    RFC 3652 section 3.2.1: an empty list of both restricts nothing.
    """
    types, indexes = tuple(types), frozenset(indexes)
    if not types and not indexes:
        return tuple(values)
    return tuple(
        value
        for value in values
        if value.index in indexes or any(matches_type_query(value.type, query) for query in types)
    )
