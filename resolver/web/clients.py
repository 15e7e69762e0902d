"""What a reverse proxy says about the visitor's request, believed only from networks the operator trusts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from multidict import MultiMapping

from resolver.config import Network

__all__ = ["Origin", "read_origin"]


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
    if not trusted or not _is_trusted(peer, trusted):
        return Origin(scheme, host)
    standard = _nearest(headers.getall("Forwarded", []))
    told = dict(re.findall(r'(\w+)=("[^"]*"|[^;\s]*)', standard.lower()))
    forwarded_scheme = (
        told.get("proto", "").strip('"') or _nearest(headers.getall("X-Forwarded-Proto", []))
    ).lower()
    forwarded_host = told.get("host", "").strip('"') or _nearest(headers.getall("X-Forwarded-Host", []))
    return Origin(
        forwarded_scheme if forwarded_scheme in {"http", "https"} else scheme, forwarded_host or host
    )


def _nearest(lines: Sequence[str]) -> str:
    """Return what the nearest proxy said: the last element of the last line."""
    return lines[-1].rpartition(",")[2].strip() if lines else ""


def _is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    if peer is None:
        return False
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    # A listener for both families shows IPv4 peers in the notation of IPv6.
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in trusted if network.version == address.version)
