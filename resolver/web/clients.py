"""What a reverse proxy says about the visitor's request, believed only from networks the operator trusts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resolver.config import Network

__all__ = ["Origin", "read_origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """How the visitor reached us."""

    scheme: str
    host: str | None
    """With its port where it is not the usual one; as the visitor wrote it, so not to be trusted."""


def read_origin(
    peer: str | None, scheme: str, headers: Mapping[str, str], trusted: Sequence[Network]
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
    forwarded_scheme = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    forwarded_host = headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip()
    return Origin(
        forwarded_scheme if forwarded_scheme in {"http", "https"} else scheme, forwarded_host or host
    )


def _is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    if peer is None:
        return False
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in trusted if network.version == address.version)
