"""What programs accept, read out of their headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.negotiation import (
    MAX_ITEMS,
    Requester,
    is_for_browsers,
    language_matches,
    prefers_json,
    read_weighted,
)
from tests.unit.answer.places import CURL, FIREFOX

FIREFOX_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
CHROME_ACCEPT = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.9"
)


@pytest.mark.parametrize(
    ("header", "items"),
    [
        ("text/html", ("text/html",)),
        ("a/b, c/d", ("a/b", "c/d")),
        ("a/b;q=0.5, c/d", ("c/d", "a/b")),
        ("a/b;q=0.5, c/d;q=0.51, e/f;q=0.501", ("c/d", "e/f", "a/b")),
        ("a/b;q=0.8, c/d;q=0.8, e/f;q=0.9", ("e/f", "a/b", "c/d")),
        ("a/b;q=0, c/d", ("c/d",)),
        ("a/b;q=0.000", ()),
        ("a/b;q=1.0, c/d;q=1", ("a/b", "c/d")),
        ("Text/HTML;Level=1;Q=0.5, A/B;q=0.4", ("text/html", "a/b")),
        ("a/b ; q = 0.1 ,c/d;q=0.2", ("c/d", "a/b")),
        ("a/b;q=.5, c/d;q=0., e/f;q=.6", ("e/f", "a/b")),
        (
            FIREFOX_ACCEPT,
            ("text/html", "application/xhtml+xml", "image/avif", "image/webp", "application/xml", "*/*"),
        ),
        (
            CHROME_ACCEPT,
            (
                *("text/html", "application/xhtml+xml", "image/webp", "image/apng"),
                *("application/xml", "application/signed-exchange", "*/*"),
            ),
        ),
        ("fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5", ("fr-ch", "fr", "en", "*")),
    ],
    ids=[
        "one",
        "two",
        "by weight",
        "three digits",
        "equal weights keep their order",
        "zero is refused",
        "zero with digits",
        "one with digits",
        "capitals",
        "blanks",
        "short numbers",
        "Firefox",
        "Chrome",
        "languages",
    ],
)
def test_items_come_out_most_wanted_first(header: str, items: tuple[str, ...]) -> None:
    """What has the greatest ``q`` comes first, what has none counts as one, and what has zero is not wanted."""
    assert read_weighted(header) == items


@pytest.mark.parametrize(
    ("header", "items"),
    [
        (None, ()),
        ("", ()),
        (",,, ;", ()),
        (";q=0.5", ()),
        ("a/b;q=abc, c/d;q=0.9", ("a/b", "c/d")),
        ("a/b;q=, c/d;q=0.9", ("a/b", "c/d")),
        ("a/b;q=-1, c/d;q=0.9", ("a/b", "c/d")),
        ("a/b;q=7, c/d", ("a/b", "c/d")),
        ("c/d, a/b;q=1.7", ("c/d", "a/b")),
        ("a/b;q=0.9;q=0.1, c/d;q=0.5", ("a/b", "c/d")),
        ("a/b;q=nan, c/d;q=inf, e/f;q=1e-3", ("a/b", "c/d", "e/f")),
        ("a/b;;;q=0.1;, c/d;q=0.2", ("c/d", "a/b")),
        ("nonsense without meaning", ("nonsense without meaning",)),
        ("a/b;q=0.\u0665, c/d", ("a/b", "c/d")),
    ],
    ids=[
        "not sent",
        "empty",
        "only separators",
        "a weight of nothing",
        "word for a number",
        "no number",
        "negative",
        "more than all",
        "more than one is one",
        "twice: the first",
        "other numbers",
        "empty parameters",
        "words",
        "other digits",
    ],
)
def test_malformed_headers_are_read_as_far_as_they_go(header: str | None, items: tuple[str, ...]) -> None:
    """A mistake in one item costs only its weight, and the rest is read."""
    assert read_weighted(header) == items


@pytest.mark.parametrize(
    ("header", "items"),
    [
        ('a/b;profile="x,y;q=0";q=0.2, c/d;q=0.3', ("c/d", "a/b")),
        ('a/b;profile="https://x.example/1, https://x.example/2", c/d', ("a/b", "c/d")),
        (r'a/b;title="say \"no, thanks\"";q=0.5, c/d', ("c/d", "a/b")),
        ('a/b;x="q=0"', ("a/b",)),
        ('c/d, a/b;x="unfinished, e/f', ("c/d", "a/b")),
    ],
    ids=["weight within quotes", "comma within quotes", "escaped quotes", "only within quotes", "unfinished"],
)
def test_quotes_hold_together_what_stands_in_them(header: str, items: tuple[str, ...]) -> None:
    """Commas and semicolons within quotes belong to the parameter, as profiles of JSON-LD are written."""
    assert read_weighted(header) == items


def test_number_of_items_is_limited() -> None:
    """A header of thousands of items is read only as far as anybody sends in earnest."""
    header = ",".join(f"a/x{number}" for number in range(10_000))
    assert len(read_weighted(header)) == MAX_ITEMS
    assert read_weighted('"' * 100_000) == ('"' * 100_000,)


@given(st.text(st.sampled_from('ab/*-;,=q01. "\\\t') | st.characters(), max_size=60))
def test_any_header_is_read(header: str) -> None:
    """Whatever is sent, it comes out as items in lower case without blanks around, or not at all."""
    for item in read_weighted(header):
        assert item
        assert item == item.strip().lower()


# --- types and languages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/html", "application/xhtml+xml", "text/vnd.wap.wml", "application/vnd.wap.xhtml+xml"),
        *("application/pdf", "image/png", "image/svg+xml", "audio/mpeg", "video/mp4"),
        *("*/*", "text/*", "application/*", "image/*"),
    ],
)
def test_browsers_show_these_types(media_type: str) -> None:
    """Pages, documents, pictures, sound and films, and whatever a wildcard allows, are for people."""
    assert is_for_browsers(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        *(
            "application/json",
            "application/rdf+xml",
            "text/turtle",
            "text/plain",
            "application/xml",
            "text/csv",
        ),
        *("application/vnd.citationstyles.csl+json", "application/x-bibtex", "image", "", "text/htmlx"),
    ],
)
def test_programs_want_these_types(media_type: str) -> None:
    """Data are for programs."""
    assert not is_for_browsers(media_type)


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (FIREFOX, True),
        ("Mozilla/4.0 (compatible; MSIE 6.0)", True),
        ("Opera/9.80 (X11; Linux) Presto/2.12", True),
        (CURL, False),
        ("python-requests/2.32", False),
        ("Mozilla", False),
        ("like Mozilla/5.0", False),
        ("", False),
        (None, False),
    ],
)
def test_browsers_are_known_by_how_their_names_begin(agent: str | None, browser: bool) -> None:
    """All browsers begin their names with Mozilla/ or Opera/; nothing else does."""
    assert Requester(user_agent=agent).is_browser is browser


@pytest.mark.parametrize(
    ("offered", "wanted", "matches"),
    [
        ("en", "en", True),
        ("EN", "en", True),
        ("en", "en-gb", True),
        ("en-GB", "en", True),
        (" en ", "en", True),
        ("en-GB", "en-us", False),
        ("en", "eng", False),
        ("eng", "en", False),
        ("de", "en", False),
    ],
)
def test_regions_do_not_separate_a_language(offered: str, wanted: str, matches: bool) -> None:
    """Text in a language serves whoever wants one of its regions, and the other way round, but not their neighbours."""
    assert language_matches(offered, wanted) is matches


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("application/json", True),
        ("application/problem+json", True),
        ("application/json;q=0.1", True),
        ("text/turtle, application/json", True),
        ("application/json, text/html", True),
        ("application/json;q=0.5, text/html;q=0.4", True),
        ("application/json;q=0.4, text/html;q=0.5", False),
        (FIREFOX_ACCEPT, False),
        ("*/*", False),
        ("*/*, application/json", False),
        ("text/plain", False),
        (None, False),
    ],
    ids=repr,
)
def test_who_prefers_json_is_known(accept: str | None, json: bool) -> None:
    """JSON of any kind wins if it is wanted before whatever browsers show."""
    assert prefers_json(Requester(accept)) is json
