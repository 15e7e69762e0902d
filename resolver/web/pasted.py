"""The handle in whatever somebody pastes into the form: a name, a link, a line of a bibliography.

What looks like a handle is taken as it is, to the last character: handles may hold blanks, brackets and
percent signs. Only in text that cannot be one is a handle looked for, and it loses what a sentence puts
around it.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote, urlsplit

from resolver.web.identifiers import strip_labels

__all__ = ["find_handle"]

MAX_PASTED = 20_000
"""Characters that are read; nobody pastes a book in earnest."""

SHORT_DOI_PREFIX = "10"

# A prefix begins with a number: 10.1000, 20.500.12345, 0.NA; there are others, which have to be typed alone.
_PREFIX = r"(?:10(?:\.[0-9]{2,9})+|[0-9]{1,9}(?:\.[0-9A-Za-z_-]{1,40})+|[0-9]{2,9})"
_HANDLE = re.compile(rf"{_PREFIX}(?:/.*)?", re.DOTALL)
_DOI = re.compile(r"(?<![0-9A-Za-z.])10\.[0-9]{4,9}(?:\.[0-9]+)*(?:/|%2[Ff])[^\s\"<>{}|\\^`]+")
_LABELLED = re.compile(
    r"(?:\b(?:doi|hdl|handle|urn:doi|urn:hdl|info:doi/|info:hdl/)\s*[:=]?\s*)[\"'{<(\[]?\s*"
    rf"((?:{_PREFIX}|[0-9A-Za-z.]+)/[^\s\"<>{{}}|\\^`]+)",
    re.IGNORECASE,
)
_LOOSE = re.compile(rf"(?<![0-9A-Za-z./]){_PREFIX}/[^\s\"<>{{}}|\\^`]+")
_URL = re.compile(r"https?://[^\s\"<>{}|\\^`]+", re.IGNORECASE)
_RESOLVER = re.compile(
    r"(?:(?:www\.)?(?:hdl\.handle\.net|handle\.net|(?:dx\.|www\.)?doi\.org|shortdoi\.org|n2t\.net))",
    re.IGNORECASE,
)
# As repositories write it: https://repository.example.org/handle/1234/567
_REPOSITORY = re.compile(rf"/handle/({_PREFIX}/[^/?#]+)")
_SHORT_DOI = re.compile(r"[a-z0-9]{2,12}", re.IGNORECASE)

_CLOSING = {")": "(", "]": "[", "}": "{", ">": "<"}


def find_handle(text: str, own_hosts: tuple[str, ...] = ()) -> str:
    """Return the handle in ``text``; if there is none, the text itself without what surely is not part of it.

    Args:
        text: as it was typed or pasted.
        own_hosts: host names, with their ports, under which this resolver itself is reached.
    """
    text = text[:MAX_PASTED].strip()
    bare = strip_labels(text, own_hosts).lstrip("/")
    is_link = re.match(r"https?:", text, re.IGNORECASE) is not None
    if is_link and not re.search(r"\s", text):
        return _in_link(text, bare, own_hosts)
    if _HANDLE.fullmatch(bare) and not bare.startswith("http"):
        return bare
    if "/" not in bare and "%2f" in bare.lower():
        return strip_labels(unquote(bare), own_hosts).lstrip("/")
    if not re.search(r"[\s<>\"{}\[\]]", bare):
        return _in_link(f"https://{bare}", bare, own_hosts) if _RESOLVER.match(bare) else bare
    return _in_prose(html.unescape(text), own_hosts) or bare


def _in_link(link: str, bare: str, own_hosts: tuple[str, ...]) -> str:
    """Return the handle in a link that stands alone."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return bare
    path = unquote(parts.path).lstrip("/")
    if _RESOLVER.fullmatch(parts.hostname or "") or parts.netloc in own_hosts:
        path = strip_labels(re.sub(r"^api/(?:handles|explain)/", "", path), own_hosts).lstrip("/")
        if path and "/" not in path and "doi.org" in (parts.hostname or "") and _SHORT_DOI.fullmatch(path):
            return f"{SHORT_DOI_PREFIX}/{path}"
        return path or bare
    found = _REPOSITORY.search(f"/{path}")
    if found:
        return found.group(1)
    doi = _DOI.search(unquote(parts.path)) or _DOI.search(unquote(parts.query))
    return _without_tail(unquote(doi.group())) if doi else bare


def _in_prose(text: str, own_hosts: tuple[str, ...]) -> str | None:
    """Return the handle somewhere in a text: in a link to a resolver, behind a label, or a DOI by its looks."""
    links = [_without_tail(found.group()) for found in _URL.finditer(text)]
    for link in links:
        handle = _in_link(link, "", own_hosts)
        if handle and "/" in handle:
            return handle
    for pattern in (_LABELLED, _DOI, _LOOSE):
        found = pattern.search(text)
        if found:
            return _without_tail(unquote(found.group(found.lastindex or 0)))
    return None


def _without_tail(text: str) -> str:
    """Return ``text`` without the punctuation that the sentence around it has put behind it."""
    while text:
        last = text[-1]
        opening = _CLOSING.get(last)
        belongs = opening is not None and text.count(opening) >= text.count(last)
        if belongs or last not in ".,;:!?'\"\u2019\u201d\u00bb)]}>":
            break
        text = text[:-1]
    return text
