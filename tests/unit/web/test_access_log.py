"""The lines of the access log, in its three forms: complete, of one piece, and with as much of an address as wanted."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import SettingsError
from resolver.web.access_log import (
    AccessEntry,
    AccessLog,
    Addresses,
    Form,
    code_of_status,
    open_access_log,
    shown_address,
)
from resolver.web.log_file import COLLECT_S, MAX_COLLECTED, LogFile

ENTRY = AccessEntry(
    at=1_767_225_600.0,
    elapsed_s=0.0234,
    address=ipaddress.ip_address("192.0.2.77"),
    method="GET",
    target="/10.1000/abc?auth",
    endpoint="redirect",
    status=302,
    code=1,
    handle="10.1000/abc",
    octets=512,
    request_id="0123456789abcdef",
    referrer="https://example.org/page",
    user_agent='curl/8 "x"',
)
FORMS: tuple[Form, ...] = ("text", "json", "cnri")
HOSTILE = '\n\r\x1b[2J\u202e" 1 1 5ms \\ 10.1/forged "\u2028'


def line_of(form: Form, entry: AccessEntry = ENTRY, **how: Any) -> str:
    """Return the line of an entry."""
    lines: list[str] = []
    AccessLog(lines.append, form, **how).note(entry)
    (line,) = lines
    return line


def test_text() -> None:
    """One line with blanks in between."""
    assert line_of("text") == (
        "2026-01-01T00:00:00.000Z 192.0.2.0 GET /10.1000/abc?auth 302 1 23.4ms 512 redirect 0123456789abcdef"
    )
    assert line_of("text", referrers=True).endswith('"https://example.org/page" "curl/8 \\"x\\""')


def test_json() -> None:
    """An object; what is not known is left out."""
    shown = json.loads(line_of("json"))
    assert shown == {
        "time": "2026-01-01T00:00:00.000Z",
        "address": "192.0.2.0",
        "method": "GET",
        "target": "/10.1000/abc?auth",
        "endpoint": "redirect",
        "handle": "10.1000/abc",
        "status": 302,
        "code": 1,
        "ms": 23.4,
        "octets": 512,
        "request_id": "0123456789abcdef",
    }
    bare = ENTRY._replace(handle=None, octets=None, address=None)
    assert {"handle", "octets", "address"}.isdisjoint(json.loads(line_of("json", bare)))
    shown = json.loads(line_of("json", referrers=True))
    assert (shown["referrer"], shown["user_agent"]) == ("https://example.org/page", 'curl/8 "x"')


def test_cnri() -> None:
    """What scripts for the logs of Handle.Net read: address, kind, date, operation, code, time, handle, and more."""
    assert line_of("cnri") == '192.0.2.0 HTTP:HDL "2026-01-01 00:00:00.000Z" 1 1 23ms 10.1000/abc "" ""'
    assert line_of("cnri", referrers=True).endswith(
        '10.1000/abc "" "https://example.org/page" "curl/8 %22x%22"'
    )
    by_api = ENTRY._replace(endpoint="api", code=100, handle="10.1000/a b")
    assert line_of("cnri", by_api, addresses="full") == (
        '192.0.2.77 HTTP:HDLApi "2026-01-01 00:00:00.000Z" 1 100 23ms 10.1000/a%20b "" ""'
    )


# The pattern by which a script that is in use takes these lines apart.
KNOWN_PATTERN = re.compile(
    r'^[\d.]+ [a-zA-Z:]+ "([0-9Z:\-+ .]+)" \d+ \d+ [a-zA-Z0-9]+ ([^ ]+) "[^"]*" "([^"]*)"( "([^"]*)")?$'
)


@given(
    st.builds(
        ENTRY._replace,
        handle=st.text(min_size=1) | st.just(HOSTILE),
        target=st.text() | st.just(HOSTILE),
        method=st.text() | st.just(HOSTILE),
        referrer=st.none() | st.text() | st.just(HOSTILE),
        user_agent=st.none() | st.text() | st.just(HOSTILE),
    ),
    st.booleans(),
)
def test_no_visitor_can_forge_a_line(entry: AccessEntry, referrers: bool) -> None:
    """Whatever a visitor sends, it is one line, of as many parts as always."""
    for form in FORMS:
        line = line_of(form, entry, referrers=referrers)
        assert len(line.splitlines()) == 1
        assert not set(line) & set("\x1b\u202e\x00\x7f")
        line.encode()
    json.loads(line_of("json", entry, referrers=referrers))
    line = line_of("cnri", entry, referrers=referrers)
    assert KNOWN_PATTERN.match(line), line
    assert len(shlex.split(line.replace("\\", "/").replace("'", "-"))) == (10 if referrers else 9)


def test_long_parts_are_cut() -> None:
    """A visitor does not fill the disk with one request."""
    entry = ENTRY._replace(target="/" + "x" * 100_000, user_agent="y" * 100_000)
    for form in FORMS:
        assert len(line_of(form, entry, referrers=True)) < 6000


@pytest.mark.parametrize(
    ("address", "how", "shown"),
    [
        ("192.0.2.77", "full", "192.0.2.77"),
        ("192.0.2.77", "truncated", "192.0.2.0"),
        ("192.0.2.77", "off", None),
        ("2001:db8:1:2:3:4:5:6", "full", "2001:db8:1:2:3:4:5:6"),
        ("2001:db8:1:2:3:4:5:6", "truncated", "2001:db8:1::"),
        ("2001:db8:1:2:3:4:5:6", "off", None),
    ],
)
def test_addresses(address: str, how: Addresses, shown: str | None) -> None:
    """As much of an address as the operator wants, and by default not enough to know who it was."""
    assert shown_address(ipaddress.ip_address(address), how) == shown
    for form in FORMS:
        entry = ENTRY._replace(address=ipaddress.ip_address(address))
        line = line_of(form, entry, addresses=how)
        assert (address in line) == (how == "full")


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, 1), (302, 1), (304, 1), (404, 100), (400, 4), (503, 3), (429, 3), (502, 2), (500, 2)],
)
def test_code_where_only_the_status_is_known(status: int, code: int) -> None:
    """Every line has a code of the protocol, though pages and files know none."""
    assert code_of_status(status) == code


def test_log_is_off_by_default() -> None:
    """Nothing is written unless it is asked for."""
    assert open_access_log("off", "truncated") is None


def test_file_is_opened_anew_when_it_was_moved(tmp_path: Path) -> None:
    """A program that rotates logs moves the file away, and need not tell us."""
    path = tmp_path / "access.log"
    log = open_access_log("json", "off", path=path)
    assert log is not None
    log.note(ENTRY)
    path.rename(tmp_path / "access.log.1")
    log.note(ENTRY)
    log.close()
    for name in ("access.log", "access.log.1"):
        assert json.loads((tmp_path / name).read_text("utf-8"))["status"] == 302


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The name of the file is in the message that stops the start."""
    with pytest.raises(SettingsError, match="access log"):
        open_access_log("json", "off", path=tmp_path / "missing" / "access.log")


def test_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file, they go where containers expect them."""
    log = open_access_log("text", "off")
    assert log is not None
    log.note(ENTRY)
    assert "/10.1000/abc?auth" in capsys.readouterr().out


async def test_lines_are_written_together(tmp_path: Path) -> None:
    """Within an event loop, lines wait for a moment for others; many do not wait, and none gets lost in the end."""
    path = tmp_path / "access.log"
    log = open_access_log("json", "off", path=path)
    assert log is not None

    def written() -> int:
        return len(path.read_text("utf-8").splitlines())

    log.note(ENTRY)
    log.note(ENTRY)
    assert written() == 0
    await asyncio.sleep(2 * COLLECT_S)
    assert written() == 2
    for _ in range(MAX_COLLECTED):
        log.note(ENTRY)
    assert written() == 2 + MAX_COLLECTED
    log.note(ENTRY)
    log.close()
    assert written() == 3 + MAX_COLLECTED


async def test_a_full_disk_costs_lines_only(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written is told once in a while, and nobody's answer suffers."""
    file = LogFile(Path("/dev/full"))
    for _ in range(3):
        file.write("a line")
        file.flush()
    file.close()
    assert [record.message for record in caplog.records] == [
        "access log cannot be written path=/dev/full error=[Errno 28] No space left on device"
    ]
