"""Records in other forms than a page: by ``?format=``, or by what a program accepts."""

from __future__ import annotations

import csv
import io
import json

import pytest

from resolver.web.record_page import MAX_SHOWN_VALUES
from tests.integration.proxy import RunningProxy
from tests.integration.visiting import ask, media_type_of, put_record

P = "20.500.12345"
RECORD = f"/{P}/map-1482?noredirect"
FORMS = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "ttl": "text/turtle; charset=utf-8",
    "jsonld": "application/ld+json",
}
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def accepting(media_type: str) -> list[tuple[str, str]]:
    """Return the header of a program that accepts a type."""
    return [("Accept", media_type)]


@pytest.mark.parametrize(("name", "content_type"), FORMS.items())
async def test_a_form_can_be_named(demo_proxy: RunningProxy, name: str, content_type: str) -> None:
    """?format= gives that form to everybody, whatever their program accepts, and says so to caches."""
    answers = [
        await ask(demo_proxy, f"{RECORD}&format={name}", headers=headers)
        for headers in ([], accepting(CHROME), accepting("text/turtle"), accepting("image/png"))
    ]
    assert {answer.status for answer in answers} == {200}
    assert {answer.header("Content-Type") for answer in answers} == {content_type}
    assert {answer.header("Vary") for answer in answers} == {None}
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.parametrize(("name", "content_type"), FORMS.items())
async def test_a_form_can_be_negotiated(demo_proxy: RunningProxy, name: str, content_type: str) -> None:
    """A program that accepts a type gets the same octets as by name, and caches learn that Accept decided."""
    negotiated = await ask(demo_proxy, RECORD, headers=accepting(content_type.partition(";")[0]))
    named = await ask(demo_proxy, f"{RECORD}&format={name.upper()}")
    assert negotiated.header("Content-Type") == named.header("Content-Type") == content_type
    assert negotiated.header("Vary") == "Accept"
    assert negotiated.body == named.body


@pytest.mark.parametrize(
    "accepted", [None, "*/*", CHROME, "image/png", "text/html, text/csv;q=0.9", "text/csv;q=0, */*", ""]
)
async def test_people_get_the_page(demo_proxy: RunningProxy, accepted: str | None) -> None:
    """Browsers, and whoever does not care, see the page; it varies by what is accepted, and in which language."""
    answer = await ask(demo_proxy, RECORD, headers=[] if accepted is None else accepting(accepted))
    assert media_type_of(answer) == "text/html"
    assert answer.header("Vary") == "Accept, Accept-Language"


@pytest.mark.parametrize(
    ("accepted", "content_type"),
    [
        ("text/csv;q=0.2, text/turtle;q=0.7", "text/turtle"),
        ("application/x-none, application/ld+json, text/html;q=0.5", "application/ld+json"),
        ("application/json, text/html", "application/json"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
    ],
)
async def test_the_most_wanted_form_wins(demo_proxy: RunningProxy, accepted: str, content_type: str) -> None:
    """Weights count, then the order; types that nobody has are passed over."""
    assert media_type_of(await ask(demo_proxy, RECORD, headers=accepting(accepted))) == content_type


@pytest.mark.parametrize("name", ["pdf", "", "json%00", "../json"])
async def test_a_form_that_nobody_knows_is_the_page(demo_proxy: RunningProxy, name: str) -> None:
    """An unknown name gives the page to every program alike, so that a cache can never mix up two forms."""
    for headers in ([], accepting("text/turtle"), accepting("application/json")):
        answer = await ask(demo_proxy, f"{RECORD}&format={name}", headers=headers)
        assert (answer.status, media_type_of(answer)) == (200, "text/html")
        assert answer.header("Vary") == "Accept-Language"


async def test_every_form_tells_the_same(demo_proxy: RunningProxy) -> None:
    """All public values are in each form, and none that is not public."""
    address = f"/{P}/everything?noredirect&format="
    api = json.loads((await ask(demo_proxy, f"/api/handles/{P}/everything")).body)
    types = [value["type"] for value in api["values"]]
    assert "HS_SECKEY" not in types
    forms = {name: (await ask(demo_proxy, address + name)).body.decode() for name in FORMS}
    assert json.loads(forms["json"]) == api
    rows = list(csv.DictReader(io.StringIO(forms["csv"], newline="")))
    assert [row["type"] for row in rows] == types
    assert {row["handle"] for row in rows} == {f"{P}/everything"}
    described = json.loads(forms["jsonld"])
    assert described["@id"] == f"https://hdl.handle.net/{P}/everything"
    assert [value["handle:type"] for value in described["handle:value"]] == types
    for form in (forms["ttl"], forms["txt"]):
        assert f"https://hdl.handle.net/{P}/everything" in form
        assert "One value of every standard type." in form
        assert "HS_SECKEY" not in form
    assert forms["ttl"].count("handle:index") == len(types)


async def test_filters_hold_in_every_form(demo_proxy: RunningProxy) -> None:
    """type= and index= choose among the values here as on the page; none is an answer as well."""
    rows = (await ask(demo_proxy, f"{RECORD}&type=EMAIL&format=csv")).body.decode().splitlines()
    assert [row.split(",")[1] for row in rows] == ["index", "5"]
    chosen = json.loads((await ask(demo_proxy, f"{RECORD}&index=4&format=json")).body)
    assert [value["type"] for value in chosen["values"]] == ["DESC"]
    none = await ask(demo_proxy, f"{RECORD}&index=77&format=json")
    assert (none.status, json.loads(none.body)["responseCode"]) == (200, 200)


async def test_a_record_without_a_url_needs_no_parameter(demo_proxy: RunningProxy) -> None:
    """Where a handle leads nowhere, its record is the answer, in the form that is accepted."""
    answer = await ask(demo_proxy, f"/{P}/letter", headers=accepting("text/plain"))
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert "Cod. Rur. 117" in answer.body.decode()


@pytest.mark.parametrize("name", FORMS)
async def test_a_form_cannot_be_taken_for_a_page(demo_proxy: RunningProxy, name: str) -> None:
    """Markup in a record is never run, whichever form it comes in; and scripts anywhere may read it."""
    answer = await ask(demo_proxy, f"/{P}/trap?noredirect&format={name}", headers=accepting(CHROME))
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert media_type_of(answer) != "text/html"
    assert answer.header("Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize("name", FORMS)
async def test_link_checkers_need_no_body(demo_proxy: RunningProxy, name: str) -> None:
    """HEAD tells type, length, tag and links of a form, and sends nothing."""
    get, head = [await ask(demo_proxy, f"{RECORD}&format={name}", method) for method in ("GET", "HEAD")]
    assert (head.status, head.body) == (200, b"")
    for header in ("Content-Type", "Content-Length", "ETag", "Link", "Vary"):
        assert head.header(header) == get.header(header)
    assert int(head.header("Content-Length") or "0") == len(get.body)


async def test_the_list_of_places_says_what_decided(demo_proxy: RunningProxy) -> None:
    """action=showurls is XML, or JSON for whoever names or accepts it; Vary is there only where Accept counted."""
    put_record(
        demo_proxy, f"{P}/two-places", ("URL", "https://one.example/"), ("URL", "https://two.example/")
    )
    places = f"/{P}/two-places?action=showurls"
    for target, headers, content_type, vary in [
        (places, [], "text/xml", "Accept"),
        (places, accepting("application/json"), "application/json", "Accept"),
        (f"{places}&format=json", [], "application/json", None),
        (f"{places}&format=xml", accepting("application/json"), "text/xml", None),
    ]:
        answer = await ask(demo_proxy, target, headers=headers)
        assert (media_type_of(answer), answer.header("Vary")) == (content_type, vary)
        assert b"https://two.example/" in answer.body


async def test_a_page_has_an_end(demo_proxy: RunningProxy) -> None:
    """Of a record with thousands of values a page shows the first, and says how many there are; JSON has them all."""
    put_record(demo_proxy, f"{P}/many-values", *[("DESC", "one of many")] * 1200)
    page = (await ask(demo_proxy, f"/{P}/many-values?noredirect")).body.decode()
    assert f"{MAX_SHOWN_VALUES} of 1200 values" in page
    assert page.count("one of many") < 2 * MAX_SHOWN_VALUES
    assert len(json.loads((await ask(demo_proxy, f"/api/handles/{P}/many-values")).body)["values"]) == 1200
