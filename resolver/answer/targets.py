"""From the data of a value to a URI that may be sent to browsers, or the reason why not.

Anybody who can register a handle writes these data, and they end up in a ``Location`` header and in links
on our pages. So only known schemes pass, no octet passes that could end a header, and what is sent is a
URI (RFC 3986) even where the record holds an IRI (RFC 3987): host to IDNA, the rest percent-encoded,
everything that was a legal URI already left exactly as it is.
"""

from __future__ import annotations

import ipaddress
import re

import idna
from msgspec import Struct

from resolver.phrases import phrase
from resolver.protocol.text import strict_text

__all__ = ["DEFAULT_SCHEMES", "MAX_TARGET_OCTETS", "Target", "Unusable", "append_to_target", "read_target"]

DEFAULT_SCHEMES = frozenset(
    {
        *("http", "https", "ftp", "ftps", "mailto", "urn", "info", "magnet", "ipfs", "doi", "hdl"),
        *("s3", "gs", "sftp", "git", "ark", "tel"),
    }
)

MAX_TARGET_OCTETS = 8190
"""Longest URI that is put into a header; browsers and proxies refuse longer header lines."""

_NAMES_A_PERSON = frozenset({"mailto", "tel"})
_WITH_HOST = frozenset({"http", "https", "ftp", "ftps", "sftp", "git"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
# What browsers strip from both ends of a URL before they read it (WHATWG URL, C0 control or space).
_STRIPPED = "".join(map(chr, range(0x21)))
_PLAIN_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=-]+")
_PLAIN_AUTHORITY = re.compile(rf"{_PLAIN_HOST.pattern}(?::[0-9]{{1,4}})?")
# Browsers read a backslash as a slash; where the host ends must not depend on who reads.
_AMBIGUOUS = re.compile(r"[\\\s\x00-\x1f]")
# What nearly all records hold, and what all that follows leaves as it is.
_USUAL = re.compile(
    rb"https?://[A-Za-z0-9.-]+(?::[0-9]{1,4})?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?"
)
_LEGAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%")


class Target(Struct, frozen=True):
    """A URI that may be sent; ASCII without controls."""

    uri: str


class Unusable(Struct, frozen=True):
    """Why the data are no place to send anybody to, for people to read."""

    reason: str


def read_target(data: bytes, schemes: frozenset[str] = DEFAULT_SCHEMES) -> Target | Unusable:
    """Read the data of a value as a place to send somebody to.

    Args:
        data: as in the value.
        schemes: those allowed, in lower case.
    """
    if (
        len(data) <= MAX_TARGET_OCTETS
        and _USUAL.fullmatch(data)
        and data[: data.index(b":")].decode() in schemes
    ):
        return Target(data.decode())
    text = strict_text(data)
    if text is None:
        return Unusable(phrase("it is not valid UTF-8"))
    return _read_text(text.strip(_STRIPPED), schemes)


def _read_text(text: str, schemes: frozenset[str]) -> Target | Unusable:
    if not text:
        return Unusable(phrase("it is empty"))
    found = _SCHEME.fullmatch(text)
    if found is None:
        return Unusable(phrase("it does not begin with a scheme such as https:"))
    scheme, rest = found.groups()
    if scheme.lower() not in schemes:
        return Unusable(phrase("links to %(scheme)s: are not followed", scheme=scheme.lower()))
    if scheme.lower() not in _WITH_HOST:
        if not rest:
            return Unusable(phrase("nothing follows its scheme"))
        uri = f"{scheme}:{_encode(rest)}"
    else:
        parts = _split_authority(rest)
        if parts is None:
            return Unusable(phrase("it names no host"))
        authority, tail = parts
        encoded = _encode_authority(authority)
        if encoded is None:
            return Unusable(phrase("its host %(host)s is not valid", host=repr(authority)))
        uri = f"{scheme}://{encoded}{_encode(tail)}"
    if len(uri) > MAX_TARGET_OCTETS:
        return Unusable(phrase("it is longer than %(number)s octets", number=MAX_TARGET_OCTETS))
    return Target(uri)


def append_to_target(target: Target, appended: str) -> Target | None:
    """Return ``target`` with ``appended`` at its end, or ``None`` if that would lead somewhere else.

    The visitor chooses what is appended, so scheme, user, host and port must stay what they were.
    """
    scheme = target.uri.partition(":")[0]
    if scheme.lower() in _NAMES_A_PERSON and not appended.startswith(("?", "#")):
        return None
    try:
        appended.encode()
    except UnicodeEncodeError:  # half a character, from a JSON body
        return None
    longer = _read_text((target.uri + appended).rstrip(_STRIPPED), frozenset({scheme.lower()}))
    if isinstance(longer, Unusable) or _authority_of(longer) != _authority_of(target):
        return None
    return longer


def _authority_of(target: Target) -> str | None:
    parts = _split_authority(target.uri.partition(":")[2])
    return None if parts is None else parts[0]


def _split_authority(rest: str) -> tuple[str, str] | None:
    """Split what follows the scheme into user, host and port on one side and all else on the other."""
    if not rest.startswith("//"):
        return None
    end = re.search(r"[/?#]", rest[2:])
    authority = rest[2:] if end is None else rest[2 : 2 + end.start()]
    return (authority, rest[2 + len(authority) :]) if authority else None


def _encode_authority(authority: str) -> str | None:
    if _PLAIN_AUTHORITY.fullmatch(authority):
        return authority
    if _AMBIGUOUS.search(authority):
        return None
    user, at, host_and_port = authority.rpartition("@")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?", host_and_port)
    if found is None:
        return None
    name, port = found.groups()
    host = _ipv6(name[1:-1]) if name.startswith("[") else _encode_host(name)
    if host is None or (port and int(port.lstrip("0")[:6] or "0") > 65535):
        return None
    # Brackets and at signs are for the host: in front of it some readers would take them for its beginning.
    written = re.sub(r"[\[\]@]", lambda found: f"%{ord(found.group()):02X}", _encode(user))
    return f"{written}{at}{host}{'' if port is None else f':{port}'}"


def _ipv6(text: str) -> str | None:
    if "%" in text:  # a zone, which may hold any character and means something on one machine only
        return None
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return f"[{text}]"


def _encode_host(name: str) -> str | None:
    if _PLAIN_HOST.fullmatch(name):
        return name
    try:
        return idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError, IndexError):
        return None


def _encode(text: str) -> str:
    """Percent-encode, as UTF-8, what a URI may not hold; a percent sign stays, since it stands before an octet."""
    if _LEGAL.issuperset(text):
        return text
    return "".join(
        character if character in _LEGAL else "".join(f"%{octet:02X}" for octet in character.encode())
        for character in text
    )
