"""A length or count from the network is a claim: what it claims is not made room for."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from resolver.errors import MessageFormatError
from resolver.protocol.envelope import MAX_MESSAGE_LENGTH
from resolver.protocol.fragments import Reassembly
from resolver.protocol.keys import decode_public_key
from resolver.protocol.message import decode_message
from resolver.protocol.sites import decode_site
from resolver.protocol.values import decode_admin, decode_value_list, decode_vlist, read_value
from resolver.protocol.wire import Cursor
from tests.vectors import Vector, params, vector, vectors

CLAIMS = (2048, 2049, 4_000_000, 2**30, 2**31 - 1, 2**31, 2**32 - 1)
MEBIBYTE = 1 << 20

DECODERS: dict[str, Callable[[bytes], object]] = {
    "HS_ADMIN": decode_admin,
    "HS_PUBKEY": decode_public_key,
    "HS_SITE": decode_site,
    "HS_VLIST": decode_vlist,
    "value": lambda octets: read_value(Cursor(octets)),
}


@contextlib.contextmanager
def at_most(octets: int) -> Iterator[None]:
    """Fail if the block inside takes more memory than this at any time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < octets


def claiming(octets: bytes) -> Iterator[bytes]:
    """Yield ``octets`` with a large number in place of each four of them."""
    for offset in range(len(octets) - 3):
        for claim in CLAIMS:
            yield octets[:offset] + claim.to_bytes(4, "big") + octets[offset + 4 :]


@pytest.mark.parametrize("found", params(one for one in vectors("messages") if len(one.octets) <= 120))
def test_claims_in_messages_cost_nothing(found: Vector) -> None:
    """Wherever a message of a hundred octets claims millions of anything, no room is made for it."""
    with at_most(MEBIBYTE):
        for octets in claiming(found.octets):
            with contextlib.suppress(MessageFormatError):
                decode_message(octets)


@pytest.mark.parametrize("found", params(one for one in vectors("data") if len(one.octets) <= 120))
def test_claims_in_data_cost_nothing(found: Vector) -> None:
    """Wherever the data of a value claims millions of anything, no room is made for it."""
    decode = DECODERS[found.notes["type"]]
    with at_most(MEBIBYTE):
        for octets in claiming(found.octets):
            with contextlib.suppress(MessageFormatError):
                decode(octets)


@pytest.mark.parametrize("claim", CLAIMS[2:])
@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("req-resolve-types-indexes", 44),
        ("req-resolve-types-indexes", 64),
        ("req-resolve-types-indexes", 76),
        ("req-resolve-types-indexes", 80),
        ("resp-success-zero-values", 44),
        ("resp-success-zero-values", 67),
        ("resp-error-index-list", 44),
        ("resp-error-index-list", 48),
        ("resp-service-referral-handle", 44),
        ("resp-not-found", 16),
        ("resp-not-found", 40),
        ("resp-not-found", 48),
    ],
    ids=[
        "handle of a request",
        "indexes",
        "types",
        "one type",
        "handle of a response",
        "values",
        "error text",
        "error indexes",
        "referral handle",
        "message",
        "body",
        "credential",
    ],
)
def test_every_claim_is_refused(name: str, offset: int, claim: int) -> None:
    """Each length and each count of a message is refused when it claims millions, before anything is made."""
    octets = vector("messages", name).octets
    octets = octets[:offset] + claim.to_bytes(4, "big") + octets[offset + 4 :]
    with at_most(MEBIBYTE // 16), pytest.raises(MessageFormatError):
        decode_message(octets)


@pytest.mark.parametrize("count", [2049, 4_000_000, 2**31 - 1])
def test_long_lists_are_refused_though_nearly_all_there(count: int) -> None:
    """A list with more items than deployed software takes is refused, however many octets follow."""
    octets = count.to_bytes(4, "big") + bytes(26 * 2049)
    with at_most(MEBIBYTE), pytest.raises(MessageFormatError):
        decode_value_list(octets)


def test_one_datagram_reserves_little() -> None:
    """The first datagram of the longest message makes room for its pieces, not for their octets."""
    datagram = bytes.fromhex("020b020b 00000000 00000001 00000000") + MAX_MESSAGE_LENGTH.to_bytes(4, "big")
    with at_most(MEBIBYTE // 16):
        reassembly = Reassembly()
        assert reassembly.feed(datagram + bytes(492), 1) is None
    assert reassembly.expected == 533
