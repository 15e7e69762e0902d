"""How it is known that a thing is gone, and what is told about it then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.answer.tombstone import (
    MAX_TEXT,
    ListedTombstone,
    Tombstone,
    find_listed,
    read_tombstone_list,
    tombstone_links,
    tombstone_of,
)
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue
from tests.strategies import handle_texts, records
from tests.unit.answer.places import HANDLE, document, url

ARCHIVED = HandleValue(2, "URL.archived", b"https://archive.example/copy")
SCRIPT = HandleValue(3, "URL", b"javascript:alert(1)")


def tombstone(*values: HandleValue, listed: ListedTombstone | None = None) -> Tombstone | None:
    """Return what is left of the thing of a record with these values."""
    return tombstone_of(HandleRecord(HANDLE, values), listed, DEFAULT_SCHEMES)


def found(*values: HandleValue, listed: ListedTombstone | None = None) -> Tombstone:
    """Return the same, for a thing that is gone."""
    left = tombstone(*values, listed=listed)
    assert left is not None
    return left


# --- what the record says --------------------------------------------------------------------------------


@pytest.mark.parametrize("value_type", ["TOMBSTONE", "tombstone", "Tombstone.withdrawn"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"withdrawn by its author", "withdrawn by its author"),
        ("zurückgezogen\n".encode(), "zurückgezogen"),
        (b"", ""),
        (b"  ", ""),
        (b"\x00\xff", ""),
        (b"x" * 10_000_000, "x" * MAX_TEXT),
    ],
    ids=["reason", "blanks", "nothing", "only blanks", "octets", "endless"],
)
def test_record_says_that_its_thing_is_gone(value_type: str, data: bytes, reason: str) -> None:
    """A value for it is enough, with or without a reason, though there is still a URL."""
    assert found(url("plain"), HandleValue(1, value_type, data)).reason == reason


def test_first_reason_counts() -> None:
    """Of several values the first that says anything is told."""
    left = found(
        HandleValue(1, "TOMBSTONE", b" "),
        HandleValue(2, "TOMBSTONE.X", b"a"),
        HandleValue(3, "TOMBSTONE", b"b"),
    )
    assert left.reason == "a"


@pytest.mark.parametrize(
    "values",
    [
        (ARCHIVED,),
        (ARCHIVED, SCRIPT),
        (ARCHIVED, HandleValue(3, "URL", b"")),
        (HandleValue(2, "url.ARCHIVED", b"https://archive.example/copy"),),
        (ARCHIVED, HandleValue(3, "URL.latest", b"https://new.example/")),
        (ARCHIVED, HandleValue(3, "10320/loc", b"<broken")),
        (ARCHIVED, document('href="javascript:alert(1)"')),
        (ARCHIVED, HandleValue(3, "EMAIL", b"somebody@example.org")),
    ],
    ids=[
        "nothing else",
        "dangerous URL",
        "empty URL",
        "capitals",
        "only a successor",
        "broken places",
        "no usable place",
        "other values",
    ],
)
def test_archived_copy_without_a_living_place_says_it_too(values: tuple[HandleValue, ...]) -> None:
    """Where only a copy in an archive is left, the thing itself is gone."""
    assert found(*values).archived == ("https://archive.example/copy",)


@pytest.mark.parametrize(
    "living",
    [
        url("plain"),
        url("typed", value_type="0.TYPE/URL"),
        url("mirror", value_type="URL.mirror"),
        document("place"),
        document('href_template="https://x.example/{hdl}" weight="0"'),
    ],
    ids=["URL", "typed URL", "mirror", "place", "template"],
)
def test_thing_with_a_living_place_is_not_gone(living: HandleValue) -> None:
    """A copy in an archive buries nothing that visitors could still be sent to, by whatever kind of value."""
    assert tombstone(ARCHIVED, living) is None


@pytest.mark.parametrize(
    "values",
    [
        (),
        (url("plain"),),
        (SCRIPT,),
        (HandleValue(1, "TOMBSTONES", b"x"),),
        (HandleValue(1, "DESC", b"TOMBSTONE"),),
        (HandleValue(1, "URL.archived.x", b"https://archive.example/"),),
        (HandleValue(1, "URL.latest", b"https://new.example/"),),
    ],
    ids=["empty", "URL", "dangerous URL", "other type", "text", "other subtype", "successor"],
)
def test_other_records_are_alive(values: tuple[HandleValue, ...]) -> None:
    """Nothing is called gone unless somebody says so."""
    assert tombstone(*values) is None


def test_what_is_left_is_told() -> None:
    """Visitors learn what it was, where it was, where copies and successors are, and when the record changed."""
    left = found(
        HandleValue(1, "URL", b"https://old.example/", timestamp=5),
        SCRIPT,
        HandleValue(4, "URL.archived", b"https://archive.example/1", timestamp=1_700_000_000),
        HandleValue(5, "URL.archived", b"data:text/html,x"),
        HandleValue(6, "URL.latest", b"https://new.example/"),
        HandleValue(7, "url.latest-version", b"https://newer.example/"),
        HandleValue(8, "DESC", b" Ein Atlas "),
        HandleValue(9, "TITLE", b"Atlas"),
        HandleValue(10, "TOMBSTONE", b"burnt"),
    )
    assert left == Tombstone(
        reason="burnt",
        what="Ein Atlas",
        changed=1_700_000_000,
        last_known=("https://old.example/",),
        archived=("https://archive.example/1",),
        latest=("https://new.example/", "https://newer.example/"),
    )
    assert left.changed_exactly == "2023-11-14T22:13:20Z"
    assert [str(link) for link in tombstone_links(left)] == [
        '<https://archive.example/1>; rel="memento"',
        '<https://new.example/>; rel="latest-version"',
        '<https://newer.example/>; rel="latest-version"',
    ]


def test_unknown_moment_is_not_told() -> None:
    """A record that does not say when it was changed gets no date."""
    assert found(HandleValue(1, "TOMBSTONE", b"")).changed_exactly is None
    assert found(HandleValue(1, "TOMBSTONE", b"", timestamp=-5)).changed_exactly is None


@given(records, st.none() | st.just(ListedTombstone(HANDLE, "listed")))
def test_any_record_is_alive_or_gone(record: HandleRecord, listed: ListedTombstone | None) -> None:
    """Whatever a record holds, the question has an answer, and nothing dangerous is linked from a grave."""
    left = tombstone_of(record, listed, DEFAULT_SCHEMES)
    assert left is not None or listed is None
    if left is not None:
        assert len(left.reason) <= MAX_TEXT
        assert len(left.what) <= MAX_TEXT
        for uri in (*left.last_known, *left.archived, *left.latest):
            assert uri.partition(":")[0].lower() in DEFAULT_SCHEMES


# --- what the operator says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("10.1/a withdrawn", [("10.1/a", "withdrawn")]),
        ("10.1/a", [("10.1/a", "")]),
        ("10.1/a \t withdrawn by  request ", [("10.1/a", "withdrawn by  request")]),
        ("10.1/a    withdrawn", [("10.1/a", "withdrawn")]),
        ("10.1/a b\twithdrawn by request", [("10.1/a b", "withdrawn by request")]),
        ("  10.1/a withdrawn", [("10.1/a", "withdrawn")]),
        ("\t10.1/a withdrawn", [("10.1/a", "withdrawn")]),
        ("10.1/a withdrawn\t", [("10.1/a", "withdrawn")]),
        ("10.1/a\r\n10.1/b why\r\n", [("10.1/a", ""), ("10.1/b", "why")]),
        ("# 10.1/a why\n\n   \n  # more\n10.1/b # why", [("10.1/b", "# why")]),
        ("\ufeff10.1/a why", [("10.1/a", "why")]),
        ("\ufeff# a comment\n10.1/a", [("10.1/a", "")]),
        ("abc.X/aBc why", [("ABC.X/aBc", "why")]),
        ("0.na/10.1 why", [("0.NA/10.1", "why")]),
        ("", []),
    ],
    ids=[
        "one",
        "no reason",
        "tab and blanks",
        "blanks",
        "tab after a handle with blanks",
        "indented",
        "indented by a tab",
        "tab at the end",
        "Windows",
        "comments",
        "byte order mark",
        "byte order mark before a comment",
        "case of the prefix",
        "case of a prefix handle",
        "empty",
    ],
)
def test_list_is_read_as_people_write_it(text: str, listed: list[tuple[str, str]]) -> None:
    """A line is a handle and a reason; blanks, tabs, comments and empty lines are where people put them."""
    assert [(line.pattern, line.reason) for line in read_tombstone_list(text)] == listed


@pytest.mark.parametrize(
    ("pattern", "handle", "matches"),
    [
        ("10.1/a", "10.1/a", True),
        ("10.1/a", "10.1/A", False),
        ("10.1/a", "10.1/ab", False),
        ("abc.d/x", "ABC.D/x", True),
        ("ABC.D/x", "abc.d/x", True),
        ("0.NA/10.1", "0.na/10.1", True),
        ("10.1/*", "10.1/anything/at all", True),
        ("10.1/*", "10.1/", True),
        ("10.1/*", "10.11/x", False),
        ("10.1/a*", "10.1/a", True),
        ("10.1/a*z", "10.1/abcz", True),
        ("10.1/a*z", "10.1/abc", False),
        ("10.1/*-old-*", "10.1/x-old-1", True),
        ("10.1/*-old-*", "10.1/x-new-1", False),
        ("*/secret", "10.1/secret", True),
        ("*", "10.1/x", True),
        ("10.1/*", "10.1/a\nb", True),
        ("10.1/a[b]", "10.1/a[b]", True),
        ("10.1/a[b]", "10.1/ab", False),
        ("10.1/a[b]*", "10.1/a[b]c", True),
        ("10.1/a[b]*", "10.1/abc", False),
        ("10.1/a[!b]*", "10.1/ac", False),
        ("10.1/a?c", "10.1/a?c", True),
        ("10.1/a?c", "10.1/abc", False),
        ("10.1/a?*", "10.1/ab", False),
        ("10.1/(S)0-[1]<2::a>3.CO;2-*", "10.1/(S)0-[1]<2::a>3.CO;2-B", True),
        ("10.1/a.c", "10.1/abc", False),
        ("10.1/a+*", "10.1/aaa", False),
        ("10.1/\\d*", "10.1/5", False),
    ],
)
def test_star_alone_means_something(pattern: str, handle: str, matches: bool) -> None:
    """``*`` stands for anything; brackets, question marks and the like are characters that handles are full of."""
    listed = read_tombstone_list(f"{pattern}\tgone")
    line = find_listed(Handle(handle), listed)
    assert (line is not None) is matches
    assert line is None or line.reason == "gone"


@given(handle_texts)
def test_handle_that_is_listed_is_found_and_takes_no_other_with_it(text: str) -> None:
    """Any handle can be listed as it is, and only that one is then gone."""
    if "*" in text:
        return
    listed = (ListedTombstone(Handle(text).cache_key, ""),)
    assert find_listed(Handle(text), listed)
    assert find_listed(Handle(f"{text}x"), listed) is None
    assert find_listed(Handle(f"20.500.99999/{text}"), listed) is None


def test_first_line_counts() -> None:
    """Of several lines that a handle falls under, the first tells the reason."""
    listed = read_tombstone_list("10.1/a particular\n10.1/* general")
    assert [line.reason for text in ("10.1/a", "10.1/b") if (line := find_listed(Handle(text), listed))] == [
        "particular",
        "general",
    ]
    assert find_listed(Handle("10.2/a"), listed) is None
    assert find_listed(Handle("10.1/a"), ()) is None


def test_operator_has_the_last_word() -> None:
    """What is listed is gone though it has a URL; the operator's reason is told, or else the record's."""
    listed = ListedTombstone(HANDLE, "court order")
    left = found(url("plain"), HandleValue(1, "TOMBSTONE", b"own reason"), listed=listed)
    assert (left.reason, left.last_known) == ("court order", ("https://plain.example/",))
    silent = ListedTombstone(HANDLE, "")
    assert found(HandleValue(1, "TOMBSTONE", b"own reason"), listed=silent).reason == "own reason"
    assert found(url("plain"), listed=silent).reason == ""
    assert found(listed=listed).changed == 0


def test_stars_without_end_are_no_trap() -> None:
    """A pattern of many stars is compared with a long handle like any other."""
    listed = read_tombstone_list(f"10.1/{'a*' * 60}b\twhy")
    assert find_listed(Handle("10.1/" + "a" * 2000), listed) is None
    assert find_listed(Handle("10.1/" + "a" * 2000 + "b"), listed)
