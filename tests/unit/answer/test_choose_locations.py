"""Where a record with several places sends its visitors, from the octets of its values to the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.choose import (
    Answer,
    JsonRecord,
    Listing,
    NotAcceptable,
    PlaceList,
    Redirect,
    choose_answer,
)
from resolver.answer.extras import Extras, read_location_data
from resolver.answer.locations import Circumstances
from resolver.answer.preferences import Action, Preferences
from resolver.answer.targets import DEFAULT_SCHEMES, Target
from resolver.model.record import HandleRecord, HandleValue
from tests.strategies import damaged, values
from tests.unit.answer.places import (
    HANDLE,
    answer_of,
    browser,
    data_of,
    document,
    name_of,
    place_attributes,
    reached,
    tool,
    url,
)

EMAIL = HandleValue(7, "EMAIL", b"somebody@example.org")
BROKEN = HandleValue(1, "10320/loc", b'<locations><location href="https://broken.example/"')


def inherited(*members: HandleValue) -> Extras:
    """Return what a prefix adds whose handle for all has these values."""
    return Extras(inherited=(data_of(*members, handle="20.500.12345/for-all"),))


# --- documents and plain URLs ----------------------------------------------------------------------------


def test_places_win_over_the_plain_url() -> None:
    """A record with a document leads to its places; the plain URL is for programs that know nothing else."""
    assert reached(url("plain"), document("place", index=1000)) == {"place"}


def test_place_that_weighs_nothing_is_as_good_as_the_url_beside() -> None:
    """Where nothing weighs anything, all are equal, the plain URL too."""
    assert reached(url("plain"), document('place weight="0"')) == {"place", "plain"}
    assert reached(url("plain"), document('place weight="0"', root='no_legacy="1"')) == {"place"}
    assert reached(url("plain"), document('place weight="1"', root='urlWeight="1"')) == {"place", "plain"}


@pytest.mark.parametrize(
    "useless",
    [
        BROKEN,
        HandleValue(1, "10320/loc", b"this is no XML"),
        HandleValue(1, "10320/loc", b""),
        HandleValue(1, "10320/loc", b"<locations/>"),
        HandleValue(1, "10320/loc", b"<other/>"),
        document('weight="1"'),
        document('href="javascript:alert(1)"'),
        HandleValue(1, "10320/loc", b'<!DOCTYPE locations [<!ENTITY x "https://dtd.example/">]><locations/>'),
        HandleValue(1, "10320/loc", b"\xff\xfe\x00"),
    ],
    ids=[
        "broken XML",
        "no XML",
        "nothing",
        "no places",
        "another document",
        "no href",
        "script",
        "document type",
        "octets",
    ],
)
def test_useless_document_does_not_take_the_url_away(useless: HandleValue) -> None:
    """A document that gives no place leaves the visitor the plain URL, and without one he sees the record."""
    assert reached(useless, url("plain")) == {"plain"}
    assert answer_of(useless, EMAIL) == Listing((useless, EMAIL))


def test_links_and_headers_alone_change_nothing_about_where_it_goes() -> None:
    """A record with links and headers, but without places, follows the rule for plain URLs."""
    links = document('license rel="license"', value_type="10320/links")
    headers = HandleValue(3, "10320/headers", b"X-Note: yes")
    answer = answer_of(links, headers, url("first"), url("second"))
    assert isinstance(answer, Redirect)
    assert (answer.target, answer.status, answer.choice) == (Target("https://first.example/"), 302, None)
    assert answer.own is not None
    assert answer.own.headers == ("X-Note: yes",)
    assert answer_of(links, headers) == Listing((links, headers))


def test_prefix_gives_places_to_handles_without_any() -> None:
    """A handle that has no URL goes where its prefix sends all of its handles."""
    for_all = document('href_template="https://x.example/{hdl}"')
    answer = answer_of(EMAIL, extras=inherited(for_all))
    assert isinstance(answer, Redirect)
    assert answer.target == Target("https://x.example/20.500.12345%2Fabc")


def test_prefix_negotiates_for_handles_that_have_only_a_url() -> None:
    """People go to the handle's own URL, and programs that want data to the service of its prefix."""
    extras = inherited(document('service http_role="conneg" weight="0"'))
    assert reached(url("own"), extras=extras, requester=browser("text/html,*/*;q=0.8")) == {"own"}
    assert reached(url("own"), extras=extras, requester=tool("application/json")) == {"service"}
    assert reached(url("own"), extras=extras, requester=tool()) == {"own"}


# --- the answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "root", "status"),
    [
        ("a", "", 302),
        ('a http_sc="303"', "", 303),
        ("a", 'http_sc="308"', 308),
        ('a http_sc="404"', "", 302),
        ('a http_sc="200"', 'http_sc="500"', 302),
    ],
    ids=["usual", "of the place", "of the document", "no redirect", "none of both"],
)
def test_author_chooses_the_kind_of_redirect(place: str, root: str, status: int) -> None:
    """The status is the author's as far as it is a redirect, and else the one that promises nothing."""
    answer = answer_of(document(place, root=root))
    assert isinstance(answer, Redirect)
    assert answer.status == status


def test_how_it_was_chosen_is_told() -> None:
    """The answer holds the choice, for caches and for who asks why, and the documents that it was made from."""
    answer = answer_of(document('us country="us"', 'gb country="gb"'), country="gb")
    assert isinstance(answer, Redirect)
    assert answer.choice is not None
    assert answer.choice.is_personal
    assert [(name_of(one.target.uri), rule) for one, rule in answer.choice.removed] == [("us", "country")]
    assert answer.own is not None
    assert len(answer.own.documents) == 1


def test_what_visitors_append_goes_behind_the_chosen_place() -> None:
    """``urlappend`` works with places as with plain URLs, and cannot lead elsewhere."""
    for appended, uri in {
        "?page=2": "https://a.example/?page=2",
        "": "https://a.example/",
    }.items():
        answer = answer_of(document("a"), preferences=Preferences(url_append=appended))
        assert isinstance(answer, Redirect)
        assert answer.target.uri == uri
    bare = document('href="https://a.example"')
    answer = answer_of(bare, preferences=Preferences(url_append=".evil.example"))
    assert isinstance(answer, Redirect)
    assert answer.target.uri == "https://a.example"


def test_filter_takes_documents_away_too() -> None:
    """Who asks for ``type=URL`` gets the plain URL, whatever the document says, and so by index."""
    members = (document("place", index=1), url("plain", index=5))
    for wishes, name in [
        (Preferences(types=("URL",)), "plain"),
        (Preferences(indexes=(5,)), "plain"),
        (Preferences(types=("10320/LOC",)), "place"),
        (Preferences(indexes=(1,)), "place"),
    ]:
        answer = answer_of(*members, preferences=wishes)
        assert isinstance(answer, Redirect)
        assert name_of(answer.target.uri) == name


def test_values_and_json_are_not_chosen_from() -> None:
    """Who wants to see the record sees all of it, places and plain URL."""
    members = (document("place"), url("plain"))
    assert answer_of(*members, preferences=Preferences(action=Action.SHOW_VALUES)) == Listing(members)
    assert answer_of(*members, preferences=Preferences(action=Action.API)) == JsonRecord(members)


def test_all_places_can_be_listed() -> None:
    """``action=showurls`` gives every place, those of the prefix and the plain URLs too, and chooses none."""
    answer = answer_of(
        url("plain"),
        document("own"),
        extras=inherited(document("prefix")),
        preferences=Preferences(action=Action.SHOW_URLS),
    )
    assert isinstance(answer, PlaceList)
    names = [name_of(candidate.target.uri) for candidate in answer.places.candidates]
    assert names == ["own", "prefix", "plain"]


@pytest.mark.parametrize("members", [(), (EMAIL,), (BROKEN,)], ids=["nothing", "no place", "broken"])
def test_list_of_places_may_be_empty(members: tuple[HandleValue, ...]) -> None:
    """Who asks where a handle leads, that leads nowhere, is told just that."""
    answer = answer_of(*members, preferences=Preferences(action=Action.SHOW_URLS))
    assert isinstance(answer, PlaceList)
    assert answer.places.candidates == ()


# --- negotiation -----------------------------------------------------------------------------------------

TYPED = document('json ctype="application/json"', 'page http_role="browser"')


def test_strict_operator_refuses_what_is_not_offered() -> None:
    """Where the operator is strict, a program that accepts nothing of what there is learns what there is."""
    answer = answer_of(TYPED, requester=tool("text/turtle"), is_strict=True)
    assert answer == NotAcceptable(("application/json",), frozenset({"Accept"}))


@pytest.mark.parametrize(
    "accept", ["application/json", "text/turtle, */*;q=0.1", "text/html", None, ""], ids=repr
)
def test_strict_operator_refuses_nobody_else(accept: str | None) -> None:
    """Who can be served is, also by whatever comes after the wish."""
    assert isinstance(answer_of(TYPED, requester=tool(accept), is_strict=True), Redirect)


def test_lenient_operator_sends_somewhere_and_says_what_is_missing() -> None:
    """Otherwise the program is sent on, and the answer tells what it could have asked for."""
    answer = answer_of(TYPED, requester=tool("text/turtle"))
    assert isinstance(answer, Redirect)
    assert answer.choice is not None
    assert answer.choice.unmet_types == ("application/json",)


# --- hostile records -------------------------------------------------------------------------------------

LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (number, b"&l%d;" % (number - 1) * 10) for number in range(1, 12))
PLACE = b'<location href="https://e.example/"/>'
HOSTILE = {
    "entities": b'<!DOCTYPE l [<!ENTITY l0 "ha">' + LAUGHS + b']><l t="&l9;">' + PLACE + b"</l>",
    "entity": b'<!DOCTYPE l [<!ENTITY x "https://e.example/">]><l><location href="&x;"/></l>',
    "file": b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;' + PLACE + b"</l>",
    "external document type": b'<!DOCTYPE l SYSTEM "https://evil.example/x.dtd"><l>' + PLACE + b"</l>",
    "parameter entity": b'<!DOCTYPE l [<!ENTITY % x SYSTEM "https://evil.example/"> %x;]><l>'
    + PLACE
    + b"</l>",
    "deep": PLACE.join([b"<location>" * 20_000, b"</location>" * 20_000]),
    "deep within the size": PLACE.join([b"<a>" * 5_000, b"</a>" * 5_000]),
    "many attributes": b"<l %s>%s</l>" % (b" ".join(b'a%d=""' % number for number in range(5_000)), PLACE),
    "many places": b"<l>" + PLACE * 5_000 + b"</l>",
    "many short places": b"<l>" + b"<location/>" * 5_000 + b"</l>",
    "large": b'<l><location href="https://e.example/' + b"x" * 10_000_000 + b'"/></l>',
    "large text": b"<" * 10_000_000,
    "unfinished": b"<l>" + PLACE,
    "nul": b"<l>\x00" + PLACE + b"</l>",
    "text of a file": b'<l xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></l>',
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_document_costs_the_visitor_nothing(octets: bytes) -> None:
    """Whatever somebody stores as a document, the URL beside it still works, and nothing is read or fetched."""
    for value_type in ("10320/loc", "10320/links"):
        answer = answer_of(HandleValue(1, value_type, octets), url("plain"))
        assert isinstance(answer, Redirect)
        assert name_of(answer.target.uri) == "plain"


def test_large_but_lawful_document_is_served() -> None:
    """Hundreds of places in one document are no attack: the visitor is sent to one of them."""
    assert reached(document(*(f"p{number}" for number in range(900))), chances=[0.5]) == {"p450"}


@given(st.data())
def test_damaged_document_never_breaks_a_visit(data: st.DataObject) -> None:
    """However a document is mutilated, the visitor is sent to a place with an allowed scheme, or sees the record."""
    whole = document(
        'a country="us" weight="1"', 'b href_template="https://x.example/{hdl}"', root='chooseby="score"'
    )
    octets = data.draw(damaged(whole.data))
    answer = answer_of(HandleValue(1, "10320/loc", octets), EMAIL)
    if isinstance(answer, Redirect):
        assert answer.target.uri.partition(":")[0].lower() in DEFAULT_SCHEMES
    else:
        assert isinstance(answer, Listing)


_DOCUMENTS = st.lists(place_attributes, max_size=4).map(
    lambda places: document(
        *(
            f"p{number} " + " ".join(f'{name}="{text}"' for name, text in attributes.items())
            for number, attributes in enumerate(places)
        )
    )
)
_MEMBERS = st.lists(values | _DOCUMENTS | st.sampled_from([url("plain"), BROKEN, EMAIL]), max_size=4)


@given(
    _MEMBERS,
    _MEMBERS,
    st.sampled_from(Action),
    st.booleans(),
    st.floats(0, 1, exclude_max=True),
    st.none()
    | st.sampled_from(["application/json", "text/turtle, text/*;q=0.5", "*/*"])
    | st.text(max_size=9),
)
def test_any_record_has_an_answer(
    own: list[HandleValue],
    others: list[HandleValue],
    action: Action,
    strict: bool,
    chance: float,
    accept: str | None,
) -> None:
    """Whatever a record and its prefix hold, and whoever comes, there is an answer of the kind that was asked for."""
    extras = inherited(*others)
    record = HandleRecord(HANDLE, tuple(own))
    answer: Answer = choose_answer(
        record,
        Preferences(action=action),
        extras=extras,
        circumstances=Circumstances(requester=tool(accept), is_strict=strict),
        chance=lambda: chance,
    )
    match answer:
        case Redirect(target, status, choice):
            assert action in (Action.REDIRECT, Action.METADATA)
            assert status in {301, 302, 303, 307, 308}
            assert target.uri.partition(":")[0].lower() in DEFAULT_SCHEMES
            if choice is not None:
                assert choice.candidate.target == target
        case Listing(shown) | JsonRecord(shown):
            assert shown == tuple(own)
        case PlaceList():
            assert action is Action.SHOW_URLS
        case NotAcceptable(offered):
            assert strict
            assert offered
            assert read_location_data(record).documents or extras.inherited[0].documents
