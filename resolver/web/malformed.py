"""What is logged of connections that bring no HTTP: one line a second at most, without address and traceback.

Anybody can send nonsense, as often as the network allows. aiohttp would write a traceback for each, with the
address of the visitor in front, and let whoever wants to fill our disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

__all__ = ["MALFORMED", "SERVER_LOGGER", "MalformedRequests"]

PAUSE_S = 1.0
SERVER_LOGGER = "aiohttp.server"


class MalformedRequests(logging.Filter):
    """Shortens what the HTTP server says about requests that it cannot read; all else passes as it is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._quiet_until = float("-inf")
        self._unsaid = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether ``record`` is to be logged, after making it short."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | RequestPayloadError):
            return True
        now = self._clock()
        if now < self._quiet_until:
            self._unsaid += 1
            return False
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = "request that cannot be read error=%s unsaid=%d"
        record.args = (type(error).__name__, self._unsaid)
        record.exc_info = record.exc_text = None
        self._quiet_until, self._unsaid = now + PAUSE_S, 0
        return True


MALFORMED = MalformedRequests()
"""The one of this process, since there is one logger."""
