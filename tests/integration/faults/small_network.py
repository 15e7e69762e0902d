"""One registry and one service with a few handles, in a loop and thread of their own, for faults of our own side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resolver.demo.handle_service import RecordStore
from resolver.model.record import HandleRecord
from resolver.model.site import Transport
from soak.network import free_port, service_at, site_at, site_value, write_bootstrap
from tests.integration.faults.loop_thread import LoopThread
from tests.integration.faults.servers import record_of

__all__ = ["HANDLES", "PREFIX", "small_network"]

PREFIX = "20.500.700"
HANDLES = [f"{PREFIX}/{number}" for number in range(8)]


@contextmanager
def small_network(folder: Path) -> Iterator[Path]:
    """Run the servers while the block runs; the file that says where resolution begins."""
    with LoopThread() as thread:

        async def start() -> None:
            port = free_port()
            registry = site_at({Transport.UDP: port, Transport.TCP: port})
            port = free_port()
            site = site_at({Transport.UDP: port, Transport.TCP: port})
            prefix = HandleRecord(f"0.NA/{PREFIX}", (site_value(site),))
            records = RecordStore(record_of(handle, ttl=3600) for handle in HANDLES)
            thread.closed_at_the_end += [
                await service_at(registry, RecordStore([prefix]), ["0.NA", "0.0"]),
                await service_at(site, records, [PREFIX]),
            ]
            write_bootstrap(folder / "bootstrap.json", registry)

        thread.do(start())
        yield folder / "bootstrap.json"
