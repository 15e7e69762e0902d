"""Other spellings that somebody may have meant, for a handle that does not exist as it was written.

They are tried only after the responsible service has said that there is no such handle, so that nothing a
record says can ever be shadowed by a guess.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from resolver.errors import InvalidHandleError
from resolver.model.handle import Handle, fold_ascii

__all__ = ["MAX_GUESSES", "other_spellings"]

MAX_GUESSES = 8

MAX_STEPS = 3
"""Characters taken off the end one by one, since some may belong to the handle; then all of them go."""

# What text around a citation leaves at its end.
_TRAILING = ".,;:)]}>\"'/\u2019\u201d\u00bb"
# Characters that look like one another, or that typesetting puts in the place of plain ones.
_LOOKALIKES = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2018\u2019\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u2033", '"'),
        **dict.fromkeys("\u2044\u2215\uff0f", "/"),
    }
)
# The letters whose case DOIs ignore.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def other_spellings(text: str) -> tuple[Handle, ...]:
    """Return what may have been meant, the likeliest first, without the spelling that was tried."""
    tried = {Handle(text).cache_key}
    found: list[Handle] = []
    for guess in _guesses(text):
        try:
            handle = Handle.parse(guess)
        except InvalidHandleError:
            continue
        if handle.cache_key not in tried and handle.has_slash and handle.suffix:
            tried.add(handle.cache_key)
            found.append(handle)
    return tuple(found[:MAX_GUESSES])


def _guesses(text: str) -> Iterator[str]:
    bare = text.rstrip(_TRAILING)
    for length in range(len(text) - 1, max(len(bare), len(text) - 1 - MAX_STEPS), -1):
        yield text[:length]
    yield bare
    if any(character.isspace() for character in text):
        word = text.split()[0]  # the rest is what the sentence goes on with
        yield word
        yield word.rstrip(_TRAILING)
    decoded = unquote(text, errors="replace")
    if decoded != text and "\ufffd" not in decoded:
        yield decoded  # percent-encoded twice on its way here
    plain = "".join(unicodedata.normalize("NFKC", text).translate(_LOOKALIKES).split())
    yield plain
    yield plain.rstrip(_TRAILING)
    if text.startswith("10."):
        prefix, slash, suffix = text.partition("/")
        yield f"{prefix}{slash}{suffix.translate(_LOWER)}"
        yield f"{prefix}{slash}{fold_ascii(suffix)}"
