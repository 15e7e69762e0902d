"""Spans: one for each request, and below it one for each question to a handle server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from resolver.demo.network import shipped_records
from resolver.errors import SettingsError
from resolver.tracing import Tracing, open_tracing
from resolver.web import app
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask

P = "20.500.12345"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Where spans go."""
    return InMemorySpanExporter()


@pytest.fixture
def proxy(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningProxy]:
    """A proxy that traces."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(app, "open_tracing", lambda *_: Tracing(provider))
    with run_proxy(shipped_records()) as running:
        yield running


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of the span that caused this one."""
    return None if span.parent is None else span.parent.span_id


async def test_questions_belong_to_the_request_that_caused_them(
    proxy: RunningProxy, exporter: InMemorySpanExporter
) -> None:
    """From a visitor's request to each server that was asked for it, with handle, transport and outcome."""
    await ask(proxy, "/20.500.45678/poem")
    *asked, request = exporter.get_finished_spans()
    assert request.name == "GET redirect"
    assert request.parent is None
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "url.path": "/20.500.45678/poem",
        "http.response.status_code": 302,
        "resolver.endpoint": "redirect",
        "handle.name": "20.500.45678/poem",
    }
    attributes = [dict(span.attributes or {}) for span in asked]
    assert [given["handle.name"] for given in attributes] == [
        "0.NA/20.500.45678",
        "0.SERV/LIBRARY",
        "20.500.45678/poem",
    ]
    assert {given["network.transport"] for given in attributes} == {"udp"}
    assert {given["resolver.outcome"] for given in attributes} == {"answer"}
    port = proxy.network.placeholders["LIBRARY"]["port"]
    assert attributes[-1]["server.address"] == f"udp://127.0.0.1:{port}"
    assert {parent_of(span) for span in asked} == {request.context.span_id}
    for span in asked:
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time


async def test_trace_of_the_visitor_goes_on(proxy: RunningProxy, exporter: InMemorySpanExporter) -> None:
    """A request that says which trace it belongs to belongs to it, and so do the questions it causes."""
    headers = [("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")]
    await ask(proxy, f"/api/handles/{P}/abc", headers=headers)
    spans = exporter.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE}
    assert parent_of(spans[-1]) == 0xB7AD6B7169203331


@pytest.mark.parametrize("header", ["nonsense", "00-0-0-0", "00-" + "z" * 32 + "-" + "1" * 16 + "-01"])
async def test_trace_that_is_none(proxy: RunningProxy, exporter: InMemorySpanExporter, header: str) -> None:
    """What cannot be read begins a trace of its own."""
    await ask(proxy, f"/{P}/abc", headers=[("traceparent", header)])
    assert exporter.get_finished_spans()[-1].parent is None


async def test_failures_are_marked(proxy: RunningProxy, exporter: InMemorySpanExporter) -> None:
    """A question without an answer, and a request that failed for it, are errors."""
    await ask(proxy, "/20.500.56789/x")
    spans = exporter.get_finished_spans()
    failed = [span.name for span in spans if span.status.status_code.name == "ERROR"]
    assert failed == ["ask udp", "ask tcp", "GET redirect"]


async def test_visitors_stay_unknown(proxy: RunningProxy, exporter: InMemorySpanExporter) -> None:
    """No span tells an address, a program, or what was asked beside the handle."""
    headers = [("User-Agent", "a browser"), ("Cookie", "secret=1"), ("X-Forwarded-For", "198.51.100.9")]
    await ask(proxy, f"/{P}/abc?locatt=secret:1", headers=headers)
    for span in exporter.get_finished_spans():
        told = span.to_json()
        assert not [word for word in ("browser", "secret", "198.51.100.9") if word in told]


def test_nothing_is_imported_unless_wanted() -> None:
    """A proxy without traces does not even load what would make them."""
    # The Redis client has a look for OpenTelemetry's metrics on its own account.
    code = (
        "import sys; from resolver.config import Settings; from resolver.web.app import create_apps; "
        "create_apps(Settings()); print([name for name in sys.modules "
        "if name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'opentelemetry.propag'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants traces without having what makes them reads what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match=r"install handle-resolver\[otel\]"):
        open_tracing("otlp", "1")
    assert open_tracing("off", "1") is None


@pytest.fixture
async def collector() -> AsyncIterator[tuple[str, list[Any]]]:
    """A collector of spans, as operators run one; its address, and what it gets."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest()
        message.ParseFromString(await request.read())
        got.append(message)
        return web.Response()

    collecting = web.Application()
    collecting.router.add_post("/v1/traces", take)
    runner = web.AppRunner(collecting)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", got
    await runner.cleanup()


async def test_spans_arrive_at_a_collector(
    collector: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables that OpenTelemetry has for it, spans go to a collector; the last when the proxy stops."""
    url, got = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-resolver")

    def visit() -> None:
        with run_proxy(shipped_records(), tracing="otlp") as proxy:
            asyncio.run(ask(proxy, f"/{P}/abc"))

    await asyncio.to_thread(visit)
    (resource,) = [spans.resource for message in got for spans in message.resource_spans]
    told = {attribute.key: attribute.value.string_value for attribute in resource.attributes}
    assert told["service.name"] == "our-resolver"
    names = [
        span.name
        for message in got
        for spans in message.resource_spans
        for scope in spans.scope_spans
        for span in scope.spans
    ]
    assert sorted(names) == ["GET redirect", "ask udp", "ask udp"]
