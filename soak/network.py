"""Handle servers on loopback for soaks and tests of faults: no keys to make, any store, any fault."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from resolver.demo.handle_service import HandleService, RecordStore
from resolver.model.handle import ROOT_HANDLE
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import (
    HashOption,
    Interface,
    Server,
    ServiceType,
    Site,
    Transport,
    encode_address,
)
from resolver.protocol.json_values import value_to_json
from resolver.protocol.sites import encode_site

__all__ = ["HOST", "free_port", "service_at", "site_at", "site_value", "write_bootstrap"]

HOST = "127.0.0.1"
# Below the range from which systems draw ports for outgoing connections.
_PORTS = range(20_000, 30_000)


def free_port(host: str = HOST) -> int:
    """Return a port that is free for UDP and TCP at the moment."""
    for _ in range(1000):
        port = random.choice(_PORTS)  # noqa: S311 - any will do
        with (
            contextlib.suppress(OSError),
            socket.socket() as stream,
            socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        ):
            stream.bind((host, port))
            datagrams.bind((host, port))
            return port
    raise RuntimeError(f"no free port on {host}")


def site_at(
    *servers: Mapping[Transport, int],
    host: str = HOST,
    primary: bool = True,
    attributes: tuple[tuple[str, str], ...] = (),
) -> Site:
    """Return a site; each server is the ports of its transports."""
    return Site(
        format_version=1,
        protocol_version=(2, 11),
        serial_number=1,
        primary=primary,
        multi_primary=False,
        hash_option=HashOption.BY_HANDLE,
        hash_filter="",
        attributes=attributes,
        servers=tuple(
            Server(
                number,
                encode_address(ip_address(host)),
                b"",
                tuple(Interface(ServiceType.QUERY, transport, port) for transport, port in ports.items()),
            )
            for number, ports in enumerate(servers, start=1)
        ),
    )


def site_value(site: Site, *, index: int = 1, ttl: int = 86400) -> HandleValue:
    """Return the value that names a site."""
    return HandleValue(index, "HS_SITE", encode_site(site), ttl=ttl, timestamp=1_767_225_600)


async def service_at(
    site: Site, store: RecordStore, homed: Iterable[str], *, position: int = 0, host: str = HOST
) -> HandleService:
    """Start the server of a site that has this position."""
    service = HandleService(store, site=site, position=position, homed=homed)
    ports = {
        Transport(interface.transport): interface.port for interface in site.servers[position].interfaces
    }
    await service.start(host, port=ports[Transport.UDP], http_port=ports.get(Transport.HTTP))
    return service


def write_bootstrap(path: Path, registry: Site) -> None:
    """Write the file that says where resolution begins."""
    root = HandleRecord(ROOT_HANDLE, (site_value(registry),))
    shown: dict[str, Any] = {"handle": root.handle, "values": [value_to_json(value) for value in root.values]}
    path.write_text(json.dumps({"lastUpdate": 0, "handles": {root.handle: shown}}), "utf-8")
