"""Texts for people that can be said in other languages later.

What explains a problem or describes a record is written in English, deep inside, where nobody knows who will
read it. A ``Phrase`` is that English text, and remembers the words and the facts it was made of, so that
``web/languages.py`` can make it again from translated words. Everybody else just uses it as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resolver.protocol.json_values import time_to_json

__all__ = ["Day", "Duration", "Phrase", "Several", "as_sentence", "count_phrase", "phrase", "sentence"]


class Phrase(str):
    """An English text made of words that can be translated and facts that can not."""

    __slots__ = ("is_sentence", "number", "plural", "values", "words")

    words: str
    """With ``%(name)s`` where the facts go; for one thing, if they can be counted."""
    plural: str
    """The same for several things; empty if nothing is counted."""
    number: int
    """How many things there are."""
    values: Mapping[str, object]
    """The facts, by name; phrases among them are translated as well."""
    is_sentence: bool
    """Whether it begins with a capital and ends with a full stop, whatever the words do."""


def phrase(words: str, /, **values: object) -> Phrase:
    """Return a text; ``%(name)s`` in ``words`` is replaced by the value of that name."""
    return _made(words, "", 0, values)


def count_phrase(singular: str, plural: str, number: int, /, **values: object) -> Phrase:
    """Return a text about ``number`` things, which the words call ``%(number)s``."""
    return _made(singular, plural, number, {"number": number, **values})


def sentence(text: str) -> Phrase:
    """Return ``text`` as a sentence: with a capital at its beginning and a full stop at its end."""
    if not isinstance(text, Phrase):
        text = phrase(text)
    made = _filled(as_sentence(str(text)), text.words, text.plural, text.number, text.values)
    made.is_sentence = True
    return made


def as_sentence(text: str) -> str:
    """Return the same text with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?', '؟')) else '.'}"


def _made(words: str, plural: str, number: int, values: Mapping[str, object]) -> Phrase:
    chosen = plural if plural and number != 1 else words
    return _filled(chosen % values if values else chosen, words, plural, number, values)


def _filled(text: str, words: str, plural: str, number: int, values: Mapping[str, object]) -> Phrase:
    made = Phrase(text)
    made.words, made.plural, made.number, made.values = words, plural, number, values
    made.is_sentence = False
    return made


class Day(str):
    """A day, written in English: ``2 March 2026``."""

    __slots__ = ("seconds",)

    seconds: int
    """A moment of it, since 1970."""

    @classmethod
    def of(cls, seconds: int) -> Day:
        """Return the day of a moment in seconds since 1970, in UTC."""
        year, month, day = time_to_json(seconds)[:10].rsplit("-", 2)
        made = cls(f"{int(day)} {_MONTHS[int(month) - 1]} {year}")
        made.seconds = seconds
        return made


class Duration(str):
    """A length of time in its largest two units, written in English: ``2 hours 5 minutes``."""

    __slots__ = ("parts",)

    parts: tuple[tuple[str, int], ...]
    """Units (``day``, ``hour``, ``minute``, ``second``) with how many of them."""

    @classmethod
    def of(cls, seconds: float) -> Duration:
        """Return so many seconds, at least none."""
        left = max(0, int(seconds))
        parts = []
        for unit, size in _UNITS:
            count, left = divmod(left, size)
            if count:
                parts.append((unit, count))
        shown = tuple(parts[:2]) or (("second", 0),)
        made = cls(" ".join(f"{count} {unit}{'' if count == 1 else 's'}" for unit, count in shown))
        made.parts = shown
        return made


class Several(str):
    """Several texts in a row, with commas in between."""

    __slots__ = ("texts",)

    texts: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Several:
        """Return these texts as one."""
        shown = tuple(texts)
        made = cls(", ".join(shown))
        made.texts = shown
        return made


_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
