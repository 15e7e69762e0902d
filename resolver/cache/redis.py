"""The shared tier: Redis behind aiocache's interface, with a client, a pool and patience of our own.

Redis is an accelerator. Down, slow, full or talking nonsense, it costs a request at most
``OPERATION_TIMEOUT_S``, and after a few such failures nothing at all, until a probe finds it well again.

Workers and replicas that share a Redis also tell each other through it which handle was looked up anew on
demand, so that all of them forget what their memory holds of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiocache.backends.redis import RedisCache
from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from resolver.cache.breaker import Breaker
from resolver.cache.entry import SCHEMA, Entry, decode_entry, encode_entry
from resolver.errors import CacheError, MessageFormatError, SettingsError
from resolver.observe import Observer

__all__ = ["RedisTier"]

logger = logging.getLogger(__name__)

KEY_PREFIX = f"hdl:{SCHEMA}:"
CHANNEL = f"hdl:{SCHEMA}!changed"
"""Not below ``KEY_PREFIX``, so that no handle can be named like it."""

OPERATION_TIMEOUT_S = 0.05
SOCKET_TIMEOUT_S = 0.2
POOL_SIZE = 64
RECONNECT_PAUSE_S = 0.5
MAX_ANNOUNCED_KEY = 8192

Result = TypeVar("Result")

# What the client, the pool and the operating system raise when Redis is not well.
_TROUBLE = (RedisError, TimeoutError, OSError, ValueError)


class _EntryCache(RedisCache):  # type: ignore[misc]  # aiocache has no types
    """aiocache's Redis interface over our client; values are octets already."""

    def __init__(self, client: Redis) -> None:
        # Not RedisCache.__init__: that would build a second client, with a pool that has no bound.
        BaseCache.__init__(
            self,
            serializer=NullSerializer(encoding=None),
            key_builder=lambda key, namespace: f"{KEY_PREFIX}{key}",
            timeout=0,
        )
        self.client = client

    async def _set(
        self,
        key: str,
        value: bytes,
        ttl: float | None = None,
        _cas_token: object = None,
        _conn: object = None,
    ) -> Any:
        # aiocache calls setex, which redis-py has deprecated.
        return await self.client.set(key, value, px=None if ttl is None else max(1, int(ttl * 1000)))

    async def _close(self, *args: object, _conn: object = None, **kwargs: object) -> None:
        await self.client.aclose(close_connection_pool=True)


class RedisTier:
    """Entries in Redis, and word from other processes about what changed."""

    def __init__(
        self,
        url: str,
        *,
        observer: Observer | None = None,
        operation_timeout_s: float = OPERATION_TIMEOUT_S,
    ) -> None:
        """Prepare; nothing is connected before the first use.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://``.
            observer: told whether Redis is believed to work, whenever that changes.
            operation_timeout_s: what a request may lose to Redis.

        Raises:
            SettingsError: the URL is none that Redis clients know.
        """
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=POOL_SIZE,
                timeout=operation_timeout_s,
                socket_timeout=SOCKET_TIMEOUT_S,
                socket_connect_timeout=SOCKET_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                driver_info=None,
            )
            # Waiting for the next word takes as long as it takes; that connection has no time-out.
            listening_pool = BlockingConnectionPool.from_url(
                url,
                max_connections=2,
                timeout=SOCKET_TIMEOUT_S,
                socket_timeout=None,
                socket_connect_timeout=SOCKET_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                driver_info=None,
            )
        except (ValueError, TypeError) as error:
            raise SettingsError(f"redis: {error}") from error
        self._cache = _EntryCache(Redis.from_pool(pool))
        self._listener = Redis.from_pool(listening_pool)
        self._origin = secrets.token_hex(8)
        self._breaker = Breaker()
        self._observer = observer or Observer()
        self._timeout_s = operation_timeout_s
        self._listening = False
        self._up: bool | None = None

    # --- entries -----------------------------------------------------------------------------------------

    async def get(self, key: str) -> Entry | None:
        """Return the entry of ``key``, or ``None`` if there is none.

        Raises:
            CacheError: Redis is not well, or what it holds is no entry of this handle.
        """
        octets = await self._attempt("get", lambda: self._cache.get(key))
        if octets is None:
            return None
        try:
            return decode_entry(key, octets)
        except MessageFormatError as error:
            logger.warning("entry in redis cannot be read key=%r error=%s", key, error)
            raise CacheError(str(error)) from error

    async def put(self, key: str, entry: Entry, keep_s: float) -> bool:
        """Keep ``entry`` for ``keep_s`` seconds; return whether Redis took it."""
        if keep_s <= 0:
            return await self.drop(key)
        octets = encode_entry(key, entry)
        return await self._do("set", lambda: self._cache.set(key, octets, ttl=float(keep_s)))

    async def drop(self, key: str) -> bool:
        """Forget the entry of ``key``; return whether Redis did. Works even where Redis is full."""
        return await self._do("delete", lambda: self._cache.delete(key))

    async def announce(self, key: str) -> None:
        """Tell the other processes that their entry of ``key`` is out of date."""
        word = f"{self._origin} {key}".encode("utf-8", "surrogatepass")
        await self._do("publish", lambda: self._cache.client.publish(CHANNEL, word))

    async def _do(self, operation: str, work: Callable[[], Awaitable[object]]) -> bool:
        try:
            await self._attempt(operation, work)
        except CacheError:
            return False
        return True

    async def _attempt(self, operation: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do one operation, if Redis is believed to be well, within the time-out."""
        if not self._breaker.allows(time.monotonic()):
            raise CacheError("redis failed a moment ago")
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await work()
        except ResponseError as error:
            # Full, read-only, a key of another type: Redis is well, it is this one operation that is not.
            self._breaker.succeeded()
            self._tell_up()
            raise CacheError(f"redis {operation}: {error!r}") from error
        except _TROUBLE as error:
            self._breaker.failed(time.monotonic())
            self._tell_up()
            logger.debug("redis failed operation=%s error=%r", operation, error)
            raise CacheError(f"redis {operation}: {error!r}") from error
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        self._tell_up()
        return result

    # --- word from others --------------------------------------------------------------------------------

    async def listen(self, changed: Callable[[str], None], missed: Callable[[], None]) -> None:
        """Pass on what other processes announce, for ever; meant for a background task.

        Args:
            changed: called with the key of each entry that is out of date.
            missed: called when the connection was gone for a while, so that anything may have changed.
        """
        may_have_missed = False
        while True:
            try:
                async with self._listener.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    await subscription.parse_response(block=True)
                    if may_have_missed:
                        missed()
                    self._set_listening(connected=True)
                    while True:
                        await self._hear(subscription, changed)
            except _TROUBLE as error:
                if self._listening:
                    logger.warning("redis is gone, going on without error=%r", error)
                self._set_listening(connected=False)
            may_have_missed = True
            await asyncio.sleep(RECONNECT_PAUSE_S)

    async def _hear(self, subscription: Any, changed: Callable[[str], None]) -> None:
        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=None)
        data = message["data"] if message else b""
        if not isinstance(data, bytes) or len(data) > MAX_ANNOUNCED_KEY:
            return
        origin, _, key = data.decode("utf-8", "surrogateescape").partition(" ")
        if origin != self._origin and key:
            changed(key)

    def _set_listening(self, *, connected: bool) -> None:
        if connected and not self._listening:
            logger.info("redis is connected")
            self._breaker.succeeded()
        self._listening = connected
        self._tell_up()

    def _tell_up(self) -> None:
        up = self._listening and not self._breaker.is_open
        if up != self._up:
            self._up = up
            self._observer.redis_up(up)

    async def close(self) -> None:
        """Give the connections back."""
        with contextlib.suppress(*_TROUBLE):
            await self._cache.close()
        with contextlib.suppress(*_TROUBLE):
            await self._listener.aclose(close_connection_pool=True)
