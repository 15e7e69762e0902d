"""Why there is no answer: a page for people, application/problem+json for programs, responseCode for the API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, media_type_of

P = "20.500.12345"
PROBLEM = "application/problem+json"
TROUBLE = {
    "bad escape": ("/%zz", 400),
    "not UTF-8": (f"/{P}/%ff", 400),
    "too long a handle": (f"/{P}/{'x' * 2100}", 400),
    "too long an address": (f"/{P}/{'x' * 8192}", 414),
    "no file": ("/static/none.css", 404),
    "missing": (f"/{P}/missing", 404),
    "no prefix": ("/20.500.99/x", 404),
    "inactive": ("/20.500.11000/lost", 404),
    "aliases": (f"/{P}/round", 404),
    "dead": ("/20.500.56789/x", 502),
    "silent": ("/20.500.60000/x", 504),
}
API_TROUBLE = {
    "bad escape": ("/api/handles/%zz", 400, 102),
    "no handle": ("/api/handles/", 400, 102),
    "bad index": (f"/api/handles/{P}/abc?index=x", 400, 4),
    "too long": (f"/api/handles/{P}/{'x' * 8192}", 414, 4),
    "no such thing": ("/api/nothing", 404, 2),
    "missing": (f"/api/handles/{P}/missing", 404, 100),
    "missing, by action": (f"/{P}/missing?action=api", 404, 100),
    "no links": (f"/api/linkset/{P}/missing", 404, 100),
    "dead": ("/api/handles/20.500.56789/x", 502, 2),
    "silent": ("/api/handles/20.500.60000/x", 504, 2),
}
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy that loses its patience soon, and remembers that it has."""
    with run_proxy(shipped_records(), deadline=1.0, failure_ttl=60.0) as running:
        yield running


@pytest.mark.parametrize("name", TROUBLE)
@pytest.mark.parametrize("accepted", [PROBLEM, "application/json", "application/ld+json, text/html;q=0.5"])
async def test_programs_are_told_in_json(proxy: RunningProxy, name: str, accepted: str) -> None:
    """Whoever accepts JSON of any kind gets status, words, code and request id as members (RFC 9457)."""
    target, status = TROUBLE[name]
    answer = await ask(proxy, target, headers=[("Accept", accepted)])
    assert (answer.status, answer.header("Content-Type")) == (status, PROBLEM)
    assert answer.header("Vary") == "Accept"
    told = json.loads(answer.body)
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert told["title"]
    assert told["detail"].endswith(".")
    assert told["requestId"] == answer.header("X-Request-ID")
    assert isinstance(told["responseCode"], int)
    assert told.get("handle") in {None, target.lstrip("/")}
    assert answer.header("Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize("name", TROUBLE)
@pytest.mark.parametrize("accepted", [None, "*/*", CHROME, "text/turtle", f"text/html, {PROBLEM}"])
async def test_people_read_a_page(proxy: RunningProxy, name: str, accepted: str | None) -> None:
    """Browsers, and programs that accept neither, get the page, and caches keep the two apart."""
    target, status = TROUBLE[name]
    answer = await ask(proxy, target, headers=[] if accepted is None else [("Accept", accepted)])
    assert (answer.status, media_type_of(answer)) == (status, "text/html")
    assert answer.header("Vary") == "Accept, Accept-Language"
    assert (answer.header("X-Request-ID") or "-").encode() in answer.body


@pytest.mark.parametrize("name", API_TROUBLE)
@pytest.mark.parametrize("accepted", [None, "application/json", "*/*", CHROME, "application/ld+json"])
async def test_scripts_get_the_form_they_know(proxy: RunningProxy, name: str, accepted: str | None) -> None:
    """Below /api/ an error is an object with responseCode, as deployed clients expect it."""
    target, status, code = API_TROUBLE[name]
    answer = await ask(proxy, target, headers=[] if accepted is None else [("Accept", accepted)])
    assert (answer.status, answer.header("Content-Type")) == (status, "application/json;charset=UTF-8")
    told = json.loads(answer.body)
    assert told["responseCode"] == code
    assert set(told) <= {"responseCode", "message", "handle"}
    assert answer.header("Vary") == "Accept"


@pytest.mark.parametrize("name", API_TROUBLE)
async def test_scripts_may_ask_for_problems(proxy: RunningProxy, name: str) -> None:
    """A script that names application/problem+json gets that, with the same code, also below /api/."""
    target, status, code = API_TROUBLE[name]
    answer = await ask(proxy, target, headers=[("Accept", f"application/json, {PROBLEM};q=0.1")])
    assert (answer.status, answer.header("Content-Type")) == (status, PROBLEM)
    assert answer.header("Vary") == "Accept"
    told = json.loads(answer.body)
    assert (told["status"], told["responseCode"]) == (status, code)


@pytest.mark.parametrize("name", ["missing", "dead", "bad escape"])
async def test_head_tells_the_kind_of_trouble(proxy: RunningProxy, name: str) -> None:
    """HEAD has status and type of either form, and no body."""
    target, status = TROUBLE[name]
    for accepted, media_type in ((PROBLEM, PROBLEM), ("text/html", "text/html")):
        answer = await ask(proxy, target, "HEAD", headers=[("Accept", accepted)])
        assert (answer.status, media_type_of(answer), answer.body) == (status, media_type, b"")


async def test_only_what_may_change_by_itself_is_kept(proxy: RunningProxy) -> None:
    """A missing handle may be remembered for half a minute; trouble of services and requests not at all."""
    for headers in ([], [("Accept", PROBLEM)]):
        missing = await ask(proxy, f"/{P}/missing", headers=headers)
        assert missing.header("Cache-Control") in {f"public, max-age={seconds}" for seconds in (29, 30)}
        for name in ("bad escape", "dead", "silent"):
            answer = await ask(proxy, TROUBLE[name][0], headers=headers)
            assert answer.header("Cache-Control") == "no-store"
