"""What was last learned of the registry, kept on disk between starts.

The file is a ``bootstrap_handles`` file as Handle.Net clients use it, so that it can be read, moved and given
to ``--bootstrap``. It also says from which data it was refreshed: that of another registry is not used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.errors import MessageFormatError, SettingsError
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.json_values import value_from_json, value_to_json
from resolver.protocol.keys import encode_public_key
from resolver.resolution.bootstrap import Registry, read_bootstrap_file

__all__ = ["SavedRegistry", "load_saved_registry", "save_registry"]

FILE_NAME = "registry.json"


@dataclass(frozen=True, slots=True)
class SavedRegistry:
    """Registry data with its age."""

    registry: Registry
    fetched_at: float
    """Seconds since 1970."""


def load_saved_registry(folder: Path, base: Registry) -> SavedRegistry | None:
    """Return what was saved, or ``None`` if there is nothing, or it goes back to another registry than ``base``.

    Raises:
        SettingsError: there is a file that cannot be read.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    registry, content = read_bootstrap_file(path, base.preferred_service)
    fetched_ms = content.get("lastUpdate")
    if content.get("basedOn") != _fingerprint(base):
        return None
    if isinstance(fetched_ms, bool) or not isinstance(fetched_ms, int | float):
        raise SettingsError(f'{path}: "lastUpdate" is no number; remove the file to begin anew')
    return SavedRegistry(registry, fetched_ms / 1000)


def save_registry(folder: Path, saved: SavedRegistry, base: Registry) -> None:
    """Write what was learned; whoever reads meanwhile sees the old file or the new one, and nothing between.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    content = {
        "lastUpdate": int(saved.fetched_at * 1000),
        "basedOn": _fingerprint(base),
        "handles": {
            record.handle: {"handle": record.handle, "values": list(map(_value, record.values))}
            for record in saved.registry.records.values()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{FILE_NAME}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, folder / FILE_NAME)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _value(value: HandleValue) -> dict[str, Any]:
    shown = value_to_json(value)
    if not _is_read_as(shown, value):  # a form that JSON has no words for; signatures cover every octet
        shown["data"] = {"format": "base64", "value": base64.b64encode(value.data).decode()}
    return shown


def _is_read_as(shown: dict[str, Any], value: HandleValue) -> bool:
    try:
        return value_from_json(shown) == value
    except MessageFormatError:
        return False


def _fingerprint(base: Registry) -> str:
    """Return what tells one registry from another: the keys of its root of trust, or else its root record."""
    octets = b"".join(sorted(encode_public_key(key) for key in base.trust_keys))
    if not octets:
        octets = repr(sorted(map(_plain, base.records.values()))).encode()
    return hashlib.sha256(octets).hexdigest()


def _plain(record: HandleRecord) -> tuple[str, list[tuple[int, bytes]]]:
    return record.handle, sorted((value.index, value.data) for value in record.values)
