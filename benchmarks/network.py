"""A handle network for measurements: a registry and one service with many one-URL handles, in one process."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from resolver.demo.network import HandleNetwork
from resolver.web.server import new_event_loop

PREFIX = "20.500.777"


def url_of(number: int) -> str:
    """Return where a handle leads."""
    return f"https://repository.example.org/items/{number:08d}"


def write_records(folder: Path, handles: int, ttl: int) -> None:
    """Write the description of the network: handles ``20.500.777/0`` and so on, which may be kept for ``ttl``."""
    interfaces = [
        {"query": True, "admin": True, "protocol": protocol, "port": "${%s.port}"}
        for protocol in ("UDP", "TCP")
    ]
    sites = {}
    for name in ("ROOT", "LOCAL"):
        server = {
            "serverId": 1,
            "address": "127.0.0.1",
            "publicKey": {"format": "key", "value": f"${{{name}.key}}"},
            "interfaces": [{**interface, "port": f"${{{name}.port}}"} for interface in interfaces],
        }
        sites[name] = {
            "version": 1,
            "protocolVersion": "2.11",
            "serialNumber": 1,
            "primarySite": True,
            "multiPrimary": False,
            "attributes": [],
            "servers": [server],
        }
    servers = {
        name: {"address": "127.0.0.1", "site": name, "server_id": 1, "records": name.lower(), "homed": homed}
        for name, homed in (("ROOT", ["0.NA", "0.0"]), ("LOCAL", [PREFIX]))
    }
    (folder / "network.json").write_text(json.dumps({"servers": servers, "sites": sites}))
    root = [
        _record(
            handle, 86400, {"index": 1, "type": "HS_SITE", "data": {"format": "site", "value": sites[site]}}
        )
        for handle, site in (("0.NA/0.NA", "ROOT"), (f"0.NA/{PREFIX}", "LOCAL"))
    ]
    (folder / "root.jsonl").write_text("".join(root))
    admin = {"handle": f"0.NA/{PREFIX}", "index": 200, "permissions": "011111110011"}
    with (folder / "local.jsonl").open("w") as out:
        for number in range(handles):
            out.write(
                _record(
                    f"{PREFIX}/{number}",
                    ttl,
                    {"index": 1, "type": "URL", "data": url_of(number)},
                    {"index": 100, "type": "HS_ADMIN", "data": {"format": "admin", "value": admin}},
                )
            )


def _record(handle: str, ttl: int, *values: dict[str, object]) -> str:
    stamped = [{**value, "ttl": ttl, "timestamp": "2026-01-01T00:00:00Z"} for value in values]
    return json.dumps({"handle": handle, "values": stamped}) + "\n"


async def _serve(bootstrap: Path, handles: int, delay_s: float = 0.0, ttl: int = 86400) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # A negative number: as many handles, which nobody may keep.
        write_records(Path(folder), abs(handles), ttl if handles > 0 else 0)
        network = HandleNetwork(Path(folder))
        await network.start()
        network.services["LOCAL"].behaviour.delay_s = delay_s
        bootstrap.write_text(network.bootstrap_json())
        port = network.placeholders["LOCAL"]["port"]
        print(f"udp://127.0.0.1:{port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(
            _serve(Path(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:4]), *map(int, sys.argv[4:]))
        )
