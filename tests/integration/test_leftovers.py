"""What is done leaves nothing to the garbage collector, which would look for it while visitors wait."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from tests.integration.two_ways import request, two_ways

P = "20.500.12345"

TARGETS = (
    f"/{P}/abc",
    f"/{P}/abc?auth",
    f"/{P}/letter",
    f"/api/handles/{P}/abc",
    f"/api/handles/{P}/nothing-here",
    f"/{P}/nothing-here",
    "/",
    "/%zz",
)


@pytest.mark.parametrize("door", ["slow", "cold"])
async def test_requests(door: str) -> None:
    """Neither a request, however it is answered, nor the connection on which it came."""
    left: dict[str, Counter[str]] = {}
    async with two_ways() as ways:
        port = getattr(ways, door)
        # What is loaded late is there after this, and so is the prefix.
        await ways.talk(ways.slow, [request(f"/{P}/map-1482"), request(f"/{P}/gone"), request("/help")])
        for target in TARGETS:
            gc.collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                received = await ways.talk(port, [request(target), request(target)])
                await asyncio.sleep(0.05)
                gc.collect()
            finally:
                gc.set_debug(0)
            names = (type(it) for it in gc.garbage)
            left[target] = Counter(it.__qualname__ for it in names if it.__module__.startswith("resolver"))
            gc.garbage.clear()
            assert received.count(b"HTTP/1.1 ") == 3
    assert not {target: kinds for target, kinds in left.items() if kinds}
