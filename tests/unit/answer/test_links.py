"""What ``Link`` headers say, and that nobody can say anything else with them."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.extras import NO_EXTRAS, Extras, LocationData
from resolver.answer.links import (
    MAX_HEADER_OCTETS,
    MAX_LINKS,
    Link,
    citation_link,
    item_links,
    links_of,
    signposts,
    write_links,
)
from resolver.answer.targets import DEFAULT_SCHEMES, Target
from resolver.model.location import Location, LocationDocument
from resolver.model.record import HandleValue
from tests.unit.answer.places import HANDLE, data_of, document

CITATION = "https://hdl.handle.net/20.500.12345/abc"


def links(*values: HandleValue, extras: Extras = NO_EXTRAS) -> tuple[Link, ...]:
    """Return the links of a record with these values."""
    return links_of(HANDLE, data_of(*values), extras, DEFAULT_SCHEMES)


def link_set(*places: str) -> HandleValue:
    """Return a value of links."""
    return document(*places, value_type="10320/links")


def stated(**attributes: str) -> tuple[Link, ...]:
    """Return the links of a record with one place that has these attributes, a hyphen written as ``_``."""
    members = {"href": "https://a.example/", "rel": "item", **attributes}
    place = Location(tuple((name.replace("_", "-"), text) for name, text in members.items()))
    data = LocationData(HANDLE, links=(LocationDocument((), (place,)),))
    return links_of(HANDLE, data, NO_EXTRAS, DEFAULT_SCHEMES)


_PARAMETER = re.compile(
    r"""\s*;\s*([A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([!#$&+^`|~.\w-]+))|\*=UTF-8''([!#$&+^`|~.\w%-]*))"""
)


def parsed(header: str) -> list[tuple[str, dict[str, str]]]:
    """Read a ``Link`` header as RFC 8288 (appendix B.2) and RFC 8187 say, by code that is not ours."""
    found = []
    rest = header
    while rest:
        target = re.match(r"\s*<([^>]*)>", rest)
        assert target, rest
        rest = rest[target.end() :]
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(rest):
            name, quoted, token, extended = parameter.groups()
            assert name not in parameters
            if extended is not None:
                parameters[name] = unquote(extended, errors="strict")
            else:
                parameters[name] = token or re.sub(r"\\(.)", r"\1", quoted or "")
            rest = rest[parameter.end() :]
        found.append((target.group(1), parameters))
        assert not rest or rest.startswith(","), rest
        rest = rest[1:]
    return found


# --- which links there are -------------------------------------------------------------------------------


def test_places_with_a_relation_are_links() -> None:
    """Every place that says how it is related is a link, in documents of either type; the others are none."""
    found = links(
        document('pdf rel="item"', "plain", 'empty rel=" "'),
        link_set('license rel="license"', 'nothing title="no relation"'),
    )
    assert [(link.uri, link.relations) for link in found] == [
        ("https://pdf.example/", {"item"}),
        ("https://license.example/", {"license"}),
    ]


def test_attributes_become_parameters() -> None:
    """Type, medium, language, title and context are told as far as the author tells them."""
    (link,) = links(
        link_set(
            'a rel="describedby" type="text/turtle" media="print" hreflang="de" title="About" '
            'anchor="https://context.example/"'
        )
    )
    assert link.parameters == (
        ("anchor", "https://context.example/"),
        ("rel", "describedby"),
        ("type", "text/turtle"),
        ("media", "print"),
        ("hreflang", "de"),
        ("title", "About"),
    )


@pytest.mark.parametrize(
    ("attributes", "name", "text"),
    [
        ('target-type="text/csv"', "type", "text/csv"),
        ('media-type="text/csv"', "type", "text/csv"),
        ('ctype="text/csv"', "type", "text/csv"),
        ('ctype="text/csv" type="text/plain"', "type", "text/plain"),
        ('language="fr"', "hreflang", "fr"),
        ('label="Table"', "title", "Table"),
        ('label="Table" title="The table"', "title", "The table"),
        ('label="Table" title=""', "title", "Table"),
        ('title=""', "title", None),
        ('type=""', "type", None),
    ],
)
def test_other_names_mean_the_same(attributes: str, name: str, text: str | None) -> None:
    """What the attributes of places are called elsewhere counts, after the name that links have for it."""
    (link,) = links(link_set(f'a rel="item" {attributes}'))
    assert link.parameter(name) == text


def test_context_may_be_another_place() -> None:
    """A link about another place names it by its ``id``; the first of two with the same one counts."""
    found = links(
        document('pdf id="p" rel="item"', 'meta rel="describedby" anchor-id="p"', 'other id="p"'),
    )
    assert [link.parameter("anchor") for link in found] == [None, "https://pdf.example/"]


def test_templates_and_prefixes_state_links_too() -> None:
    """A prefix can state links for all of its handles, each with its own address."""
    template = link_set('href_template="https://x.example/{hdl}" rel="license"')
    extras = Extras(
        included=(data_of(link_set('included rel="item"'), handle="20.500.12345/other"),),
        inherited=(data_of(template, handle="20.500.12345/for-all"),),
    )
    assert [link.uri for link in links(link_set('own rel="item"'), extras=extras)] == [
        "https://own.example/",
        "https://included.example/",
        "https://x.example/20.500.12345%2Fabc",
    ]


@pytest.mark.parametrize(
    "place",
    ['rel="item"', 'href="javascript:alert(1)" rel="item"', 'href="" rel="item"', 'href="/x" rel="item"'],
    ids=["no href", "script", "empty", "relative"],
)
def test_what_leads_nowhere_is_no_link(place: str) -> None:
    """A link needs a target that could be redirected to."""
    assert links(link_set(place)) == ()


def test_same_link_is_stated_once() -> None:
    """What a record and its prefix both say is said once."""
    twice = link_set('a rel="item"', 'a rel="item"', 'a rel="license"')
    extras = Extras(inherited=(data_of(twice, handle="20.500.12345/for-all"),))
    assert len(links(twice, extras=extras)) == 2


@pytest.mark.parametrize(
    "relation",
    [
        *("stylesheet", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "prerender"),
        *("serviceworker", "manifest", "icon", "compression-dictionary", "StyleSheet"),
    ],
)
def test_nobody_makes_our_visitors_browsers_fetch_anything(relation: str) -> None:
    """Relations with which browsers load or connect, before anybody clicks, are not passed on."""
    assert links(link_set(f'a rel="{relation}"')) == ()
    (link,) = links(link_set(f'a rel="item {relation} license"'))
    assert link.parameter("rel") == "item license"


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("item license", "item license"),
        ("  item \t license ", "item license"),
        ("item&#10;license&#13;", "item license"),
        ("Cite-As", "cite-as"),
        ("https://vocabulary.example/#Term", "https://vocabulary.example/#Term"),
        ("item über", "item"),
        ("item x&#x7f;y", "item"),
    ],
    ids=["two", "blanks", "line breaks", "capitals", "URI", "not ASCII", "control"],
)
def test_relations_are_written_as_they_are_compared(relation: str, expected: str) -> None:
    """Names of relations are lower-case words; what cannot be one is left out."""
    (link,) = links(link_set(f'a rel="{relation}"'))
    assert link.parameter("rel") == expected


def test_relation_that_cannot_be_written_is_no_link() -> None:
    """Without a relation that a header can hold, nothing is linked."""
    assert links(link_set('a rel="über"')) == ()


def test_number_of_links_is_limited() -> None:
    """A record may state hundreds of links; the first ones are told."""
    found = links(link_set(*(f'place{number} rel="item"' for number in range(300))))
    assert len(found) == MAX_LINKS
    assert found[0].uri == "https://place0.example/"


# --- how they are written --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "written"),
    [
        ("About", 'title="About"'),
        ('The "A"', r'title="The \"A\""'),
        ("a\\b", r'title="a\\b"'),
        ("\\", r'title="\\"'),
        ("a, b; c=d <e>", 'title="a, b; c=d <e>"'),
        ("Über alles", "title*=UTF-8''%C3%9Cber%20alles"),
        ("50 % naïve", "title*=UTF-8''50%20%25%20na%C3%AFve"),
        ("日本", "title*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("a\nb", "title*=UTF-8''a%0Ab"),
        ("a\x00b", "title*=UTF-8''a%00b"),
    ],
    ids=[
        "plain",
        "quotes",
        "backslash",
        "only a backslash",
        "marks",
        "umlaut",
        "percent",
        "kanji",
        "LF",
        "NUL",
    ],
)
def test_titles_are_written_so_that_they_can_be_read(title: str, written: str) -> None:
    """Quotes and backslashes are escaped, and what is not printable ASCII is written as RFC 8187 says."""
    (link,) = stated(title=title)
    assert str(link) == f'<https://a.example/>; rel="item"; {written}'
    assert parsed(str(link)) == [("https://a.example/", {"rel": "item", "title": title})]


@pytest.mark.parametrize("name", ["type", "media", "hreflang"])
@pytest.mark.parametrize("text", ["über", "a\r\nSet-Cookie: b=c", "a\x00", "a\x7f"], ids=ascii)
def test_only_titles_may_hold_more_than_ascii(name: str, text: str) -> None:
    """For other parameters there is no such notation; one that needed it is left out, the link stays."""
    assert [str(link) for link in stated(**{name: text})] == ['<https://a.example/>; rel="item"']


INJECTIONS = [
    *(
        "\r\nSet-Cookie: a=b",
        "\nX: y",
        "\rX: y",
        "\x00",
        "\x0b",
        "\x85",
        "\u2028",
        '"',
        '\\"',
        '"; rel="x',
        "\\",
    ),
    *(
        ">; rel=stylesheet, <https://evil.example/>",
        '", <https://evil.example/>; rel="cite-as',
        "é",
        "%0d%0a",
    ),
]


@pytest.mark.parametrize("text", INJECTIONS, ids=ascii)
@pytest.mark.parametrize("name", ["title", "label", "type", "media", "hreflang", "rel", "anchor", "href"])
def test_no_attribute_gets_out_of_its_place(name: str, text: str) -> None:
    """Whatever an attribute holds, the header stays one line with one link that has the parameters of links."""
    base = "https://a.example/" if name in {"href", "anchor"} else "item"
    header = write_links(stated(**{name: base + text}), CITATION)
    assert header.isascii()
    assert header.isprintable()
    found = parsed(header)
    assert [uri for uri, _ in found][:1] == [CITATION]
    assert len(found) <= 2
    for uri, parameters in found[1:]:
        assert uri.startswith("https://a.example/")
        assert set(parameters) <= {"anchor", "rel", "type", "media", "hreflang", "title"}


_ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(max_size=10) | st.sampled_from(INJECTIONS)
        for name in ("rel", "type", "media", "hreflang", "title", "anchor")
    },
)


@given(st.lists(_ATTRIBUTES, max_size=4))
def test_any_header_reads_back_as_what_was_stated(all_attributes: list[dict[str, str]]) -> None:
    """Every link comes out of the header as it went in, after the citation, and nothing else does."""
    found = [link for attributes in all_attributes for link in stated(**attributes)]
    header = write_links(found, CITATION)
    assert header.isascii()
    assert header.isprintable()
    expected = [(link.uri, dict(link.parameters)) for link in found]
    if any("cite-as" in link.relations for link in found):
        assert sorted(map(repr, parsed(header))) == sorted(map(repr, expected))
    else:
        assert parsed(header) == [(CITATION, {"rel": "cite-as"}), *expected]


# --- the citation ----------------------------------------------------------------------------------------


def test_citation_is_said_first() -> None:
    """Every answer says under which address the handle is cited (RFC 8574)."""
    assert write_links((), CITATION) == f'<{CITATION}>; rel="cite-as"'
    assert write_links(links(link_set('a rel="item"')), CITATION) == (
        f'<{CITATION}>; rel="cite-as", <https://a.example/>; rel="item"'
    )


@pytest.mark.parametrize("relation", ["cite-as", "CITE-AS", "item cite-as", "cite-as&#10;item"])
def test_record_may_say_how_it_is_cited(relation: str) -> None:
    """A record that names a citable address itself has the only word about it, and that comes first."""
    found = links(link_set('a rel="license"', f'b rel="{relation}"'))
    header = write_links(found, CITATION)
    assert CITATION not in header
    assert header.startswith("<https://b.example/>")


def test_header_stays_within_its_limit() -> None:
    """More links than a header may hold are left out, the citation never, and what still fits is told."""
    title = "x" * 1500
    many = [Link(f"https://x.example/{number}", (("rel", "item"), ("title", title))) for number in range(20)]
    small = Link("https://small.example/", (("rel", "license"),))
    header = write_links([*many, small], CITATION)
    assert len(header) <= MAX_HEADER_OCTETS
    uris = [uri for uri, _ in parsed(header)]
    assert uris[0] == CITATION
    assert uris[-1] == small.uri
    assert len(uris) == 7


def test_overlong_link_takes_no_place_from_others() -> None:
    """A link that no header can hold is left out, even if it is the citation that the record wanted."""
    giant = Link(f"https://x.example/{'x' * MAX_HEADER_OCTETS}", (("rel", "cite-as"),))
    small = Link("https://small.example/", (("rel", "license"),))
    assert [uri for uri, _ in parsed(write_links([giant, small], CITATION))] == [CITATION, small.uri]


# --- where programs find more ----------------------------------------------------------------------------


def test_signposts_lead_to_the_record() -> None:
    """Programs find the record as JSON and the set of links, below our address or relative to it."""
    for root in ("", "https://hdl.example.org"):
        found = {link.parameter("rel"): link for link in signposts(root, "20.500.12345/abc")}
        assert found["describedby"].uri == f"{root}/api/handles/20.500.12345/abc"
        assert found["describedby"].parameter("type") == "application/json"
        assert found["linkset"].uri == f"{root}/api/linkset/20.500.12345/abc"
        assert found["linkset"].parameter("type") == "application/linkset+json"


def test_items_are_the_places_of_the_thing() -> None:
    """Each place where the thing can be had is an item."""
    assert [str(link) for link in item_links([Target("https://a.example/"), Target("urn:x")])] == [
        '<https://a.example/>; rel="item"',
        '<urn:x>; rel="item"',
    ]
    assert str(citation_link(CITATION)) == f'<{CITATION}>; rel="cite-as"'
