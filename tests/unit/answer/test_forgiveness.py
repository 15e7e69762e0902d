"""What somebody may have meant who wrote a handle that does not exist."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.forgiveness import MAX_GUESSES, other_spellings
from resolver.model.handle import MAX_HANDLE_OCTETS, Handle
from tests.strategies import handle_texts


def guesses(text: str) -> list[str]:
    """Return the other spellings as text."""
    return [handle.text for handle in other_spellings(text)]


@pytest.mark.parametrize(
    "written",
    [
        *(
            "20.500.12345/abc.",
            "20.500.12345/abc,",
            "20.500.12345/abc;",
            "20.500.12345/abc:",
            "20.500.12345/abc)",
        ),
        *(
            "20.500.12345/abc]",
            "20.500.12345/abc}",
            "20.500.12345/abc>",
            '20.500.12345/abc"',
            "20.500.12345/abc'",
        ),
        *("20.500.12345/abc/", "20.500.12345/abc).", '20.500.12345/abc.")', "20.500.12345/abc\u201d"),
        *("20.500.12345/abc\u2019", "20.500.12345/abc\u00bb", "20.500.12345/abc" + "." * 500),
        "20.500.12345/abc" + ')."/' * 100,
    ],
    ids=lambda text: ascii(text)[1:40],
)
def test_text_around_a_citation_is_taken_off(written: str) -> None:
    """Punctuation, brackets, quotes and slashes that came along at the end are no part of what was meant."""
    assert "20.500.12345/abc" in guesses(written)


def test_less_is_taken_off_first() -> None:
    """A handle may end with a bracket: the spelling nearest to the one written comes first."""
    assert guesses("20.500.12345/S0(99)).")[:2] == ["20.500.12345/S0(99))", "20.500.12345/S0(99)"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("20.500.12345/a%2Fb", "20.500.12345/a/b"),
        ("20.500.12345%2Fabc/", "20.500.12345/abc/"),
        ("20.500.12345/a%20b", "20.500.12345/a b"),
        ("20.500.12345/%C3%BCber", "20.500.12345/über"),
        ("20.500.12345/a%3Cb%3E", "20.500.12345/a<b>"),
    ],
    ids=["slash", "slash of the prefix", "blank", "umlaut", "angle brackets"],
)
def test_double_encoding_is_undone(written: str, meant: str) -> None:
    """What was percent-encoded once too often on its way here is decoded."""
    assert meant in guesses(written)


@pytest.mark.parametrize("written", ["20.500.12345/a%FFb", "20.500.12345/%C3", "20.500.12345/100%"])
def test_percent_signs_that_encode_nothing_are_left(written: str) -> None:
    """What does not decode to text is no encoding."""
    assert guesses(written) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("20.500.12345/a\u2013b", "20.500.12345/a-b"),
        ("20.500.12345/a\u2014b", "20.500.12345/a-b"),
        ("20.500.12345/a\u2010b", "20.500.12345/a-b"),
        ("20.500.12345/a\u2011b", "20.500.12345/a-b"),
        ("20.500.12345/a\u2212b", "20.500.12345/a-b"),
        ("20.500.12345/a\u2019b", "20.500.12345/a'b"),
        ("20.500.12345/\u201cb\u201dc", '20.500.12345/"b"c'),
        ("20.500.12345\u2044abc", "20.500.12345/abc"),
        ("20.500.12345\uff0fabc", "20.500.12345/abc"),
        ("20.500.12345/\uff41\uff42\uff43", "20.500.12345/abc"),
        ("20.500.12345/e\ufb03cient", "20.500.12345/efficient"),
        ("20.500.12345/u\u0308ber", "20.500.12345/über"),
        ("20.500.12345/a b c", "20.500.12345/abc"),
        ("20.500.12345/abc\n def", "20.500.12345/abcdef"),
        ("20.500.12345/a\u00a0b", "20.500.12345/ab"),
        ("20.500.12345/a\u2013b\u201d.", "20.500.12345/a-b"),
    ],
    ids=ascii,
)
def test_typesetting_is_undone(written: str, meant: str) -> None:
    """Dashes, curly quotes, ligatures, wide letters, line breaks: what layout puts in the place of plain characters."""
    assert meant in guesses(written)


def test_names_of_dois_may_be_meant_in_either_case() -> None:
    """DOIs ignore the case of ASCII letters and of no others; other handles do not ignore any."""
    assert guesses("10.1000/aBc") == ["10.1000/abc", "10.1000/ABC"]
    assert guesses("10.1000/abc") == ["10.1000/ABC"]
    assert guesses("10.1000/ABC") == ["10.1000/abc"]
    assert guesses("10.1000/\u00c4bc\u00df") == ["10.1000/\u00c4BC\u00df"]
    assert guesses("20.500.12345/aBc") == []


@pytest.mark.parametrize(
    "written", ["20.500.12345/abc", "10.1000/123", "0.NA/10.1", "prefix", "10.1000/", "20.500.12345/."]
)
def test_good_spelling_has_no_others(written: str) -> None:
    """Where nothing looks wrong, nothing is guessed; half a handle is no guess."""
    assert guesses(written) == []


def test_prefix_in_other_case_is_the_same_handle() -> None:
    """A spelling that every server takes for the same is not asked for again."""
    assert guesses("ab.c/\uff58") == ["ab.c/x"]
    assert "AB.C/x" not in guesses("ab.c/x.")


_WRITTEN = st.text(
    st.sampled_from("10.aBß/%2F.,;)]}>\"'\u2013\u2019\u201d\uff0f\ufb03 \n\u0308") | st.characters(),
    max_size=40,
)


@given(st.builds("{}{}".format, handle_texts, _WRITTEN) | _WRITTEN)
def test_guesses_are_few_different_and_possible(written: str) -> None:
    """Whatever was written, there are a few guesses, each once, all of them possible, and never what was tried."""
    found = other_spellings(written)
    assert len(found) <= MAX_GUESSES
    keys = [handle.cache_key for handle in found]
    assert len(set(keys)) == len(keys)
    assert Handle(written).cache_key not in keys
    for handle in found:
        assert Handle.parse(handle.text) == handle
        assert handle.has_slash
        assert handle.suffix


@pytest.mark.parametrize(
    "written",
    [
        "10.1/" + ".)" * 500_000,
        "10.1/" + "\ufdfa" * 600,
        "10.1/" + "%25" * 300_000,
        "/" * 1_000_000,
        "10.1/\ud800.",
        "",
    ],
    ids=["punctuation", "ligatures that grow", "percent signs", "slashes", "half a character", "nothing"],
)
def test_endless_text_is_guessed_about_only_so_far(written: str) -> None:
    """Megabytes of punctuation cost no more guesses than a typing error, and no guess is too long."""
    found = other_spellings(written)
    assert len(found) <= MAX_GUESSES
    for handle in found:
        assert len(handle.text.encode()) <= MAX_HANDLE_OCTETS


def test_compositions_are_tried_as_registries_write_them() -> None:
    """A letter and its accent, written apart, are put together as nearly all text is written."""
    apart = unicodedata.normalize("NFD", "20.500.12345/café")
    assert guesses(apart) == ["20.500.12345/café"]
