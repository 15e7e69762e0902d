"""A shared cache in front: what it gives out is what the resolver would have given this visitor."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, media_type_of, networks, put_record
from tests.nginx_process import Nginx, run_nginx
from tests.raw_http import RawResponse

P = "20.500.12345"
DOI = "10.99999/demo.2026.1"
CSL = [("Accept", "application/vnd.citationstyles.csl+json"), ("User-Agent", "Zotero/7.0")]
CHROME = [
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"),
]
CURL = [("Accept", "*/*"), ("User-Agent", "curl/8.0")]
OLD_BROWSER = [("Accept", "*/*"), ("User-Agent", "Mozilla/4.0")]
PROBLEM = "application/problem+json"
ROUNDS = 4
DEADLINE_S = 15.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy that believes the reverse proxy on this machine."""
    with run_proxy(shipped_records(), trusted_proxies=networks("127.0.0.0/8")) as running:
        yield running


@pytest.fixture(scope="module")
def nginx(proxy: RunningProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A cache in front of it."""
    with run_nginx(tmp_path_factory.mktemp("nginx"), proxy.port) as running:
        yield running


def cached(answer: RawResponse) -> str | None:
    """Return what nginx says about its copy."""
    return answer.header("X-Cache")


async def test_people_and_programs_take_turns(nginx: Nginx, proxy: RunningProxy) -> None:
    """One DOI, four kinds of clients, again and again: each gets its own place, mostly out of the cache."""
    publisher = f"http://127.0.0.1:{proxy.placeholders['${PUBLISHER.http}']}"
    article, metadata = f"{publisher}/articles/{DOI}", f"{publisher}/metadata/10.99999%2Fdemo.2026.1"
    clients = [(CSL, metadata), (CHROME, article), (CURL, article), (OLD_BROWSER, article)]
    hits = 0
    for _ in range(ROUNDS):
        for headers, place in clients:
            for _ in range(2):
                answer = await ask(nginx, f"/{DOI}", headers=headers)
                assert (answer.status, answer.header("Location")) == (302, place)
                hits += cached(answer) == "HIT"
    assert hits >= ROUNDS * len(clients), "the second of two equal visits is answered out of the cache"


async def test_two_kinds_of_clients_need_two_copies(nginx: Nginx) -> None:
    """Browser and citation manager by turns: from the second round on, nobody is sent to the resolver any more."""
    target = f"/{DOI}?round"
    rounds = [
        [cached(await ask(nginx, target, headers=kind)) for kind in (CSL, CHROME)] for _ in range(ROUNDS)
    ]
    assert rounds == [["MISS", "MISS"], *[["HIT", "HIT"]] * (ROUNDS - 1)]


async def test_forms_of_a_record_are_kept_apart(nginx: Nginx) -> None:
    """Page, Turtle and JSON of one address never stand in for one another, nor do two names of a form."""
    for _ in range(2):
        for accepted in ("text/html", "text/turtle", "application/json"):
            first, second = [
                await ask(nginx, f"/{P}/letter", headers=[("Accept", accepted)]) for _ in range(2)
            ]
            assert (media_type_of(first), media_type_of(second)) == (accepted, accepted)
            assert cached(second) == "HIT"
    unknown = f"/{P}/letter?format=nobody-knows-it"
    for accepted in ("text/turtle", "text/html", "application/json"):
        assert media_type_of(await ask(nginx, unknown, headers=[("Accept", accepted)])) == "text/html"


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        (f"/{P}/missing", "text/html"),
        (f"/{P}/abc.", "text/html"),
        (f"/{P}/gone", "text/html"),
        (f"/api/handles/{P}/missing", "application/json"),
        (f"/api/linkset/{P}/missing", "application/json"),
        ("/api/nothing", "application/json"),
    ],
)
async def test_errors_come_in_the_form_that_is_read(nginx: Nginx, target: str, plain: str) -> None:
    """A missing handle or a tombstone is kept for a while, for people and programs apart."""
    for _ in range(2):
        for accepted, media_type in (("*/*", plain), (PROBLEM, PROBLEM)):
            first, second = [await ask(nginx, target, headers=[("Accept", accepted)]) for _ in range(2)]
            for answer in (first, second):
                assert (answer.status in {404, 410}, media_type_of(answer)) == (True, media_type)
            assert cached(second) == "HIT"


async def test_chance_stays_chance(nginx: Nginx) -> None:
    """Where a place is drawn, every visit is a draw of its own: nginx keeps nothing."""
    answers = [await ask(nginx, f"/{P}/portrait") for _ in range(60)]
    assert {cached(answer) for answer in answers} == {"MISS"}
    assert len({answer.header("Location") for answer in answers}) == 2


async def test_a_country_stays_the_visitors_own(nginx: Nginx, proxy: RunningProxy) -> None:
    """An answer that depends on where somebody is goes to nobody else; one that the URL decides is kept."""
    places = (
        '<locations chooseby="country"><location href="https://de.example/" country="de" weight="0"/>'
        '<location href="https://all.example/"/></locations>'
    )
    put_record(proxy, f"{P}/per-country", ("10320/loc", places))
    for _ in range(3):
        assert cached(await ask(nginx, f"/{P}/per-country")) == "MISS"
    kept = [await ask(nginx, f"/{P}/per-country?country=de") for _ in range(2)]
    assert [cached(answer) for answer in kept] == ["MISS", "HIT"]
    assert {answer.header("Location") for answer in kept} == {"https://de.example/"}


async def test_who_asks_the_primary_is_not_kept(nginx: Nginx) -> None:
    """An answer to ?auth is for the one who asked."""
    for _ in range(2):
        assert cached(await ask(nginx, f"/{P}/abc?auth")) == "MISS"


async def test_a_copy_is_renewed_without_being_sent_again(nginx: Nginx, proxy: RunningProxy) -> None:
    """When its time is over nginx asks whether its copy still holds, gets 304, and gives the whole to the visitor."""
    handle = f"{P}/brief"
    put_record(proxy, handle, ("URL", "https://brief.example/"), ttl=2)
    first = await ask(nginx, f"/api/handles/{handle}")
    seen = [cached(first)]
    ends_at = time.monotonic() + DEADLINE_S
    while "REVALIDATED" not in seen:
        assert time.monotonic() < ends_at, seen
        await asyncio.sleep(0.05)
        answer = await ask(nginx, f"/api/handles/{handle}")
        seen.append(cached(answer))
        assert answer.status == 200
        assert answer.header("Content-Type") == first.header("Content-Type")
        assert answer.body == first.body
        assert json.loads(answer.body)["responseCode"] == 1
