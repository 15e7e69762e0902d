"""Which data the REST API calls text."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.protocol.json_values import data_to_json
from resolver.protocol.text import as_text, strict_text
from tests.strategies import texts
from tests.vectors import table, vector

CASES = table("data_format")["cases"]


def data_of(case: dict[str, Any]) -> bytes:
    return vector("data", case["data_of"]).octets if "data_of" in case else bytes.fromhex(case["octets"])


def name_of(case: dict[str, Any]) -> str:
    return f"{case['type']} {case.get('about', case.get('octets', case.get('data_of')))}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_vectors_choose_the_format(case: dict[str, Any]) -> None:
    """Data is shown as text, base64 or structured just where the deployed API shows it so."""
    shown = data_to_json(case["type"], data_of(case))
    if "json" in case:
        assert list(shown.items()) == list(json.loads(case["json"]).items())
    else:
        assert shown["format"] == case["format"]


@pytest.mark.parametrize("octet", range(128))
def test_control_characters_make_data_binary(octet: int) -> None:
    """Of the ASCII characters, 00-08, 14-1F and 7F are what text does not hold."""
    binary = octet <= 0x08 or 0x14 <= octet <= 0x1F or octet == 0x7F
    assert as_text(bytes([octet])) == (None if binary else chr(octet))


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\xed\xa0\xbd\xed\xb8\x80", "\ufffd\ufffd"),
        (b"a\xed\xbf\xbfz", "a\ufffdz"),
        (b"\xf5\x80\x80\x80", "\ufffd" * 4),
        (b"\xfc\x84\x80\x80\x80\x80", "\ufffd" * 6),
        (b"caf\xc3\xa9\xed\xa0\x80", "caf\u00e9\ufffd"),
    ],
    ids=["a pair of surrogates", "a surrogate between letters", "beyond Unicode", "six octets", "mixed"],
)
def test_what_unicode_lacks_is_replaced(octets: bytes, text: str) -> None:
    """Data that is laid out like UTF-8 is text even where it encodes nothing: readers see a replacement."""
    assert as_text(octets) == text


@pytest.mark.parametrize(
    "octets",
    [
        b"\x80",
        b"a\xc3",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
        b"\xff",
        b"\xe2\x82",
        b"\xfd\xbf\xbf\xbf\xbf",
        b"\xc3a",
    ],
    ids=bytes.hex,
)
def test_what_is_not_laid_out_like_utf8_is_binary(octets: bytes) -> None:
    """Over-long, truncated and stray octets are shown as base64, with none of them lost."""
    assert as_text(octets) is None
    assert data_to_json("URL", octets)["value"] == base64.b64encode(octets).decode()


@given(texts)
def test_text_is_shown_as_it_is(text: str) -> None:
    """What an owner writes is what a reader gets, whatever the language."""
    assert strict_text(text.encode()) == text
    assert as_text(text.encode()) in (text, None)


@given(st.binary(max_size=40))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Any data is text that can be written as UTF-8, or binary; valid UTF-8 never gets changed."""
    text = as_text(octets)
    if text is not None:
        assert strict_text(octets) in (None, text)
        assert strict_text(text.encode()) == text


def test_large_data_is_read_at_once() -> None:
    """The largest value that a message can hold is looked at without recursion or waiting."""
    assert as_text(b"\xed\xa0\x80" * 80_000) == "\ufffd" * 80_000
    assert as_text(b"\xfd\xbf" * 120_000) is None
