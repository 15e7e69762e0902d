"""The many ways in which people write a handle, brought to one: labels, URNs and pasted resolver URLs."""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["citation_url", "encode_handle", "strip_labels"]

_LABELS = ("hdl:", "doi:", "info:hdl/", "info:doi/", "urn:hdl:", "urn:doi:", "urn:eidr:")
_RESOLVER_HOSTS = ("hdl.handle.net", "doi.org", "dx.doi.org", "www.doi.org")
_MOVES = re.compile(r"^/|(^|/)\.{1,2}(/|$)")
# Blanks that str.strip() does not take off: they come along with text copied from web pages and PDFs.
_INVISIBLE = "".join(map(chr, range(0x21))) + (
    "\x7f\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


def strip_labels(text: str, own_hosts: tuple[str, ...] = ()) -> str:
    """Return the handle in ``text``: without outer blanks, and each label taken off at most once.

    Args:
        text: percent-decoded already.
        own_hosts: host names, with their ports, under which this resolver itself is reached.
    """
    if ":" not in text:
        return _trim(text)  # as most are
    hosts = "|".join(re.escape(host) for host in (*_RESOLVER_HOSTS, *own_hosts))
    pasted = re.compile(rf"https?:/{{1,2}}(?:{hosts})/+", re.IGNORECASE)
    left = list(_LABELS)
    text = _trim(text)
    seen_url = False
    while True:
        label = next((label for label in left if text[: len(label)].lower() == label), None)
        if label is not None:
            left.remove(label)
            text = _trim(text[len(label) :])
            if label.startswith("urn:"):
                text = _colon_as_slash(text)
        elif not seen_url and (found := pasted.match(text)):
            seen_url = True
            text = _trim(text[found.end() :])
        else:
            return text


def _trim(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or text[start] in _INVISIBLE):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in _INVISIBLE):
        end -= 1
    return text[start:end]


def _colon_as_slash(text: str) -> str:
    """In a URN the prefix may end with a colon: ``10.1:abc`` stands for ``10.1/abc``."""
    before, colon, after = text.partition(":")
    return f"{before}/{after}" if colon and "/" not in before else text


def citation_url(handle: str) -> str:
    """Return the address under which a handle is cited, whichever resolver shows it."""
    return ("https://doi.org/" if handle.startswith("10.") else "https://hdl.handle.net/") + encode_handle(
        handle
    )


def encode_handle(handle: str) -> str:
    """Return ``handle`` as it stands in the path of a URL."""
    path = quote(handle, safe="/-._~:@!$&'()*+,;=", encoding="utf-8", errors="surrogatepass")
    # Browsers resolve dots between slashes, and read a host behind two slashes; an encoded slash they leave.
    return path.replace("/", "%2F") if _MOVES.search(path) else path
