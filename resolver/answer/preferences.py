"""What a visitor asks for beside the handle itself, and how much of it may change the answer."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = ["Action", "Preferences"]


class Action(Enum):
    """What to do with the record; the value is the word in ``?action=``."""

    REDIRECT = "redirect"
    SHOW_VALUES = "showvalues"
    SHOW_URLS = "showurls"
    METADATA = "metadata"
    API = "api"
    EXPLAIN = "explain"


class Preferences(Struct, frozen=True):
    """Everything that ``choose_answer`` looks at beside the record."""

    action: Action = Action.REDIRECT
    types: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    url_append: str = ""
    redirection_headers: bool = False
    """Answer 200 with ``Location``, so that a script in a browser can read where the handle leads."""
    wanted_attributes: tuple[tuple[str, str | None], ...] = ()
    """Of a location, from ``locatt=key:value``; ``None`` where any value will do."""
    country: str | None = None
    """From ``country=``: two letters in lower case."""
    address: str | None = None
    """From ``ip=``. For the choice of a location only, never for who may do what."""

    @property
    def is_filtered(self) -> bool:
        """Whether only some values are asked for."""
        return bool(self.types or self.indexes)
