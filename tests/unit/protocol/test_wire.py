"""The cursor and its writing counterparts."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.protocol.wire import (
    MAX_LIST_LENGTH,
    Cursor,
    write_bytes,
    write_list,
    write_reference,
    write_text,
    write_u32,
)
from tests.strategies import i32, texts, u32

READERS: list[tuple[Callable[[Cursor], object], bytes, object]] = [
    (Cursor.u8, b"\xff", 255),
    (Cursor.u16, b"\xff\xfe", 65534),
    (Cursor.u32, b"\xff\xff\xff\xfe", 0xFFFF_FFFE),
    (Cursor.i32, b"\xff\xff\xff\xfe", -2),
    (Cursor.octets, b"\0\0\0\3abc", b"abc"),
    (Cursor.text, b"\0\0\0\2\xc3\xa9", "é"),
    (lambda cursor: cursor.list_of(Cursor.u8, 1), b"\0\0\0\2\1\2", (1, 2)),
]
NAMES = ["u8", "u16", "u32", "i32", "octets", "text", "list"]


@pytest.mark.parametrize(("read", "octets", "expected"), READERS, ids=NAMES)
def test_reads_what_is_there(read: Callable[[Cursor], object], octets: bytes, expected: object) -> None:
    """Each kind of field is read, and the cursor then stands right behind it."""
    cursor = Cursor(octets + b"next")
    assert read(cursor) == expected
    assert cursor.take(4) == b"next"


@pytest.mark.parametrize(("read", "octets", "expected"), READERS, ids=NAMES)
def test_reads_nothing_that_is_not_there(
    read: Callable[[Cursor], object], octets: bytes, expected: object
) -> None:
    """A field cut short anywhere is refused, and so is one that would reach beyond the end it was given."""
    for length in range(len(octets)):
        with pytest.raises(MessageFormatError):
            read(Cursor(octets[:length]))
        with pytest.raises(MessageFormatError):
            read(Cursor(octets, end=length))


@pytest.mark.parametrize("length", [-1, -(2**31), 2**31 - 1, 5])
def test_impossible_lengths_are_refused(length: int) -> None:
    """A negative length, or one beyond the end, is refused for octets and text alike."""
    for read in (Cursor.octets, Cursor.text):
        with pytest.raises(MessageFormatError):
            read(Cursor(write_u32(length) + b"abcd"))


@pytest.mark.parametrize("count", [-1, -(2**31), 2**31 - 1, MAX_LIST_LENGTH + 1, 3])
def test_impossible_counts_are_refused_unread(count: int) -> None:
    """A count that the octets behind it cannot hold is refused before the first item is read."""

    def read(_: Cursor) -> object:
        raise AssertionError("an item was read")

    with pytest.raises(MessageFormatError):
        Cursor(write_u32(count) + bytes(11)).list_of(read, smallest=4)


def test_limits_hold_for_one_field() -> None:
    """A field with a limit of its own refuses more, though the octets are there."""
    octets = write_bytes(b"abcde")
    assert Cursor(octets).octets(limit=5) == b"abcde"
    with pytest.raises(MessageFormatError, match=r"0\.\.4"):
        Cursor(octets).octets(limit=4)


def test_going_backwards_is_refused() -> None:
    """No length can move the cursor back over what it has read."""
    cursor = Cursor(b"abcd", 2)
    with pytest.raises(MessageFormatError):
        cursor.take(-1)
    assert cursor.position == 2


def test_leftovers_are_told() -> None:
    """Octets after the last field are refused with their number, for whoever has to find the mistake."""
    cursor = Cursor(b"abc")
    cursor.u8()
    with pytest.raises(MessageFormatError, match="2 octets too many after a thing"):
        cursor.expect_end("a thing")
    cursor.take(2)
    cursor.expect_end("a thing")


@pytest.mark.parametrize("octets", [b"caf\xe9", b"\xed\xa0\x80", b"\xff"])
def test_broken_text_does_not_spoil_a_record(octets: bytes) -> None:
    """A name that is no UTF-8 is readable as far as possible, so that the rest of the record stays usable."""
    assert "\ufffd" in Cursor(write_bytes(octets)).text()


@given(u32, i32, st.binary(max_size=20), texts, texts, i32)
def test_what_is_written_can_be_read(
    unsigned: int, signed: int, octets: bytes, text: str, handle: str, index: int
) -> None:
    """Each kind of field reads as it was written."""
    cursor = Cursor(
        write_u32(unsigned)
        + write_u32(signed)
        + write_bytes(octets)
        + write_text(text)
        + write_reference(handle, index)
        + write_list([write_u32(unsigned), write_u32(7)])
    )
    assert (cursor.u32(), cursor.i32()) == (unsigned, signed)
    assert (cursor.octets(), cursor.text()) == (octets, text)
    assert (cursor.text(), cursor.i32()) == (handle, index)
    assert cursor.list_of(Cursor.u32, 4) == (unsigned, 7)
    cursor.expect_end("everything")


def test_fields_side_by_side() -> None:
    """Fields that stand side by side are read together, all of them or none."""
    layout = struct.Struct("!HiB")
    octets = layout.pack(1, -2, 3)
    cursor = Cursor(octets + b"next")
    assert cursor.fields(layout) == (1, -2, 3)
    assert cursor.take(4) == b"next"
    for length in range(len(octets)):
        cursor = Cursor(octets, end=length)
        with pytest.raises(MessageFormatError, match=f"7 octets announced at offset 0, {length} are there"):
            cursor.fields(layout)
        assert cursor.position == 0


@pytest.mark.parametrize("length", [-1, -(2**31), 5])
def test_length_announced_elsewhere(length: int) -> None:
    """A length that was read with other fields is checked like any other."""
    assert Cursor(b"abcd").announced(4) == b"abcd"
    with pytest.raises(MessageFormatError):
        Cursor(b"abcd").announced(length)
