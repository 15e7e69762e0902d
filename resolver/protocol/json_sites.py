"""Sites and keys as JSON, the form of the REST API and of configuration files. Both directions.

Member names and their order are those of the deployed API: clients compare them.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from resolver.errors import MessageFormatError
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.site import (
    HashOption,
    Interface,
    IPAddress,
    Server,
    ServiceType,
    Site,
    Transport,
    encode_address,
)
from resolver.protocol.keys import decode_public_key, encode_public_key

__all__ = ["address_text", "key_from_json", "key_to_json", "site_from_json", "site_to_json"]

Json = Any

_JSON_DEFAULT_HASH_OPTION = HashOption.BY_HANDLE
_OCTET = re.compile("[0-9]{1,3}")


def site_to_json(site: Site) -> dict[str, Json]:
    """Return a site as the REST API shows it."""
    major, minor = site.protocol_version
    shown: dict[str, Json] = {
        "version": site.format_version,
        "protocolVersion": f"{major}.{minor}",
        "serialNumber": site.serial_number,
        "primarySite": site.primary,
        "multiPrimary": site.multi_primary,
    }
    if site.hash_option != _JSON_DEFAULT_HASH_OPTION:
        shown["hashOption"] = site.hash_option
    if site.hash_filter:
        shown["hashFilter"] = site.hash_filter
    shown["attributes"] = [{"name": name, "value": value} for name, value in site.attributes]
    shown["servers"] = [_server_to_json(server) for server in site.servers]
    return shown


def _server_to_json(server: Server) -> dict[str, Json]:
    return {
        "serverId": server.server_id,
        "address": address_text(server.address),
        "publicKey": _encoded_key_to_json(server.public_key),
        "interfaces": [
            {
                "query": interface.answers_queries,
                "admin": interface.answers_administration,
                "protocol": _transport_name(interface.transport),
                "port": interface.port,
            }
            for interface in server.interfaces
        ],
    }


def _transport_name(transport: int) -> str | int:
    try:
        return Transport(transport).name
    except ValueError:
        return transport


def _encoded_key_to_json(octets: bytes) -> dict[str, Json]:
    try:
        shown = key_to_json(decode_public_key(octets))
    except MessageFormatError:
        shown = None
    if shown is None:
        return {"format": "base64", "value": base64.b64encode(octets).decode()}
    return {"format": "key", "value": shown}


def address_text(octets: bytes) -> str:
    """Return 16 octets of a site record as deployed software prints them.

    It shortens the first longest run of two or more zero groups, but never one that reaches the end:
    ``fe80::`` prints as ``fe80:0:0:0:0:0:0:0``. For a form that people expect, see ``Server.ip``.
    """
    if not any(octets[:12]):
        return str(ipaddress.IPv4Address(octets[12:]))
    groups = [int.from_bytes(octets[start : start + 2], "big") for start in range(0, len(octets), 2)]
    words = [f"{group:x}" for group in groups]
    start, length = _longest_inner_zero_run(groups)
    if length < 2:
        return ":".join(words)
    return f"{':'.join(words[:start])}::{':'.join(words[start + length :])}"


def _longest_inner_zero_run(groups: list[int]) -> tuple[int, int]:
    best = (0, 0)
    start = None
    for position, group in enumerate(groups):
        if group == 0:
            start = position if start is None else start
        elif start is not None:
            if position - start > best[1]:
                best = (start, position - start)
            start = None
    return best


def key_to_json(key: PublicKey) -> dict[str, str] | None:
    """Return a key as JWK, or ``None`` for a kind that has no JSON form here."""
    match key:
        case RsaPublicKey(exponent, modulus):
            return {"kty": "RSA", "n": _number_to_json(modulus), "e": _number_to_json(exponent)}
        case DsaPublicKey(q, p, g, y):
            return {
                "kty": "DSA",
                "y": _number_to_json(y),
                "p": _number_to_json(p),
                "q": _number_to_json(q),
                "g": _number_to_json(g),
            }
        case DhPublicKey():
            return None


def _number_to_json(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


# --- reading: files that people write and other software wrote -------------------------------------------


def key_from_json(shown: Json) -> PublicKey:
    """Read a JWK.

    Raises:
        MessageFormatError: not an object, an unknown ``kty``, or a number that is missing or no base64url.
    """
    if not isinstance(shown, Mapping):
        raise MessageFormatError(f"a key must be an object, not {shown!r}")

    def number(name: str) -> int:
        text = shown.get(name)
        if not isinstance(text, str):
            raise MessageFormatError(f"key lacks {name!r}")
        try:
            padded = text + "=" * (-len(text) % 4)
            return int.from_bytes(base64.b64decode(padded, altchars=b"-_", validate=True), "big")
        except (ValueError, binascii.Error) as error:
            raise MessageFormatError(f"key member {name!r} is no base64url") from error

    match shown.get("kty"):
        case "RSA":
            return RsaPublicKey(exponent=number("e"), modulus=number("n"))
        case "DSA":
            return DsaPublicKey(q=number("q"), p=number("p"), g=number("g"), y=number("y"))
        case other:
            raise MessageFormatError(f"unknown key type {other!r}")


def site_from_json(shown: Json) -> Site:
    """Read a site as the REST API, ``siteinfo.json`` and ``local_info.json`` write it.

    Old files begin some names with a capital and call the lists ``serverList`` and ``interfaceList``.

    Raises:
        MessageFormatError: a member is missing or of the wrong kind; the message says which.
    """
    site = _Members(shown, "site")
    major, _, minor = site.text("protocolVersion", "2.10").partition(".")
    if not (_OCTET.fullmatch(major) and _OCTET.fullmatch(minor) and max(int(major), int(minor)) <= 255):
        raise MessageFormatError(f"site: protocolVersion {major[:20]}.{minor[:20]} is not like 2.11")
    return Site(
        format_version=site.number("version", 1, 0xFFFF),
        protocol_version=(int(major), int(minor)),
        serial_number=site.number("serialNumber", 1, 0xFFFF),
        primary=site.flag("primarySite"),
        multi_primary=site.flag("multiPrimary"),
        hash_option=site.number("hashOption", _JSON_DEFAULT_HASH_OPTION, 0xFF),
        hash_filter=site.text("hashFilter", ""),
        attributes=tuple(_attributes_from_json(site.get("attributes"))),
        servers=tuple(_server_from_json(server) for server in site.items("servers", "serverList")),
    )


def _attributes_from_json(shown: Json) -> Iterator[tuple[str, str]]:
    match shown:
        case None:
            return
        case Mapping():
            for name, values in shown.items():
                for value in values if isinstance(values, list) else [values]:
                    yield str(name), str(value)
        case list():
            for attribute in shown:
                members = _Members(attribute, "attribute")
                yield members.text("name", None), members.text("value", "")
        case _:
            raise MessageFormatError(f"site: attributes must be a list or an object, not {shown!r}")


def _server_from_json(shown: Json) -> Server:
    server = _Members(shown, "server")
    return Server(
        server_id=server.number("serverId", 1),
        address=encode_address(_address_from_json(server.text("address", None))),
        public_key=_encoded_key_from_json(server.get("publicKey")),
        interfaces=tuple(
            _interface_from_json(interface) for interface in server.items("interfaces", "interfaceList")
        ),
    )


def _address_from_json(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise MessageFormatError(f"server: {text!r} is no IP address") from error
    return address if int(address) else None


def _encoded_key_from_json(shown: Json) -> bytes:
    try:
        match shown:
            case None:
                return b""
            case str():
                return bytes.fromhex(shown)
            case {"format": "key", "value": jwk}:
                return encode_public_key(key_from_json(jwk))
            case {"format": "base64", "value": str(text)}:
                return base64.b64decode(text, validate=True)
            case {"format": "hex", "value": str(text)}:
                return bytes.fromhex(text)
            case {"kty": _}:
                return encode_public_key(key_from_json(shown))
            case _:
                pass
    except ValueError as error:
        raise MessageFormatError("server: publicKey is neither hexadecimal nor base64") from error
    raise MessageFormatError(f"server: publicKey {shown!r} is of no known form")


def _interface_from_json(shown: Json) -> Interface:
    interface = _Members(shown, "interface")
    service_type = (ServiceType.QUERY if interface.flag("query") else ServiceType(0)) | (
        ServiceType.ADMIN if interface.flag("admin") else ServiceType(0)
    )
    protocol = interface.get("protocol")
    if isinstance(protocol, str) and protocol.upper() in Transport.__members__:
        transport = int(Transport[protocol.upper()])
    elif isinstance(protocol, int) and not isinstance(protocol, bool) and 0 <= protocol <= 255:
        transport = protocol
    else:
        raise MessageFormatError(
            f"interface: protocol {protocol!r} is none of {', '.join(Transport.__members__)}"
        )
    port = interface.number("port", None)
    if not 0 < port <= 65535:
        raise MessageFormatError(f"interface: port {port} is not within 1..65535")
    return Interface(int(service_type), transport, port)


class _Members:
    """The members of a JSON object that a file gives us, each with a check and an error that names it."""

    def __init__(self, shown: Json, what: str) -> None:
        if not isinstance(shown, Mapping):
            raise MessageFormatError(f"a {what} must be an object, not {shown!r}")
        # ServerList, Address and Port begin with a capital in files from before version 8.
        self._members = {name[:1].lower() + name[1:]: value for name, value in shown.items()}
        self._what = what

    def get(self, *names: str) -> Json:
        return next((self._members[name] for name in names if name in self._members), None)

    def items(self, *names: str) -> list[Json]:
        found = self.get(*names)
        if not isinstance(found, list):
            raise MessageFormatError(f"{self._what}: {names[0]} must be a list, not {found!r}")
        return found

    def number(self, name: str, default: int | None, highest: int = 0xFFFF_FFFF) -> int:
        found = self._members.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= highest:
            raise MessageFormatError(
                f"{self._what}: {name} must be a number from 0 to {highest}, not {found!r}"
            )
        return found

    def text(self, name: str, default: str | None) -> str:
        found = self._members.get(name, default)
        if not isinstance(found, str):
            raise MessageFormatError(f"{self._what}: {name} must be text, not {found!r}")
        return found

    def flag(self, name: str) -> bool:
        found = self._members.get(name, False)
        if not isinstance(found, bool):
            raise MessageFormatError(f"{self._what}: {name} must be true or false, not {found!r}")
        return found
