"""Handle values as JSON, the form of the REST API, of ``bootstrap_handles`` files and of the demo's records.

Members, their order and when they are left out follow the deployed API to the letter: scripts that read
hdl.handle.net read this.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from resolver.errors import MessageFormatError
from resolver.model.handle import fold_ascii
from resolver.model.record import (
    DEFAULT_PERMISSIONS,
    AdminPermission,
    AdminRecord,
    HandleRecord,
    HandleValue,
    Reference,
    TtlType,
    has_type,
)
from resolver.protocol.json_sites import key_from_json, key_to_json, site_from_json, site_to_json
from resolver.protocol.keys import decode_public_key, encode_public_key
from resolver.protocol.sites import decode_site, encode_site
from resolver.protocol.text import as_text
from resolver.protocol.values import decode_admin, decode_vlist, encode_admin, encode_vlist

__all__ = [
    "SITE_TYPES",
    "record_from_json",
    "time_from_json",
    "time_to_json",
    "value_from_json",
    "value_to_json",
]

Json = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_DEFAULT_TTL = 86400
_ADMIN_DIGITS = re.compile("[01]{1,16}")

SITE_TYPES = ("HS_SITE", "HS_NA_DELEGATE")
"""Types, with their subtypes, whose data is a site record."""


def value_to_json(value: HandleValue) -> dict[str, Json]:
    """Return a handle value as the REST API shows it."""
    shown: dict[str, Json] = {
        "index": value.index,
        "type": value.type,
        "data": data_to_json(value.type, value.data),
    }
    if value.permissions != DEFAULT_PERMISSIONS:
        shown["permissions"] = f"{value.permissions:04b}"
    shown["ttl"] = value.ttl if value.ttl_type == TtlType.RELATIVE else time_to_json(value.ttl)
    if value.timestamp:
        shown["timestamp"] = time_to_json(value.timestamp)
    if value.references:
        shown["references"] = [_reference_to_json(reference) for reference in value.references]
    return shown


def data_to_json(value_type: str, data: bytes) -> dict[str, Json]:
    """Return the data of a value with its ``format``: structured if the type says so and it can be read."""
    try:
        structured = _structured_to_json(value_type, data)
    except MessageFormatError:
        structured = None
    if structured is not None:
        return structured
    text = as_text(data)
    if text is not None:
        return {"format": "string", "value": text}
    return {"format": "base64", "value": base64.b64encode(data).decode()}


def _structured_to_json(value_type: str, data: bytes) -> dict[str, Json] | None:
    folded = fold_ascii(value_type)
    if not folded.startswith("HS_"):
        return None
    if has_type(folded, "HS_ADMIN"):
        return {"format": "admin", "value": _admin_to_json(decode_admin(data))}
    if has_type(folded, "HS_VLIST"):
        return {
            "format": "vlist",
            "value": [_reference_to_json(reference) for reference in decode_vlist(data)],
        }
    if any(has_type(folded, site_type) for site_type in SITE_TYPES):
        return {"format": "site", "value": site_to_json(decode_site(data))}
    if has_type(folded, "HS_PUBKEY"):
        key = key_to_json(decode_public_key(data))
        return None if key is None else {"format": "key", "value": key}
    return None


def _admin_to_json(admin: AdminRecord) -> dict[str, Json]:
    shown: dict[str, Json] = {
        **_reference_to_json(admin.administrator),
        "permissions": f"{admin.permissions & 0xFFF:012b}",
    }
    if admin.legacy_length:
        shown["legacyByteLength"] = True
    return shown


def _reference_to_json(reference: Reference) -> dict[str, Json]:
    return {"handle": reference.handle, "index": reference.index}


def time_to_json(seconds: int) -> str:
    """Return a moment in seconds since 1970 as ``YYYY-MM-DDThh:mm:ssZ``."""
    # Not strftime: it leaves zeros out of years before 1000 on some platforms.
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


# --- reading ---------------------------------------------------------------------------------------------


def record_from_json(shown: Json) -> HandleRecord:
    """Read ``{"handle": …, "values": […]}``.

    Raises:
        MessageFormatError: a member is missing or of the wrong kind; the message says which.
    """
    match shown:
        case {"handle": str(handle), "values": list(values)}:
            try:
                return HandleRecord(handle, tuple(value_from_json(value) for value in values))
            except MessageFormatError as error:
                raise MessageFormatError(f"record {handle!r}: {error}") from error
        case _:
            raise MessageFormatError('a record must be an object with "handle" and "values"')


def value_from_json(shown: Json) -> HandleValue:
    """Read one handle value. ``data`` may be a bare string; TTL, permissions and timestamp have defaults.

    Raises:
        MessageFormatError: a member is missing or of the wrong kind.
    """
    if not isinstance(shown, Mapping):
        raise MessageFormatError(f"a value must be an object, not {shown!r}")
    index, value_type = shown.get("index"), shown.get("type")
    if not _is_i32(index) or not isinstance(value_type, str):
        raise MessageFormatError(
            f"a value needs a number as index and text as type: {index!r}, {value_type!r}"
        )
    try:
        ttl, ttl_type = _ttl_from_json(shown.get("ttl", _DEFAULT_TTL))
        return HandleValue(
            index=index,
            type=value_type,
            data=_data_from_json(shown.get("data", "")),
            ttl=ttl,
            ttl_type=ttl_type,
            permissions=_permissions_from_json(shown.get("permissions")),
            timestamp=_as_i32(time_from_json(shown["timestamp"])) if shown.get("timestamp") else 0,
            references=_references_from_json(shown.get("references") or []),
        )
    except MessageFormatError as error:
        raise MessageFormatError(f"value {index}: {error}") from error


def _is_i32(shown: Json) -> TypeGuard[int]:
    return isinstance(shown, int) and not isinstance(shown, bool) and -(2**31) <= shown < 2**31


def _storable(seconds: int) -> int:
    if not _is_i32(seconds):
        raise MessageFormatError(f"{seconds!r} seconds do not fit into the 32 bits of a value")
    return seconds


def _as_i32(seconds: int) -> int:
    """Return a moment as the signed 32 bits in which deployed servers keep it: after 2038 it reads as before 1970."""
    if not -(2**31) <= seconds < 2**32:
        raise MessageFormatError(f"{seconds!r} seconds do not fit into the 32 bits of a value")
    return (seconds + 2**31) % 2**32 - 2**31


def _ttl_from_json(shown: Json) -> tuple[int, TtlType]:
    match shown:
        case int() if not isinstance(shown, bool):
            return _storable(shown), TtlType.RELATIVE
        case str():
            return _storable(time_from_json(shown)), TtlType.ABSOLUTE
        case _:
            raise MessageFormatError(f"ttl {shown!r} is neither seconds nor a time")


def time_from_json(shown: Json) -> int:
    """Read a time, or a number of seconds, as seconds since 1970.

    Raises:
        MessageFormatError: neither.
    """
    if isinstance(shown, int) and not isinstance(shown, bool):
        return shown
    try:
        moment = datetime.fromisoformat(shown)
    except (TypeError, ValueError) as error:
        raise MessageFormatError(f"{shown!r} is no time like 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH).total_seconds())


def _permissions_from_json(shown: Json) -> int:
    match shown:
        case None:
            return DEFAULT_PERMISSIONS
        case "*":
            return 0b1111
        case str() if len(shown) == 4 and not set(shown) - {"0", "1"}:
            return int(shown, 2)
        case _:
            raise MessageFormatError(f'permissions {shown!r} are not like "1110"')


def _references_from_json(shown: Json) -> tuple[Reference, ...]:
    if not isinstance(shown, list):
        raise MessageFormatError(f"references must be a list, not {shown!r}")
    return tuple(_reference_from_json(reference) for reference in shown)


def _reference_from_json(shown: Json) -> Reference:
    match shown:
        case {"handle": str(handle), "index": index} if _is_i32(index):
            return Reference(handle, index)
        case str():
            index_text, colon, handle = shown.partition(":")
            if not colon or not (index_text.isascii() and index_text.isdecimal()):
                return Reference(shown, 0)
            if len(index_text) > 10 or not _is_i32(int(index_text)):
                raise MessageFormatError(f"index {index_text[:20]} of a reference does not fit into 32 bits")
            return Reference(handle, int(index_text))
        case _:
            raise MessageFormatError(f"{shown!r} is no reference to a handle and an index")


def _data_from_json(shown: Json) -> bytes:
    try:
        match shown:
            case str():
                return shown.encode()
            case {"format": "string", "value": str(text)}:
                return text.encode()
            case {"format": "base64", "value": str(text)}:
                return base64.b64decode(text, validate=True)
            case {"format": "hex", "value": str(text)}:
                return bytes.fromhex(text)
            case {"format": "admin", "value": {"permissions": str(digits)} as admin} if (
                _ADMIN_DIGITS.fullmatch(digits)
            ):
                return encode_admin(
                    AdminRecord(
                        AdminPermission(int(digits, 2)),
                        _reference_from_json(admin),
                        bool(admin.get("legacyByteLength", False)),
                    )
                )
            case {"format": "vlist", "value": list(references)}:
                return encode_vlist(_references_from_json(references))
            case {"format": "site", "value": site}:
                return encode_site(site_from_json(site))
            case {"format": "key", "value": key}:
                return encode_public_key(key_from_json(key))
            case _:
                pass
    except (ValueError, binascii.Error, UnicodeEncodeError) as error:
        raise MessageFormatError(f"data cannot be read: {error}") from error
    raise MessageFormatError(f"data {shown!r} has no known format")
