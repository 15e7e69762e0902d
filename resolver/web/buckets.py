"""Token buckets: how much each client has left to spend.

A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm): what is
spent moves that moment further away, and time brings it nearer by itself. So nothing has to be filled up, and
two processes can add up what they have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resolver.cache.memory import MemoryCache

__all__ = ["MAX_CLIENTS", "Allowance", "Buckets", "State"]

MAX_CLIENTS = 50_000
"""Clients remembered; of more, those that come rarely are forgotten, and find a full bucket again."""

MAX_UNTOLD = 10_000
"""Clients whose spending waits to be told to the other processes."""

BUCKET_OCTETS = 100
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Allowance:
    """What every client may spend."""

    per_s: float
    """What comes back each second."""
    burst: float
    """What there is at most."""

    @property
    def window_s(self) -> float:
        """How long an empty bucket takes to fill."""
        return self.burst / self.per_s


@dataclass(frozen=True, slots=True)
class State:
    """A bucket at one moment."""

    left: float
    full_in_s: float
    retry_after_s: float = 0.0
    """When what was refused could be paid; 0 if it was paid."""


class _Bucket:
    __slots__ = ("full_at",)

    def __init__(self, full_at: float) -> None:
        self.full_at = full_at


class Buckets:
    """The buckets of this process."""

    def __init__(
        self, allowance: Allowance, clock: Callable[[], float], *, max_clients: int = MAX_CLIENTS
    ) -> None:
        """Prepare.

        Args:
            allowance: the same for every client.
            clock: seconds, never set back.
            max_clients: how many are remembered.
        """
        self.allowance = allowance
        self._clock = clock
        self._buckets: MemoryCache[_Bucket] = MemoryCache(max_clients, 2 * max_clients * BUCKET_OCTETS * 4)
        self._untold: dict[str, float] = {}
        self.tells = False
        """Whether spending is noted for ``take_untold``."""

    def spend(self, client: str, cost: float) -> State:
        """Take ``cost`` out of the bucket of ``client``, if there is as much in it; a refusal costs nothing.

        What costs more than a whole bucket empties a full one.
        """
        allowance, now = self.allowance, self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = _Bucket(now)
            self._buckets.put(client, bucket, BUCKET_OCTETS)
        full_at = max(bucket.full_at, now)
        lasts_s = min(cost, allowance.burst) / allowance.per_s
        excess_s = full_at + lasts_s - now - allowance.window_s
        if excess_s > ROUNDING:
            return self._state(full_at - now, excess_s)
        bucket.full_at = full_at + lasts_s
        if self.tells and (client in self._untold or len(self._untold) < MAX_UNTOLD):
            self._untold[client] = self._untold.get(client, 0.0) + lasts_s
        return self._state(bucket.full_at - now)

    def look(self, client: str) -> State:
        """Return the state of a bucket and leave it as it is."""
        bucket = self._buckets.get(client)
        return self._state(0.0 if bucket is None else max(0.0, bucket.full_at - self._clock()))

    def _state(self, full_in_s: float, retry_after_s: float = 0.0) -> State:
        allowance = self.allowance
        return State(max(0.0, allowance.burst - full_in_s * allowance.per_s), full_in_s, retry_after_s)

    # --- adding up with others ---------------------------------------------------------------------------

    def take_untold(self) -> dict[str, float]:
        """Return what was spent since the last call, by client, in the seconds it takes to come back."""
        untold, self._untold = self._untold, {}
        return untold

    def adopt(self, client: str, full_in_s: float) -> None:
        """Take in that a bucket, with what others took out of it, will be full in ``full_in_s`` only."""
        bucket = self._buckets.get(client)
        if bucket is not None:
            # What was spent here since is not in that number yet.
            full_in_s += self._untold.get(client, 0.0)
            bucket.full_at = max(bucket.full_at, self._clock() + full_in_s)
