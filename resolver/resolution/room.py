"""How many lookups may be under way: in all, and at the servers of one prefix as far as is known of them."""

from __future__ import annotations

from collections.abc import Callable

from resolver.errors import ClosingError, NoServerAnsweredError, UpstreamError
from resolver.model.handle import Handle
from resolver.resolution.setbacks import Setbacks
from resolver.resolution.toll import Kind, charge

__all__ = ["Room", "crowd_of", "met_a_crowd"]

COMFORTABLE_SHARE = 0.9
"""Part of the room up to which there is some for what nobody waits for."""


class Room:
    """Counts lookups."""

    def __init__(self, max_lookups: int, setbacks: Setbacks, shared: Callable[[], int]) -> None:
        """Prepare.

        Args:
            max_lookups: how many may be under way for visitors.
            setbacks: knows which servers have all they can take.
            shared: gives the number of lookups that several visitors may wait for.
        """
        self._max_lookups = max_lookups
        self._setbacks = setbacks
        self._shared = shared
        self.alone = 0
        """Lookups for one visitor alone."""
        self._under_way: dict[str, int] = {}
        """Lookups by what their handles have in common."""

    @property
    def in_flight(self) -> int:
        """Lookups under way."""
        return self._shared() + self.alone

    @property
    def is_full(self) -> bool:
        """Whether there is room for no lookup at all."""
        return self.in_flight >= self._max_lookups

    @property
    def is_comfortable(self) -> bool:
        """Whether there is room for what nobody waits for."""
        return self.in_flight < COMFORTABLE_SHARE * self._max_lookups

    @property
    def is_pressed(self) -> bool:
        """Whether some lookups cannot be begun at the moment."""
        return self.is_full or self._setbacks.is_any_crowded

    def has_none_for(self, crowd: str, on_their_way: int = 0) -> bool:
        """Whether there is no room for a lookup at the servers of a prefix behind so many others."""
        if self.in_flight + on_their_way >= self._max_lookups:
            return True
        return self._setbacks.is_crowded(crowd, self._under_way.get(crowd, 0) + on_their_way)

    def make(self, handle: Handle, kind: Kind = "miss") -> None:
        """Let the visitor pay for a lookup.

        Raises:
            ClosingError: there is no room for another one.
            TooManyRequestsError: the visitor has nothing left to pay with.
        """
        if self.is_full:
            raise ClosingError(f"{self.in_flight} lookups are under way")
        if self.has_none_for(crowd_of(handle)):
            raise ClosingError("the servers of this prefix are asked as much as they may be")
        charge(kind)

    def enter(self, crowd: str) -> None:
        """Count a lookup at the servers of a prefix; it has to ``leave``."""
        self._under_way[crowd] = self._under_way.get(crowd, 0) + 1

    def leave(self, crowd: str, error: UpstreamError | None = None) -> None:
        """Count it no more; learn from how it ended."""
        left = self._under_way[crowd] - 1
        if error is not None and met_a_crowd(error):
            self._setbacks.crowd(crowd, left)
        if left:
            self._under_way[crowd] = left
        else:
            del self._under_way[crowd]


def crowd_of(handle: Handle) -> str:
    """Return what handles that are kept by the same servers have in common."""
    return handle.prefix_handle.cache_key


def met_a_crowd(error: UpstreamError) -> bool:
    """Whether nobody was asked, since too many questions are under way in this process."""
    return isinstance(error, NoServerAnsweredError) and error.crowded
