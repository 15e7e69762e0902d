"""Redis fails in every way it can, under visitors whose every request would like to use it."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from resolver.cache.redis import CHANNEL, KEY_PREFIX, LEASE_PREFIX
from tests.integration.faults.small_network import HANDLES, PREFIX, small_network
from tests.integration.faults.table import REDIS, RIGHT, Fault
from tests.integration.faults.traffic import Traffic
from tests.integration.processes import Program, run_program, wait_until
from tests.redis_process import RedisProcess

pytestmark = pytest.mark.timeout(120)

ADDED_S = 5.0
"""What no request may take, on however busy a machine: without time-outs of its own it would wait for ever."""


@dataclass
class Bench:
    """A program with two workers that remember nothing themselves, and their Redis."""

    program: Program
    redis: RedisProcess

    def is_used(self) -> bool:
        """Whether Redis is believed to work."""
        return self.program.sample("resolver_redis_up") >= 1


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run a program whose Redis is not there yet."""
    redis = RedisProcess()
    try:
        with small_network(tmp_path_factory.mktemp("redis")) as bootstrap:
            options = (
                *("--bootstrap", str(bootstrap), "--allow-private-addresses", "--redis", redis.url),
                *("--cache-size", "0", "--workers", "2", "--log-level", "error"),
            )
            with run_program("serve", *options) as program:
                yield Bench(program, redis)
    finally:
        redis.close()


def _late(bench: Bench) -> None:
    assert not bench.is_used()
    bench.redis.start()


def _killed(bench: Bench) -> None:
    bench.redis.kill()
    time.sleep(0.4)
    bench.redis.start()


def _frozen(bench: Bench) -> None:
    bench.redis.freeze()
    time.sleep(0.6)
    bench.redis.thaw()


def _paused(bench: Bench) -> None:
    bench.redis.command("CLIENT", "PAUSE", "500", "ALL")
    time.sleep(0.5)


def _script(bench: Bench) -> None:
    with socket.create_connection(("127.0.0.1", bench.redis.port), 2) as connection:
        connection.sendall(b"EVAL 'while true do end' 0\r\n")
        time.sleep(0.5)
        bench.redis.kill()  # a script that does not end cannot be ended otherwise once it has written
    bench.redis.start()


def _with_setting(name: str, bad: str, good: str) -> Callable[[Bench], None]:
    def fault(bench: Bench) -> None:
        assert bench.redis.command("CONFIG", "SET", name, bad).startswith(b"+OK")
        bench.redis.command("CLIENT", "KILL", "TYPE", "normal")
        time.sleep(0.4)
        if name != "requirepass":
            assert bench.redis.command("CONFIG", "SET", name, good).startswith(b"+OK")
            return
        with socket.create_connection(("127.0.0.1", bench.redis.port), 2) as connection:
            connection.sendall(b"AUTH unguessable\r\nCONFIG SET requirepass ''\r\n")
            time.sleep(0.1)

    return fault


def _read_only(bench: Bench) -> None:
    bench.redis.command("REPLICAOF", "127.0.0.1", "1")
    time.sleep(0.4)
    bench.redis.command("REPLICAOF", "NO", "ONE")


def _crowded(bench: Bench) -> None:
    with socket.create_connection(("127.0.0.1", bench.redis.port), 2) as connection:
        connection.sendall(b"CONFIG SET maxclients 1\r\nCLIENT KILL TYPE normal SKIPME yes\r\n")
        time.sleep(0.4)
        connection.sendall(b"CONFIG SET maxclients 1000\r\n")
        time.sleep(0.1)


def _cut(bench: Bench) -> None:
    for _ in range(8):
        bench.redis.command("CLIENT", "KILL", "TYPE", "normal")
        time.sleep(0.05)


def _emptied(bench: Bench) -> None:
    for _ in range(8):
        bench.redis.command("FLUSHALL")
        time.sleep(0.05)


def _holding(*words: str) -> Callable[[Bench], None]:
    """Return a fault that puts something in the place of every record, while visitors come."""

    def fault(bench: Bench) -> None:
        for _ in range(5):
            for handle in HANDLES:
                key = f"{KEY_PREFIX}{handle}"
                bench.redis.command("DEL", key)
                bench.redis.command(*(word.replace("KEY", key) for word in words))
            time.sleep(0.05)

    return fault


def _exchanged(bench: Bench) -> None:
    for _ in range(5):
        for handle, other in itertools.pairwise(HANDLES):
            bench.redis.command("COPY", f"{KEY_PREFIX}{handle}", f"{KEY_PREFIX}{other}", "REPLACE")
        time.sleep(0.05)


def _halved(bench: Bench) -> None:
    for _ in range(5):
        for handle in HANDLES:
            script = "local v = redis.call('GET', KEYS[1]); if v then redis.call('SET', KEYS[1], v:sub(1, #v / 2)) end"
            bench.redis.command("EVAL", script, "1", f"{KEY_PREFIX}{handle}")
        time.sleep(0.05)


def _from_the_future(bench: Bench) -> None:
    """Records that say of themselves that they were fetched in some hundred years."""
    # A double of msgpack begins with 0xcb; the first one of an entry is the moment at which it was fetched.
    script = (
        "local v = redis.call('GET', KEYS[1]); if v then local at = v:find('\\203'); if at then "
        "redis.call('SET', KEYS[1], v:sub(1, at) .. '\\66' .. v:sub(at + 2)) end end"
    )
    for _ in range(5):
        for handle in HANDLES:
            bench.redis.command("EVAL", script, "1", f"{KEY_PREFIX}{handle}")
        time.sleep(0.05)


def _damaged_leases(bench: Bench) -> None:
    """Something that begins like a lookup under way, and that nobody will ever put an end to."""
    for _ in range(5):
        for handle in HANDLES:
            bench.redis.command("SET", f"{LEASE_PREFIX}{handle}", "?cut", "EX", "60")
            bench.redis.command("DEL", f"{KEY_PREFIX}{handle}")
        time.sleep(0.05)


def _announcing(bench: Bench) -> None:
    for word in (
        "",
        " ",
        "x",
        "\x00\x00",
        f"somebody {PREFIX}/0",
        "a" * 20_000,
        "somebody \ufffd",
        "\u2028 x",
    ):
        bench.redis.command("PUBLISH", CHANNEL, word)
    time.sleep(0.2)


_FAULTS: dict[str, Callable[[Bench], None]] = {
    "is not there at the start, and comes later": _late,
    "is killed and started again": _killed,
    "is frozen (SIGSTOP) and goes on": _frozen,
    "is paused for a while (CLIENT PAUSE)": _paused,
    "is busy with a script that does not end": _script,
    "is full (maxmemory)": _with_setting("maxmemory", "1", "0"),
    "is read-only": _read_only,
    "wants a password that nobody told us": _with_setting("requirepass", "unguessable", ""),
    "has no room for more connections": _crowded,
    "cuts every connection again and again": _cut,
    "is emptied again and again": _emptied,
    "holds nonsense in place of records": _holding("SET", "KEY", "nonsense"),
    "holds values of another type": _holding("LPUSH", "KEY", "a list"),
    "holds records of other handles": _exchanged,
    "holds records cut in half": _halved,
    "holds records from the future": _from_the_future,
    "holds what is left of leases": _damaged_leases,
    "announces nonsense to all workers": _announcing,
}


def test_every_fault_has_its_test() -> None:
    """The table and the tests name the same."""
    assert list(_FAULTS) == [fault.name for fault in REDIS]


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in REDIS])
def test_redis(fault: Fault, bench: Bench) -> None:
    """No request fails or is answered wrongly, none waits long, and Redis is used again afterwards."""
    assert fault.seen == RIGHT
    with Traffic(bench.program.url, HANDLES) as traffic:
        traffic.wait_for(20)
        _FAULTS[fault.name](bench)
        traffic.wait_for(40)
        wait_until(bench.is_used, "redis is used again")
    assert set(traffic.seen) == {"right"}
    assert sum(traffic.seen.values()) >= 60
    assert traffic.slowest_s < ADDED_S
    assert bench.program.process.poll() is None


def test_redis_is_really_used(bench: Bench) -> None:
    """After all that, answers come from Redis: otherwise none of its faults would have been felt."""

    def hits() -> float:
        return bench.program.sample("resolver_cache_lookups_total", layer="redis", result="hit")

    before, visits = hits(), itertools.count()

    def is_used() -> bool:
        for handle in HANDLES:
            assert bench.program.fetch(f"/{handle}?visit={next(visits)}")[0] == 302
        return hits() >= before + len(HANDLES)

    wait_until(is_used, "answers come from redis", 20.0)
    assert bench.program.sample("resolver_cache_lookups_total", layer="redis", result="error") > 0
