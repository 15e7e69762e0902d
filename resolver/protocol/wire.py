"""The building blocks every part of a message is made of, with their limits.

One cursor reads, one class of functions writes. A length or count from the network is a claim: it is
compared with its limit and with the octets that are really there before anything is cut or looped over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from resolver.errors import MessageFormatError

__all__ = [
    "MAX_LIST_LENGTH",
    "Cursor",
    "write_bytes",
    "write_list",
    "write_reference",
    "write_text",
    "write_u32",
]

_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_I32 = struct.Struct("!i")

MAX_LIST_LENGTH = 2048
"""Most values, servers, references … that any one list may hold; deployed software stops at this too."""

Item = TypeVar("Item")


class Cursor:
    """Reads forward through octets and never past ``end``.

    Every method raises ``MessageFormatError`` when the octets do not hold what it reads.
    """

    __slots__ = ("_end", "_octets", "position")

    def __init__(self, octets: bytes, position: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self.position = position
        self._end = len(octets) if end is None else end

    @property
    def remaining(self) -> int:
        """Octets not read yet."""
        return self._end - self.position

    def take(self, count: int) -> bytes:
        """Return the next ``count`` octets."""
        start, end = self.position, self.position + count
        if count < 0 or end > self._end:
            raise MessageFormatError(
                f"{count} octets announced at offset {start}, {self._end - start} are there"
            )
        self.position = end
        return self._octets[start:end]

    def fields(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Read fields of a fixed size that stand side by side; one check for all of them is what makes it fast."""
        start = self.position
        end = start + layout.size
        if end > self._end:
            raise MessageFormatError(
                f"{layout.size} octets announced at offset {start}, {self._end - start} are there"
            )
        self.position = end
        return layout.unpack_from(self._octets, start)

    def u8(self) -> int:
        """Read an unsigned octet."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read two octets, unsigned."""
        return int(self.fields(_U16)[0])

    def u32(self) -> int:
        """Read four octets, unsigned."""
        return int(self.fields(_U32)[0])

    def i32(self) -> int:
        """Read four octets, signed; this is how deployed software reads every such field."""
        return int(self.fields(_I32)[0])

    def octets(self, limit: int | None = None) -> bytes:
        """Read a length and that many octets."""
        # What i32 and announced do, at once: everything that is read consists of these.
        start = self.position + 4
        if start <= self._end:
            length: int = _I32.unpack_from(self._octets, self.position)[0]
            end = start + length
            if length >= 0 and end <= self._end and (limit is None or length <= limit):
                self.position = end
                return self._octets[start:end]
        return self.announced(self.i32(), limit)

    def announced(self, length: int, limit: int | None = None) -> bytes:
        """Read as many octets as a length field has announced that was read before."""
        if length < 0 or (limit is not None and length > limit):
            raise MessageFormatError(
                f"length {length} before offset {self.position} is not within 0..{limit or self.remaining}"
            )
        return self.take(length)

    def text(self, limit: int | None = None) -> str:
        """Read a length and that many octets of UTF-8.

        Octets that are no UTF-8 become U+FFFD: one broken name must not make a whole record unreadable.
        """
        return self.octets(limit).decode("utf-8", "replace")

    def list_of(
        self, read: Callable[[Cursor], Item], smallest: int, limit: int = MAX_LIST_LENGTH
    ) -> tuple[Item, ...]:
        """Read a count and that many items, each of which takes at least ``smallest`` octets."""
        count = self.i32()
        if count == 0:
            return ()
        if not 0 <= count <= limit or count * smallest > self.remaining:
            raise MessageFormatError(
                f"list of {count} items at offset {self.position}, {self.remaining} octets are there"
            )
        return tuple([read(self) for _ in range(count)])

    def expect_end(self, what: str) -> None:
        """Refuse octets after the last field of ``what``."""
        if self.remaining:
            raise MessageFormatError(f"{self.remaining} octets too many after {what}")


def write_u32(number: int) -> bytes:
    """Write four octets; a negative number as its two's complement."""
    return _U32.pack(number & 0xFFFF_FFFF)


def write_bytes(octets: bytes) -> bytes:
    """Write a length and the octets."""
    return _U32.pack(len(octets)) + octets


def write_text(text: str) -> bytes:
    """Write a length and the text as UTF-8."""
    return write_bytes(text.encode("utf-8", "surrogatepass"))


def write_list(items: Iterable[bytes]) -> bytes:
    """Write a count and the items, which are already octets."""
    items = list(items)
    return _U32.pack(len(items)) + b"".join(items)


def write_reference(handle: str, index: int) -> bytes:
    """Write a handle and a value index."""
    return write_text(handle) + write_u32(index)
