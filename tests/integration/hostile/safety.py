"""What must hold for every answer, whatever was asked and whatever a record says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from resolver.web.render import template_folders
from tests.integration.hostile.wire import Answer

__all__ = ["unsafe"]

HEADERS = frozenset(
    {
        *("access-control-allow-headers", "access-control-allow-methods", "access-control-allow-origin"),
        *("access-control-expose-headers", "access-control-max-age", "allow", "cache-control", "connection"),
        *("content-length", "content-language", "content-security-policy", "content-type", "date", "etag"),
        *("expires", "link", "ratelimit", "ratelimit-policy"),
        *("location", "referrer-policy", "retry-after", "server", "vary", "warning", "x-conneg-fallback"),
        *("transfer-encoding", "x-accel-buffering", "x-content-type-options", "x-request-id"),
    }
)
"""Names that our answers may have; records add some by ``10320/headers``, which their cases name."""

_TEMPLATES = "".join(path.read_text("utf-8") for path in sorted(template_folders(None)[0].glob("*.html")))
_TAGS = frozenset(re.findall(r"<([a-z][a-z0-9]*)", _TEMPLATES))
_ATTRIBUTES = {name.lower() for name in re.findall(r'\s([A-Za-z][A-Za-z-]*)="', _TEMPLATES)} | {
    *("autofocus", "checked", "hidden", "open", "required")
}
_SCHEMES = frozenset(
    {
        *(
            "http",
            "https",
            "ftp",
            "ftps",
            "mailto",
            "urn",
            "info",
            "magnet",
            "ipfs",
            "doi",
            "hdl",
            "s3",
            "gs",
        ),
        *("sftp", "git", "ark", "tel"),
    }
)
_JSON = re.compile(r"application/(?:[a-z-]+\+)?json")
_CALL = re.compile(rb"(?:/\*\*/)?[A-Za-z_$][\w$.]{0,127}\((.*)\);?", re.DOTALL)


def unsafe(answer: Answer, added: frozenset[str] = frozenset()) -> list[str]:
    """Return everything about an answer that must never be.

    Args:
        answer: what came back.
        added: names of headers that the record may add, in lower case.
    """
    return [*_about_head(answer, added), *_about_body(answer)]


def _about_head(answer: Answer, added: frozenset[str]) -> Iterator[str]:
    if answer.status == 500 or not (200 <= answer.status < 600 or answer.status == 100):
        yield f"status {answer.status}"
    for name, value in answer.headers:
        if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() not in HEADERS | added:
            yield f"header {name!r}"
        if not re.fullmatch(r"[\x20-\x7e]*", value):
            yield f"header {name} with {value!r}"
    for name in ("location", "content-type", "content-length", "link", "cache-control", "x-request-id"):
        if len(answer.all(name)) > 1:
            yield f"{name} more than once"
    for location in answer.all("location"):
        scheme, colon, rest = location.partition(":")
        if location.startswith("/") and not location.startswith("//"):
            continue
        if not colon or scheme.lower() not in _SCHEMES or not re.fullmatch(r"[\x21-\x7e]+", rest):
            yield f"Location {location!r}"
        if len(location) > 8192:
            yield "a Location longer than programs read"
    if answer.body and answer.first("x-content-type-options") != "nosniff" and answer.first("x-request-id"):
        yield "no nosniff"


def _about_body(answer: Answer) -> Iterator[str]:
    if not answer.body:
        return
    media_type = answer.media_type
    if media_type in ("text/html", "application/xhtml+xml"):
        yield from _about_page(answer)
    elif media_type == "application/x-ndjson":
        for line in answer.body.splitlines():
            json.loads(line)
    elif _JSON.fullmatch(media_type):
        try:
            json.loads(answer.body)
        except ValueError as error:
            yield f"JSON that is none: {error}"
    elif media_type == "application/javascript":
        found = _CALL.fullmatch(answer.body)
        if found is None or b"\xe2\x80\xa8" in answer.body or b"\xe2\x80\xa9" in answer.body:
            yield "JavaScript that is no call"
        else:
            json.loads(found.group(1))
    elif media_type not in _HARMLESS:
        yield f"media type {media_type!r}"


_HARMLESS = frozenset(
    {
        *("text/plain", "text/csv", "text/turtle", "text/xml", "text/css", "image/svg+xml", "image/x-icon"),
        *("image/vnd.microsoft.icon", "application/linkset", "application/x-hdl-message"),
    }
)


def _about_page(answer: Answer) -> Iterator[str]:
    if answer.first("x-request-id"):
        policy = answer.first("content-security-policy")
        if "default-src 'none'" not in policy or "script" in policy or "unsafe" in policy:
            yield f"policy {policy!r}"
    text = answer.body.decode("utf-8", "replace")
    if found := re.search(
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]", text
    ):
        yield f"invisible {found.group()!r} in a page"
    page = _Page()
    page.feed(text)
    page.close()
    yield from page.found


class _Page(HTMLParser):
    """Notes every element, attribute and link that our templates do not make."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.found.append(f"element {tag!r}")
        for name, value in attrs:
            if name not in _ATTRIBUTES:
                self.found.append(f"attribute {name!r} of {tag}")
            if name in ("href", "src", "action") and not _leads_nowhere_bad(value or ""):
                self.found.append(f"{name} {value!r}")
            if tag == "meta" and name == "http-equiv":
                self.found.append("a meta element that acts")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data!r}")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"instruction {data!r}")


def _leads_nowhere_bad(link: str) -> bool:
    if re.fullmatch(r"[\x21-\x7e]*", link) is None:
        return False
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", link)
    if found is not None:
        return found.group(1).lower() in _SCHEMES
    return not link.startswith(("//", "\\", "/\\"))
