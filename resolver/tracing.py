"""OpenTelemetry: a span for each request, and below it one for each question to a handle server.

Optional: nothing of OpenTelemetry is imported unless the operator asks for it. Where spans go, and which of them,
is read from the variables that OpenTelemetry has for that (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_TRACES_SAMPLER``, ``OTEL_SERVICE_NAME`` …). A visitor's own trace goes on where ``traceparent`` names it.
Addresses of visitors are not in spans.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from resolver.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["Tracing", "open_tracing"]

SERVICE_NAME = "handle-resolver"
_NANOSECONDS = 1_000_000_000


class RequestSpan:
    """The span of a request while it is answered."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def end(self, status: int, endpoint: str, handle: str | None) -> None:
        """Say how the request was answered."""
        from opentelemetry.trace import StatusCode

        self._span.update_name(f"{self._span.attributes['http.request.method']} {endpoint}")
        self._span.set_attribute("http.response.status_code", status)
        self._span.set_attribute("resolver.endpoint", endpoint)
        if handle is not None:
            self._span.set_attribute("handle.name", handle)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


class Tracing:
    """Makes spans."""

    def __init__(self, provider: TracerProvider, version: str = "") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("resolver", version)

    @contextlib.contextmanager
    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Iterator[RequestSpan]:
        """Let whatever the block causes belong to one request."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name.lower(): value for name, value in headers.items() if name.lower().startswith("trace")}
        context = TraceContextTextMapPropagator().extract(carrier)
        attributes = {"http.request.method": method, "url.path": path}
        with self._tracer.start_as_current_span(
            method, context=context, kind=SpanKind.SERVER, attributes=attributes
        ) as span:
            yield RequestSpan(span)

    def exchange(self, transport: str, server: str, handle: str, outcome: str, elapsed_s: float) -> None:
        """Make the span of a question to a server that has just ended, below whatever caused it."""
        from opentelemetry.trace import SpanKind, StatusCode

        now = time.time_ns()
        span = self._tracer.start_span(
            f"ask {transport}",
            kind=SpanKind.CLIENT,
            start_time=now - int(elapsed_s * _NANOSECONDS),
            attributes={
                "network.transport": transport,
                "server.address": server,
                "handle.name": handle,
                "resolver.outcome": outcome,
            },
        )
        if outcome != "answer":
            span.set_status(StatusCode.ERROR, outcome)
        span.end(now)

    def close(self) -> None:
        """Send what is left; may take some seconds."""
        self._provider.shutdown()


def open_tracing(where: str, version: str) -> Tracing | None:
    """Return what makes spans, or ``None`` if the settings want none.

    Args:
        where: ``off``, ``otlp`` or ``console``.
        version: of this software.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if where == "off":
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _exporter(where)
    except ImportError as error:
        raise SettingsError(f"tracing={where}: install handle-resolver[otel] ({error})") from error
    resource = Resource.create({"service.version": version})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider, version)


def _exporter(where: str) -> SpanExporter:
    if where == "console":
        import sys

        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
