"""A network of its own in which every address is ours: who is knocked at, and who is not.

Started by ``test_addresses.py`` as ``unshare --net python -m tests.integration.hostile.address_lab``; prints
what it has seen as JSON. Nothing can leave the namespace: it has a loopback device and no other.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from resolver.config import Settings
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.model.handle import ROOT_HANDLE
from resolver.model.record import HandleRecord
from resolver.model.site import Transport
from resolver.resolution.bootstrap import registry_from_records
from resolver.web.server import bind, new_event_loop, serving
from soak.network import service_at, site_at, site_value
from tests.integration.faults.servers import record_of
from tests.integration.hostile.cases import write_get
from tests.integration.hostile.wire import converse

PUBLIC = "38.100.138.131"
"""An address like any other, where the registry of the laboratory lives."""

REGISTRY_PORT, HTTP_PORT, CANARY_PORT, HELD_PORT = 2641, 8000, 2642, 2643
REDIRECTING_PORT = 8010
CANARY_PORTS = (CANARY_PORT, 22, 25, 6379, 11211)

PRIVATE = (
    *(
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.254",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.254",
    ),
    *("192.168.0.1", "192.168.255.254", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *(
        "192.0.0.9",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "0.0.0.0",  # noqa: S104 - refused
    ),
    *("0.0.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1"),
    *(
        "::",
        "::1",
        "::127.0.0.1",
        "::10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
    ),
    *("::ffff:192.168.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"),
    *("64:ff9b::169.254.169.254", "64:ff9b:1::1", "64:ff9b:1:ffff::1", "2002:7f00:1::1", "2002:a00:1::1"),
    *(
        "2002:a9fe:a9fe::1",
        "2002:c0a8:1::1",
        "2001::1",
        "2001:0:7f00:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
    ),
    *(
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    ),
    *("ff05::2", "100::1", "::ffff:127.0.0.2", "::ffff:100.64.0.1"),
)
"""More than sixty ways to say "somebody in your own network"."""


class Canary:
    """Listens at addresses that nobody should be led to, and counts who comes."""

    def __init__(
        self,
        hosts: Sequence[str] = ("0.0.0.0", "::"),  # noqa: S104 - a namespace
        ports: Sequence[int] = CANARY_PORTS,
    ) -> None:
        self.seen: Counter[str] = Counter()
        self._hosts = hosts
        self._ports = ports
        self._held: list[Any] = []

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        for port in self._ports:
            for host in self._hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                stream = socket.socket(family, socket.SOCK_STREAM)
                datagrams = socket.socket(family, socket.SOCK_DGRAM)
                for sock in (stream, datagrams):
                    sock.setblocking(False)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sock.bind((host, port))
                server = await asyncio.start_server(self._connected, sock=stream)
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self.seen), sock=datagrams
                )
                self._held += [server, transport]

    async def _connected(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen["tcp"] += 1
        writer.close()

    def close(self) -> None:
        """Stop listening."""
        for thing in self._held:
            thing.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, seen: Counter[str]) -> None:
        self._seen = seen

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._seen["udp"] += 1


def make_addresses_ours() -> None:
    """Give every address to the loopback device, so that whatever is sent arrives."""
    lines = ["link set lo up", f"addr add {PUBLIC}/32 dev lo"]
    for address in PRIVATE:
        lines.append(f"addr add {address}/{128 if ':' in address else 32} dev lo")
    # Some cannot be given to anybody, which is as well.
    subprocess.run(
        ["ip", "-force", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False
    )


async def _redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A public HTTP server of the protocol, which would rather have us ask somebody at home."""
    await reader.read(65536)
    target = f"http://127.0.0.1:{CANARY_PORT}/"
    writer.write(f"HTTP/1.1 307 Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()
    writer.close()


def prefixes() -> dict[str, HandleRecord]:
    """Return the record of a prefix for each way to lead us home, by what it is."""
    everything = dict.fromkeys((Transport.UDP, Transport.TCP, Transport.HTTP), CANARY_PORT)
    sites = {address: site_at(everything, host=address) for address in PRIVATE}
    for port in CANARY_PORTS[1:]:
        sites[f"port {port}"] = site_at(dict.fromkeys(everything, port), host=PUBLIC)
    for name in ("localhost", "localhost.", "LOCALHOST", "127.0.0.1", "0x7f.1", "2130706433", "127.1"):
        sites[f"name {name}"] = site_at(everything, host="0.0.0.0", attributes=(("domain", name),))  # noqa: S104
    sites["redirect"] = site_at({Transport.HTTP: REDIRECTING_PORT}, host=PUBLIC)
    return {
        name: HandleRecord(f"0.NA/20.500.{1000 + number}", (site_value(site),))
        for number, (name, site) in enumerate(sites.items())
    }


async def attempt(*, allow_private: bool, only: set[str] | None = None) -> dict[str, Any]:
    """Ask for a handle under every prefix; return what visitors and canaries have seen."""
    canary = Canary()
    await canary.start()
    redirecting = await asyncio.start_server(_redirecting, PUBLIC, REDIRECTING_PORT)
    held_site = site_at({Transport.UDP: HELD_PORT, Transport.TCP: HELD_PORT}, host=PUBLIC)
    held = HandleRecord("0.NA/20.500.1", (site_value(held_site),))
    records = prefixes()
    registry_site = site_at({Transport.UDP: REGISTRY_PORT, Transport.TCP: REGISTRY_PORT}, host=PUBLIC)
    services: list[HandleService] = [
        await service_at(registry_site, RecordStore([held, *records.values()]), ["0.NA"], host=PUBLIC),
        await service_at(held_site, RecordStore([record_of("20.500.1/x")]), ["20.500.1"], host=PUBLIC),
    ]
    registry = registry_from_records([HandleRecord(ROOT_HANDLE, (site_value(registry_site),))])
    public, admin = bind("127.0.0.1", 0, "the proxy"), bind("127.0.0.1", 0, "its admin listener")
    port = public.getsockname()[1]
    settings = Settings(allow_private_addresses=allow_private, deadline=2.0, refresh_registry=False)
    statuses: dict[str, int] = {}

    async def ask(name: str, handle: str) -> None:
        answers = (await converse("127.0.0.1", port, write_get(f"/{handle}"))).answers
        statuses[name] = answers[0].status if answers else 0

    async with serving(settings, public, admin, registry, drain_s=0):
        await ask("public", "20.500.1/x")
        await asyncio.gather(
            *(
                ask(name, f"{record.handle.removeprefix('0.NA/')}/x")
                for name, record in records.items()
                if only is None or name in only
            )
        )
    for service in services:
        await service.close()
    redirecting.close()
    canary.close()
    await asyncio.sleep(0.05)
    return {"statuses": statuses, "knocks": dict(canary.seen)}


async def main() -> None:
    """Try with the door closed, then, to see that the canaries sing, with the door open."""
    make_addresses_ours()
    closed = await attempt(allow_private=False)
    opened = await attempt(allow_private=True, only={"127.0.0.1", "10.0.0.1", "fc00::1", "::ffff:10.0.0.1"})
    json.dump({"closed": closed, "open": opened}, sys.stdout)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
