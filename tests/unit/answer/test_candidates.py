"""Which places a record, and what it draws on, leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.candidates import (
    MAX_CANDIDATES,
    REDIRECT_STATUSES,
    Places,
    find_places,
    place_target,
    url_values,
)
from resolver.answer.extras import Extras
from resolver.answer.locations import DEFAULT_METHODS
from resolver.answer.targets import DEFAULT_SCHEMES, Target, Unusable
from resolver.model.location import Location
from resolver.model.record import HandleValue
from tests.strategies import handle_texts
from tests.unit.answer.places import HANDLE, NUMBERS, data_of, document, name_of, places_of, url


def names(places: Places) -> list[str]:
    """Return the names of all candidates, in their order."""
    return [name_of(candidate.target.uri) for candidate in places.candidates]


def weights(places: Places) -> dict[str, float]:
    """Return the weight of each candidate."""
    return {name_of(candidate.target.uri): candidate.weight for candidate in places.candidates}


def statuses(places: Places) -> dict[str, int | None]:
    """Return the status that each candidate wants."""
    return {name_of(candidate.target.uri): candidate.http_status for candidate in places.candidates}


# --- the document ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '<locations><location href="https://a.example/"/><location href="https://b.example/"/></locations>',
        '<?xml version="1.0" encoding="UTF-8"?>\n<locations>\n <!-- two -->\n'
        ' <location href="https://a.example/"></location>\n <location href="https://b.example/">text</location>\n'
        "</locations>\n",
        '<locations><loc_template href="https://a.example/"/><location href="https://b.example/"/></locations>',
        '<l:locations xmlns:l="urn:x"><l:location href="https://a.example/"/>'
        '<l:location href="https://b.example/"/></l:locations>',
        "<locations><location href=' https://a.example/ '/><location href=\"\nhttps://b.example/\"/></locations>",
        '<locations><location href="https://a.example/"/><place href="https://no.example/"/>'
        '<location href="https://b.example/"><location href="https://inner.example/"/></location></locations>',
    ],
    ids=[
        "plain",
        "with everything around",
        "old name",
        "namespace",
        "blanks",
        "other elements, and deeper ones",
    ],
)
def test_documents_are_read_as_people_write_them(text: str) -> None:
    """Whatever the author's taste in XML, the same two places come out, in his order."""
    assert names(places_of(HandleValue(1, "10320/loc", text.encode()))) == ["a", "b"]


@pytest.mark.parametrize(
    "value_type", ["10320/loc", "10320/LOC", "10320/Loc", "10320/loc.x", "10320/LOC.old"]
)
def test_type_may_be_written_in_any_case_and_have_subtypes(value_type: str) -> None:
    """Clients write ``10320/LOC`` and subtypes, and mean the same."""
    assert names(places_of(document("a", value_type=value_type))) == ["a"]


@pytest.mark.parametrize(
    "value_type", ["10320/locx", "10320/links", "10320/lo", "20320/loc", "loc", "X10320/loc"]
)
def test_other_types_hold_no_places(value_type: str) -> None:
    """Places are read from values of the type for places, and from no others."""
    assert names(places_of(document("a", value_type=value_type))) == []


def test_several_documents_are_one_list() -> None:
    """Values with documents add up, in the order of the record; one that is broken takes nothing from the others."""
    broken = HandleValue(2, "10320/loc", b"<locations><location href='https://broken.example/'")
    found = places_of(
        document("a", "b", index=9), broken, document("c", index=3, value_type="10320/loc.more")
    )
    assert names(found) == ["a", "b", "c"]


def test_rules_come_from_the_first_document_that_names_any() -> None:
    """One document's rules hold for all of them; later ones cannot change them."""
    rules = document("b", root='chooseby="score"')
    assert places_of(document("a"), rules, document("c", root='chooseby="country"')).methods == ("score",)
    assert places_of(document("a")).methods == DEFAULT_METHODS
    assert places_of(document("a", root='chooseby=""')).methods == ("",)
    assert places_of(document("a", root='choose_by=" country , weighted "')).methods == (
        "country",
        "weighted",
    )


# --- where a place leads ---------------------------------------------------------------------------------

ODD_HANDLE = "20.500.12345/a b/c?d%e#f+ü{hdl}&\"'"


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("https://x.example/{hdl}", "https://x.example/20.500.12345%2Fabc"),
        ("https://x.example/{hdl:path}", "https://x.example/20.500.12345/abc"),
        (
            "https://x.example/?q={hdl}&p={hdl:path}#{hdl}",
            "https://x.example/?q=20.500.12345%2Fabc&p=20.500.12345/abc#20.500.12345%2Fabc",
        ),
        ("https://x.example/fixed", "https://x.example/fixed"),
        ("https://x.example/{HDL}", "https://x.example/%7BHDL%7D"),
        ("https://x.example/{other}", "https://x.example/%7Bother%7D"),
        ("https://x.example/{{hdl}}", "https://x.example/%7B20.500.12345%2Fabc%7D"),
        ("info:hdl/{hdl:path}", "info:hdl/20.500.12345/abc"),
    ],
    ids=[
        "component",
        "path",
        "both, and twice",
        "none",
        "capitals mean nothing",
        "unknown",
        "in braces",
        "other scheme",
    ],
)
def test_templates_are_filled_with_the_handle(template: str, uri: str) -> None:
    """``{hdl}`` is the handle as one component of a URI, ``{hdl:path}`` the handle with its slashes."""
    place = Location((("href_template", template),))
    assert place_target(place, HANDLE, DEFAULT_SCHEMES) == Target(uri)


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        (
            "https://x.example/?h={hdl}",
            "https://x.example/?h=20.500.12345%2Fa%20b%2Fc%3Fd%25e%23f%2B%C3%BC%7Bhdl%7D%26%22%27",
        ),
        (
            "https://x.example/{hdl:path}",
            "https://x.example/20.500.12345/a%20b/c%3Fd%25e%23f+%C3%BC%7Bhdl%7D&%22'",
        ),
    ],
    ids=["component", "path"],
)
def test_characters_of_the_handle_cannot_break_a_template(template: str, uri: str) -> None:
    """Question marks, percent signs, braces and the like in a handle stay data in the URI, decoded once to the same."""
    place = Location((("href_template", template),))
    assert place_target(place, ODD_HANDLE, DEFAULT_SCHEMES) == Target(uri)


@given(handle_texts)
def test_handle_never_moves_a_template_to_another_host(handle: str) -> None:
    """Whatever a handle is made of, it leads to the host that the template names, without controls or blanks."""
    for template in (
        "https://x.example/{hdl}",
        "https://x.example/{hdl:path}",
        "https://x.example?q={hdl:path}",
    ):
        found = place_target(Location((("href_template", template),)), handle, DEFAULT_SCHEMES)
        assert isinstance(found, Target)
        assert found.uri.startswith(template.partition("{")[0])
        assert all(0x20 < ord(character) < 0x7F for character in found.uri)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ('weight="1"', "no href"),
        ('href=""', "empty"),
        ('href="javascript:alert(1)"', "javascript"),
        ('href="/relative"', "scheme"),
        ('href="https:///path"', "no host"),
        ('href_template="{hdl}"', "scheme"),
        ('href_template="javascript:{hdl}"', "javascript"),
        (f'href="https://x.example/{"x" * 9000}"', "longer"),
    ],
    ids=["no href", "empty", "script", "relative", "no host", "bare template", "script template", "too long"],
)
def test_place_that_leads_nowhere_is_left_out_with_the_reason(place: str, reason: str) -> None:
    """Nobody is sent to a broken or dangerous place; the others remain, and who asks learns why."""
    found = places_of(document("a", place, "b"))
    assert names(found) == ["a", "b"]
    ((_, said),) = found.unusable
    assert reason in said


def test_operator_decides_about_schemes_of_places_too() -> None:
    """A place of a scheme that the operator allowed is a candidate, and only then."""
    values = (document('href="irc://chat.example/"'), url("plain"))
    usual = find_places(HANDLE, values, data_of(*values), Extras(), DEFAULT_SCHEMES)
    assert names(usual) == ["plain"]
    allowed = find_places(HANDLE, values, data_of(*values), Extras(), frozenset({"irc"}))
    assert [candidate.target.uri for candidate in allowed.candidates] == ["irc://chat.example/"]


# --- weights and statuses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("0.5", 0.5),
        ("2", 2),
        ("0", 0),
        ("-1", 0),
        ("-0.0", 0),
        ("", 1),
        ("x", 1),
        ("nan", 1),
        ("inf", 1),
        ("1e400", 1),
    ],
)
def test_weight_is_a_quantity(text: str, weight: float) -> None:
    """A weight is at least zero; what is no number counts as if nothing were said."""
    assert weights(places_of(document(f'a weight="{text}"'))) == {"a": weight}
    assert weights(places_of(document("a"))) == {"a": 1}


@given(NUMBERS | st.text(st.characters(codec="ascii", exclude_characters='<>&"\0'), max_size=8))
def test_any_weight_can_be_drawn_with(text: str) -> None:
    """Whatever stands in a weight, what is drawn with is a finite number from zero up."""
    place = "".join(character for character in text if character.isprintable())
    (weight,) = weights(places_of(document(f'a weight="{place}"'))).values()
    assert 0 <= weight <= 1e12


@pytest.mark.parametrize(
    ("place", "root", "inherited", "status"),
    [
        ('a http_sc="303"', 'http_sc="301"', 'http_sc="307"', 303),
        ("a", 'http_sc="301"', 'http_sc="307"', 301),
        ("a", "", 'http_sc="307"', 307),
        ("a", "", "", None),
        ('a http_sc="404"', 'http_sc="308"', "", 308),
        ('a http_sc="404"', 'http_sc="200"', 'http_sc="303"', 303),
        ('a http_sc=" 308 "', "", "", 308),
        ('a http_sc="302"', 'http_sc="301"', "", 302),
        ('a http_sc=""', "", "", None),
        ('a http_sc="3O1"', "", "", None),
        ('a http_sc="-303"', "", "", None),
        ('a http_sc="٣٠٣"', "", "", None),
    ],
    ids=[
        "place before document before prefix",
        "document before prefix",
        "prefix",
        "nobody says",
        "no redirect is passed over",
        "and again",
        "blanks",
        "the usual one said",
        "empty",
        "letters",
        "negative",
        "other digits",
    ],
)
def test_status_comes_from_whoever_is_nearest(
    place: str, root: str, inherited: str, status: int | None
) -> None:
    """The place decides about the status, then its document, then the prefix; only redirects count."""
    own = document(place, root=root)
    extras = Extras(inherited=(data_of(document("b", root=inherited), handle="20.500.12345/for-all"),))
    assert statuses(places_of(own, extras=extras))["a"] == status
    assert status is None or status in REDIRECT_STATUSES


def test_status_of_the_prefix_may_stand_in_any_of_its_documents() -> None:
    """A prefix that inherits from several handles says its status in whichever of them."""
    extras = Extras(
        inherited=(
            data_of(document("b"), handle="20.500.12345/first"),
            data_of(document("c", root='http_sc="307"'), handle="20.500.12345/second"),
        )
    )
    assert statuses(places_of(document("a"), extras=extras)) == {"a": 307, "b": 307, "c": 307}


@pytest.mark.parametrize("status", sorted(REDIRECT_STATUSES))
def test_each_kind_of_redirect_can_be_had(status: int) -> None:
    """301, 302, 303, 307 and 308 are what an author may choose from."""
    assert statuses(places_of(document(f'a http_sc="{status}"'))) == {"a": status}


# --- plain URLs beside -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("", {"a": 1, "plain": 0, "second": 0, "mirror": 0}),
        ('urlWeight="0.5"', {"a": 1, "plain": 0.5, "second": 0.5, "mirror": 0}),
        ('urlSubtypeWeight="2"', {"a": 1, "plain": 0, "second": 0, "mirror": 2}),
        ('urlWeight="1" urlSubtypeWeight="0.25"', {"a": 1, "plain": 1, "second": 1, "mirror": 0.25}),
        ('urlWeight="heavy"', {"a": 1, "plain": 0, "second": 0, "mirror": 0}),
        ('urlWeight="-2"', {"a": 1, "plain": 0, "second": 0, "mirror": 0}),
        ('no_legacy="1"', {"a": 1}),
        ('no_legacy="true" urlWeight="5"', {"a": 1}),
        ('no_legacy="YES"', {"a": 1}),
        ('no_legacy="no"', {"a": 1, "plain": 0, "second": 0, "mirror": 0}),
        ('no_legacy="0"', {"a": 1, "plain": 0, "second": 0, "mirror": 0}),
        ('no_legacy=""', {"a": 1, "plain": 0, "second": 0, "mirror": 0}),
    ],
    ids=[
        "nothing said",
        "URLs",
        "subtypes",
        "both",
        "no number",
        "negative",
        "none: 1",
        "none: true",
        "none: YES",
        "not none: no",
        "not none: 0",
        "not none: empty",
    ],
)
def test_author_says_what_plain_urls_weigh(root: str, expected: dict[str, float]) -> None:
    """Beside a document plain URLs weigh nothing unless it says so, and it may leave them out altogether."""
    values = (url("mirror", value_type="URL.mirror"), url("plain"), document("a", root=root), url("second"))
    assert weights(places_of(*values)) == expected


def test_plain_url_weighs_one_beside_places_of_the_prefix() -> None:
    """Where only the prefix has places, the handle's own URL is as good as any of them."""
    extras = Extras(inherited=(data_of(document("a"), handle="20.500.12345/for-all"),))
    assert weights(places_of(url("plain"), extras=extras)) == {"a": 1, "plain": 1}


def test_plain_urls_are_marked() -> None:
    """Who lists the places can tell those that are plain values, and ask for them by attribute."""
    found = places_of(document("a"), url("plain"), url("typed", value_type="0.TYPE/URL"))
    assert {name_of(one.target.uri): one.is_legacy for one in found.candidates} == {
        "a": False,
        "plain": True,
        "typed": True,
    }
    assert [one.location.get("mode") for one in found.candidates] == [None, "legacy", "legacy"]


def test_plain_urls_that_lead_nowhere_are_no_places() -> None:
    """A broken or dangerous URL value is none of the places."""
    assert names(places_of(document("a"), HandleValue(2, "URL", b"javascript:alert(1)"), url("b"))) == [
        "a",
        "b",
    ]


def test_kinds_of_urls_are_told_apart() -> None:
    """Exact URLs come before subtypes, each in record order, whatever the case of their types."""
    values = tuple(
        url(name, value_type=value_type)
        for name, value_type in {
            "m": "URL.mirror",
            "u": "URL",
            "t": "0.type/url",
            "l": "url",
            "x": "URLX",
            "e": "EMAIL",
            "d": "Url.",
        }.items()
    )
    exact, subtypes = url_values(values)
    assert [value.type for value in exact] == ["URL", "0.type/url", "url"]
    assert [value.type for value in subtypes] == ["URL.mirror", "Url."]


# --- places of others ------------------------------------------------------------------------------------


def test_places_of_others_come_after_the_own_ones_and_say_whose_they_are() -> None:
    """Own places, included ones, those of the prefix, plain URLs: in this order, each with its origin."""
    extras = Extras(
        included=(data_of(document("included"), handle="20.500.12345/other"),),
        inherited=(data_of(document("inherited"), handle="20.500.12345/for-all"),),
    )
    found = places_of(url("plain"), document("own"), extras=extras)
    assert names(found) == ["own", "included", "inherited", "plain"]
    assert [candidate.origin for candidate in found.candidates] == [
        "",
        "20.500.12345/other",
        "20.500.12345/for-all",
        "",
    ]


def test_templates_of_others_are_filled_with_the_handle_asked_for() -> None:
    """A template of the prefix leads each handle to its own address."""
    extras = Extras(
        inherited=(
            data_of(document('href_template="https://x.example/{hdl:path}"'), handle="20.500.12345/for-all"),
        )
    )
    found = places_of(url("plain"), extras=extras)
    assert found.candidates[0].target.uri == f"https://x.example/{HANDLE}"


def test_rules_may_come_from_the_prefix() -> None:
    """Where the handle says nothing about rules, those of what it includes hold, then those of its prefix."""
    included = data_of(document("b", root='chooseby="score"'), handle="20.500.12345/other")
    inherited = data_of(document("c", root='chooseby="country"'), handle="20.500.12345/for-all")
    assert places_of(document("a"), extras=Extras((included,), (inherited,))).methods == ("score",)
    assert places_of(document("a"), extras=Extras((), (inherited,))).methods == ("country",)
    own = document("a", root='chooseby="address"')
    assert places_of(own, extras=Extras((included,), (inherited,))).methods == ("address",)


# --- limits ----------------------------------------------------------------------------------------------


def test_places_are_limited_wherever_they_come_from() -> None:
    """Documents and plain URLs without end give no more places than the limit, and the first ones stay."""
    full = tuple(
        document(*(f"d{number}p{place}" for place in range(600)), root='urlWeight="1"', index=number)
        for number in range(5)
    )
    extras = Extras(inherited=tuple(data_of(*full, handle=f"20.500.12345/{number}") for number in range(5)))
    found = places_of(*full, *(url(f"u{number}") for number in range(50)), extras=extras)
    assert len(found.candidates) == MAX_CANDIDATES
    assert names(found)[0] == "d0p0"
    few = places_of(document("a"), *(url(f"u{number}") for number in range(5000)))
    assert len(few.candidates) == MAX_CANDIDATES


def test_places_that_lead_nowhere_do_not_use_up_the_limit_alone() -> None:
    """Behind many broken places a good one is still found."""
    broken = document(*('href=""' for _ in range(900)))
    found = places_of(broken, broken, document("good"))
    assert names(found) == ["good"]
    assert isinstance(place_target(found.unusable[0][0], HANDLE, DEFAULT_SCHEMES), Unusable)
