"""The cache in the operator's hands: over the admin listener, and by ``handle-resolver cache``."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from resolver.demo.network import HandleNetwork, shipped_records
from resolver.model.record import HandleRecord, HandleValue
from tests.integration.processes import Program, run_network, run_program, wait_until
from tests.integration.proxy import RunningProxy, run_proxy
from tests.redis_process import RedisProcess

P = "20.500.12345"


def send(
    url: str, method: str, path: str, body: bytes | None = None, media_type: str = "application/json"
) -> tuple[int, bytes]:
    """Send a request, and return the status and the body of the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=15)
    try:
        connection.request(method, path, body, {} if body is None else {"Content-Type": media_type})
        with connection.getresponse() as answer:
            return answer.status, answer.read()
    finally:
        connection.close()


def admin(url: str, method: str, path: str, *body: Any) -> Any:
    """Send a request to the admin listener; return the status and the JSON, or the lines of it."""
    status, octets = send(url, method, path, *body)
    lines = [json.loads(line) for line in octets.splitlines()]
    return status, lines if "warm" in path and status == 200 else lines[0]


def get(url: str) -> tuple[int, Any]:
    """Get JSON from the public listener."""
    status, octets = send(url, "GET", urlsplit(url).path)
    return status, json.loads(octets)


def put_url(network: HandleNetwork, handle: str, uri: str) -> None:
    """Register a handle, or let it lead elsewhere."""
    record = HandleRecord(handle, (HandleValue(1, "URL", uri.encode(), ttl=3600, timestamp=1_767_225_600),))
    network.stores["library"].put(record)


def leads_to(url: str, handle: str) -> str:
    """Return the URL in the record of a handle, as the proxy has it."""
    _, shown = get(f"{url}/api/handles/{handle}")
    uri: str = shown["values"][0]["data"]["value"]
    return uri


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy with one worker."""
    with run_proxy(shipped_records()) as running:
        yield running


# --- one worker ------------------------------------------------------------------------------------------


def test_what_is_remembered_of_a_handle(proxy: RunningProxy) -> None:
    """The record, when it was fetched, until when it counts and who gave it; nobody is asked for it."""
    path = f"/cache/handles/{P}/map-1482"
    assert admin(proxy.admin_url, "GET", path)[0] == 404
    get(f"{proxy.url}/api/handles/{P}/map-1482")
    status, shown = admin(proxy.admin_url, "GET", path)
    assert status == 200
    (worker,) = shown["workers"]
    plain = worker["plain"]
    assert (plain["is"], plain["freshness"]) == ("record", "fresh")
    assert 0 < plain["secondsLeft"] <= 3600
    assert plain["answeredBy"].startswith("udp://127.0.0.1:")
    assert plain["values"][0]["type"] == "URL"
    assert "signed" not in worker


def test_that_a_handle_is_missing_is_remembered_too(proxy: RunningProxy) -> None:
    """An absence is shown as one, with its prefix where that is what is missing."""
    get(f"{proxy.url}/api/handles/{P}/missing")
    get(f"{proxy.url}/api/handles/20.500.99/x")
    _, shown = admin(proxy.admin_url, "GET", f"/cache/handles/{P}/missing")
    assert shown["workers"][0]["plain"]["is"] == "absence"
    _, shown = admin(proxy.admin_url, "GET", "/cache/handles/20.500.99/x")
    assert shown["workers"][0]["plain"]["missingPrefix"] == "20.500.99"


@pytest.mark.parametrize("how", ["one", "prefix", "all"])
def test_flushed_is_asked_for_again(proxy: RunningProxy, how: str) -> None:
    """After a flush, the next visitor gets what the servers say now, by every way of answering."""
    handle = f"{P}/moves-{how}"
    put_url(proxy.network, handle, "https://old.example/")
    assert leads_to(proxy.url, handle) == "https://old.example/"
    put_url(proxy.network, handle, "https://new.example/")
    assert leads_to(proxy.url, handle) == "https://old.example/"
    path = {"one": f"/cache/handles/{handle}", "prefix": f"/cache?prefix={P}", "all": "/cache?all"}[how]
    status, shown = admin(proxy.admin_url, "DELETE", path)
    assert status == 200
    if how != "one":
        assert shown["workers"][0]["entries"] >= 1
    assert leads_to(proxy.url, handle) == "https://new.example/"


def test_flush_forgets_failures() -> None:
    """A handle whose service failed a moment ago is tried again at once after a flush."""
    handle = "20.500.23456/survey-2024"
    with run_proxy(shipped_records(), failure_ttl=300.0, deadline=0.5) as other:
        archive = [other.network.services[name].behaviour for name in ("ARCHIVE", "ARCHIVE-MIRROR")]
        for behaviour in archive:
            behaviour.silent = frozenset({"udp", "tcp", "http"})
        assert get(f"{other.url}/api/handles/{handle}")[0] == 504
        for behaviour in archive:
            behaviour.silent = frozenset()
        assert get(f"{other.url}/api/handles/{handle}")[0] == 504
        admin(other.admin_url, "DELETE", f"/cache/handles/{handle}")
        assert get(f"{other.url}/api/handles/{handle}")[0] == 200


def test_handles_that_no_path_can_hold(proxy: RunningProxy) -> None:
    """Slashes, dots, question marks and signs of any kind in a handle mean what they say."""
    for suffix in ("a//b/../c", "a?b&c", "a%2Fb", "ä b", "+"):
        handle = f"{P}/{suffix}"
        put_url(proxy.network, handle, "https://example.org/")
        status, (line,) = admin(
            proxy.admin_url, "POST", "/cache/warm", json.dumps({"handles": [handle]}).encode()
        )
        assert (status, line["outcome"]) == (200, "found")
        quoted = quote(handle, safe="")
        assert admin(proxy.admin_url, "GET", f"/cache/handles/{quoted}")[0] == 200
        assert admin(proxy.admin_url, "DELETE", f"/cache/handles/{quoted}")[0] == 200
        assert admin(proxy.admin_url, "GET", f"/cache/handles/{quoted}")[0] == 404


def test_warmed_handles_are_remembered(proxy: RunningProxy) -> None:
    """Each handle has a line that says how it went, and is then answered from memory."""
    handles = [f"{P}/letter", f"{P}/nothing-here", "20.500.56789/x", f"hdl:{P}/everything", "x" * 3000]
    status, lines = admin(proxy.admin_url, "POST", "/cache/warm", json.dumps({"handles": handles}).encode())
    assert status == 200
    assert {line["handle"]: line["outcome"] for line in lines} == {
        f"{P}/letter": "found",
        f"{P}/nothing-here": "not_found",
        "20.500.56789/x": "failed",
        f"hdl:{P}/everything": "found",
        "x" * 3000: "failed",
    }
    assert admin(proxy.admin_url, "GET", f"/cache/handles/{P}/everything")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "media_type", "status"),
    [
        ("DELETE", "/cache", None, "", 400),
        ("DELETE", "/cache?prefix=", None, "", 400),
        ("POST", "/cache/warm", b'{"handles": ["a/b"]}', "text/plain", 415),
        ("POST", "/cache/warm", b'{"handles": []}', "application/json", 400),
        ("POST", "/cache/warm", b'{"handles": "a/b"}', "application/json", 400),
        ("POST", "/cache/warm", b"{", "application/json", 400),
        ("GET", "/cache/handles/" + "x" * 3000, None, "", 400),
    ],
)
def test_what_cannot_be_done(
    proxy: RunningProxy, method: str, path: str, body: bytes | None, media_type: str, status: int
) -> None:
    """A wish that is not clear is refused; and none that a page of another origin could send unasked."""
    assert (
        admin(proxy.admin_url, method, path.replace("/cache/warm", "/cache/warm?x"), body, media_type)[0]
        == status
    )


def test_cache_is_no_business_of_visitors(proxy: RunningProxy) -> None:
    """On the public listener, these paths are handles like any others."""
    get(f"{proxy.url}/api/handles/{P}/abc")
    assert send(proxy.url, "DELETE", "/cache?all")[0] == 405
    assert admin(proxy.admin_url, "GET", f"/cache/handles/{P}/abc")[0] == 200


# --- several workers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, HandleNetwork]]:
    """A program with two workers, each with a memory of its own."""
    with run_network(tmp_path_factory.mktemp("network")) as (network, bootstrap):
        # Without what workers fetch for themselves, some time after they have begun.
        options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--workers", "2")
        with run_program("serve", "--no-refresh-registry", *options) as program:
            yield program, network


def command(program: Program, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``handle-resolver cache``."""
    port = program.admin_url.rpartition(":")[2]
    return subprocess.run(
        [sys.executable, "-m", "resolver", "cache", *words, "--admin-port", port],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_every_worker_is_warmed_and_flushed(workers: tuple[Program, HandleNetwork]) -> None:
    """Whatever worker a visitor gets to: what was warmed is there, and what was flushed is not."""
    program, network = workers
    names = [f"{P}/w-{number}" for number in range(20)]
    for name in names:
        put_url(network, name, "https://old.example/")
    done = command(program, "warm", text="# a list\n\n" + "\n".join(names) + f"\n{P}/none-such\n")
    assert (done.returncode, done.stdout) == (1, "20 found, 1 do not exist, 0 failed\n")
    assert done.stderr.splitlines() == [f"{P}/none-such: handle not found: '{P}/none-such'"]
    shown = json.loads(command(program, "show").stdout)
    assert len({worker["process"] for worker in shown["workers"]}) == 2
    assert all(worker["records"] >= 21 for worker in shown["workers"])
    for name in names:
        put_url(network, name, "https://new.example/")
    assert {leads_to(program.url, names[0]) for _ in range(8)} == {"https://old.example/"}
    done = command(program, "flush", names[0], names[1])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {leads_to(program.url, names[1]) for _ in range(8)} == {"https://new.example/"}
    assert command(program, "show", names[2]).returncode == 0
    done = command(program, "flush", "--prefix", P)
    assert done.returncode == 0
    assert done.stdout.endswith(" entries forgotten\n")
    assert command(program, "show", names[2]).returncode == 1
    assert {leads_to(program.url, names[2]) for _ in range(8)} == {"https://new.example/"}
    assert command(program, "flush", "--all").returncode == 0
    shown = json.loads(command(program, "show").stdout)
    assert [worker["records"] for worker in shown["workers"]] == [0, 0]


def test_worker_that_was_killed(workers: tuple[Program, HandleNetwork]) -> None:
    """Its successor is told in its place, and nobody waits for the one that is gone."""
    program, _ = workers

    def processes() -> set[int]:
        _, shown = admin(program.admin_url, "GET", "/cache")
        return {worker["process"] for worker in shown["workers"]}

    before = processes()
    killed = max(before)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(processes() - {killed}) == 2, "a successor answers")
    assert before - {killed} < processes()
    assert command(program, "flush", "--all").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("flush",), "say what to forget"),
        (("flush", "a/b", "--all"), "say what to forget"),
        (("flush", "--prefix", "10", "--all"), "say what to forget"),
        (("show", "x" * 3000), "at most 2048"),
    ],
)
def test_wishes_that_are_not_clear(
    workers: tuple[Program, HandleNetwork], words: tuple[str, ...], said: str
) -> None:
    """Nothing is done, and the exit status says so."""
    done = command(workers[0], *words)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_there() -> None:
    """Without a proxy that runs, the command says where it looked."""
    for words in (("show",), ("flush", "--all"), ("warm", "-")):
        done = subprocess.run(
            [sys.executable, "-m", "resolver", "cache", *words, "--admin-port", "9"],
            input="a/b\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2
        assert "no answer from 127.0.0.1:9" in done.stderr


def test_replicas_that_share_a_redis(redis_server: RedisProcess) -> None:
    """A flush at one replica empties Redis, and the memory of the others."""
    shared = {"redis": redis_server.url}
    with run_proxy(shipped_records(), **shared) as one, run_proxy(shipped_records(), **shared) as two:

        def lead_to(handle: str, uri: str) -> None:
            for replica in (one, two):
                put_url(replica.network, handle, uri)

        for number, path in enumerate((f"/cache?prefix={P}", "/cache?all")):
            handle = f"{P}/replicated-{number}"
            lead_to(handle, "https://old.example/")
            for replica in (one, two):
                assert leads_to(replica.url, handle) == "https://old.example/"
            lead_to(handle, "https://new.example/")
            status, shown = admin(one.admin_url, "DELETE", path)
            assert (status, shown["workers"][0].get("trouble")) == (200, None)
            assert shown["workers"][0]["entries"] >= 1
            wait_until(
                lambda handle=handle: leads_to(two.url, handle) == "https://new.example/",
                "the other replica has forgotten",
            )
            assert leads_to(one.url, handle) == "https://new.example/"
