"""A proxy over a handle network, both real, both in this process, in a loop and thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resolver.config import Settings
from resolver.demo.keys import make_key
from resolver.demo.network import HandleNetwork
from resolver.protocol.signing import PrivateKey
from resolver.web.server import bind, new_event_loop, serving

START_TIMEOUT_S = 30.0


@functools.cache
def remembered_key(_: str, kind: str) -> PrivateKey:
    """Return the key of a server, made once for all networks of a test run: making keys takes most of a start."""
    return make_key(kind)


class AdjustableClock:
    """The real time, and however many seconds a test adds to it."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def __call__(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self.offset_s


@dataclass
class RunningProxy:
    """Where the proxy and its network can be reached."""

    host: str
    port: int
    admin_port: int
    network: HandleNetwork
    clock: AdjustableClock = field(default_factory=AdjustableClock)
    placeholders: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the public listener."""
        return f"http://{self.host}:{self.port}"

    @property
    def admin_url(self) -> str:
        """The address of the admin listener."""
        return f"http://{self.host}:{self.admin_port}"


@contextlib.contextmanager
def run_proxy(records: Path, **settings: Any) -> Iterator[RunningProxy]:
    """Run a network and a proxy over it in another thread while the block runs."""
    started: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        stop = asyncio.Event()
        started["stop"] = stop
        started["loop"] = asyncio.get_running_loop()
        network = HandleNetwork(records, key_for=remembered_key)
        await network.start()
        try:
            public = bind("127.0.0.1", 0, "the proxy")
            admin = bind("127.0.0.1", 0, "its admin listener")
            chosen = Settings(**{"allow_private_addresses": True, **settings})
            clock = AdjustableClock()
            async with serving(chosen, public, admin, network.registry, drain_s=0, clock=clock):
                started["proxy"] = RunningProxy(
                    "127.0.0.1",
                    public.getsockname()[1],
                    admin.getsockname()[1],
                    network,
                    clock,
                    {
                        f"${{{name}.{kind}}}": value
                        for name, facts in network.placeholders.items()
                        for kind, value in facts.items()
                    },
                )
                ready.set()
                await stop.wait()
        finally:
            await network.close()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(serve())
        except BaseException as error:
            started["error"] = error
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="proxy", daemon=True)
    thread.start()
    assert ready.wait(START_TIMEOUT_S), "the proxy did not start"
    if "error" in started:
        raise started["error"]
    try:
        yield started["proxy"]
    finally:
        started["loop"].call_soon_threadsafe(started["stop"].set)
        thread.join(START_TIMEOUT_S)
        assert not thread.is_alive(), "the proxy did not stop"
