"""Which server of a site keeps a handle, and at which address it is."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from resolver.model import site as site_module
from resolver.model.handle import Handle
from resolver.model.site import (
    HashOption,
    Interface,
    IPAddress,
    Server,
    Site,
    Transport,
    decode_address,
    encode_address,
    hash_of,
    responsible_server,
)
from tests.strategies import addresses, handles, sites
from tests.vectors import table

VECTORS = [pytest.param(case, id=case["handle"]) for case in table("server_selection")["handles"]]
OPTIONS = [
    pytest.param(HashOption.BY_PREFIX, "by_prefix", id="by prefix"),
    pytest.param(HashOption.BY_SUFFIX, "by_suffix", id="by suffix"),
    pytest.param(HashOption.BY_HANDLE, "by_handle", id="by handle"),
]


def a_site(servers: int, hash_option: int = HashOption.BY_HANDLE) -> Site:
    return Site(
        format_version=1,
        protocol_version=(2, 11),
        serial_number=1,
        primary=True,
        multi_primary=False,
        hash_option=hash_option,
        hash_filter="",
        attributes=(),
        servers=tuple(Server(number, bytes(16), b"", ()) for number in range(servers)),
    )


@pytest.mark.parametrize(("option", "name"), OPTIONS)
@pytest.mark.parametrize("case", VECTORS)
def test_vectors_choose_the_server(case: dict[str, Any], option: HashOption, name: str) -> None:
    """Every handle is asked of the server where the deployed software has put it, in sites of 2 to 5."""
    handle, expected = Handle.parse(case["handle"]), case[name]
    assert hash_of(handle, option) == expected["hash"]
    chosen = [responsible_server(a_site(count, option), handle) for count in range(2, 6)]
    assert [server.server_id for server in chosen if server] == expected["servers"]


def test_only_position_counts() -> None:
    """The position in the record chooses the server, its number does not."""
    site = a_site(3)
    renumbered = replace(site, servers=tuple(replace(server, server_id=7) for server in site.servers))
    assert responsible_server(renumbered, Handle.parse("20.500.12345/abc")) is renumbered.servers[2]


def test_site_without_servers_keeps_nothing() -> None:
    """A site record that lists no server cannot be asked, which is no crash."""
    assert responsible_server(a_site(0), Handle.parse("10.1000/1")) is None


@pytest.mark.parametrize("option", [0, 1, 2, 3, 255])
def test_single_server_keeps_everything(option: int) -> None:
    """A site with one server is usable whatever its hash option."""
    site = a_site(1, option)
    assert responsible_server(site, Handle.parse("10.1000/1")) is site.servers[0]


@pytest.mark.parametrize("option", [3, 255])
def test_unknown_hash_option_chooses_nobody(option: int) -> None:
    """A site with several servers and an unknown hash option is left out, not asked at random."""
    assert responsible_server(a_site(2, option), Handle.parse("10.1000/1")) is None
    with pytest.raises(ValueError, match=str(option)):
        hash_of(Handle.parse("10.1000/1"), option)


def test_lowest_number_has_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash -2^31, which has no positive counterpart in 32 bits, chooses a server like any other."""

    class Digest:
        def digest(self) -> bytes:
            return bytes(12) + b"\x80\0\0\0"

    def md5(*_: object, **__: object) -> Digest:
        return Digest()

    monkeypatch.setattr(site_module.hashlib, "md5", md5)
    handle = Handle.parse("10.1000/1")
    assert hash_of(handle, HashOption.BY_HANDLE) == 2**31
    chosen = responsible_server(a_site(5), handle)
    assert chosen is not None
    assert chosen.server_id == 2**31 % 5


@given(handles)
def test_case_does_not_move_a_handle(handle: Handle) -> None:
    """Two spellings that differ in ASCII case are kept by the same server."""
    folded = Handle(handle.text.encode().upper().decode())
    digest = hashlib.md5(folded.text.encode(), usedforsecurity=False).digest()
    assert hash_of(handle, HashOption.BY_HANDLE) == abs(int.from_bytes(digest[12:], "big", signed=True))
    assert all(hash_of(handle, option) == hash_of(folded, option) for option in HashOption)


@given(sites, handles)
def test_every_site_answers_or_cannot_tell(site: Site, handle: Handle) -> None:
    """For any site record and any handle there is one of its servers, or none: never an error."""
    server = responsible_server(site, handle)
    assert server is None or server in site.servers


@pytest.mark.parametrize(
    ("octets", "address"),
    [
        (bytes(16), None),
        (bytes(12) + b"\xc0\0\2\n", ipaddress.ip_address("192.0.2.10")),
        (bytes(10) + b"\xff\xff\xc0\0\2\n", ipaddress.ip_address("192.0.2.10")),
        (bytes(10) + b"\xff\xff" + bytes(4), None),
        (bytes(12) + b"\n\0\0\0", ipaddress.ip_address("10.0.0.0")),
        (bytes(15) + b"\1", ipaddress.ip_address("0.0.0.1")),
        (bytes.fromhex("20010db8000000000001000000000005"), ipaddress.ip_address("2001:db8::1:0:0:5")),
        (bytes.fromhex("0064ff9b0000000000000000c000020a"), ipaddress.ip_address("64:ff9b::192.0.2.10")),
    ],
    ids=[
        "unknown",
        "deployed IPv4",
        "mapped IPv4",
        "mapped unknown",
        "round IPv4",
        "no loopback",
        "IPv6",
        "NAT64",
    ],
)
def test_address_of_a_server(octets: bytes, address: IPAddress | None) -> None:
    """IPv4 is read in the deployed and in the mapped form; all zero means that the address is not known."""
    assert decode_address(octets) == address


@given(addresses)
def test_address_survives_writing(octets: bytes) -> None:
    """An address that is read and written again is the same address, in the form that is deployed."""
    address = decode_address(octets)
    written = encode_address(address)
    assert len(written) == 16
    assert decode_address(written) == address


@pytest.mark.parametrize("case", table("address_text")["addresses"], ids=lambda case: case["text"])
def test_families_are_those_of_the_deployed_software(case: dict[str, Any]) -> None:
    """An address counts as IPv4 where deployed software says so, and in the mapped form too."""
    octets = bytes.fromhex(case["octets"])
    address = decode_address(octets)
    mapped = octets.startswith(bytes(10) + b"\xff\xff")
    assert (address is None or address.version == 4) is (case["ipv4"] or mapped)


def test_first_query_interface_of_a_transport_is_asked() -> None:
    """Interfaces that only administer or are out of service are not asked, and the order is that of the record."""
    interfaces = (
        Interface(1, Transport.TCP, 1),
        Interface(0, Transport.TCP, 2),
        Interface(2, Transport.UDP, 3),
        Interface(2, Transport.TCP, 4),
        Interface(3, Transport.TCP, 5),
        Interface(3, 9, 6),
    )
    server = Server(1, bytes(16), b"", interfaces)
    assert server.query_interface(Transport.TCP) == interfaces[3]
    assert server.query_interface(Transport.UDP) == interfaces[2]
    assert server.query_interface(Transport.HTTP) is None
    assert [one.answers_administration for one in interfaces] == [True, False, False, False, True, True]


def test_attributes_are_compared_octet_by_octet() -> None:
    """The first attribute of exactly the name counts; a description may be written in capitals."""
    site = replace(a_site(1), attributes=(("DESC", "old"), ("Domain", "x"), ("path", "/a"), ("path", "/b")))
    assert site.attribute("path") == "/a"
    assert site.attribute("domain") is None
    assert site.description == "old"
    assert replace(site, attributes=(("desc", "new"), *site.attributes)).description == "new"
    assert a_site(1).description == ""


def test_server_tells_its_address() -> None:
    """A server gives its address in a form that people and sockets know."""
    assert Server(1, bytes(12) + b"\x7f\0\0\1", b"", ()).ip == ipaddress.ip_address("127.0.0.1")
    assert Server(1, bytes(16), b"", ()).ip is None
