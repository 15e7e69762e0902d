"""How one process tells the others how a lookup ended: both ways, and whatever may stand in its place."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.entry import Absence, CachedRecord
from resolver.cache.outcome import MAX_MESSAGE_LENGTH, Failure, Found, decode_outcome, encode_outcome
from resolver.errors import (
    LookupTimeoutError,
    MessageFormatError,
    NoServerAnsweredError,
    RefusedError,
    SignatureError,
    TransportError,
    UpstreamError,
)
from resolver.web.problems import problem_of
from tests.fakes import EPOCH, record_of

KEY = "10.1/x"
SILENCE = LookupTimeoutError("udp: no answer")
ERRORS: list[UpstreamError] = [
    RefusedError(400, "not for you"),
    RefusedError(2, ""),
    LookupTimeoutError("8 s"),
    SignatureError("wrong key"),
    TransportError("refused"),
    MessageFormatError("nonsense"),
    UpstreamError("40 questions"),
    NoServerAnsweredError([("a", SILENCE), ("b", SILENCE)]),
    NoServerAnsweredError([("a", SILENCE), ("b", TransportError("refused"))]),
    NoServerAnsweredError([("a", SignatureError("wrong"))]),
    NoServerAnsweredError([]),
]


@pytest.mark.parametrize(
    "entry",
    [CachedRecord(record_of("10.1/X"), EPOCH, 60.0, "udp://a"), Absence(EPOCH, 30.0, "10.1", "unknown")],
)
def test_found_both_ways(entry: CachedRecord | Absence) -> None:
    """What was found comes out as it went in, with the moment at which the lookup began."""
    found = Found(entry, EPOCH - 0.25)
    assert decode_outcome(KEY, encode_outcome(KEY, found)) == found


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_failure_means_the_same_to_visitors(error: UpstreamError) -> None:
    """Visitors of another process are told the same as those of the one that failed."""
    failure = decode_outcome(KEY, encode_outcome(KEY, Failure(error, EPOCH + 1)))
    assert isinstance(failure, Failure)
    assert failure.until == EPOCH + 1
    assert problem_of(failure.error) == problem_of(error)


def test_long_message() -> None:
    """A server's endless message is cut."""
    octets = encode_outcome(KEY, Failure(RefusedError(2, "x" * 100_000), EPOCH))
    assert len(octets) < MAX_MESSAGE_LENGTH + 100


def test_another_handle() -> None:
    """What was found for another handle is nothing."""
    octets = encode_outcome("10.1/y", Found(Absence(EPOCH, 30.0), EPOCH))
    with pytest.raises(MessageFormatError):
        decode_outcome(KEY, octets)


@given(st.binary(max_size=64))
def test_garbage(octets: bytes) -> None:
    """Arbitrary octets are an outcome or are refused: no third way."""
    try:
        decode_outcome(KEY, octets)
    except MessageFormatError:
        return


@pytest.mark.parametrize(
    "content",
    [None, [], ["found"], ["found", 1, 2], ["failed", 1.0, "x", "y", "z"], ["other", 1, b""], {"a": 1}],
)
def test_other_msgpack(content: object) -> None:
    """Well-formed msgpack of another shape is refused."""
    with pytest.raises(MessageFormatError):
        decode_outcome(KEY, msgspec.msgpack.encode(content))


def test_every_truncation() -> None:
    """However it is cut, it is refused."""
    octets = encode_outcome(KEY, Found(CachedRecord(record_of("10.1/x"), EPOCH, 60.0), EPOCH))
    for end in range(len(octets)):
        with pytest.raises(MessageFormatError):
            decode_outcome(KEY, octets[:end])
