"""The numbers of the protocol, known and unknown."""

from __future__ import annotations

import pytest
from hypothesis import given

from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from tests.strategies import u32
from tests.vectors import Vector, params, vectors

ABBREVIATIONS = {
    "AT": OpFlag.AUTHORITATIVE,
    "CT": OpFlag.CERTIFIED,
    "ENC": OpFlag.ENCRYPT,
    "REC": OpFlag.RECURSIVE,
    "CA": OpFlag.CACHE_CERTIFY,
    "CN": OpFlag.CONTINUOUS,
    "KC": OpFlag.KEEP_CONNECTION,
    "PO": OpFlag.PUBLIC_ONLY,
    "RD": OpFlag.REQUEST_DIGEST,
    "DNR": OpFlag.DO_NOT_REFER,
}


@pytest.mark.parametrize("found", params(vectors("messages")))
def test_vectors_name_their_flags(found: Vector) -> None:
    """The flags of every vector are those that its abbreviations name, and no bit without a meaning."""
    header = found.facts["header"]
    named = OpFlag(0)
    for abbreviation in header["op_flag_names"]:
        named |= ABBREVIATIONS[abbreviation]
    assert OpFlag.defined(header["op_flags"]) == named


@pytest.mark.parametrize(
    ("code", "name"),
    [(OpCode(777), "OC_777"), (ResponseCode(900), "RC_900"), (ResponseCode(0xFFFF_FFFF), "RC_4294967295")],
)
def test_unknown_code_gets_a_name(code: OpCode | ResponseCode, name: str) -> None:
    """A number from a newer server can be told in a log line, and is known to be unknown."""
    assert code.name == name
    assert not code.is_known


@given(u32)
def test_every_number_of_the_wire_is_a_code(number: int) -> None:
    """No number that a header can hold is an error by itself, and each keeps its value."""
    assert OpCode(number) == ResponseCode(number) == number
    assert ResponseCode(number).is_known is (number in set(ResponseCode))


@pytest.mark.parametrize("number", [-1, 2**32, "1", None])
def test_what_no_header_holds_is_no_code(number: object) -> None:
    """A number that cannot stand in a header is a mistake of ours and says so."""
    with pytest.raises(ValueError, match="not a valid"):
        ResponseCode(number)
