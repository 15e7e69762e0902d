"""Where resolution begins: the sites of the Global Handle Registry and its root of trust.

The package ships them as of 2019; an operator may name a ``bootstrap_handles`` file as Handle.Net clients
use it, for the public registry or for one of their own.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from resolver.errors import MessageFormatError, ResolverError, SettingsError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE, Handle, fold_ascii
from resolver.model.keys import PublicKey
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site
from resolver.protocol.json_sites import key_from_json, site_from_json
from resolver.protocol.json_values import record_from_json
from resolver.protocol.keys import decode_public_key, encode_public_key
from resolver.protocol.namespaces import namespace_of
from resolver.protocol.sites import encode_site
from resolver.resolution.directory import Directory
from resolver.resolution.lookup import ORDINARY, sites_of
from resolver.resolution.steps import Conversation, Fetch, Fetched, Question

__all__ = [
    "Registry",
    "load_bootstrap_file",
    "load_shipped_registry",
    "read_bootstrap_file",
    "registry_from_records",
]

MAX_FILE_OCTETS = 16 * 1024 * 1024
_FORMAT = "handle-resolver/registry/1"


@dataclass(frozen=True, slots=True)
class Registry:
    """What is known of the Global Handle Registry."""

    sites: tuple[Site, ...]
    """Where it can be asked, in its own order."""
    trust_keys: tuple[PublicKey, ...]
    """The keys that every chain of trust must end in."""
    namespace: Namespace | None
    """What holds for all prefixes."""
    records: Mapping[str, HandleRecord]
    """The records it was built from, by folded handle."""
    preferred_service: Handle | None = None
    """The service handle whose sites are asked in place of all others, if it names any."""


def registry_from_records(records: Sequence[HandleRecord], preferred: Handle | None = None) -> Registry:
    """Build the registry from its root record, the trust root and the service handles.

    Args:
        records: those of ``0.NA/0.NA``, ``0.0/0.0`` and the service handles that they name.
        preferred: a service handle among them whose sites are asked in place of all others.

    Raises:
        SettingsError: no root record, or one from which no site can be reached.
    """
    by_handle = {fold_ascii(record.handle): record for record in records}
    root = by_handle.get(ROOT_HANDLE)
    if root is None:
        raise SettingsError(f"the bootstrap data has no record {ROOT_HANDLE}")
    sites = _sites(by_handle.get(fold_ascii(preferred.text)), by_handle) if preferred else ()
    sites = sites or _sites(root, by_handle)
    if not sites:
        raise SettingsError(f"the bootstrap data names no site of the registry in {ROOT_HANDLE}")
    trust_root = by_handle.get(TRUST_ROOT_HANDLE, HandleRecord(TRUST_ROOT_HANDLE, ()))
    return Registry(sites, tuple(_keys_in(trust_root)), namespace_of(root.values), by_handle, preferred)


def _sites(record: HandleRecord | None, records: Mapping[str, HandleRecord]) -> tuple[Site, ...]:
    if record is None:
        return ()
    question = Question(Handle(record.handle))
    return _drive_offline(sites_of(record, ORDINARY, Directory(()), question), records)


def _drive_offline(
    conversation: Conversation[tuple[Site, ...]], records: Mapping[str, HandleRecord]
) -> tuple[Site, ...]:
    try:
        step = next(conversation)
        while True:
            record = records.get(fold_ascii(step.handle.text)) if isinstance(step, Fetch) else None
            if record is None:
                step = conversation.throw(ResolverError("not among the bootstrap data"))
            else:
                step = conversation.send(Fetched(record, is_old=False))
    except StopIteration as end:
        sites: tuple[Site, ...] = end.value
        return sites


def _keys_in(record: HandleRecord) -> Iterator[PublicKey]:
    for value in record.of_type("HS_PUBKEY"):
        try:
            yield decode_public_key(value.data)
        except MessageFormatError:
            continue


# --- the file of Handle.Net clients ----------------------------------------------------------------------


def load_bootstrap_file(path: Path, preferred: Handle | None = None) -> Registry:
    """Read a ``bootstrap_handles`` file: ``{"lastUpdate": ms, "handles": {"0.NA/0.NA": {…}, …}}``.

    Raises:
        SettingsError: the file cannot be read or used; the message says why.
    """
    return read_bootstrap_file(path, preferred)[0]


def read_bootstrap_file(path: Path, preferred: Handle | None = None) -> tuple[Registry, Mapping[str, Any]]:
    """Read a ``bootstrap_handles`` file; return its registry, and all of its members.

    Raises:
        SettingsError: the file cannot be read or used; the message says why.
    """
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            raise SettingsError(f"bootstrap file {path} is larger than {MAX_FILE_OCTETS} octets")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"bootstrap file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"bootstrap file {path} is no JSON: {error}") from error
    match content:
        case {"handles": dict(handles)}:
            listed = list(handles.values())
        case {"handles": list(listed)}:
            pass
        case _:
            raise SettingsError(f'bootstrap file {path} has no member "handles"')
    try:
        return registry_from_records([record_from_json(record) for record in listed], preferred), content
    except (MessageFormatError, SettingsError) as error:
        raise SettingsError(f"bootstrap file {path}: {error}") from error


# --- the data that the package ships ---------------------------------------------------------------------


def load_shipped_registry(preferred: Handle | None = None) -> Registry:
    """Read the registry data that comes with the package.

    Raises:
        SettingsError: the installation is damaged.
    """
    try:
        text = (files("resolver") / "data" / "registry.toml").read_text("utf-8")
        content = tomllib.loads(text)
        if content["format"] != _FORMAT:
            raise SettingsError(f"the registry data of this installation is of format {content['format']!r}")
        keys = {name: encode_public_key(key_from_json(jwk)) for name, jwk in content["keys"].items()}
        records = [_shipped_record(record, keys) for record in content["records"]]
        return registry_from_records(records, preferred)
    except (OSError, KeyError, tomllib.TOMLDecodeError, MessageFormatError) as error:
        raise SettingsError(f"the registry data of this installation is damaged: {error!r}") from error


def _shipped_record(shown: dict[str, Any], keys: Mapping[str, bytes]) -> HandleRecord:
    values = [HandleValue(key["index"], "HS_PUBKEY", keys[key["key"]]) for key in shown.get("keys", ())]
    values += [
        HandleValue(site["index"], site.get("type", "HS_SITE"), encode_site(_shipped_site(site, keys)))
        for site in shown.get("sites", ())
    ]
    values += [
        HandleValue(1000 + number, "HS_SERV", service.encode())
        for number, service in enumerate(shown.get("services", ()))
    ]
    return HandleRecord(Handle.parse(shown["handle"]).text, tuple(values))


def _shipped_site(shown: dict[str, Any], keys: Mapping[str, bytes]) -> Site:
    servers = []
    for server in shown["servers"]:
        interfaces = []
        for text in server["interfaces"]:
            where, *purposes = text.split()
            protocol, _, port = where.partition("/")
            interfaces.append(
                {
                    "protocol": protocol,
                    "port": int(port),
                    "query": "query" in purposes,
                    "admin": "admin" in purposes,
                }
            )
        servers.append(
            {
                "serverId": server["id"],
                "address": server["address"],
                "publicKey": keys[server["key"]].hex(),
                "interfaces": interfaces,
            }
        )
    return site_from_json(
        {
            "protocolVersion": shown["protocol"],
            "serialNumber": shown["serial"],
            "primarySite": shown["primary"],
            "multiPrimary": shown.get("multi_primary", False),
            "attributes": [{"name": name, "value": value} for name, value in shown["attributes"]],
            "servers": servers,
        }
    )
