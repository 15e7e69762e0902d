"""Nonsense on the public port leaves a line a second in the log, and nobody's address."""

from __future__ import annotations

import logging
import sys

from aiohttp.http_exceptions import BadStatusLine

from resolver.web.malformed import PAUSE_S, MalformedRequests
from tests.fakes import FakeClock


def record(error: Exception) -> logging.LogRecord:
    """Return what the HTTP server logs about an error."""
    try:
        raise error
    except type(error):
        return logging.LogRecord(
            "aiohttp.server",
            logging.ERROR,
            "",
            0,
            "Error handling request from %s",
            ("192.0.2.7",),
            sys.exc_info(),
        )


def test_malformed_requests_are_one_short_line() -> None:
    """What could not be read is told without traceback, address, or anything that was sent."""
    said = record(BadStatusLine("<script>"))
    assert MalformedRequests(FakeClock()).filter(said)
    text = logging.Formatter("%(levelname)s %(message)s").format(said)
    assert text == "WARNING request that cannot be read error=BadStatusLine unsaid=0"


def test_a_flood_is_counted() -> None:
    """Within a second only the first is told; the next one says how many were not."""
    clock = FakeClock()
    requests = MalformedRequests(clock)
    assert [requests.filter(record(BadStatusLine())) for _ in range(5)] == [True, False, False, False, False]
    clock.advance(PAUSE_S)
    said = record(BadStatusLine())
    assert requests.filter(said)
    assert said.getMessage().endswith("unsaid=4")


def test_bugs_keep_their_traceback() -> None:
    """Anything else is told as it is, as often as it comes."""
    requests = MalformedRequests(FakeClock())
    for _ in range(3):
        said = record(ZeroDivisionError())
        assert requests.filter(said)
        assert said.exc_info
        assert said.levelno == logging.ERROR
