"""The languages in which pages are shown, and the choice among them.

Their catalogues are ``languages/<code>.po`` in the folders of the templates; an operator's own folder may hold one for
another language, or one that puts single sentences of ours in other words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.answer.negotiation import language_matches, read_weighted
from resolver.phrases import Day, Duration, Phrase, Several, as_sentence, count_phrase, phrase

if TYPE_CHECKING:
    from resolver.web.catalogues import Words

__all__ = ["ENGLISH", "Language", "Reader", "choose_language", "find_languages"]

_COMMA = phrase(", ")
_UNITS: dict[str, Callable[[int], Phrase]] = {
    "day": lambda number: count_phrase("%(number)s day", "%(number)s days", number),
    "hour": lambda number: count_phrase("%(number)s hour", "%(number)s hours", number),
    "minute": lambda number: count_phrase("%(number)s minute", "%(number)s minutes", number),
    "second": lambda number: count_phrase("%(number)s second", "%(number)s seconds", number),
}

MAX_DAY_S = 253_402_300_799
"""The last second of the year 9999, the last that calendars here know."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What a request says about the language of whoever reads the answer."""

    named: str | None = None
    """From ``lang=``."""
    accepted: str | None = None
    """From ``Accept-Language``."""
    query: str | None = None
    """The rest of the query string, for links to the same page in other languages; ``None`` if there are none."""


class Language:
    """One language. Its catalogues are read when it is first to say something, or by ``prepare``."""

    def __init__(self, code: str, catalogues: Sequence[Path] = ()) -> None:
        """Prepare.

        Args:
            code: as in ``lang=`` and in HTML, such as ``de``.
            catalogues: files with translations from English; what an earlier one says counts before what a later
                one says.
        """
        self.code = code
        self._catalogues = tuple(catalogues)

    @cached_property
    def _words(self) -> Words:
        # Not with this module: babel and its data take 80 ms, in which nobody would be served yet.
        from resolver.web.catalogues import Words

        return Words(self.code, self._catalogues)

    def prepare(self) -> None:
        """Read the catalogues, if that has not been done yet.

        Raises:
            SettingsError: one cannot be read.
        """
        _ = self._words

    @property
    def name(self) -> str:
        """What its speakers call it."""
        return self._words.name

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return self._words.direction

    def gettext(self, words: str) -> str:
        """Return the translation of ``words``, or the words themselves."""
        return self._words.translations.gettext(words) if words else ""

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the form that goes with ``number``."""
        return self._words.translations.ngettext(singular, plural, number)

    def say(self, text: str) -> str:
        """Return a text in this language, if it knows how it was made; any other text stays what it is."""
        match text:
            case Phrase():
                return self._say_phrase(text)
            case Day(seconds=seconds):
                return self._say_day(seconds, str(text))
            case Duration(parts=parts):
                return " ".join(self.say(_UNITS[unit](number)) for unit, number in parts)
            case Several(texts=texts):
                return self.gettext(_COMMA).join(map(self.say, texts))
            case _:
                return text

    def _say_phrase(self, text: Phrase) -> str:
        words = (
            self.ngettext(text.words, text.plural, text.number) if text.plural else self.gettext(text.words)
        )
        said = (
            words % {name: self._fact(value) for name, value in text.values.items()} if text.values else words
        )
        return as_sentence(said) if text.is_sentence else said

    def _fact(self, value: object) -> object:
        """Return a fact as it stands among words."""
        if not isinstance(value, str):
            return value
        said = self.say(value)
        # A handle or an address would fall to pieces among words that run the other way (UAX 9, isolates).
        is_foreign = self.direction == "rtl" and type(value) is str
        return f"\u2068{said}\u2069" if is_foreign else said

    def _say_day(self, seconds: int, english: str) -> str:
        if not 0 <= seconds <= MAX_DAY_S:
            return english
        return self._words.day(datetime.fromtimestamp(seconds, UTC).date())


ENGLISH = Language("en")
"""What everything is written in."""


def choose_language(reader: Reader, languages: Mapping[str, Language]) -> tuple[Language, bool]:
    """Return the language for a reader, and whether ``lang=`` named it, so that no header counted."""
    named = (reader.named or "").lower()
    if named in languages:
        return languages[named], True
    for wanted in read_weighted(reader.accepted):
        for code, language in languages.items():
            if wanted == "*" or language_matches(code, wanted):
                return language, False
    return ENGLISH, False


def find_languages(folders: Sequence[Path]) -> dict[str, Language]:
    """Return the languages that have catalogues in ``folders``, by code, English first.

    What an earlier folder says counts before what a later one says.
    """
    catalogues: dict[str, list[Path]] = {ENGLISH.code: []}
    for folder in reversed(folders):
        for path in sorted((folder / "languages").glob("*.po")):
            catalogues.setdefault(path.stem, []).insert(0, path)
    return {code: Language(code, paths) if paths else ENGLISH for code, paths in catalogues.items()}
