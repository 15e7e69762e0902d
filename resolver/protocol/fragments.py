"""Messages that take more than one datagram (RFC 3652 section 2.3)."""

from __future__ import annotations

import struct

from msgspec.structs import replace

from resolver.errors import MessageFormatError
from resolver.protocol.codes import MessageFlag
from resolver.protocol.envelope import ENVELOPE_SIZE, Envelope, decode_envelope, encode_envelope

__all__ = ["MAX_DATAGRAM", "MAX_PAYLOAD", "Reassembly", "split_message"]

MAX_DATAGRAM = 512
"""Longest datagram of the protocol, envelope included."""

MAX_PAYLOAD = MAX_DATAGRAM - ENVELOPE_SIZE

# Of the envelope: the octet with the flags, request id, sequence number and message length.
_ONE_PIECE = struct.Struct("!2xB5xIII")


def split_message(message: bytes, *, mark: bool = True) -> list[bytes]:
    """Cut a whole message into datagrams: one as it is, or several that carry a sequence number.

    Args:
        message: the whole message.
        mark: whether the pieces carry TC. Requests must; deployed servers leave it out of their answers.

    Raises:
        MessageFormatError: the message has no envelope.
    """
    if len(message) <= MAX_DATAGRAM:
        return [message]
    envelope = decode_envelope(message)
    payload = message[ENVELOPE_SIZE:]
    return [
        encode_envelope(
            replace(
                envelope,
                flags=envelope.flags | (MessageFlag.TRUNCATED if mark else MessageFlag(0)),
                sequence_number=number,
            )
        )
        + payload[start : start + MAX_PAYLOAD]
        for number, start in enumerate(range(0, len(payload), MAX_PAYLOAD))
    ]


def _is_whole(datagram: bytes, request_id: int) -> bool:
    """Whether a datagram is a message of its own with a plain envelope, as nearly all are."""
    if not ENVELOPE_SIZE <= len(datagram) <= MAX_DATAGRAM:
        return False
    flags, found_id, number, length = _ONE_PIECE.unpack_from(datagram)
    return (
        found_id == request_id
        and number == 0
        and length == len(datagram) - ENVELOPE_SIZE
        and not flags & MessageFlag.TRUNCATED.value
    )


class Reassembly:
    """Puts the datagrams of one message together, in whatever order and however often they come.

    Deployed servers do not set TC on the pieces of their answers, so the announced length decides.
    """

    __slots__ = ("_envelope", "_missing", "_pieces", "near_misses")

    def __init__(self) -> None:
        self._envelope: Envelope | None = None
        self._pieces: list[bytes | None] = []
        self._missing = 0
        self.near_misses = 0
        """Datagrams that did not fit: more than a few mean that somebody is guessing."""

    @property
    def expected(self) -> int:
        """How many datagrams the message has; 0 before the first has come."""
        return len(self._pieces)

    def feed(self, datagram: bytes, request_id: int) -> bytes | None:
        """Take one datagram; return the whole message, with a plain envelope, once it is complete.

        A datagram of another message, or one that contradicts those before it, is counted and dropped.
        """
        if self._envelope is None and _is_whole(datagram, request_id):
            self._pieces = [datagram]
            return datagram
        try:
            envelope = decode_envelope(datagram)
        except MessageFormatError:
            self.near_misses += 1
            return None
        if envelope.request_id != request_id or not self._fits(envelope, len(datagram) - ENVELOPE_SIZE):
            self.near_misses += 1
            return None
        if self._envelope is None:
            self._envelope = envelope
            self._missing = max(1, -(-envelope.message_length // MAX_PAYLOAD))
            self._pieces = [None] * self._missing
        if self._pieces[envelope.sequence_number] is None:
            self._pieces[envelope.sequence_number] = datagram[ENVELOPE_SIZE:]
            self._missing -= 1
        if self._missing:
            return None
        whole = replace(
            self._envelope, flags=self._envelope.flags & ~MessageFlag.TRUNCATED, sequence_number=0
        )
        return encode_envelope(whole) + b"".join(piece or b"" for piece in self._pieces)

    def _fits(self, envelope: Envelope, payload: int) -> bool:
        first = self._envelope
        if first is not None and envelope.message_length != first.message_length:
            return False
        start = envelope.sequence_number * MAX_PAYLOAD
        if envelope.message_length <= MAX_PAYLOAD:
            return envelope.sequence_number == 0 and payload == envelope.message_length
        return start < envelope.message_length and payload == min(
            MAX_PAYLOAD, envelope.message_length - start
        )
