"""How handles split, fold and compare."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import InvalidHandleError
from resolver.model.handle import MAX_HANDLE_OCTETS, Handle, fold_ascii
from tests.strategies import handles
from tests.vectors import table

VECTORS = [pytest.param(case, id=case["handle"]) for case in table("server_selection")["handles"]]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("abc", "ABC"),
        ("aZ09-_.z", "AZ09-_.Z"),
        ("straße", "STRAßE"),
        ("café", "CAFé"),
        ("\u01c6 \u0131 \u017f ÿ", "\u01c6 \u0131 \u017f ÿ"),
    ],
)
def test_only_ascii_letters_are_folded(text: str, folded: str) -> None:
    """Letters beyond ASCII stay what they are, as the servers that store handles have it."""
    assert fold_ascii(text) == folded


@given(st.text())
def test_folding_changes_no_length_and_is_done_after_once(text: str) -> None:
    """Folding works on any text, keeps its octets in place, and a second time changes nothing."""
    folded = fold_ascii(text)
    assert len(folded) == len(text)
    assert fold_ascii(folded) == folded


@pytest.mark.parametrize("case", VECTORS)
def test_vectors_name_prefix_handle_and_cache_key(case: dict[str, Any]) -> None:
    """The handle of the prefix and the cache key are those of the deployed software."""
    handle = Handle.parse(case["handle"])
    assert handle.prefix_handle.text == case["prefix_handle"]
    assert handle.cache_key == case["cache_key"]


@pytest.mark.parametrize(
    ("text", "prefix", "suffix"),
    [
        ("10.1000/1", "10.1000", "1"),
        ("a/b/c", "a", "b/c"),
        ("p/", "p", ""),
        ("/x", "", "x"),
        ("/", "", ""),
        ("20.500", "0.NA", "20.500"),
        ("0.NA/20.500", "0.NA", "20.500"),
        ("10.1000/a b%2Fc", "10.1000", "a b%2Fc"),
    ],
)
def test_first_slash_splits(text: str, prefix: str, suffix: str) -> None:
    """The first slash parts prefix and suffix; without one the handle is short for that of a prefix."""
    handle = Handle.parse(text)
    assert (handle.prefix, handle.suffix) == (prefix, suffix)


@given(handles)
def test_halves_make_the_whole(handle: Handle) -> None:
    """Nothing of a handle gets lost when it is split."""
    whole = f"{handle.prefix}/{handle.suffix}"
    assert whole == (handle.text if handle.has_slash else f"0.NA/{handle.text}")


@given(handles)
def test_user_sees_the_handle_as_typed(handle: Handle) -> None:
    """A handle prints as it was typed: nobody's suffix is folded, trimmed or decoded."""
    assert str(handle) == handle.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.NA/10.1000", True),
        ("0.na/10.1000", True),
        ("0.0/0.0", True),
        ("0.GHR/86", True),
        ("0/x", True),
        ("20.500", True),
        ("10.1000/1", False),
        ("00.1/x", False),
        ("a.0./x", False),
        ("/x", False),
    ],
)
def test_registry_answers_for_its_own_handles(text: str, expected: bool) -> None:
    """Handles below ``0.`` and ``0/`` and bare prefixes are asked of the registry, all others are not."""
    assert Handle.parse(text).is_global is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.NA/10.1000", True),
        ("0.na/10.1000", True),
        ("0.Na/", True),
        ("20.500", True),
        ("0.NA", True),
        ("0.NAX/10.1000", False),
        ("0.GHR/86", False),
        ("10.1000/0.NA/1", False),
    ],
)
def test_prefix_handles_are_told_apart(text: str, expected: bool) -> None:
    """Only a handle that describes a prefix may be answered with a prefix referral."""
    assert Handle.parse(text).is_prefix_handle is expected


@pytest.mark.parametrize(
    ("text", "described"), [("0.NA/10.1000", "10.1000"), ("10.1000", "10.1000"), ("0.na/a.b", "a.b")]
)
def test_prefix_handle_names_what_it_describes(text: str, described: str) -> None:
    """The long and the short form of a prefix handle describe the same prefix."""
    assert Handle.parse(text).described_prefix == described


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abc/X", "ABC/X"),
        ("10.a.B/x", "10.A.b/x"),
        ("0.NA/abc", "0.na/ABC"),
        ("0.ghr/x", "0.GHR/X"),
        ("ab.c", "AB.c"),
    ],
)
def test_same_cache_key_for_one_handle(one: str, other: str) -> None:
    """Two spellings that no server tells apart share an entry of the cache."""
    assert Handle.parse(one).cache_key == Handle.parse(other).cache_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abc/X", "abc/x"),
        ("10.1000/É", "10.1000/é"),
        ("é/x", "É/x"),
        ("straße/x", "strasse/x"),
        ("0/x", "0/X"),
        ("ab/c", "ab/c/"),
    ],
)
def test_different_cache_key_for_two_handles(one: str, other: str) -> None:
    """Handles that a server may tell apart never answer for each other."""
    assert Handle.parse(one).cache_key != Handle.parse(other).cache_key


@pytest.mark.parametrize(
    "text",
    ["", "a" * (MAX_HANDLE_OCTETS + 1), "10.1/" + "é" * 1023, "10.1/\ud800"],
    ids=["empty", "too long", "too long in octets", "no UTF-8"],
)
def test_what_no_server_takes_is_no_handle(text: str) -> None:
    """Empty, over-long and unwritable text is refused before anybody is asked."""
    with pytest.raises(InvalidHandleError):
        Handle.parse(text)


def test_longest_handle_is_taken() -> None:
    """A handle of 2048 octets, which is what servers take, is a handle."""
    assert MAX_HANDLE_OCTETS == 2048
    assert Handle.parse("a" * MAX_HANDLE_OCTETS).has_slash is False


@given(st.text())
def test_any_text_is_a_handle_or_refused(text: str) -> None:
    """Whatever a visitor types is a handle whose parts can be asked for, or an InvalidHandleError."""
    try:
        handle = Handle.parse(text)
    except InvalidHandleError:
        return
    parts = (handle.prefix_handle.text, handle.cache_key, handle.described_prefix)
    assert all(part.encode() is not None for part in parts)
