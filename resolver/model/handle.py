"""Handles: how they split, how they compare, and which of them live in the Global Handle Registry.

Folding is ASCII only, as the deployed servers do it: ``str.upper`` would turn ``ß`` into ``SS`` and
``é`` into ``É``, and so find another handle, or another server, than the one meant.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from resolver.errors import InvalidHandleError

__all__ = ["MAX_HANDLE_OCTETS", "PREFIX_SPACE", "ROOT_HANDLE", "TRUST_ROOT_HANDLE", "Handle", "fold_ascii"]

MAX_HANDLE_OCTETS = 2048
"""Longest handle that servers and clients of the protocol accept."""

MAX_KNOWN = 1024
"""Handles whose folded form is kept at hand; one lookup needs it half a dozen times."""

PREFIX_SPACE = "0.NA"
"""The prefix under which prefix handles live: prefix ``10.1000`` is described by ``0.NA/10.1000``."""

ROOT_HANDLE = "0.NA/0.NA"
"""The handle whose record lists the sites of the Global Handle Registry."""

TRUST_ROOT_HANDLE = "0.0/0.0"
"""The handle whose record holds the keys every chain of trust ends in."""


def fold_ascii(text: str) -> str:
    """Return ``text`` with a-z as A-Z and nothing else changed."""
    if text.isascii():
        return text.upper()
    return text.encode("utf-8", "surrogatepass").upper().decode("utf-8", "surrogatepass")


class Handle(Struct, frozen=True):
    """A handle as its user wrote it (RFC 3651 section 2): ``<prefix>/<suffix>``, or a bare prefix.

    Two handles may name the same thing though they compare unequal; ``cache_key`` tells.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Check ``text`` and return it as a handle.

        Raises:
            InvalidHandleError: empty, longer than ``MAX_HANDLE_OCTETS``, or not writable as UTF-8.
        """
        if not text:
            raise InvalidHandleError("empty handle")
        try:
            length = len(text.encode())
        except UnicodeEncodeError as error:
            raise InvalidHandleError("handle is not UTF-8") from error
        if length > MAX_HANDLE_OCTETS:
            raise InvalidHandleError(f"handle has {length} octets, at most {MAX_HANDLE_OCTETS} are allowed")
        return cls(text)

    def __str__(self) -> str:
        return self.text

    @property
    def has_slash(self) -> bool:
        """Whether this is a full handle; without a slash it is short for the handle of a prefix."""
        return "/" in self.text

    @property
    def prefix(self) -> str:
        """The part before the first slash; ``0.NA`` for a bare prefix, since that is where its record lives."""
        return self.text[: self.text.index("/")] if "/" in self.text else PREFIX_SPACE

    @property
    def suffix(self) -> str:
        """The part after the first slash, which may be empty; the whole text of a bare prefix."""
        prefix, slash, suffix = self.text.partition("/")
        return suffix if slash else prefix

    @property
    def prefix_handle(self) -> Handle:
        """The handle that describes the service of this handle's prefix, folded as it goes on the wire."""
        return _prefix_handle(self.prefix)

    @property
    def is_global(self) -> bool:
        """Whether the registry itself answers for this handle: ``0.…``, ``0/…`` and bare prefixes."""
        return self.text.startswith(("0.", "0/")) or not self.has_slash

    @property
    def is_prefix_handle(self) -> bool:
        """Whether the handle describes a prefix, so that a prefix referral may answer for it."""
        return not self.has_slash or fold_ascii(self.text[:5]) == f"{PREFIX_SPACE}/"

    @property
    def cache_key(self) -> str:
        """Equal for two spellings that no server tells apart: the prefix folded, the suffix as it is.

        Handles below ``0.`` are folded whole, since the registry ignores case throughout.
        """
        return _cache_key(self.text)

    @property
    def described_prefix(self) -> str:
        """The prefix that a prefix handle describes: ``10.1000`` for ``0.NA/10.1000`` and for ``10.1000``."""
        return self.suffix


@lru_cache(MAX_KNOWN)
def _cache_key(text: str) -> str:
    if text.startswith("0."):
        return fold_ascii(text)
    prefix, slash, suffix = text.partition("/")
    return f"{fold_ascii(prefix)}{slash}{suffix}"


@lru_cache(MAX_KNOWN)
def _prefix_handle(prefix: str) -> Handle:
    return Handle(f"{PREFIX_SPACE}/{fold_ascii(prefix)}")
