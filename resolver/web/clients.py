"""What a reverse proxy says about the visitor's request, believed only from networks the operator trusts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from multidict import MultiMapping

from resolver.config import Network
from resolver.model.site import IPAddress

__all__ = ["Origin", "read_address", "read_origin", "read_visitor_address"]

MAX_HOPS = 20


@dataclass(frozen=True, slots=True)
class Origin:
    """How the visitor reached us."""

    scheme: str
    host: str | None
    """With its port where it is not the usual one; as the visitor wrote it, so not to be trusted."""


def read_origin(
    peer: str | None, scheme: str, headers: MultiMapping[str], trusted: Sequence[Network]
) -> Origin:
    """Return how the visitor reached us.

    Args:
        peer: address of whoever opened the connection.
        scheme: of the connection.
        headers: of the request.
        trusted: networks of reverse proxies.
    """
    host = headers.get("Host")
    if not trusted or not _is_trusted(read_address(peer), trusted):
        return Origin(scheme, host)
    standard = _nearest(headers.getall("Forwarded", []))
    told = dict(re.findall(r'(\w+)=("[^"]*"|[^;\s]*)', standard.lower()))
    forwarded_scheme = (
        told.get("proto", "").strip('"') or _nearest(headers.getall("X-Forwarded-Proto", []))
    ).lower()
    forwarded_host = told.get("host", "").strip('"') or _nearest(headers.getall("X-Forwarded-Host", []))
    return Origin(
        forwarded_scheme if forwarded_scheme in {"http", "https"} else scheme,
        forwarded_host or host,
    )


def read_visitor_address(
    peer: str | None, headers: MultiMapping[str], trusted: Sequence[Network]
) -> IPAddress | None:
    """Return the address of the visitor, as far as proxies that are trusted tell.

    Args:
        peer: address of whoever opened the connection.
        headers: of the request.
        trusted: networks of reverse proxies.
    """
    address = read_address(peer)
    if not trusted or not _is_trusted(address, trusted):
        return address
    return _forwarded_address(headers, trusted) or address


def _nearest(lines: Sequence[str]) -> str:
    """Return what the nearest proxy said: the last element of the last line."""
    return lines[-1].rpartition(",")[2].strip() if lines else ""


def _forwarded_address(headers: MultiMapping[str], trusted: Sequence[Network]) -> IPAddress | None:
    """Walk from the nearest proxy outwards, as far as each hop is trusted; who is not is the visitor."""
    standard = ",".join(headers.getall("Forwarded", []))
    hops = re.findall(r'for="?([^";,\s]+)', standard, re.IGNORECASE)
    if not hops:
        hops = [hop.strip() for hop in ",".join(headers.getall("X-Forwarded-For", [])).split(",")]
    found = None
    for hop in reversed(hops[-MAX_HOPS:]):
        address = read_address(_without_port(hop))
        if address is None:
            return found
        found = address
        if not _is_trusted(address, trusted):
            return found
    return found


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def read_address(text: str | None) -> IPAddress | None:
    """Return the address in ``text``, or ``None`` if it is none; IPv4 is never in the notation of IPv6."""
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: IPAddress | None, trusted: Sequence[Network]) -> bool:
    return address is not None and any(
        address in network for network in trusted if network.version == address.version
    )
