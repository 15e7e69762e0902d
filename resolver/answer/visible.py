"""Texts out of records, made fit to be shown: nothing invisible, nothing that turns the text around it."""

from __future__ import annotations

import re
from urllib.parse import quote

from resolver.errors import InvalidHandleError
from resolver.model.handle import Handle

__all__ = ["handle_in", "is_mail_address", "mail_uri", "visible_text"]

# Characters that change how the text around them is shown, so that a value could look like another one.
_DECEPTIVE = re.compile(
    "[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u061c\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")


def visible_text(text: str) -> str:
    """Return ``text`` with invisible and direction-changing characters written out by number."""
    return _DECEPTIVE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def mail_uri(address: str) -> str:
    """Return a link that holds the address and nothing more: no second recipient, no subject (RFC 6068)."""
    return f"mailto:{quote(address, safe='@')}"


def is_mail_address(text: str) -> bool:
    """Whether ``text`` is one e-mail address and nothing more."""
    return _EMAIL.fullmatch(text) is not None


def handle_in(text: str) -> str | None:
    """Return the handle that ``text`` is, or ``None`` if it is none."""
    try:
        return Handle.parse(text).text
    except InvalidHandleError:
        return None
