"""From an answer to a response: headers, JSON, templates."""

from __future__ import annotations

import json
import re
import shutil
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from resolver.errors import ClosingError
from resolver.web.languages import Reader
from resolver.web.problems import internal_problem, problem_of
from resolver.web.render import Caching, Renderer, template_folders
from tests.unit.web.pages import HARMLESS, NEVER, NOW, problem_view, renderer, values_view


def body_of(response: web.Response) -> str:
    """Return the body as text."""
    assert isinstance(response.body, bytes)
    return response.body.decode()


# --- how long an answer may be kept ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left_s", "max_age_s", "max_age"),
    [
        (100.0, 3600.0, 100),
        (99.9, 3600.0, 99),
        (0.9, 3600.0, 0),
        (0.0, 3600.0, 0),
        (-50.0, 3600.0, 0),
        (7200.0, 3600.0, 3600),
        (7200.0, 0.0, 0),
        (86_400.0, 172_800.0, 86_400),
    ],
)
def test_lifetime_is_that_of_the_record(left_s: float, max_age_s: float, max_age: int) -> None:
    """``max-age`` is what is left of the record, at most what the operator allows, and ``Expires`` the same moment."""
    headers = Caching(NOW + left_s, max_age_s).headers(NOW)
    assert headers["Cache-Control"] == f"public, max-age={max_age}"
    assert parsedate_to_datetime(headers["Expires"]).timestamp() == int(NOW) + max_age
    assert headers["Expires"].endswith(" GMT")
    assert set(headers) == {"Cache-Control", "Expires"}


def test_old_record_is_kept_for_half_a_minute() -> None:
    """An answer from an expired record says so, and is asked for again soon."""
    headers = Caching(NOW - 4000, 3600, stale=True).headers(NOW)
    assert headers["Cache-Control"] == "max-age=30"
    assert headers["Warning"] == '110 - "Response is Stale"'
    assert parsedate_to_datetime(headers["Expires"]).timestamp() == int(NOW) + 30


@pytest.mark.parametrize("stale", [False, True])
def test_answer_that_must_not_be_kept_says_only_that(stale: bool) -> None:
    """An answer of the primary server is nobody's to keep."""
    assert Caching(None, 3600, stale).headers(NOW) == {"Cache-Control": "no-store"}


def test_page_is_kept_from_now_on() -> None:
    """Pages and JSON count the lifetime from the moment they are made."""
    caching = Caching(NOW + 60, 3600)
    for response in (renderer().page("help.html", {}, caching), renderer().json({}, caching)):
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert parsedate_to_datetime(response.headers["Expires"]).timestamp() == int(NOW) + 60


@given(st.floats(-1e9, 1e10), st.floats(0, 172_800), st.floats(0, 4e9))
def test_lifetime_is_never_negative_nor_too_long(expires_at: float, max_age_s: float, now: float) -> None:
    """Whatever the clocks say, an answer is kept for no longer than the operator allows."""
    found = re.fullmatch(
        r"public, max-age=(\d+)", Caching(expires_at, max_age_s).headers(now)["Cache-Control"]
    )
    assert found is not None
    assert 0 <= int(found.group(1)) <= max_age_s


# --- headers ---------------------------------------------------------------------------------------------


def answers() -> dict[str, web.Response]:
    """Return one response of every kind."""
    own = renderer()
    problem, view = problem_view(HARMLESS)
    return {
        "redirect": own.redirect(302, "https://example.org/", NEVER),
        "page": own.page("help.html", {}, NEVER),
        "problem": own.problem_page(problem, view, NEVER),
        "json": own.json({"a": 1}, NEVER),
        "jsonp": own.json({"a": 1}, NEVER, callback="f"),
        "empty": own.empty(304, {"ETag": '"x"'}),
    }


@pytest.mark.parametrize("kind", answers())
def test_every_answer_may_be_read_by_any_origin(kind: str) -> None:
    """Pages of any origin may read every answer, without credentials, and nobody guesses a type."""
    headers = answers()[kind].headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "*"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Credentials" not in headers
    assert headers["Server"] == "handle-resolver"


@pytest.mark.parametrize("kind", ["redirect", "page", "problem"])
def test_pages_run_nothing(kind: str) -> None:
    """Even if markup of a stranger came through, the browser would neither run nor load it."""
    response = answers()[kind]
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Referrer-Policy" in response.headers
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";") if part
    )
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert not {"script-src", "connect-src", "object-src", "frame-src"} & set(policy)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "*" not in response.headers["Content-Security-Policy"]


def test_pages_need_nothing_that_their_policy_forbids() -> None:
    """No page has a script, a style or an event handler of its own, or loads something from elsewhere."""
    own = renderer()
    problem, view = problem_view(HARMLESS)
    for response in (
        own.page("form.html", {"asked": ""}, NEVER),
        own.page("help.html", {}, NEVER),
        own.page("values.html", values_view(HARMLESS), NEVER),
        own.problem_page(problem, view, NEVER),
    ):
        page = body_of(response)
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|<iframe|<object", page)
        for attribute, link in re.findall(r'<(?:link|img|source)[^>]*(href|src)="([^"]*)"', page):
            assert link.startswith("/static/"), (attribute, link)


@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308])
def test_redirect_has_a_target_and_a_page(status: int) -> None:
    """Programs follow the header, people whose program does not follow click."""
    response = renderer().redirect(status, "https://example.org/?a=1&b=2", Caching(2e9, 10))
    assert response.status == status
    assert response.headers["Location"] == "https://example.org/?a=1&b=2"
    assert '<a href="https://example.org/?a=1&amp;b=2">' in body_of(response)


def test_problem_page_has_the_status_of_the_problem() -> None:
    """A problem goes out under its status, and says when to come back if it knows."""
    own = renderer()
    view = {"asked": "", "request_id": "0123abcd", "prefix_contact": "", "suggestion": None}
    busy = own.problem_page(problem_of(ClosingError("full")), view, NEVER)
    assert (busy.status, busy.headers["Retry-After"]) == (503, "2")
    bug = own.problem_page(internal_problem(), view, NEVER)
    assert bug.status == 500
    assert "Retry-After" not in bug.headers
    assert "0123abcd" in body_of(bug)


# --- JSON ------------------------------------------------------------------------------------------------


def test_json_is_json() -> None:
    """A script gets JSON under its type, with the status and the headers it was given."""
    response = renderer().json({"a": "ü"}, Caching(None, 0), status=404, headers={"Allow": "GET"})
    assert (response.status, body_of(response)) == (404, '{"a":"ü"}')
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert (response.headers["Cache-Control"], response.headers["Allow"]) == ("no-store", "GET")
    assert body_of(renderer().json({"a": 1}, NEVER, pretty=True)) == '{\n  "a": 1\n}'


@pytest.mark.parametrize("pretty", [False, True])
def test_jsonp_is_one_call(pretty: bool) -> None:
    """JSONP is a script that calls the function with the record, and cannot end a line within a text."""
    shown = {"a": "</script>\u2028\u2029\n"}
    response = renderer().json(shown, NEVER, callback="$.f_1", pretty=pretty)
    assert response.headers["Content-Type"] == "application/javascript;charset=UTF-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    found = re.fullmatch(r"(?:/\*\*/)?\$\.f_1\((.*)\);", body_of(response), re.DOTALL)
    assert found is not None
    assert json.loads(found.group(1)) == shown
    assert not set(body_of(response)) & {"\u2028", "\u2029"}


# --- our own address -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *(
            "hdl.example.org",
            "hdl.example.org:8000",
            "localhost:1",
            "192.0.2.1",
            "192.0.2.1:80",
            "xn--a-b.example",
        ),
        *("[::1]", "[2001:db8::1]:8443", "under_score.example", "EXAMPLE.org"),
    ],
)
def test_host_of_the_request_is_used_in_links(host: str) -> None:
    """Without a configured address, links lead to where the visitor came."""
    assert renderer().base_url("https", host) == f"https://{host}"


@pytest.mark.parametrize(
    "host",
    [
        *(
            None,
            "",
            " ",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "user:pw@evil.example",
            "a\\b",
            "a,b",
            "a;b",
            "a%2Fb",
        ),
        *(
            "a\r\nX: y",
            "a\n",
            "\na",
            "a\x00",
            "a\t",
            '"><script>',
            "a'b",
            "a<b",
            "a:",
            "a:b",
            "a:123456",
            ":80",
        ),
        *(
            "[::1",
            "::1",
            "[::1]x",
            "[evil.example]",
            "[::1]:",
            "ex\u00e4mple.org",
            "a\u2024b",
            "a\udcff",
            "{{7*7}}",
        ),
        *(
            "a:\uff18\uff10",
            "a:\u0668\u0660",
            "[::1]:\uff18",
            "a:80:80",
            "//evil.example",
            "https://evil.example",
        ),
    ],
)
def test_host_that_is_no_name_is_not_used(host: str | None) -> None:
    """What cannot be a host never gets into a link: links are relative then."""
    assert renderer().base_url("https", host) == ""


@pytest.mark.parametrize("host", [None, "evil.example", "hdl.example.org"])
def test_configured_address_beats_the_request(host: str | None) -> None:
    """With a base URL nobody's Host is reflected anywhere."""
    own = renderer(base_url="https://hdl.example.org/x")
    assert own.base_url("http", host) == "https://hdl.example.org/x"
    assert 'href="https://hdl.example.org/x/help"' in body_of(own.page("help.html", {}, NEVER))


# --- templates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", values_view(HARMLESS))
def test_values_page_misses_every_variable(name: str) -> None:
    """A variable that a page needs and does not get is a bug that shows at once, not an empty place."""
    view = values_view(HARMLESS, values=[]) if name == "is_filtered" else values_view(HARMLESS)
    renderer().page("values.html", view, NEVER)
    del view[name]
    with pytest.raises(UndefinedError, match=name):
        renderer().page("values.html", view, NEVER)


@pytest.mark.parametrize("name", problem_view(HARMLESS)[1])
def test_problem_page_misses_every_variable(name: str) -> None:
    """The same holds for the page of a problem."""
    problem, view = problem_view(HARMLESS)
    del view[name]
    with pytest.raises(UndefinedError, match=name):
        renderer().problem_page(problem, view, NEVER)


def test_form_misses_its_variable() -> None:
    """The same holds for the form."""
    with pytest.raises(UndefinedError, match="asked"):
        renderer().page("form.html", {}, NEVER)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"total": 6}, "6 of 6 values"),
        ({"total": 7}, "6 of 7 values"),
        ({"asked_when": "2026-11-22"}, "2026-11-22</bdi></small>"),
        ({"is_prefix": True}, "Record of the prefix"),
        ({"is_prefix": False}, "Record of the handle"),
        ({"is_stale": True, "age": "2 hours"}, "it said 2 hours ago"),
        ({"values": [], "is_filtered": True}, "none of the kind you asked for"),
        ({"values": [], "is_filtered": False}, "no public values"),
        ({"aliases": ["a/1", "a/2"]}, "a/1</bdi></a> → <a"),
    ],
)
def test_values_page_says(changes: dict[str, Any], words: str) -> None:
    """The page says what kind of record it shows, how old it is, and why it may be empty."""
    page = body_of(renderer().page("values.html", values_view(HARMLESS, **changes), NEVER))
    assert words in " ".join(page.split())


def test_fresh_record_is_not_said_to_be_old() -> None:
    """Only an expired record carries the warning, only a followed alias is mentioned."""
    page = body_of(renderer().page("values.html", values_view(HARMLESS, is_stale=False, aliases=[]), NEVER))
    assert "out of date" not in page
    assert "alias" not in page


def test_contact_is_shown_where_there_is_one() -> None:
    """Whoever runs the resolver is named if the operator wants so."""
    assert "Run by" not in body_of(renderer().page("help.html", {}, NEVER))
    page = body_of(renderer(contact="ops@example.org").page("help.html", {}, NEVER))
    assert '<a href="mailto:ops@example.org"><bdi>ops@example.org</bdi></a>' in page


def test_one_template_of_the_operator_replaces_ours(tmp_path: Path) -> None:
    """An operator changes one page, or the frame of all, and keeps the others."""
    (tmp_path / "help.html").write_text(
        "{% extends 'layout.html' %}{% block content %}Ask Eve.{% endblock %}"
    )
    own = renderer(templates=tmp_path, site_name="Our handles")
    page = body_of(own.page("help.html", {}, NEVER))
    assert "Ask Eve." in page
    assert "Our handles" in page
    assert "Look up a handle" in body_of(own.page("form.html", {"asked": ""}, NEVER))
    (tmp_path / "layout.html").write_text("<p>framed {% block content %}{% endblock %}")
    assert body_of(renderer(templates=tmp_path).page("form.html", {"asked": ""}, NEVER)).startswith(
        "<p>framed"
    )


def test_template_of_the_operator_is_escaped_too(tmp_path: Path) -> None:
    """Escaping does not depend on what a template is called, or on who wrote it."""
    for name in ("help.html", "help.txt", "help"):
        (tmp_path / name).write_text("{{ text }}")
        page = renderer(templates=tmp_path).page(name, {"text": "<b>"}, NEVER)
        assert body_of(page) == "&lt;b&gt;"


def test_template_never_reads_beyond_its_folders(tmp_path: Path) -> None:
    """No name of a template leads out of the folders."""
    (tmp_path / "secret.html").write_text("secret")
    folder = tmp_path / "templates"
    folder.mkdir()
    own = Renderer([folder], site_name="", base_url="", contact="", version="", clock=lambda: NOW)
    with pytest.raises(Exception, match="secret"):
        own.page("../secret.html", {}, NEVER)


def test_folder_of_the_operator_comes_first(tmp_path: Path) -> None:
    """Shipped templates are always there, the operator's before them."""
    assert template_folders(None)[-1].joinpath("layout.html").is_file()
    assert template_folders(tmp_path) == [tmp_path, *template_folders(None)]


def test_what_is_prepared_needs_no_file_any_more(tmp_path: Path) -> None:
    """An upgrade that replaces files while a worker runs changes none of its pages, in any language."""
    folder = tmp_path / "templates"
    shutil.copytree(template_folders(None)[0], folder)
    own = Renderer([folder], site_name="", base_url="", contact="", version="", clock=lambda: NOW)
    own.prepare()
    shutil.rmtree(folder)
    page = body_of(own.page("form.html", {"asked": ""}, NEVER, reader=Reader("de")))
    assert '<html lang="de"' in page
    assert "Hilfe" in page
    assert "العربية" in body_of(own.page("form.html", {"asked": ""}, NEVER, reader=Reader(query="")))


def test_half_characters_do_not_break_a_page() -> None:
    """A text that cannot be written as UTF-8 is shown with a question mark in its place."""
    assert "a?b" in body_of(renderer().page("form.html", {"asked": "a\ud800b"}, NEVER))
