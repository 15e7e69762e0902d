"""The files that pages need, read once at the start and served from memory."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from resolver.errors import SettingsError

__all__ = ["StaticFile", "load_static_files"]

MAX_FILE_OCTETS = 4 * 1024 * 1024

_TYPES = {".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file and how it is sent."""

    content: bytes
    content_type: str
    etag: str


def load_static_files(folders: list[Path]) -> dict[str, StaticFile]:
    """Read ``static/`` of each folder; a file of an earlier folder replaces that of a later one.

    Raises:
        SettingsError: a file cannot be read, or is too large to keep in memory.
    """
    found: dict[str, StaticFile] = {}
    for folder in reversed(folders):
        root = folder / "static"
        for path in sorted(root.rglob("*")) if root.is_dir() else []:
            if path.is_file():
                found[path.relative_to(root).as_posix()] = _load(path)
    return found


def _load(path: Path) -> StaticFile:
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            raise SettingsError(f"static file {path} is larger than {MAX_FILE_OCTETS} octets")
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"static file {path} cannot be read: {error.strerror}") from error
    guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(content, guessed, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
