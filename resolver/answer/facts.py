"""Values of structured types, taken apart for people: administrators, sites, keys, policies, locations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from resolver.answer.targets import Target, read_target
from resolver.answer.visible import handle_in, is_mail_address, mail_uri, visible_text
from resolver.errors import MessageFormatError
from resolver.model.handle import fold_ascii
from resolver.model.keys import PublicKey
from resolver.model.record import AdminPermission, HandleValue, Reference, has_type
from resolver.model.site import HashOption, Server, Site, Transport
from resolver.protocol.json_values import SITE_TYPES
from resolver.protocol.keys import decode_public_key
from resolver.protocol.locations import LINKS_TYPE, LOCATIONS_TYPE, decode_locations
from resolver.protocol.namespaces import NAMESPACE_TYPE, decode_namespace
from resolver.protocol.sites import decode_site
from resolver.protocol.values import decode_admin, decode_vlist

__all__ = ["Fact", "facts_of"]

MAX_SHOWN_LIST = 200
_LOCATION_TYPES = frozenset({fold_ascii(LOCATIONS_TYPE), fold_ascii(LINKS_TYPE)})


@dataclass(frozen=True, slots=True)
class Fact:
    """One decoded part of a value: what it is, what it says, and where it leads."""

    label: str
    text: str
    uri: str | None = None
    handle: str | None = None
    more: str = ""
    """What else is said about it."""


def facts_of(value: HandleValue, schemes: frozenset[str]) -> tuple[Fact, ...]:
    """Decode a value of a structured type; empty if the type is none, or the data are not what it says."""
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
        if value_type in _LOCATION_TYPES:
            return tuple(_location_facts(value.data, schemes))
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
    return Fact(label, visible_text(str(reference)), handle=handle_in(reference.handle))


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
        is_address = is_mail_address(namespace.contact)
        yield Fact(
            "Contact",
            visible_text(namespace.contact),
            uri=mail_uri(namespace.contact) if is_address else None,
        )
    for handle in namespace.location_handles[:MAX_SHOWN_LIST]:
        yield Fact("Locations for all handles", visible_text(handle), handle=handle_in(handle))
    if namespace.has_template:
        yield Fact("Template", "records of unregistered handles are computed")


def _location_facts(data: bytes, schemes: frozenset[str]) -> Iterable[Fact]:
    document = decode_locations(data)
    for name, text in document.attributes:
        yield Fact(visible_text(name), visible_text(text))
    for number, location in enumerate(document.locations[:MAX_SHOWN_LIST], 1):
        href = location.get("href") or location.get("href_template") or ""
        more = [
            f"{name} {text}" for name, text in location.attributes if name not in {"href", "href_template"}
        ]
        target = read_target((location.get("href") or "").encode("utf-8", "surrogatepass"), schemes)
        yield Fact(
            f"Place {number}",
            visible_text(href),
            uri=target.uri if isinstance(target, Target) else None,
            more=visible_text(", ".join(more)),
        )
    hidden = len(document.locations) - MAX_SHOWN_LIST
    if hidden > 0:
        yield Fact("And", f"{hidden} more places")
