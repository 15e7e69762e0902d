"""Values of structured types, taken apart for people: administrators, sites, keys, policies, locations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from resolver.answer.targets import Target, read_target
from resolver.answer.visible import handle_in, is_mail_address, mail_uri, visible_text
from resolver.errors import MessageFormatError, SignatureError
from resolver.model.handle import fold_ascii
from resolver.model.keys import PublicKey
from resolver.model.record import AdminPermission, HandleValue, Reference, has_type
from resolver.model.site import HashOption, Server, Site, Transport
from resolver.phrases import Day, Several, phrase
from resolver.protocol.json_values import SITE_TYPES
from resolver.protocol.keys import decode_public_key
from resolver.protocol.locations import LINKS_TYPE, LOCATIONS_TYPE, decode_locations
from resolver.protocol.namespaces import NAMESPACE_TYPE, decode_namespace
from resolver.protocol.sites import decode_site
from resolver.protocol.values import decode_admin, decode_vlist
from resolver.trust.jws import read_claims, read_jws

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


_SIGNED_TYPES = frozenset({"HS_SIGNATURE", "HS_CERT"})
_ALLOWED = {
    AdminPermission.ADD_HANDLE: phrase("add handle"),
    AdminPermission.DELETE_HANDLE: phrase("delete handle"),
    AdminPermission.ADD_DERIVED_PREFIX: phrase("add derived prefix"),
    AdminPermission.DELETE_DERIVED_PREFIX: phrase("delete derived prefix"),
    AdminPermission.MODIFY_VALUE: phrase("modify value"),
    AdminPermission.REMOVE_VALUE: phrase("remove value"),
    AdminPermission.ADD_VALUE: phrase("add value"),
    AdminPermission.MODIFY_ADMIN: phrase("modify admin"),
    AdminPermission.REMOVE_ADMIN: phrase("remove admin"),
    AdminPermission.ADD_ADMIN: phrase("add admin"),
    AdminPermission.READ_VALUE: phrase("read value"),
    AdminPermission.LIST_HANDLES: phrase("list handles"),
    AdminPermission.LIST_DERIVED_PREFIXES: phrase("list derived prefixes"),
}
_DIVIDED: dict[int, str] = {
    HashOption.BY_PREFIX: phrase("by prefix"),
    HashOption.BY_SUFFIX: phrase("by suffix"),
    HashOption.BY_HANDLE: phrase("by handle"),
}


def facts_of(value: HandleValue, schemes: frozenset[str]) -> tuple[Fact, ...]:
    """Decode a value of a structured type; empty if the type is none, or the data are not what it says."""
    value_type = fold_ascii(value.type)
    try:
        if has_type(value_type, "HS_ADMIN"):
            return _admin_facts(value.data)
        if has_type(value_type, "HS_VLIST"):
            references = decode_vlist(value.data)
            if not references:
                return (Fact(phrase("Members"), phrase("none")),)
            return tuple(
                _reference_fact(phrase("Member"), reference) for reference in references[:MAX_SHOWN_LIST]
            )
        if any(has_type(value_type, wanted) for wanted in SITE_TYPES):
            return tuple(_site_facts(decode_site(value.data)))
        if has_type(value_type, "HS_PUBKEY"):
            return (_key_fact(decode_public_key(value.data)),)
        if value_type == NAMESPACE_TYPE:
            return tuple(_namespace_facts(value.data))
        if value_type in _LOCATION_TYPES:
            return tuple(_location_facts(value.data, schemes))
        if value_type in _SIGNED_TYPES:
            return tuple(_signature_facts(value.data))
    except (MessageFormatError, SignatureError):
        return ()
    return ()


def _admin_facts(data: bytes) -> tuple[Fact, ...]:
    admin = decode_admin(data)
    allowed = [text for permission, text in _ALLOWED.items() if permission in admin.permissions]
    return (
        _reference_fact(phrase("Administrator"), admin.administrator),
        Fact(phrase("May"), Several.of(allowed) if allowed else phrase("nothing")),
    )


def _reference_fact(label: str, reference: Reference) -> Fact:
    return Fact(label, visible_text(str(reference)), handle=handle_in(reference.handle))


def _site_facts(site: Site) -> Iterable[Fact]:
    major, minor = site.protocol_version
    if site.description:
        yield Fact(phrase("Description"), visible_text(site.description))
    kind = phrase("primary") if site.primary else phrase("mirror")
    yield Fact(
        phrase("Kind"), Several.of([kind, phrase("one of several primaries")]) if site.multi_primary else kind
    )
    yield Fact(
        phrase("Protocol"),
        phrase(
            "%(version)s, serial number %(serial)s", version=f"{major}.{minor}", serial=site.serial_number
        ),
    )
    if len(site.servers) > 1:
        unknown = phrase("in an unknown way (%(number)s)", number=site.hash_option)
        yield Fact(phrase("Handles divided"), _DIVIDED.get(site.hash_option, unknown))
    for server in site.servers[:MAX_SHOWN_LIST]:
        yield Fact(phrase("Server %(number)s", number=server.server_id), _describe_server(server))
    for name, text in site.attributes[:MAX_SHOWN_LIST]:
        if name.lower() != "desc":
            yield Fact(visible_text(name), visible_text(text))


def _describe_server(server: Server) -> str:
    ports = ", ".join(
        f"{_transport_name(interface.transport)} {interface.port}"
        for interface in server.interfaces
        if interface.answers_queries
    )
    address = str(server.ip) if server.ip else phrase("no address")
    answers = phrase("answers on %(ports)s", ports=ports) if ports else phrase("answers no queries")
    return Several.of([address, answers])


def _transport_name(transport: int) -> str:
    try:
        return Transport(transport).name
    except ValueError:
        return f"transport {transport}"


def _key_fact(key: PublicKey) -> Fact:
    algorithm = type(key).__name__.removesuffix("PublicKey").upper()
    return Fact(phrase("Key"), phrase("%(algorithm)s, %(number)s bits", algorithm=algorithm, number=key.bits))


def _signature_facts(data: bytes) -> Iterable[Fact]:
    """What a signature says of itself; whether that is true is another question, which ``?cert`` answers."""
    jws = read_jws(data)
    claims = read_claims(jws)
    yield _reference_fact(phrase("Signed by"), claims.issuer)
    yield Fact(phrase("About"), visible_text(claims.subject))
    if claims.not_after is not None:
        yield Fact(phrase("Valid"), phrase("until %(day)s", day=Day.of(int(claims.not_after))))
    if claims.public_key is not None:
        yield _key_fact(claims.public_key)
    if claims.digests:
        indexes = ", ".join(str(index) for index, _ in claims.digests[:MAX_SHOWN_LIST])
        yield Fact(phrase("Values signed"), indexes)
    yield Fact(phrase("Algorithm"), visible_text(jws.algorithm))


def _namespace_facts(data: bytes) -> Iterable[Fact]:
    namespace = decode_namespace(data)
    yield Fact(phrase("Status"), visible_text(namespace.status))
    if namespace.status_message:
        yield Fact(phrase("Message"), visible_text(namespace.status_message))
    if namespace.contact:
        is_address = is_mail_address(namespace.contact)
        yield Fact(
            phrase("Contact"),
            visible_text(namespace.contact),
            uri=mail_uri(namespace.contact) if is_address else None,
        )
    for handle in namespace.location_handles[:MAX_SHOWN_LIST]:
        yield Fact(phrase("Locations for all handles"), visible_text(handle), handle=handle_in(handle))
    if namespace.has_template:
        yield Fact(phrase("Template"), phrase("records of unregistered handles are computed"))


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
            phrase("Place %(number)s", number=number),
            visible_text(href),
            uri=target.uri if isinstance(target, Target) else None,
            more=visible_text(", ".join(more)),
        )
    hidden = len(document.locations) - MAX_SHOWN_LIST
    if hidden > 0:
        yield Fact(phrase("And"), phrase("%(number)s more places", number=hidden))
