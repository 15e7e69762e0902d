"""Which addresses out of a site record may be contacted.

Whoever controls the record of a prefix chooses these addresses, so they are not trusted: without this a
handle could make the resolver knock on the doors of its operator's own network. The check runs on the
numeric address directly before a socket is opened, for every transport alike.

``ipaddress.is_global`` does not suffice: it lets multicast pass, and IPv4 addresses wrapped into IPv6.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from resolver.errors import AddressRefusedError
from resolver.model.site import IPAddress

__all__ = ["AddressPolicy"]

_REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata service of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "::/128",
        "::1/128",
        "100::/64",  # discard
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "64:ff9b:1::/48",  # local NAT64
        "fc00::/7",  # private
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
    )
)

# Never sensible as the address of one server, whatever the operator allows.
_NO_UNICAST = tuple(
    ipaddress.ip_network(text) for text in ("224.0.0.0/4", "240.0.0.0/4", "ff00::/8", "0.0.0.0/32", "::/128")
)

_EMBEDS_IPV4_AT_THE_END = tuple(
    ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
# All that has been assigned to anybody lies here (RFC 4291 section 2.4).
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_6TO4 = ipaddress.IPv6Network("2002::/16")

MAX_JUDGED = 4096
"""Verdicts remembered: the same few servers are asked all the time, and the rules do not change."""

_WEB_PORTS = frozenset({80, 443})
_FIRST_UNPRIVILEGED_PORT = 1024
_LAST_PORT = 65535
# Services that must not be talked to by accident: what browsers refuse above 1023 (WHATWG Fetch, "bad
# ports"), and databases and control planes that often trust their network.
_REFUSED_PORTS = frozenset(
    {
        1719,
        1720,
        1723,
        2049,
        3659,
        4045,
        4190,
        5060,
        5061,
        6000,
        6566,
        6665,
        6666,
        6667,
        6668,
        6669,
        6679,
        6697,
        10080,
    }
    | {2375, 2376, 3306, 5432, 6379, 6443, 9200, 9300, 10250, 11211, 27017}
)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Decides whether an address and port may be contacted."""

    allow_private: bool = False
    """Whether loopback, private, link-local … addresses may be asked."""

    def allows(self, address: IPAddress, port: int) -> bool:
        """Whether an address and port may be contacted."""
        return _reason_against(address, port, self.allow_private) is None

    def check(self, address: IPAddress, port: int) -> None:
        """Let pass, or refuse.

        Raises:
            AddressRefusedError: the address or the port is not to be contacted.
        """
        reason = _reason_against(address, port, self.allow_private)
        if reason is not None:
            raise AddressRefusedError(reason)


@lru_cache(MAX_JUDGED)
def _reason_against(address: IPAddress, port: int, allow_private: bool) -> str | None:
    reached = _reached_by(address)
    if any(reached in network for network in _NO_UNICAST if network.version == reached.version):
        return f"{address} is no address of a single server"
    if not allow_private and (
        (reached.version == 6 and reached not in _GLOBAL_UNICAST)
        or any(
            target in network
            for target in (address, reached)
            for network in _REFUSED_NETWORKS
            if network.version == target.version
        )
    ):
        return f"{address} is not a public address; allow-private-addresses is off"
    if not 0 < port <= _LAST_PORT:
        return f"there is no port {port} of TCP or UDP"
    if port in _REFUSED_PORTS or (port < _FIRST_UNPRIVILEGED_PORT and port not in _WEB_PORTS):
        return f"port {port} belongs to another kind of service"
    return None


def _reached_by(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that packets to this IPv6 address end up at, or the address itself."""
    if address.version == 4:
        return address
    if any(address in network for network in _EMBEDS_IPV4_AT_THE_END):
        return ipaddress.IPv4Address(address.packed[12:])
    if address in _6TO4:
        return ipaddress.IPv4Address(address.packed[2:6])
    return address
