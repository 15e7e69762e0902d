"""What the program logs: one line a message, in either form, that nobody outside can forge."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.logs import (
    MAX_ALIKE,
    MAX_KINDS,
    MAX_MESSAGE,
    JsonFormatter,
    Restraint,
    TextFormatter,
    moment,
    one_line,
    start_logging,
)
from tests.fakes import FakeClock

FORGED = "harmless\n2026-01-01T00:00:00.000Z INFO resolver all is well\r\x1b[2J\u2028\u202e\x85"


def record_of(message: str, *args: object, **more: object) -> logging.LogRecord:
    """Return a record as a logger would make it."""
    record = logging.LogRecord("resolver.part", logging.WARNING, __file__, 1, message, args, None)
    record.created = 1_767_225_600.25
    for name, value in more.items():
        setattr(record, name, value)
    return record


def with_traceback(text: str) -> logging.LogRecord:
    """Return a record of an error with this text."""
    record = record_of("it failed")
    try:
        raise ValueError(text)
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def test_text_is_for_people() -> None:
    """Moment, level, part of the program, message."""
    line = TextFormatter().format(record_of("server did not answer server=%s", "192.0.2.1"))
    assert line == "2026-01-01T00:00:00.250Z WARNING resolver.part server did not answer server=192.0.2.1"


def test_json_is_for_programs() -> None:
    """The same as members of an object, with what was given beside the message."""
    shown = json.loads(JsonFormatter().format(record_of("answered", handle="10.1/x", tries=2)))
    assert shown.pop("process")
    assert shown == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "resolver.part",
        "message": "answered",
        "handle": "10.1/x",
        "tries": 2,
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@given(text=st.text() | st.just(FORGED))
def test_a_message_is_one_line(formatter: logging.Formatter, text: str) -> None:
    """Whatever a visitor makes us say, it is one line, without controls."""
    line = formatter.format(record_of("said %s", text))
    assert len(line.splitlines()) == 1
    assert not set(line) & set("\x1b\x07\u202e\x85\x7f")
    line.encode()


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_a_traceback_cannot_pretend_to_be_a_message(formatter: logging.Formatter) -> None:
    """The text of an error may hold the lines of a message; they are not at the beginning of a line."""
    lines = formatter.format(with_traceback(FORGED)).splitlines()
    assert not [line for line in lines[1:] if not line.startswith("    ")]
    if isinstance(formatter, JsonFormatter):
        assert len(lines) == 1
        assert "ValueError: harmless" in json.loads(lines[0])["error"]
    else:
        assert any("ValueError: harmless" in line for line in lines)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_long_messages_are_cut(formatter: logging.Formatter) -> None:
    """Whatever a server answers, a line stays of a length that people can read; what is left out is counted."""
    line = formatter.format(record_of("server said %s", "x" * 1_000_000))
    assert len(line) < MAX_MESSAGE + 200
    assert f"({1_000_000 + len('server said ') - MAX_MESSAGE} more characters)" in line
    assert "more characters" not in formatter.format(record_of("%s", "x" * MAX_MESSAGE))


def test_a_flood_of_messages_is_held_back() -> None:
    """Of messages alike so many are written within a second; the next one after it tells how many were not."""
    clock = FakeClock()
    restraint = Restraint(clock)

    def say(text: str, *args: object) -> logging.LogRecord | None:
        record = record_of(text, *args)
        return record if restraint.filter(record) else None

    said = [say("lookup failed handle=%r", number) for number in range(MAX_ALIKE + 7)]
    assert None not in said[:MAX_ALIKE]
    assert set(said[MAX_ALIKE:]) == {None}
    assert say("something else") is not None
    clock.now += 1
    record = say("lookup failed handle=%r", "10.1/x")
    assert record is not None
    assert TextFormatter().format(record).endswith("handle='10.1/x' unsaid=7")
    assert json.loads(JsonFormatter().format(record))["unsaid"] == 7
    clock.now += 1
    record = say("lookup failed handle=%r", "10.1/x")
    assert record is not None
    assert "unsaid" not in TextFormatter().format(record)


def test_kinds_of_messages_are_bounded() -> None:
    """Whoever puts something new into every text fills the log, as before, but not our memory."""
    restraint = Restraint(FakeClock())
    for number in range(3 * MAX_KINDS):
        assert restraint.filter(record_of(f"text {number}"))
    assert len(restraint._kinds) <= MAX_KINDS


@given(st.text())
def test_one_line_loses_nothing_else(text: str) -> None:
    """What can be printed stays as it is."""
    shown = one_line(text)
    assert shown == one_line(shown)
    if text.isprintable():
        assert shown == text


def test_moments_can_be_read_back() -> None:
    """A moment is in UTC, to the millisecond."""
    assert datetime.fromisoformat(moment(1_767_225_600.25)).timestamp() == 1_767_225_600.25


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The logger of everything, put back in the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(("log_format", "begin"), [("text", "2"), ("json", "{")])
@pytest.mark.usefixtures("root_logger")
def test_logging_starts_in_the_form_that_is_wanted(log_format: str, begin: str) -> None:
    """Messages of the wanted level, and no others, go to the stream."""
    stream = io.StringIO()
    start_logging("warning", log_format, stream)
    logging.getLogger("resolver.x").info("not this")
    logging.getLogger("resolver.x").warning("but this")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith(begin)
    assert "but this" in line
    for _ in range(2 * MAX_ALIKE):
        logging.getLogger("resolver.x").warning("again")
    assert len(stream.getvalue().splitlines()) == 1 + MAX_ALIKE
