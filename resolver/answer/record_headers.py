"""``10320/headers``: response headers that a record asks for, as far as they can do no harm.

Whoever can register a handle writes these lines, and they would speak for this resolver's own host. So
only names that inform pass: extension headers, and a few others; and of the lines for the head of a page
only plain ``meta`` elements, which are read and written anew.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["RecordHeaders", "read_record_headers"]

MAX_HEADERS = 20
MAX_OCTETS = 8000

_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,63}):[ \t]*([\x20-\x7e]{0,2000})")
_META = re.compile(
    r"""<meta\s+(?:name|property)\s*=\s*(["'])([A-Za-z][\w.:-]{0,199})\1"""
    r"""\s+content\s*=\s*(?:"([^"<>]{0,2000})"|'([^'<>]{0,2000})')\s*/?>""",
    re.ASCII,
)
_ALLOWED = frozenset({"last-modified", "memento-datetime", "tdm-reservation", "tdm-policy", "doi"})
# Extension headers that browsers, proxies or this resolver itself give a meaning.
_REFUSED = re.compile(
    r"x-(?:frame-options|content-.*|xss-.*|request-id|forwarded.*|real-ip|accel-.*|sendfile.*|http-method.*|"
    r"permitted-.*|dns-.*|webkit-.*|ua-compatible|download-.*|cache.*|original-.*|rewrite-.*|conneg-.*|"
    r"lighttpd-.*|litespeed-.*|reproxy-.*)"
)
# Names with which a page says how browsers treat its visitors, or to whom its host belongs.
_REFUSED_METAS = re.compile(r"referrer|.*(?:verif|validate).*")


@dataclass(frozen=True, slots=True)
class RecordHeaders:
    """What a record adds to a response."""

    headers: tuple[tuple[str, str], ...] = ()
    metas: tuple[tuple[str, str], ...] = ()
    """Name and content of ``meta`` elements for the page of a redirect."""


def read_record_headers(texts: Iterable[str], handle: str) -> RecordHeaders:
    """Return what may be added of what the values of a record say.

    Args:
        texts: one for each value: lines of ``Name: value`` or ``<meta name="…" content="…">``.
        handle: put, percent-encoded, in the place of ``{hdl}``.
    """
    headers: list[tuple[str, str]] = []
    metas: list[tuple[str, str]] = []
    octets = 0
    for line in _lines(texts, handle):
        octets += len(line)
        if octets > MAX_OCTETS or len(headers) + len(metas) >= MAX_HEADERS:
            break
        header = _LINE.fullmatch(line)
        if header is not None and _is_harmless(header.group(1)):
            headers.append((header.group(1), header.group(2)))
        elif (meta := _meta(line)) is not None:
            metas.append(meta)
    return RecordHeaders(tuple(headers), tuple(metas))


def _lines(texts: Iterable[str], handle: str) -> Iterator[str]:
    whole = quote(handle, safe="", encoding="utf-8", errors="surrogatepass")
    path = quote(handle, safe="/-._~:@!$&'()*+,;=", encoding="utf-8", errors="surrogatepass")
    for text in texts:
        lines = re.split(r"\r\n|\r|\n", text[:MAX_OCTETS])
        if len(text) > MAX_OCTETS:
            lines.pop()  # perhaps only half of one
        for line in lines:
            yield line.replace("{hdl:path}", path).replace("{hdl}", whole).strip()


def _is_harmless(name: str) -> bool:
    folded = name.lower()
    return folded in _ALLOWED or (folded.startswith("x-") and _REFUSED.fullmatch(folded) is None)


def _meta(line: str) -> tuple[str, str] | None:
    found = _META.fullmatch(line)
    if found is None or _REFUSED_METAS.fullmatch(found.group(2).lower()):
        return None
    content = html.unescape(found.group(3) or found.group(4) or "")
    return (found.group(2), content) if content.isprintable() else None
