"""Sites, servers and their interfaces: where a service can be asked (RFC 3651 section 3.2.2, HS_SITE)."""

from __future__ import annotations

import hashlib
import ipaddress
from enum import IntEnum, IntFlag
from functools import lru_cache

from msgspec import Struct

from resolver.model.handle import Handle, fold_ascii

__all__ = [
    "HashOption",
    "IPAddress",
    "Interface",
    "Server",
    "ServiceType",
    "Site",
    "Transport",
    "decode_address",
    "encode_address",
    "hash_of",
    "responsible_server",
]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_KNOWN_ADDRESSES = 1024
"""Addresses kept in readable form, since every lookup needs those of a few servers."""

_ADDRESS_OCTETS = 16
_MAPPED_PREFIX = b"\0" * 10 + b"\xff\xff"


class Transport(IntEnum):
    """How an interface is spoken to. Numbers from newer servers stay plain ``int`` in ``Interface``."""

    UDP = 0
    TCP = 1
    HTTP = 2
    HTTPS = 3


class ServiceType(IntFlag):
    """What an interface is for; none of them means out of service."""

    ADMIN = 1
    QUERY = 2


class HashOption(IntEnum):
    """Which part of a handle decides which server of a site keeps it."""

    BY_PREFIX = 0
    BY_SUFFIX = 1
    BY_HANDLE = 2


class Interface(Struct, frozen=True):
    """One port of a server."""

    service_type: int
    transport: int
    port: int

    @property
    def answers_queries(self) -> bool:
        """Whether a resolver may ask here."""
        return bool(self.service_type & ServiceType.QUERY)

    @property
    def answers_administration(self) -> bool:
        """Whether administrative requests are taken here."""
        return bool(self.service_type & ServiceType.ADMIN)


class Server(Struct, frozen=True):
    """One server of a site."""

    server_id: int
    address: bytes
    """16 octets; ``ip`` reads them."""
    public_key: bytes
    """Encoded as in an HS_PUBKEY value; may be empty."""
    interfaces: tuple[Interface, ...]

    @property
    def ip(self) -> IPAddress | None:
        """The address, or ``None`` where it is all zero and the ``domain`` attribute has to tell."""
        return decode_address(self.address)

    def query_interface(self, transport: Transport) -> Interface | None:
        """Return the first interface of this transport that answers queries."""
        for interface in self.interfaces:
            if interface.transport == transport and interface.answers_queries:
                return interface
        return None


class Site(Struct, frozen=True):
    """A group of servers that together hold every handle of a service."""

    format_version: int
    protocol_version: tuple[int, int]
    serial_number: int
    primary: bool
    multi_primary: bool
    hash_option: int
    hash_filter: str
    attributes: tuple[tuple[str, str], ...]
    servers: tuple[Server, ...]

    def attribute(self, name: str) -> str | None:
        """Return the first attribute of exactly this name."""
        return next((value for key, value in self.attributes if key == name), None)

    @property
    def description(self) -> str:
        """What the operator wrote about the site, or an empty string."""
        return self.attribute("desc") or self.attribute("DESC") or ""


@lru_cache(MAX_KNOWN_ADDRESSES)
def decode_address(octets: bytes) -> IPAddress | None:
    """Read the 16 octets of a server's address; all zero means that it is not known.

    Deployed records hold IPv4 in the last four octets after twelve zero ones, where RFC 3651 wanted the
    form mapped into IPv6; both are read.
    """
    if not any(octets):
        return None
    if not any(octets[:12]) or octets[:12] == _MAPPED_PREFIX:
        return ipaddress.IPv4Address(octets[12:]) if any(octets[12:]) else None
    return ipaddress.IPv6Address(octets)


def encode_address(address: IPAddress | None) -> bytes:
    """Write an address as the 16 octets of a site record."""
    if address is None:
        return bytes(_ADDRESS_OCTETS)
    return address.packed.rjust(_ADDRESS_OCTETS, b"\0")


def hash_of(handle: Handle, option: int) -> int:
    """Return the number that chooses the server for ``handle``, from 0 to 2**31.

    The last four octets of the MD5 digest of the folded part, read as a signed number, without its sign
    (RFC 3651 section 3.2.2 with errata).

    Raises:
        ValueError: ``option`` is none of the known ones.
    """
    match HashOption(option):
        case HashOption.BY_PREFIX:
            part = handle.prefix
        case HashOption.BY_SUFFIX:
            part = handle.suffix
        case HashOption.BY_HANDLE:
            part = handle.text
    digest = hashlib.md5(fold_ascii(part).encode(), usedforsecurity=False).digest()
    return abs(int.from_bytes(digest[-4:], "big", signed=True))


def responsible_server(site: Site, handle: Handle) -> Server | None:
    """Return the server of ``site`` that keeps ``handle``; ``None`` if the site cannot tell."""
    if len(site.servers) <= 1:
        return site.servers[0] if site.servers else None
    try:
        return site.servers[hash_of(handle, site.hash_option) % len(site.servers)]
    except ValueError:
        return None
