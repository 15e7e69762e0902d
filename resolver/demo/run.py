"""``handle-resolver demo``: the proxy over a handle network of its own, with links to try."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from resolver.config import Settings
from resolver.demo.control import Control
from resolver.demo.network import HandleNetwork, shipped_records
from resolver.errors import SettingsError
from resolver.web.server import bind, serve

__all__ = ["run_demo"]

LOOPBACK = "127.0.0.1"
_EXAMPLE = '{"silent": ["udp"], "delay_s": 0.5}'


async def run_demo(settings: Settings, records: Path | None) -> None:
    """Start the network and the proxy, print what to open, and serve until stopped.

    Raises:
        SettingsError: a file cannot be used, or a port is taken.
    """
    folder = records or shipped_records()
    network = HandleNetwork(folder)
    control = Control(network.services)
    try:
        await network.start()
        control_port = await network.free_port(LOOPBACK)
        await control.start(LOOPBACK, control_port)
        public = bind(settings.host, settings.port, "the public listener")
        admin = bind(settings.admin_host, settings.admin_port, "the admin listener")
        address = "http://{}:{}".format(*public.getsockname()[:2])
        admin_address = "http://{}:{}".format(*admin.getsockname()[:2])

        def announce() -> None:
            held = sum(len(store) for store in network.stores.values())
            click.echo(
                f"A handle network of {len(network.services)} servers with {held} records runs on loopback. Try:\n"
            )
            for path, what in _links(folder):
                click.echo(f"  {address}{path:<46} {what}")
            click.echo(f"\n  curl -X PUT {LOOPBACK}:{control_port}/LIBRARY -d '{_EXAMPLE}'")
            click.echo("    lets a server misbehave; {} makes it well again, and a GET of / lists them all")
            click.echo(f"\n  {admin_address}/metrics\n\nStop it with Ctrl-C.")

        await serve(settings, public, admin, registry=network.registry, announce=announce)
    finally:
        await control.close()
        await network.close()


def _links(folder: Path) -> list[tuple[str, str]]:
    path = folder / "links.json"
    try:
        shown: Any = json.loads(path.read_text("utf-8")) if path.is_file() else [["/", "the query form"]]
        return [(str(link), str(what)) for link, what in shown]
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
