"""A whole handle network on loopback: one registry and several services, described by a folder of files.

``network.json`` lists servers and sites; each ``*.jsonl`` beside it holds the records of a server, one a
line, in the JSON of the REST API. Where a port or a key is only known once the network runs, the files say
``${NAME.port}``, ``${NAME.http}`` or ``${NAME.key}``. With ``publisher.json``, a web server of a publisher,
to which handles lead, runs as well; it goes by the name ``PUBLISHER``.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from resolver.demo.handle_service import HandleService, RecordStore
from resolver.demo.publisher import Publisher
from resolver.errors import MessageFormatError, SettingsError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE
from resolver.model.record import HandleRecord
from resolver.protocol.json_sites import key_to_json, site_from_json
from resolver.protocol.json_values import record_from_json
from resolver.protocol.signing import PrivateKey, public_key_of
from resolver.resolution.bootstrap import Registry, registry_from_records

__all__ = ["HandleNetwork", "shipped_records"]

# Below the range from which systems draw ports for outgoing connections: a client that keeps knocking at a
# port nobody listens on could otherwise be given that very port, and reach itself.
PORTS = range(20_000, 30_000)
PORT_TRIES = 50
KEY_BITS = 2048

_PLACEHOLDER = re.compile(r"\$\{([\w-]+)\.(port|http|key)\}")


def shipped_records() -> Path:
    """Return the folder of the sample network."""
    return Path(str(files("resolver.demo"))) / "records"


@dataclass(slots=True)
class _Plan:
    """One server of the network, before it runs."""

    name: str
    address: str
    http: bool
    site: str
    server_id: int
    records: str
    homed: list[str]
    homed_derived: list[str]
    silent: bool
    key: PrivateKey
    port: int = 0
    http_port: int = 0


class HandleNetwork:
    """Runs the servers of a folder."""

    def __init__(self, folder: Path, *, chance: random.Random | None = None) -> None:
        """Read the description.

        Raises:
            SettingsError: a file is missing or cannot be used; the message says which.
        """
        self._folder = folder
        self._chance = chance or random.Random()  # noqa: S311 - choosing free ports
        self._content = _read_json(folder / "network.json")
        try:
            self._plans = [_plan(name, shown) for name, shown in self._content["servers"].items()]
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{folder / 'network.json'}: {error!r}") from error
        self._publisher: Publisher | None = None
        self._publisher_port = 0
        self.services: dict[str, HandleService] = {}
        """By name, once the network runs."""
        self.stores: dict[str, RecordStore] = {}
        """By name of the file of records; servers that share a file share the store."""

    async def start(self) -> None:
        """Bind every server and begin to answer.

        Raises:
            SettingsError: the files do not fit together, or no port is free.
        """
        for plan in self._plans:
            plan.port = await self._free_port(plan.address)
            plan.http_port = await self._free_port(plan.address) if plan.http else 0
        await self._start_publisher()
        known = self.placeholders
        try:
            sites = {
                name: site_from_json(_fill(shown, known)) for name, shown in self._content["sites"].items()
            }
            for plan in self._plans:
                if plan.records not in self.stores:
                    records = self._read_records(plan.records, known)
                    self.stores[plan.records] = RecordStore(records)
        except (KeyError, MessageFormatError) as error:
            raise SettingsError(f"{self._folder}: {error}") from error
        for plan in self._plans:
            site = sites[plan.site]
            ids = [server.server_id for server in site.servers]
            service = HandleService(
                self.stores[plan.records],
                site=site,
                position=ids.index(plan.server_id),
                homed=plan.homed,
                homed_derived=plan.homed_derived,
                key=plan.key,
            )
            if plan.silent:
                service.behaviour.silent = frozenset({"udp", "tcp", "http"})
            await service.start(plan.address, port=plan.port, http_port=plan.http_port or None)
            self.services[plan.name] = service

    async def close(self) -> None:
        """Stop every server."""
        for service in self.services.values():
            await service.close()
        if self._publisher is not None:
            await self._publisher.close()

    async def _start_publisher(self) -> None:
        path = self._folder / "publisher.json"
        if path.is_file():
            self._publisher = Publisher(_read_json(path))
            self._publisher_port = await self._free_port("127.0.0.1")
            await self._publisher.start("127.0.0.1", self._publisher_port)

    @property
    def placeholders(self) -> dict[str, dict[str, Any]]:
        """What the files leave open: ``port``, ``http`` and ``key`` of each server."""
        publisher = {"PUBLISHER": {"port": 0, "http": self._publisher_port, "key": None}}
        return publisher | {
            plan.name: {
                "port": plan.port,
                "http": plan.http_port,
                "key": key_to_json(public_key_of(plan.key)),
            }
            for plan in self._plans
        }

    @property
    def registry(self) -> Registry:
        """Where resolution in this network begins.

        Raises:
            SettingsError: no server holds the root record.
        """
        return registry_from_records(list(self._root_records()))

    def bootstrap_json(self) -> str:
        """Return the same as a ``bootstrap_handles`` file."""
        root = self._read_json_records(self._root_file())
        known = self.placeholders
        handles = {
            shown["handle"]: _fill(shown, known)
            for shown in root
            if shown["handle"].startswith(("0.NA/0.NA", "0.0/"))
        }
        return json.dumps({"lastUpdate": 0, "handles": handles})

    def _root_file(self) -> str:
        for name, store in self.stores.items():
            if store.get(ROOT_HANDLE) is not None:
                return name
        raise SettingsError(f"{self._folder}: no server holds {ROOT_HANDLE}")

    def _root_records(self) -> Iterator[HandleRecord]:
        store = self.stores[self._root_file()]
        for handle in (ROOT_HANDLE, TRUST_ROOT_HANDLE):
            record = store.get(handle)
            if record is not None:
                yield record

    def _read_json_records(self, name: str) -> list[Any]:
        path = self._folder / f"{name}.jsonl"
        try:
            lines = path.read_text("utf-8").split("\n")
            return [json.loads(line) for line in lines if line.strip()]
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(f"{path}: {error}") from error

    def _read_records(self, name: str, known: Mapping[str, Mapping[str, Any]]) -> list[HandleRecord]:
        return [record_from_json(_fill(shown, known)) for shown in self._read_json_records(name)]

    async def _free_port(self, address: str) -> int:
        loop = asyncio.get_running_loop()
        taken = {port for plan in self._plans for port in (plan.port, plan.http_port)}
        for _ in range(PORT_TRIES):
            port = self._chance.choice(PORTS)
            if port in taken:
                continue
            try:
                server = await asyncio.start_server(lambda _reader, writer: writer.close(), address, port)
                server.close()
                await server.wait_closed()
                transport, _ = await loop.create_datagram_endpoint(
                    asyncio.DatagramProtocol, local_addr=(address, port)
                )
                transport.close()
            except OSError:
                continue
            return port
        raise SettingsError(f"no free port on {address}")


def _plan(name: str, shown: Mapping[str, Any]) -> _Plan:
    return _Plan(
        name=name,
        address=shown["address"],
        http=bool(shown.get("http")),
        site=shown["site"],
        server_id=shown["server_id"],
        records=shown["records"],
        homed=list(shown.get("homed", ())),
        homed_derived=list(shown.get("homed_derived", ())),
        silent=bool(shown.get("silent")),
        key=rsa.generate_private_key(65537, KEY_BITS),
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


def _fill(shown: Any, known: Mapping[str, Mapping[str, Any]]) -> Any:
    """Put ports and keys in the place of ``${NAME.port}`` and its like."""
    match shown:
        case dict():
            return {name: _fill(value, known) for name, value in shown.items()}
        case list():
            return [_fill(value, known) for value in shown]
        case str():
            whole = _PLACEHOLDER.fullmatch(shown)
            if whole is not None:
                return known[whole.group(1)][whole.group(2)]
            return _PLACEHOLDER.sub(lambda found: str(known[found.group(1)][found.group(2)]), shown)
        case _:
            return shown
