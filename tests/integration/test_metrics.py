"""Every metric that dashboards rely on exists, and says what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from resolver.demo.network import shipped_records
from resolver.protocol.codes import ResponseCode
from tests.integration.processes import fetch, sample_of, wait_until
from tests.integration.proxy import RunningProxy, run_proxy

P = "20.500.12345"


@pytest.fixture
def proxy() -> Iterator[RunningProxy]:
    """A proxy of this test alone: its counters begin at zero."""
    with run_proxy(shipped_records(), cache_max_ttl=30.0, failure_ttl=0.0) as running:
        yield running


def sample(proxy: RunningProxy, name: str, **labels: str) -> float:
    """Return one number."""
    return sample_of(fetch(f"{proxy.admin_url}/metrics")[2].decode(), name, **labels)


def test_requests_are_counted_by_endpoint_and_outcome(proxy: RunningProxy) -> None:
    """Each request counts once, under what it was and how it ended, and its time is observed."""
    visits = [
        (f"/{P}/abc", "redirect", "ok", 3),
        (f"/{P}/missing", "redirect", "not_found", 2),
        ("/20.500.56789/x", "redirect", "upstream_error", 1),
        (f"/{P}/letter", "values", "ok", 2),
        (f"/{P}/abc?noredirect", "values", "ok", 0),
        (f"/api/handles/{P}/abc", "api", "ok", 2),
        (f"/api/handles/{P}/abc?index=x", "api", "client_error", 1),
        ("/", "form", "ok", 1),
        ("/static/style.css", "static", "ok", 1),
    ]
    for path, _, _, times in visits:
        for _ in range(times):
            fetch(proxy.url + path)
    for _, endpoint, outcome, times in visits:
        if times:
            assert sample(proxy, "resolver_requests_total", endpoint=endpoint, outcome=outcome) == times
    assert sample(proxy, "resolver_request_seconds_count", endpoint="redirect") == 6
    assert sample(proxy, "resolver_in_flight") == 0
    assert sample(proxy, "resolver_build_info") == 1


def test_cache_and_upstream_are_counted(proxy: RunningProxy) -> None:
    """Looks into memory, questions to servers and lookups at the registry add up."""
    fetch(f"{proxy.url}/{P}/abc")
    assert sample(proxy, "resolver_cache_lookups_total", layer="memory", result="miss") == 2
    assert sample(proxy, "resolver_upstream_exchanges_total", transport="udp", outcome="answer") == 2
    assert sample(proxy, "resolver_upstream_exchange_seconds_count", transport="udp") == 2
    assert sample(proxy, "resolver_ghr_lookups_total", result="found") == 1
    assert sample(proxy, "resolver_cache_records", layer="memory") == 2
    fetch(f"{proxy.url}/{P}/abc")
    assert sample(proxy, "resolver_cache_lookups_total", layer="memory", result="hit") == 1
    fetch(f"{proxy.url}/20.500.99/x")
    assert sample(proxy, "resolver_ghr_lookups_total", result="not_found") == 1
    fetch(f"{proxy.url}/20.500.56789/x")
    assert sample(proxy, "resolver_upstream_exchanges_total", transport="tcp", outcome="error") == 1
    assert sample(proxy, "resolver_upstream_exchanges_total", transport="udp", outcome="error") == 1


def test_transports_that_time_out_are_counted(proxy: RunningProxy) -> None:
    """Silence counts as a time-out, and a server overtaken by another as that."""
    proxy.network.services["LIBRARY"].behaviour.silent = frozenset({"udp"})
    assert fetch(f"{proxy.url}/{P}/abc")[0] == 302
    time.sleep(0.05)
    assert sample(proxy, "resolver_upstream_exchanges_total", transport="udp", outcome="overtaken") == 1
    assert sample(proxy, "resolver_upstream_exchanges_total", transport="tcp", outcome="answer") == 1


def test_who_waits_for_whom_is_counted(proxy: RunningProxy) -> None:
    """Of several visitors who want the same at the same time, all but the first are coalesced."""
    proxy.network.services["LIBRARY"].behaviour.delay_s = 0.2

    async def visit() -> list[int]:
        visits = [asyncio.to_thread(fetch, f"{proxy.url}/{P}/map-1482") for _ in range(6)]
        return [status for status, _, _ in await asyncio.gather(*visits)]

    assert asyncio.run(visit()) == [302] * 6
    assert sample(proxy, "resolver_coalesced_total") == 5


def test_prefetches_are_counted(proxy: RunningProxy) -> None:
    """A record that is wanted is fetched in the last tenth of its time, and that is counted."""
    for _ in range(4):
        fetch(f"{proxy.url}/{P}/abc")
    proxy.clock.offset_s += 28
    assert fetch(f"{proxy.url}/{P}/abc")[0] == 302
    wait_until(lambda: sample(proxy, "resolver_prefetches_total", outcome="ok") == 1, "the record is fetched")


def test_stale_answers_are_counted(proxy: RunningProxy) -> None:
    """Old records that stand in are counted by the reason."""
    assert fetch(f"{proxy.url}/{P}/abc")[0] == 302
    proxy.clock.offset_s += 60
    proxy.network.services["LIBRARY"].behaviour.code = ResponseCode.SERVER_BUSY
    assert fetch(f"{proxy.url}/{P}/abc")[0] == 302
    assert sample(proxy, "resolver_stale_answers_total", reason="error") == 1


def test_redis_gauge_is_zero_without_redis(proxy: RunningProxy) -> None:
    """Without a Redis the gauge is there and says 0."""
    assert "resolver_redis_up 0.0" in fetch(f"{proxy.admin_url}/metrics")[2].decode()


def test_no_label_tells_who_read_what(proxy: RunningProxy) -> None:
    """No handle, prefix, URL or address shows up in the metrics."""
    for path in (f"/{P}/abc", f"/api/handles/{P}/letter", "/20.500.56789/x", "/20.500.99/x"):
        fetch(proxy.url + path)
    text = fetch(f"{proxy.admin_url}/metrics")[2].decode()
    for secret in (P, "56789", "127.0.0.1", "example.org", "letter"):
        assert secret not in text


def test_health(proxy: RunningProxy) -> None:
    """The admin listener says that the process lives and is ready; the public one has no such paths."""
    assert fetch(f"{proxy.admin_url}/healthz")[0] == 200
    assert fetch(f"{proxy.admin_url}/readyz")[0] == 200
    for path in ("/metrics", "/healthz", "/readyz"):
        assert fetch(proxy.url + path)[0] == 404
