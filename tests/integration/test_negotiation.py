"""Content negotiation from the handle to the publisher: people reach the article, programs its metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, lists, max_age_of, media_type_of, put_record

P = "20.500.12345"
DOI = "10.99999/demo.2026.1"
CSL = "application/vnd.citationstyles.csl+json"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
MOZILLA = ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
PLACES = (
    "<locations>"
    '<location href="https://things.example/page" ctype="text/html"/>'
    '<location href="https://things.example/pdf" media-type="application/pdf"/>'
    '<location href="https://things.example/table" ctype="text/csv; header=present" weight="0"/>'
    "</locations>"
)


def place(name: str) -> str:
    """Return one of the places of the thing that is offered in three types."""
    return f"https://things.example/{name}"


@dataclass(frozen=True)
class Arrival:
    """Where a client that follows redirects has come to."""

    url: str
    status: int
    content_type: str
    body: bytes


async def follow(url: str, **headers: str) -> Arrival:
    """Go wherever a link leads, as the clients that programs use do."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return Arrival(str(response.url), response.status, response.content_type, await response.read())


# --- end to end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "media_type", "words"),
    [
        (CSL, CSL, '"DOI": "10.99999/demo.2026.1"'),
        ("application/x-bibtex", "application/x-bibtex", "@article{"),
        (f"text/x-none, {CSL};q=0.5", CSL, '"title"'),
    ],
)
async def test_a_citation_manager_gets_the_metadata(
    demo_proxy: RunningProxy, accepted: str, media_type: str, words: str
) -> None:
    """Following a DOI with the type of one's format ends at the publisher's metadata in that format."""
    arrived = await follow(f"{demo_proxy.url}/{DOI}", Accept=accepted)
    assert (arrived.status, arrived.content_type) == (200, media_type)
    assert words in arrived.body.decode()
    if media_type == CSL:
        assert json.loads(arrived.body)["DOI"] == DOI


@pytest.mark.parametrize(
    "headers", [{"Accept": CHROME}, {"Accept": "text/html"}, {"User-Agent": MOZILLA[1]}, {}]
)
async def test_everybody_else_gets_the_landing_page(
    demo_proxy: RunningProxy, headers: dict[str, str]
) -> None:
    """Browsers, and programs that ask for nothing in particular, end at the page for people."""
    arrived = await follow(f"{demo_proxy.url}/doi:{DOI}", **headers)
    assert (arrived.status, arrived.content_type) == (200, "text/html")
    assert arrived.url.endswith(f"/articles/{DOI}")


async def test_caches_learn_what_decided(demo_proxy: RunningProxy) -> None:
    """Vary names Accept, and User-Agent only where Accept says nothing; where neither counted it is absent."""
    for target, headers, vary in [
        (f"/{DOI}", [("Accept", CSL)], "Accept"),
        (f"/{DOI}", [("Accept", CHROME)], "Accept"),
        (f"/{DOI}", [("Accept", "*/*"), MOZILLA], "Accept, User-Agent"),
        (f"/{DOI}", [], "Accept, User-Agent"),
        (f"/{DOI}?locatt=id:conneg", [("Accept", CHROME)], None),
        (f"/{P}/abc", [("Accept", CSL)], None),
    ]:
        answer = await ask(demo_proxy, target, headers=headers)
        assert answer.status == 302
        assert answer.header("Vary") == vary, (target, headers)
        assert max_age_of(answer) > 0, "one URL for each kind of visitor may be kept by everybody"


async def test_a_metadata_link_works_for_people_too(demo_proxy: RunningProxy) -> None:
    """The parameter locatt picks the place for programs whatever is accepted, and type=URL the one for people."""
    publisher = f"http://127.0.0.1:{demo_proxy.placeholders['${PUBLISHER.http}']}"
    chosen = await ask(demo_proxy, f"/{DOI}?locatt=http_role:conneg", headers=[("Accept", CHROME)])
    assert chosen.header("Location") == f"{publisher}/metadata/10.99999%2Fdemo.2026.1"
    plain = await ask(demo_proxy, f"/{DOI}?type=URL", headers=[("Accept", "text/html")])
    assert plain.header("Location") == f"{publisher}/articles/{DOI}"


async def test_the_language_of_the_visitor_counts(demo_proxy: RunningProxy) -> None:
    """Of places in several languages each visitor gets his own, and caches keep them apart."""
    for wanted, language in [("fr-CH, de;q=0.5", "fr"), ("de", "de"), ("it, de;q=0.1", "de")]:
        answer = await ask(demo_proxy, f"/{P}/portrait", headers=[("Accept-Language", wanted)])
        assert answer.header("Location") == f"https://museum.example.org/{language}/portrait"
        assert answer.header("Vary") == "Accept-Language"
        assert max_age_of(answer) > 0


async def test_chance_is_not_kept(demo_proxy: RunningProxy) -> None:
    """Where the draw decides, nobody may give the answer to anybody else; both places are reached."""
    answers = [await ask(demo_proxy, f"/{P}/portrait") for _ in range(60)]
    assert {answer.header("Cache-Control") for answer in answers} == {"private, max-age=0"}
    assert {answer.header("Location") for answer in answers} == {
        "https://museum.example.org/portrait",
        "https://mirror.example.org/portrait",
    }


# --- nothing that is accepted ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict_proxy() -> Iterator[RunningProxy]:
    """A proxy that says so when nothing is offered in a form that is accepted."""
    with run_proxy(shipped_records(), conneg="strict") as running:
        put_record(running, f"{P}/typed", ("10320/loc", PLACES))
        yield running


@pytest.mark.parametrize(
    ("accepted", "location"),
    [
        ("text/csv", place("table")),
        ("application/x-none, text/csv;q=0.6, text/html;q=0.2", place("table")),
        ("application/x-none, text/html;q=0.2", place("page")),
    ],
)
async def test_each_type_has_its_place(strict_proxy: RunningProxy, accepted: str, location: str) -> None:
    """A program that accepts one of the types on offer is sent to it, and is told nothing else."""
    answer = await ask(strict_proxy, f"/{P}/typed", headers=[("Accept", accepted)])
    assert answer.header("Location") == location
    assert answer.header("X-Conneg-Fallback") is None


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ([("Accept", CSL)], "application/problem+json"),
        ([("Accept", "text/turtle")], "text/html"),
    ],
)
async def test_strict_means_406(
    strict_proxy: RunningProxy, headers: list[tuple[str, str]], content_type: str
) -> None:
    """With --conneg strict a program learns what is offered, in the form that it reads, and is not sent astray."""
    answer = await ask(strict_proxy, f"/{P}/typed", headers=headers)
    assert (answer.status, media_type_of(answer)) == (406, content_type)
    assert answer.header("Location") is None
    assert "application/pdf, text/csv, text/html" in answer.body.decode()
    assert "Accept" in lists(answer, "Vary")
    assert max_age_of(answer) == -1


async def test_strict_leaves_the_others_alone(strict_proxy: RunningProxy) -> None:
    """Browsers, wildcards, places that negotiate themselves, and handles with one place know no 406."""
    for target, headers in [
        (f"/{P}/typed", [("Accept", CHROME)]),
        (f"/{P}/typed", [("Accept", f"{CSL}, */*;q=0.1")]),
        (f"/{P}/typed", []),
        (f"/{DOI}", [("Accept", "application/x-nobody-has-it")]),
        (f"/{P}/abc", [("Accept", CSL)]),
    ]:
        assert (await ask(strict_proxy, target, headers=headers)).status == 302, (target, headers)


async def test_lenient_says_that_it_is_the_next_best(demo_proxy: RunningProxy) -> None:
    """By default a program is sent somewhere all the same, and a header tells what could be had."""
    put_record(demo_proxy, f"{P}/typed", ("10320/loc", PLACES))
    answer = await ask(demo_proxy, f"/{P}/typed", headers=[("Accept", CSL)])
    assert answer.status == 302
    assert lists(answer, "X-Conneg-Fallback") == ["application/pdf", "text/csv", "text/html"]
    assert "Accept" in lists(answer, "Vary")
    for headers in ([("Accept", "text/csv")], [("Accept", CHROME)], [("Accept", f"{CSL}, */*;q=0.1")], []):
        answer = await ask(demo_proxy, f"/{P}/typed", headers=headers)
        assert answer.header("X-Conneg-Fallback") is None


@pytest.mark.parametrize(
    "ctype", ["a/b&#13;&#10;X-Evil: 1", "a/b&#10;", "\u00e4/\u00f6", "x" * 9000, "a/b, c/d"]
)
async def test_what_is_no_type_does_no_harm(
    demo_proxy: RunningProxy, strict_proxy: RunningProxy, ctype: str
) -> None:
    """A record may claim any text as the type of a place: no header breaks, none is added, and the rest is named."""
    handle = f"{P}/nonsense-{len(ctype)}"
    places = (
        f'<locations><location href="https://one.example/" ctype="{ctype}"/>'
        '<location href="https://two.example/" ctype="text/csv"/></locations>'
    )
    for proxy, status in ((demo_proxy, 302), (strict_proxy, 406)):
        put_record(proxy, handle, ("10320/loc", places))
        answer = await ask(proxy, f"/{handle}", headers=[("Accept", CSL)])
        assert answer.status == status
        assert answer.header("X-Evil") is None
        if status == 302:
            assert answer.header("X-Conneg-Fallback") in {"text/csv", "a/b, text/csv"}
        else:
            assert "is offered as" in json.loads(answer.body)["detail"]
