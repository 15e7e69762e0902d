"""Where resolution begins: the data the package ships, and the files operators bring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from resolver.errors import SettingsError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE
from resolver.model.keys import RsaPublicKey
from resolver.model.record import HandleValue
from resolver.model.site import Transport
from resolver.protocol.keys import encode_public_key
from resolver.resolution import bootstrap
from resolver.resolution.bootstrap import (
    Registry,
    load_bootstrap_file,
    load_shipped_registry,
    registry_from_records,
)
from tests.fakes import record_of, service_value, site_at, site_value, text_value

SITE, OTHER_SITE = site_at("192.0.2.1"), site_at("192.0.2.2")
KEY = RsaPublicKey(65537, 2**2047 + 1)


# --- the shipped data ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_shipped_registry()


def test_shipped_sites(shipped: Registry) -> None:
    """The registry as of 2019 has sixteen sites, in the order in which its record leads to them."""
    assert [(str(site.servers[0].ip), site.primary) for site in shipped.sites] == [
        ("38.100.138.131", True),
        ("132.151.1.179", False),
        ("134.76.10.100", False),
        ("38.100.138.153", True),
        ("41.231.118.2", True),
        ("86.111.195.107", True),
        ("196.12.152.22", True),
        ("212.193.120.1", True),
        ("134.76.30.197", True),
        ("119.90.34.34", True),
        ("47.90.103.77", False),
        ("124.193.169.170", False),
        ("156.106.193.155", True),
        ("38.100.138.153", True),
        ("86.111.195.107", True),
        ("196.12.152.22", True),
    ]


def test_shipped_sites_can_be_asked(shipped: Registry) -> None:
    """Every site has one server with a key, which answers queries by UDP and TCP on the port of the protocol."""
    for site in shipped.sites:
        (server,) = site.servers
        assert site.protocol_version == (2, 10)
        assert server.public_key
        for transport in (Transport.UDP, Transport.TCP):
            interface = server.query_interface(transport)
            assert interface is not None
            assert interface.port == 2641


def test_shipped_details(shipped: Registry) -> None:
    """Serial number, description and alternative addresses came along; a site that was switched off did not."""
    first = shipped.sites[0]
    assert (first.serial_number, first.multi_primary, first.description) == (15, True, "CNRI")
    assert first.attribute("alt_addr") == "2001:550:100:6::4"
    assert shipped.sites[7].attribute("alt_addr.1") == "2a09:bd00:ffc9:1:100:0:0:0"
    assert "218.241.99.150" not in {str(server.ip) for site in shipped.sites for server in site.servers}


def test_shipped_root_of_trust(shipped: Registry) -> None:
    """The one key that every chain of trust ends in is the published one of 4096 bits."""
    (key,) = shipped.trust_keys
    assert isinstance(key, RsaPublicKey)
    assert key.bits == 4096
    public = RSAPublicNumbers(key.exponent, key.modulus).public_key()
    digest = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    assert digest.startswith("6e3267bf5ff24b7c")


def test_shipped_records(shipped: Registry) -> None:
    """The records it was built from are there: the root, the trust root, and nine service handles."""
    assert shipped.namespace is None
    assert {ROOT_HANDLE, TRUST_ROOT_HANDLE} <= set(shipped.records)
    services = [handle for handle in shipped.records if handle.startswith("0.GHR/")]
    assert len(services) == 9
    root = shipped.records[ROOT_HANDLE]
    assert [value.data.decode() for value in root.of_type("HS_SERV")] == [
        f"0.GHR/{number}" for number in (20, 21, 86, 11, 10, 44, 22, 25, 77)
    ]


# --- from records ----------------------------------------------------------------------------------------


def test_from_records() -> None:
    """Sites come from the root record and its service handles, keys from the trust root, the rest from both."""
    namespace = text_value(5, "HS_NAMESPACE", "<namespace><contact>a@example.org</contact></namespace>")
    registry = registry_from_records(
        [
            record_of("0.na/0.na", site_value(SITE), service_value("0.GHR/1"), namespace),
            record_of("0.GHR/1", site_value(OTHER_SITE), site_value(SITE, 11)),
            record_of("0.0/0.0", HandleValue(301, "HS_PUBKEY", encode_public_key(KEY))),
        ]
    )
    assert registry.sites == (SITE, OTHER_SITE)
    assert registry.trust_keys == (KEY,)
    assert registry.namespace is not None
    assert registry.namespace.contact == "a@example.org"
    assert set(registry.records) == {"0.NA/0.NA", "0.GHR/1", "0.0/0.0"}


def test_service_handle_that_is_not_among_the_data() -> None:
    """A service handle whose record did not come along is left out."""
    root = record_of(ROOT_HANDLE, service_value("0.GHR/1", 1), site_value(SITE), service_value("0.GHR/2", 2))
    assert registry_from_records([root, record_of("0.GHR/2", site_value(OTHER_SITE))]).sites == (
        SITE,
        OTHER_SITE,
    )


def test_circle_in_the_root_record() -> None:
    """Service handles that lead back to the root lead nowhere new."""
    root = record_of(
        ROOT_HANDLE, service_value("0.NA/0.NA", 1), service_value("0.GHR/1", 2), site_value(SITE)
    )
    assert registry_from_records([root, record_of("0.GHR/1", service_value(ROOT_HANDLE))]).sites == (SITE,)


def test_keys_that_cannot_be_read() -> None:
    """A key of a kind from the future does not hide the others; without a trust root there are none."""
    root = record_of(ROOT_HANDLE, site_value(SITE))
    unreadable = HandleValue(300, "HS_PUBKEY", b"\0\0\0\3EC\0")
    keys = record_of(TRUST_ROOT_HANDLE, unreadable, HandleValue(301, "HS_PUBKEY", encode_public_key(KEY)))
    assert registry_from_records([root, keys]).trust_keys == (KEY,)
    assert registry_from_records([root]).trust_keys == ()


def test_no_root_record() -> None:
    """Without the root record there is no beginning."""
    with pytest.raises(SettingsError, match=r"no record 0\.NA/0\.NA"):
        registry_from_records([record_of("0.GHR/1", site_value(SITE))])


def test_no_site() -> None:
    """A root record that names no site is none either."""
    with pytest.raises(SettingsError, match="names no site"):
        registry_from_records([record_of(ROOT_HANDLE, service_value("0.GHR/1"))])


# --- a file of Handle.Net clients ------------------------------------------------------------------------

Json = Any


def site_shown(**changes: Json) -> Json:
    """Return a site as such files show it."""
    return {
        "version": 1,
        "protocolVersion": "2.10",
        "serialNumber": 1,
        "primarySite": True,
        "multiPrimary": False,
        "attributes": [{"name": "desc", "value": "a test"}],
        "servers": [
            {
                "serverId": 1,
                "address": "192.0.2.1",
                "publicKey": {"format": "base64", "value": ""},
                "interfaces": [{"query": True, "admin": False, "protocol": "UDP", "port": 2641}],
            }
        ],
        **changes,
    }


def file_shown(site: Json = None, **members: Json) -> Json:
    """Return the content of a file with one site."""
    value = {
        "index": 1,
        "type": "HS_SITE",
        "data": {"format": "site", "value": site or site_shown()},
        "ttl": 86400,
    }
    return {"lastUpdate": 0, "handles": {"0.NA/0.NA": {"handle": "0.NA/0.NA", "values": [value]}}, **members}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Json | bytes], Path]:
    """Write a file that an operator might bring."""

    def _write(content: Json | bytes) -> Path:
        path = tmp_path / "bootstrap_handles"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return _write


def test_file(write: Callable[[Json], Path]) -> None:
    """A file as Handle.Net clients keep it is read; the case of its handles does not matter."""
    registry = load_bootstrap_file(write(file_shown()))
    (site,) = registry.sites
    assert (str(site.servers[0].ip), site.description, site.primary) == ("192.0.2.1", "a test", True)
    assert registry.trust_keys == ()


def test_file_with_a_list(write: Callable[[Json], Path]) -> None:
    """Records may also stand in a list."""
    handles = list(file_shown()["handles"].values())
    assert len(load_bootstrap_file(write({"handles": handles})).sites) == 1


def test_file_with_a_trust_root(write: Callable[[Json], Path]) -> None:
    """Keys of the trust root may be JWK."""
    content = file_shown()
    key = {"kty": "RSA", "n": "gAAB", "e": "AQAB"}
    content["handles"]["0.0/0.0"] = {
        "handle": "0.0/0.0",
        "values": [{"index": 301, "type": "HS_PUBKEY", "data": {"format": "key", "value": key}}],
    }
    assert load_bootstrap_file(write(content)).trust_keys == (RsaPublicKey(65537, 0x800001),)


def with_site(**changes: Json) -> Json:
    """Return a file whose site differs."""
    return file_shown(site_shown(**changes))


def with_server(**changes: Json) -> Json:
    """Return a file whose server differs."""
    return with_site(servers=[{**site_shown()["servers"][0], **changes}])


def with_interface(**changes: Json) -> Json:
    """Return a file whose interface differs."""
    interface = {**site_shown()["servers"][0]["interfaces"][0], **changes}
    return with_server(interfaces=[interface])


BAD_FILES: dict[str, tuple[Json | bytes, str]] = {
    "empty": (b"", "no JSON"),
    "not JSON": (b"<handles/>", "no JSON"),
    "cut short": (json.dumps(file_shown()).encode()[:-1], "no JSON"),
    "not UTF-8": (b'{"handles": "\xff"}', "no JSON"),
    "nested too deep": (b"[" * 100_000, "no JSON"),
    "a list": ([], 'no member "handles"'),
    "a number": (7, 'no member "handles"'),
    "no handles": ({"lastUpdate": 0}, 'no member "handles"'),
    "handles are text": ({"handles": "0.NA/0.NA"}, 'no member "handles"'),
    "no records": ({"handles": {}}, "no record 0.NA/0.NA"),
    "record is text": ({"handles": {"0.NA/0.NA": "x"}}, "a record must be an object"),
    "record without values": (
        {"handles": {"0.NA/0.NA": {"handle": "0.NA/0.NA"}}},
        "a record must be an object",
    ),
    "no site": ({"handles": [{"handle": "0.NA/0.NA", "values": []}]}, "names no site"),
    "value is text": ({"handles": [{"handle": "0.NA/0.NA", "values": ["x"]}]}, "a value must be an object"),
    "value without type": ({"handles": [{"handle": "0.NA/0.NA", "values": [{"index": 1}]}]}, "text as type"),
    "site is text": (file_shown("x"), "a site must be an object"),
    "protocol version": (with_site(protocolVersion="two"), "protocolVersion"),
    "huge protocol version": (with_site(protocolVersion="300.1"), "value 1"),
    "huge version": (with_site(version=70_000), "value 1"),
    "huge serial number": (with_site(serialNumber=70_000), "value 1"),
    "negative serial number": (with_site(serialNumber=-1), "serialNumber"),
    "huge hash option": (with_site(hashOption=300), "value 1"),
    "primary is text": (with_site(primarySite="yes"), "primarySite"),
    "attributes are a number": (with_site(attributes=7), "attributes"),
    "no servers": (with_site(servers=None), "servers"),
    "server is text": (with_site(servers=["x"]), "a server must be an object"),
    "address is a name": (with_server(address="hdl.example.org"), "no IP address"),
    "no address": (with_server(address=None), "address"),
    "key is nonsense": (with_server(publicKey="xyz"), "publicKey"),
    "key of an unknown kind": (with_server(publicKey={"kty": "EC"}), "kty|key type"),
    "interfaces are text": (with_server(interfaces="udp"), "interfaces"),
    "protocol is unknown": (with_interface(protocol="QUIC"), "QUIC"),
    "port is text": (with_interface(port="2641"), "port"),
    "port 0": (with_interface(port=0), "port 0"),
    "port 65536": (with_interface(port=65536), "port 65536"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(name: str, write: Callable[[Json | bytes], Path]) -> None:
    """A file that cannot be used stops the start, with an error that names the file and what is wrong in it."""
    content, told = BAD_FILES[name]
    path = write(content)
    with pytest.raises(SettingsError, match=told) as refused:
        load_bootstrap_file(path)
    assert str(path) in str(refused.value)


def test_missing_file(tmp_path: Path) -> None:
    """So does one that is not there."""
    with pytest.raises(SettingsError, match="No such file"):
        load_bootstrap_file(tmp_path / "nowhere")


def test_folder(tmp_path: Path) -> None:
    """So does a folder."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load_bootstrap_file(tmp_path)


def test_huge_file(write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """So does a file larger than anything sensible, before it is read."""
    monkeypatch.setattr(bootstrap, "MAX_FILE_OCTETS", 100)
    with pytest.raises(SettingsError, match="larger than 100 octets"):
        load_bootstrap_file(write(b" " * 101))
