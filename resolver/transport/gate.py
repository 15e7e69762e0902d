"""How many questions one server is asked at a time: a slow one must not fill us, nor a fast one be flooded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from contextlib import suppress

from resolver.errors import CrowdedError

__all__ = ["MAX_RUNNING", "MAX_WAITING", "Gate"]

MAX_RUNNING = 32
"""Questions under way to one server."""

MAX_WAITING = 64
"""Questions that wait for one of these to end."""


class _Place:
    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Gate:
    """Lets so many in at each place, keeps some waiting in the order they came, and turns the rest away."""

    def __init__(self, max_running: int = MAX_RUNNING, max_waiting: int = MAX_WAITING) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._places: dict[Hashable, _Place] = {}

    def __len__(self) -> int:
        """Return at how many places anything is going on."""
        return len(self._places)

    async def enter(self, where: Hashable) -> None:
        """Go in, now or when somebody leaves; whoever got in must ``leave``.

        Raises:
            CrowdedError: too many wait already.
        """
        if self.try_enter(where):
            return
        turn = self.line_up(where)
        try:
            await turn
        except asyncio.CancelledError:
            self.give_up(where, turn)
            raise

    def try_enter(self, where: Hashable) -> bool:
        """Go in if that can be done at once; return whether it could. Whoever got in must ``leave``."""
        place = self._places.get(where)
        if place is None:
            place = self._places[where] = _Place()
        elif place.running >= self._max_running:
            return False
        place.running += 1
        return True

    def line_up(self, where: Hashable) -> asyncio.Future[None]:
        """Wait where ``try_enter`` has failed.

        Returns:
            What is done when the turn has come: who waited is in then, and must ``leave``. Who will not wait for it
            must ``give_up``.

        Raises:
            CrowdedError: too many wait already.
        """
        place = self._places[where]
        if len(place.waiting) >= self._max_waiting:
            raise CrowdedError(f"{place.running} questions are under way and {len(place.waiting)} wait")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place.waiting.append(turn)
        return turn

    def give_up(self, where: Hashable, turn: asyncio.Future[None]) -> None:
        """Wait no longer for a turn."""
        if turn.done() and not turn.cancelled():
            self.leave(where)  # it came at this very moment
            return
        turn.cancel()
        place = self._places.get(where)
        if place is not None:
            with suppress(ValueError):  # somebody left a moment ago and has passed us over already
                place.waiting.remove(turn)

    def leave(self, where: Hashable) -> None:
        """Let the next one in."""
        place = self._places[where]
        while place.waiting:
            turn = place.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        place.running -= 1
        if not place.running:
            del self._places[where]
