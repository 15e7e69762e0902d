"""Texts that know how they were made: English for everybody who does not care."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.phrases import Day, Duration, Several, as_sentence, count_phrase, phrase, sentence


def test_a_phrase_is_its_english_text() -> None:
    """It compares, joins and prints like any text."""
    text = phrase("for %(time)s", time=Duration.of(3600))
    assert text == "for 1 hour"
    assert f"{text}!" == "for 1 hour!"
    assert (text.words, dict(text.values)) == ("for %(time)s", {"time": "1 hour"})


def test_a_percent_sign_without_facts_is_one() -> None:
    """Words without facts are not looked at for places to put them."""
    assert phrase("100 % (all) %(x)s") == "100 % (all) %(x)s"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 places"), (1, "1 place"), (2, "2 places"), (21, "21 places")]
)
def test_things_are_counted(number: int, text: str) -> None:
    """One thing is called otherwise than several."""
    assert count_phrase("%(number)s place", "%(number)s places", number) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("it is empty", "It is empty."),
        ("It is.", "It is."),
        ("why?", "Why?"),
        ("no!", "No!"),
        ("", "."),
        ("éa", "Éa."),
    ],
)
def test_a_sentence_begins_and_ends_as_such(text: str, wanted: str) -> None:
    """Whatever the words are, the sentence has its capital and its end, once."""
    assert sentence(text) == as_sentence(text) == wanted
    assert sentence(sentence(text)) == wanted
    assert sentence(phrase(text)).words == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (-5, "0 seconds"),
        (0.9, "0 seconds"),
        (1, "1 second"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3601, "1 hour 1 second"),
        (86400 * 2 + 3600 * 3 + 59, "2 days 3 hours"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Two units are exact enough, and nothing is longer ago than it is."""
    assert Duration.of(seconds) == text


@given(st.floats(0, 1e9))
def test_a_duration_is_never_overstated(seconds: float) -> None:
    """What its parts add up to is no more than it is, and less than a unit short."""
    sizes = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    parts = Duration.of(seconds).parts
    told = sum(sizes[unit] * count for unit, count in parts)
    assert told <= seconds < told + sizes[parts[-1][0]] or told <= seconds < told + sizes[parts[0][0]]


def test_days() -> None:
    """A day is that of Greenwich."""
    assert Day.of(1772443800) == "2 March 2026"
    assert Day.of(0) == "1 January 1970"
    assert Day.of(1772443800).seconds == 1772443800


def test_several_texts_are_one() -> None:
    """They are joined as in English, and kept apart for others."""
    assert Several.of(iter(["a", "b"])) == "a, b"
    assert Several.of(["a", phrase("b")]).texts == ("a", "b")
