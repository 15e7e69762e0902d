"""How a lookup ended, in the octets by which one process tells the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import msgspec

from resolver.cache.entry import Entry, decode_entry, encode_entry
from resolver.errors import (
    LookupTimeoutError,
    MessageFormatError,
    NoServerAnsweredError,
    RefusedError,
    SignatureError,
    UpstreamError,
)

__all__ = ["Failure", "Found", "Outcome", "decode_outcome", "encode_outcome"]

MAX_MESSAGE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Found:
    """The lookup found something, or that there is nothing."""

    entry: Entry
    begun_at: float
    """When the lookup began, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The lookup failed, and should not be tried again for a while."""

    error: UpstreamError
    until: float
    """Seconds since 1970."""


Outcome = Found | Failure


class _StoredFound(msgspec.Struct, array_like=True, frozen=True, tag="found"):
    begun_at: float
    entry: bytes


class _StoredFailure(msgspec.Struct, array_like=True, frozen=True, tag="failed"):
    until: float
    kind: str
    code: int
    message: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_StoredFound | _StoredFailure)


def encode_outcome(key: str, outcome: Outcome) -> bytes:
    """Write how the lookup of a cache key ended."""
    match outcome:
        case Found(entry, begun_at):
            return _encoder.encode(_StoredFound(begun_at, encode_entry(key, entry)))
        case Failure(error, until):
            code = error.code if isinstance(error, RefusedError) else 0
            message = error.message if isinstance(error, RefusedError) else str(error)
            return _encoder.encode(_StoredFailure(until, _kind(error), code, message[:MAX_MESSAGE_LENGTH]))
        case _:
            assert_never(outcome)


def decode_outcome(key: str, octets: bytes) -> Outcome:
    """Read how the lookup of a cache key ended.

    Raises:
        MessageFormatError: the octets do not say so, or are about another key.
    """
    try:
        stored: _StoredFound | _StoredFailure = _decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageFormatError(f"octets are no outcome of a lookup: {error}") from error
    match stored:
        case _StoredFound(begun_at, entry):
            return Found(decode_entry(key, entry), begun_at)
        case _StoredFailure(until, kind, code, message):
            return Failure(_error(kind, code, message), until)


def _kind(error: UpstreamError) -> str:
    match error:
        case RefusedError():
            return "refused"
        case SignatureError():
            return "unsigned"
        case LookupTimeoutError():
            return "timeout"
        case NoServerAnsweredError(unsigned=True):
            return "unsigned"
        case NoServerAnsweredError(timed_out=True):
            return "timeout"
        case _:
            return "failed"


def _error(kind: str, code: int, message: str) -> UpstreamError:
    match kind:
        case "refused":
            return RefusedError(code, message)
        case "unsigned":
            return SignatureError(message)
        case "timeout":
            return LookupTimeoutError(message)
        case _:
            return UpstreamError(message)
