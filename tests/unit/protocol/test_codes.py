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


OPCODES = {
    "RESERVED": 0,
    "RESOLUTION": 1,
    "GET_SITE_INFO": 2,
    "CREATE_HANDLE": 100,
    "DELETE_HANDLE": 101,
    "ADD_VALUE": 102,
    "REMOVE_VALUE": 103,
    "MODIFY_VALUE": 104,
    "LIST_HANDLES": 105,
    "LIST_DERIVED_PREFIXES": 106,
    "CHALLENGE_ANSWER": 200,
    "VERIFY_CHALLENGE": 201,
    "HOME_PREFIX": 300,
    "UNHOME_PREFIX": 301,
    "LIST_HOMED_PREFIXES": 302,
    "SESSION_SETUP": 400,
    "SESSION_TERMINATE": 401,
    "SESSION_EXCHANGE_KEY": 402,
    "NEXT_TRANSACTION_ID": 1000,
    "RETRIEVE_TRANSACTIONS": 1001,
    "DUMP_HANDLES": 1002,
    "BACKUP_SERVER": 1003,
}
KNOWN_RESPONSES = [
    *range(8),
    *range(100, 103),
    *range(200, 203),
    *range(300, 304),
    *range(400, 407),
    *range(500, 506),
]


def test_operations_have_their_numbers() -> None:
    """Every operation is named as RFC 3652 section 2.2.2.1 and deployed software number it."""
    assert {code.name: code.value for code in OpCode} == OPCODES


def test_known_responses_are_those_of_the_protocol() -> None:
    """The response codes that we take are those that deployed software takes, and no others."""
    assert sorted(ResponseCode) == KNOWN_RESPONSES
    assert [code.name for code in ResponseCode if code // 100 in (2, 3)] == [
        "VALUES_NOT_FOUND",
        "VALUE_EXISTS",
        "INVALID_VALUE",
        "OUT_OF_DATE_SITE_INFO",
        "NOT_RESPONSIBLE",
        "SERVICE_REFERRAL",
        "PREFIX_REFERRAL",
    ]


def test_flags_fill_the_upper_twelve_bits() -> None:
    """Each flag of the header is one bit; the twenty bits below mean nothing and are dropped."""
    assert [flag.value for flag in OpFlag] == [1 << bit for bit in range(31, 19, -1)]
    assert OpFlag.defined(0xFFFF_FFFF).value == 0xFFF0_0000


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


@pytest.mark.parametrize("number", [0, 1, 302, 777, 2**32 - 1])
def test_code_of_a_number(number: int) -> None:
    """The quick way from a number to its code leads to the same as the usual one, unknown numbers included."""
    for kind in (OpCode, ResponseCode):
        assert kind.of(number) == kind(number) == number
        assert kind.of(number).name == kind(number).name
        assert kind.of(number).is_known == (number in {int(code) for code in kind})


def test_unknown_codes_are_not_kept() -> None:
    """Numbers that hostile servers make up take no room."""
    before = len(ResponseCode._value2member_map_)
    for number in range(10_000, 11_000):
        ResponseCode.of(number)
    assert len(ResponseCode._value2member_map_) == before
