"""Which addresses may be contacted: a table, since every line of it was somebody's hole once."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.errors import AddressRefusedError
from resolver.transport.address_policy import AddressPolicy

PUBLIC = AddressPolicy()
PRIVATE_TOO = AddressPolicy(allow_private=True)
PORT = 2641

PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "38.100.138.131",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:550:100:6::4",
    "2600::1",
    "2a09:bd00:ffc9:1:100::",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]

PRIVATE_ADDRESSES = [
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",  # metadata of most clouds
    "169.254.170.2",  # credentials of containers
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.9",
    "192.0.0.192",  # metadata of one cloud
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "100.100.100.200",  # metadata of another cloud
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::10.0.0.1",
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:192.168.1.1",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::127.0.0.1",  # NAT64
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff::8.8.8.8",
    "100::1",
    "2001::1",  # Teredo
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4
    "2002:a00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "::1:0:0",  # assigned to nobody
    "200::1",
    "4000::1",
    "8000::1",
    "fbff::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata over IPv6
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fe80::1%1",
]

NEVER = [
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:0.0.0.0",
    "::ffff:224.0.0.1",
    "::ffff:255.255.255.255",
    "64:ff9b::224.0.0.1",
    "2002:e000:1::",
    "ff00::1",
    "ff02::1",
    "ff0e::1",
]

REFUSED_NETWORKS = [
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
]


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public(address: str) -> None:
    """Addresses of the internet may be asked, up to the very edge of each refused range."""
    PUBLIC.check(ip_address(address), PORT)
    PRIVATE_TOO.check(ip_address(address), PORT)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_private(address: str) -> None:
    """Addresses that lead anywhere else are refused, wrapped or not, unless the operator allows them."""
    with pytest.raises(AddressRefusedError, match="not a public address"):
        PUBLIC.check(ip_address(address), PORT)
    PRIVATE_TOO.check(ip_address(address), PORT)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("policy", [PUBLIC, PRIVATE_TOO])
def test_no_single_server(address: str, policy: AddressPolicy) -> None:
    """Multicast, broadcast and the unspecified address are refused whatever the operator allows."""
    with pytest.raises(AddressRefusedError):
        policy.check(ip_address(address), PORT)


@given(
    st.sampled_from(REFUSED_NETWORKS).flatmap(lambda network: st.ip_addresses(v=4, network=network)),
    st.integers(0, 2**80 - 1),
)
def test_every_wrapping(inner: IPv4Address, rest: int) -> None:
    """A refused IPv4 address stays refused in each way to write it as IPv6."""
    number = int(inner)
    wrapped = [
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80 | rest,
    ]
    for each in wrapped:
        with pytest.raises(AddressRefusedError):
            PUBLIC.check(IPv6Address(each), PORT)


@pytest.mark.parametrize("port", [80, 443, 1024, 2641, 8000, 8080, 65535])
def test_ports_of_handle_servers(port: int) -> None:
    """Ports on which handle servers are found, and any other that nobody else claims, may be asked."""
    PUBLIC.check(ip_address("8.8.8.8"), port)


LOW_PORTS = [0, 1, 22, 25, 53, 79, 81, 123, 389, 442, 444, 445, 1023]
BROWSERS_REFUSE = [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080]
CHAT = [6665, 6666, 6667, 6668, 6669]
DATABASES_AND_CONTROL = [2375, 2376, 3306, 5432, 6379, 6443, 9200, 9300, 10250, 11211, 27017]


@pytest.mark.parametrize("port", LOW_PORTS + BROWSERS_REFUSE + CHAT + DATABASES_AND_CONTROL)
@pytest.mark.parametrize("policy", [PUBLIC, PRIVATE_TOO])
def test_ports_of_others(port: int, policy: AddressPolicy) -> None:
    """Ports of mail, databases, caches and their like are refused, even where private addresses are allowed."""
    with pytest.raises(AddressRefusedError, match=f"port {port} "):
        policy.check(ip_address("8.8.8.8"), port)


@pytest.mark.parametrize("port", [65536, 70_000, 2**31, 2**32 - 1])
def test_ports_that_do_not_exist(port: int) -> None:
    """A site record has room for ports that there are none of: refused here, since sockets raise other errors."""
    with pytest.raises(AddressRefusedError):
        PUBLIC.check(ip_address("8.8.8.8"), port)


def test_default_is_strict() -> None:
    """Nobody has to ask for safety."""
    with pytest.raises(AddressRefusedError):
        AddressPolicy().check(ip_address("127.0.0.1"), PORT)


def wrapped(address: IPv4Address) -> list[IPv6Address]:
    """Return each IPv6 address that leads to an IPv4 address: compatible, mapped, translated, NAT64, 6to4."""
    number = int(address)
    prefixes = [0, 0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96]
    return [*(IPv6Address(prefix | number) for prefix in prefixes), IPv6Address(0x2002 << 112 | number << 80)]


def verdict(policy: AddressPolicy, address: IPv4Address | IPv6Address, port: int = PORT) -> bool:
    """Return whether an address may be asked."""
    try:
        policy.check(address, port)
    except AddressRefusedError:
        return False
    return True


@given(st.ip_addresses(v=4))
def test_wrapping_changes_nothing(address: IPv4Address) -> None:
    """Any IPv4 address may be asked in IPv6 exactly if it may be asked as it is."""
    # These two are refused as what they are in IPv6: the unspecified address, and loopback.
    ways = [way for way in wrapped(address) if int(way) > 1]
    assert {verdict(PUBLIC, way) for way in ways} == {verdict(PUBLIC, address)}


@given(st.ip_addresses(v=4))
def test_never_is_never(address: IPv4Address) -> None:
    """What is no single server is refused in every wrapping, though the operator allows private addresses."""
    refused = address.is_multicast or int(address) >= 0xF000_0000
    assert {verdict(PRIVATE_TOO, way) for way in [address, *wrapped(address)] if int(way) > 1} == {
        not refused and int(address) != 0
    }


@given(st.ip_addresses(), st.integers(-10, 2**33))
def test_allowing_more_refuses_nothing(address: IPv4Address | IPv6Address, port: int) -> None:
    """Whatever may be asked by default may be asked where private addresses are allowed, for any address and port."""
    if verdict(PUBLIC, address, port):
        assert verdict(PRIVATE_TOO, address, port)


@given(st.ip_addresses(), st.integers(-10, 2**33), st.booleans())
def test_asking_and_checking_agree(
    address: IPv4Address | IPv6Address, port: int, allow_private: bool
) -> None:
    """Whoever only asks whether an address is allowed hears what whoever insists would."""
    policy = AddressPolicy(allow_private)
    assert policy.allows(address, port) is verdict(policy, address, port)


@given(st.ip_addresses())
@example(IPv6Address("2002:100::"))  # 1.0.0.0, which may be asked
@example(IPv6Address("2002:a00:1::"))  # 10.0.0.1, which may not
def test_stricter_than_python(address: IPv4Address | IPv6Address) -> None:
    """Nothing that Python takes for private, loopback, link-local or multicast may be asked.

    Some versions of Python call all of 6to4 private; by ours it is what lies within that counts.
    """
    within = (address.sixtofour if isinstance(address, IPv6Address) else None) or address
    suspicious = (
        within.is_private
        or within.is_loopback
        or within.is_link_local
        or within.is_multicast
        or within.is_unspecified
        or within.is_reserved
    )
    nat64 = address.version == 6 and int(address) >> 32 == 0x64FF9B << 64
    if (
        suspicious
        and not nat64
        and not (address.version == 6 and int(address) >> 32 in (0, 0xFFFF, 0xFFFF0000))
    ):
        assert not verdict(PUBLIC, address)


def test_verdicts_of_policies_do_not_mix() -> None:
    """What is remembered of one policy is not what another one says."""
    address = ip_address("127.0.0.1")
    for _ in range(2):
        assert [verdict(policy, address) for policy in (PUBLIC, PRIVATE_TOO, PUBLIC)] == [False, True, False]
        assert [verdict(PRIVATE_TOO, address, port) for port in (2641, 25, 2641)] == [True, False, True]
