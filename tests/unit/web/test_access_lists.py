"""Lists of networks: what they contain, how they are written, and that a change is seen."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import SettingsError
from resolver.web.access_lists import AccessLists, NetworkSet, read_network_list

TEXT = """
# partners
192.0.2.0/24      # the library
198.51.100.7
2001:db8:1::/48
::ffff:203.0.113.0/120
"""


def contains(networks: NetworkSet, text: str) -> bool:
    """Whether an address lies in a set."""
    return ipaddress.ip_address(text) in networks


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("198.51.100.7", True),
        ("198.51.100.8", False),
        ("2001:db8:1:ffff::1", True),
        ("2001:db8:2::1", False),
        ("203.0.113.9", True),
        ("203.0.114.9", False),
        ("::c000:200", False),
    ],
)
def test_membership(address: str, expected: bool) -> None:
    """Networks of any length and both families are told apart; IPv4 in the notation of IPv6 is IPv4."""
    assert contains(read_network_list(TEXT), address) is expected


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0"])
def test_everything(everything: str) -> None:
    """A prefix of length zero holds every address of its family, and none of the other."""
    networks = read_network_list(everything)
    assert contains(networks, "192.0.2.1") is ("." in everything)
    assert contains(networks, "2001:db8::1") is (":" in everything)


@given(
    st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), max_size=8),
    st.ip_addresses(v=4),
)
def test_as_the_standard_library_has_it(
    drawn: list[tuple[ipaddress.IPv4Address, int]], address: ipaddress.IPv4Address
) -> None:
    """Membership is what asking each network in turn would say."""
    networks = [ipaddress.ip_network(f"{base}/{length}", strict=False) for base, length in drawn]
    assert (address in NetworkSet(networks)) is any(address in network for network in networks)


def test_mistake_is_named() -> None:
    """A line that is no network is named by its number."""
    with pytest.raises(ValueError, match=r"line 2: '192\.0\.2\.300'"):
        read_network_list("192.0.2.1\n192.0.2.300\n")


def test_unreadable_at_the_start(tmp_path: Path) -> None:
    """A list that cannot be used stops the start, and is named."""
    path = tmp_path / "deny"
    path.write_text("not a network")
    with pytest.raises(SettingsError, match="deny: line 1"):
        AccessLists(deny=path)
    with pytest.raises(SettingsError, match="No such file"):
        AccessLists(allow=tmp_path / "missing")


def test_no_lists() -> None:
    """Without lists nobody is special."""
    lists = AccessLists()
    assert not lists.allows(ipaddress.ip_address("192.0.2.1"))
    assert not lists.denies(ipaddress.ip_address("192.0.2.1"))


@contextlib.asynccontextmanager
async def watched(lists: AccessLists) -> AsyncIterator[None]:
    """Watch the files while the block runs."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(lists.watch(0.005))
        yield
        task.cancel()


async def until(condition: object) -> None:
    """Wait until ``condition()`` holds."""
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_change_is_seen(tmp_path: Path) -> None:
    """A file written anew, or put in the place of the old one, is in force soon."""
    path = tmp_path / "deny"
    path.write_text("192.0.2.0/24")
    lists, address = AccessLists(deny=path), ipaddress.ip_address("198.51.100.1")
    async with watched(lists):
        path.write_text("192.0.2.0/24\n198.51.100.0/24\n")
        await until(lambda: lists.denies(address))
        other = tmp_path / "new"
        other.write_text("203.0.113.0/24")
        os.replace(other, path)
        await until(lambda: not lists.denies(address))
    assert lists.version == 2


async def test_mistake_in_a_change_keeps_the_old_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A list that has become unreadable, or has gone, stays in force as it was, with one warning."""
    path = tmp_path / "deny"
    path.write_text("192.0.2.0/24")
    lists, address = AccessLists(deny=path), ipaddress.ip_address("192.0.2.1")
    caplog.set_level(logging.WARNING)
    async with watched(lists):
        path.write_text("192.0.2.0/24\nnonsense here\n")
        await until(lambda: caplog.records)
        await asyncio.sleep(0.05)
        assert lists.denies(address)
        path.unlink()
        await until(lambda: len(caplog.records) > 1)
        await asyncio.sleep(0.05)
        assert lists.denies(address)
        path.write_text("203.0.113.0/24")
        await until(lambda: not lists.denies(address))
    assert len(caplog.records) == 2
