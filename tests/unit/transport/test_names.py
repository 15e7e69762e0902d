"""Host names out of site records. The DNS is a function that a test brings along."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.transport import names
from resolver.transport.names import KEEP_FAILURE_S, KEEP_S, MAX_ADDRESSES, MAX_NAMES, Names
from tests.fakes import FakeClock

Found = list[tuple[Any, ...]]


def found(*addresses: str) -> Found:
    """Return what ``getaddrinfo`` says about addresses."""
    return [
        (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 0))
        for text in addresses
    ]


class Dns:
    """Says the same of every name, or fails, and counts."""

    def __init__(self, *addresses: str, error: Exception | None = None) -> None:
        self.addresses = addresses
        self.error = error
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Found:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return found(*self.addresses)


def looked_up(dns: Callable[[str], Awaitable[Found]], **how: Any) -> Names:
    return Names(dns, **{"clock": FakeClock(), **how})


async def texts(names: Names, name: str = "hdl.example.org") -> list[str]:
    return [str(address) for address in await names.addresses_of(name)]


async def test_families_in_turn() -> None:
    """Addresses come IPv6 first and then in turn, in the order of the answer, each once."""
    dns = Dns("192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.1", "192.0.2.3", "2001:db8::2")
    assert await texts(looked_up(dns)) == [
        "2001:db8::1",
        "192.0.2.1",
        "2001:db8::2",
        "192.0.2.2",
        "192.0.2.3",
    ]


async def test_not_too_many() -> None:
    """Of a name with hundreds of addresses only some are used."""
    dns = Dns(*(f"192.0.2.{number}" for number in range(1, 200)))
    assert len(await texts(looked_up(dns))) == MAX_ADDRESSES


async def test_zones_are_left_out() -> None:
    """An address with a zone means something on one machine only."""
    assert await texts(looked_up(Dns("fe80::1%eth0", "192.0.2.1"))) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), OSError("no network"), UnicodeError("label")]
)
async def test_unknown_name(error: Exception) -> None:
    """A name that nobody knows has no addresses, and that is remembered for a short while."""
    dns, clock = Dns(error=error), FakeClock()
    names = looked_up(dns, clock=clock)
    assert await texts(names) == []
    clock.advance(KEEP_FAILURE_S - 0.1)
    assert await texts(names) == []
    assert len(dns.asked) == 1
    clock.advance(0.2)
    dns.error, dns.addresses = None, ("192.0.2.1",)
    assert await texts(names) == ["192.0.2.1"]


async def test_remembered() -> None:
    """What a name stands for is remembered for a minute, however it is spelled."""
    dns, clock = Dns("192.0.2.1"), FakeClock()
    names = looked_up(dns, clock=clock)
    for spelled in ("hdl.example.org", " HDL.Example.ORG ", "hdl.example.org"):
        assert await texts(names, spelled) == ["192.0.2.1"]
    assert dns.asked == ["hdl.example.org"]
    clock.advance(KEEP_S)
    await texts(names)
    assert len(dns.asked) == 2


async def test_slow_dns() -> None:
    """A DNS that does not answer costs the patience and no more."""

    async def never(_: str) -> Found:
        await asyncio.Event().wait()
        return []

    assert await texts(looked_up(never, patience_s=0.01)) == []


async def test_bound() -> None:
    """Names out of hostile records do not pile up."""
    names = looked_up(Dns("192.0.2.1"))
    for number in range(MAX_NAMES + 50):
        await names.addresses_of(f"h{number}.example.org")
    assert len(names._known) == MAX_NAMES


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "-a.example",
        "a-.example",
        "a..example",
        "a b",
        "a/b",
        "a\0b",
        "a\nb",
        "user@example.org",
        "exämple.org",
        "x" * 64,
        ".".join(["x" * 60] * 5),
        "[::1]",
        "a:80",
        "%61.example",
    ],
)
async def test_what_is_no_name(name: str) -> None:
    """What is no host name is never put to the DNS."""
    dns = Dns("192.0.2.1")
    assert await texts(looked_up(dns), name) == []
    assert dns.asked == []


@pytest.mark.parametrize("name", ["a", "localhost", "a.example.", "_srv.example", "x-1.example", "x" * 63])
async def test_what_is_a_name(name: str) -> None:
    """Names of one label, with a final dot, or with an underscore are names."""
    assert await texts(looked_up(Dns("192.0.2.1")), name) == ["192.0.2.1"]


@given(st.text(max_size=300))
async def test_any_text(name: str) -> None:
    """Whatever stands in a record is looked up or not, and never raises."""
    dns = Dns("192.0.2.1")
    addresses = await texts(looked_up(dns), name)
    assert addresses == (["192.0.2.1"] if dns.asked else [])
    assert all(asked.isascii() and len(asked) <= 254 and "/" not in asked for asked in dns.asked)


async def test_of_the_system() -> None:
    """Unless told otherwise, the names of this machine are used."""
    assert {address.is_loopback for address in await Names().addresses_of("localhost")} == {True}


async def test_addresses_as_names() -> None:
    """A number in the place of a name may be looked up, and is what it says; the policy still has its say."""
    (address,) = await Names().addresses_of("127.0.0.1")
    assert str(address) == "127.0.0.1"


def test_limits_are_sane() -> None:
    """Failures are remembered for less time than successes."""
    assert names.KEEP_FAILURE_S < names.KEEP_S
