"""The access log of a proxy that runs: a line for each request, however it was answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resolver.demo.network import shipped_records
from resolver.report import Report, read_lines
from tests.integration.processes import wait_until
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, networks
from tests.raw_http import write_request

P = "20.500.12345"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the log."""
    return tmp_path / "access.log"


@pytest.fixture
def proxy(path: Path) -> Iterator[RunningProxy]:
    """A proxy that writes JSON."""
    with run_proxy(
        shipped_records(),
        access_log="json",
        access_log_file=path,
        log_addresses="full",
        log_referrers=True,
        trusted_proxies=networks("127.0.0.0/8"),
    ) as running:
        yield running


async def lines(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the lines, as soon as there are so many; they are written together, a moment later."""

    def found() -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    await asyncio.to_thread(wait_until, lambda: len(found()) >= count, f"{count} lines are there")
    return found()


async def test_every_request_has_a_line(proxy: RunningProxy, path: Path) -> None:
    """Redirects, pages, the API, errors: what was asked, what became of it, and how it is counted."""
    visits = [
        ("GET", f"/{P}/abc", "redirect", 302, 1, f"{P}/abc"),
        ("HEAD", f"/{P}/abc", "redirect", 302, 1, f"{P}/abc"),
        ("GET", f"/{P}/missing", "redirect", 404, 100, f"{P}/missing"),
        ("GET", f"/{P}/abc?noredirect", "values", 200, 1, f"{P}/abc"),
        ("GET", f"/api/handles/{P}/abc?type=NONE", "api", 200, 200, f"{P}/abc"),
        ("GET", f"/api/handles/{P}/missing", "api", 404, 100, f"{P}/missing"),
        ("GET", "/api/handles/20.500.56789/x", "api", 502, 2, "20.500.56789/x"),
        ("GET", "/api/handles/", "api", 400, 102, None),
        ("GET", "/", "form", 200, 1, None),
        ("GET", "/static/none.css", "static", 404, 100, None),
        ("PUT", f"/{P}/abc", "redirect", 405, 4, None),
    ]
    answers = [await ask(proxy, target, method) for method, target, *_ in visits]
    written = await lines(path, len(visits))
    assert [
        (
            line["method"],
            line["target"],
            line["endpoint"],
            line["status"],
            line["code"],
            line.get("handle"),
        )
        for line in written
    ] == visits
    assert [line["request_id"] for line in written] == [answer.header("X-Request-ID") for answer in answers]
    assert all(0 <= line["ms"] < 10_000 for line in written)


async def test_answers_at_hand_have_lines_too(proxy: RunningProxy, path: Path) -> None:
    """A request that is answered without any work is written down like the first one of its kind."""
    targets = [f"/{P}/abc"] * 5 + [f"/api/handles/{P}/abc"] * 3
    headers = [("Host", proxy.host), ("X-Forwarded-For", "198.51.100.9"), ("User-Agent", "a browser")]
    ids = []
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    for target in targets:
        writer.write(write_request("GET", target, headers=headers))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        ids.append(re.search(r"X-Request-ID: (\w+)", head)[1])  # type: ignore[index]  # the test fails then too
        await reader.readexactly(int(re.search(r"Content-Length: (\d+)", head)[1]))  # type: ignore[index]
    writer.close()
    written = await lines(path, len(targets))
    assert [(line["request_id"], line["target"]) for line in written] == list(zip(ids, targets, strict=True))
    for line in written:
        for name in ("ms", "time", "request_id"):
            line.pop(name)
    assert [line == written[0] for line in written[:5]] == [True] * 5
    assert [line == written[5] for line in written[5:]] == [True] * 3
    assert {(line["address"], line["user_agent"]) for line in written} == {("198.51.100.9", "a browser")}


async def test_visitor_behind_a_proxy(proxy: RunningProxy, path: Path) -> None:
    """The address is that of the visitor, as far as trusted proxies tell; page and program are written if wanted."""
    headers = [
        ("X-Forwarded-For", "198.51.100.9"),
        ("Referer", "https://example.org/\u202e"),
        ("User-Agent", "a browser"),
    ]
    for _ in range(2):
        await ask(proxy, f"/{P}/abc", headers=headers)
    for line in await lines(path, 2):
        assert (line["address"], line["user_agent"]) == ("198.51.100.9", "a browser")
        assert line["referrer"].startswith("https://example.org/")


async def test_each_handle_of_a_batch_has_a_line(proxy: RunningProxy, path: Path) -> None:
    """So that each counts for its prefix; and the batch has one for itself."""
    body = json.dumps({"handles": [f"{P}/abc", f"hdl:{P}/missing", "20.500.34567/article-7"]})
    await ask(proxy, "/api/handles", "POST", headers=[("Content-Type", "application/json")], body=body)
    *handles, whole = await lines(path, 4)
    assert {(line["handle"], line["code"], line["status"]) for line in handles} == {
        (f"{P}/abc", 1, 200),
        (f"{P}/missing", 100, 404),
        ("20.500.34567/article-7", 1, 200),
    }
    assert {line["endpoint"] for line in [*handles, whole]} == {"batch"}
    assert "handle" not in whole
    report = Report()
    report.read(read_lines(path))
    assert [(prefix.prefix, prefix.total, prefix.outcomes["not_found"]) for prefix in report.prefixes] == [
        (P, 2, 1),
        ("20.500.34567", 1, 0),
    ]


async def test_form_of_handle_net(path: Path) -> None:
    """In the form of Handle.Net's proxy, there are lines about handles only."""
    with run_proxy(shipped_records(), access_log="cnri", access_log_file=path) as proxy:
        await ask(proxy, f"/{P}/abc")
        await ask(proxy, "/")
        await ask(proxy, f"/api/handles/{P}/missing")
        body = json.dumps({"handles": [f"{P}/letter"]})
        await ask(proxy, "/api/handles", "POST", headers=[("Content-Type", "application/json")], body=body)
    found = [line.split(" ") for line in read_lines(path)]
    assert [(line[0], line[1], line[5], line[7]) for line in found] == [
        ("127.0.0.0", "HTTP:HDL", "1", f"{P}/abc"),
        ("127.0.0.0", "HTTP:HDLApi", "100", f"{P}/missing"),
        ("127.0.0.0", "HTTP:HDLApi", "1", f"{P}/letter"),
    ]
