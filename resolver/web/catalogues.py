"""What a language consists of: its translations, read as translators write them, and its ways of writing.

Catalogues are gettext's ``.po`` files, so that there is nothing to compile. How days are written, what a language calls
itself and from which side it is read is known to ``babel``, whose data are large: they are read late, see ``Language``.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from datetime import date
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from resolver.errors import SettingsError

__all__ = ["Words"]


class Words:
    """The words and ways of one language."""

    def __init__(self, code: str, paths: Sequence[Path]) -> None:
        """Read them.

        Args:
            code: of the language.
            paths: catalogues; what an earlier one says counts before what a later one says.

        Raises:
            SettingsError: a catalogue cannot be read, or nobody knows the language.
        """
        try:
            self._locale = Locale.parse("en_GB" if code == "en" else code, sep="_")
        except (UnknownLocaleError, ValueError) as error:
            raise SettingsError(f"translations {', '.join(map(str, paths)) or code}: {error}") from error
        self.name = str(self._locale.languages.get(code, code)).capitalize()
        """What its speakers call it."""
        self.direction = self._locale.text_direction
        """``ltr`` or ``rtl``."""
        self.translations = NullTranslations()
        """From English."""
        for path in reversed(paths):
            catalogue = copy.copy(_read(path, self._locale))
            catalogue.add_fallback(self.translations)
            self.translations = catalogue

    def day(self, day: date) -> str:
        """Return how a day is written."""
        return format_date(day, "long", locale=self._locale)


def _read(path: Path, locale: Locale) -> GNUTranslations:
    try:
        return _read_once(path, path.stat().st_mtime_ns, locale)
    except OSError as error:
        raise SettingsError(f"translations {path} cannot be read: {error.strerror}") from error
    except (PoFileError, ValueError) as error:
        raise SettingsError(f"translations {path}: {error}") from error


@cache
def _read_once(path: Path, _changed: int, locale: Locale) -> GNUTranslations:
    """Read a catalogue; hosts share those they do not have for themselves."""
    with path.open("rb") as source:
        catalogue = read_po(source, locale, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
