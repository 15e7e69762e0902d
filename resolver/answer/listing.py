"""The values of a record, decoded for people: a plain view that templates show and do not decide about."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resolver.answer.facts import Fact, facts_of
from resolver.answer.targets import DEFAULT_SCHEMES, Target, Unusable, read_target
from resolver.answer.visible import handle_in, is_mail_address, mail_uri, visible_text
from resolver.model.handle import fold_ascii
from resolver.model.record import DEFAULT_PERMISSIONS, HandleValue, Permission, Reference, TtlType, has_type
from resolver.phrases import Day, Duration, Several, phrase
from resolver.protocol.json_values import time_to_json
from resolver.protocol.text import as_text

__all__ = ["ValueView", "describe_day", "describe_duration", "show_value"]

MAX_SHOWN_CHARACTERS = 4000
MAX_SHOWN_OCTETS = 256

_TYPE_NAMES = {
    "URL": phrase("Location"),
    "0.TYPE/URL": phrase("Location"),
    "EMAIL": phrase("E-mail address"),
    "DESC": phrase("Description"),
    "HS_ADMIN": phrase("Administrator"),
    "HS_VLIST": phrase("Group of administrators"),
    "HS_ALIAS": phrase("Alias"),
    "HS_SITE": phrase("Service site"),
    "HS_SITE.6": phrase("Service site"),
    "HS_SITE.PREFIX": phrase("Service site for derived prefixes"),
    "HS_NA_DELEGATE": phrase("Service site for derived prefixes"),
    "HS_SERV": phrase("Service handle"),
    "HS_SERV.PREFIX": phrase("Service handle for derived prefixes"),
    "HS_PUBKEY": phrase("Public key"),
    "HS_SECKEY": phrase("Secret key"),
    "HS_NAMESPACE": phrase("Prefix policy"),
    "HS_SIGNATURE": phrase("Signature of this record"),
    "HS_CERT": phrase("Certificate"),
    "10320/LOC": phrase("Locations"),
}
_HANDLE_TYPES = ("HS_ALIAS", "HS_SERV")
_LOCATION_TYPES = ("URL", "0.TYPE/URL")


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
        replace(fact, label=_shortened(fact.label), text=_shortened(fact.text), more=_shortened(fact.more))
        for fact in facts_of(value, schemes)
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


def describe_duration(seconds: float) -> Duration:
    """Return a duration in its largest two units: ``1 day``, ``2 hours 5 minutes``, ``0 seconds``."""
    return Duration.of(seconds)


def _shortened(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return phrase(
        "%(beginning)s… (%(number)s more characters)",
        beginning=text[:MAX_SHOWN_CHARACTERS],
        number=len(text) - MAX_SHOWN_CHARACTERS,
    )


def _hexadecimal(data: bytes) -> str:
    shown = data[:MAX_SHOWN_OCTETS].hex(" ")
    if len(data) <= MAX_SHOWN_OCTETS:
        return shown
    number = len(data) - MAX_SHOWN_OCTETS
    return phrase("%(beginning)s … (%(number)s more octets)", beginning=shown, number=number)


def _is_location(value: HandleValue) -> bool:
    return any(has_type(value.type, wanted) for wanted in _LOCATION_TYPES)


def _link(value: HandleValue, text: str | None, schemes: frozenset[str]) -> tuple[str | None, str]:
    if has_type(value.type, "EMAIL"):
        address = (text or "").strip()
        return (mail_uri(address), "") if is_mail_address(address) else (None, "")
    match read_target(value.data, schemes):
        case Target(uri):
            return uri, ""
        case Unusable(reason):
            if not _is_location(value):
                return None, ""
            return None, phrase("Nobody is sent there, because %(reason)s.", reason=_shortened(reason))


def _type_handle(value_type: str) -> str | None:
    if fold_ascii(value_type) in _TYPE_NAMES and "/" not in value_type:
        return f"0.TYPE/{fold_ascii(value_type)}"
    if "/" not in value_type or ":" in value_type:
        return None
    return handle_in(value_type)


def _named_handle(value: HandleValue, text: str | None) -> str | None:
    if text is None or not any(has_type(value.type, wanted) for wanted in _HANDLE_TYPES):
        return None
    return handle_in(text.strip())


# --- the small print -------------------------------------------------------------------------------------


def _describe_ttl(value: HandleValue) -> str:
    match value.ttl_type:
        case TtlType.RELATIVE:
            return phrase("for %(duration)s", duration=describe_duration(value.ttl))
        case TtlType.ABSOLUTE:
            return phrase("until %(day)s", day=describe_day(value.ttl))
        case _:
            return phrase("for no time")


def describe_day(seconds: int) -> Day:
    """Return the day of a moment in seconds since 1970: ``2 March 2026``."""
    return Day.of(seconds)


_PERMISSION_NAMES = {
    Permission.PUBLIC_READ: phrase("everybody reads"),
    Permission.PUBLIC_WRITE: phrase("everybody writes"),
    Permission.ADMIN_READ: phrase("administrators read"),
    Permission.ADMIN_WRITE: phrase("administrators write"),
}


def _describe_permissions(permissions: int) -> str:
    allowed = [name for permission, name in _PERMISSION_NAMES.items() if permissions & permission]
    return Several.of(allowed) if allowed else phrase("nobody")
