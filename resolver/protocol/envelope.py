"""The twenty octets before every message, and before every datagram of one (RFC 3652 section 2.2.1)."""

from __future__ import annotations

import struct

from msgspec import Struct

from resolver.errors import MessageFormatError
from resolver.protocol.codes import MessageFlag

__all__ = [
    "ENVELOPE_SIZE",
    "HIGHEST_VERSION",
    "MAX_MESSAGE_LENGTH",
    "SITELESS_VERSION",
    "Envelope",
    "ProtocolVersion",
    "decode_envelope",
    "encode_envelope",
    "is_older",
    "request_id_of",
]

_LAYOUT = struct.Struct("!BBBBIIII")
ENVELOPE_SIZE = _LAYOUT.size

MAX_MESSAGE_LENGTH = 262_144
"""Longest message after the envelope that deployed software sends or takes."""

ProtocolVersion = tuple[int, int]

HIGHEST_VERSION: ProtocolVersion = (2, 11)
"""What this package speaks, and always suggests."""

SITELESS_VERSION: ProtocolVersion = (2, 3)
"""What a server is addressed with whose site record is not known."""

_MAJOR_MASK = 0x1F
_FLAG_MASK = 0xE0
_NO_FLAGS = MessageFlag(0)


class Envelope(Struct, frozen=True):
    """What identifies a message and tells how long it is."""

    version: ProtocolVersion
    request_id: int
    message_length: int
    """Octets after the envelope: of the whole message, in each of its datagrams."""
    suggested_version: ProtocolVersion = HIGHEST_VERSION
    flags: MessageFlag = MessageFlag(0)
    session_id: int = 0
    sequence_number: int = 0


def is_older(version: ProtocolVersion, than: ProtocolVersion) -> bool:
    """Compare versions. Software from before 2.1 called itself 5.0, so major 5 is older than everything."""
    return (version[0] != 5, version) < (than[0] != 5, than)


def decode_envelope(octets: bytes) -> Envelope:
    """Read the envelope at the start of ``octets``; what follows is left alone.

    Raises:
        MessageFormatError: fewer than 20 octets, or a message announced that is longer than
            ``MAX_MESSAGE_LENGTH``.
    """
    if len(octets) < ENVELOPE_SIZE:
        raise MessageFormatError(f"an envelope needs {ENVELOPE_SIZE} octets, got {len(octets)}")
    major, minor, flags, suggested_minor, session, request, sequence, length = _LAYOUT.unpack_from(octets)
    if length > MAX_MESSAGE_LENGTH:
        raise MessageFormatError(
            f"message of {length} octets announced, at most {MAX_MESSAGE_LENGTH} are allowed"
        )
    version = (major, minor)
    # RFC 3652 reserves the bits in which software since 2.8 puts the version it would rather
    # speak; major 0 is a peer that suggests nothing.
    suggested_major = flags & _MAJOR_MASK
    suggested = (suggested_major, suggested_minor) if suggested_major else version
    set_flags = MessageFlag(flags & _FLAG_MASK) if flags & _FLAG_MASK else _NO_FLAGS
    return Envelope(version, request, length, suggested, set_flags, session, sequence)


def request_id_of(octets: bytes) -> int:
    """Return the request id out of the envelope of a message of ours."""
    return int.from_bytes(octets[8:12], "big")


def encode_envelope(envelope: Envelope, message_length: int | None = None) -> bytes:
    """Write the envelope: 20 octets; with another length than its own, if one is given."""
    major, minor = envelope.version
    suggested_major, suggested_minor = envelope.suggested_version
    return _LAYOUT.pack(
        major,
        minor,
        (int(envelope.flags) & _FLAG_MASK) | (suggested_major & _MAJOR_MASK),
        suggested_minor,
        envelope.session_id,
        envelope.request_id,
        envelope.sequence_number,
        envelope.message_length if message_length is None else message_length,
    )
