"""Handle values on the wire, and the two kinds of data that are made of references (RFC 3651 sections 3.1, 3.2)."""

from __future__ import annotations

import struct
import sys

from resolver.model.record import AdminPermission, AdminRecord, HandleValue, Reference
from resolver.protocol.wire import Cursor, write_bytes, write_list, write_reference

__all__ = [
    "SMALLEST_VALUE",
    "decode_admin",
    "decode_value_list",
    "decode_vlist",
    "encode_admin",
    "encode_value",
    "encode_value_list",
    "encode_vlist",
    "read_value",
]

SMALLEST_VALUE = 26
"""Octets of a value without type, data and references: what a claimed number of values is checked against."""

# Index, timestamp, TTL type, TTL, permissions, and the length of the type.
_HEAD = struct.Struct("!iiBiBi")
_SMALLEST_REFERENCE = 8
_LEGACY_ADMIN_TAIL = 2


def _read_reference(cursor: Cursor) -> Reference:
    return Reference(cursor.text(), cursor.i32())


def read_value(cursor: Cursor) -> HandleValue:
    """Read one handle value.

    Raises:
        MessageFormatError: cut short, or a length that cannot be.
    """
    index, timestamp, ttl_type, ttl, permissions, type_length = cursor.fields(_HEAD)
    # A few dozen types name all the values there are: one string for each saves memory in the cache.
    value_type = sys.intern(cursor.announced(type_length).decode("utf-8", "replace"))
    data = cursor.octets()
    references = cursor.list_of(_read_reference, _SMALLEST_REFERENCE)
    return HandleValue(index, value_type, data, ttl, ttl_type, permissions & 0x0F, timestamp, references)


def encode_value(value: HandleValue) -> bytes:
    """Write one handle value."""
    value_type = value.type.encode("utf-8", "surrogatepass")
    return b"".join(
        (
            _HEAD.pack(
                _signed(value.index),
                _signed(value.timestamp),
                value.ttl_type,
                _signed(value.ttl),
                value.permissions,
                len(value_type),
            ),
            value_type,
            write_bytes(value.data),
            write_list(write_reference(reference.handle, reference.index) for reference in value.references),
        )
    )


def _signed(number: int) -> int:
    """Return the number with the same four octets that the field holds as deployed software reads it."""
    return ((number + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def decode_value_list(octets: bytes) -> tuple[HandleValue, ...]:
    """Read a count and that many values, and nothing after them.

    Raises:
        MessageFormatError: the octets are anything else.
    """
    cursor = Cursor(octets)
    values = cursor.list_of(read_value, SMALLEST_VALUE)
    cursor.expect_end("the last value")
    return values


def encode_value_list(values: tuple[HandleValue, ...]) -> bytes:
    """Write a count and the values."""
    return write_list(encode_value(value) for value in values)


def decode_admin(data: bytes) -> AdminRecord:
    """Read the data of an HS_ADMIN value: permissions, then the administrator (the order in which it is deployed).

    Raises:
        MessageFormatError: cut short, or anything but the two legacy octets after the index.
    """
    cursor = Cursor(data)
    permissions = AdminPermission(cursor.u16())
    administrator = _read_reference(cursor)
    legacy = cursor.remaining == _LEGACY_ADMIN_TAIL
    if not legacy:
        cursor.expect_end("an HS_ADMIN value")
    return AdminRecord(permissions, administrator, legacy)


def encode_admin(admin: AdminRecord) -> bytes:
    """Write the data of an HS_ADMIN value."""
    tail = bytes(_LEGACY_ADMIN_TAIL) if admin.legacy_length else b""
    reference = write_reference(admin.administrator.handle, admin.administrator.index)
    return admin.permissions.to_bytes(2, "big") + reference + tail


def decode_vlist(data: bytes) -> tuple[Reference, ...]:
    """Read the data of an HS_VLIST value.

    Raises:
        MessageFormatError: cut short, or octets left over.
    """
    cursor = Cursor(data)
    references = cursor.list_of(_read_reference, _SMALLEST_REFERENCE)
    cursor.expect_end("an HS_VLIST value")
    return references


def encode_vlist(references: tuple[Reference, ...]) -> bytes:
    """Write the data of an HS_VLIST value."""
    return write_list(write_reference(reference.handle, reference.index) for reference in references)
