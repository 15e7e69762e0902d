"""Which language a reader gets, and that every word of ours is there in all of them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import SettingsError
from resolver.phrases import Day, Duration, Several, count_phrase, phrase, sentence
from resolver.web.languages import ENGLISH, Language, Reader, choose_language, find_languages
from resolver.web.render import template_folders

ROOT = Path(__file__).parents[3]
TRANSLATED = ("ar", "de", "es", "fr")
LANGUAGES = find_languages(template_folders(None))

# --- which one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("DE-at", "de"),
        ("fr;q=0.3, es;q=0.7", "es"),
        ("pt-BR, pt;q=0.9, fr;q=0.5", "fr"),
        ("eo", "en"),
        ("eo, *;q=0.1", "en"),
        ("*", "en"),
        ("de;q=0, fr", "fr"),
        ("ar-EG", "ar"),
        ("en-US,en;q=0.9,ar;q=0.8", "en"),
        ("zz;q=x, ;;,,", "en"),
        ("../../etc/passwd", "en"),
    ],
)
def test_a_reader_gets_what_is_asked_for(accepted: str | None, code: str) -> None:
    """The most wanted language that we have; English if there is none."""
    language, is_named = choose_language(Reader(accepted=accepted), LANGUAGES)
    assert (language.code, is_named) == (code, False)


@pytest.mark.parametrize(
    ("named", "code", "is_named"),
    [("fr", "fr", True), ("FR", "fr", True), ("xx", "de", False), ("", "de", False), ("../de", "de", False)],
)
def test_a_name_beats_the_browser(named: str, code: str, is_named: bool) -> None:
    """lang= counts before Accept-Language, if it names a language of ours."""
    language, found = choose_language(Reader(named, "de"), LANGUAGES)
    assert (language.code, found) == (code, is_named)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_header_will_do(named: str, accepted: str) -> None:
    """Whatever is sent, some language comes out."""
    assert choose_language(Reader(named, accepted), LANGUAGES)[0].code in LANGUAGES


def test_the_languages_there_are() -> None:
    """All five, English first, each called as its speakers do, Arabic from the right."""
    assert next(iter(LANGUAGES)) == "en"
    assert set(LANGUAGES) == {"en", *TRANSLATED}
    assert [LANGUAGES[code].name for code in ("en", "de", "fr", "es", "ar")] == [
        *("English", "Deutsch", "Français", "Español", "العربية")
    ]
    assert {code for code, language in LANGUAGES.items() if language.direction == "rtl"} == {"ar"}


# --- how it says things ----------------------------------------------------------------------------------


def test_phrases_are_said_with_their_facts() -> None:
    """Words are translated, facts among them too, and what is no phrase stays as it is."""
    german = LANGUAGES["de"]
    assert german.say(phrase("until %(day)s", day=Day.of(1772443800))) == "bis 2. März 2026"
    reason = phrase("links to %(scheme)s: are not followed", scheme="gopher")
    assert "gopher: werden nicht befolgt" in german.say(
        phrase("Nobody is sent there, because %(reason)s.", reason=reason)
    )
    assert german.say(sentence(phrase("it is empty"))) == "Der Wert ist leer."
    assert german.say(Several.of([phrase("everybody reads"), "x"])) == "alle lesen, x"
    assert german.say("Location") == "Location"
    assert german.say("") == german.gettext("") == ""


def test_facts_keep_together_among_words_from_the_right() -> None:
    """In Arabic a handle is marked as a piece of its own; phrases and other languages need no mark."""
    reason = phrase("it is not registered")
    text = phrase(
        "There is no service for the prefix %(prefix)s: %(reason)s.", prefix="10.1/x", reason=reason
    )
    arabic = LANGUAGES["ar"].say(text)
    assert "\u206810.1/x\u2069" in arabic
    assert arabic.count("\u2068") == 1
    assert "\u2068" not in LANGUAGES["fr"].say(text)


@pytest.mark.parametrize(
    ("code", "one", "two", "eleven"),
    [
        ("en", "1 day", "2 days", "11 days"),
        ("de", "1 Tag", "2 Tage", "11 Tage"),
        ("fr", "1 jour", "2 jours", "11 jours"),
        ("es", "1 día", "2 días", "11 días"),
        ("ar", "يوم واحد", "يومان", "11 يومًا"),
    ],
)
def test_things_are_counted_as_the_language_does(code: str, one: str, two: str, eleven: str) -> None:
    """Arabic has six forms where English has two."""
    language = LANGUAGES[code]
    assert [language.say(Duration.of(days * 86400)) for days in (1, 2, 11)] == [one, two, eleven]


@pytest.mark.parametrize("seconds", [-1, 253_402_300_800, 2**63])
def test_days_that_no_calendar_knows(seconds: int) -> None:
    """Clients write all kinds of timestamps; they are shown in English rather than not at all."""
    day = Day("some day")
    day.seconds = seconds
    assert LANGUAGES["de"].say(day) == "some day"


def test_without_a_catalogue_it_is_english() -> None:
    """A language of which nothing is translated still works."""
    empty = Language("nl")
    assert empty.say(count_phrase("%(number)s place", "%(number)s places", 2)) == "2 places"
    assert empty.say(Duration.of(3600)) == "1 hour"
    assert ENGLISH.say(Day.of(1772443800)) == "2 March 2026"


# --- the operator's own ----------------------------------------------------------------------------------

PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Help"\nmsgstr "{}"\n'


def test_an_operator_adds_a_language_and_words(tmp_path: Path) -> None:
    """A catalogue in the operator's folder is one more language, or a few other words in one of ours."""
    folder = tmp_path / "languages"
    folder.mkdir()
    (folder / "nl.po").write_text(PO.format("Hulp"), "utf-8")
    (folder / "de.po").write_text(PO.format("Auskunft"), "utf-8")
    found = find_languages(template_folders(tmp_path))
    assert found["nl"].gettext("Help") == "Hulp"
    assert found["nl"].name == "Nederlands"
    assert found["de"].gettext("Help") == "Auskunft"
    assert found["de"].gettext("Handle not found") == "Handle nicht gefunden"
    assert find_languages(template_folders(None))["de"].gettext("Help") == "Hilfe"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("de.po", 'msgid "a"\nmsgid "b\n'),
        ("xx-not-a-language.po", PO),
        ("de.po", "\x00\xff not a catalogue"),
    ],
)
def test_a_catalogue_that_is_none_stops_the_start(tmp_path: Path, name: str, content: str) -> None:
    """A mistake in a catalogue is named at the start, not met by a visitor."""
    folder = tmp_path / "languages"
    folder.mkdir()
    (folder / name).write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=re.escape(name)):
        find_languages([tmp_path])[Path(name).stem].prepare()


# --- nothing is left in English --------------------------------------------------------------------------

KEYWORDS = {"phrase": None, "count_phrase": (1, 2), "_": None, "gettext": None, "ngettext": (1, 2)}


@cache
def words_of_ours() -> dict[str | tuple[str, ...], list[str]]:
    """Return everything that can be translated, with the files it stands in."""
    found: dict[str | tuple[str, ...], list[str]] = {}
    for folder, method in (
        ("resolver", [("**.py", "python")]),
        ("templates", [("**.html", "jinja2.ext:babel_extract")]),
    ):
        options = {"**.html": {"trimmed": "true"}}
        for name, _, message, _, _ in extract_from_dir(ROOT / folder, method, options, keywords=KEYWORDS):
            found.setdefault(message, []).append(f"{folder}/{name}")
    return found


@cache
def catalogue(code: str) -> Catalog:
    """Return a catalogue as it is written."""
    with (ROOT / "templates" / "languages" / f"{code}.po").open("rb") as source:
        return read_po(source, code)


def test_words_are_found_where_they_stand() -> None:
    """The search itself finds those of templates, of Python, and those that count."""
    ours = words_of_ours()
    assert ours["Handle not found"] == ["resolver/web/problems.py"]
    assert "templates/form.html" in ours["What you can paste"]
    assert ("and one more", "and %(count)s more") in ours
    assert len(ours) > 300


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_word_is_translated(code: str) -> None:
    """No text of a page, an error or a record is left in English, none is doubtful, none is left over."""
    known = {message.id: message for message in catalogue(code) if message.id}
    assert {words for words in words_of_ours() if words not in known} == set()
    assert {words for words in known if words not in words_of_ours()} == set()
    for words, message in known.items():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(form.strip() for form in forms), words
        assert not message.fuzzy, words


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_fact_has_its_place(code: str) -> None:
    """A translation names the same facts as the English, so that none can be lost and no page can fail."""
    whole = catalogue(code)
    for message in whole:
        if not message.id:
            continue
        wanted = facts_in(message.id[-1] if isinstance(message.id, tuple) else message.id)
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        if isinstance(message.id, tuple):
            assert len(forms) == whole.num_plurals, message.id
            # “One” and “two” may be words.
            assert all(facts_in(form) <= wanted for form in forms), message.id
            assert facts_in(forms[-1]) == wanted, message.id
        else:
            assert facts_in(forms[0]) == wanted, message.id


def facts_in(words: str) -> set[str]:
    """Return the names of the facts."""
    return set(re.findall(r"%\((\w+)\)s", words))


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_hold_no_markup(code: str) -> None:
    """Translated words go into pages as they are: nothing in them may be read as an element."""
    message: Message
    for message in catalogue(code):
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert not any(set("<>&") & set(form) for form in forms if message.id), message.id


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "templates").glob("*.html")))
def test_templates_say_nothing_untranslated(name: str) -> None:
    """Between the tags of a template there is no English outside of what is translated."""
    if name in {"api.html", "redirect.html"}:
        return  # for developers, and for programs: English, and says so
    text = (ROOT / "templates" / name).read_text("utf-8")
    text = re.sub(r"\{%-? *trans.*?endtrans *-?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<code[^>]*>.*?</code>", "", text, flags=re.DOTALL)
    left = re.sub(r"<[^>]*>", " ", text, flags=re.DOTALL)
    allowed = {"ltr", "ms", "asked", "handle", "net", "json", "txt", "csv", "ttl", "jsonld", "html"}
    assert set(re.findall(r"[A-Za-z]{2,}", left)) <= allowed
