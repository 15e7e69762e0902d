"""A whole handle network on loopback: one registry and several services, described by a folder of files.

``network.json`` lists servers and sites; each ``*.jsonl`` beside it holds the records of a server, one a
line, in the JSON of the REST API. Where something is only known once the network runs, the files say so:
``${NAME.port}``, ``${NAME.http}``, ``${NAME.https}`` and ``${NAME.key}`` of a server, ``${NAME.site}`` of a
site. With ``trust.json`` certificates and signatures are made (see ``vouching.py``). With ``publisher.json``, a
web server of a publisher, to which handles lead, runs as well; it goes by the name ``PUBLISHER``.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from resolver.demo.faults import Behaviour, behaviour_from_json
from resolver.demo.handle_service import HandleService
from resolver.demo.keys import make_key, make_tls_context
from resolver.demo.publisher import Publisher
from resolver.demo.record_store import RecordStore
from resolver.demo.vouching import vouch
from resolver.errors import MessageFormatError, SettingsError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site
from resolver.protocol.bodies import ReferralResponse
from resolver.protocol.json_sites import key_to_json, site_from_json
from resolver.protocol.json_values import record_from_json, value_to_json
from resolver.protocol.signing import PrivateKey, public_key_of
from resolver.protocol.sites import encode_site
from resolver.resolution.bootstrap import Registry, registry_from_records

__all__ = ["HandleNetwork", "shipped_records"]

# Below the range from which systems draw ports for outgoing connections: a client that keeps knocking at a
# port nobody listens on could otherwise be given that very port, and reach itself.
PORTS = range(20_000, 30_000)
START_TRIES = 5
PORT_TRIES = 50

_PLACEHOLDER = re.compile(r"\$\{([\w-]+)\.(port|http|https|key|site)\}")
_NOTHING: dict[str, Any] = {"port": 0, "http": 0, "https": 0, "key": None, "site": None}


def shipped_records() -> Path:
    """Return the folder of the sample network."""
    return Path(str(files("resolver.demo"))) / "records"


@dataclass(slots=True)
class _Plan:
    """One server of the network, before it runs."""

    name: str
    address: str
    http: bool
    https: bool
    site: str
    server_id: int
    records: str
    homed: list[str]
    homed_derived: list[str]
    refers: dict[str, str]
    """Prefixes that have moved, and where: to a site, or to a service handle."""
    key: PrivateKey
    """That of the site record."""
    signing_key: PrivateKey
    """With which it signs; another one where the demo has a liar."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    port: int = 0
    http_port: int = 0
    https_port: int = 0


class HandleNetwork:
    """Runs the servers of a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        chance: random.Random | None = None,
        key_for: Callable[[str, str], PrivateKey] = lambda _, kind: make_key(kind),
    ) -> None:
        """Read the description.

        Args:
            folder: where the files are.
            chance: chooses ports.
            key_for: makes a key, given a name and a kind; a new one each time, unless the caller knows better.

        Raises:
            SettingsError: a file is missing or cannot be used; the message says which.
        """
        self._folder = folder
        self._chance = chance or random.Random()  # noqa: S311 - choosing free ports
        self._content = _read_json(folder / "network.json")
        try:
            self._plans = [_plan(name, shown, key_for) for name, shown in self._content["servers"].items()]
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{folder / 'network.json'}: {error!r}") from error
        path = folder / "trust.json"
        self._trust = _read_json(path) if path.is_file() else {}
        self._keys = {plan.name: plan.key for plan in self._plans}
        self._keys |= {name: key_for(name, kind) for name, kind in self._trust.get("keys", {}).items()}
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
        for _ in range(START_TRIES):
            try:
                await self._begin()
            except OSError:  # somebody else has taken a port since it was found free
                await self.close()
                self.services.clear()
                self.stores.clear()
            else:
                return
        raise SettingsError("ports that were free are taken again and again")

    async def _begin(self) -> None:
        for plan in self._plans:
            plan.port = plan.http_port = plan.https_port = 0
        for plan in self._plans:
            plan.port = await self.free_port(plan.address)
            plan.http_port = await self.free_port(plan.address) if plan.http else 0
            plan.https_port = await self.free_port(plan.address) if plan.https else 0
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
        vouch(self._trust, list(self.stores.values()), self._keys, time.time())
        for plan in self._plans:
            await self._start_server(plan, sites)

    async def _start_server(self, plan: _Plan, sites: Mapping[str, Site]) -> None:
        site = sites[plan.site]
        ids = [server.server_id for server in site.servers]
        service = HandleService(
            self.stores[plan.records],
            site=site,
            position=ids.index(plan.server_id),
            homed=plan.homed,
            homed_derived=plan.homed_derived,
            refers={prefix: _referral(to, sites) for prefix, to in plan.refers.items()},
            key=plan.signing_key,
            registry=next((store for store in self.stores.values() if store.get(ROOT_HANDLE)), None),
        )
        service.behaviour = plan.behaviour
        self.services[plan.name] = service
        await service.start(
            plan.address,
            port=plan.port,
            http_port=plan.http_port or None,
            https_port=plan.https_port or None,
            tls=make_tls_context(plan.key) if plan.https_port else None,
        )

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
            self._publisher_port = await self.free_port("127.0.0.1")
            await self._publisher.start("127.0.0.1", self._publisher_port)

    @property
    def placeholders(self) -> dict[str, dict[str, Any]]:
        """What the files leave open: ``port``, ``http``, ``https`` and ``key`` of servers, ``site`` of sites."""
        known = {name: dict(_NOTHING) for name in ("PUBLISHER", *self._keys, *self._content["sites"])}
        known["PUBLISHER"]["http"] = self._publisher_port
        for name, key in self._keys.items():
            known[name]["key"] = key_to_json(public_key_of(key))
        for plan in self._plans:
            known[plan.name] |= {"port": plan.port, "http": plan.http_port, "https": plan.https_port}
        filled = {name: _fill(shown, known) for name, shown in self._content["sites"].items()}
        for name, site in filled.items():
            known[name]["site"] = site
        return known

    @property
    def registry(self) -> Registry:
        """Where resolution in this network begins.

        Raises:
            SettingsError: no server holds the root record.
        """
        return registry_from_records(list(self._root_records()))

    def bootstrap_json(self) -> str:
        """Return the same as a ``bootstrap_handles`` file."""
        handles = {
            record.handle: {
                "handle": record.handle,
                "values": [value_to_json(value) for value in record.values],
            }
            for record in self._root_records()
        }
        return json.dumps({"lastUpdate": 0, "handles": handles})

    def _root_records(self) -> Iterator[HandleRecord]:
        for handle in (ROOT_HANDLE, TRUST_ROOT_HANDLE):
            for store in self.stores.values():
                record = store.get(handle)
                if record is not None:
                    yield record

    def _read_records(self, name: str, known: Mapping[str, Mapping[str, Any]]) -> list[HandleRecord]:
        path = self._folder / f"{name}.jsonl"
        try:
            lines = path.read_text("utf-8").split("\n")
            return [record_from_json(_fill(json.loads(line), known)) for line in lines if line.strip()]
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(f"{path}: {error}") from error

    async def free_port(self, address: str) -> int:
        """Return a port that nobody listens on, nor will any server of this network.

        Raises:
            SettingsError: none was found.
        """
        loop = asyncio.get_running_loop()
        taken = {port for plan in self._plans for port in (plan.port, plan.http_port, plan.https_port)}
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


def _plan(name: str, shown: Mapping[str, Any], key_for: Callable[[str, str], PrivateKey]) -> _Plan:
    kind = shown.get("key", "RSA")
    key = key_for(name, kind)
    return _Plan(
        name=name,
        address=shown["address"],
        http=bool(shown.get("http")),
        https=bool(shown.get("https")),
        site=shown["site"],
        server_id=shown["server_id"],
        records=shown["records"],
        homed=list(shown.get("homed", ())),
        homed_derived=list(shown.get("homed_derived", ())),
        refers=dict(shown.get("refers", {})),
        key=key,
        signing_key=key_for(f"{name}, another", kind) if shown.get("signs_with_another_key") else key,
        behaviour=behaviour_from_json(shown.get("faults", {})),
    )


def _referral(to: str, sites: Mapping[str, Site]) -> ReferralResponse:
    """Return where a server sends whoever asks for handles that have moved."""
    if to in sites:
        return ReferralResponse("", (HandleValue(1, "HS_SITE", encode_site(sites[to])),))
    return ReferralResponse(to)


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
