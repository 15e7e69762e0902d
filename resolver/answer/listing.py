"""The values of a record, decoded for people: a plain view that templates show and do not decide about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote

from resolver.answer.targets import DEFAULT_SCHEMES, Target, Unusable, read_target
from resolver.errors import InvalidHandleError, MessageFormatError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.keys import PublicKey
from resolver.model.record import (
    DEFAULT_PERMISSIONS,
    AdminPermission,
    HandleValue,
    Permission,
    Reference,
    TtlType,
    has_type,
)
from resolver.model.site import HashOption, Server, Site, Transport
from resolver.protocol.json_values import SITE_TYPES, time_to_json
from resolver.protocol.keys import decode_public_key
from resolver.protocol.namespaces import NAMESPACE_TYPE, decode_namespace
from resolver.protocol.sites import decode_site
from resolver.protocol.text import as_text
from resolver.protocol.values import decode_admin, decode_vlist

__all__ = ["Fact", "ValueView", "describe_day", "describe_duration", "show_value", "visible_text"]

MAX_SHOWN_CHARACTERS = 4000
MAX_SHOWN_OCTETS = 256
MAX_SHOWN_LIST = 200

_TYPE_NAMES = {
    "URL": "Location",
    "0.TYPE/URL": "Location",
    "EMAIL": "E-mail address",
    "DESC": "Description",
    "HS_ADMIN": "Administrator",
    "HS_VLIST": "Group of administrators",
    "HS_ALIAS": "Alias",
    "HS_SITE": "Service site",
    "HS_SITE.6": "Service site",
    "HS_SITE.PREFIX": "Service site for derived prefixes",
    "HS_NA_DELEGATE": "Service site for derived prefixes",
    "HS_SERV": "Service handle",
    "HS_SERV.PREFIX": "Service handle for derived prefixes",
    "HS_PUBKEY": "Public key",
    "HS_SECKEY": "Secret key",
    "HS_NAMESPACE": "Prefix policy",
    "HS_SIGNATURE": "Signature of this record",
    "HS_CERT": "Certificate",
    "10320/LOC": "Locations",
}
_HANDLE_TYPES = ("HS_ALIAS", "HS_SERV")
_LOCATION_TYPES = ("URL", "0.TYPE/URL")
_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")
# Characters that change how the text around them is shown, so that a value could look like another one.
_DECEPTIVE = re.compile(
    "[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u061c\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One decoded part of a value: what it is, what it says, and where it leads."""

    label: str
    text: str
    uri: str | None = None
    handle: str | None = None


@dataclass(frozen=True, slots=True)
class ValueView:
    """One value as people see it; all texts may be shown as they are."""

    index: int
    type: str
    type_name: str
    """What the type means, in words; empty if it is not known."""
    type_handle: str | None
    """The handle that describes the type, if the type is one."""
    text: str | None
    """The data as text; ``None`` if they are structured or binary."""
    uri: str | None
    """Where the text leads."""
    handle: str | None
    """The handle that the text is."""
    facts: tuple[Fact, ...]
    """The data of a structured type."""
    octets: str | None
    """The data of an unknown type that are no text, in hexadecimal."""
    warning: str
    """Why a value that should lead somewhere does not."""
    ttl: str
    """How long it may be kept: ``for 1 hour``, ``until 1 January 2030``."""
    changed: str
    """Day of the last change, or an empty text."""
    changed_exactly: str
    permissions: str
    """Who may do what, if that is not the usual; else empty."""
    references: tuple[Reference, ...]


def show_value(value: HandleValue, schemes: frozenset[str] = DEFAULT_SCHEMES) -> ValueView:
    """Decode a value for people."""
    facts = tuple(
        replace(fact, label=_shortened(fact.label), text=_shortened(fact.text)) for fact in _structured(value)
    )
    text = None if facts else as_text(value.data)
    uri, warning = _link(value, text, schemes) if text is not None or _is_location(value) else (None, "")
    return ValueView(
        index=value.index,
        type=_shortened(visible_text(value.type)),
        type_name=_TYPE_NAMES.get(fold_ascii(value.type), ""),
        type_handle=_type_handle(value.type),
        text=None if text is None else _shortened(visible_text(text)),
        uri=uri,
        handle=_named_handle(value, text),
        facts=facts,
        octets=None if facts or text is not None else _hexadecimal(value.data),
        warning=warning,
        ttl=_describe_ttl(value),
        changed=describe_day(value.timestamp) if value.timestamp else "",
        changed_exactly=time_to_json(value.timestamp) if value.timestamp else "",
        permissions=""
        if value.permissions == DEFAULT_PERMISSIONS
        else _describe_permissions(value.permissions),
        references=value.references,
    )


def visible_text(text: str) -> str:
    """Return ``text`` with invisible and direction-changing characters written out by number."""
    return _DECEPTIVE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def describe_duration(seconds: float) -> str:
    """Return a duration in its largest two units: ``1 day``, ``2 hours 5 minutes``, ``0 seconds``."""
    left = max(0, int(seconds))
    parts = []
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def _shortened(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return f"{text[:MAX_SHOWN_CHARACTERS]}… ({len(text) - MAX_SHOWN_CHARACTERS} more characters)"


def _hexadecimal(data: bytes) -> str:
    shown = data[:MAX_SHOWN_OCTETS].hex(" ")
    return (
        shown if len(data) <= MAX_SHOWN_OCTETS else f"{shown} … ({len(data) - MAX_SHOWN_OCTETS} more octets)"
    )


def _is_location(value: HandleValue) -> bool:
    return any(has_type(value.type, wanted) for wanted in _LOCATION_TYPES)


def _link(value: HandleValue, text: str | None, schemes: frozenset[str]) -> tuple[str | None, str]:
    if has_type(value.type, "EMAIL"):
        address = (text or "").strip()
        return (_mail_uri(address), "") if _EMAIL.fullmatch(address) else (None, "")
    match read_target(value.data, schemes):
        case Target(uri):
            return uri, ""
        case Unusable(reason):
            return None, f"Nobody is sent there, because {_shortened(reason)}." if _is_location(value) else ""


def _mail_uri(address: str) -> str:
    """Return a link that holds the address and nothing more: no second recipient, no subject (RFC 6068)."""
    return f"mailto:{quote(address, safe='@')}"


def _type_handle(value_type: str) -> str | None:
    if fold_ascii(value_type) in _TYPE_NAMES and "/" not in value_type:
        return f"0.TYPE/{fold_ascii(value_type)}"
    if "/" not in value_type or ":" in value_type:
        return None
    return _parsed(value_type)


def _named_handle(value: HandleValue, text: str | None) -> str | None:
    if text is None or not any(has_type(value.type, wanted) for wanted in _HANDLE_TYPES):
        return None
    return _parsed(text.strip())


def _parsed(text: str) -> str | None:
    try:
        return Handle.parse(text).text
    except InvalidHandleError:
        return None


# --- structured data -------------------------------------------------------------------------------------


def _structured(value: HandleValue) -> tuple[Fact, ...]:
    value_type = fold_ascii(value.type)
    try:
        if has_type(value_type, "HS_ADMIN"):
            return _admin_facts(value.data)
        if has_type(value_type, "HS_VLIST"):
            references = decode_vlist(value.data)
            if not references:
                return (Fact("Members", "none"),)
            return tuple(_reference_fact("Member", reference) for reference in references[:MAX_SHOWN_LIST])
        if any(has_type(value_type, wanted) for wanted in SITE_TYPES):
            return tuple(_site_facts(decode_site(value.data)))
        if has_type(value_type, "HS_PUBKEY"):
            return (_key_fact(decode_public_key(value.data)),)
        if value_type == NAMESPACE_TYPE:
            return tuple(_namespace_facts(value.data))
    except MessageFormatError:
        return ()
    return ()


def _admin_facts(data: bytes) -> tuple[Fact, ...]:
    admin = decode_admin(data)
    allowed = [permission for permission in AdminPermission if permission in admin.permissions]
    return (
        _reference_fact("Administrator", admin.administrator),
        Fact(
            "May",
            ", ".join((permission.name or "").lower().replace("_", " ") for permission in allowed)
            or "nothing",
        ),
    )


def _reference_fact(label: str, reference: Reference) -> Fact:
    return Fact(label, visible_text(str(reference)), handle=_parsed(reference.handle))


def _site_facts(site: Site) -> Iterable[Fact]:
    major, minor = site.protocol_version
    if site.description:
        yield Fact("Description", visible_text(site.description))
    kind = "primary" if site.primary else "mirror"
    yield Fact("Kind", f"{kind}{', one of several primaries' if site.multi_primary else ''}")
    yield Fact("Protocol", f"{major}.{minor}, serial number {site.serial_number}")
    if len(site.servers) > 1:
        try:
            divided = HashOption(site.hash_option).name.lower().replace("_", " ")
        except ValueError:
            divided = f"in an unknown way ({site.hash_option})"
        yield Fact("Handles divided", divided)
    for server in site.servers[:MAX_SHOWN_LIST]:
        yield Fact(f"Server {server.server_id}", _describe_server(server))
    for name, text in site.attributes[:MAX_SHOWN_LIST]:
        if name.lower() != "desc":
            yield Fact(visible_text(name), visible_text(text))


def _describe_server(server: Server) -> str:
    ports = ", ".join(
        f"{_transport_name(interface.transport)} {interface.port}"
        for interface in server.interfaces
        if interface.answers_queries
    )
    return f"{server.ip or 'no address'}, {f'answers on {ports}' if ports else 'answers no queries'}"


def _transport_name(transport: int) -> str:
    try:
        return Transport(transport).name
    except ValueError:
        return f"transport {transport}"


def _key_fact(key: PublicKey) -> Fact:
    algorithm = type(key).__name__.removesuffix("PublicKey").upper()
    return Fact("Key", f"{algorithm}, {key.bits} bits")


def _namespace_facts(data: bytes) -> Iterable[Fact]:
    namespace = decode_namespace(data)
    yield Fact("Status", visible_text(namespace.status))
    if namespace.status_message:
        yield Fact("Message", visible_text(namespace.status_message))
    if namespace.contact:
        is_address = _EMAIL.fullmatch(namespace.contact) is not None
        yield Fact(
            "Contact",
            visible_text(namespace.contact),
            uri=_mail_uri(namespace.contact) if is_address else None,
        )
    for handle in namespace.location_handles[:MAX_SHOWN_LIST]:
        yield Fact("Locations for all handles", visible_text(handle), handle=_parsed(handle))
    if namespace.has_template:
        yield Fact("Template", "records of unregistered handles are computed")


# --- the small print -------------------------------------------------------------------------------------


def _describe_ttl(value: HandleValue) -> str:
    match value.ttl_type:
        case TtlType.RELATIVE:
            return f"for {describe_duration(value.ttl)}"
        case TtlType.ABSOLUTE:
            return f"until {describe_day(value.ttl)}"
        case _:
            return "for no time"


def describe_day(seconds: int) -> str:
    """Return the day of a moment in seconds since 1970: ``2 March 2026``."""
    year, month, day = time_to_json(seconds)[:10].rsplit("-", 2)
    return f"{int(day)} {_MONTHS[int(month) - 1]} {year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


_PERMISSION_NAMES = {
    Permission.PUBLIC_READ: "everybody reads",
    Permission.PUBLIC_WRITE: "everybody writes",
    Permission.ADMIN_READ: "administrators read",
    Permission.ADMIN_WRITE: "administrators write",
}


def _describe_permissions(permissions: int) -> str:
    return (
        ", ".join(name for permission, name in _PERMISSION_NAMES.items() if permissions & permission)
        or "nobody"
    )
