"""Languages over HTTP: what is sent, what caches are told, and what does not depend on it."""

from __future__ import annotations

import pytest

from tests.integration.proxy import RunningProxy
from tests.integration.visiting import ask, lists, put_record

P = "20.500.12345"
GERMAN = [("Accept-Language", "de-CH, de;q=0.9, en;q=0.5")]
PAGES = ["/", "/help", f"/{P}/map-1482?noredirect", f"/{P}/gone", f"/{P}/missing", f"/{P}/abc?action=explain"]


@pytest.mark.parametrize("target", PAGES)
async def test_every_page_says_its_language(demo_proxy: RunningProxy, target: str) -> None:
    """Content-Language and the element agree, and caches learn that Accept-Language decided."""
    for headers, code in (([], "en"), (GERMAN, "de"), ([("Accept-Language", "ar")], "ar")):
        answer = await ask(demo_proxy, target, headers=headers)
        assert answer.header("Content-Language") == code
        assert f'<html lang="{code}" dir="{"rtl" if code == "ar" else "ltr"}">'.encode() in answer.body
        assert "Accept-Language" in lists(answer, "Vary")


@pytest.mark.parametrize("target", PAGES)
async def test_a_named_language_is_one_address_of_its_own(demo_proxy: RunningProxy, target: str) -> None:
    """With lang= the header does not count, so that caches need not ask for it."""
    named = f"{target}{'&' if '?' in target else '?'}lang=fr"
    answer = await ask(demo_proxy, named, headers=GERMAN)
    assert answer.header("Content-Language") == "fr"
    assert "Accept-Language" not in lists(answer, "Vary")
    unknown = await ask(demo_proxy, named.replace("fr", "xx"), headers=GERMAN)
    assert unknown.header("Content-Language") == "de"
    assert "Accept-Language" in lists(unknown, "Vary")


async def test_what_is_no_page_has_no_language(demo_proxy: RunningProxy) -> None:
    """Redirects, JSON and other forms are the same for everybody, whatever they prefer to read."""
    for target in (
        f"/{P}/abc",
        f"/api/handles/{P}/abc",
        f"/{P}/abc?noredirect&format=csv",
        "/static/style.css",
    ):
        answers = [await ask(demo_proxy, target, headers=headers) for headers in ([], GERMAN)]
        assert "Accept-Language" not in lists(answers[0], "Vary")
        assert answers[0].body == answers[1].body
    told = await ask(demo_proxy, f"/{P}/missing", headers=[("Accept", "application/json"), *GERMAN])
    assert b"does not know this handle" in told.body


async def test_tags_differ_by_language(demo_proxy: RunningProxy) -> None:
    """Who has the page in one language is not told that nothing has changed in another."""
    target = f"/{P}/map-1482?noredirect"
    english, german = [await ask(demo_proxy, target, headers=headers) for headers in ([], GERMAN)]
    assert english.header("ETag") != german.header("ETag")
    having = [("If-None-Match", german.header("ETag") or "")]
    again = await ask(demo_proxy, target, headers=[*having, *GERMAN])
    assert again.status == 304
    assert "Accept-Language" in lists(again, "Vary")
    assert (await ask(demo_proxy, target, headers=having)).status == 200


@pytest.mark.parametrize(
    "query", ["x=%22%3E%3Cscript%3E", 'x="><script>', "a;b;lang=de;c", "%", "x=%0d%0aX: y"]
)
async def test_links_to_other_languages_are_safe(demo_proxy: RunningProxy, query: str) -> None:
    """The rest of the query goes along, and nothing in it gets out of the link."""
    page = (await ask(demo_proxy, f"/?{query}".replace(" ", "%20"))).body.decode()
    links = [part.partition('"')[0] for part in page.split('href="?')[1:]]
    assert len(links) == 5
    assert all(
        link.endswith(f"lang={code}")
        for link, code in zip(links, ("en", "ar", "de", "es", "fr"), strict=True)
    )
    assert "<script" not in page
    assert all(link.count("lang=") == 1 for link in links)


async def test_words_of_a_record_are_never_translated(demo_proxy: RunningProxy) -> None:
    """A value that happens to read like one of our labels is shown as it is recorded."""
    put_record(demo_proxy, f"{P}/labels", ("DESC", "Location"), ("X", "Help"))
    page = (await ask(demo_proxy, f"/{P}/labels?noredirect", headers=GERMAN)).body.decode()
    assert ">Location<" in page
    assert ">Help<" in page
    assert ">Hilfe<" in page  # in the navigation


async def test_a_form_keeps_its_language(demo_proxy: RunningProxy) -> None:
    """What is sent by the form of a page with lang= is answered in that language."""
    assert b'name="lang" value="es"' in (await ask(demo_proxy, "/?lang=es")).body
    assert b'name="lang"' not in (await ask(demo_proxy, "/", headers=GERMAN)).body
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    answer = await ask(demo_proxy, "/", "POST", headers=headers, body=f"hdl={P}/missing&lang=es")
    assert (answer.status, answer.header("Content-Language")) == (404, "es")
    assert b"Handle no encontrado" in answer.body
    assert b'class="languages"' not in answer.body  # such a page has no address to be linked
