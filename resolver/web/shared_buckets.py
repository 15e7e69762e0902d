"""Adds up what clients spend in all processes that share a Redis.

Deciding must not wait for Redis, so each process decides by what it knows, tells the others a few times a
second what was spent, and learns what they saw. A client may so get a fraction of a second's worth more than
its due, by each process; and with Redis gone, each process counts alone.

Redis never sees an address: clients are called by a digest under a secret that is changed every day, and what
is kept of one is a number that is gone once its bucket is full again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from resolver.cache.entry import KEY_ROOT
from resolver.errors import CacheError
from resolver.web.buckets import Buckets

if TYPE_CHECKING:
    from resolver.cache.redis import RedisTier

__all__ = ["SharedBuckets"]

logger = logging.getLogger(__name__)

PAUSE_S = 0.2
"""Between two exchanges with Redis."""

MAX_TOLD = 500
"""Clients in one exchange."""

SALT_LIFE_S = 86_400
SALT_CHECK_S = 600.0
SALT_OCTETS = 32
DIGEST_OCTETS = 12

# In braces what Redis Cluster keeps in one place, as a script needs it.
_SALT_KEY = f"{KEY_ROOT}!{{rate}}:salt"
_BUCKET_PREFIX = f"{KEY_ROOT}!{{rate}}:"

_KEEP_SALT = """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX')
return redis.call('GET', KEYS[1])
"""

# Each value is the moment at which a bucket will be full, by the clock of Redis.
_ADD_UP = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local full_in = {}
for i, key in ipairs(KEYS) do
  local full_at = math.max(tonumber(redis.call('GET', key) or now) or now, now) + ARGV[i]
  redis.call('SET', key, string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + 1)
  full_in[i] = string.format('%.6f', full_at - now)
end
return full_in
"""


class SharedBuckets:
    """Keeps the buckets of this process in step with those of the others."""

    def __init__(self, buckets: Buckets, redis: RedisTier, clock: Callable[[], float]) -> None:
        """Prepare.

        Args:
            buckets: of this process; they note from now on what is spent.
            redis: shared.
            clock: seconds, never set back.
        """
        buckets.tells = True
        self._buckets = buckets
        self._redis = redis
        self._clock = clock
        self._salt = b""
        self._salt_until = 0.0

    async def run(self, pause_s: float = PAUSE_S) -> None:
        """Exchange with the others, for ever; meant for a background task."""
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.exchange()
            except CacheError as error:
                logger.debug("spending is not shared error=%s", error)

    async def exchange(self) -> None:
        """Tell what was spent since the last time, and learn what others have seen.

        Raises:
            CacheError: Redis is not well; what was spent counts in this process alone.
        """
        spent = list(self._buckets.take_untold().items())
        for start in range(0, len(spent), MAX_TOLD):
            await self._tell(spent[start : start + MAX_TOLD])

    async def _tell(self, spent: list[tuple[str, float]]) -> None:
        await self._refresh_salt()
        keys = [_BUCKET_PREFIX + self._name(client) for client, _ in spent]
        amounts = [f"{lasts_s:.6f}".encode() for _, lasts_s in spent]
        found = await self._redis.evaluate("add up", _ADD_UP, keys, amounts)
        for (client, _), full_in_s in zip(spent, found, strict=False):
            self._buckets.adopt(client, float(full_in_s))

    async def _refresh_salt(self) -> None:
        if self._clock() < self._salt_until:
            return
        offered = secrets.token_bytes(SALT_OCTETS)
        self._salt = await self._redis.evaluate("salt", _KEEP_SALT, [_SALT_KEY], [offered, SALT_LIFE_S])
        self._salt_until = self._clock() + SALT_CHECK_S

    def _name(self, client: str) -> str:
        return hashlib.blake2s(
            client.encode(), key=self._salt[:SALT_OCTETS], digest_size=DIGEST_OCTETS
        ).hexdigest()
