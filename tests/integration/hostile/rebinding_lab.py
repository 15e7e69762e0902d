"""A network of its own whose DNS is ours too, and says one thing when it is asked first, another thing later.

Started by ``test_rebinding.py`` as ``unshare --net --mount python -m tests.integration.hostile.rebinding_lab``;
prints what it has seen as JSON. The names go the way of every name: through the resolver of the C library to a
name server, over a socket.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from resolver.config import Settings
from resolver.demo.handle_service import RecordStore
from resolver.demo.keys import make_key, make_tls_context
from resolver.model.handle import ROOT_HANDLE
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site, Transport
from resolver.protocol.bodies import Body, ReferralResponse
from resolver.protocol.codes import ResponseCode
from resolver.protocol.keys import encode_public_key
from resolver.protocol.signing import public_key_of
from resolver.resolution.bootstrap import registry_from_records
from resolver.transport import names
from resolver.web.server import bind, new_event_loop, serving
from soak.network import service_at, site_at, site_value
from tests.integration.faults.servers import record_of
from tests.integration.hostile.address_lab import PUBLIC, Canary
from tests.integration.hostile.cases import write_get
from tests.integration.hostile.wire import converse
from tests.scenarios.world import ScriptedService

HOME = "10.0.0.1"
"""An address in our own network."""

REGISTRY_PORT, PORT, HTTP_PORT, HTTPS_PORT = 2641, 2643, 8011, 8443
REFERRING_PORT, REDIRECTING_PORT = 2645, 8012
DEAF_PORT = 2646
"""At the public address nobody listens here."""

CANARY_PORTS = (PORT, HTTP_PORT, HTTPS_PORT, DEAF_PORT)
KEEP_S = 1.0
"""How long names are remembered here; long enough for one question on a slow machine."""

DNS_ADDRESS = "127.0.0.53"
SAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    # First what may be asked, then what may not.
    **dict.fromkeys(("udp.test", "tcp.test", "http.test", "https.test", "detour.test"), ((PUBLIC,), (HOME,))),
    "both.test": ((PUBLIC, HOME), (HOME,)),
    "home.test": ((HOME,),),
    "referred.test": ((HOME,),),
    "service.test": ((HOME,),),
    "redirected.test": ((HOME,),),
}
"""What a name stands for when it is asked for the first time, the second time …; the last for ever."""


class Dns(asyncio.DatagramProtocol):
    """A name server that knows addresses of IPv4 (RFC 1035 section 4), none of which may be kept."""

    def __init__(self, says: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self.asked: Counter[str] = Counter()
        self._says = says

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
        question = data[12 : at + 5]
        name = b".".join(labels).decode().lower()
        found: Sequence[str] = ()
        if question[-4:-2] == b"\0\1":  # IPv4
            self.asked[name] += 1
            turns = self._says.get(name, ((),))
            found = turns[min(self.asked[name], len(turns)) - 1]
        counts = b"\0\1" + len(found).to_bytes(2, "big") + bytes(4)
        records = b"".join(
            b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4" + IPv4Address(text).packed for text in found
        )
        self._transport.sendto(data[:2] + b"\x81\x80" + counts + question + records, addr)


def make_network_ours() -> None:
    """Give the addresses to the loopback device, and let names be asked for at our own name server."""
    lines = ["link set lo up", *(f"addr add {address}/32 dev lo" for address in (PUBLIC, HOME))]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=True)
    folder = Path(tempfile.mkdtemp())
    for place, text in (
        ("/etc/resolv.conf", f"nameserver {DNS_ADDRESS}\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\n"),
    ):
        if Path(place).exists():
            (folder / "ours").write_text(text, "utf-8")
            source = (folder / "ours").rename(folder / Path(place).name)
            subprocess.run(["mount", "--bind", str(source), place], capture_output=True, check=True)


def named(name: str, ports: Mapping[Transport, int], key: bytes = b"") -> Site:
    """Return a site whose one server is known by name alone."""
    site = site_at(ports, host="0.0.0.0", attributes=(("domain", name),))  # noqa: S104 - no address
    return replace(site, servers=(replace(site.servers[0], public_key=key),))


def prefixes(key: bytes) -> dict[str, tuple[HandleValue, ...]]:
    """Return the values of the prefix record of each case."""
    native = {Transport.UDP: PORT, Transport.TCP: PORT}
    deaf = dict.fromkeys(native, DEAF_PORT)
    sites = {
        "udp": named("udp.test", {Transport.UDP: PORT}),
        "tcp": named("tcp.test", {Transport.TCP: PORT}),
        "http": named("http.test", {Transport.HTTP: HTTP_PORT}),
        "https": named("https.test", {Transport.HTTPS: HTTPS_PORT}, key),
        "detour": named("detour.test", {**deaf, Transport.HTTP: HTTP_PORT}),
        "both": named("both.test", deaf),
        "home": named("home.test", {**native, Transport.HTTP: HTTP_PORT}),
        "referral": site_at(dict.fromkeys(native, REFERRING_PORT), host=PUBLIC),
        "redirect": site_at({Transport.HTTP: REDIRECTING_PORT}, host=PUBLIC),
    }
    return {
        **{name: (site_value(site),) for name, site in sites.items()},
        "service": (HandleValue(1, "HS_SERV", b"0.SERV/second", ttl=86400, timestamp=1_767_225_600),),
    }


def _refer(_: str) -> tuple[ResponseCode, Body]:
    site = named("referred.test", {Transport.UDP: PORT, Transport.TCP: PORT, Transport.HTTP: HTTP_PORT})
    return ResponseCode.SERVICE_REFERRAL, ReferralResponse("", (site_value(site),))


async def _redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    target = f"http://redirected.test:{HTTP_PORT}/"
    writer.write(f"HTTP/1.1 307 Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()
    writer.close()


async def attempt(*, allow_private: bool) -> dict[str, Any]:
    """Ask for a handle of each prefix, and for another one when the names are forgotten."""
    dns = Dns(SAYS)
    dns_server, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: dns, local_addr=(DNS_ADDRESS, 53)
    )
    canary = Canary([HOME], CANARY_PORTS)
    await canary.start()
    redirecting = await asyncio.start_server(_redirect, PUBLIC, REDIRECTING_PORT)
    private_key = make_key("RSA")
    records = prefixes(encode_public_key(public_key_of(private_key)))
    numbers = {name: f"20.500.{2000 + number}" for number, name in enumerate(records)}
    both = {Transport.UDP: REGISTRY_PORT, Transport.TCP: REGISTRY_PORT}
    registry_site = site_at(both, host=PUBLIC)
    second = named("service.test", {Transport.UDP: PORT, Transport.TCP: PORT, Transport.HTTP: HTTP_PORT})
    known = [HandleRecord(f"0.NA/{numbers[name]}", values) for name, values in records.items()]
    known.append(HandleRecord("0.SERV/second", (site_value(second),)))
    held = site_at({Transport.UDP: PORT, Transport.TCP: PORT, Transport.HTTP: HTTP_PORT}, host=PUBLIC)
    handles = RecordStore(record_of(f"{number}/{local}") for number in numbers.values() for local in "xy")
    service = await service_at(held, handles, numbers.values(), host=PUBLIC)
    await service.start(PUBLIC, https_port=HTTPS_PORT, tls=make_tls_context(private_key))
    referring_site = site_at(dict.fromkeys(both, REFERRING_PORT), host=PUBLIC)
    referring = ScriptedService(_refer, site=referring_site, clock=time.time)
    await referring.start(PUBLIC, port=REFERRING_PORT)
    registry = await service_at(registry_site, RecordStore(known), ["0.NA", "0.SERV"], host=PUBLIC)
    root = registry_from_records([HandleRecord(ROOT_HANDLE, (site_value(registry_site),))])
    public, admin = bind("127.0.0.1", 0, "the proxy"), bind("127.0.0.1", 0, "its admin listener")
    port = public.getsockname()[1]
    settings = Settings(allow_private_addresses=allow_private, deadline=2.0, refresh_registry=False)

    async def status_of(handle: str) -> int:
        answers = (await converse("127.0.0.1", port, write_get(f"/{handle}"))).answers
        return answers[0].status if answers else 0

    async def ask_all(local: str) -> dict[str, int]:
        found = await asyncio.gather(*(status_of(f"{number}/{local}") for number in numbers.values()))
        return dict(zip(numbers, found, strict=True))

    seen: dict[str, Any] = {}
    async with serving(settings, public, admin, root, drain_s=0):
        for turn, local in (("first", "x"), ("later", "y")):
            statuses = await ask_all(local)
            seen[turn] = {"statuses": statuses, "knocks": dict(canary.seen), "names": dict(dns.asked)}
            await asyncio.sleep(KEEP_S)
    for thing in (service, referring, registry):
        await thing.close()
    redirecting.close()
    canary.close()
    dns_server.close()
    await asyncio.sleep(0.05)
    return seen


async def main() -> None:
    """Try with the door closed, then, to see that the canaries sing, with the door open."""
    make_network_ours()
    names.KEEP_S = KEEP_S
    json.dump(
        {"closed": await attempt(allow_private=False), "open": await attempt(allow_private=True)}, sys.stdout
    )


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
