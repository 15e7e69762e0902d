"""The redirect as a form: filled in, it is what the renderer writes; what is more than that has no form."""

from __future__ import annotations

import functools
import re
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.links import signposts, write_links
from resolver.answer.targets import Target, read_target
from resolver.errors import SettingsError
from resolver.web.identifiers import citation_url, encode_handle
from resolver.web.redirect_form import RedirectForm, redirect_form
from resolver.web.render import Caching, Renderer, template_folders

NOW = 1_800_000_000
ID = "0123456789abcdef"


@functools.cache
def renderer_of(folder: Path | None = None, **options: str) -> Renderer:
    """Return a renderer over the operator's templates, if there are any."""
    settings = {"site_name": "Handle Resolver", "base_url": "", "contact": "", "version": "1.2.3", **options}
    return Renderer(template_folders(folder), clock=lambda: NOW + 0.25, **settings)


def with_template(folder: Path, text: str, **others: str) -> Renderer:
    """Return a renderer whose redirects show ``text``."""
    (folder / "redirect.html").write_text(text, "utf-8")
    for name, content in others.items():
        (folder / f"{name}.html").write_text(content, "utf-8")
    return renderer_of(folder)


def written(renderer: Renderer, handle: str, uri: str, max_age_s: int, closes: bool = False) -> bytes:
    """Return what the renderer makes of a redirect, with all that the server adds to it."""
    path = encode_handle(handle)
    link = write_links(signposts(renderer.root, path), citation_url(handle))
    response = renderer.redirect(302, uri, Caching(NOW + max_age_s + 0.5, 86_400), headers={"Link": link})
    assert isinstance(response.body, bytes)
    lines = [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [
        f"X-Request-ID: {ID}",
        f"Content-Length: {len(response.body)}",
        f"Date: {formatdate(NOW, usegmt=True)}",
    ]
    lines += ["Connection: close"] * closes
    return "\r\n".join(["HTTP/1.1 302 Found", *lines, "", ""]).encode() + response.body


def filled(form: RedirectForm, handle: str, uri: str, max_age_s: int, closes: bool = False) -> bytes:
    return form.fill(encode_handle(handle), uri, max_age_s=max_age_s, now=NOW, request_id=ID, closes=closes)


def form_of(renderer: Renderer, handle: str = "10.1/2") -> RedirectForm:
    """Return a form that there is."""
    form = redirect_form(renderer, handle)
    assert form is not None
    return form


@functools.cache
def shared_form(root: str, is_doi: bool) -> RedirectForm:
    """Return the form that is made once for all handles of a kind."""
    return form_of(renderer_of(base_url=root), "10.7/x" if is_doi else "7/x")


URIS = st.one_of(
    st.sampled_from(
        [
            "https://example.org/",
            "https://example.org/%25s%s%d%(x)s?a=1&b='2'#%3Cx%3E",
            "mailto:a'b@example.org",
            "http://example.org/a&amp;b&#39;",
        ]
    ),
    st.text()
    .map(lambda text: read_target(f"https://example.org/{text}".encode("utf-8", "replace")))
    .map(lambda target: target.uri if isinstance(target, Target) else "https://example.org/x"),
)
HANDLES = st.sampled_from(["10.1/2", "10.99999/Abc-d_e~f", "1/2", "20.500.12345/abc.def"])


def test_page_that_holds_what_stands_for_something_here(tmp_path: Path) -> None:
    """A page whose own words would be taken for places has no form, rather than a wrong one."""
    assert redirect_form(with_template(tmp_path, "\U000f0002 {{ uri }}"), "10.1/2") is None


def test_page_that_cannot_be_shown(tmp_path: Path) -> None:
    """A mistake that would make every redirect an error shows at the start, by the name of its file."""
    with pytest.raises(SettingsError, match=r"redirect\.html: 'who' is undefined"):
        redirect_form(with_template(tmp_path, "{{ uri }} by {{ who }}"), "10.1/2")


@given(HANDLES, URIS, st.integers(0, 86_400), st.booleans(), st.sampled_from(["", "https://hdl.example.org"]))
def test_filled_in_it_is_what_the_renderer_writes(
    handle: str, uri: str, max_age_s: int, closes: bool, root: str
) -> None:
    """Whatever the handle and the target, and however long it may be kept: each line and the page are the same."""
    renderer = renderer_of(base_url=root)
    form = shared_form(root, handle.startswith("10."))
    ours, theirs = (
        filled(form, handle, uri, max_age_s, closes),
        written(renderer, handle, uri, max_age_s, closes),
    )
    head, _, body = ours.partition(b"\r\n\r\n")
    their_head, _, their_body = theirs.partition(b"\r\n\r\n")
    assert body == their_body
    assert sorted(head.split(b"\r\n")) == sorted(their_head.split(b"\r\n"))
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 302 Found"
    assert re.search(rb"[\x00-\x08]", ours) is None


@pytest.mark.parametrize(
    "text",
    [
        "{{ uri }}",
        "100 %% of %s, %(uri)s and %d: <a href='{{ uri }}'>{{ uri }}</a> %",
        "Зейн — 地方 {{ uri }} ü\N{WARNING SIGN}",
        "{% if metas %}{{ uri }}{% else %}to {{ uri }}{% endif %}",
        "{% for word in ['a', 'b'] %}{{ word }} {{ uri }} {% endfor %}",
        "nothing of it",
        "{# {{ uri|upper }} #}{% raw %}{{ uri|upper }}{% endraw %}{{ uri }}",
        "{% set word = site_name|upper %}{{ word }} {{ uri }} {{ version }}",
    ],
)
def test_templates_that_show_the_target(tmp_path: Path, text: str) -> None:
    """An operator's page that only shows where it leads comes out as written, however long its octets are."""
    renderer = with_template(tmp_path, text)
    uri = "https://example.org/%20a?b='c'&d"
    answer = filled(form_of(renderer), "10.1/2", uri, 60)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == renderer.redirect(302, uri, Caching(0.0, 0.0)).body
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "{% if uri %}x{% endif %}",
        "{{ 'x' if uri == 'https://example.org/' else uri }}",
        "{{ uri|upper }}",
        "{{ uri|urlize }}",
        "{{ uri|safe }}",
        "{{ uri[:10] }}",
        "{{ uri.upper() }}",
        "{{ uri ~ '/' }}",
        "{{ '%s'|format(uri) }}",
        "{{ visible(uri) }}",
        "{% for letter in uri %}{{ letter }}{% endfor %}",
        "{% set uri = 'x' %}{{ uri }}",
        "{% set copy = uri %}{{ copy|upper }}",
        "{% set copy %}{{ uri }}{% endset %}{{ copy|upper }}",
        "{% with copy = uri %}{{ copy|upper }}{% endwith %}",
        "{% filter upper %}{{ uri }}{% endfilter %}",
        "{% macro shown() %}{{ uri }}{% endmacro %}{{ shown()|upper }}",
        "{% macro shown(uri) %}{{ uri }}{% endmacro %}{{ shown('x') }}",
        "{% macro shown(text) %}{{ text|upper }}{% endmacro %}{{ shown(uri) }}",
        "{% macro shown() %}{{ caller()|upper }}{% endmacro %}{% call shown() %}{{ uri }}{% endcall %}",
        "{% block place %}{{ uri }}{% endblock %}{{ self.place()|upper }}",
        "{% autoescape false %}{{ uri }}{% endautoescape %}",
        "{% trans %}You are sent to {{ uri }}{% endtrans %}",
        "{% include 'part.html' %}",
        "{% import 'part.html' as part with context %}{{ part.word }}",
        "{% from 'part.html' import word with context %}{{ word }}",
        "{% extends 'part.html' %}",
    ],
)
def test_templates_that_do_more(tmp_path: Path, text: str) -> None:
    """A page that decides, changes or reaches elsewhere with the target has no form: it is rendered each time."""
    renderer = with_template(tmp_path, text, part="{{ uri|upper }}{% set word = uri|upper %}")
    assert redirect_form(renderer, "10.1/2") is None
