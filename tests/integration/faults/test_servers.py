"""Handle servers and the registry fail, each service in its own way and all at once; one program is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from resolver.demo.faults import EVERYWHERE, Behaviour
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.model.site import Transport
from resolver.protocol.codes import ResponseCode
from soak.network import free_port, service_at, site_at, write_bootstrap
from tests.integration.faults.loop_thread import LoopThread
from tests.integration.faults.servers import (
    KNOWN,
    NEW,
    Service,
    place_of,
    prefix_of,
    record_of,
    serve_all,
)
from tests.integration.faults.table import REGISTRY, RIGHT, SERVERS, STALE, Visible
from tests.integration.processes import Program, run_program

pytestmark = pytest.mark.timeout(120)

DEADLINE_S = 3.0
AT_ONCE = 16
TRIES = 4
STALE_WITHIN_S = 1.8
PATIENCE_S = 12.0
LATER = "later"
"""Prefix of a service that the registry names and nobody has asked for; one for each fault of the registry."""


@dataclass(frozen=True)
class Visit:
    """What a visitor saw."""

    seen: str
    seconds: float


@dataclass
class Season:
    """What visitors saw before, while and after all was broken, by name of the fault."""

    before: dict[str, Visit] = field(default_factory=dict)
    known: dict[str, Visit] = field(default_factory=dict)
    new: dict[str, Visit] = field(default_factory=dict)
    after: dict[str, Visit] = field(default_factory=dict)
    registry_known: dict[str, Visit] = field(default_factory=dict)
    registry_new: dict[str, Visit] = field(default_factory=dict)
    registry_after: dict[str, Visit] = field(default_factory=dict)


class Network:
    """The servers, in a loop and thread of their own."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self.do = thread.do
        self.services: list[Service] = []
        self.registry: HandleService

    async def start(self, bootstrap: Path) -> None:
        """Start all servers, and write down where resolution begins."""
        self.services = [service async for service in serve_all(tuple(fault.name for fault in SERVERS))]
        records = [service.prefix_record for service in self.services]
        later = self.services[0]
        self._later = []
        for number in range(len(REGISTRY)):
            prefix = f"20.500.8{number}"
            handles = RecordStore([record_of(f"{prefix}/{NEW}")])
            port = free_port()
            site = site_at({Transport.UDP: port, Transport.TCP: port})
            service = Service(LATER, prefix, [site], [], handles, later.mend_it, later.mend_it)
            self._later.append(await service_at(site, handles, [prefix]))
            records.append(service.prefix_record)
        port = free_port()
        self.site = site_at({Transport.UDP: port, Transport.TCP: port})
        self._records = RecordStore(records)
        self.registry = await service_at(self.site, self._records, ["0.NA", "0.0"])
        write_bootstrap(bootstrap, self.site)

    async def break_all(self) -> None:
        """Break every service."""
        for service in self.services:
            await service.break_it()

    async def mend_all(self) -> None:
        """Mend every service."""
        for service in self.services:
            await service.mend_it()

    async def misbehave(self, name: str) -> None:
        """Break the registry."""
        match name:
            case "says nothing":
                self.registry.behaviour = Behaviour(silent=EVERYWHERE)
            case "answers nonsense":
                self.registry.behaviour = Behaviour(garbage=True)
            case "is busy":
                self.registry.behaviour = Behaviour(code=ResponseCode.SERVER_BUSY)
            case _:
                await self.registry.close()

    async def behave(self, name: str) -> None:
        """Mend the registry."""
        self.registry.behaviour = Behaviour()
        if name == "refuses connections":
            self.registry = await service_at(self.site, self._records, ["0.NA", "0.0"])

    def close_at_the_end(self) -> None:
        """Have everything closed that was opened."""
        for service in self.services:
            self._thread.closed_at_the_end += [*service.servers, *service.extra]
        self._thread.closed_at_the_end += [self.registry, *self._later]


@contextmanager
def _network(bootstrap: Path) -> Iterator[Network]:
    with LoopThread() as thread:
        network = Network(thread)
        network.do(network.start(bootstrap))
        try:
            yield network
        finally:
            network.close_at_the_end()


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    """Let everything break once, and mend it."""
    bootstrap = tmp_path_factory.mktemp("faults") / "bootstrap.json"
    found = Season()
    options = (
        *("--bootstrap", str(bootstrap), "--allow-private-addresses", "--deadline", str(DEADLINE_S)),
        *("--failure-ttl", "0.2", "--not-found-ttl", "0.2", "--prefix-not-found-ttl", "0.2"),
        *("--log-level", "error"),
    )
    with _network(bootstrap) as network, run_program("serve", *options) as program:
        visit_all = _visitors(program)
        found.before = visit_all({service.name: f"{service.prefix}/{KNOWN}" for service in network.services})
        time.sleep(1.3)  # until their time is over
        network.do(network.break_all())
        both = _patiently(
            visit_all,
            {
                f"{local} {service.name}": f"{service.prefix}/{local}"
                for service in network.services
                for local in (KNOWN, NEW)
            },
            {f"{KNOWN} {fault.name}": fault.known for fault in SERVERS}
            | {f"{NEW} {fault.name}": fault.new for fault in SERVERS},
        )
        for service in network.services:
            found.known[service.name] = both[f"{KNOWN} {service.name}"]
            found.new[service.name] = both[f"{NEW} {service.name}"]
        network.do(network.mend_all())
        found.after = _until_right(
            visit_all, {service.name: f"{service.prefix}/{NEW}" for service in network.services}
        )
        for number, fault in enumerate(REGISTRY):
            network.do(network.misbehave(fault.name))
            handles = {KNOWN: f"{prefix_of(2)}/{KNOWN}", NEW: f"20.500.8{number}/{NEW}"}
            seen = _patiently(visit_all, handles, {KNOWN: fault.known, NEW: fault.new})
            found.registry_known[fault.name], found.registry_new[fault.name] = seen[KNOWN], seen[NEW]
            network.do(network.behave(fault.name))
            found.registry_after |= _until_right(visit_all, {fault.name: handles[NEW]})
    return found


def _visitors(program: Program) -> Callable[[dict[str, str]], dict[str, Visit]]:
    def visit(handle: str) -> Visit:
        started = time.monotonic()
        status, headers, _ = program.fetch(f"/{handle}", timeout_s=PATIENCE_S)
        seconds = time.monotonic() - started
        if status == 302 and headers["Location"] == place_of(handle):
            return Visit(STALE if "110 - " in headers.get("Warning", "") else RIGHT, seconds)
        return Visit(str(status), seconds)

    def visit_all(handles: dict[str, str]) -> dict[str, Visit]:
        with ThreadPoolExecutor(AT_ONCE) as visitors:
            return dict(zip(handles, visitors.map(visit, handles.values()), strict=True))

    return visit_all


def _patiently(
    visit_all: Callable[[dict[str, str]], dict[str, Visit]], handles: dict[str, str], expected: dict[str, str]
) -> dict[str, Visit]:
    """Ask once; where time ran out first, as it does on a busy machine, ask again."""
    found = visit_all(handles)
    for _ in range(TRIES - 1):
        late = {
            name: handle
            for name, handle in handles.items()
            if found[name].seen != expected[name] and found[name].seen in (STALE, "504")
        }
        if not late:
            break
        time.sleep(0.3)
        found |= visit_all(late)
    return found


def _until_right(
    visit_all: Callable[[dict[str, str]], dict[str, Visit]], handles: dict[str, str]
) -> dict[str, Visit]:
    """Ask until each answer is right, or patience is over."""
    found: dict[str, Visit] = {}
    ends_at = time.monotonic() + PATIENCE_S
    while handles and time.monotonic() < ends_at:
        time.sleep(0.3)
        found |= visit_all(handles)
        handles = {name: handle for name, handle in handles.items() if found[name].seen != RIGHT}
    return found


def _params(faults: tuple[Visible, ...]) -> list[Any]:
    return [pytest.param(fault, id=fault.name) for fault in faults]


@pytest.mark.parametrize("fault", _params(SERVERS))
def test_server(fault: Visible, season: Season) -> None:
    """What visitors see while a server fails is what the table says, in time; and afterwards all is well."""
    assert season.before[fault.name].seen == RIGHT
    assert (season.known[fault.name].seen, season.new[fault.name].seen) == (fault.known, fault.new)
    if fault.known == STALE:
        assert season.known[fault.name].seconds < STALE_WITHIN_S + 1.5  # ninety visitors come at once
    assert season.new[fault.name].seconds < DEADLINE_S + 2.0
    assert season.after[fault.name].seen == RIGHT


@pytest.mark.parametrize("fault", _params(REGISTRY))
def test_registry(fault: Visible, season: Season) -> None:
    """While the registry fails, known prefixes are answered for and others are honestly not; afterwards all are."""
    assert (season.registry_known[fault.name].seen, season.registry_new[fault.name].seen) == (
        fault.known,
        fault.new,
    )
    assert season.registry_new[fault.name].seconds < DEADLINE_S + 2.0
    assert season.registry_after[fault.name].seen == RIGHT
