"""Whatever strangers write into records and addresses, pages stay what their templates say (T4)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import lxml.html
import pytest
from msgspec.structs import replace

from resolver.answer.listing import show_value
from resolver.answer.targets import Target, read_target
from resolver.model.record import AdminPermission, AdminRecord, HandleValue, Reference
from resolver.model.site import Site
from resolver.protocol.sites import encode_site
from resolver.protocol.values import encode_admin, encode_vlist
from resolver.web.render import Renderer, template_folders
from tests.unit.web.pages import HARMLESS, NEVER, PAYLOADS, Skeleton, all_pages, renderer, values_view

TEMPLATES = sorted(template_folders(None)[-1].glob("*.html"))
BASE_URL = "https://hdl.example.org"


@cache
def harmless_skeletons() -> dict[str, Skeleton]:
    """Return what each page is made of when nobody means harm."""
    return {name: Skeleton(page) for name, page in all_pages(HARMLESS).items()}


@cache
def lasting_renderer() -> Renderer:
    """Return a renderer that has compiled its templates before."""
    return renderer(base_url=BASE_URL)


def tags_of_lxml(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return elements and attributes as another parser finds them."""
    root = lxml.html.document_fromstring(page.replace("\x00", "\ufffd"))
    return [(str(element.tag), tuple(map(str, element.attrib))) for element in root.iter()]


@cache
def harmless_tags_of_lxml() -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the same for another parser."""
    return {name: tags_of_lxml(page) for name, page in all_pages(HARMLESS).items()}


def test_enough_is_tried() -> None:
    """The list stays as long as the threat model asks for."""
    assert len(set(PAYLOADS)) >= 100


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_payload_adds_an_element_or_an_attribute(payload: str) -> None:
    """With a payload in every field at once, each page has the elements and attributes of a harmless one."""
    for name, page in all_pages(payload).items():
        found = Skeleton(page)
        assert found.tags == harmless_skeletons()[name].tags, name
        assert tags_of_lxml(page) == harmless_tags_of_lxml()[name], name
        assert "<script" not in page.lower()
        for link in found.links:
            assert re.match(r"https://(hdl\.)?example\.org/|https://www\.handle\.net/|mailto:|#", link), link


@pytest.mark.parametrize("payload", PAYLOADS[::4], ids=range(len(PAYLOADS[::4])))
def test_settings_of_the_operator_are_text_too(payload: str) -> None:
    """A name or an address with odd characters does not break the frame of the pages."""
    own = renderer(site_name=payload, contact=payload, version=payload)
    usual = renderer(site_name=HARMLESS, contact=HARMLESS)
    pages = [made.page("help.html", {}, NEVER).body for made in (own, usual)]
    skeletons = [Skeleton(page.decode()).tags for page in pages if isinstance(page, bytes)]
    assert skeletons[0] == skeletons[1]


@pytest.mark.parametrize("payload", ["<b>&amp;\"'</b>", "{{7*7}}", "a & b"])
def test_what_was_recorded_is_what_is_read(payload: str) -> None:
    """A text is shown letter by letter: neither taken for markup, nor escaped twice, nor computed."""
    for name, page in all_pages(payload).items():
        if name == "form":
            assert lxml.html.document_fromstring(page).get_element_by_id("hdl").value == payload
        elif name != "help":
            assert payload in Skeleton(page).text, name


# --- values as they are decoded --------------------------------------------------------------------------

# Elements and attributes of our templates, whatever the values are.
_TYPES = [
    *(
        "URL",
        "URL.x",
        "0.TYPE/URL",
        "EMAIL",
        "DESC",
        "HS_ALIAS",
        "HS_SERV",
        "HS_ADMIN",
        "HS_SITE",
        "HS_VLIST",
    ),
    *("HS_PUBKEY", "HS_NAMESPACE", "HS_SECKEY", "10320/loc", "21.T11148/x"),
]


def _decoded(payload: str) -> list[HandleValue]:
    octets = payload.encode()
    escaped = payload.replace("&", "&amp;").replace("<", "&lt;").encode()
    site = Site(1, (2, 11), 1, True, False, 2, "", (("desc", payload), (payload, payload)), ())
    reference = Reference(payload, 1)
    values = [
        HandleValue(1, value_type, octets, references=(reference,)) for value_type in (*_TYPES, payload)
    ]
    values += [
        HandleValue(1, "URL", prefix + octets) for prefix in (b"https://example.org/", b"mailto:", b"urn:x:")
    ]
    values += [HandleValue(1, "URL", b"https://" + octets + b"@example.org/")]
    values += [HandleValue(1, "EMAIL", octets.replace(b" ", b"") + b"@example.org")]
    values += [
        HandleValue(1, "HS_ADMIN", encode_admin(AdminRecord(AdminPermission(1), reference))),
        HandleValue(1, "HS_VLIST", encode_vlist((reference, reference))),
        HandleValue(1, "HS_SITE", encode_site(site)),
        HandleValue(1, "HS_SITE", encode_site(replace(site, attributes=()))),
        HandleValue(
            1,
            "HS_NAMESPACE",
            b"<n><status>%s</status><statusmsg>%s</statusmsg><contact>%s</contact><locs>%s</locs></n>"
            % (escaped, escaped, escaped, escaped),
        ),
    ]
    return values


@cache
def allowed_tags() -> frozenset[tuple[str, tuple[str, ...]]]:
    """Return the elements that our templates use, each with its attributes."""
    return frozenset(tag for skeleton in harmless_skeletons().values() for tag in skeleton.tags) | {
        ("i", ()),
        ("/i", ()),
    }


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_recorded_value_adds_an_element_or_a_dangerous_link(payload: str) -> None:
    """A record in which every value of every type is hostile gives a page of our elements and of allowed links."""
    views = [show_value(value) for value in _decoded(payload)]
    response = lasting_renderer().page("values.html", values_view(HARMLESS, values=views), NEVER)
    assert isinstance(response.body, bytes)
    page = response.body.decode()
    found = Skeleton(page)
    assert set(found.tags) <= allowed_tags()
    assert {name for _, names in tags_of_lxml(page) for name in names} <= {
        name for _, names in allowed_tags() for name in names
    }
    for link in found.links:
        assert re.match(r"(https?|mailto|urn|ftp|#)", link), link
        assert not re.search(r"[\"'<>\x00-\x20\x7f]", link.replace("'", "")), link


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_page_of_a_redirect_is_as_safe_as_its_header(payload: str) -> None:
    """The small page of a redirect links to the target and holds nothing else of it."""
    for data in (
        payload,
        f"https://example.org/{payload}",
        f"urn:{payload}",
        f"https://{payload}@example.org/",
    ):
        target = read_target(data.encode())
        if not isinstance(target, Target):
            continue
        response = lasting_renderer().redirect(302, target.uri, NEVER)
        assert isinstance(response.body, bytes)
        found = Skeleton(response.body.decode())
        assert [tag for tag in found.tags if tag[0] == "a"] == [("a", ("href",))]
        assert found.links == [target.uri] == [response.headers["Location"]]
        assert target.uri in found.text


# --- without a base URL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("handle", ["/evil.example", "//evil.example/x", "/\\evil.example", "\\evil.example"])
def test_links_stay_on_this_site_without_a_base_url(handle: str) -> None:
    """A handle that looks like a host does not make a link within the resolver lead out of it."""
    for name, page in all_pages(handle, base_url="").items():
        for link in Skeleton(page).links:
            own = re.match(r"(https://(hdl\.)?example\.org/|https://www\.handle\.net/|mailto:|#)", link)
            assert own or not re.match(r"[/\\]{2}", link), (name, link)


# --- the templates themselves ----------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_leave_escaping_on(template: Path) -> None:
    """No template switches escaping off, runs a script, or leaves an attribute without quotes."""
    source = template.read_text("utf-8")
    assert not re.search(
        r"\|\s*safe|autoescape|Markup|\bon[a-z]+\s*=|<script|javascript:|style\s*=", source, re.I
    )
    for tag in re.findall(r"<[a-z][^>]*>", source):
        bare = re.sub(r"{[{%].*?[%}]}", "", tag)
        assert not re.search(r"=(?!\")", re.sub(r'"[^"]*"', '""', bare)), tag
