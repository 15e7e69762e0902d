"""The languages in which pages are shown: gettext catalogues, and the choice among them.

Catalogues are ``languages/<code>.po`` in the folders of the templates. They are read as they are written, so that
there is nothing to compile; an operator's own folder may hold one for another language, or one that puts
single sentences of ours in other words.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from resolver.answer.negotiation import language_matches, read_weighted
from resolver.errors import SettingsError
from resolver.phrases import Day, Duration, Phrase, Several, as_sentence, count_phrase, phrase

__all__ = ["ENGLISH", "Language", "Reader", "choose_language", "load_languages"]

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
    """One language."""

    def __init__(self, code: str, locale: Locale, translations: NullTranslations) -> None:
        """Prepare.

        Args:
            code: as in ``lang=`` and in HTML, such as ``de``.
            locale: how days, lists and lengths of time are written.
            translations: from English.
        """
        self.code = code
        self.name = str(locale.languages.get(code, code)).capitalize()
        """What its speakers call it."""
        self.direction = locale.text_direction
        """``ltr`` or ``rtl``."""
        self._locale = locale
        self._translations = translations

    def gettext(self, words: str) -> str:
        """Return the translation of ``words``, or the words themselves."""
        return self._translations.gettext(words) if words else ""

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the form that goes with ``number``."""
        return self._translations.ngettext(singular, plural, number)

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
        return format_date(datetime.fromtimestamp(seconds, UTC).date(), "long", locale=self._locale)


ENGLISH = Language("en", Locale("en", "GB"), NullTranslations())
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


def load_languages(folders: Sequence[Path]) -> dict[str, Language]:
    """Read all catalogues; what an earlier folder says counts before what a later one says.

    Raises:
        SettingsError: a catalogue cannot be read.
    """
    found: dict[str, Language] = {ENGLISH.code: ENGLISH}
    catalogues: dict[str, GNUTranslations] = {}
    for folder in reversed(folders):
        for path in sorted((folder / "languages").glob("*.po")):
            code = path.stem
            locale, read = _read_once(path, path.stat().st_mtime_ns)
            catalogue = copy.copy(read)
            if code in catalogues:
                catalogue.add_fallback(catalogues[code])
            catalogues[code] = catalogue
            found[code] = Language(code, locale, catalogue)
    return found


@cache
def _read_once(path: Path, _changed: int) -> tuple[Locale, GNUTranslations]:
    """Read a catalogue; hosts share those they do not have for themselves."""
    return _read(path)


def _read(path: Path) -> tuple[Locale, GNUTranslations]:
    try:
        locale = Locale.parse("en_GB" if path.stem == "en" else path.stem, sep="_")
        with path.open("rb") as source:
            catalogue = read_po(source, locale, abort_invalid=True)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return locale, GNUTranslations(compiled)
    except OSError as error:
        raise SettingsError(f"translations {path} cannot be read: {error.strerror}") from error
    except (UnknownLocaleError, PoFileError, ValueError) as error:
        raise SettingsError(f"translations {path}: {error}") from error
