"""The shared tier over a real Redis: what it keeps, and what it costs when Redis is killed, frozen, full, poisoned."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import urlsplit

import msgspec
import pytest

from resolver.cache.breaker import FAILURES_TO_OPEN, OPEN_S
from resolver.cache.entry import Absence, CachedRecord, Entry, encode_entry
from resolver.cache.redis import (
    CHANNEL,
    KEY_PREFIX,
    OPERATION_TIMEOUT_S,
    POOL_SIZE,
    RECONNECT_PAUSE_S,
    RedisTier,
)
from resolver.errors import CacheError, SettingsError
from tests.fakes import RecordingObserver, record_of
from tests.redis_process import RedisProcess

KEY = "10.1000/Äb c"
RECORD = CachedRecord(record_of(KEY), time.time(), 3600.0, "udp://192.0.2.1:2641")
RECORD_OF_OTHER = CachedRecord(record_of("10.1/other"), time.time(), 3600.0)

IMPATIENT_S = 0.25
"""What an operation may take in a test: the time-out of an operation, and a busy machine."""


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()


@pytest.fixture
async def tier(redis_server: RedisProcess, observer: RecordingObserver) -> AsyncIterator[RedisTier]:
    """A tier over a Redis of its own."""
    tier = RedisTier(redis_server.url, observer=observer)
    yield tier
    await tier.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.01)


async def until_well(tier: RedisTier) -> None:
    """Wait until the tier has found out that Redis is well again."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(CacheError):
                await tier.get("probe")
                return
            await asyncio.sleep(0.02)


async def fail_until_open(tier: RedisTier) -> None:
    """Let operations fail until the breaker opens."""
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(CacheError):
            await tier.get(KEY)


# --- what it keeps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [RECORD, Absence(time.time(), 30.0, "10.1000", "it is not registered")])
async def test_round_trip(tier: RedisTier, entry: Entry) -> None:
    """What was put is found, until it is dropped."""
    assert await tier.get(KEY) is None
    assert await tier.put(KEY, entry, 60)
    assert await tier.get(KEY) == entry
    assert await tier.drop(KEY)
    assert await tier.get(KEY) is None
    assert await tier.drop(KEY)


async def test_keys_and_expiry_in_redis(tier: RedisTier, redis_server: RedisProcess) -> None:
    """An entry lies under its prefix and schema number, and Redis knows to the millisecond when to forget it."""
    await tier.put("10.1/x", RECORD, 12.5)
    assert redis_server.command("KEYS", "*") == b"*1\r\n$12\r\nhdl:1:10.1/x\r\n"
    left_ms = int(redis_server.command("PTTL", f"{KEY_PREFIX}10.1/x").strip(b":\r\n"))
    assert 12_000 < left_ms <= 12_500


async def test_expires(tier: RedisTier) -> None:
    """An entry is gone when its time is over, even if that is less than a second."""
    await tier.put(KEY, RECORD, 0.1)
    assert await tier.get(KEY) == RECORD
    await asyncio.sleep(0.12)
    assert await tier.get(KEY) is None


@pytest.mark.parametrize("keep_s", [0.0, -1.0])
async def test_no_time_to_keep(tier: RedisTier, keep_s: float) -> None:
    """An entry that may not be kept takes the place of what was there, and is not kept."""
    await tier.put(KEY, RECORD, 60)
    assert await tier.put(KEY, RECORD, keep_s)
    assert await tier.get(KEY) is None


async def test_shared(tier: RedisTier, redis_server: RedisProcess) -> None:
    """What one process puts another finds."""
    other = RedisTier(redis_server.url)
    await tier.put(KEY, RECORD, 60)
    assert await other.get(KEY) == RECORD
    await other.close()


@pytest.mark.parametrize("url", ["", "127.0.0.1:6379", "http://127.0.0.1/", "redis://127.0.0.1:port/0"])
def test_bad_url(url: str) -> None:
    """A URL that no Redis client knows stops the start."""
    with pytest.raises(SettingsError, match="redis"):
        RedisTier(url)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a Redis that was never started."""
    process = RedisProcess()
    yield process.url
    process.close()


async def test_nothing_is_connected_before_the_first_use(nowhere: str) -> None:
    """A tier can be made, and closed, without any Redis."""
    tier = RedisTier(nowhere)
    await tier.close()


# --- killed ----------------------------------------------------------------------------------------------


async def test_killed(tier: RedisTier, redis_server: RedisProcess) -> None:
    """With Redis gone every operation fails at once: reading says so, writing returns that it did not happen."""
    await tier.put(KEY, RECORD, 60)
    redis_server.kill()
    started = time.monotonic()
    with pytest.raises(CacheError):
        await tier.get(KEY)
    assert not await tier.put(KEY, RECORD, 60)
    assert not await tier.drop(KEY)
    await tier.announce(KEY)
    assert time.monotonic() - started < IMPATIENT_S


async def test_never_there(nowhere: str) -> None:
    """The same where there never was a Redis."""
    tier = RedisTier(nowhere)
    with pytest.raises(CacheError):
        await tier.get(KEY)
    await tier.close()


async def test_breaker_opens(
    tier: RedisTier, redis_server: RedisProcess, observer: RecordingObserver
) -> None:
    """After a few failures nobody tries any more for a while."""
    await tier.put(KEY, RECORD, 60)
    redis_server.kill()
    await fail_until_open(tier)
    started = time.monotonic()
    for _ in range(1000):
        with pytest.raises(CacheError, match="a moment ago"):
            await tier.get(KEY)
    assert time.monotonic() - started < 0.5
    assert observer.counts["redis_up", True] == 0


async def test_recovers(tier: RedisTier, redis_server: RedisProcess) -> None:
    """Once Redis is back it is used again within two seconds, without anybody's help."""
    await tier.put(KEY, RECORD, 60)
    redis_server.kill()
    await fail_until_open(tier)
    redis_server.start()
    started = time.monotonic()
    await until_well(tier)
    assert time.monotonic() - started < 2
    assert await tier.put(KEY, RECORD, 60)
    assert await tier.get(KEY) == RECORD


async def test_restarted_between_two_operations(tier: RedisTier, redis_server: RedisProcess) -> None:
    """A restart that nobody noticed costs one failure at most for each connection that was open."""
    await tier.put(KEY, RECORD, 60)
    redis_server.kill()
    redis_server.start()
    failures = 0
    for _ in range(5):
        try:
            assert await tier.get(KEY) is None
        except CacheError:
            failures += 1
    assert failures <= 1


# --- frozen ----------------------------------------------------------------------------------------------


async def test_frozen(tier: RedisTier, redis_server: RedisProcess) -> None:
    """A Redis that keeps connections and says nothing costs the time-out of an operation, then nothing."""
    await tier.put(KEY, RECORD, 60)
    redis_server.freeze()
    started = time.monotonic()
    with pytest.raises(CacheError):
        await tier.get(KEY)
    assert OPERATION_TIMEOUT_S * 0.9 < time.monotonic() - started < IMPATIENT_S
    await fail_until_open_together(tier)
    started = time.monotonic()
    for _ in range(100):
        with pytest.raises(CacheError, match="a moment ago"):
            await tier.get(KEY)
    assert time.monotonic() - started < 0.2
    redis_server.thaw()
    await until_well(tier)
    assert await tier.get(KEY) == RECORD


async def fail_until_open_together(tier: RedisTier) -> None:
    """Let many operations fail side by side, and check that none waits for another."""
    started = time.monotonic()
    results = await asyncio.gather(*(tier.get(KEY) for _ in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {CacheError}
    assert time.monotonic() - started < 2 * IMPATIENT_S


async def test_probe_that_is_cancelled(tier: RedisTier, redis_server: RedisProcess) -> None:
    """A visitor who leaves while his request probes whether Redis is well again does not lock it out for ever."""
    await tier.put(KEY, RECORD, 60)
    redis_server.freeze()
    await fail_until_open_together(tier)
    await asyncio.sleep(OPEN_S)
    probe = asyncio.get_running_loop().create_task(tier.get(KEY))
    await asyncio.sleep(OPERATION_TIMEOUT_S / 5)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    redis_server.thaw()
    await until_well(tier)


async def test_answers_are_not_mixed_up_after_a_freeze(tier: RedisTier, redis_server: RedisProcess) -> None:
    """Answers that come after everybody has given up are not taken for the answers to later questions."""
    keys = [f"10.1/{number}" for number in range(20)]
    for key in keys:
        assert await tier.put(key, CachedRecord(record_of(key), time.time(), 3600.0), 60)
    redis_server.freeze()
    await asyncio.gather(*(tier.get(key) for key in keys), return_exceptions=True)
    redis_server.thaw()
    await until_well(tier)
    for key in reversed(keys):
        entry = await tier.get(key)
        assert isinstance(entry, CachedRecord)
        assert entry.record.handle == key


# --- full, read-only, poisoned ---------------------------------------------------------------------------


def fill_up(redis_server: RedisProcess) -> None:
    """Let Redis take nothing more."""
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert redis_server.command("CONFIG", "SET", "maxmemory", "1").startswith(b"+OK")


async def test_full(tier: RedisTier, redis_server: RedisProcess) -> None:
    """A Redis that takes nothing more says so, and what it holds can still be read and dropped."""
    await tier.put(KEY, RECORD, 60)
    fill_up(redis_server)
    assert not await tier.put("10.1/new", RECORD, 60)
    assert await tier.get(KEY) == RECORD
    assert await tier.drop(KEY)
    assert await tier.get(KEY) is None


async def test_full_under_load(tier: RedisTier, redis_server: RedisProcess) -> None:
    """However many writes a full Redis refuses, an entry that was replaced can be dropped, and others read."""
    await tier.put(KEY, RECORD, 60)
    await tier.put("10.1/other", RECORD_OF_OTHER, 60)
    fill_up(redis_server)
    for number in range(3 * FAILURES_TO_OPEN):
        assert not await tier.put(f"10.1/{number}", RECORD, 60)
    assert await tier.get("10.1/other") == RECORD_OF_OTHER
    assert await tier.drop(KEY)
    assert await tier.get(KEY) is None


async def test_read_only_replica(tier: RedisTier, redis_server: RedisProcess) -> None:
    """A replica that takes no writes is read from."""
    await tier.put(KEY, RECORD, 60)
    redis_server.command("CONFIG", "SET", "replica-serve-stale-data", "yes")
    redis_server.command("REPLICAOF", "127.0.0.1", "1")
    for _ in range(2 * FAILURES_TO_OPEN):
        assert not await tier.put("10.1/new", RECORD, 60)
    assert await tier.get(KEY) == RECORD


POISON: dict[str, bytes] = {
    "nothing": b"",
    "text": b"nonsense",
    "JSON": b'{"handle": "10.1000/abc"}',
    "another msgpack": msgspec.msgpack.encode([1, 2, 3]),
    "another handle": encode_entry("10.1/other", RECORD),
    "cut short": encode_entry(KEY, RECORD)[:-1],
    "no UTF-8": encode_entry(KEY, RECORD).replace(b"udp://", b"udp:\xff/"),
    "too deep": b"\x91" * 100_000,
    "too deep at the end": bytes([0x9B]) + encode_entry(KEY, RECORD)[1:] + b"\x91" * 100_000 + b"\xc0",
}


@pytest.mark.parametrize("name", POISON)
async def test_poisoned(tier: RedisTier, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A value that is no entry of this handle is an error of the tier and nothing else, and is logged."""
    await tier._cache.client.set(f"{KEY_PREFIX}{KEY}", POISON[name])
    with pytest.raises(CacheError):
        await tier.get(KEY)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert await tier.put(KEY, RECORD, 60)
    assert await tier.get(KEY) == RECORD


async def test_poisoned_by_another_type(tier: RedisTier, redis_server: RedisProcess) -> None:
    """A key that holds a list is an error too, until it is overwritten."""
    redis_server.command("LPUSH", f"{KEY_PREFIX}10.1/x", "a list")
    with pytest.raises(CacheError):
        await tier.get("10.1/x")
    assert await tier.put("10.1/x", RECORD, 60)


async def test_one_poisoned_key_does_not_spoil_the_others(
    tier: RedisTier, redis_server: RedisProcess
) -> None:
    """However often one poisoned key is asked for, Redis answers, so the other keys are still read from it."""
    await tier.put(KEY, RECORD, 60)
    redis_server.command("LPUSH", f"{KEY_PREFIX}10.1/x", "a list")
    for _ in range(2 * FAILURES_TO_OPEN):
        with pytest.raises(CacheError):
            await tier.get("10.1/x")
    assert await tier.get(KEY) == RECORD


# --- many at once ----------------------------------------------------------------------------------------


async def test_more_callers_than_connections(tier: RedisTier, redis_server: RedisProcess) -> None:
    """Four hundred callers share the connections of the pool: each is answered, with its own entry."""
    keys = [f"10.1/{number}" for number in range(400)]
    for key in keys:
        assert await tier.put(key, CachedRecord(record_of(key), time.time(), 3600.0), 60)
    patient = RedisTier(redis_server.url, operation_timeout_s=2.0)
    await warm_up(patient)
    entries = await asyncio.gather(*(patient.get(key) for key in keys))
    assert [entry.record.handle for entry in entries if isinstance(entry, CachedRecord)] == keys
    assert connections(redis_server) <= POOL_SIZE + 2
    await patient.close()


async def warm_up(tier: RedisTier) -> None:
    """Let the pool make its connections, which on a busy machine may take longer than one operation may."""
    async with asyncio.timeout(10):
        while True:
            looks = [tier.get("probe") for _ in range(POOL_SIZE)]
            if not any(await asyncio.gather(*looks, return_exceptions=True)):
                return
            await asyncio.sleep(0.1)


async def test_more_callers_than_connections_in_a_hurry(tier: RedisTier) -> None:
    """With the usual patience too, cold callers are answered or told within about that time, and then it works."""
    started = time.monotonic()
    results = await asyncio.gather(*(tier.get(KEY) for _ in range(400)), return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), CacheError}
    assert time.monotonic() - started < 5
    await warm_up(tier)
    assert await asyncio.gather(*(tier.get(KEY) for _ in range(50))) == [None] * 50


async def test_cancelled_callers(tier: RedisTier, redis_server: RedisProcess) -> None:
    """Callers who leave at any moment take no connection with them, and mix no answers up."""
    keys = [f"10.1/{number}" for number in range(64)]
    for key in keys:
        assert await tier.put(key, CachedRecord(record_of(key), time.time(), 3600.0), 60)
    chance = random.Random(7)  # noqa: S311 - when to leave
    loop = asyncio.get_running_loop()
    for _ in range(20):
        callers = [loop.create_task(tier.get(key)) for key in keys[:16]]
        await asyncio.sleep(chance.random() * 0.003)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    entries = await asyncio.gather(*(tier.get(key) for key in keys[:32]))
    assert [entry.record.handle for entry in entries if isinstance(entry, CachedRecord)] == keys[:32]
    assert connections(redis_server) <= POOL_SIZE + 2


def connections(redis_server: RedisProcess) -> int:
    """Return how many clients Redis has, ourselves included."""
    (line,) = [
        line for line in redis_server.command("INFO", "clients").splitlines() if b"connected_clients" in line
    ]
    return int(line.partition(b":")[2])


async def test_close_leaves_nothing(redis_server: RedisProcess) -> None:
    """A closed tier has no connection and no file left open, whatever it did."""
    before = len(os.listdir("/proc/self/fd"))
    tier = RedisTier(redis_server.url)
    listening = asyncio.get_running_loop().create_task(tier.listen(lambda key: None, lambda: None))
    await asyncio.gather(*(tier.get(KEY) for _ in range(10)))
    await tier.put(KEY, RECORD, 60)
    await until(lambda: connections(redis_server) > 2)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await tier.close()
    await until(lambda: connections(redis_server) == 1)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_close_while_redis_is_frozen(redis_server: RedisProcess) -> None:
    """Closing does not wait for a Redis that says nothing."""
    tier = RedisTier(redis_server.url)
    await tier.put(KEY, RECORD, 60)
    redis_server.freeze()
    started = time.monotonic()
    await tier.close()
    assert time.monotonic() - started < 1


# --- word from others ------------------------------------------------------------------------------------


class Listener:
    """A process that listens: its tier, and what it heard."""

    def __init__(self, url: str) -> None:
        self.observer = RecordingObserver()
        self.tier = RedisTier(url, observer=self.observer)
        self.changed: list[str] = []
        self.missed = 0
        self._task = asyncio.get_running_loop().create_task(self.tier.listen(self.changed.append, self._miss))

    def _miss(self) -> None:
        self.missed += 1

    async def connected(self, times: int = 1) -> None:
        """Wait until it has told so many times that Redis works."""
        await until(lambda: self.observer.counts["redis_up", True] >= times)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.tier.close()


@pytest.fixture
async def pair(redis_server: RedisProcess) -> AsyncIterator[tuple[Listener, Listener]]:
    """Two processes that listen to each other."""
    pair = Listener(redis_server.url), Listener(redis_server.url)
    for each in pair:
        await each.connected()
    yield pair
    for each in pair:
        await each.close()


async def test_announcement(pair: tuple[Listener, Listener]) -> None:
    """What one announces the other hears, and not itself; whatever characters the handle has."""
    one, other = pair
    keys = ["10.1/x", "10.1/with space", "10.1/Ünïcödé\n\0", "10.1/" + "x" * 2000]
    for key in keys:
        await one.tier.announce(key)
    await until(lambda: len(other.changed) == len(keys))
    assert other.changed == keys
    assert one.changed == []
    await other.tier.announce("10.1/back")
    await until(lambda: one.changed == ["10.1/back"])
    assert (one.missed, other.missed) == (0, 0)


@pytest.mark.parametrize(
    "word",
    [b"", b"no-key", b"origin ", b"\xff\xfe \xff", b"origin " + b"x" * 10_000],
    ids=lambda word: repr(word[:9]),
)
async def test_nonsense_on_the_channel(pair: tuple[Listener, Listener], word: bytes) -> None:
    """Whatever else is said on the channel does not keep anybody from hearing what follows."""
    one, other = pair
    await one.tier._cache.client.publish(CHANNEL, word)
    await one.tier.announce("10.1/x")
    await until(lambda: "10.1/x" in other.changed)
    assert all(len(key) < 10 for key in other.changed)


async def test_missed(pair: tuple[Listener, Listener], redis_server: RedisProcess) -> None:
    """After the connection was gone, listeners are told that they may have missed something, and then hear again."""
    one, other = pair
    redis_server.kill()
    await until(lambda: one.observer.counts["redis_up", False] > 0)
    redis_server.start()
    await until(lambda: one.missed == other.missed == 1)
    await until_well(one.tier)
    await one.tier.announce("10.1/x")
    await until(lambda: other.changed == ["10.1/x"])


async def test_a_connection_that_has_gone_silent(
    redis_server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet connection is tried: one that is well stays, one cut off without a word is given up and made anew."""
    monkeypatch.setattr("resolver.cache.redis.QUIET_S", 0.1)
    monkeypatch.setattr("resolver.cache.redis.PONG_S", 0.5)
    listener = Listener(redis_server.url)
    await listener.connected()
    await asyncio.sleep(0.5)
    assert listener.observer.counts["redis_up", False] == 0
    redis_server.freeze()
    await until(lambda: listener.observer.counts["redis_up", False] > 0)
    redis_server.thaw()
    await until(lambda: listener.missed == 1)
    await listener.close()


async def test_missed_before_the_first_connection(redis_server: RedisProcess) -> None:
    """The same where Redis could not be reached at first: what memory took in meanwhile may be out of date."""
    redis_server.kill()
    listener = Listener(redis_server.url)
    await asyncio.sleep(0.05)
    redis_server.start()
    await listener.connected()
    assert listener.missed == 1
    await listener.close()


async def test_reconnects_at_leisure(nowhere: str) -> None:
    """Where connections are closed as soon as they are made, a listener tries again now and then, not all the time."""
    attempts = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", urlsplit(nowhere).port)
    listener = Listener(nowhere)
    await asyncio.sleep(1.2 * RECONNECT_PAUSE_S)
    await listener.close()
    server.close()
    await server.wait_closed()
    assert 1 < attempts <= 4


async def test_up_and_down(redis_server: RedisProcess) -> None:
    """The observer is told once that Redis works, once that it does not any more, and once that it does again."""
    listener = Listener(redis_server.url)
    await listener.connected()
    for _ in range(10):
        await listener.tier.get(KEY)
    redis_server.kill()
    await until(lambda: listener.observer.counts["redis_up", False] >= 1)
    await asyncio.sleep(0.1)
    assert listener.observer.counts["redis_up", True] == 1
    downs = listener.observer.counts["redis_up", False]
    redis_server.start()
    await listener.connected(2)
    assert listener.observer.counts["redis_up", False] == downs <= 2
    await listener.close()


async def test_listening_ends_when_cancelled(redis_server: RedisProcess) -> None:
    """A listener ends at once when it is cancelled, connected or not."""
    for kill in (False, True):
        listener = Listener(redis_server.url)
        if kill:
            redis_server.kill()
            await asyncio.sleep(0.05)
        else:
            await listener.connected()
        started = time.monotonic()
        await listener.close()
        assert time.monotonic() - started < IMPATIENT_S
