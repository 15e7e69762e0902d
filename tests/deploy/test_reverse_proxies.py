"""nginx and Varnish as shipped, in front of a real proxy: handles arrive as they were sent, and answers are kept."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from resolver.demo.network import shipped_records
from tests.deploy.fronts import Front, nginx_accepts, run_nginx, run_varnish
from tests.deploy.tools import DEPLOY, succeeds, tool
from tests.integration.proxy import RunningProxy, run_proxy
from tests.raw_http import RawResponse, exchange

P = "20.500.12345"
RUNNERS: dict[str, Callable[[Path, int], AbstractContextManager[Front]]] = {
    "nginx": run_nginx,
    "varnish": run_varnish,
}

# What is sent, as it stands in the request line, and the handle that is meant.
ODD_TARGETS = {
    f"/{P}/a%2Fb": f"{P}/a/b",
    f"/{P}%2Fa%2Fb": f"{P}/a/b",
    f"/{P}/a//b": f"{P}/a//b",
    f"/{P}/a%2F%2Fb": f"{P}/a//b",
    f"/{P}/http://x.example/y": f"{P}/http://x.example/y",
    f"/{P}/up/../down": f"{P}/up/../down",
    f"/{P}/up/%2E%2E/down": f"{P}/up/../down",
    f"/{P}/./dot": f"{P}/./dot",
    f"/{P}/tail/": f"{P}/tail/",
    f"/{P}/100%25": f"{P}/100%",
    f"/{P}/%252F": f"{P}/%2F",
    f"/{P}/%25zz": f"{P}/%zz",
    f"/{P}/b%C3%BCcher": f"{P}/b\u00fccher",
    f"/{P}/b%c3%bccher": f"{P}/b\u00fccher",
    f"/{P}/%E6%BC%A2%E5%AD%97": f"{P}/\u6f22\u5b57",
    f"/{P}/a+b": f"{P}/a+b",
    f"/{P}/a;b=c,d:e@f": f"{P}/a;b=c,d:e@f",
    f"/{P}/what%3Fno%23query": f"{P}/what?no#query",
    f"/{P}/sp%20ace": f"{P}/sp ace",
    f"/{P}/MiXed": f"{P}/MiXed",
    f"//{P}/MiXed": f"{P}/MiXed",
}
LONG_LOCATION = "https://found.example/" + "x" * 8000


def places() -> dict[str, str]:
    """Return where each odd handle leads: to a place of its own."""
    handles = dict.fromkeys(ODD_TARGETS.values())
    return {handle: f"https://found.example/{number}" for number, handle in enumerate(handles)}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample network, and in its library the odd handles."""
    folder = tmp_path_factory.mktemp("odd") / "records"
    shutil.copytree(shipped_records(), folder)
    added = {**places(), f"{P}/long": LONG_LOCATION}
    with (folder / "library.jsonl").open("a", encoding="utf-8") as file:
        for handle, place in added.items():
            value = {"index": 1, "type": "URL", "data": {"format": "string", "value": place}, "ttl": 3600}
            record = {"handle": handle, "values": [value | {"timestamp": "2026-03-02T09:30:00Z"}]}
            file.write(json.dumps(record) + "\n")
    return folder


@contextlib.contextmanager
def proxy_behind(records: Path) -> Iterator[RunningProxy]:
    """Run a proxy that believes reverse proxies on this machine."""
    with run_proxy(records, trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),)) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(records: Path) -> Iterator[RunningProxy]:
    """The proxy behind the reverse proxies."""
    with proxy_behind(records) as running:
        yield running


@pytest.fixture(scope="module", params=list(RUNNERS))
def front(
    request: pytest.FixtureRequest, proxy: RunningProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """Each reverse proxy."""
    with RUNNERS[request.param](tmp_path_factory.mktemp(request.param), proxy.port) as running:
        yield running


def ask(front: Front, target: str, method: str = "GET", **headers: str) -> RawResponse:
    """Send a request line exactly as given."""
    given = {"Host": "hdl.example.org", "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return asyncio.run(exchange("127.0.0.1", front.port, "\r\n".join([*lines, "", ""]).encode()))


@pytest.mark.parametrize("target", list(ODD_TARGETS))
def test_every_handle_comes_through_unchanged(front: Front, target: str) -> None:
    """%2F, //, /../, %25 and other scripts reach the resolver as they were sent, for people and for programs."""
    handle = ODD_TARGETS[target]
    assert ask(front, target).header("Location") == places()[handle]
    shown = json.loads(ask(front, f"/api/handles{target}").body)
    assert (shown["responseCode"], shown["handle"]) == (1, handle)


def test_an_answer_is_kept_and_given_to_the_next_visitor(front: Front) -> None:
    """The second visitor gets the same from memory; somebody who asks the primary server never does."""
    first, second = (ask(front, f"/{P}/abc") for _ in range(2))
    assert [answer.header("X-Cache-Status") for answer in (first, second)] == ["MISS", "HIT"]
    assert first.header("Location") == second.header("Location") is not None
    assert all(ask(front, f"/{P}/abc?auth").header("X-Cache-Status") != "HIT" for _ in range(2))


def test_different_handles_never_share_an_answer(front: Front) -> None:
    """Who asks for /abc does not get what is kept under /ABC, nor who asks for a%2Fb that of a%2F%2Fb."""
    for _ in range(2):
        for written, handle in (("ABC", "ABC"), ("abc", "abc"), ("a%2F%2Fb", "a//b"), ("a%2Fb", "a/b")):
            shown = json.loads(ask(front, f"/api/handles/{P}/{written}").body)
            assert shown["handle"] == f"{P}/{handle}"


def test_people_and_programs_never_share_an_answer(front: Front) -> None:
    """Where the answer depends on what is accepted, a browser never gets the JSON that is kept for a program."""
    for _ in range(2):
        for accepted in ("text/html", "application/json"):
            answer = ask(front, f"/{P}/letter", Accept=accepted)
            assert (answer.header("Content-Type") or "").partition(";")[0] == accepted
    # nginx forgets one kind when it gets the other, since the language counts for pages only.
    pages = [ask(front, f"/{P}/letter", Accept="text/html") for _ in range(2)]
    assert pages[1].header("X-Cache-Status") == "HIT"


def test_pages_with_links_are_kept_for_each_host_apart(front: Front) -> None:
    """Where links name the host that was asked for, a visitor of one never gets the links of another."""
    for _ in range(2):
        for host in ("one.example.org", "two.example.org:8080"):
            assert ask(front, f"/{P}/old-name", Host=host).header("Location") == f"http://{host}/{P}/abc"


def test_a_visitor_cannot_speak_for_the_proxy(records: Path, tmp_path: Path) -> None:
    """Headers by which proxies tell where a visitor came are replaced, so that nobody can send others elsewhere."""
    forged = {
        "Forwarded": "for=192.0.2.1;host=evil.example;proto=https",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_For": "192.0.2.1",
    }
    with proxy_behind(records) as proxy, run_nginx(tmp_path, proxy.port) as front:
        answer = ask(front, f"/{P}/old-name", **forged)
        assert answer.header("Location") == f"http://hdl.example.org/{P}/abc"


def test_targets_of_eight_kibibytes_come_through(front: Front) -> None:
    """The longest address that the resolver reads gets its answer, and a longer one its explanation."""
    longest = f"/{P}/abc?".ljust(8192, "x")
    answers = [ask(front, target) for target in (longest, longest + "x")]
    assert [answer.status for answer in answers] == [302, 414]
    assert all(answer.header("X-Request-ID") for answer in answers)


def test_redirects_to_long_addresses_come_through(front: Front) -> None:
    """A record may lead to an address of several kibibytes."""
    assert ask(front, f"/{P}/long").header("Location") == LONG_LOCATION


def posted(body: bytes) -> bytes:
    """Return the head of a batch."""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST /api/handles HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}\r\n\r\n".encode()


def test_lines_of_a_batch_come_as_they_are_found(front: Front) -> None:
    """The first is not kept back until the last is known, which here takes as long as a lookup may."""
    found = [f"{P}/abc", f"{P}/letter", f"{P}/MiXed"]
    body = json.dumps({"handles": [*found, f"20.500.60000/silent-{front.name}"]}).encode()
    with socket.create_connection(("127.0.0.1", front.port), 5) as visitor:
        visitor.settimeout(5)
        visitor.sendall(posted(body) + body)
        read = b""
        while read.count(b'"responseCode"') < len(found):
            received = visitor.recv(65536)
            assert received, read
            read += received
    assert all(f'"{handle}"'.encode() in read for handle in found)
    assert b"silent" not in read


def test_a_batch_of_long_handles_comes_through(front: Front) -> None:
    """What the resolver takes is not refused on the way."""
    handles = [f"{P}/{number}{'x' * 1800}" for number in range(1000)]
    body = json.dumps({"handles": handles}).encode()
    answer = asyncio.run(exchange("127.0.0.1", front.port, posted(body) + body))
    assert answer.status == 200


def test_head_is_answered_without_a_body(front: Front) -> None:
    """Link checkers get the redirect and nothing else."""
    answer = ask(front, f"/{P}/abc", "HEAD")
    assert (answer.status, answer.body) == (302, b"")


@pytest.mark.parametrize("name", list(RUNNERS))
def test_answers_are_still_given_while_the_resolver_is_away(name: str, records: Path, tmp_path: Path) -> None:
    """A restart of the resolver costs nothing for what was asked of late; what was not gets an error at once."""
    with contextlib.ExitStack() as stack:
        with proxy_behind(records) as proxy:
            front = stack.enter_context(RUNNERS[name](tmp_path, proxy.port))
            assert ask(front, f"/{P}/abc").status == 302
        assert ask(front, f"/{P}/abc").status == 302
        assert ask(front, f"/{P}/letter").status in (502, 503)


def test_the_files_are_accepted_as_they_are(tmp_path: Path) -> None:
    """Nginx has no warning for the shipped pair of files."""
    nginx_accepts(tmp_path, (DEPLOY / "nginx/upstream.conf").read_text("utf-8"))


def test_varnish_compiles_the_file_as_it_is(tmp_path: Path) -> None:
    """The shipped file is valid without any change."""
    varnishd = tool("varnishd", "package varnish")
    # Started by root it reads as somebody else, who may not be let into where this checkout lies.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shipped = shutil.copy(DEPLOY / "varnish/default.vcl", folder)
        succeeds(varnishd, "-C", "-n", tmp_path / "n", "-f", shipped)
