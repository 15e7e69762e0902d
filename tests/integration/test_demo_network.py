"""The network of the demo: every way of the Handle System to say where a handle is, and faults while it runs."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest

from resolver.demo.control import Control
from resolver.demo.network import HandleNetwork, shipped_records
from resolver.errors import SettingsError
from resolver.protocol.bodies import ReferralResponse, ResolutionRequest
from resolver.protocol.codes import ResponseCode
from resolver.protocol.message import decode_message, encode_message
from tests.integration.processes import fetch, run_program
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy that remembers only what these tests have asked."""
    with run_proxy(shipped_records()) as running:
        yield running


def asked(proxy: RunningProxy, server: str) -> list[str]:
    """Return the handles that a server was asked for."""
    requests = proxy.network.services[server].requests
    return [request.body.handle for request in requests if isinstance(request.body, ResolutionRequest)]


def answers(proxy: RunningProxy, server: str, handle: str) -> list[tuple[ResponseCode, Any]]:
    """Return what a server answers to each request for a handle that it got."""
    service = proxy.network.services[server]
    requests = [
        request
        for request in service.requests
        if isinstance(request.body, ResolutionRequest) and request.body.handle == handle
    ]
    told = [decode_message(service.answer(encode_message(request))) for request in requests]
    del service.requests[-len(requests) :]
    return [(message.code, message.body) for message in told]


async def location(proxy: RunningProxy, handle: str) -> str | None:
    """Return where visitors of a handle are sent."""
    return (await ask(proxy, f"/{handle}")).header("Location")


@pytest.mark.parametrize(
    ("prefix", "suffix", "holder", "server", "value_type", "url"),
    [
        ("20.500.12345.7", "x", "LIBRARY", "LIBRARY", "HS_SITE.PREFIX", "https://www.example.org/derived"),
        ("20.500.73000.1", "astrolabe", "MUSEUM", "MUSEUM", "HS_NA_DELEGATE", "https://museum.example.org/astrolabe"),
        ("20.500.72000.1", "seal", "LIBRARY", "CHANCERY", "HS_SERV.PREFIX", "https://palace.example.org/seal"),
    ],
)  # fmt: skip
async def test_derived_prefixes(
    proxy: RunningProxy, prefix: str, suffix: str, holder: str, server: str, value_type: str, url: str
) -> None:
    """A derived prefix is found through each kind of value by which its parent may delegate it."""
    assert await location(proxy, f"{prefix}/{suffix}") == url
    ((code, body),) = answers(proxy, "REGISTRY", f"0.NA/{prefix}")
    assert code is ResponseCode.PREFIX_REFERRAL
    assert isinstance(body, ReferralResponse)
    assert {value.type for value in body.values or ()} == {value_type}
    assert f"0.NA/{prefix}" in asked(proxy, holder)
    assert f"{prefix}/{suffix}" in asked(proxy, server)


@pytest.mark.parametrize(
    ("handle", "server", "names_handle", "url"),
    [
        ("20.500.71000/census", "ARCHIVE", False, "https://data.example.org/census"),
        ("20.500.71001/oath", "CHANCERY", True, "https://palace.example.org/oath"),
    ],
)
async def test_moved_handles(
    proxy: RunningProxy, handle: str, server: str, names_handle: bool, url: str
) -> None:
    """A server that handles have moved away from refers to the new one, by its site record or its service handle."""
    assert await location(proxy, handle) == url
    ((code, body),) = answers(proxy, "LIBRARY", handle)
    assert code is ResponseCode.SERVICE_REFERRAL
    assert isinstance(body, ReferralResponse)
    assert (bool(body.handle), bool(body.values)) == (names_handle, not names_handle)
    assert handle in asked(proxy, server)


async def test_computed_by_a_template(proxy: RunningProxy) -> None:
    """A handle that is not registered is made up by the template of its prefix, as its server does it."""
    assert await location(proxy, "20.500.74000/atlas@page=7") == "https://maps.example.org/atlas?page=7"
    assert await location(proxy, "20.500.74000/atlas") == "https://maps.example.org/atlas"
    assert (await ask(proxy, "/20.500.74000/nothing@page=7")).status == 404


async def test_https_only(proxy: RunningProxy) -> None:
    """A service that lists HTTPS only is reached with the settings as they come."""
    page = (await ask(proxy, "/20.500.84000/vault?noredirect")).body.decode()
    assert "https://palace.example.org/vault" in page
    assert "https://127.0.0.1:" in page


async def test_old_software(proxy: RunningProxy) -> None:
    """A server of protocol 2.5 is spoken to in its version, and answers in it."""
    assert await location(proxy, "20.500.83000/abacus") == "https://museum.example.org/abacus"
    request = proxy.network.services["MUSEUM"].requests[-1]
    assert (request.envelope.version, request.envelope.suggested_version) == ((2, 5), (2, 11))
    answer = decode_message(proxy.network.services["MUSEUM"].answer(encode_message(request)))
    assert (answer.envelope.version, answer.envelope.suggested_version) == ((2, 5), (2, 5))


async def test_closed_prefix(proxy: RunningProxy) -> None:
    """What the owner of a prefix says of it is passed on: closed, why, and whom to ask."""
    page = await ask(proxy, "/20.500.11000/lost")
    assert page.status == 404
    assert b"ended in 2019" in page.body
    assert b"rescue@library.example" in page.body


# --- faults while it runs --------------------------------------------------------------------------------


async def test_control_listener() -> None:
    """Faults of each server can be listed, switched on and off over HTTP, and take effect at once."""
    network = HandleNetwork(shipped_records())
    await network.start()
    control = Control(network.services)
    port = await network.free_port("127.0.0.1")
    await control.start("127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as client:

            async def call(method: str, path: str, body: str | None = None) -> tuple[int, Any]:
                async with client.request(method, url + path, data=body) as answer:
                    return answer.status, await answer.json()

            listed = (await call("GET", "/"))[1]
            assert set(listed) == set(network.services)
            assert listed["SILENT"] == {"silent": ["tcp", "udp"]}
            assert await call("PUT", "/LIBRARY", '{"code": 3}') == (200, {"code": 3})
            assert network.services["LIBRARY"].behaviour.code is ResponseCode.SERVER_BUSY
            assert await call("GET", "/library") == (200, {"code": 3})
            assert await call("PUT", "/LIBRARY", "{}") == (200, {})
            assert network.services["LIBRARY"].behaviour.code is None
            for nonsense in ("", "[", "[]", '{"los": 1}', '{"loss": "x"}'):
                status, told = await call("PUT", "/LIBRARY", nonsense)
                assert (status, list(told)) == (400, ["error"])
            status, told = await call("PUT", "/NOBODY", "{}")
            assert status == 404
            assert "LIBRARY" in told["error"]
    finally:
        await control.close()
        await network.close()


def test_demo_says_how_to_break_it(tmp_path: Path) -> None:
    """The demo prints a line with which a server can be made to misbehave; it works as printed."""
    with run_program("demo") as program:
        assert fetch(f"{program.url}/20.500.12345/abc")[0] == 302
        line = next(line for line in program.said if "curl" in line)
        where, body = line.split("PUT ")[1].split(" -d ")
        host, _, server = where.partition("/")
        for shown in (body.strip().strip("'"), '{"code": 3}'):
            connection = http.client.HTTPConnection(host)
            connection.request("PUT", f"/{server}", shown)
            assert json.load(connection.getresponse()) == json.loads(shown)
            connection.close()
        assert fetch(f"{program.url}/20.500.12345/map-1482")[0] == 502


# --- descriptions that cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("network.json", '"DSA-1024"', '"EC"', "key 'EC' is none of RSA"),
        ("network.json", '"silent": [', '"sulky": [', "'sulky' is none of the faults"),
        ("network.json", '"site": "MUSEUM"', '"sight": "MUSEUM"', "network.json: KeyError"),
        ("trust.json", "20.500.81000/charter", "20.500.81000/none", "no record of 20.500.81000/none"),
        ("trust.json", '"signed_with": "CHANCERY"', '"signed_with": "NOBODY"', "trust.json: KeyError"),
        ("trust.json", "{", "[", "trust.json"),
        ("museum.jsonl", "${MUSEUM.site}", "${NOBODY.site}", "NOBODY"),
        ("museum.jsonl", '"handle"', '"handel"', "handle"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, name: str, old: str, new: str, reason: str) -> None:
    """A mistake in the files of a network stops the start, and the message says where it is."""
    folder = tmp_path / "records"
    shutil.copytree(shipped_records(), folder)
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")

    async def start() -> None:
        network = HandleNetwork(folder)
        try:
            await network.start()
        finally:
            await network.close()

    with pytest.raises(SettingsError, match=reason):
        asyncio.run(start())


async def test_a_port_taken_at_the_last_moment() -> None:
    """Somebody else takes a port between its being found free and its use: others are found, and everything runs."""

    class Unlucky(HandleNetwork):
        taken: ClassVar[list[int]] = []

        async def free_port(self, address: str) -> int:
            return self.taken.pop() if self.taken else await super().free_port(address)

    with socket.create_server(("127.0.0.1", 0)) as other:
        network = Unlucky(shipped_records())
        network.taken.append(other.getsockname()[1])
        await network.start()
        try:
            assert other.getsockname()[1] not in {one["port"] for one in network.placeholders.values()}
            assert len(network.services) > 5
        finally:
            await network.close()
