"""Records in which one URL decides are told by a look, and lead where the rules for all records say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.answer.choose import Redirect, alias_of, choose_answer
from resolver.answer.extras import read_location_data
from resolver.answer.plain import has_no_say, plain_target
from resolver.answer.preferences import Preferences
from resolver.answer.targets import DEFAULT_SCHEMES, Target
from resolver.answer.tombstone import tombstone_of
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue
from tests.strategies import handle_texts, values

URL = HandleValue(1, "URL", b"https://one.example/")
OTHER = HandleValue(2, "URL", b"https://two.example/")
EMAIL = HandleValue(3, "EMAIL", b"somebody@example.org")
ADMIN = HandleValue(100, "HS_ADMIN", b"\x0f\xff")

_NAMES = (
    "URL",
    "0.TYPE/URL",
    "HS_ALIAS",
    "TOMBSTONE",
    "10320/loc",
    "10320/headers",
    "EMAIL",
    "HS_ADMIN",
    "DESC",
)


def _odd_case(name: str, upper: list[bool]) -> str:
    return "".join(
        letter.upper() if is_upper else letter.lower() for letter, is_upper in zip(name, upper, strict=False)
    )


TYPES = st.one_of(
    st.sampled_from(_NAMES),
    st.builds(_odd_case, st.sampled_from(_NAMES), st.lists(st.booleans(), min_size=16, max_size=16)),
    st.builds(
        "{}{}".format, st.sampled_from(_NAMES), st.sampled_from([".archived", ".LATEST", ".x", "x", "/", "."])
    ),
    st.sampled_from(["10320/", "10320", "", "UR\u0130", "\u017f", "hs_al\u0131as"]),
)
DATA = st.one_of(
    st.sampled_from(
        [
            b"https://one.example/",
            b"http://two.example:8080/a?b=c#d",
            b"HTTPS://Three.Example/",
            b" https://four.example/ ",
            "https://fünf.example/ü".encode(),
            b"mailto:somebody@example.org",
            b"javascript:alert(1)",
            b"",
            b"https://",
            b"\xff",
            b"20.500.12345/other",
            b'<locations><location id="0" href="https://loc.example/"/></locations>',
            b"X-Added: yes",
        ]
    ),
    st.binary(max_size=12),
)
VALUES = st.builds(
    HandleValue, index=st.integers(1, 5), type=TYPES, data=DATA, timestamp=st.sampled_from([0, 1_700_000_000])
)
LISTS = st.one_of(st.lists(VALUES, max_size=4), st.lists(st.one_of(VALUES, values), max_size=4))
RECORDS = st.builds(
    HandleRecord,
    handle_texts,
    # Mostly with a URL that would do, if nothing else had a say.
    st.one_of(LISTS, LISTS.map(lambda rest: [URL, *rest]), LISTS.map(lambda rest: [*rest, URL])).map(tuple),
)
SCHEMES = st.sampled_from([DEFAULT_SCHEMES, DEFAULT_SCHEMES | {"javascript"}, frozenset({"http"})])


@settings(max_examples=600)
@given(RECORDS, SCHEMES)
def test_what_a_look_tells_is_what_the_rules_say(record: HandleRecord, schemes: frozenset[str]) -> None:
    """A record that is called plain is no alias, no tombstone, has no location data, and leads there with 302."""
    target = plain_target(record, schemes)
    if target is None:
        return
    preferences = Preferences()
    assert alias_of(record, preferences) is None
    assert tombstone_of(record, None, schemes) is None
    assert read_location_data(record).is_empty
    assert choose_answer(record, preferences, schemes=schemes) == Redirect(target, 302)


@pytest.mark.parametrize(
    "members",
    [
        (URL,),
        (ADMIN, EMAIL, URL),
        (URL, OTHER),
        (HandleValue(1, "url", URL.data),),
        (HandleValue(1, "0.type/url", URL.data), OTHER),
        (URL, HandleValue(7, "URLX", b"javascript:")),
        (URL, HandleValue(7, "HS_ALIASES", b"1/2")),
        (URL, HandleValue(7, "10321/loc", b"<")),
    ],
)
def test_plain_records(members: tuple[HandleValue, ...]) -> None:
    """The first URL decides, whatever stands beside it that has no say, and in whatever case it is written."""
    assert plain_target(HandleRecord("1/2", members), DEFAULT_SCHEMES) == Target("https://one.example/")


@pytest.mark.parametrize(
    "members",
    [
        (),
        (EMAIL, ADMIN),
        (HandleValue(1, "URL", b"javascript:alert(1)"), OTHER),
        (URL, HandleValue(7, "HS_ALIAS", b"")),
        (URL, HandleValue(7, "hs_alias.old", b"1/2")),
        (URL, HandleValue(7, "Tombstone", b"")),
        (URL, HandleValue(7, "URL.archived", b"")),
        (URL, HandleValue(7, "url.mirror", b"")),
        (URL, HandleValue(7, "10320/loc", b"")),
        (URL, HandleValue(7, "10320/headers", b"X-A: b")),
        (URL, HandleValue(7, "10320/anything", b"")),
    ],
)
def test_records_that_take_more(members: tuple[HandleValue, ...]) -> None:
    """Where something else may decide, it is left to the rules for all records."""
    assert plain_target(HandleRecord("1/2", members), DEFAULT_SCHEMES) is None


@pytest.mark.parametrize(
    ("namespace", "is_silent"),
    [
        (None, True),
        (Namespace(), True),
        (Namespace(contact="somebody@example.org", status_message="moved", has_template=True), True),
        (Namespace(status=" Inactive "), False),
        (Namespace(location_handles=("1/2",)), False),
        (Namespace(location_handles=("1/2",), stops_inheritance=True), False),
    ],
)
def test_namespaces(namespace: Namespace | None, is_silent: bool) -> None:
    """A namespace has a say where it switches a prefix off, or gives its handles other places."""
    assert has_no_say(namespace) is is_silent
