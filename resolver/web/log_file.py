"""Lines that go to a file, or to standard output, without holding up whoever writes them.

They are collected for a moment and written together. Another program may move the file away at any time: a new
one is begun then. A disk that is full costs lines, and never an answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

from resolver.errors import SettingsError

__all__ = ["LogFile"]

logger = logging.getLogger(__name__)

COLLECT_S = 0.1
MAX_COLLECTED = 500
"""Lines that are written at once, however little time has passed."""

COMPLAINT_PAUSE_S = 60.0


class LogFile:
    """Takes lines."""

    def __init__(self, path: Path | None) -> None:
        """Open the file at ``path``; ``None`` stands for standard output.

        Raises:
            SettingsError: it cannot be written.
        """
        self._path = path
        self._descriptor = -1
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._complained_at = 0.0
        try:
            self._open()
        except OSError as error:
            raise SettingsError(f"access log {path}: {error.strerror}") from error

    def write(self, line: str) -> None:
        """Write a line soon; at once where no event loop runs."""
        self._lines.append(line)
        if len(self._lines) >= MAX_COLLECTED:
            self.flush()
        elif self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(COLLECT_S, self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        text = "\n".join(self._lines) + "\n"
        self._lines.clear()
        try:
            if self._path is None:
                sys.stdout.write(text)
                sys.stdout.flush()
                return
            self._open()
            # Several processes append to the file: in one piece, so that no line is torn.
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError) as error:
            if time.monotonic() - self._complained_at > COMPLAINT_PAUSE_S:
                self._complained_at = time.monotonic()
                logger.warning("access log cannot be written path=%s error=%s", self._path, error)

    def _open(self) -> None:
        """See that the file which bears the name is the one that is open."""
        if self._path is None or (self._descriptor >= 0 and self._is_in_place(self._path)):
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o640)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor

    def _is_in_place(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Write what is left, and close the file."""
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
