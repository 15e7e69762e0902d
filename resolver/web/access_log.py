"""The access log: a line for each request that was answered, if the operator wants one.

Three forms. ``text`` is for people, ``json`` for programs (``handle-resolver report`` reads it), and ``cnri`` is
what the proxy of Handle.Net writes, for the scripts that read that. A batch leaves one line for each of its
handles, so that each counts for its prefix, and in the first two forms one for itself.

How much of an address is kept is the operator's choice; by default not enough to tell who it was.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec
from aiohttp import web

from resolver.answer.record_json import http_status_of
from resolver.logs import moment, one_line
from resolver.model.site import IPAddress
from resolver.protocol.codes import OpCode, ResponseCode
from resolver.web.log_file import LogFile
from resolver.web.visit import Visit

__all__ = [
    "BUSY_ENTRY",
    "AccessEntry",
    "AccessLog",
    "code_of_status",
    "entry_of",
    "open_access_log",
    "shown_address",
]

Form = Literal["text", "json", "cnri"]
Addresses = Literal["off", "truncated", "full"]

MAX_TEXT = 2048
"""Longest part of a line that a visitor chooses; as long as any handle may be."""

_KEPT_BITS = {4: 24, 6: 48}
"""What is left of a truncated address: the network of an organisation rather than a person."""

_BLANKS = re.compile(r'[\s"%]')

_CODES = {
    400: ResponseCode.PROTOCOL_ERROR,
    404: ResponseCode.HANDLE_NOT_FOUND,
    410: ResponseCode.SUCCESS,
    429: ResponseCode.SERVER_BUSY,
    503: ResponseCode.SERVER_BUSY,
}


class AccessEntry(NamedTuple):
    """What is known of a request after it has been answered. A tuple, since one is made for each request."""

    at: float
    """Seconds since 1970 at which it came."""
    elapsed_s: float
    address: IPAddress | None
    method: str
    target: str
    endpoint: str
    status: int
    code: int
    """The response code (RFC 3652 section 2.2.2.2)."""
    handle: str | None = None
    octets: int | None = None
    """Of the body, if it is known."""
    request_id: str = ""
    referrer: str | None = None
    user_agent: str | None = None


BUSY_ENTRY = AccessEntry(0.0, 0.0, None, "GET", "", "redirect", 503, ResponseCode.SERVER_BUSY)
"""Of a request that was turned away unread."""


class AccessLog:
    """Writes lines."""

    def __init__(
        self,
        write: Callable[[str], None],
        form: Form,
        *,
        addresses: Addresses = "truncated",
        referrers: bool = False,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            write: takes a line without its end.
            form: of the lines.
            addresses: how much of an address is written.
            referrers: whether to write where visitors came from, and what program they use.
            close: gives back what ``write`` needs.
        """
        self.close = close
        self._write = write
        self._addresses = addresses
        self._referrers = referrers
        self._format: Callable[[AccessEntry], str] = {
            "text": self._text,
            "json": self._json,
            "cnri": self._cnri,
        }[form]
        self._is_about_handles = form == "cnri"

    def note_visit(
        self, visit: Visit, response: web.StreamResponse | None, now: float, elapsed_s: float
    ) -> None:
        """Write the line of a request that has been answered just now; ``None`` stands for a broken one.

        The proxy of Handle.Net writes lines about handles only: neither pages nor whole batches have one there.
        """
        if not self._is_about_handles or (visit.asked is not None and visit.endpoint != "batch"):
            entry = entry_of(visit, response)
            self.note(entry._replace(at=now - elapsed_s, elapsed_s=elapsed_s))

    def note_one(self, visit: Visit, handle: str, code: int, now: float, elapsed_s: float) -> None:
        """Write the line of one handle among several that a request asks for."""
        entry = entry_of(visit, None)._replace(status=http_status_of(code), code=code, handle=handle)
        self.note(entry._replace(at=now - elapsed_s, elapsed_s=elapsed_s))

    def note_again(self, entry: AccessEntry, *, headers: Mapping[str, str], **others: Any) -> None:
        """Write the line of a request that got the same answer as another one.

        Args:
            entry: of the other one.
            headers: of this request.
            others: what else is different.
        """
        if self._is_about_handles and entry.handle is None:
            return
        referrer, user_agent = headers.get("Referer"), headers.get("User-Agent")
        self.note(entry._replace(referrer=referrer, user_agent=user_agent, **others))

    def note(self, entry: AccessEntry) -> None:
        """Write the line of a request."""
        self._write(self._format(entry))

    def _text(self, entry: AccessEntry) -> str:
        visitor = shown_address(entry.address, self._addresses) or "-"
        parts = [
            moment(entry.at),
            visitor,
            entry.method[:20],
            _shown(entry.target),
            str(entry.status),
            str(entry.code),
            f"{entry.elapsed_s * 1000:.1f}ms",
            "-" if entry.octets is None else str(entry.octets),
            entry.endpoint,
            entry.request_id or "-",
        ]
        if self._referrers:
            parts += [json.dumps(_shown(entry.referrer or "")), json.dumps(_shown(entry.user_agent or ""))]
        return one_line(" ".join(parts))

    def _json(self, entry: AccessEntry) -> str:
        shown = {
            "time": moment(entry.at),
            "address": shown_address(entry.address, self._addresses),
            "method": entry.method[:20],
            "target": _shown(entry.target),
            "endpoint": entry.endpoint,
            "handle": entry.handle if entry.handle is None else _shown(entry.handle),
            "status": entry.status,
            "code": int(entry.code),
            "ms": round(entry.elapsed_s * 1000, 1),
            "octets": entry.octets,
            "request_id": entry.request_id or None,
        }
        if self._referrers:
            shown["referrer"] = entry.referrer and _shown(entry.referrer)
            shown["user_agent"] = entry.user_agent and _shown(entry.user_agent)
        octets = msgspec.json.encode({name: value for name, value in shown.items() if value is not None})
        return one_line(octets.decode())  # which writes out characters as JSON does

    def _cnri(self, entry: AccessEntry) -> str:
        visitor = shown_address(entry.address, self._addresses) or "0.0.0.0"  # noqa: S104 - what stands for none
        kind = "HTTP:HDLApi" if entry.endpoint in ("api", "batch") else "HTTP:HDL"
        at = moment(entry.at).replace("T", " ")
        handle = _without_blanks(entry.handle or "-")
        line = (
            f'{visitor} {kind} "{at}" {int(OpCode.RESOLUTION)} {int(entry.code)} '
            f'{entry.elapsed_s * 1000:.0f}ms {handle} "" '
            f'"{_quotable(entry.referrer) if self._referrers else ""}"'
        )
        return one_line(f'{line} "{_quotable(entry.user_agent)}"' if self._referrers else line)


def entry_of(visit: Visit, response: web.StreamResponse | None) -> AccessEntry:
    """Return what is known of a request and its answer, but for the time; ``None`` stands for a broken one."""
    request = visit.request
    status = 500 if response is None else response.status
    return AccessEntry(
        at=0.0,
        elapsed_s=0.0,
        address=visit.address,
        method=request.method,
        target=request.raw_path,
        endpoint=visit.endpoint,
        status=status,
        code=code_of_status(status) if visit.code is None else visit.code,
        handle=visit.asked,
        octets=None if response is None else response.content_length,
        request_id=visit.request_id,
        referrer=request.headers.get("Referer"),
        user_agent=request.headers.get("User-Agent"),
    )


@lru_cache(4096)
def shown_address(address: IPAddress | None, how: Addresses) -> str | None:
    """Return what is written of an address: all of it, its network, or nothing."""
    match how:
        case "full" if address is not None:
            return str(address)
        case "truncated" if address is not None:
            return str(ipaddress.ip_network((address, _KEPT_BITS[address.version]), strict=False)[0])
        case _:
            return None


def code_of_status(status: int) -> int:
    """Return the response code that goes with a status, where nothing better is known."""
    if status < 400:
        return ResponseCode.SUCCESS
    return _CODES.get(status, ResponseCode.ERROR if status >= 500 else ResponseCode.PROTOCOL_ERROR)


def _shown(text: str) -> str:
    return text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()


def _without_blanks(text: str) -> str:
    """Return a handle as one word, so that the words after it stay in their places."""
    return _BLANKS.sub(lambda found: quote(found.group(), safe=""), _shown(text))


def _quotable(text: str | None) -> str:
    return _shown(text or "").replace('"', "%22")


def open_access_log(
    form: str, addresses: str, *, referrers: bool = False, path: Path | None = None
) -> AccessLog | None:
    """Return the log that the settings describe, or ``None`` if they want none.

    A file is opened anew once it has been moved away, so that programs that rotate logs need not tell us.

    Raises:
        SettingsError: the file cannot be written.
    """
    if form == "off":
        return None
    file = LogFile(path)
    return AccessLog(
        file.write,
        form,  # type: ignore[arg-type]  # both are checked by the settings
        addresses=addresses,  # type: ignore[arg-type]
        referrers=referrers,
        close=file.close,
    )
