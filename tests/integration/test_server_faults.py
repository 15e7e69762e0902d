"""What visitors see of servers that misbehave: every fault of the demo, over real UDP, TCP, HTTP and HTTPS sockets.

First with one way to the service, so that the fault is all there is; then with another way that works.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from resolver.demo.faults import Behaviour, behaviour_from_json
from resolver.demo.network import shipped_records
from resolver.model.site import Transport
from resolver.protocol.codes import ResponseCode
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, put_record

DEADLINE_S = 1.0
UNREACHABLE, SILENT = "cannot be reached", "does not answer"
URL = "https://palace.example.org/"

BAD = (502, UNREACHABLE)
LATE = (504, SILENT)
FINE = (302, URL)

EITHER = (*BAD, *LATE)
"""Of UDP: after three answers that are none it is given up, if the time is not over before."""

EVERYWHERE = ("udp", "tcp", "http", "https")
BROKEN = {"udp": EITHER, "tcp": BAD, "http": BAD, "https": BAD}

FAULTS: dict[str, tuple[dict[str, Any], dict[str, tuple[Any, ...]]]] = {
    "silent": ({"silent": list(EVERYWHERE)}, dict.fromkeys(EVERYWHERE, LATE)),
    "slow": ({"delay_s": 0.15}, {}),
    "loses datagrams": ({"loss": 0.3}, {}),
    "loses every datagram": ({"loss": 1.0}, {"udp": LATE}),
    "sends datagrams twice": ({"duplicate": True}, {}),
    "sends datagrams out of order": ({"reorder": True}, {}),
    "answers from another port": ({"wrong_port": True}, {"udp": LATE}),
    "answers another request": ({"wrong_id": True}, BROKEN),
    "answers nonsense": ({"garbage": True}, BROKEN),
    "sends nothing and hangs up": ({"cut": 0}, BROKEN),
    "ends within the envelope": ({"cut": 15}, BROKEN),
    "ends within the message": ({"cut": 60}, BROKEN),
    "resets the connection": ({"reset": True}, BROKEN),
    "fails in HTTP": ({"status": 500}, {"http": BAD, "https": BAD}),
    "redirects in HTTP": ({"status": 302}, {"http": BAD, "https": BAD}),
    "is busy": ({"code": 3}, dict.fromkeys(EVERYWHERE, BAD)),
    "is being backed up": ({"code": 7}, dict.fromkeys(EVERYWHERE, BAD)),
    "does not sign": ({"unsigned": True}, {}),
}
"""Each fault, and by which transports a visitor sees something of it, and what; by the others all is well."""

_numbers = itertools.count(1)


@dataclass
class Visited:
    """A proxy that has one way to the chancery."""

    proxy: RunningProxy
    transport: str
    prefix: str

    def new_handle(self, **more: str) -> str:
        """Register a handle that nobody has asked for yet: failures are remembered for a moment."""
        handle = f"{self.prefix}/new-{next(_numbers)}"
        put_record(self.proxy, handle, ("URL", URL), *more.items(), store="chancery")
        return handle

    def misbehave(self, shown: dict[str, Any]) -> None:
        """Switch faults of the chancery on."""
        self.proxy.network.services["CHANCERY"].behaviour = behaviour_from_json(shown)


@pytest.fixture(scope="module", params=EVERYWHERE)
def only_way(request: pytest.FixtureRequest) -> Iterator[Visited]:
    """One transport to the chancery. Over HTTPS alone a service of its own is reached, and the registry otherwise."""
    transport = request.param
    only = () if transport == "https" else (Transport[transport.upper()],)
    with run_proxy(shipped_records(), deadline=DEADLINE_S, transports=only or tuple(Transport)) as proxy:
        yield Visited(proxy, transport, "20.500.84000" if transport == "https" else "20.500.81000")


@pytest.fixture(scope="module", params=EVERYWHERE)
def another_way(request: pytest.FixtureRequest) -> Iterator[Visited]:
    """A transport that goes wrong, and TCP or HTTP beside it."""
    transport = request.param
    beside = Transport.HTTP if transport == "tcp" else Transport.TCP
    with run_proxy(shipped_records(), transports=(Transport[transport.upper()], beside)) as proxy:
        yield Visited(proxy, transport, "20.500.81000")


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_way(only_way: Visited, fault: str) -> None:
    """With one way to a service, its fault is explained to visitors and scripts; or the answer is there after all."""
    switched, seen = FAULTS[fault]
    only_way.misbehave(switched)
    handle = only_way.new_handle(DESC="d" * 1500)
    started = time.monotonic()
    answer = await ask(only_way.proxy, f"/{handle}")
    assert time.monotonic() - started < 10
    expected = seen.get(only_way.transport, FINE)
    assert answer.status in expected
    assert expected[expected.index(answer.status) + 1] in answer.body.decode()
    if answer.status != 302:
        told = json.loads((await ask(only_way.proxy, f"/api/handles/{handle}")).body)
        assert (told["responseCode"], told["handle"]) == (2, handle)
        assert answer.header("Cache-Control") == "no-store"
        assert b"chancery@palace.example" in answer.body

    only_way.misbehave({})
    assert (await ask(only_way.proxy, f"/{only_way.new_handle()}")).status == 302


@pytest.mark.parametrize("fault", [name for name, (switched, _) in FAULTS.items() if "code" not in switched])
async def test_another_way(another_way: Visited, fault: str) -> None:
    """Where one transport goes wrong and another works, visitors get their answer, by the one that works."""
    switched, seen = FAULTS[fault]
    limited = [another_way.transport]
    if "silent" in switched:
        switched = {"silent": limited}
    another_way.misbehave({**switched, "only_on": limited})
    handle = another_way.new_handle()
    answer = await ask(another_way.proxy, f"/{handle}?noredirect")
    assert (answer.status, URL.encode() in answer.body) == (200, True)
    by = re.search(r"(\w+)://127\.0\.0\.1:\d+", answer.body.decode())
    assert by is not None
    if another_way.transport in seen:
        assert by.group(1) == ("http" if another_way.transport == "tcp" else "tcp")


@pytest.fixture(scope="module")
def mirrored() -> Iterator[RunningProxy]:
    """A proxy over the demo: the archive has a primary and a mirror."""
    with run_proxy(shipped_records()) as proxy:
        yield proxy


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("broken", ["ARCHIVE", "ARCHIVE-MIRROR"])
async def test_another_site(mirrored: RunningProxy, fault: str, broken: str) -> None:
    """Where a whole site goes wrong, primary or mirror, the other answers; visitors notice nothing."""
    switched, _ = FAULTS[fault]
    for name in ("ARCHIVE", "ARCHIVE-MIRROR"):
        mirrored.network.services[name].behaviour = (
            behaviour_from_json(switched) if name == broken else Behaviour()
        )
    handle = f"20.500.23456/new-{next(_numbers)}"
    put_record(mirrored, handle, ("URL", URL), store="archive")
    assert (await ask(mirrored, f"/{handle}")).header("Location") == URL


# --- what a server says ----------------------------------------------------------------------------------

STATUSES = {
    1: (200, 200),
    100: (404, 404),
    102: (400, 400),
    200: (200, 200),
    302: (502, 502),
    400: (403, 403),
    401: (403, 403),
    402: (401, 401),
    403: (403, 403),
    404: (403, 403),
}
"""Status of page and API for each code of the only server; all others are failures of the service, 502."""


@pytest.fixture(scope="module")
def library() -> Iterator[RunningProxy]:
    """A proxy over the demo: the library has one server."""
    with run_proxy(shipped_records(), transports=(Transport.TCP,)) as proxy:
        yield proxy


@pytest.mark.parametrize("code", [code for code in ResponseCode if code is not ResponseCode.NONE])
async def test_every_code(library: RunningProxy, code: ResponseCode) -> None:
    """Whatever code a server answers, page and API say something sensible, and it is never a mistake of ours."""
    library.network.services["LIBRARY"].behaviour = Behaviour(code=code)
    handle = f"20.500.12345/code-{int(code)}"
    put_record(library, handle, ("URL", URL))
    page = await ask(library, f"/{handle}")
    api = await ask(library, f"/api/handles/{handle}")
    assert (page.status, api.status) == STATUSES.get(int(code), (502, 502))
    told = json.loads(api.body)
    assert told["handle"] == handle
    assert (told["responseCode"] in {1, 200}) is (api.status == 200)
    assert b"Internal error" not in page.body
