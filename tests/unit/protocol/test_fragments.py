"""Messages in several datagrams."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.protocol.codes import MessageFlag
from resolver.protocol.envelope import (
    ENVELOPE_SIZE,
    MAX_MESSAGE_LENGTH,
    Envelope,
    decode_envelope,
    encode_envelope,
)
from resolver.protocol.fragments import MAX_DATAGRAM, MAX_PAYLOAD, Reassembly, split_message
from resolver.protocol.message import decode_message
from tests.strategies import damaged
from tests.vectors import Vector, params, vectors

FRAGMENTED = [found for found in vectors("messages") if found.titled("datagram")]

REQUEST_ID = 0x01020304


def a_message(length: int, request_id: int = REQUEST_ID) -> bytes:
    payload = bytes(number % 251 for number in range(length))
    return encode_envelope(Envelope((2, 11), request_id, length)) + payload


def feed_all(datagrams: list[bytes], request_id: int = REQUEST_ID) -> bytes | None:
    """Return what came out at the last datagram; nothing may come out before."""
    reassembly = Reassembly()
    *first, last = datagrams
    for datagram in first:
        assert reassembly.feed(datagram, request_id) is None
    return reassembly.feed(last, request_id)


# --- vectors ---------------------------------------------------------------------------------------------


def id_of(found: Vector) -> int:
    return decode_envelope(found.octets).request_id


@pytest.mark.parametrize("found", params(FRAGMENTED))
def test_vectors_in_order(found: Vector) -> None:
    """The datagrams of deployed software, with and without TC, make the message that TCP would carry."""
    assert feed_all(list(found.titled("datagram")), id_of(found)) == found.octets


@pytest.mark.parametrize("found", params(FRAGMENTED))
def test_vectors_backwards(found: Vector) -> None:
    """Datagrams that overtake each other make the same message."""
    assert feed_all(list(found.titled("datagram"))[::-1], id_of(found)) == found.octets


@pytest.mark.parametrize("found", params(found for found in FRAGMENTED if len(found.titled("datagram")) > 1))
def test_vectors_duplicated(found: Vector) -> None:
    """Datagrams that arrive twice make the same message, and nobody takes them for an attack."""
    *first, last = found.titled("datagram")
    reassembly = Reassembly()
    for datagram in [*first, *first, *first[::-1]]:
        assert reassembly.feed(datagram, id_of(found)) is None
    assert reassembly.feed(last, id_of(found)) == found.octets
    assert reassembly.near_misses == 0
    assert reassembly.expected == len(found.titled("datagram"))


@pytest.mark.parametrize("found", params(FRAGMENTED))
def test_vectors_are_split_alike(found: Vector) -> None:
    """We cut a message where deployed software cuts it, and mark the pieces as we are told."""
    datagrams = list(found.titled("datagram"))
    marked = bool(decode_envelope(datagrams[0]).flags & MessageFlag.TRUNCATED)
    assert split_message(found.octets, mark=marked) == datagrams


@pytest.mark.parametrize("found", params(FRAGMENTED))
def test_vectors_lack_any_datagram(found: Vector) -> None:
    """As long as one datagram is missing, whichever it is, there is no message."""
    datagrams = found.titled("datagram")
    for missing in range(len(datagrams)):
        reassembly = Reassembly()
        rest = [datagram for number, datagram in enumerate(datagrams) if number != missing]
        assert [reassembly.feed(datagram, id_of(found)) for datagram in rest] == [None] * len(rest)


# --- cutting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (0, [20]),
        (1, [21]),
        (MAX_PAYLOAD, [512]),
        (MAX_PAYLOAD + 1, [512, 21]),
        (2 * MAX_PAYLOAD, [512, 512]),
        (2 * MAX_PAYLOAD + 1, [512, 512, 21]),
    ],
)
def test_datagrams_are_full_but_the_last(length: int, sizes: list[int]) -> None:
    """No datagram is longer than the protocol allows, and no piece is left empty."""
    datagrams = split_message(a_message(length))
    assert [len(datagram) for datagram in datagrams] == sizes
    envelopes = [decode_envelope(datagram) for datagram in datagrams]
    assert [envelope.sequence_number for envelope in envelopes] == list(range(len(sizes)))
    assert {envelope.message_length for envelope in envelopes} == {length}
    truncated = {bool(envelope.flags & MessageFlag.TRUNCATED) for envelope in envelopes}
    assert truncated == {len(sizes) > 1}


@given(st.integers(0, 8 * MAX_PAYLOAD), st.booleans(), st.randoms(use_true_random=False))
def test_round_trip(length: int, mark: bool, chance: random.Random) -> None:
    """A message of any length, cut up, shuffled and duplicated, is the same message again."""
    message = a_message(length)
    datagrams = split_message(message, mark=mark)
    assert all(len(datagram) <= MAX_DATAGRAM for datagram in datagrams)
    arriving = [*datagrams, *chance.sample(datagrams, chance.randint(0, len(datagrams)))]
    chance.shuffle(arriving)
    reassembly = Reassembly()
    results = [reassembly.feed(datagram, REQUEST_ID) for datagram in arriving]
    assert results[-1] == message
    assert set(results) <= {None, message}


def test_longest_message_takes_its_datagrams() -> None:
    """The longest message of the protocol survives UDP as well."""
    message = a_message(MAX_MESSAGE_LENGTH)
    datagrams = split_message(message)
    assert len(datagrams) == 533
    assert feed_all(datagrams) == message


def test_long_octets_without_an_envelope_are_not_cut() -> None:
    """What announces an impossible length is no message, and is not sent in pieces either."""
    with pytest.raises(MessageFormatError):
        split_message(b"\xff" * 600)


# --- what does not fit -----------------------------------------------------------------------------------

PIECES = split_message(a_message(1000))


def altered(datagram: bytes, offset: int, number: int) -> bytes:
    return datagram[:offset] + number.to_bytes(4, "big") + datagram[offset + 4 :]


@pytest.mark.parametrize(
    "stray",
    [
        b"",
        b"\0" * 19,
        altered(PIECES[1], 8, REQUEST_ID + 1),
        altered(PIECES[1], 12, 3),
        altered(PIECES[1], 12, 0xFFFF_FFFF),
        altered(PIECES[1], 16, 999),
        altered(PIECES[1], 16, 100),
        altered(PIECES[1], 16, MAX_MESSAGE_LENGTH + 1),
        PIECES[1][:-1],
        PIECES[1] + b"\0",
        PIECES[2] + b"\0",
        altered(PIECES[2], 12, 1),
        PIECES[1][:ENVELOPE_SIZE],
    ],
    ids=[
        "empty",
        "no envelope",
        "another request",
        "piece too many",
        "piece far too many",
        "another length",
        "short length",
        "impossible length",
        "too short",
        "too long",
        "last too long",
        "in place of a longer one",
        "without payload",
    ],
)
def test_stray_datagrams_are_counted_and_dropped(stray: bytes) -> None:
    """A datagram that contradicts those before it neither ends nor spoils the message, and leaves a trace."""
    reassembly = Reassembly()
    assert reassembly.feed(PIECES[0], REQUEST_ID) is None
    assert reassembly.feed(stray, REQUEST_ID) is None
    assert reassembly.near_misses == 1
    assert reassembly.feed(PIECES[1], REQUEST_ID) is None
    assert reassembly.feed(PIECES[2], REQUEST_ID) == a_message(1000)


def test_empty_piece_after_the_last_is_dropped() -> None:
    """Where the last datagram is full, an empty one that claims to follow it is a stray one."""
    message = a_message(2 * MAX_PAYLOAD)
    first, last = split_message(message)
    reassembly = Reassembly()
    assert reassembly.feed(first, REQUEST_ID) is None
    assert reassembly.feed(altered(last, 12, 2)[:ENVELOPE_SIZE], REQUEST_ID) is None
    assert reassembly.near_misses == 1
    assert reassembly.feed(last, REQUEST_ID) == message


def test_first_copy_of_a_piece_counts() -> None:
    """A forged copy that comes after the true piece changes nothing."""
    reassembly = Reassembly()
    forged = PIECES[0][:ENVELOPE_SIZE] + bytes(MAX_PAYLOAD)
    for datagram in (PIECES[0], forged, PIECES[1]):
        assert reassembly.feed(datagram, REQUEST_ID) is None
    assert reassembly.feed(PIECES[2], REQUEST_ID) == a_message(1000)


def test_nothing_is_expected_before_the_first_datagram() -> None:
    """How many datagrams a message has is known from the first one that fits, not from a stray one."""
    reassembly = Reassembly()
    assert reassembly.expected == 0
    reassembly.feed(altered(PIECES[1], 8, 5), REQUEST_ID)
    assert reassembly.expected == 0
    reassembly.feed(PIECES[2], REQUEST_ID)
    assert reassembly.expected == len(PIECES)


def test_other_flags_survive() -> None:
    """Only the mark of a piece is taken off; an encrypted message stays one that we refuse."""
    datagrams = [datagram[:2] + bytes([datagram[2] | 0x40]) + datagram[3:] for datagram in PIECES]
    whole = feed_all(datagrams)
    assert whole is not None
    assert decode_envelope(whole).flags == MessageFlag.ENCRYPTED
    with pytest.raises(MessageFormatError, match="encrypted"):
        decode_message(whole)


@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from(PIECES), st.sampled_from(PIECES).flatmap(damaged)),
        max_size=12,
    )
)
def test_garbage_never_escapes(datagrams: list[bytes]) -> None:
    """Whatever arrives on the socket, there is a message of the announced length or none, never an error."""
    reassembly = Reassembly()
    for datagram in datagrams:
        whole = reassembly.feed(datagram, REQUEST_ID)
        if whole is not None:
            assert len(whole) == ENVELOPE_SIZE + decode_envelope(whole).message_length
    assert reassembly.near_misses <= len(datagrams)
