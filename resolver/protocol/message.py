"""Whole messages: envelope, header, body and credential (RFC 3652 section 2.2).

``decode_message`` reads what arrived in one piece, ``encode_message`` writes it. ``matching.py`` says
whether a response belongs to a request.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from resolver.errors import MessageFormatError
from resolver.model.handle import MAX_HANDLE_OCTETS
from resolver.protocol.bodies import Body, read_body, write_body
from resolver.protocol.codes import MessageFlag, OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import (
    ENVELOPE_SIZE,
    MAX_MESSAGE_LENGTH,
    Envelope,
    decode_envelope,
    encode_envelope,
    is_older,
)
from resolver.protocol.wire import Cursor, write_bytes, write_text, write_u32

__all__ = [
    "HEADER_SIZE",
    "LAST_MOMENT",
    "NO_SITE_SERIAL",
    "Credential",
    "Header",
    "Message",
    "RequestDigest",
    "decode_message",
    "encode_message",
    "header_and_body",
]

_HEADER = struct.Struct("!IIIHBBII")
_NO_CREDENTIAL = bytes(4)
HEADER_SIZE = _HEADER.size

NO_SITE_SERIAL = 0xFFFF
"""Serial number in the header where no site record is known."""

_PREFIX_REFERRAL_SINCE = (2, 5)

LAST_MOMENT = 0xFFFF_FFFF
"""Latest expiration that a header can tell, in the year 2106."""

CLOCK_SKEW_S = 300
"""How far a server's clock may be behind ours before its answers count as expired."""


class Header(Struct, frozen=True):
    """What is asked or answered, and under which conditions (RFC 3652 section 2.2.2)."""

    opcode: OpCode
    response_code: ResponseCode = ResponseCode.NONE
    op_flags: OpFlag = OpFlag(0)
    site_serial: int = NO_SITE_SERIAL
    recursion_count: int = 0
    expiration: int = 0
    """Seconds since 1970; 0 means never."""

    def is_expired(self, now: float) -> bool:
        """Whether a message with this header must no longer be believed at ``now``."""
        return 0 < self.expiration < now - CLOCK_SKEW_S


class RequestDigest(Struct, frozen=True):
    """Digest of the header and body of the request that a response answers."""

    algorithm: str
    """``MD5``, ``SHA-1`` or ``SHA-256``."""
    digest: bytes
    unmarked: bool = False
    """Written as a plain length and octets, as software before 2.1 did."""


class Credential(Struct, frozen=True):
    """The signature of a message (RFC 3652 section 2.2.4)."""

    type: str
    digest_algorithm: str
    signature: bytes
    signer: str = ""
    session_counter: int = 0
    version: int = 0
    flags: int = 0


class Message(Struct, frozen=True):
    """A message of the handle protocol."""

    envelope: Envelope
    header: Header
    body: Body
    request_digest: RequestDigest | None = None
    credential: Credential | None = None

    @property
    def code(self) -> ResponseCode:
        """What the response code means coming from a peer of this version."""
        return _meaning(self.header.response_code, self.envelope)


def _meaning(code: ResponseCode, envelope: Envelope) -> ResponseCode:
    if code is ResponseCode.PREFIX_REFERRAL and is_older(envelope.version, _PREFIX_REFERRAL_SINCE):
        return ResponseCode.SERVER_BACKUP
    return code


# --- reading ---------------------------------------------------------------------------------------------


def decode_message(octets: bytes) -> Message:
    """Read one whole message, envelope included.

    Raises:
        MessageFormatError: cut short or too long, compressed or encrypted, an unknown response code, or
            any field that does not fit.
    """
    envelope = decode_envelope(octets)
    if envelope.flags and envelope.flags & (MessageFlag.COMPRESSED | MessageFlag.ENCRYPTED):
        raise MessageFormatError("message is compressed or encrypted, which was not agreed upon")
    if len(octets) != ENVELOPE_SIZE + envelope.message_length:
        raise MessageFormatError(
            f"message of {envelope.message_length} octets announced, {len(octets) - ENVELOPE_SIZE} are there"
        )
    if envelope.message_length < HEADER_SIZE:
        raise MessageFormatError(f"message of {envelope.message_length} octets is shorter than its header")
    opcode, code, flags, serial, recursion, _, expiration, body_length = _HEADER.unpack_from(
        octets, ENVELOPE_SIZE
    )
    header = Header(
        OpCode.of(opcode), ResponseCode.of(code), OpFlag.defined(flags), serial, recursion, expiration
    )
    if not header.response_code.is_known:
        raise MessageFormatError(f"unknown response code {code}")

    body_start = ENVELOPE_SIZE + HEADER_SIZE
    body_end = body_start + body_length
    if body_end > len(octets):
        raise MessageFormatError(
            f"body of {body_length} octets announced, {len(octets) - body_start} are there"
        )
    cursor = Cursor(octets, body_start, body_end)
    meaning = _meaning(header.response_code, envelope)
    digest = _read_request_digest(cursor, header, meaning)
    body = read_body(cursor, header.opcode, meaning)
    credential = _read_credential(octets, body_end)
    return Message(envelope, header, body, digest, credential)


_DIGESTS = {1: ("MD5", 16), 2: ("SHA-1", 20), 3: ("SHA-256", 32)}
_DIGEST_CODES = {name: code for code, (name, _) in _DIGESTS.items()}


_DIGEST_BIT = int(OpFlag.REQUEST_DIGEST)


def _read_request_digest(cursor: Cursor, header: Header, meaning: ResponseCode) -> RequestDigest | None:
    if meaning is ResponseCode.NONE:
        return None
    # A challenge always carries the digest, asked for or not.
    if not int(header.op_flags) & _DIGEST_BIT and meaning is not ResponseCode.AUTHENTICATION_NEEDED:
        return None
    code = cursor.u8()
    if code == 0:
        # Before 2.1: a four-octet length, of which this was the first octet, then MD5.
        length = int.from_bytes(cursor.take(3), "big")
        return RequestDigest("MD5", cursor.take(length), unmarked=True)
    if code not in _DIGESTS:
        raise MessageFormatError(f"unknown digest algorithm {code}")
    algorithm, length = _DIGESTS[code]
    return RequestDigest(algorithm, cursor.take(length))


def _read_credential(octets: bytes, start: int) -> Credential | None:
    if start == len(octets) or octets[start:] == _NO_CREDENTIAL:
        return None  # some peers end the message after the body
    cursor = Cursor(octets, start)
    length = cursor.i32()
    if length == 0:
        return None
    cursor = Cursor(cursor.take(length))
    version = cursor.u8()
    cursor.u8()  # reserved
    flags = cursor.u16()
    signer = cursor.text(MAX_HANDLE_OCTETS)
    session_counter = cursor.u32()
    credential_type = cursor.text(limit=64)
    signed_info = Cursor(cursor.octets())
    return Credential(
        type=credential_type,
        digest_algorithm=_read_digest_name(signed_info),
        signature=signed_info.octets(),
        signer=signer,
        session_counter=session_counter,
        version=version,
        flags=flags,
    )


def _read_digest_name(cursor: Cursor) -> str:
    name = cursor.octets(limit=64)
    if len(name) == 1 and name[0] in _DIGESTS:
        return _DIGESTS[name[0]][0]
    return name.decode("ascii", "replace")


# --- writing ---------------------------------------------------------------------------------------------


def encode_message(message: Message) -> bytes:
    """Write a whole message, envelope included; lengths are computed, whatever the envelope says.

    Raises:
        MessageFormatError: it would be longer than ``MAX_MESSAGE_LENGTH``.
    """
    header = message.header
    body = _write_request_digest(message.request_digest) + write_body(message.body)
    credential = write_bytes(_write_credential(message.credential))
    length = HEADER_SIZE + len(body) + len(credential)
    if length > MAX_MESSAGE_LENGTH:
        raise MessageFormatError(f"a message of {length} octets; at most {MAX_MESSAGE_LENGTH} are allowed")
    return b"".join(
        (
            encode_envelope(message.envelope, length),
            _HEADER.pack(
                header.opcode,
                header.response_code,
                header.op_flags,
                header.site_serial,
                header.recursion_count,
                0,
                header.expiration,
                len(body),
            ),
            body,
            credential,
        )
    )


def _write_request_digest(digest: RequestDigest | None) -> bytes:
    if digest is None:
        return b""
    if digest.unmarked:
        return write_bytes(digest.digest)
    return bytes((_DIGEST_CODES[digest.algorithm],)) + digest.digest


def _write_credential(credential: Credential | None) -> bytes:
    if credential is None:
        return b""
    return b"".join(
        (
            bytes((credential.version, 0)),
            credential.flags.to_bytes(2, "big"),
            write_text(credential.signer),
            write_u32(credential.session_counter),
            write_text(credential.type),
            write_bytes(write_text(credential.digest_algorithm) + write_bytes(credential.signature)),
        )
    )


def header_and_body(octets: bytes) -> bytes:
    """Return the part of a message that digests and signatures cover.

    Raises:
        MessageFormatError: the octets are too short for what their header announces.
    """
    if len(octets) < ENVELOPE_SIZE + HEADER_SIZE:
        raise MessageFormatError("no message without a header")
    body_length = _HEADER.unpack_from(octets, ENVELOPE_SIZE)[-1]
    end = ENVELOPE_SIZE + HEADER_SIZE + body_length
    if end > len(octets):
        raise MessageFormatError("body is longer than its message")
    return octets[ENVELOPE_SIZE:end]
