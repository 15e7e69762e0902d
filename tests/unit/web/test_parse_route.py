"""From a request target to what it leads to."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.errors import InvalidHandleError
from resolver.web.identifiers import encode_handle, strip_labels
from resolver.web.parse import (
    MAX_TARGET_LENGTH,
    ApiDescriptionRoute,
    ApiPageRoute,
    ApiRoute,
    BadRequestError,
    FormRoute,
    HandleRoute,
    HelpRoute,
    PrefixRoute,
    Route,
    StaticRoute,
    UnknownApiRoute,
    WhichRoute,
    handle_of_form,
    read_parameters,
    read_query,
    read_route,
    split_target,
)
from tests.strategies import handle_texts

# --- the target ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/10.1/x", "/10.1/x", ""),
        ("/10.1/x?", "/10.1/x", ""),
        ("/10.1/x?noredirect", "/10.1/x", "noredirect"),
        ("/10.1/x?a=b?c&d", "/10.1/x", "a=b?c&d"),
        ("/10.1/x%3Fy?z", "/10.1/x%3Fy", "z"),
        ("//10.1//x/../y", "//10.1//x/../y", ""),
        ("/x#f?q", "/x", ""),
        ("/x?q#f", "/x", "q"),
        ("/%zz?%zz", "/%zz", "%zz"),
        ("http://hdl.example.org/10.1/x?q", "/10.1/x", "q"),
        ("https://hdl.example.org:443/10.1/x", "/10.1/x", ""),
        ("http://hdl.example.org", "/", ""),
        ("http://hdl.example.org/", "/", ""),
        ("HTTP://user@[::1]:80//x", "//x", ""),
        ("http:///x", "/x", ""),
        ("/http://doi.org/10.1/x", "/http://doi.org/10.1/x", ""),
    ],
)
def test_target_is_path_and_query_as_they_came(target: str, path: str, query: str) -> None:
    """Nothing is decoded or tidied up; the host of an absolute target and a fragment are left out."""
    assert split_target(target) == (path, query)


def test_absolute_target_without_a_path_asks_for_the_root() -> None:
    """``http://host?x`` means ``/`` with a query (RFC 9110 section 4.2.3)."""
    assert split_target("http://hdl.example.org?hdl=10.1/x") == ("/", "hdl=10.1/x")


@pytest.mark.parametrize(
    "target", ["", "10.1/x", "*", "?q", "hdl:10.1/x", "\\x", " /x", "#", "http:/x", "://x/"]
)
def test_target_that_is_no_path_is_refused(target: str) -> None:
    """What is neither a path nor an address is an error of the client's, 400."""
    with pytest.raises(BadRequestError) as caught:
        split_target(target)
    assert caught.value.status == 400


def test_target_may_have_8192_characters() -> None:
    """An address of 8 KiB is read, a longer one is 414."""
    longest = "/" + "x" * (MAX_TARGET_LENGTH - 1)
    assert MAX_TARGET_LENGTH == 8192
    assert split_target(longest) == (longest, "")
    with pytest.raises(BadRequestError, match="longer than 8192") as caught:
        split_target(longest + "x")
    assert caught.value.status == 414


# --- where it leads --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", FormRoute()),
        ("//", FormRoute()),
        ("/%20", FormRoute()),
        ("/%E2%80%8B", FormRoute()),
        ("/hdl:", FormRoute()),
        ("/help", HelpRoute()),
        ("/help.html", HelpRoute()),
        ("/help/", HandleRoute("help/")),
        ("/HELP", HandleRoute("HELP")),
        ("/robots.txt", StaticRoute("robots.txt")),
        ("/favicon.ico", StaticRoute("favicon.ico")),
        ("/static/style.css", StaticRoute("style.css")),
        ("/static/a/b.css", StaticRoute("a/b.css")),
        ("/static/../secret", StaticRoute("../secret")),
        ("/static/", StaticRoute("")),
        ("/static", HandleRoute("static")),
        ("/statics/x", HandleRoute("statics/x")),
        ("/api", ApiPageRoute()),
        ("/api/", ApiPageRoute()),
        ("/api/openapi.json", ApiDescriptionRoute()),
        ("/api/openapi.json/", UnknownApiRoute("/api/openapi.json/")),
        ("/api/prefixes/10.1", PrefixRoute("10.1")),
        ("/api/prefixes/0.NA/10.1", PrefixRoute("0.NA/10.1")),
        ("/api/prefixes/", PrefixRoute("")),
        ("/api/which/10.1/x", WhichRoute(("10.1/x",))),
        ("/api/which/10.1/x,doi:10.2/y", WhichRoute(("10.1/x", "10.2/y"))),
        ("/api/which/10.1/x%2Cy,10.2/y", WhichRoute(("10.1/x,y", "10.2/y"))),
        ("/api/which/", WhichRoute(("",))),
        ("/api/which/10.1/x,", WhichRoute(("10.1/x", ""))),
        ("/api/sites/x", UnknownApiRoute("/api/sites/x")),
        ("/api/handlesx/10.1/x", UnknownApiRoute("/api/handlesx/10.1/x")),
        ("/api/%zz", UnknownApiRoute("/api/%zz")),
        ("/apis/x", HandleRoute("apis/x")),
        ("/API/handles/x", HandleRoute("API/handles/x")),
        ("/api/handles", ApiRoute("")),
        ("/api/handles/", ApiRoute("")),
        ("/api/handles//", ApiRoute("")),
        ("/api/handles/10.1/x", ApiRoute("10.1/x")),
        ("/api/handles//10.1/x", ApiRoute("10.1/x")),
        ("/api/handles/%2F10.1/x", ApiRoute("10.1/x")),
        ("/api/handles/hdl:10.1/x", ApiRoute("10.1/x")),
        ("/api/handles/urn:hdl:10.1:x", ApiRoute("10.1/x")),
        ("/api/handles/https:/doi.org/10.1/x", ApiRoute("10.1/x")),
        ("/api/handles/10.1%2Fx", ApiRoute("10.1/x")),
    ],
)
def test_path_leads_to(path: str, route: Route) -> None:
    """Pages, files and the API have their places; all else is a handle."""
    assert read_route(path) == route


@pytest.mark.parametrize(
    ("path", "handle"),
    [
        ("/10.1000/182", "10.1000/182"),
        ("/10.1000", "10.1000"),
        ("//10.1000/182", "10.1000/182"),
        ("/%2F10.1000/182", "10.1000/182"),
        ("/10.1000%2F182", "10.1000/182"),
        ("/10.1000%2f182%2Fx", "10.1000/182/x"),
        ("/10.1000/a//b", "10.1000/a//b"),
        ("/10.1000/a/../b/./c", "10.1000/a/../b/./c"),
        ("/10.1000/a/%2E%2e/b", "10.1000/a/../b"),
        ("/10.1000/", "10.1000/"),
        ("/10.1000//", "10.1000//"),
        ("/10.1000/a+b", "10.1000/a+b"),
        ("/10.1000/a%2Bb", "10.1000/a+b"),
        ("/10.1000/a%20b", "10.1000/a b"),
        ("/%20%0910.1000/a%0A", "10.1000/a"),
        ("/10.1000/a%2520b", "10.1000/a%20b"),
        ("/10.1000/%C3%BC", "10.1000/ü"),
        ("/10.1000/ü", "10.1000/ü"),
        ("/10.1000/%F0%9F%98%80", "10.1000/😀"),
        ("/10.1000/u%CC%88", "10.1000/u\u0308"),
        ("/10.1000/%3Fq%23f%26", "10.1000/?q#f&"),
        ("/10.1000/%00%0D", "10.1000/"),
        ("/10.1000/a%00b", "10.1000/a\x00b"),
        ("/10.1000/AbC", "10.1000/AbC"),
        ("/10.1000/a;b=c&d", "10.1000/a;b=c&d"),
        ("/10.1000/\\x", "10.1000/\\x"),
        ("/doi:10.1000/182", "10.1000/182"),
        ("/DOI:%2010.1000/182", "10.1000/182"),
        ("/doi%3A10.1000/182", "10.1000/182"),
        ("/urn:doi:10.1000:182", "10.1000/182"),
        ("/https://doi.org/10.1000/182", "10.1000/182"),
        ("/https:/doi.org/10.1000/182", "10.1000/182"),
        ("/https%3A%2F%2Fdoi.org%2F10.1000%2F182", "10.1000/182"),
        ("/hdl:/10.1000/182", "10.1000/182"),
    ],
)
def test_path_is_decoded_once_and_never_tidied(path: str, handle: str) -> None:
    """Octets between slashes mean what they say: dots, doubled slashes, case and plus signs stay."""
    assert read_route(path) == HandleRoute(handle)


@pytest.mark.parametrize(
    "path", ["/%", "/10.1/%", "/10.1/%2", "/10.1/%zz", "/10.1/%2g", "/10.1/%%20", "/10.1/%-1"]
)
@pytest.mark.parametrize("root", ["", "/api/handles"])
def test_escape_that_is_cut_short_is_refused(root: str, path: str) -> None:
    """A percent sign without two hexadecimal digits is 400, with the code for a bad handle."""
    with pytest.raises(BadRequestError, match="percent sign") as caught:
        read_route(root + path)
    assert (caught.value.status, caught.value.code) == (400, 102)


@pytest.mark.parametrize(
    "path", ["/%ff", "/10.1/%C3", "/10.1/%C0%AF", "/10.1/%ED%A0%80", "/10.1/\udcff", "/%F5%80%80%80"]
)
@pytest.mark.parametrize("root", ["", "/api/handles"])
def test_octets_that_are_no_utf8_are_refused(root: str, path: str) -> None:
    """No character is guessed: invalid UTF-8, escaped or not, is 400."""
    with pytest.raises(BadRequestError, match="UTF-8") as caught:
        read_route(root + path)
    assert (caught.value.status, caught.value.code) == (400, 102)


def test_half_escaped_character_is_whole() -> None:
    """A character of which only some octets are escaped is read like any other."""
    raw = b"/10.1/\xc3".decode("utf-8", "surrogateescape") + "%BC"
    assert read_route(raw) == HandleRoute("10.1/ü")


@pytest.mark.parametrize(
    "form",
    [
        *("hdl:10.1/x", "hdl:/10.1/x", "%20/10.1/x", "doi:%2F%2F10.1/x", "urn:hdl:10.1:x", "info:hdl/10.1/x"),
        *("https://doi.org//10.1/x", "%2F%2F10.1/x"),
    ],
)
def test_api_strips_the_same_as_pages(form: str) -> None:
    """A script that uses the address of a page gets the record of the same handle."""
    assert read_route(f"/{form}") == HandleRoute("10.1/x")
    assert read_route(f"/api/handles/{form}") == ApiRoute("10.1/x")


def test_links_to_ourselves_are_understood() -> None:
    """A pasted address of this resolver is the handle in it, for people and scripts."""
    own = ("hdl.example.org:8000",)
    pasted = "http://hdl.example.org:8000/10.1/x"
    assert read_route(f"/{pasted}", own) == HandleRoute("10.1/x")
    assert read_route(f"/api/handles/{pasted}", own) == ApiRoute("10.1/x")
    assert read_route(f"/{pasted}") == HandleRoute(pasted)


def test_unknown_place_of_the_api_can_be_named_in_the_answer() -> None:
    """Octets that are no text, below ``/api/``, do not keep us from saying that there is nothing."""
    try:
        route = read_route("/api/\udcff\udc80")
    except BadRequestError:
        return
    assert isinstance(route, UnknownApiRoute)
    route.path.encode()


# --- the form --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "handle"),
    [
        ("10.1/x", "10.1/x"),
        (" /10.1/x\r\n", "10.1/x"),
        ("DOI: 10.1/x", "10.1/x"),
        ("https://hdl.handle.net/10.1/x", "10.1/x"),
        ("https://own.example/10.1/x", "10.1/x"),
        ("10.1/a b", "10.1/a b"),
        ("10.1/a+b", "10.1/a+b"),
        ("10.1000", "10.1000"),
    ],
)
def test_form_takes_what_people_paste(typed: str, handle: str) -> None:
    """What is typed into the form is the handle, without labels and blanks."""
    assert handle_of_form(typed, ("own.example",)) == handle


@pytest.mark.parametrize("typed", ["", " ", "\u200b", "/", "doi:", "https://doi.org/"])
def test_empty_form_is_said_to_be_empty(typed: str) -> None:
    """A form without a handle is an error that says so."""
    with pytest.raises(InvalidHandleError, match="no handle was typed"):
        handle_of_form(typed)


# --- anything --------------------------------------------------------------------------------------------

_OCTETS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(str.encode),
    st.lists(
        st.sampled_from(
            ["/", "%2F", "%", "%zz", "%ff", "?", "#", ";", "&", "=", "api/handles/", "static/", "hdl:"]
        )
        | st.text(max_size=3),
        max_size=12,
    ).map(lambda parts: "".join(parts).encode()),
)
_TARGETS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "/", "/", "/api/handles/", "http://h"]),
    # As aiohttp hands over what came on the wire.
    _OCTETS.map(lambda octets: octets.decode("utf-8", "surrogateescape")),
)


@given(_TARGETS, st.booleans())
@example("/%", False)
@example("/api/\udcff", True)
def test_any_target_is_read_or_refused(target: str, for_api: bool) -> None:
    """Whatever comes on the wire leads somewhere or is an error of the client's: nothing breaks."""
    try:
        path, query = split_target(target)
        route = read_route(path, ("hdl.example.org",))
        parameters = read_parameters(query)
        if isinstance(route, HandleRoute | ApiRoute):
            handle = read_query(route.text, parameters, for_api=for_api).handle
            assert handle.text
    except (BadRequestError, InvalidHandleError):
        return
    assert isinstance(route, Route)


_RESERVED = ("api", "help", "help.html", "robots.txt", "favicon.ico", "static")


def _is_plain(handle: str) -> bool:
    return (
        strip_labels(handle) == handle
        and not handle.startswith("/")
        and handle.partition("/")[0] not in _RESERVED
    )


@given(handle_texts.filter(_is_plain))
def test_link_leads_back_to_its_handle(handle: str) -> None:
    """A handle put into a path comes out of it as it was, for people and for scripts."""
    path = encode_handle(handle)
    assert read_route(f"/{path}") == HandleRoute(handle)
    assert read_route(f"/api/handles/{path}") == ApiRoute(handle)
