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
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiocache.backends.redis import RedisCache
from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError, ResponseError

from resolver.cache.batches import Batches
from resolver.cache.breaker import FAILURES_TO_OPEN, Breaker
from resolver.cache.entry import KEY_ROOT, Entry, decode_entry, encode_entry
from resolver.errors import CacheError, MessageFormatError, SettingsError
from resolver.observe import Observer

__all__ = ["RedisTier"]

logger = logging.getLogger(__name__)

KEY_PREFIX = f"{KEY_ROOT}:"
CHANNEL = f"{KEY_ROOT}!changed"
"""Not below ``KEY_PREFIX``, so that no handle can be named like it."""

LEASE_PREFIX = f"{KEY_ROOT}!lease:"
"""What processes tell each other about the lookups under way; see ``lease.py``."""

# What a script does, nobody comes in between.
_CLAIM = """
local there = redis.call('GET', KEYS[1])
if there and there ~= ARGV[3] then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_END = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

SCAN_COUNT = 200
"""Names that Redis looks at in one go, for it to stay within the time-out."""

OPERATION_TIMEOUT_S = 0.05
SOCKET_TIMEOUT_S = 0.2
POOL_SIZE = 64
RECONNECT_PAUSE_S = 0.5
QUIET_S = 5.0
"""After so long without a word from other processes the connection is tried."""

PONG_S = 1.0
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
        self._reads = Batches(self._read)
        self._scripts: dict[str, AsyncScript] = {}
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
        octets = await self._reads.get(key)
        if octets is None:
            return None
        try:
            return decode_entry(key, octets)
        except MessageFormatError as error:
            logger.warning("entry in redis cannot be read key=%r error=%s", key, error)
            raise CacheError(str(error)) from error

    async def _read(self, keys: Sequence[str], wanted_by: int) -> Sequence[bytes | None]:
        if len(keys) == 1:
            return [await self._attempt("get", lambda: self._cache.get(keys[0]), wanted_by)]
        found: Sequence[bytes | None]
        found = await self._attempt("mget", lambda: self._cache.multi_get(keys), wanted_by)
        return found

    async def put(self, key: str, entry: Entry, keep_s: float) -> bool:
        """Keep ``entry`` for ``keep_s`` seconds; return whether Redis took it."""
        if keep_s <= 0:
            return await self.drop(key)
        octets = encode_entry(key, entry)
        return await self._do("set", lambda: self._cache.set(key, octets, ttl=float(keep_s)))

    async def drop(self, key: str) -> bool:
        """Forget the entry of ``key``; return whether Redis did. Works even where Redis is full."""
        return await self._do("delete", lambda: self._cache.delete(key))

    async def drop_all(self, of: Callable[[str], bool]) -> int:
        """Forget every entry whose key ``of`` accepts; return how many there were.

        Reads all names in Redis, some at a time, so that nobody else has to wait.

        Raises:
            CacheError: Redis is not well; some may be gone.
        """
        dropped = cursor = 0
        while True:
            cursor, names = await self._scan(cursor)
            keys = (name.decode("utf-8", "surrogateescape").removeprefix(KEY_PREFIX) for name in names)
            chosen = [f"{KEY_PREFIX}{key}".encode("utf-8", "surrogateescape") for key in keys if of(key)]
            if chosen:
                dropped += await self._unlink(chosen)
            if not cursor:
                return dropped

    async def _scan(self, cursor: int) -> tuple[int, list[bytes]]:
        client = self._cache.client
        following, names = await self._attempt(
            "scan", lambda: client.scan(cursor=cursor, match=f"{KEY_PREFIX}*", count=SCAN_COUNT)
        )
        return following, [name for name in names if isinstance(name, bytes)]

    async def _unlink(self, names: list[bytes]) -> int:
        count: int = await self._attempt("unlink", lambda: self._cache.client.unlink(*names))
        return count

    async def announce(self, key: str) -> None:
        """Tell the other processes that their entry of ``key`` is out of date."""
        word = f"{self._origin} {key}".encode("utf-8", "surrogatepass")
        await self._do("publish", lambda: self._cache.client.publish(CHANNEL, word))

    # --- lookups under way -------------------------------------------------------------------------------

    async def claim_lease(self, key: str, value: bytes, lease_s: float, over: bytes) -> bytes | None:
        """Write ``value`` for so many seconds where nothing is, or exactly ``over``.

        Returns:
            What else is there; ``None`` if ``value`` was written.

        Raises:
            CacheError: Redis is not well.
        """
        there = await self.evaluate("claim", _CLAIM, [LEASE_PREFIX + key], [value, _ms(lease_s), over])
        if there is None or isinstance(there, bytes):
            return there
        raise CacheError("redis claim: an answer that cannot be")

    async def extend_lease(self, key: str, value: bytes, lease_s: float) -> bool:
        """Let ``value`` live for so many seconds more, if it is there; return whether it is.

        Raises:
            CacheError: Redis is not well.
        """
        return bool(await self.evaluate("extend", _EXTEND, [LEASE_PREFIX + key], [value, _ms(lease_s)]))

    async def end_lease(self, key: str, value: bytes, outcome: bytes, keep_s: float) -> bool:
        """Put ``outcome`` in the place of ``value``, if it is there; an empty one removes it.

        Raises:
            CacheError: Redis is not well.
        """
        return bool(await self.evaluate("end", _END, [LEASE_PREFIX + key], [value, outcome, _ms(keep_s)]))

    async def break_lease(self, key: str) -> None:
        """Let a lookup that is under way, or has just ended, count for nobody but who did it."""
        await self._do("delete", lambda: self._cache.client.delete(LEASE_PREFIX + key))

    async def evaluate(
        self, operation: str, script: str, keys: Sequence[str], arguments: Sequence[bytes | int | float]
    ) -> Any:
        """Run a script of Redis's and return its answer.

        Raises:
            CacheError: Redis is not well, or does not run scripts.
        """
        registered = self._scripts.get(script)
        if registered is None:
            registered = self._scripts[script] = self._cache.client.register_script(script)
        known = registered
        return await self._attempt(operation, lambda: known(keys=keys, args=arguments))

    async def _do(self, operation: str, work: Callable[[], Awaitable[object]]) -> bool:
        try:
            await self._attempt(operation, work)
        except CacheError:
            return False
        return True

    async def _attempt(
        self, operation: str, work: Callable[[], Awaitable[Result]], wanted_by: int = 1
    ) -> Result:
        """Do one operation, if Redis is believed to be well, within the time-out, for as many as want it."""
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
            for _ in range(min(wanted_by, FAILURES_TO_OPEN)):
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
        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=QUIET_S)
        if message is None:
            # Nothing to say, or cut off without a word: then nobody would ever tell us.
            await subscription.ping()
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=PONG_S)
            if message is None:
                raise TimeoutError("redis does not answer a ping")
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


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
