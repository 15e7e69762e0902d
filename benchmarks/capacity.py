"""``python -m benchmarks.capacity``: from what was measured to what is needed, written to ``capacity.md``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.zipf import Popularity, flood, simulated_hit_rate

__all__ = ["write_capacity"]

FIGURES = Path(__file__).parent / "results.json"
CAPACITY = Path(__file__).parent / "capacity.md"

HANDLES = 10**9
EXPONENTS = (0.8, 0.9, 1.0, 1.1)
ASSUMED_EXPONENT = 0.9
"""Studies of web and DNS traffic find 0.7 to 1; less is harder."""

RATES = (10**3, 10**5, 10**7)
MEMORY_RECORDS = 100_000
"""The default of ``--cache-size``, in each worker."""

REDIS_RECORDS_OF_A_SHARD = 20_000_000
REDIS_OCTETS_OF_A_RECORD = 700
"""Key, value and Redis's own book-keeping for a record with one URL."""

LIFETIME_S = 3600
"""The default of ``--cache-max-ttl``."""

BUSY = 0.5
"""Part of its time that a worker or a Redis is planned to be busy: the rest is for peaks and for what fails."""

REDIS_READS_PER_S = 100_000
"""What one Redis process answers; ``redis-benchmark -t get`` on the machine it runs on tells better."""

REQUEST_OCTETS = 600


@dataclass(frozen=True)
class Costs:
    """What was measured, in seconds of one core and in octets."""

    hit_s: float
    shared_s: float
    cold_s: float
    answer_octets: float

    @staticmethod
    def read(figures: dict[str, Any]) -> Costs:
        """Take them out of the results."""
        rows = figures["rows"]
        return Costs(
            hit_s=1 / rows["warm"]["ours"],
            shared_s=1 / rows["redis"]["ours"],
            cold_s=1 / rows["cold"]["ours"],
            answer_octets=figures["answer_octets"],
        )


@dataclass(frozen=True)
class Need:
    """What a rate of requests takes."""

    rate: int
    workers: int
    shards: int
    memory_hits: float
    redis_hits: float
    upstream_per_s: float
    redis_reads_per_s: float
    gigabits_per_s: float


def plan(rate: int, costs: Costs, popularity: Popularity) -> Need:
    """Return what ``rate`` requests a second take.

    Each worker sees its share of the requests and remembers on its own; what one does not have Redis may.
    Both forget after an hour. The number of workers follows from the hits, and they from the number.
    """
    workers, shards = 1, 1
    for _ in range(50):
        in_memory = popularity.hit_rate(MEMORY_RECORDS, rate / workers * LIFETIME_S)
        in_redis = popularity.hit_rate(
            min(HANDLES, shards * REDIS_RECORDS_OF_A_SHARD), float(rate) * LIFETIME_S
        )
        in_redis = max(in_redis, in_memory)
        seconds = rate * (
            in_memory * costs.hit_s
            + (in_redis - in_memory) * costs.shared_s
            + (1 - in_redis) * (costs.shared_s + costs.cold_s)
        )
        reads = rate * (1 - in_memory)
        wanted = min(HANDLES, rate * LIFETIME_S * (1 - in_redis) + REDIS_RECORDS_OF_A_SHARD * (shards - 1))
        needed = (
            max(1, math.ceil(seconds / BUSY)),
            max(
                1,
                math.ceil(reads / (BUSY * REDIS_READS_PER_S)),
                math.ceil(wanted / REDIS_RECORDS_OF_A_SHARD / 2),
            ),
        )
        if needed == (workers, shards):
            break
        workers, shards = needed
    bits = rate * (costs.answer_octets + REQUEST_OCTETS) * 8
    return Need(
        rate, workers, shards, in_memory, in_redis - in_memory, rate * (1 - in_redis), reads, bits / 1e9
    )


def write_capacity(figures: dict[str, Any]) -> None:
    """Write ``capacity.md`` from the figures of a run."""
    costs = Costs.read(figures)
    popularity = Popularity(HANDLES, ASSUMED_EXPONENT)
    needs = [plan(rate, costs, popularity) for rate in RATES]
    calm, flooded, entries, octets = flood(2000)
    lines = [
        "# How much of what",
        "",
        "Written by `python -m benchmarks.capacity` from `results.json`; change the constants in "
        "`benchmarks/capacity.py` to what you have, and run it again.",
        "",
        "## Workers, Redis, lines",
        "",
        f"A billion handles, wanted by Zipf's law with exponent {ASSUMED_EXPONENT:g} (1 is friendlier, 0.8 less); "
        f"{MEMORY_RECORDS:,} records in the memory of each worker, {REDIS_RECORDS_OF_A_SHARD:,} in each Redis "
        f"({REDIS_RECORDS_OF_A_SHARD * REDIS_OCTETS_OF_A_RECORD / 2**30:.0f} GiB), all kept for an hour; workers "
        f"and Redis planned to be busy {BUSY:.0%} of the time. One worker is one core like that of the "
        "measurement.",
        "",
        "| requests/s | workers | Redis shards | out of memory | out of Redis | looked up, a second | reads of Redis, "
        "a second | line |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {need.rate:,} | {need.workers:,} | {need.shards:,} | {need.memory_hits:.1%} | {need.redis_hits:.1%} "
            f"| {need.upstream_per_s:,.0f} | {need.redis_reads_per_s:,.0f} | {_line(need.gigabits_per_s)} |"
            for need in needs
        ),
        "",
        f"Measured, on one core: {1 / costs.hit_s:,.0f} requests/s out of memory, {1 / costs.shared_s:,.0f} out of "
        f"Redis, {1 / costs.cold_s:,.0f} looked up; an answer has {costs.answer_octets:.0f} octets, a request about "
        f"{REQUEST_OCTETS}. Assumed: {REDIS_READS_PER_S:,} reads/s for one Redis.",
        "",
        "What is looked up goes to the handle servers of others. An HTTP cache in front takes the most wanted off "
        "all this: answers say for how long they may be kept.",
        "",
        "## What the size of the memory is worth",
        "",
        "Share of requests answered out of a cache of so many records, of a billion handles, as long as none "
        "expires (Che's approximation):",
        "",
        "| exponent | " + " | ".join(f"10{_power(power)}" for power in range(4, 10)) + " |",
        "|---" * 7 + "|",
        *(
            f"| {exponent:g} | "
            + " | ".join(f"{Popularity(HANDLES, exponent).hit_rate(10**power):.1%}" for power in range(4, 10))
            + " |"
            for exponent in EXPONENTS
        ),
        "",
        "The formula is for a cache that drops what was not asked for the longest. Ours (S3-FIFO) does better, so "
        "the table is on the safe side. Both for 200,000 handles, exponent 1, ours by simulation:",
        "",
        "| records | formula | ours |",
        "|---|---|---|",
        *(
            f"| {size:,} | {Popularity(200_000, 1.0).hit_rate(size):.1%} "
            f"| {simulated_hit_rate(200_000, 1.0, size, 500_000):.1%} |"
            for size in (1000, 5000, 20_000)
        ),
        "",
        "## A flood of names",
        "",
        "A million different names, each asked for once, four for each request of visitors who want the hot "
        f"thousand, against a cache of 2,000 records: hits of the visitors {calm:.2%} before, {flooded:.2%} "
        f"meanwhile; the cache never held more than {entries:,} entries and {octets / 2**20:.1f} MiB.",
    ]
    CAPACITY.write_text("\n".join(lines) + "\n", "utf-8")


def _line(gigabits: float) -> str:
    return f"{gigabits:,.1f} Gbit/s" if gigabits >= 1 else f"{gigabits * 1000:,.0f} Mbit/s"


def _power(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


if __name__ == "__main__":
    write_capacity(json.loads(FIGURES.read_text("utf-8")))
