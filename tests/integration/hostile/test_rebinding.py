"""Names that stand for one address when they are judged and for another when somebody connects (DNS rebinding).

Only the ``domain`` attribute of a site record names a host. It is looked up once for a question; the addresses
that come back are judged one by one, and what is connected to is the number that was judged.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from resolver.demo.handle_service import RecordStore
from resolver.errors import AddressRefusedError, NoServerAnsweredError
from resolver.model.handle import Handle
from resolver.model.site import Transport
from resolver.resolution.directory import Directory
from resolver.resolution.driver import Budget, Driver
from resolver.resolution.lookup import look_up
from resolver.resolution.steps import Answer, Fetched, Question
from resolver.tasks import Background
from resolver.transport.address_policy import AddressPolicy
from resolver.transport.names import Names
from resolver.transport.network import Network
from soak.network import free_port, service_at, site_at
from tests.fakes import record_of
from tests.integration.hostile.address_lab import Canary
from tests.integration.hostile.namespaces import said_in_a_namespace
from tests.integration.hostile.rebinding_lab import SAYS, named

pytestmark = pytest.mark.timeout(90)

PUBLIC_CASES = ("udp", "tcp", "http", "https", "detour")
"""What is reached by names that stand for the public address at first."""


# --- a DNS server, the C library, and the whole program --------------------------------------------------


@pytest.fixture(scope="module")
def seen() -> Any:
    """Let the laboratory run."""
    return said_in_a_namespace("tests.integration.hostile.rebinding_lab", with_mounts=True)


def test_what_was_judged_is_what_is_asked(seen: Any) -> None:
    """A name that may be asked is answered for, by every transport, also where the first ones find nobody there."""
    statuses = seen["closed"]["first"]["statuses"]
    assert {name: statuses[name] for name in PUBLIC_CASES} == dict.fromkeys(PUBLIC_CASES, 302)
    assert {status for name, status in statuses.items() if name not in PUBLIC_CASES} == {502}


def test_nobody_looks_twice(seen: Any) -> None:
    """Each name is asked for once for a question, and the name in a redirect of an HTTP server never."""
    names = dict.fromkeys(SAYS, 1)
    del names["redirected.test"]
    assert seen["closed"]["first"]["names"] == names


def test_what_a_name_stands_for_later_is_judged_anew(seen: Any) -> None:
    """When it is forgotten what a name stood for, the new address is judged like the first: here it is refused."""
    assert set(seen["closed"]["later"]["statuses"].values()) == {502}
    names = dict.fromkeys(SAYS, 2)
    del names["redirected.test"]
    assert seen["closed"]["later"]["names"] == names


def test_nobody_at_home_is_knocked_at(seen: Any) -> None:
    """Not one datagram and not one connection reaches the address in our own network."""
    assert seen["closed"]["later"]["knocks"] == {}


def test_canaries_would_have_noticed(seen: Any) -> None:
    """With private addresses allowed, the same names lead there."""
    assert {"udp", "tcp"} <= set(seen["open"]["later"]["knocks"])


# --- the same without a namespace: the system's resolver is a function -----------------------------------


JUDGED, HOME = "127.0.0.1", "127.0.0.2"


class OnlyTheJudged(AddressPolicy):
    """Lets one address pass."""

    def check(self, address: IPv4Address | IPv6Address, port: int) -> None:
        if str(address) != JUDGED:
            raise AddressRefusedError(f"{address} is at home")


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Let every name of ours stand for the address that may be asked at first, and for the other one ever after."""
    asked: Counter[str] = Counter()
    usual = socket.getaddrinfo

    def turning(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if not str(host).endswith(".test"):
            return usual(host, port, *args, **options)
        asked[host] += 1
        return usual(JUDGED if asked[host] == 1 else HOME, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    return asked


async def _no_other_record(*_: object) -> Fetched:
    raise AssertionError("nothing else is needed")


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.HTTP])
async def test_one_look_up_for_each_question(transport: Transport, looked_up: Counter[str]) -> None:
    """Between the judgement and the connection nothing of ours asks the DNS again; the next time all is judged anew."""
    port, http_port = free_port(), free_port()
    store = RecordStore([record_of("10.1/x"), record_of("10.1/y")])
    everything = {Transport.UDP: port, Transport.TCP: port, Transport.HTTP: http_port}
    service = await service_at(site_at(everything), store, ["10.1"], host=JUDGED)
    canary = Canary([HOME], [port, http_port])
    await canary.start()
    background, network = Background(), Network(OnlyTheJudged())
    site = named("rebind.test", {transport: everything[transport]})
    clock = [0.0]
    driver = Driver(
        Directory((), gateway=(site,)),
        network,
        background,
        transports=tuple(Transport),
        clock=time.time,
        names=Names(clock=lambda: clock[0]),
    )

    async def ask(handle: str) -> Answer:
        conversation = look_up(Question(Handle(handle)), driver.directory)
        return await driver.drive(conversation, Budget.start(3.0), _no_other_record)

    try:
        assert (await ask("10.1/x")).record == record_of("10.1/x")
        assert looked_up == {"rebind.test": 1}
        clock[0] = 1e6
        with pytest.raises(NoServerAnsweredError, match="is at home"):
            await ask("10.1/y")
        assert looked_up == {"rebind.test": 2}
        assert not canary.seen
    finally:
        canary.close()
        await background.close()
        await network.close()
        await service.close()
