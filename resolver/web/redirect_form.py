"""A redirect as a form to fill in: what the renderer would write, with places for the few words that differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache

from markupsafe import escape

from resolver.answer.links import signposts, write_links
from resolver.web.identifiers import citation_url
from resolver.web.render import Caching, Renderer

__all__ = ["RedirectForm", "redirect_form"]

STATUS = 302
TEMPLATE = "redirect.html"

# Stand for what is filled in; no template and no setting holds such characters.
_MAX_AGE, _EXPIRES, _REQUEST_ID, _LENGTH, _DATE, _URI, _PATH = map(chr, range(1, 8))
_PLACES = re.compile(r"[\x01-\x07]")


class RedirectForm:
    """All redirects that differ only in the handle, where it leads, and the time."""

    def __init__(self, head: str, body: str) -> None:
        """Prepare.

        Args:
            head: with its blank line.
            body: of which the target is the only part that differs.
        """
        self._head = _Text(head)
        self._body = _Text(body)

    def fill(
        self, path: str, uri: str, *, max_age_s: int, now: int, request_id: str, closes: bool = False
    ) -> bytes:
        """Return a whole response.

        Args:
            path: the handle as it stands in a URL.
            uri: where it leads.
            max_age_s: how long the response may be kept.
            now: whole seconds since 1970.
            request_id: of this request.
            closes: whether it is the last on its connection.
        """
        body = self._body.fill(("", "", "", "", "", str(escape(uri)), ""))
        last = "\r\nConnection: close" if closes else ""
        words = (
            str(max_age_s),
            _http_date(now + max_age_s),
            request_id,
            str(len(body)),
            f"{_http_date(now)}{last}",
            uri,
            path,
        )
        return self._head.fill(words) + body


class _Text:
    def __init__(self, text: str) -> None:
        self._text = "%s".join(literal.replace("%", "%%") for literal in _PLACES.split(text))
        self._order = tuple(ord(place) - 1 for place in _PLACES.findall(text))

    def fill(self, words: Sequence[str]) -> bytes:
        return (self._text % tuple([words[place] for place in self._order])).encode()


def redirect_form(renderer: Renderer, handle: str) -> RedirectForm | None:
    """Return the form of the redirects of one host.

    Args:
        renderer: of the host.
        handle: any that is cited at the same place as those the form is for.

    Returns:
        ``None`` if the operator's template does more with a target than to show it.
    """
    if not renderer.only_shows(TEMPLATE, "uri"):
        return None
    citation_root = citation_url(handle).removesuffix(handle)
    link = write_links(signposts(renderer.root, _PATH), f"{citation_root}{_PATH}")
    response = renderer.redirect(STATUS, _URI, Caching(0.0, 0.0), headers={"Link": link})
    headers = {
        **response.headers,
        "Cache-Control": f"public, max-age={_MAX_AGE}",
        "Expires": _EXPIRES,
        "X-Request-ID": _REQUEST_ID,
        "Content-Length": _LENGTH,
        "Date": _DATE,
    }
    lines = [
        f"HTTP/1.1 {STATUS} {response.reason}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    body = response.body
    return RedirectForm("\r\n".join(lines), body.decode()) if isinstance(body, bytes) else None


@lru_cache(16)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
