"""A redirect as a form to fill in: what the renderer would write, with places for the few words that differ."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import TemplateError
from markupsafe import escape

from resolver.answer.links import signposts, write_links
from resolver.errors import SettingsError
from resolver.web.heads import write_head
from resolver.web.identifiers import citation_url
from resolver.web.render import Caching, Renderer
from resolver.web.seconds import http_date

__all__ = ["RedirectForm", "redirect_form"]

STATUS = 302
TEMPLATE = "redirect.html"
LAST = "\r\nConnection: close"

# Stand for what is filled in: characters for private use, which nobody has a use for in a page of so few words.
_FIRST = 0xF0000
_LIFETIME, _REQUEST_ID, _LENGTH, _DATE, _URI, _PATH = map(chr, range(_FIRST, _FIRST + 6))
_PLACES = re.compile(f"[{_LIFETIME}-{_PATH}]")


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
        body = self._body.fill(("", "", "", "", str(escape(uri)), ""))
        lifetime = f"{max_age_s}\r\nExpires: {http_date(now + max_age_s).decode()}"
        date = f"{http_date(now).decode()}{LAST if closes else ''}"
        words = (lifetime, request_id, str(len(body)), date, uri, path)
        return self._head.fill(words) + body


class _Text:
    def __init__(self, text: str) -> None:
        self._text = "%s".join(literal.replace("%", "%%") for literal in _PLACES.split(text))
        self._order = tuple(ord(place) - _FIRST for place in _PLACES.findall(text))

    def fill(self, words: Sequence[str]) -> bytes:
        return (self._text % tuple([words[place] for place in self._order])).encode()


def redirect_form(renderer: Renderer, handle: str) -> RedirectForm | None:
    """Return the form of the redirects of one host.

    Args:
        renderer: of the host.
        handle: any that is cited at the same place as those the form is for.

    Returns:
        ``None`` if the operator's template does more with a target than to show it.

    Raises:
        SettingsError: the template is wrong, so that there would be no redirects at all.
    """
    if not renderer.only_shows(TEMPLATE, "uri"):
        return None
    try:
        plain = renderer.redirect(STATUS, "https://example.org/", Caching(0.0, 0.0))
    except TemplateError as error:
        raise SettingsError(f"template {TEMPLATE}: {error}") from error
    if _PLACES.search(plain.text or ""):
        return None
    citation_root = citation_url(handle).removesuffix(handle)
    link = write_links(signposts(renderer.root, _PATH), f"{citation_root}{_PATH}")
    response = renderer.redirect(STATUS, _URI, Caching(0.0, 0.0), headers={"Link": link})
    body = response.body
    if not isinstance(body, bytes):
        return None
    head = write_head(response, lifetime=_LIFETIME, request_id=_REQUEST_ID, length=_LENGTH, date=_DATE)
    return RedirectForm(head, body.decode())
