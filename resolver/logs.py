"""How the program logs: one line a message, as text or as JSON, which nobody outside can forge.

What a visitor or a server sent may be part of a message. Controls are therefore written out in every line, so
that it cannot pretend to be two, and the lines of a traceback are indented. Anybody can make us say the same again
and again, so only so many messages of a kind are written within a second, and long ones are cut.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

__all__ = ["JsonFormatter", "Restraint", "TextFormatter", "moment", "one_line", "start_logging"]

# Controls of either set, and what else some reader takes for the end of a line or the start of another.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

MAX_MESSAGE = 4000
"""Characters of a message; one that names two dozen servers has half of them."""

MAX_ALIKE = 100
"""Messages of one kind that are written within a second."""

MAX_KINDS = 1000
"""Kinds of messages that are counted at a time; ours have constant texts, so there are some dozens."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def one_line(text: str) -> str:
    """Return ``text`` with everything written out that could end the line or turn it around."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def moment(seconds: float) -> str:
    """Return a moment in seconds since 1970 as RFC 3339 has it, in UTC, to the millisecond."""
    thousandths = int(seconds * 1000)
    return f"{_whole_second(thousandths // 1000)}.{thousandths % 1000:03}Z"


@lru_cache(16)
def _whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class TextFormatter(logging.Formatter):
    """For people: moment, level, part of the program, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a message."""
        unsaid = f" unsaid={record.unsaid}" if hasattr(record, "unsaid") else ""
        message = one_line(_shortened(record.getMessage()))
        head = f"{moment(record.created)} {record.levelname} {record.name} {message}{unsaid}"
        trouble = _trouble(self, record)
        return "\n".join([head, *(f"    {one_line(line)}" for line in trouble.splitlines())])


class JsonFormatter(logging.Formatter):
    """For programs: one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a message; what was given as ``extra`` becomes members of their own."""
        shown: dict[str, Any] = {
            "time": moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _shortened(record.getMessage()),
            "process": record.process,
        }
        shown.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        trouble = _trouble(self, record)
        if trouble:
            shown["error"] = trouble
        return json.dumps(shown, default=str)


def _shortened(message: str) -> str:
    if len(message) <= MAX_MESSAGE:
        return message
    return f"{message[:MAX_MESSAGE]}... ({len(message) - MAX_MESSAGE} more characters)"


@dataclass(slots=True)
class _Kind:
    since: float
    count: int = 0


class Restraint(logging.Filter):
    """Lets so many messages of a kind through within a second; the next one of its kind tells how many were not.

    A kind is the constant text of a message and the part of the program that says it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether ``record`` is to be written."""
        name, now = (record.name, str(record.msg)), self._clock()
        kind = self._kinds.get(name)
        if kind is None or now - kind.since >= 1:
            if kind is not None and kind.count > MAX_ALIKE:
                record.unsaid = kind.count - MAX_ALIKE
            if len(self._kinds) >= MAX_KINDS:
                self._kinds.clear()
            kind = self._kinds[name] = _Kind(now)
        kind.count += 1
        return kind.count <= MAX_ALIKE


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    parts += [record.stack_info] if record.stack_info else []
    return "\n".join(parts)


def start_logging(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Let every message of at least ``level`` go to ``stream``, by default the error output."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Restraint())
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
