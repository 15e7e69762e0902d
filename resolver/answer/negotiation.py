"""What a visitor's program would like: ``Accept``, ``Accept-Language``, and whether it is a browser (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

__all__ = ["Requester", "is_for_browsers", "language_matches", "prefers_json", "read_weighted"]

MAX_ITEMS = 100
"""Items of one header that are read; nobody sends more in earnest."""

# Within quotes, commas and semicolons separate nothing; a quote that is never closed reaches to the end.
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_ITEM = re.compile(rf'(?:[^,"]+|{_QUOTED})+', re.DOTALL)
_PART = re.compile(rf'(?:[^;"]+|{_QUOTED})*', re.DOTALL)

_BROWSER = re.compile(r"(?:Mozilla|Opera)/")
_BROWSER_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/vnd.wap.wml", "application/pdf"})
_BROWSER_FAMILIES = ("image/", "audio/", "video/", "application/vnd.wap.")


class Requester(Struct, frozen=True):
    """What the request says about who asks; ``None`` stands for a header that was not sent."""

    accept: str | None = None
    """All lines of the header, joined by commas."""
    accept_language: str | None = None
    user_agent: str | None = None

    @property
    def is_browser(self) -> bool:
        """Whether the program names itself as browsers do."""
        return _BROWSER.match(self.user_agent or "") is not None


def read_weighted(header: str | None) -> tuple[str, ...]:
    """Return the items of a header such as ``Accept``, most wanted first, in lower case and without parameters.

    Equal weights keep their order; items of weight 0 are left out; a weight that is no number counts as 1.
    """
    found = []
    for position, item in enumerate(islice(_ITEM.finditer(header or ""), MAX_ITEMS)):
        name, *parameters = (part.group().strip() for part in _PART.finditer(item.group()))
        weight = _weight(parameters)
        if name and weight > 0:
            found.append((-weight, position, name.lower()))
    return tuple(name for _, _, name in sorted(found))


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            found = re.fullmatch(r"[01](?:\.[0-9]{0,10})?|\.[0-9]{1,10}", value.strip())
            return min(1.0, float(found.group())) if found else 1.0
    return 1.0


def prefers_json(requester: Requester) -> bool:
    """Whether the program would rather have JSON, of whatever kind, than a page."""
    for media_type in read_weighted(requester.accept):
        if media_type == "application/json" or media_type.endswith("+json"):
            return True
        if is_for_browsers(media_type):
            return False
    return False


def is_for_browsers(media_type: str) -> bool:
    """Whether a type is one that browsers show to people; wildcards are."""
    return media_type in _BROWSER_TYPES or media_type.startswith(_BROWSER_FAMILIES) or "*" in media_type


def language_matches(offered: str, wanted: str) -> bool:
    """Whether text in ``offered`` serves somebody who wants ``wanted``: equal, or one is a region of the other."""
    offered, wanted = offered.strip().lower(), wanted.strip().lower()
    return offered == wanted or offered.startswith(wanted + "-") or wanted.startswith(offered + "-")
