"""Where a record sends its visitors, and when they see it instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.choose import (
    JsonRecord,
    Listing,
    NotAcceptable,
    PlaceList,
    Redirect,
    alias_of,
    choose_answer,
)
from resolver.answer.preferences import Action, Preferences
from resolver.answer.targets import DEFAULT_SCHEMES, Target, read_target
from resolver.model.record import HandleRecord, HandleValue, has_type, select_values
from tests.strategies import handle_texts, texts, values

FIRST = HandleValue(1, "URL", b"https://one.example/")
SECOND = HandleValue(2, "URL", b"https://two.example/")
MIRROR = HandleValue(3, "URL.mirror", b"https://mirror.example/")
TYPED = HandleValue(4, "0.TYPE/URL", b"https://typed.example/")
SCRIPT = HandleValue(5, "URL", b"javascript:alert(1)")
EMPTY = HandleValue(6, "URL", b"")
EMAIL = HandleValue(7, "EMAIL", b"somebody@example.org")
LATIN = HandleValue(8, "URL", "https://latin.example/ü".encode("latin-1"))
ADMIN = HandleValue(100, "HS_ADMIN", b"")


def record(*members: HandleValue) -> HandleRecord:
    """Return a record with these values, in this order."""
    return HandleRecord("20.500.12345/abc", members)


def target_of(*members: HandleValue, **wishes: object) -> str | None:
    """Return where a visitor is sent, or ``None`` if he sees the record."""
    answer = choose_answer(record(*members), Preferences(**wishes))  # type: ignore[arg-type]
    return answer.target.uri if isinstance(answer, Redirect) else None


# --- redirects -------------------------------------------------------------------------------------------


def test_a_url_is_redirected_to_with_302() -> None:
    """The ordinary record sends its visitor on, for now, not for ever."""
    assert choose_answer(record(ADMIN, FIRST), Preferences()) == Redirect(Target("https://one.example/"), 302)


@pytest.mark.parametrize(
    ("members", "uri"),
    [
        ((FIRST, SECOND), "https://one.example/"),
        ((SECOND, FIRST), "https://two.example/"),
        ((ADMIN, EMAIL, SECOND, FIRST), "https://two.example/"),
        ((MIRROR, SECOND), "https://two.example/"),
        ((MIRROR, ADMIN), "https://mirror.example/"),
        ((TYPED, FIRST), "https://typed.example/"),
        ((FIRST, TYPED), "https://one.example/"),
        ((MIRROR, TYPED), "https://typed.example/"),
        ((HandleValue(1, "url", b"https://small.example/"), FIRST), "https://small.example/"),
        ((HandleValue(1, "Url.X", b"https://sub.example/"),), "https://sub.example/"),
        ((HandleValue(1, "URL.", b"https://dot.example/"),), "https://dot.example/"),
        ((HandleValue(9, "URLX", b"https://x.example/"), MIRROR), "https://mirror.example/"),
        ((HandleValue(9, "0.type/url", b"https://small.example/"), MIRROR), "https://small.example/"),
    ],
)
def test_first_exact_url_in_record_order_wins(members: tuple[HandleValue, ...], uri: str) -> None:
    """The record's order decides, not the index; subtypes come after every exact URL; case means nothing."""
    assert target_of(*members) == uri


@pytest.mark.parametrize("bad", [SCRIPT, EMPTY, LATIN, HandleValue(9, "URL", b"/relative")])
def test_url_that_leads_nowhere_is_passed_over(bad: HandleValue) -> None:
    """A broken or dangerous value does not keep visitors from the next one."""
    assert target_of(bad, SECOND) == "https://two.example/"
    assert target_of(bad, MIRROR) == "https://mirror.example/"


@pytest.mark.parametrize("members", [(), (EMAIL, ADMIN), (SCRIPT,), (EMPTY, LATIN)])
def test_record_that_leads_nowhere_is_shown(members: tuple[HandleValue, ...]) -> None:
    """With nothing to redirect to, the visitor sees all that is recorded."""
    assert choose_answer(record(*members), Preferences()) == Listing(members)


def test_operator_decides_about_schemes() -> None:
    """A value is redirected to if the operator allowed its scheme, and only then."""
    chat = HandleValue(1, "URL", b"irc://chat.example.org/")
    assert choose_answer(record(chat), Preferences()) == Listing((chat,))
    allowed = choose_answer(record(chat), Preferences(), schemes=DEFAULT_SCHEMES | {"irc"})
    assert allowed == Redirect(Target("irc://chat.example.org/"))
    assert choose_answer(record(FIRST), Preferences(), schemes=frozenset({"ftp"})) == Listing((FIRST,))


# --- what the visitor asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "uri"),
    [
        ({"indexes": (2,)}, "https://two.example/"),
        ({"indexes": (2, 1)}, "https://one.example/"),
        ({"indexes": (7,)}, None),
        ({"indexes": (99,)}, None),
        ({"types": ("URL",)}, "https://one.example/"),
        ({"types": ("url.mirror",)}, "https://mirror.example/"),
        ({"types": ("URL.",)}, "https://one.example/"),
        ({"types": ("EMAIL",)}, None),
        ({"types": ("EMAIL",), "indexes": (2,)}, "https://two.example/"),
        ({"types": ("URLX", "UR.")}, None),
    ],
)
def test_filters_decide_which_values_count(wishes: dict[str, object], uri: str | None) -> None:
    """``type`` and ``index`` choose together, either is enough; a dot at the end asks for the family."""
    assert target_of(EMAIL, FIRST, SECOND, MIRROR, **wishes) == uri


def test_listing_holds_what_was_asked_for() -> None:
    """The page shows the values asked for and no others, and none if none match."""
    whole = record(EMAIL, FIRST, ADMIN)
    assert choose_answer(whole, Preferences(types=("EMAIL",))) == Listing((EMAIL,))
    assert choose_answer(whole, Preferences(indexes=(55,))) == Listing(())


@pytest.mark.parametrize("action", [Action.SHOW_VALUES, Action.EXPLAIN])
def test_who_wants_to_see_is_not_sent_away(action: Action) -> None:
    """An action that shows something never redirects, though there is a URL."""
    answer = choose_answer(record(FIRST, EMAIL), Preferences(action=action, types=("URL",)))
    assert answer == Listing((FIRST,))


@pytest.mark.parametrize("action", [Action.REDIRECT, Action.METADATA])
def test_who_wants_to_go_is_sent(action: Action) -> None:
    """Without metadata, who asks for them is sent to the thing itself."""
    assert target_of(FIRST, action=action) == "https://one.example/"


def test_scripts_get_json() -> None:
    """``action=api`` gives the values asked for, unchosen and in order, even none."""
    assert choose_answer(record(EMAIL, FIRST), Preferences(action=Action.API)) == JsonRecord((EMAIL, FIRST))
    empty = Preferences(action=Action.API, types=("NONE",))
    assert choose_answer(record(EMAIL, FIRST), empty) == JsonRecord(())


@pytest.mark.parametrize(
    ("appended", "uri"),
    [
        ("", "https://one.example/"),
        ("page", "https://one.example/page"),
        ("?q=1", "https://one.example/?q=1"),
    ],
)
def test_appendix_is_put_behind_the_target(appended: str, uri: str) -> None:
    """``urlappend`` arrives with the visitor."""
    assert target_of(FIRST, url_append=appended) == uri


@pytest.mark.parametrize("appended", [".evil.example", "@evil.example", ":80", "x" * 9000])
def test_appendix_that_would_move_the_target_is_left_out(appended: str) -> None:
    """The redirect goes where the record says, without an appendix that would lead elsewhere."""
    bare = HandleValue(1, "URL", b"https://one.example")
    assert target_of(bare, url_append=appended) == "https://one.example"


# --- aliases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value_type", "data", "alias"),
    [
        ("HS_ALIAS", b"20.500.12345/other", "20.500.12345/other"),
        ("hs_alias", b" 20.500.12345/other\n", "20.500.12345/other"),
        ("HS_ALIAS.X", b"20.500.12345/other", "20.500.12345/other"),
        ("HS_ALIAS", "10.1/ü".encode(), "10.1/ü"),
        ("HS_ALIAS", b"", ""),
        ("HS_ALIAS", b"  ", ""),
        ("HS_ALIAS", b"10.1/\xff", None),
        ("HS_ALIASES", b"20.500.12345/other", None),
        ("ALIAS", b"20.500.12345/other", None),
        ("URL", b"https://example.org/", None),
    ],
)
def test_alias_is_what_its_value_says(value_type: str, data: bytes, alias: str | None) -> None:
    """An alias value names another handle, without the blanks around it; what is no UTF-8 names none."""
    assert alias_of(record(ADMIN, HandleValue(3, value_type, data), FIRST), Preferences()) == alias


def test_filters_hold_for_aliases_too() -> None:
    """Who asks for other values stays with this handle; the first of several aliases counts."""
    alias = HandleValue(3, "HS_ALIAS", b"a/1")
    other = HandleValue(2, "HS_ALIAS", b"a/2")
    whole = record(FIRST, alias, other)
    assert alias_of(whole, Preferences()) == "a/1"
    assert alias_of(whole, Preferences(types=("URL",))) is None
    assert alias_of(whole, Preferences(types=("HS_ALIAS",))) == "a/1"
    assert alias_of(whole, Preferences(indexes=(2,))) == "a/2"
    assert alias_of(whole, Preferences(types=("URL",), indexes=(3,))) == "a/1"
    assert alias_of(record(), Preferences()) is None


# --- any record, any visitor -----------------------------------------------------------------------------

_LOCATIONS = st.builds(
    HandleValue,
    index=st.integers(1, 9),
    type=st.sampled_from(["URL", "url", "URL.x", "0.TYPE/URL", "URLX", "HS_ALIAS"]),
    data=st.one_of(
        st.builds("{}{}".format, st.sampled_from(["https://example.org", "urn:x", "javascript:"]), texts).map(
            str.encode
        ),
        st.binary(max_size=12),
    ),
)
_RECORDS = st.builds(HandleRecord, handle_texts, st.lists(_LOCATIONS | values, max_size=5).map(tuple))
_PREFERENCES = st.builds(
    Preferences,
    action=st.sampled_from(Action),
    types=st.lists(st.sampled_from(["URL", "URL.", "url.x", "HS_ALIAS", ""]) | texts, max_size=2).map(tuple),
    indexes=st.lists(st.integers(-1, 9), max_size=2).map(tuple),
    url_append=st.just("") | st.text(max_size=12) | st.sampled_from(["/x", "@evil.example", ".evil", "?"]),
)


@given(_RECORDS, _PREFERENCES)
def test_any_record_has_an_answer_for_any_visitor(whole: HandleRecord, wishes: Preferences) -> None:
    """No record and no wish is without an answer, and it is made of the values asked for only."""
    chosen = select_values(whole.values, wishes.types, wishes.indexes)
    match choose_answer(whole, wishes):
        case Redirect(target, status):
            assert wishes.action in (Action.REDIRECT, Action.METADATA)
            assert status == 302
            assert target.uri.partition(":")[0].lower() in DEFAULT_SCHEMES
            own = [read_target(value.data) for value in chosen if "URL" in value.type.upper()]
            assert any(isinstance(found, Target) and target.uri.startswith(found.uri) for found in own)
        case Listing(shown):
            assert wishes.action is not Action.API
            assert shown == chosen
        case JsonRecord(shown):
            assert wishes.action is Action.API
            assert shown == chosen
        case PlaceList():
            assert wishes.action is Action.SHOW_URLS
        case NotAcceptable():
            raise AssertionError("nobody asked for anything in particular")


@given(_RECORDS, _PREFERENCES)
def test_an_alias_comes_from_the_values_asked_for(whole: HandleRecord, wishes: Preferences) -> None:
    """Whatever a record holds, its alias is the text of an alias value among those asked for, or there is none."""
    alias = alias_of(whole, wishes)
    chosen = select_values(whole.values, wishes.types, wishes.indexes)
    named = [value.data for value in chosen if has_type(value.type, "HS_ALIAS")]
    assert alias is None or alias in {data.decode("utf-8", "replace").strip() for data in named[:1]}
