"""From a query string or a body to the conditions of an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.preferences import Action, Preferences
from resolver.errors import InvalidHandleError
from resolver.model.handle import MAX_HANDLE_OCTETS
from resolver.web.parse import (
    BadRequestError,
    HandleQuery,
    Parameters,
    parameters_from_json,
    read_parameters,
    read_query,
)


def query(text: str = "", *, for_api: bool = False) -> HandleQuery:
    """Return what is asked with this query string."""
    return read_query("10.1/x", read_parameters(text), for_api=for_api)


# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("", "type", ()),
        ("type=URL", "type", ("URL",)),
        ("type=URL&type=EMAIL", "type", ("URL", "EMAIL")),
        ("type=URL;type=EMAIL", "type", ("URL", "EMAIL")),
        ("&;&type=URL;;&", "type", ("URL",)),
        ("type", "type", ("",)),
        ("type=", "type", ("",)),
        ("type=a=b", "type", ("a=b",)),
        ("type=a+b", "type", ("a+b",)),
        ("type=a%2Bb%20c", "type", ("a+b c",)),
        ("type=%26%3B%3D", "type", ("&;=",)),
        ("ty%70e=URL", "type", ("URL",)),
        ("Type=URL", "type", ()),
        ("type=%C3%BC", "type", ("ü",)),
        ("type=ü", "type", ("ü",)),
        ("type=%ff", "type", ("\ufffd",)),
        ("type=\udcff", "type", ("\ufffd",)),
        ("type=%zz%", "type", ("%zz%",)),
        ("=x", "", ("x",)),
    ],
)
def test_query_string_is_read(text: str, name: str, values: tuple[str, ...]) -> None:
    """``&`` and ``;`` separate, ``+`` is a plus, names repeat, and nothing that is ill-formed is refused."""
    assert read_parameters(text).all(name) == values
    assert read_parameters(text).first(name) == (values[0] if values else None)


def test_body_adds_to_the_address() -> None:
    """What stands in the address counts before the body; names that repeat are joined."""
    both = read_parameters("type=URL&auth=no") | Parameters(
        [("type", "EMAIL"), ("auth", "yes"), ("cert", "")]
    )
    assert both.all("type") == ("URL", "EMAIL")
    assert not both.flag("auth")
    assert both.flag("cert")


@pytest.mark.parametrize(
    ("text", "is_on"),
    [
        ("", False),
        ("other", False),
        ("auth", True),
        ("auth=", True),
        ("auth=true", True),
        ("auth=yes", True),
        ("auth=1", True),
        ("auth=anything", True),
        ("auth=false", False),
        ("auth=FALSE", False),
        ("auth=no", False),
        ("auth=No", False),
        ("auth=0", False),
        ("auth=%20false%20", False),
        ("auth=00", True),
        ("auth=false&auth", False),
        ("auth&auth=false", True),
        ("auth=off", True),
    ],
)
def test_flag_is_on_when_present_unless_denied(text: str, is_on: bool) -> None:
    """A flag needs no value; ``false``, ``no`` and ``0`` switch it off; the first one counts."""
    assert read_parameters(text).flag("auth") is is_on


def test_flag_that_is_absent_has_its_default() -> None:
    """A flag that is usually on is off only if it is denied."""
    assert read_parameters("").flag("publicOnly", default=True)
    assert not read_parameters("publicOnly=false").flag("publicOnly", default=True)
    assert read_parameters("publicOnly").flag("publicOnly", default=True)


# --- JSON bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ({}, ()),
        ({"type": "URL"}, ("URL",)),
        ({"type": ["URL", "EMAIL"]}, ("URL", "EMAIL")),
        ({"type": []}, ()),
        ({"type": None}, ("",)),
        ({"type": True}, ("true",)),
        ({"type": False}, ("false",)),
        ({"type": 1}, ("1",)),
        ({"type": [1, 2.5, "x", None, False]}, ("1", "2.5", "x", "", "false")),
        ({"other": "x"}, ()),
    ],
)
def test_json_body_holds_parameters(content: Any, values: tuple[str, ...]) -> None:
    """An object gives parameters by name: text, numbers, booleans, or lists of them for those that repeat."""
    assert parameters_from_json(content).all("type") == values


def test_json_flags_mean_what_they_say() -> None:
    """``true`` and ``null`` switch a flag on as its bare name does, ``false`` and 0 switch it off."""
    parameters = parameters_from_json({"auth": True, "cert": False, "pretty": None, "noredirect": 0})
    flags = [parameters.flag(name) for name in ("auth", "cert", "pretty", "noredirect")]
    assert flags == [True, False, True, False]


@pytest.mark.parametrize("content", [None, [], ["type"], "type=URL", 1, True])
def test_json_body_must_be_an_object(content: Any) -> None:
    """Any other JSON is an error that says so."""
    with pytest.raises(BadRequestError, match="must be an object"):
        parameters_from_json(content)


@pytest.mark.parametrize("value", [{"a": 1}, [["x"]], [{"a": 1}], [[]]])
def test_json_parameter_must_be_plain(value: Any) -> None:
    """A nested value is an error that names the parameter."""
    with pytest.raises(BadRequestError, match="'type'"):
        parameters_from_json({"type": value})


# --- the query -------------------------------------------------------------------------------------------


def test_without_parameters_the_visitor_is_redirected() -> None:
    """The bare handle: follow aliases, ask the cache, public values, redirect."""
    asked = query()
    assert asked == HandleQuery(asked.handle, preferences=Preferences())
    assert asked.handle.text == "10.1/x"
    assert asked.public_only


def test_script_without_parameters_gets_the_record_itself() -> None:
    """The API never follows aliases."""
    asked = query(for_api=True)
    assert asked.ignore_aliases
    assert asked.preferences == Preferences(action=Action.API)
    assert (asked.callback, asked.pretty) == (None, False)


def test_every_parameter_arrives() -> None:
    """Each parameter of the contract changes what it is about."""
    asked = query(
        "auth&cert&publicOnly=false&ignore_aliases&type=URL&index=1&urlappend=%2Fx&redirectionHeaders"
    )
    assert (asked.authoritative, asked.certified, asked.public_only, asked.ignore_aliases) == (
        True,
        True,
        False,
        True,
    )
    assert asked.preferences == Preferences(
        types=("URL",), indexes=(1,), url_append="/x", redirection_headers=True
    )


def test_unknown_parameters_change_nothing() -> None:
    """A tracking parameter does not make another answer."""
    assert query("utm_source=x&fbclid=y;a;=b&Auth&NOREDIRECT") == query()


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("", Action.REDIRECT),
        ("noredirect", Action.SHOW_VALUES),
        ("noredirect=false", Action.REDIRECT),
        ("action=redirect", Action.REDIRECT),
        ("action=showvalues", Action.SHOW_VALUES),
        ("action=showurls", Action.SHOW_URLS),
        ("action=metadata", Action.METADATA),
        ("action=api", Action.API),
        ("action=explain", Action.EXPLAIN),
        ("action=SHOWvalues", Action.SHOW_VALUES),
        ("noredirect&action=redirect", Action.REDIRECT),
        ("action=api;noredirect", Action.API),
        ("action=unknown", Action.REDIRECT),
        ("action=unknown&noredirect", Action.SHOW_VALUES),
        ("action=&noredirect", Action.SHOW_VALUES),
        ("action=showvalues&action=api", Action.SHOW_VALUES),
    ],
)
def test_action_beats_noredirect(text: str, action: Action) -> None:
    """A known action decides, in any case of letters; else ``noredirect`` does."""
    assert query(text).preferences.action is action


def test_action_is_nothing_to_the_api() -> None:
    """Below ``/api/`` the answer is JSON, whatever the action."""
    assert query("action=redirect", for_api=True).preferences.action is Action.API


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("index=1", (1,)),
        ("index=1&index=300;index=-5", (1, 300, -5)),
        ("index=%201%20", (1,)),
        ("index=0", (0,)),
        ("index=2147483647&index=-2147483648", (2**31 - 1, -(2**31))),
    ],
)
def test_indexes_are_numbers(text: str, indexes: tuple[int, ...]) -> None:
    """Every number that an index can be is one."""
    assert query(text).preferences.indexes == indexes
    assert query(text, for_api=True).preferences.indexes == indexes


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        "",
        "1.0",
        "+1",
        "0x1",
        "1,2",
        "2147483648",
        "-2147483649",
        "9" * 5000,
        "1_0",
        "\u0661",
        "\uff11",
        "--1",
    ],
)
def test_bad_index_is_forgiven_to_people_only(bad: str) -> None:
    """A person's bad index is passed over; a script's is 400, response code 4."""
    text = f"index={bad}&index=7"
    assert query(text).preferences.indexes == (7,)
    for for_api, more in ((True, ""), (False, "&action=api")):
        with pytest.raises(BadRequestError, match="is no number") as caught:
            query(text + more, for_api=for_api)
        assert (caught.value.status, caught.value.code) == (400, 4)


def test_empty_types_are_passed_over() -> None:
    """``type=`` asks for nothing in particular, as it does at the deployed proxy."""
    assert query("type=&type=URL").preferences.types == ("URL",)
    assert not query("type=").preferences.is_filtered


@pytest.mark.parametrize(
    "name", ["f", "_", "$", "jQuery123_456", "a.b.c", "$.get", "_a$.b$1", "x" * 128, "callback"]
)
def test_callback_may_be_a_dotted_name(name: str) -> None:
    """The functions that scripts really name are called."""
    assert query(f"callback={name}", for_api=True).callback == name
    assert query(f"callback={name}&action=api").callback == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "1a",
            "a b",
            "a-b",
            "a..b",
            ".a",
            "a.",
            "a[0]",
            "a()",
            "alert(1)//",
            "a%3Bb",
            "a%0A",
            "%0Aa",
            "a%00",
        ),
        *(
            "<script>",
            "a%22",
            "a'",
            "\u00fc",
            "a\u0661",
            "a\u2028",
            "a\\u0041",
            "x" * 129,
            "a/**/b",
            "a=b",
            "%61.",
        ),
    ],
)
def test_callback_that_is_more_than_a_name_is_refused(name: str) -> None:
    """Nothing but the name of a function is put before the record: 400."""
    with pytest.raises(BadRequestError, match="JavaScript function") as caught:
        query(f"callback={name}", for_api=True)
    assert caught.value.status == 400


def test_callback_is_nothing_to_people() -> None:
    """A page has no callback, so a bad one does no harm."""
    assert query("callback=alert(1)").callback is None


@pytest.mark.parametrize("text", ["", "x" * (MAX_HANDLE_OCTETS + 1), "ü" * MAX_HANDLE_OCTETS, "10.1/\ud800"])
@pytest.mark.parametrize("for_api", [True, False])
def test_what_is_no_handle_is_refused(text: str, for_api: bool) -> None:
    """An empty, endless or unwritable handle is refused before anybody is asked."""
    with pytest.raises(InvalidHandleError):
        read_query(text, Parameters(), for_api=for_api)


_WORDS = st.sampled_from(
    [
        "auth",
        "cert",
        "type",
        "index",
        "action",
        "callback",
        "noredirect",
        "publicOnly",
        "=",
        "&",
        ";",
        "%",
        "+",
        "1",
    ]
)


@given(st.lists(_WORDS | st.text(max_size=4), max_size=12).map("".join), st.booleans())
def test_any_query_is_read_or_refused(text: str, for_api: bool) -> None:
    """No query string breaks anything, and people are never refused for one."""
    try:
        asked = query(text, for_api=for_api)
    except BadRequestError:
        assert for_api or "action=api" in text.lower()
        return
    assert all(-(2**31) <= index < 2**31 for index in asked.preferences.indexes)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(_JSON)
def test_any_json_is_read_or_refused(content: Any) -> None:
    """No JSON body breaks anything."""
    try:
        asked = read_query("10.1/x", parameters_from_json(content), for_api=False)
    except BadRequestError:
        return
    assert asked.handle.text == "10.1/x"
