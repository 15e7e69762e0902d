"""Promises of the other scenarios in large numbers: thousands of handles, and of visitors at once."""

from __future__ import annotations

import asyncio
from collections import Counter

from resolver.model.handle import Handle
from tests.fakes import record_of, url_value
from tests.scenarios.world import MIRROR, PRIMARY, REGISTRY, World, loop_time, url_of

SERVICE = (PRIMARY, MIRROR)
HANDLES = 10_000
VISITORS = 2000
HOUR_S = 3600.0


async def test_ten_thousand_handles_outlive_their_servers(world: World) -> None:
    """With every server dead for an hour, each of ten thousand remembered handles is answered, marked as old."""
    resolver = world.worker(records=HANDLES + 100)
    store = world.services[PRIMARY].store
    handles = [Handle(f"10.1/{number}") for number in range(HANDLES)]
    for handle in handles:
        store.put(record_of(handle.text, url_value(f"https://example.org/{handle.text}", ttl=60)))
        await resolver.resolve(handle)
    world.shut_down(REGISTRY, *SERVICE)
    await world.pass_time(HOUR_S)
    began_at = loop_time()
    for handle in handles:
        resolved = await resolver.resolve(handle)
        assert (url_of(resolved), resolved.stale) == (f"https://example.org/{handle.text}", True)
    assert loop_time() - began_at < 1


async def test_two_thousand_visitors_of_an_expired_record(world: World) -> None:
    """Two thousand who come at the moment of expiry cause one question, and every one of them is answered."""
    world.change("https://old.example/", ttl=60)
    await world.resolve()
    await world.pass_time(60)
    world.change("https://new.example/", ttl=60)
    world.delay(0.04, *SERVICE)
    asked = world.asked(*SERVICE)
    answers = Counter(await asyncio.gather(*(world.url() for _ in range(VISITORS))))
    assert world.asked(*SERVICE) - asked == 1
    assert answers.total() == VISITORS
    assert set(answers) <= {"https://old.example/", "https://new.example/"}
    assert answers["https://new.example/"] >= VISITORS // 2
