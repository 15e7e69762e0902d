"""The API explained, to people and to programs, by the proxy itself."""

from __future__ import annotations

import json
import re

from tests.integration.proxy import RunningProxy
from tests.integration.visiting import ask, max_age_of, media_type_of


async def test_description(demo_proxy: RunningProxy) -> None:
    """The description may be read by pages of any origin, kept for a while, and asked for by its tag."""
    response = await ask(demo_proxy, "/api/openapi.json")
    assert (response.status, media_type_of(response)) == (200, "application/json")
    assert json.loads(response.body)["openapi"] == "3.1.0"
    assert response.header("Access-Control-Allow-Origin") == "*"
    assert max_age_of(response) > 0
    again = await ask(
        demo_proxy, "/api/openapi.json", headers=[("If-None-Match", response.header("ETag") or "")]
    )
    assert (again.status, again.body) == (304, b"")


async def test_page(demo_proxy: RunningProxy) -> None:
    """The page names every operation, runs no script and loads nothing from elsewhere."""
    description = json.loads((await ask(demo_proxy, "/api/openapi.json")).body)
    for path in ("/api/", "/api"):
        response = await ask(demo_proxy, path)
        assert (response.status, media_type_of(response)) == (200, "text/html")
        text = response.body.decode()
        for target, methods in description["paths"].items():
            for method, content in methods.items():
                assert f"{method.upper()} {target}" in text
                assert f'id="{content["operationId"]}"' in text
        assert "<script" not in text
        assert not re.findall(r'(?:src|href)="(?!/|#|\?|https://www\.handle\.net/|mailto:)[^"]*"', text)
        assert (
            "script-src" in (csp := response.header("Content-Security-Policy") or "")
            or "default-src 'none'" in csp
        )
        assert len(response.body) < 60_000


async def test_links_to_try_work(demo_proxy: RunningProxy) -> None:
    """Whoever follows an example gets an answer."""
    text = (await ask(demo_proxy, "/api/")).body.decode()
    examples = set(re.findall(r'href="(/api/[^"]*)"', text))
    assert len(examples) >= 5
    for example in examples:
        assert (await ask(demo_proxy, example)).status == 200, example


async def test_problems_for_who_accepts_them(demo_proxy: RunningProxy) -> None:
    """Every part of the API gives errors as problem details to whoever accepts them (RFC 9457)."""
    for target in (
        "/api/handles/20.500.12345/missing",
        "/api/prefixes/20.500.99",
        "/api/which/",
        "/api/linkset/20.500.12345/missing",
        "/api/unheard-of",
    ):
        response = await ask(demo_proxy, target, headers=[("Accept", "application/problem+json")])
        assert media_type_of(response) == "application/problem+json", target
        shown = json.loads(response.body)
        assert shown["status"] == response.status
        plain = await ask(demo_proxy, target)
        assert (plain.status, media_type_of(plain)) == (response.status, "application/json")
    body = json.dumps({"handles": []})
    headers = [("Accept", "application/problem+json"), ("Content-Type", "application/json")]
    response = await ask(demo_proxy, "/api/handles", "POST", headers=headers, body=body)
    assert (response.status, media_type_of(response)) == (400, "application/problem+json")
