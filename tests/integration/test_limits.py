"""Limits over HTTP: who is refused, what it is told, and that others do not notice."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.config import RateCosts
from resolver.demo.network import shipped_records
from tests.integration.crowds import visit
from tests.integration.processes import fetch, run_network, run_program, sample_of, wait_until
from tests.integration.proxy import RunningProxy, run_proxy
from tests.raw_http import exchange, write_request
from tests.redis_process import RedisProcess

P = "20.500.12345"
WARM = f"/{P}/abc"


def refusals(proxy: RunningProxy, reason: str) -> float:
    """Return how many requests were refused for this reason."""
    text = fetch(f"{proxy.admin_url}/metrics")[2].decode()
    return sample_of(text, "resolver_refused_total", reason=reason)


def hits_until_refused(proxy: RunningProxy, path: str = WARM, most: int = 200) -> int:
    """Ask again and again; return how often that went well."""
    for number in range(most):
        if fetch(proxy.url + path)[0] == 429:
            return number
    return most


@contextlib.contextmanager
def limited(**settings: object) -> Iterator[RunningProxy]:
    """Run a proxy with settings of its own."""
    with run_proxy(shipped_records(), **settings) as proxy:
        yield proxy


def test_nothing_is_limited_by_default(demo_proxy: RunningProxy) -> None:
    """Without settings nobody is counted, and no answer speaks of limits."""
    status, headers, _ = fetch(demo_proxy.url + WARM)
    assert status == 302
    assert not {name for name in headers if name.startswith("RateLimit")}


def test_a_client_that_asks_too_much() -> None:
    """Beyond its allowance a client gets 429, with what it needs to know; pages, JSON and metrics say the same."""
    with limited(rate_limit=0.5, rate_burst=20.0, rate_costs=RateCosts(miss=2, auth=5)) as proxy:
        _, headers, _ = fetch(proxy.url + WARM)
        assert headers["RateLimit-Policy"] == '"default";q=20;w=40'
        assert headers["RateLimit"].startswith('"default";r=17;t=')
        # One came with a lookup; of the rest, some may come back while the test goes on.
        assert 17 <= hits_until_refused(proxy) <= 25
        status, headers, body = fetch(proxy.url + WARM)
        assert status == 429
        assert 1 <= int(headers["Retry-After"]) <= 2
        assert headers["RateLimit"].startswith('"default";r=0;')
        assert headers["Cache-Control"] == "no-store"
        assert b"Too many requests" in body
        status, headers, body = fetch(f"{proxy.url}/api/handles/{P}/abc")
        assert (status, json.loads(body)["responseCode"]) == (429, 3)
        assert refusals(proxy, "rate") >= 3
        text = fetch(f"{proxy.admin_url}/metrics")[2].decode()
        assert sample_of(text, "resolver_requests_total", endpoint="redirect", outcome="busy") >= 2


def test_fast_and_ordinary_way_count_alike() -> None:
    """An answer that is at hand costs as much as one that is made, and says the same of the allowance."""
    with limited(rate_limit=0.001, rate_burst=30.0, rate_costs=RateCosts(miss=0)) as proxy:
        said = []
        for path in (WARM, WARM, WARM, f"{WARM}?locatt=x:y", WARM):
            said.append(fetch(proxy.url + path)[1]["RateLimit"].split(";")[1])
        assert said == ["r=29", "r=28", "r=27", "r=26", "r=25"]
        assert hits_until_refused(proxy) == 25


def test_lookups_and_auth_cost_more() -> None:
    """Asking the primary is paid for each time, so that nobody can go around the cache for long."""
    costs = RateCosts(hit=1, miss=5, auth=20)
    with limited(rate_limit=0.001, rate_burst=100.0, rate_costs=costs) as proxy:
        assert fetch(proxy.url + WARM)[0] == 302
        # 94 are left, and a question to the primary costs 21.
        assert [fetch(f"{proxy.url}{WARM}?auth")[0] for _ in range(6)] == [302] * 4 + [429] * 2
        # What a refused one had paid for the request itself is gone: 94 - 4 * 21 - 2.
        assert hits_until_refused(proxy) == 8


async def test_batch_costs_more() -> None:
    """A request for many handles has a price of its own, and its lookups theirs."""
    with limited(rate_limit=0.001, rate_burst=40.0, rate_costs=RateCosts(miss=3, batch=10)) as proxy:
        request = write_request(
            "POST",
            "/api/handles",
            headers=[("Host", "x"), ("Connection", "close"), ("Content-Type", "application/json")],
            body=json.dumps({"handles": [f"{P}/abc", f"{P}/letter"]}),
        )
        answer = await exchange(proxy.host, proxy.port, request)
        assert answer.status == 200
        assert answer.body.count(b'"responseCode":1,') == 2
        # 40 - 1 - 10 - 2 * 3
        assert await asyncio.to_thread(hits_until_refused, proxy) == 23


async def test_visitors_behind_a_proxy_are_told_apart() -> None:
    """With the front named as trusted, each visitor has an allowance; the front itself has none to lose."""
    front = (ipaddress.ip_network("127.0.0.0/8"),)
    free = RateCosts(miss=0)
    with limited(rate_limit=0.001, rate_burst=5.0, rate_costs=free, trusted_proxies=front) as proxy:
        who = ["2001:db8::1"] * 7 + ["2001:db8::ffff", "2001:db8:0:1::1", "192.0.2.1"]
        answers = [await visit(proxy.url, WARM, **{"X-Forwarded-For": address}) for address in who]
    assert [answer.status for answer in answers] == [302] * 5 + [429] * 3 + [302] * 2


def test_lists_are_read_anew(tmp_path: Path) -> None:
    """Putting a network on the list turns it away within seconds, on every way; taking it off lets it in again."""
    deny, allow = tmp_path / "deny.txt", tmp_path / "allow.txt"
    deny.write_text("192.0.2.0/24 # nobody here\n")
    allow.write_text("")
    with limited(deny_list=deny, allow_list=allow, contact="ops@example.org") as proxy:
        for _ in range(3):
            assert fetch(proxy.url + WARM)[0] == 302
        deny.write_text("127.0.0.0/8\n::1\n")
        wait_until(lambda: fetch(proxy.url + WARM)[0] == 403, "the list is read anew")
        status, _, body = fetch(proxy.url + "/")
        assert status == 403
        assert b"ops@example.org" in body
        assert refusals(proxy, "denied") >= 2
        allow.write_text("127.0.0.1\n")
        wait_until(lambda: fetch(proxy.url + WARM)[0] == 302, "the other list is read anew")


def test_dry_run() -> None:
    """In a dry run everybody is served, and the metrics tell who would not have been."""
    with limited(rate_limit=0.001, rate_burst=5.0, limits_dry_run=True) as proxy:
        assert hits_until_refused(proxy, most=30) == 30
        assert refusals(proxy, "dry_run") >= 20
        assert refusals(proxy, "rate") == 0


def test_no_address_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is refused, neither logs nor metrics say who it was."""
    with limited(rate_limit=0.001, rate_burst=2.0) as proxy:
        hits_until_refused(proxy)
        assert "127.0.0.1" not in fetch(f"{proxy.admin_url}/metrics")[2].decode()
    assert "127.0.0.1" not in caplog.text


# --- several processes -----------------------------------------------------------------------------------


def test_processes_add_up_what_they_see(redis_server: RedisProcess, tmp_path: Path) -> None:
    """Two processes that share a Redis together give a client little more than one would; Redis holds no address."""
    with contextlib.ExitStack() as stack:
        _, bootstrap = stack.enter_context(run_network(tmp_path))
        options = (
            *("--bootstrap", str(bootstrap), "--allow-private-addresses", "--redis", redis_server.url),
            *("--rate-limit", "0.01", "--rate-burst", "60", "--rate-costs", "miss=0"),
        )
        one, two = (stack.enter_context(run_program("serve", *options)) for _ in range(2))
        for program in (one, two):
            wait_until(lambda program=program: program.sample("resolver_redis_up") == 1, "redis connected")
        assert [one.fetch(WARM)[0] for _ in range(50)] == [302] * 50
        time.sleep(0.5)
        assert two.fetch(WARM)[0] == 302
        time.sleep(0.5)
        # Of sixty there are nine left; without the other process it would have been another fifty-nine.
        assert [two.fetch(WARM)[0] for _ in range(30)].count(302) < 20
        keys = redis_server.command("KEYS", "*")
        assert b"{rate}:" in keys
        assert b"127.0.0.1" not in keys
        redis_server.kill()
        assert one.fetch(WARM)[0] in {302, 429}
        redis_server.start()
