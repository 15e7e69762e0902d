"""Visitors who leave in the middle of what they say: nobody's mistake, and nothing to wake an operator for."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.integration.two_ways import two_ways

P = "20.500.12345"


@pytest.mark.parametrize("sent", [0, 100, 400_000])
@pytest.mark.parametrize(
    ("target", "content_type"),
    [
        ("/api/handles", "application/json"),
        (f"/{P}/abc", "application/json"),
        (f"/{P}/abc", "application/x-www-form-urlencoded"),
        (f"/{P}/abc", "multipart/form-data; boundary=x"),
        ("/", "application/x-hdl-message"),
    ],
)
async def test_within_a_body(
    target: str, content_type: str, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted as the visitor's doing, whichever way they leave, and no error is written down."""
    head = (
        f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: 500000\r\n\r\n"
    )
    async with two_ways() as ways:
        for door in ways.cold, ways.slow:
            for leave in "abort", "close":
                _, writer = await asyncio.open_connection("127.0.0.1", door)
                writer.write(head.encode() + b"a" * sent)
                await asyncio.sleep(0.03)
                getattr(writer.transport, leave)()
        await asyncio.sleep(0.1)
        ways.metrics.settle()
        counted = {
            sample.labels["outcome"]: sample.value
            for metric in ways.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "resolver_requests_total"
        }
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert counted.get("error", 0) == 0
    assert counted
