"""What reverse proxies say about a request, and who is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from resolver.config import Network
from resolver.web.clients import Origin, read_origin

NETWORKS: tuple[Network, ...] = (
    ip_network("10.0.0.0/8"),
    ip_network("127.0.0.1/32"),
    ip_network("2001:db8:1::/48"),
    ip_network("fd00::/8"),
)
TRUSTED = ["10.0.0.1", "10.255.255.255", "127.0.0.1", "2001:db8:1::1", "2001:DB8:1:0:0:0:0:2", "fd12::1"]
UNTRUSTED = [
    *("11.0.0.1", "9.255.255.255", "127.0.0.2", "192.0.2.1", "2001:db8:2::1", "::1", "fe80::1"),
    *(
        "",
        "unknown",
        "10.0.0",
        "10.0.0.1:443",
        "[2001:db8:1::1]",
        "10.0.0.0/8",
        "localhost",
        "0x0a000001",
        "10.0.0.1 ",
    ),
]

DIRECT = Origin("http", "seen.example:8000")

# Headers besides Host, and how the visitor reached us if they are believed.
SPOOFS: list[tuple[dict[str, str], Origin]] = [
    ({}, DIRECT),
    ({"X-Forwarded-Proto": "https"}, Origin("https", "seen.example:8000")),
    ({"X-Forwarded-Proto": "HTTPS"}, Origin("https", "seen.example:8000")),
    ({"X-Forwarded-Proto": " https "}, Origin("https", "seen.example:8000")),
    ({"X-Forwarded-Proto": "http"}, DIRECT),
    ({"X-Forwarded-Proto": "javascript"}, DIRECT),
    ({"X-Forwarded-Proto": "https://evil.example/"}, DIRECT),
    ({"X-Forwarded-Proto": ""}, DIRECT),
    ({"X-Forwarded-Proto": ","}, DIRECT),
    ({"X-Forwarded-Proto": "http, https"}, Origin("https", "seen.example:8000")),
    ({"X-Forwarded-Proto": "https,http"}, DIRECT),
    ({"X-Forwarded-Proto": "https,"}, DIRECT),
    ({"X-Forwarded-Host": "hdl.example.org"}, Origin("http", "hdl.example.org")),
    ({"X-Forwarded-Host": " hdl.example.org "}, Origin("http", "hdl.example.org")),
    ({"X-Forwarded-Host": "evil.example, hdl.example.org"}, Origin("http", "hdl.example.org")),
    ({"X-Forwarded-Host": "[2001:db8::1]:8443"}, Origin("http", "[2001:db8::1]:8443")),
    ({"X-Forwarded-Host": ""}, DIRECT),
    ({"X-Forwarded-Host": ","}, DIRECT),
    (
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hdl.example.org"},
        Origin("https", "hdl.example.org"),
    ),
    ({"X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1"}, DIRECT),
    ({"X-Forwarded-Scheme": "https", "X-Original-Host": "evil.example", "X-Host": "evil.example"}, DIRECT),
    ({"X-Forwarded-Port": "443", "X-Forwarded-Ssl": "on", "Front-End-Https": "on"}, DIRECT),
]


def origin(
    peer: str | None, headers: dict[str, str] | CIMultiDict[str], trusted: tuple[Network, ...] = NETWORKS
) -> Origin:
    """Return the origin of a request for ``http://seen.example:8000``."""
    return read_origin(peer, "http", CIMultiDict({"Host": "seen.example:8000"}, **headers), trusted)


@pytest.mark.parametrize(("headers", "believed"), SPOOFS)
@pytest.mark.parametrize("peer", TRUSTED)
def test_trusted_proxy_is_believed(peer: str, headers: dict[str, str], believed: Origin) -> None:
    """From a trusted network, scheme and host are what the nearest proxy says; nonsense changes nothing."""
    assert origin(peer, headers) == believed


@pytest.mark.parametrize(("headers", "_"), SPOOFS)
@pytest.mark.parametrize("peer", [None, *UNTRUSTED])
def test_nobody_else_is_believed(peer: str | None, headers: dict[str, str], _: Origin) -> None:
    """From anywhere else, or from no address at all, the headers do not count."""
    assert origin(peer, headers) == DIRECT


@pytest.mark.parametrize("peer", [None, *TRUSTED, *UNTRUSTED])
def test_without_trusted_networks_nobody_is_believed(peer: str | None) -> None:
    """An operator who names no proxies believes none."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    assert origin(peer, headers, ()) == DIRECT


def test_everybody_may_be_trusted() -> None:
    """An operator may trust all addresses of one family, which says nothing about the other."""
    headers = {"X-Forwarded-Host": "hdl.example.org"}
    everybody = (ip_network("0.0.0.0/0"),)
    assert origin("192.0.2.1", headers, everybody).host == "hdl.example.org"
    assert origin("2001:db8::1", headers, everybody) == DIRECT


@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "::FFFF:127.0.0.1", "::ffff:a00:1"])
def test_ipv4_proxy_on_a_dual_listener_is_believed(peer: str) -> None:
    """With ``--host ::`` a proxy in 10.0.0.0/8 shows as ::ffff:10.0.0.1, and is the same proxy."""
    assert origin(peer, {"X-Forwarded-Proto": "https"}).scheme == "https"


def test_mapped_stranger_is_not_believed() -> None:
    """The same notation makes nobody a proxy who is none."""
    assert origin("::ffff:192.0.2.1", {"X-Forwarded-Proto": "https"}) == DIRECT


def test_last_line_of_a_repeated_header_counts() -> None:
    """A proxy that adds a line instead of replacing one is believed, not the visitor whose line came before."""
    headers = CIMultiDict(
        [
            ("Host", "seen.example:8000"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "hdl.example.org"),
        ]
    )
    assert read_origin("10.0.0.1", "http", headers, NETWORKS) == Origin("https", "hdl.example.org")


@pytest.mark.parametrize(
    ("header", "believed"),
    [
        ("proto=https;host=hdl.example.org", Origin("https", "hdl.example.org")),
        (
            'for="[2001:db8::1]:4711";Proto=https; Host="hdl.example.org:8443"',
            Origin("https", "hdl.example.org:8443"),
        ),
        ("for=192.0.2.1;host=evil.example, for=10.0.0.2;proto=https", Origin("https", "seen.example:8000")),
        ("nonsense", DIRECT),
    ],
)
def test_standard_header_is_believed_too(header: str, believed: Origin) -> None:
    """``Forwarded`` (RFC 7239) counts like its unregistered kin, as the contract promises."""
    assert origin("10.0.0.1", {"Forwarded": header}) == believed
    assert origin("192.0.2.1", {"Forwarded": header}) == DIRECT


def test_request_without_host_has_none() -> None:
    """HTTP/1.0 knows no Host; nothing is made up."""
    assert read_origin("192.0.2.1", "https", CIMultiDict(), NETWORKS) == Origin("https", None)
    believed = read_origin("10.0.0.1", "http", CIMultiDict({"X-Forwarded-Host": "a.example"}), NETWORKS)
    assert believed == Origin("http", "a.example")
