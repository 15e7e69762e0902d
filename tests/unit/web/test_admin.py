"""What the operator's listener says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry, Counter

from resolver.web.admin import create_admin_app
from resolver.web.draining import Draining


async def get(app: web.Application, path: str) -> web.Response:
    """Return the answer to a GET, without a socket."""
    request = make_mocked_request("GET", path, headers={"Accept": "text/plain"}, app=app)
    found = await app.router.resolve(request)
    answer: Any = await found.handler(request)
    assert isinstance(answer, web.Response)
    return answer


def said(answer: web.Response) -> Any:
    """Return the JSON of an answer."""
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


@pytest.mark.parametrize(
    ("draining", "serving", "status", "missing"),
    [
        (False, True, 200, None),
        (True, True, 503, ["the process is about to stop"]),
        (False, False, 503, ["no worker serves"]),
        (True, False, 503, ["the process is about to stop", "no worker serves"]),
    ],
)
async def test_readiness_names_what_is_missing(
    draining: bool, serving: bool, status: int, missing: list[str] | None
) -> None:
    """A load balancer learns whether to send visitors here, and its operator why not."""
    app = create_admin_app(CollectorRegistry(), Draining(draining), lambda: serving)
    answer = await get(app, "/readyz")
    assert answer.status == status
    assert said(answer) == (
        {"status": "ready"} if missing is None else {"status": "not ready", "missing": missing}
    )


async def test_process_lives_while_it_drains() -> None:
    """A process that is about to stop is alive: nobody should kill it."""
    app = create_admin_app(CollectorRegistry(), Draining(is_on=True), lambda: False)
    answer = await get(app, "/healthz")
    assert (answer.status, said(answer)) == (200, {"status": "ok"})


async def test_draining_begins_while_serving() -> None:
    """The listener sees the change at once, since it shares the object."""
    draining = Draining()
    app = create_admin_app(CollectorRegistry(), draining)
    assert (await get(app, "/readyz")).status == 200
    draining.is_on = True
    assert (await get(app, "/readyz")).status == 503


async def test_metrics_are_those_of_the_registry() -> None:
    """``/metrics`` shows what this resolver counts."""
    registry = CollectorRegistry()
    Counter("seen", "Seen.", registry=registry).inc(3)
    app = create_admin_app(registry, Draining())
    answer = await get(app, "/metrics")
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    assert b"seen_total 3.0" in answer.body


@pytest.mark.parametrize("path", ["/", "/10.1000/1", "/api/handles/10.1000/1", "/metrics/x"])
async def test_admin_listener_resolves_nothing(path: str) -> None:
    """Handles are not answered on the operator's port."""
    app = create_admin_app(CollectorRegistry(), Draining())
    request = make_mocked_request("GET", path, app=app)
    assert (await app.router.resolve(request)).http_exception is not None
