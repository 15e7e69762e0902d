"""Many handles in one request: one line for each, as each arrives, and nothing that piles up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from resolver.demo.network import shipped_records
from resolver.web.batch import LOOKUPS_AT_ONCE, MAX_HANDLES
from tests.integration.processes import fetch, sample_of, wait_until
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, media_type_of, put_record
from tests.raw_http import RawResponse, write_request

P = "20.500.12345"
ARCHIVE = "20.500.23456"
JSON = [("Content-Type", "application/json")]


async def batch(proxy: RunningProxy, *handles: Any, query: str = "", **parameters: Any) -> RawResponse:
    """Send a batch."""
    body = json.dumps({"handles": handles, **parameters})
    return await ask(proxy, f"/api/handles{query}", "POST", headers=JSON, body=body)


def lines_of(response: RawResponse) -> list[dict[str, Any]]:
    """Return the lines of an answer in chunks."""
    octets, rest = b"", response.body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        octets += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    assert octets.endswith(b"\n")
    return [json.loads(line) for line in octets.splitlines()]


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy of these tests alone: they count."""
    with run_proxy(shipped_records(), failure_ttl=0.0, not_found_ttl=0.0) as running:
        yield running


def sample(proxy: RunningProxy, name: str, **labels: str) -> float:
    """Return one number from the metrics."""
    return sample_of(fetch(f"{proxy.admin_url}/metrics")[2].decode(), name, **labels)


async def test_each_handle_has_a_line(proxy: RunningProxy) -> None:
    """What was found, what does not exist, what failed and what is no handle: a line each, with its code."""
    response = await batch(proxy, f"{P}/abc", f"{P}/missing", "20.500.56789/x", "", "20.500.34567/article-7")
    assert response.status == 200
    assert media_type_of(response) == "application/x-ndjson"
    assert response.header("Cache-Control") == "no-store"
    assert response.header("Access-Control-Allow-Origin") == "*"
    assert response.header("X-Request-ID")
    codes = {line["handle"]: line["responseCode"] for line in lines_of(response)}
    assert codes == {
        f"{P}/abc": 1,
        f"{P}/missing": 100,
        "20.500.56789/x": 2,
        "": 102,
        "20.500.34567/article-7": 1,
    }


async def test_a_line_is_what_one_handle_gets(proxy: RunningProxy) -> None:
    """A line has the members that the answer for that handle alone would have."""
    alone = json.loads((await ask(proxy, f"/api/handles/{P}/map-1482")).body)
    (line,) = lines_of(await batch(proxy, f"{P}/map-1482"))
    assert line == alone


async def test_handles_are_found_again(proxy: RunningProxy) -> None:
    """A handle that was written with a label comes back without it, and as it was written beside that."""
    lines = lines_of(await batch(proxy, f"hdl:{P}/abc", f"https://hdl.handle.net/{P}/abc", f"{P}/abc"))
    assert {line.get("asked") for line in lines} == {f"hdl:{P}/abc", f"https://hdl.handle.net/{P}/abc", None}
    assert {line["handle"] for line in lines} == {f"{P}/abc"}


@pytest.mark.parametrize(
    ("query", "parameters"), [("?type=URL", {}), ("", {"type": "URL"}), ("", {"index": [1]})]
)
async def test_parameters_count_for_all(proxy: RunningProxy, query: str, parameters: dict[str, Any]) -> None:
    """Types, indexes and their like stand in the query or in the body, once for all handles."""
    lines = lines_of(await batch(proxy, f"{P}/abc", "20.500.34567/article-7", query=query, **parameters))
    assert [[value["type"] for value in line["values"]] for line in lines] == [["URL"], ["URL"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, 4),
        ("{", 400, 4),
        ("[]", 400, 102),
        ("{}", 400, 102),
        ('{"handles": []}', 400, 102),
        ('{"handles": "a/b"}', 400, 102),
        ('{"handles": [1]}', 400, 102),
        ('{"handles": ["a/b"], "index": "x"}', 400, 4),
        ('{"handles": ["a/b"], "callback": "a b"}', 400, 4),
        ('{"handles": ["a/b"], "type": {}}', 400, 4),
        (json.dumps({"handles": ["a/b"] * (MAX_HANDLES + 1)}), 400, 4),
        (json.dumps({"handles": ["x" * 5_000_000]}), 413, 4),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_no_batch(proxy: RunningProxy, body: str, status: int, code: int) -> None:
    """A body that is none is refused as a whole, before anybody is asked."""
    response = await ask(proxy, "/api/handles", "POST", headers=JSON, body=body)
    assert response.status == status
    assert json.loads(response.body)["responseCode"] == code


async def test_thousand_long_handles_are_taken(proxy: RunningProxy) -> None:
    """The body may hold as many handles as are allowed, however long."""
    handles = [f"{P}/{number}-{'x' * 1900}" for number in range(MAX_HANDLES)]
    lines = lines_of(await batch(proxy, *handles))
    assert sorted(line["handle"] for line in lines) == sorted(handles)
    assert {line["responseCode"] for line in lines} == {100}


async def test_batches_are_counted(proxy: RunningProxy) -> None:
    """A batch is one request, under a name of its own."""
    before = sample(proxy, "resolver_requests_total", endpoint="batch", outcome="ok")
    await batch(proxy, f"{P}/abc", f"{P}/map-1482")
    await ask(proxy, "/api/handles", "POST", headers=JSON, body="{}")
    assert sample(proxy, "resolver_requests_total", endpoint="batch", outcome="ok") == before + 1
    assert sample(proxy, "resolver_requests_total", endpoint="batch", outcome="client_error") >= 1


# --- as each arrives -------------------------------------------------------------------------------------


class OpenBatch:
    """A batch whose answer is read bit by bit."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def line(self) -> dict[str, Any]:
        """Return the next line."""
        async with asyncio.timeout(10):
            while not (text := await self._reader.readline()).startswith(b"{"):
                assert text, "the answer has ended"
        line: dict[str, Any] = json.loads(text)
        return line


@pytest.fixture
async def open_batch(proxy: RunningProxy) -> AsyncIterator[Any]:
    """Return what begins a batch and leaves the answer to be read."""
    writers = []

    async def begin(*handles: str) -> OpenBatch:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writers.append(writer)
        body = json.dumps({"handles": handles})
        writer.write(write_request("POST", "/api/handles", headers=[("Host", "a"), *JSON], body=body))
        return OpenBatch(reader, writer)

    yield begin
    for writer in writers:
        writer.close()


@pytest.fixture
def slow_archive(proxy: RunningProxy) -> Iterator[None]:
    """Let the servers of one prefix take their time."""
    services = [proxy.network.services[name] for name in ("ARCHIVE", "ARCHIVE-MIRROR")]
    for service in services:
        service.behaviour.delay_s = 0.7
    yield
    for service in services:
        service.behaviour.delay_s = 0.0


@pytest.mark.usefixtures("slow_archive")
async def test_nobody_waits_for_the_slowest(open_batch: Any) -> None:
    """A line comes as soon as its answer is there, in front of those that were asked for before it."""
    stream = await open_batch(f"{ARCHIVE}/slow-{time.time()}", f"{P}/abc", f"{P}/map-1482")
    began = time.monotonic()
    first, second = await stream.line(), await stream.line()
    assert {first["handle"], second["handle"]} == {f"{P}/abc", f"{P}/map-1482"}
    assert time.monotonic() - began < 0.65
    last = await stream.line()
    assert last["handle"].startswith(ARCHIVE)


@pytest.mark.usefixtures("slow_archive")
async def test_so_many_lookups_run_side_by_side(proxy: RunningProxy, open_batch: Any) -> None:
    """A batch keeps a bounded number of lookups going, and not one of them after the visitor has left."""
    asked: list[str] = []
    archive = proxy.network.services["ARCHIVE"]
    plain = archive.answer

    def answer(octets: bytes) -> bytes:
        asked.append(octets.hex())
        return plain(octets)

    archive.answer = answer  # type: ignore[method-assign]
    try:
        names = [f"{ARCHIVE}/gone-{time.time()}-{number}" for number in range(200)]
        stream = await open_batch(*names)
        await stream.line()
        assert len(set(asked)) <= 4 * LOOKUPS_AT_ONCE
        stream.writer.transport.abort()
        await asyncio.sleep(1.0)
        settled = len(asked)
        await asyncio.sleep(0.8)
        assert len(asked) == settled < 200
    finally:
        archive.answer = plain  # type: ignore[method-assign]
    await asyncio.to_thread(
        wait_until, lambda: sample(proxy, "resolver_in_flight") == 0, "the batch has ended"
    )


@pytest.mark.usefixtures("slow_archive")
async def test_who_leaves_does_not_cancel_for_others(proxy: RunningProxy, open_batch: Any) -> None:
    """A lookup that somebody else waits for as well goes on when the visitor of the batch leaves."""
    handle = f"{ARCHIVE}/shared"
    put_record(proxy, handle, ("URL", "https://example.org/shared"), store="archive")
    stream = await open_batch(handle)
    await asyncio.sleep(0.2)
    other = asyncio.create_task(ask(proxy, f"/api/handles/{handle}"))  # noqa: TID251 - a visitor of its own
    await asyncio.sleep(0.1)
    stream.writer.transport.abort()
    assert json.loads((await other).body)["responseCode"] == 1


def exchanges(proxy: RunningProxy) -> float:
    """Return how many questions were sent to handle servers."""
    text = fetch(f"{proxy.admin_url}/metrics")[2].decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("resolver_upstream_exchanges_total")
    )


async def test_nothing_piles_up_for_who_does_not_read(proxy: RunningProxy, open_batch: Any) -> None:
    """While the visitor does not read, no further lookup begins; when it goes on reading, nothing is missing."""
    big = "x" * 20_000
    names = [f"{P}/big-{number}" for number in range(600)]
    for name in names:
        put_record(proxy, name, ("DESC", big))
    before = await asyncio.to_thread(exchanges, proxy)
    stream = await open_batch(*names)
    stream.writer.transport.pause_reading()
    asked = -1.0
    async with asyncio.timeout(20):
        # Until all the room on the way is filled, and nothing happens any more.
        while asked != (asked := await asyncio.to_thread(exchanges, proxy)):  # noqa: ASYNC110 - in another thread
            await asyncio.sleep(0.4)
    assert asked - before < len(names)
    stream.writer.transport.resume_reading()
    found = {(await stream.line())["handle"] for _ in names}
    assert found == set(names)
