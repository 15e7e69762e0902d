"""Link sets: all links of a handle in one document."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.extras import NO_EXTRAS
from resolver.answer.links import Link, links_of
from resolver.answer.linkset import linkset_json, linkset_text
from resolver.answer.record_json import write_json
from resolver.answer.targets import DEFAULT_SCHEMES
from tests.unit.answer.places import HANDLE, data_of, document

ANCHOR = "https://hdl.handle.net/20.500.12345/abc"


def links(*places: str) -> tuple[Link, ...]:
    """Return the links that these places state."""
    return links_of(HANDLE, data_of(document(*places, value_type="10320/links")), NO_EXTRAS, DEFAULT_SCHEMES)


def test_known_set_as_json() -> None:
    """Targets stand under their relations, relations under what they are about (RFC 9264 section 4.2)."""
    found = links(
        'a rel="item license" type="text/html" hreflang="de" title="Über"',
        'b rel="item"',
        'c rel="describedby" anchor="https://other.example/"',
    )
    a = {"href": "https://a.example/", "type": "text/html", "hreflang": ["de"], "title": "Über"}
    assert linkset_json(ANCHOR, found) == {
        "linkset": [
            {
                "anchor": ANCHOR,
                "cite-as": [{"href": ANCHOR}],
                "item": [a, {"href": "https://b.example/"}],
                "license": [a],
            },
            {"anchor": "https://other.example/", "describedby": [{"href": "https://c.example/"}]},
        ]
    }


def test_known_set_as_text() -> None:
    """Each link stands on a line with what it is about (RFC 9264 section 4.1)."""
    found = links('a rel="item" title="Über"', 'c rel="cite-as" anchor="https://other.example/"')
    assert linkset_text(ANCHOR, found).decode() == (
        f'<https://a.example/>; rel="item"; title*=UTF-8\'\'%C3%9Cber; anchor="{ANCHOR}",\n'
        '<https://c.example/>; anchor="https://other.example/"; rel="cite-as"\n'
    )


def test_citation_is_stated_unless_the_record_does() -> None:
    """Every set says how the handle is cited, once."""
    (context,) = linkset_json(ANCHOR, ())["linkset"]
    assert context == {"anchor": ANCHOR, "cite-as": [{"href": ANCHOR}]}
    (context,) = linkset_json(ANCHOR, links('a rel="cite-as"'))["linkset"]
    assert context["cite-as"] == [{"href": "https://a.example/"}]
    assert linkset_text(ANCHOR, ()).decode() == f'<{ANCHOR}>; rel="cite-as"; anchor="{ANCHOR}"\n'


_RELATIONS = st.sampled_from(["item", "anchor", "href", "cite-as", "title", "https://x.example/#y"])


@given(st.lists(st.lists(_RELATIONS, min_size=1, max_size=2).map(" ".join), max_size=3))
def test_no_relation_breaks_the_set(relations: list[str]) -> None:
    """Relations may be called like the members of the document: each context keeps its anchor, and lists else."""
    found = links(*(f'place{number} rel="{relation}"' for number, relation in enumerate(relations)))
    (context,) = json.loads(write_json(linkset_json(ANCHOR, found)))["linkset"]
    assert context.pop("anchor") == ANCHOR
    stated = {word for relation in relations for word in relation.split()} - {"anchor"}
    assert set(context) == {*stated, "cite-as"}
    assert all(isinstance(targets, list) for targets in context.values())
