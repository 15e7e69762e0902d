"""Sites and keys as JSON."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.errors import MessageFormatError
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.site import Interface, Server, Site
from resolver.protocol.json_sites import (
    address_text,
    key_from_json,
    key_to_json,
    site_from_json,
    site_to_json,
)
from resolver.protocol.sites import decode_site, encode_site
from tests.strategies import addresses, any_json, damaged_json, json_sites, public_keys, sites
from tests.vectors import Vector, params, table, vector, vectors
from tests.vectors.expected import expected_key, expected_site

SITES = [found for found in vectors("data") if found.notes["type"] == "HS_SITE"]
KEYS = [found for found in vectors("data") if found.notes["type"] == "HS_PUBKEY"]

SITE_JSON = json.loads(vector("data", "data-hs-site-two-servers").facts["json"])
KEY_JSON = json.loads(vector("data", "data-hs-pubkey-rsa").facts["json"])["value"]


def in_order(shown: Any) -> str:
    """Return JSON as text, so that the order of its members counts."""
    return json.dumps(shown, indent=1)


def site_json(**changes: Any) -> dict[str, Any]:
    return {**SITE_JSON, **changes}


def server_json(**changes: Any) -> dict[str, Any]:
    return site_json(servers=[{**SITE_JSON["servers"][0], **changes}])


def interface_json(**changes: Any) -> dict[str, Any]:
    return server_json(
        interfaces=[{"query": True, "admin": False, "protocol": "TCP", "port": 2641, **changes}]
    )


# --- vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", params(SITES))
def test_site_vectors_both_ways(found: Vector) -> None:
    """A site is shown as the deployed API shows it, in the same order, and read back as it was."""
    shown = json.loads(found.facts["json"])
    assert in_order(site_to_json(decode_site(found.octets))) == in_order(shown)
    assert site_from_json(shown) == expected_site(found.facts)


@pytest.mark.parametrize("found", params(KEYS))
def test_key_vectors_both_ways(found: Vector) -> None:
    """A key is shown as the deployed API shows it, in the same order, and read back as it was."""
    shown = json.loads(found.facts["json"])["value"]
    key = expected_key(found.facts)
    assert in_order(key_to_json(key)) == in_order(shown)
    assert key_from_json(shown) == key


@pytest.mark.parametrize("case", table("address_text")["addresses"], ids=lambda case: case["text"])
def test_address_vectors(case: dict[str, Any]) -> None:
    """Addresses are printed as deployed software prints them, where it differs from custom too."""
    assert address_text(bytes.fromhex(case["octets"])) == case["text"]


@pytest.mark.parametrize("found", params(SITES))
def test_addresses_of_site_vectors(found: Vector) -> None:
    """The address of each server is printed as an independent reader printed it."""
    told = [address_text(server.address) for server in decode_site(found.octets).servers]
    assert told == [server["address_text"] for server in found.facts["servers"]]


# --- properties ------------------------------------------------------------------------------------------


@given(json_sites)
def test_site_round_trip(site: Site) -> None:
    """A site that JSON can express is the same after it was one."""
    assert site_from_json(json.loads(json.dumps(site_to_json(site)))) == site


@given(sites)
def test_every_site_can_be_shown(site: Site) -> None:
    """Whatever a site record holds, the API can show it."""
    assert len(json.loads(json.dumps(site_to_json(site)))["servers"]) == len(site.servers)


@given(public_keys)
def test_key_round_trip(key: PublicKey) -> None:
    """A key that has a JSON form is the same after it was one."""
    shown = key_to_json(key)
    assert (shown is None) is isinstance(key, DhPublicKey)
    assert shown is None or key_from_json(shown) == key


@given(addresses)
def test_address_can_be_read_back(octets: bytes) -> None:
    """Whatever is printed for an address is that address to everybody who reads it."""
    shown = server_json(address=address_text(octets))
    assert site_from_json(shown).servers[0].address == octets


@given(st.one_of(any_json, damaged_json(SITE_JSON)))
def test_garbage_for_sites_never_escapes(shown: Any) -> None:
    """Any JSON is a site that can be written to the wire, or raises MessageFormatError."""
    try:
        site = site_from_json(shown)
    except MessageFormatError:
        return
    assert decode_site(encode_site(site)) == site


@given(st.one_of(any_json, damaged_json(KEY_JSON)))
def test_garbage_for_keys_never_escapes(shown: Any) -> None:
    """Any JSON is a key or raises MessageFormatError."""
    with contextlib.suppress(MessageFormatError):
        key_from_json(shown)


# --- sites that people and other software wrote ----------------------------------------------------------

SMALL = {
    "servers": [{"address": "192.0.2.1", "interfaces": [{"query": True, "protocol": "tcp", "port": 2641}]}]
}


def test_little_is_enough() -> None:
    """A site written by hand needs an address and an interface; the rest has the usual defaults."""
    assert site_from_json(SMALL) == Site(
        format_version=1,
        protocol_version=(2, 10),
        serial_number=1,
        primary=False,
        multi_primary=False,
        hash_option=2,
        hash_filter="",
        attributes=(),
        servers=(Server(1, bytes(12) + b"\xc0\0\2\1", b"", (Interface(2, 1, 2641),)),),
    )


def test_old_files_are_read() -> None:
    """Names with a capital and the old names of the lists, as in files from before version 8, are understood."""
    old = {
        "ProtocolVersion": "2.1",
        "ServerList": [
            {
                "ServerId": 3,
                "Address": "2001:db8::1",
                "PublicKey": "00000001ff",
                "InterfaceList": [{"Query": True, "Admin": True, "Protocol": "UDP", "Port": 2641}],
            }
        ],
    }
    site = site_from_json(old)
    assert site.protocol_version == (2, 1)
    (server,) = site.servers
    assert (server.server_id, server.public_key) == (3, b"\0\0\0\1\xff")
    assert server.interfaces == (Interface(3, 0, 2641),)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (None, ()),
        ([], ()),
        ({}, ()),
        ([{"name": "desc", "value": "x"}, {"name": "desc"}], (("desc", "x"), ("desc", ""))),
        (
            {"desc": "x", "alt_addr": ["192.0.2.1", "192.0.2.2"]},
            (("desc", "x"), ("alt_addr", "192.0.2.1"), ("alt_addr", "192.0.2.2")),
        ),
    ],
    ids=["none", "empty list", "empty object", "list", "object"],
)
def test_attributes_have_two_forms(attributes: Any, expected: tuple[tuple[str, str], ...]) -> None:
    """Attributes may be a list of names and values, or an object whose values may be lists."""
    assert site_from_json(site_json(attributes=attributes)).attributes == expected


@pytest.mark.parametrize(
    "form",
    [
        {"format": "key", "value": KEY_JSON},
        KEY_JSON,
        vector("data", "data-hs-pubkey-rsa").octets.hex(),
        {"format": "hex", "value": vector("data", "data-hs-pubkey-rsa").octets.hex()},
    ],
    ids=["data object", "JWK", "plain hex", "hex object"],
)
def test_keys_of_servers_have_several_forms(form: Any) -> None:
    """The key of a server is the same in whichever form a file gives it."""
    (server,) = site_from_json(server_json(publicKey=form)).servers
    assert server.public_key == vector("data", "data-hs-pubkey-rsa").octets


@pytest.mark.parametrize("key", [b"", b"\0\0\0\1\xff", b"no key"])
def test_unreadable_keys_are_shown_as_they_are(key: bytes) -> None:
    """A key that we cannot read is shown as base64, and read back without loss."""
    site = expected_site(vector("data", "data-hs-site-ipv4").facts)
    site = replace(site, servers=(replace(site.servers[0], public_key=key),))
    shown = site_to_json(site)
    assert shown["servers"][0]["publicKey"]["format"] == "base64"
    assert site_from_json(shown) == site


@pytest.mark.parametrize("protocol", [4, 255])
def test_transports_of_the_future_are_numbers(protocol: int) -> None:
    """An interface of a kind that we do not know is shown and read as its number."""
    site = site_from_json(interface_json(protocol=protocol))
    assert site.servers[0].interfaces[0].transport == protocol
    assert site_to_json(site)["servers"][0]["interfaces"][0]["protocol"] == protocol


BAD_SITES: dict[str, Any] = {
    "a list": [],
    "nothing": None,
    "text": "site",
    "no servers": {},
    "servers an object": site_json(servers={}),
    "server a number": site_json(servers=[1]),
    "server without address": site_json(servers=[{}]),
    "version in words": site_json(protocolVersion="two"),
    "version a float": site_json(protocolVersion=2.1),
    "version negative": site_json(protocolVersion="-1.0"),
    "version without minor": site_json(protocolVersion="2"),
    "version above an octet": site_json(protocolVersion="256.0"),
    "version of thousands of digits": site_json(protocolVersion="9" * 5000 + ".1"),
    "format above two octets": site_json(version=65536),
    "serial above two octets": site_json(serialNumber=65536),
    "serial negative": site_json(serialNumber=-1),
    "serial as text": site_json(serialNumber="1"),
    "serial true": site_json(serialNumber=True),
    "serial a float": site_json(serialNumber=1.0),
    "hash option above an octet": site_json(hashOption=256),
    "primary in words": site_json(primarySite="yes"),
    "hash filter a number": site_json(hashFilter=1),
    "attributes as text": site_json(attributes="desc"),
    "attribute without name": site_json(attributes=[{"value": "x"}]),
    "attribute a list": site_json(attributes=[[]]),
    "address a host": server_json(address="example.org"),
    "address out of range": server_json(address="192.0.2.256"),
    "address null": server_json(address=None),
    "server id above four octets": server_json(serverId=2**32),
    "key no hex": server_json(publicKey="zz"),
    "key no base64": server_json(publicKey={"format": "base64", "value": "!"}),
    "key without numbers": server_json(publicKey={"format": "key", "value": {}}),
    "key of another format": server_json(publicKey={"format": "other", "value": ""}),
    "key a number": server_json(publicKey=1),
    "no interfaces": server_json(interfaces=None),
    "unknown protocol": interface_json(protocol="QUIC"),
    "protocol above an octet": interface_json(protocol=256),
    "protocol negative": interface_json(protocol=-1),
    "protocol null": interface_json(protocol=None),
    "protocol true": interface_json(protocol=True),
    "port 0": interface_json(port=0),
    "port above two octets": interface_json(port=65536),
    "port as text": interface_json(port="2641"),
    "query a number": interface_json(query=1),
}


@pytest.mark.parametrize("shown", BAD_SITES.values(), ids=BAD_SITES)
def test_bad_sites_are_refused(shown: Any) -> None:
    """A site with a member missing, of the wrong kind, or too large for a site record is refused."""
    with pytest.raises(MessageFormatError):
        site_from_json(shown)


def test_refusal_names_the_member() -> None:
    """An operator is told which member of which object to correct."""
    with pytest.raises(MessageFormatError, match=r"interface: port .*70000"):
        site_from_json(interface_json(port=70000))
    with pytest.raises(MessageFormatError, match=r"server: address"):
        site_from_json(server_json(address=None))


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "AQAB",
        {},
        {"kty": "EC"},
        {"kty": ["RSA"]},
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": 65537},
        {"kty": "RSA", "n": "é", "e": "AQAB"},
        {"kty": "RSA", "n": "!!!!", "e": "AQAB"},
        {"kty": "RSA", "n": "A", "e": "AQAB"},
        {"kty": "DSA", "y": "AQAB", "p": "AQAB", "q": "AQAB"},
    ],
    ids=lambda shown: json.dumps(shown)[:40],
)
def test_bad_keys_are_refused(shown: Any) -> None:
    """A key with a number missing, or one that is no base64url, is refused and not read as another key."""
    with pytest.raises(MessageFormatError):
        key_from_json(shown)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (RsaPublicKey(exponent=65537, modulus=0), {"kty": "RSA", "n": "AA", "e": "AQAB"}),
        (DsaPublicKey(q=1, p=255, g=256, y=0), {"kty": "DSA", "y": "AA", "p": "_w", "q": "AQ", "g": "AQA"}),
    ],
    ids=["RSA", "DSA"],
)
def test_numbers_of_keys_are_short(key: PublicKey, shown: dict[str, str]) -> None:
    """Numbers are written without sign, leading zeros or padding, as in every JWK."""
    assert key_to_json(key) == shown
    assert key_from_json(shown) == key
