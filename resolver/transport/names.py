"""Host names out of site records, looked up in the DNS. What comes back is no more trusted than the record."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from resolver.model.site import IPAddress

__all__ = ["MAX_ADDRESSES", "Names"]

MAX_ADDRESSES = 8
"""Addresses of one name that are used."""

PATIENCE_S = 2.0
KEEP_S = 60.0
KEEP_FAILURE_S = 5.0
MAX_NAMES = 1000

_NAME = re.compile(
    r"(?=.{1,253}\.?\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)

Ask = Callable[[str], Awaitable[list[tuple[Any, ...]]]]


class Names:
    """Looks up names, and remembers for a short while what they stand for."""

    def __init__(
        self,
        ask: Ask | None = None,
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            ask: takes a name and returns what ``getaddrinfo`` does; that of the system by default.
            patience_s: how long a lookup may take.
            clock: seconds from any moment on.
        """
        self._ask = ask or _ask_system
        self._patience_s = patience_s
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[IPAddress, ...]]] = OrderedDict()

    async def addresses_of(self, name: str) -> tuple[IPAddress, ...]:
        """Return the addresses of ``name``, families in turn; none if there are none or nobody can tell."""
        name = name.strip().lower()
        if not _NAME.fullmatch(name):
            return ()
        until, addresses = self._known.get(name, (0.0, ()))
        if self._clock() < until:
            return addresses
        try:
            async with asyncio.timeout(self._patience_s):
                addresses = _read(await self._ask(name))
        except (OSError, TimeoutError, UnicodeError):
            addresses = ()
        self._known[name] = (self._clock() + (KEEP_S if addresses else KEEP_FAILURE_S), addresses)
        self._known.move_to_end(name)
        while len(self._known) > MAX_NAMES:
            self._known.popitem(last=False)
        return addresses


async def _ask_system(name: str) -> list[tuple[Any, ...]]:
    return list(await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM))


def _read(found: list[tuple[Any, ...]]) -> tuple[IPAddress, ...]:
    by_family: dict[int, dict[IPAddress, None]] = {6: {}, 4: {}}
    for _, _, _, _, (text, *_) in found:
        if "%" not in text:  # a zone means something on this machine only
            address = ipaddress.ip_address(text)
            by_family[address.version][address] = None
    sixes, fours = list(by_family[6]), list(by_family[4])
    in_turn = [
        address
        for number in range(max(len(sixes), len(fours)))
        for family in (sixes, fours)
        for address in family[number : number + 1]
    ]
    return tuple(in_turn[:MAX_ADDRESSES])
