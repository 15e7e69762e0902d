"""Too many visitors who want what nobody knows: they are told so at once, and all others are served as ever."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from resolver.demo.network import shipped_records
from tests.fakes import record_of, url_value
from tests.integration.crowds import visit
from tests.integration.processes import fetch, sample_of
from tests.integration.proxy import RunningProxy, run_proxy
from tests.raw_http import write_request

pytestmark = pytest.mark.xdist_group("overload")

P = "20.500.12345"
WARM = f"/{P}/abc"
ROOM = 3


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy with room for few lookups, which knows one handle."""
    with run_proxy(shipped_records(), max_lookups=ROOM) as running:
        yield running


@pytest.fixture
async def full(proxy: RunningProxy) -> AsyncIterator[RunningProxy]:
    """The same with no room left, for a second or two."""
    behaviour = proxy.network.services["LIBRARY"].behaviour
    store = proxy.network.services["LIBRARY"].store
    assert (await visit(proxy.url, WARM)).status == 302
    behaviour.delay_s = 2.0
    began = f"{time.monotonic()}"
    for number in range(ROOM):
        store.put(record_of(f"{P}/slow-{began}-{number}", url_value()))
    slow = [
        asyncio.get_running_loop().create_task(visit(proxy.url, f"/{P}/slow-{began}-{number}"))
        for number in range(ROOM)
    ]
    await asyncio.sleep(0.3)
    yield proxy
    behaviour.delay_s = 0.0
    with contextlib.suppress(TimeoutError):
        answers = await asyncio.wait_for(asyncio.gather(*slow), 10)
        assert [answer.status for answer in answers] == [302] * ROOM


async def test_busy_is_said_at_once(full: RunningProxy) -> None:
    """Who wants an unknown handle gets 503 with Retry-After in no time, on the fast way and on the ordinary one."""
    began = time.monotonic()
    for path in (f"/{P}/new", f"/{P}/new?locatt=a:b", f"/api/handles/{P}/new"):
        answer = await visit(full.url, path)
        assert answer.status == 503, path
        assert answer.header("Retry-After") == "2"
        assert answer.header("Cache-Control") == "no-store"
        assert len(answer.header("X-Request-ID") or "") == 16
    assert time.monotonic() - began < 1.5


async def test_what_is_known_is_answered(full: RunningProxy) -> None:
    """What is remembered, and what needs no lookup, is served while others are refused."""
    for path, status in ((WARM, 302), (f"{WARM}?noredirect", 200), ("/", 200), ("/static/style.css", 200)):
        assert (await visit(full.url, path)).status == status, path


async def test_refused_on_a_connection_that_stays(full: RunningProxy) -> None:
    """A visitor who was refused may go on asking on the same connection, and is answered in order."""
    reader, writer = await asyncio.open_connection(full.host, full.port)
    try:
        for target, expected in ((f"/{P}/new", 503), (WARM, 302), (f"/{P}/other", 503), (WARM, 302)):
            writer.write(write_request("GET", target, headers=[("Host", "x")]))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert int(head[9:12]) == expected
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.write(write_request("HEAD", f"/{P}/new", headers=[("Host", "x"), ("Connection", "close")]))
        rest = await asyncio.wait_for(reader.read(), 10)
        assert rest.startswith(b"HTTP/1.1 503 ")
        assert rest.endswith(b"\r\n\r\n")
    finally:
        writer.close()


async def test_refusals_are_counted(full: RunningProxy) -> None:
    """Each refusal counts as a request that was answered, and once as a refusal."""

    def counted() -> tuple[float, float]:
        text = fetch(f"{full.admin_url}/metrics")[2].decode()
        return (
            sample_of(text, "resolver_refused_total", reason="busy"),
            sample_of(text, "resolver_requests_total", endpoint="redirect", outcome="busy"),
        )

    before = await asyncio.to_thread(counted)
    for number in range(5):
        assert (await visit(full.url, f"/{P}/unknown-{number}")).status == 503
    reader, writer = await asyncio.open_connection(full.host, full.port)
    for number in range(3):
        writer.write(write_request("GET", f"/{P}/more-{number}", headers=[("Host", "x")]))
        assert b"text/plain" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        await asyncio.wait_for(reader.readuntil(b"\n"), 10)
    writer.close()
    after = await asyncio.to_thread(counted)
    assert (after[0] - before[0], after[1] - before[1]) == (8, 8)


async def test_room_again(proxy: RunningProxy) -> None:
    """When there is room again, the same handles are looked up."""
    assert (await visit(proxy.url, f"/{P}/new")).status == 404
