"""A handle that is missing as it was written, and exists in a likely other spelling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from resolver.demo.handle_service import RecordStore
from resolver.demo.network import shipped_records
from resolver.model.record import HandleRecord
from resolver.protocol.codes import ResponseCode
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, put_record
from tests.raw_http import RawResponse

P = "20.500.12345"
ABC = f"{P}/abc"
JSON = [("Accept", "application/json")]
CUT = f"/{ABC}."
"""A target with a full stop too many."""


def suggested_on(page: RawResponse) -> str | None:
    """Return where the page asks to go instead."""
    _, found, rest = page.body.decode().partition("Did you mean")
    return rest.partition('href="')[2].partition('"')[0] if found else None


async def suggestion(proxy: RunningProxy, target: str) -> str | None:
    """Return what page and JSON suggest for a missing handle, which must be the same."""
    page, told = await ask(proxy, target), await ask(proxy, target, headers=JSON)
    assert (page.status, told.status) == (404, 404)
    assert told.header("Content-Type") == "application/problem+json"
    found: str | None = json.loads(told.body).get("suggestion")
    assert suggested_on(page) == (None if found is None else f"/{quote(found)}")
    return found


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        (CUT, ABC),
        (f"/{ABC}).", ABC),
        (f"/{ABC}%5D%7D,", ABC),
        (f"/{ABC}%22%3E", ABC),
        (f"/{ABC}%C2%BB", ABC),
        (f"/{ABC}/", ABC),
        (f"/{P}%252Fabc", ABC),
        (f"/{P}/%2561bc", ABC),
        (f"/{P}/map%E2%80%931482", f"{P}/map-1482"),
        (f"/{P}/map%E2%88%921482).", f"{P}/map-1482"),
        (f"/{P}/%EF%BD%81bc", ABC),
        (f"/{P}/a%20bc", ABC),
        (f"/{P}/old-name.", f"{P}/old-name"),
    ],
)
async def test_what_was_meant_is_found(demo_proxy: RunningProxy, target: str, meant: str) -> None:
    """What text around a link leaves at its end, what encoding twice or typesetting does to it: the handle is named."""
    assert await suggestion(demo_proxy, target) == meant


@pytest.mark.parametrize(
    "target",
    [f"/{P}/nothing-like-it", f"/{P}/nothing.", f"/{P}/abcd", f"/{P}/.", "/20.500.99/abc.", f"/{P}."],
)
async def test_no_guess_without_a_handle_behind_it(demo_proxy: RunningProxy, target: str) -> None:
    """Nothing is suggested that does not exist."""
    assert await suggestion(demo_proxy, target) is None


async def test_no_guess_where_two_are_as_good(demo_proxy: RunningProxy) -> None:
    """If several spellings exist, nobody is sent to the wrong one."""
    put_record(demo_proxy, f"{P}/twin", ("URL", "https://one.example/"))
    assert await suggestion(demo_proxy, f"/{P}/twin..") == f"{P}/twin"
    put_record(demo_proxy, f"{P}/twin)", ("URL", "https://two.example/"))
    assert await suggestion(demo_proxy, f"/{P}/twin).") is None
    assert await suggestion(demo_proxy, f"/{P}/twin.") == f"{P}/twin"


async def test_an_empty_record_is_no_suggestion(demo_proxy: RunningProxy) -> None:
    """A handle whose record shows nothing would help nobody."""
    assert (await ask(demo_proxy, f"/{P}/secret")).status == 200
    assert await suggestion(demo_proxy, f"/{P}/secret.") is None


async def test_a_suggestion_is_safe_to_show(demo_proxy: RunningProxy) -> None:
    """Whatever characters the handle holds, the link leads to it and is no markup."""
    handle = f'{P}/"<b>'
    put_record(demo_proxy, handle, ("URL", "https://odd.example/"))
    page = await ask(demo_proxy, "/" + quote(handle, safe="") + ".")
    assert suggested_on(page) == f"/{P}/%22%3Cb%3E"
    assert b"<b>" not in page.body
    found = await ask(demo_proxy, suggested_on(page) or "")
    assert found.header("Location") == "https://odd.example/"


class ExactStore(RecordStore):
    """A store that tells upper case from lower case, as some services do."""

    def get(self, handle: str) -> HandleRecord | None:
        """Return the record of a handle in exactly this spelling."""
        record = super().get(handle)
        return record if record is not None and record.handle == handle else None


@pytest.fixture(scope="module")
def exact_proxy() -> Iterator[RunningProxy]:
    """A proxy over a library that tells upper case from lower case."""
    with run_proxy(shipped_records()) as running:
        library = running.network.services["LIBRARY"]
        library.store = ExactStore(filter(None, map(library.store.get, (ABC, "10.99999/demo.2026.1"))))
        yield running


async def test_case_is_tried_for_dois(exact_proxy: RunningProxy) -> None:
    """DOIs ignore case, and people write them in either: the one that exists is found. Others mean their case."""
    assert await suggestion(exact_proxy, "/10.99999/DEMO.2026.1") == "10.99999/demo.2026.1"
    assert await suggestion(exact_proxy, "/doi:10.99999/Demo.2026.1") == "10.99999/demo.2026.1"
    assert await suggestion(exact_proxy, f"/{P}/ABC") is None


# --- when nobody can tell --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eager_proxy() -> Iterator[RunningProxy]:
    """A proxy that redirects to what was meant, and has little patience."""
    with run_proxy(shipped_records(), forgive="redirect", deadline=1.0, failure_ttl=60.0) as running:
        yield running


@pytest.mark.parametrize(
    ("target", "status"), [("/20.500.56789/x.", 502), ("/20.500.60000/survey-2024.", 504)]
)
async def test_a_failing_service_is_not_a_missing_handle(
    eager_proxy: RunningProxy, target: str, status: int
) -> None:
    """While the service is dead or silent the handle may well exist: no guess, and no redirect."""
    for headers in ([], JSON):
        answer = await ask(eager_proxy, target, headers=headers)
        assert answer.status == status
        assert answer.header("Location") is None
        assert b"Did you mean" not in answer.body
        assert b"suggestion" not in answer.body


async def test_a_remembered_neighbour_is_no_answer_either(demo_proxy: RunningProxy) -> None:
    """A spelling that is in memory is not offered while nobody can say that the one asked for is missing."""
    assert (await ask(demo_proxy, f"/{P}/map-1482")).status == 302
    service = demo_proxy.network.services["LIBRARY"]
    service.behaviour.code = ResponseCode.ERROR
    try:
        answer = await ask(demo_proxy, f"/{P}/map-1482.")
    finally:
        service.behaviour.code = None
    assert (answer.status, suggested_on(answer)) == (502, None)


# --- what the operator chooses ---------------------------------------------------------------------------


async def test_redirect_sends_people_on(eager_proxy: RunningProxy) -> None:
    """With --forgive redirect the visitor goes on to the handle that exists; nobody remembers it as the answer."""
    for method in ("GET", "HEAD"):
        answer = await ask(eager_proxy, CUT, method)
        assert (answer.status, answer.header("Location")) == (302, f"{eager_proxy.url}/{ABC}")
        assert answer.header("Cache-Control") == "no-store"
    assert (await ask(eager_proxy, f"/{P}/nothing.")).status == 404


@pytest.mark.parametrize(
    "query", ["noredirect", "urlappend=%2Fpage;x=1", "noredirect&format=csv", "type=URL"]
)
async def test_redirect_keeps_what_was_asked_for(eager_proxy: RunningProxy, query: str) -> None:
    """Who wanted to see the record is not sent to the thing: the parameters go along."""
    answer = await ask(eager_proxy, f"{CUT}?{query}")
    assert (answer.status, answer.header("Location")) == (302, f"{eager_proxy.url}/{ABC}?{query}")


async def test_forms_are_asked_and_not_redirected(eager_proxy: RunningProxy) -> None:
    """What was typed into the form is answered by the page with the suggestion: a POST is not sent elsewhere."""
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    answer = await ask(eager_proxy, "/", "POST", headers=form, body=f"hdl={quote(ABC)}.")
    assert (answer.status, suggested_on(answer)) == (404, f"/{ABC}")


@pytest.fixture(scope="module")
def strict_proxy() -> Iterator[RunningProxy]:
    """A proxy that does not guess."""
    with run_proxy(shipped_records(), forgive="off") as running:
        yield running


async def test_off_is_off(strict_proxy: RunningProxy) -> None:
    """With --forgive off a missing handle is missing, and nothing else is even looked up."""
    library = strict_proxy.network.services["LIBRARY"]
    assert (await ask(strict_proxy, f"/{P}/abc")).status == 302
    before = len(library.requests)
    assert await suggestion(strict_proxy, CUT) is None
    assert len(library.requests) == before + 1


@pytest.mark.parametrize(
    "target",
    [f"/api/handles/{ABC}.", f"{CUT}?action=api", f"/api/linkset/{ABC}.", f"/api/handles/{P}%252Fabc"],
)
@pytest.mark.parametrize("headers", [[], [("Accept", "application/problem+json")]])
async def test_scripts_get_what_they_asked_for(
    demo_proxy: RunningProxy, eager_proxy: RunningProxy, target: str, headers: list[tuple[str, str]]
) -> None:
    """The API never guesses, whatever the operator chose for people."""
    for proxy in (demo_proxy, eager_proxy):
        answer = await ask(proxy, target, headers=headers)
        assert answer.status == 404
        told = json.loads(answer.body)
        assert told["responseCode"] == 100
        assert "suggestion" not in told
