"""Which data counts as text in JSON, and how its octets become characters.

Clients of the deployed REST API rely on what it calls text: octets that are laid out like UTF-8, even
where they encode nothing Unicode has, and that hold none of a few control characters. Everything else
is base64. Characters that do not exist become U+FFFD there, one for each malformed unit as Java counts
them; strict UTF-8 takes the short way.
"""

from __future__ import annotations

import re

__all__ = ["as_text", "strict_text"]

_NOT_TEXT = re.compile(rb"[\x00-\x08\x14-\x1f\x7f]")

_CONTINUATION = rb"[\x80-\xbf]"
# Laid out like UTF-8 with up to six octets, over-long forms excluded.
_UTF8_SHAPED = re.compile(
    rb"(?:[\x00-\x7f]"
    rb"|[\xc2-\xdf]"
    + _CONTINUATION
    + rb"|\xe0[\xa0-\xbf]"
    + _CONTINUATION
    + rb"|[\xe1-\xef]"
    + _CONTINUATION
    + rb"{2}"
    rb"|\xf0[\x90-\xbf]" + _CONTINUATION + rb"{2}|[\xf1-\xf7]" + _CONTINUATION + rb"{3}"
    rb"|\xf8[\x88-\xbf]" + _CONTINUATION + rb"{3}|[\xf9-\xfb]" + _CONTINUATION + rb"{4}"
    rb"|\xfc[\x84-\xbf]" + _CONTINUATION + rb"{4}|\xfd" + _CONTINUATION + rb"{5})*"
)
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]" + _CONTINUATION)
_REPLACEMENT = "\ufffd".encode()


def strict_text(octets: bytes) -> str | None:
    """Return the characters of valid UTF-8, or ``None``."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


def as_text(octets: bytes) -> str | None:
    """Return the characters of what the REST API calls text, or ``None`` for what it calls binary."""
    if _NOT_TEXT.search(octets):
        return None
    text = strict_text(octets)
    if text is not None or not _UTF8_SHAPED.fullmatch(octets):
        return text
    # An encoded surrogate is one malformed unit; of longer forms every octet is one.
    return _SURROGATE.sub(_REPLACEMENT, octets).decode("utf-8", "replace")
