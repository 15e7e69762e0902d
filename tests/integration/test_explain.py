"""How a handle is resolved, told to people and to programs: true, complete, and without traces of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, media_type_of, put_record

P = "20.500.12345"


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy of these tests alone: what is remembered counts."""
    with run_proxy(shipped_records(), failure_ttl=60.0) as running:
        yield running


async def explain(proxy: RunningProxy, target: str) -> dict[str, Any]:
    """Return an explanation as JSON, and check how it came."""
    answer = await ask(proxy, f"/api/explain/{target}")
    assert (answer.status, media_type_of(answer)) == (200, "application/json")
    assert answer.header("Cache-Control") == "no-store"
    told: dict[str, Any] = json.loads(answer.body)
    return told


async def test_the_whole_way_is_told(proxy: RunningProxy) -> None:
    """From the path that came to the place that was chosen, with everybody who was asked."""
    told = await explain(proxy, f"hdl:{P}/portrait?locatt=language:fr")
    assert told["handle"] == told["finalHandle"] == f"{P}/portrait"
    assert told["parse"] == {
        "received": f"/api/explain/hdl:{P}/portrait",
        "removed": "hdl:",
        "prefix": P,
        "suffix": "portrait",
        "isPrefix": False,
        "key": f"{P}/portrait",
    }
    assert told["service"]["contact"] == "handles@library.example"
    (site,) = told["service"]["sites"]
    assert (site["description"], site["primary"]) == ("National Library of Ruritania", True)
    (server,) = site["servers"]
    assert (server["responsible"], server["asked"]) == (True, 1)
    registry, service = told["steps"]
    assert (registry["handle"], registry["site"]) == (f"0.NA/{P}", "Demo registry")
    assert (service["handle"], service["server"]) == (f"{P}/portrait", server["interfaces"][0])
    assert registry["beganMs"] + registry["tookMs"] <= service["beganMs"]
    assert service["octets"] > 100
    assert told["decision"] == {
        "kind": "redirect",
        "status": 302,
        "detail": "The visitor is sent on.",
        "location": "https://museum.example.org/fr/portrait",
    }
    assert [place["verdict"] for place in told["candidates"]] == ["chosen", *["passed_over"] * 3]
    assert {place["rule"] for place in told["candidates"][1:]} == {"locatt"}


async def test_what_is_told_is_what_happens(proxy: RunningProxy) -> None:
    """The decision is that of the visitor who asks for the handle with the same parameters."""
    for target in (
        f"{P}/abc",
        f"{P}/map-1482?index=2",
        f"{P}/letter",
        f"{P}/gone",
        f"{P}/missing",
        "20.500.99/x",
    ):
        decision = (await explain(proxy, target))["decision"]
        answer = await ask(proxy, f"/{target}")
        assert (decision["status"], decision["location"]) == (answer.status, answer.header("Location"))


async def test_memory_is_described_and_left_alone(proxy: RunningProxy) -> None:
    """An explanation says what was known, asks the service anyway, and remembers nothing."""
    handle = f"{P}/remembering"
    put_record(proxy, handle, ("URL", "https://one.example/"))
    library = proxy.network.services["LIBRARY"]
    assert (await explain(proxy, handle))["cache"]["state"] == "nothing"
    assert (await explain(proxy, handle))["cache"]["state"] == "nothing"
    before = len(library.requests)
    assert (await ask(proxy, f"/{handle}")).header("Location") == "https://one.example/"
    assert len(library.requests) == before + 1
    put_record(proxy, handle, ("URL", "https://two.example/"))
    told = await explain(proxy, handle)
    assert told["cache"]["state"] == "fresh"
    assert 3500 < told["cache"]["secondsLeft"] <= 3600
    assert told["decision"]["location"] == "https://two.example/"
    assert (await ask(proxy, f"/{handle}")).header("Location") == "https://one.example/"


async def test_an_old_record_is_called_so(proxy: RunningProxy) -> None:
    """What is past its time, and what is known not to exist, have names of their own."""
    handle = f"{P}/ageing"
    put_record(proxy, handle, ("URL", "https://one.example/"), ttl=60)
    await ask(proxy, f"/{handle}")
    await ask(proxy, f"/{P}/nowhere")
    assert (await explain(proxy, f"{P}/nowhere"))["cache"]["state"] == "absent"
    proxy.clock.offset_s += 61
    told = await explain(proxy, handle)
    assert (told["cache"]["state"], told["decision"]["status"]) == ("stale", 302)
    assert told["cache"]["secondsLeft"] < 0


async def test_aliases_are_followed(proxy: RunningProxy) -> None:
    """Each alias on the way is named, and asked for."""
    told = await explain(proxy, f"{P}/old-name")
    assert (told["aliases"], told["finalHandle"]) == ([f"{P}/old-name"], f"{P}/abc")
    assert [step["handle"] for step in told["steps"]][-2:] == [f"{P}/old-name", f"{P}/abc"]
    stayed = await explain(proxy, f"{P}/old-name?ignore_aliases")
    assert (stayed["aliases"], stayed["decision"]["kind"]) == ([], "values")


@pytest.mark.parametrize(
    ("handle", "status", "words"),
    [
        (f"{P}/missing", 404, "does not know this handle"),
        ("20.500.99/x", 404, "it is not registered"),
        ("20.500.56789/x", 502, "gave no usable answer"),
        ("20.500.11000/lost", 404, ""),
    ],
)
async def test_failures_are_explained(proxy: RunningProxy, handle: str, status: int, words: str) -> None:
    """That there is no answer is explained like any other outcome; who failed is among the steps."""
    for _ in range(2):  # the second time the failure is known
        told = await explain(proxy, handle)
        assert (told["decision"]["kind"], told["decision"]["status"]) == ("problem", status)
        assert words in told["decision"]["detail"]
        assert told["values"] is None
        assert told["steps"]
    if status == 502:
        assert not any(step["succeeded"] for step in told["steps"] if step["handle"] == handle)
        assert "refused" in told["steps"][-1]["outcome"]


async def test_a_divided_service_names_the_server_that_keeps_the_handle(proxy: RunningProxy) -> None:
    """Of two servers one keeps the handle, by hash, and that one was asked."""
    told = await explain(proxy, "20.500.34567/article-7")
    servers = [server for site in told["service"]["sites"] for server in site["servers"]]
    assert len(servers) == 2
    assert [server["asked"] > 0 for server in servers] == [server["responsible"] for server in servers]


async def test_prefixes_are_explained(proxy: RunningProxy) -> None:
    """A prefix is asked for at the registry."""
    told = await explain(proxy, P)
    assert told["parse"]["isPrefix"]
    assert told["service"]["sites"][0]["description"] == "Demo registry"
    assert told["decision"]["kind"] == "values"


async def test_what_is_no_handle_is_an_error(proxy: RunningProxy) -> None:
    """There is nothing to explain about nothing; scripts are told in JSON."""
    answer = await ask(proxy, "/api/explain/")
    assert (answer.status, json.loads(answer.body)["responseCode"]) == (400, 102)
    assert (await ask(proxy, "/api/explain/%ff")).status == 400


async def test_people_see_a_page(proxy: RunningProxy) -> None:
    """action=explain is the same as a page, in the reader's language, with a picture that needs no script."""
    answer = await ask(proxy, f"/{P}/abc?action=explain", headers=[("Accept-Language", "de")])
    assert (answer.status, media_type_of(answer)) == (200, "text/html")
    assert (answer.header("Cache-Control"), answer.header("Content-Language")) == ("no-store", "de")
    page = answer.body.decode()
    for words in (
        "Wie ein Handle aufgelöst wird",
        "https://www.example.org/collections/abc",
        "<svg",
        "Gewählt:",
    ):
        assert words in page
    assert answer.header("Location") is None


async def test_hostile_values_do_not_break_the_page(proxy: RunningProxy) -> None:
    """Markup out of records stays text in an explanation too."""
    page = (await ask(proxy, f"/{P}/trap?action=explain")).body.decode()
    assert "javascript:alert" in page
    assert 'href="javascript' not in page
    assert "<script" not in page


async def test_explanations_are_counted_as_such(proxy: RunningProxy) -> None:
    """Metrics have a label of their own for them."""
    metrics = (
        await ask(type("Admin", (), {"host": proxy.host, "port": proxy.admin_port})(), "/metrics")
    ).body
    assert b'resolver_requests_total{endpoint="explain",outcome="ok"}' in metrics
