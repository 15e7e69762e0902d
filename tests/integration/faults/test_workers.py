"""Workers are killed and replaced under visitors who come without pause."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from soak.chaos import children_of
from tests.integration.faults.small_network import HANDLES, small_network
from tests.integration.faults.table import WORKERS, Fault
from tests.integration.faults.traffic import Traffic
from tests.integration.processes import Program, fetch, run_program, wait_until

pytestmark = pytest.mark.timeout(120)

VISITORS = 4


@dataclass
class Bench:
    """A program with two workers, and the files it was started with."""

    program: Program
    config: Path
    templates: Path

    @property
    def children(self) -> list[int]:
        """The process of the admin listener, then the workers."""
        return children_of(self.program.process.pid)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run the program."""
    folder = tmp_path_factory.mktemp("workers")
    config, templates = folder / "resolver.toml", folder / "templates"
    templates.mkdir()
    with small_network(folder) as bootstrap:
        config.write_text(f'bootstrap = "{bootstrap}"\ntemplates = "{templates}"\n', "utf-8")
        options = (
            "--config",
            str(config),
            "--allow-private-addresses",
            "--workers",
            "2",
            "--log-level",
            "error",
        )
        with run_program("serve", *options) as program:
            yield Bench(program, config, templates)


def _replaced(bench: Bench, old: int) -> None:
    wait_until(lambda: old not in bench.children and len(bench.children) == 3, "a worker is replaced", 30.0)


def _killed(bench: Bench) -> None:
    worker = bench.children[-1]
    os.kill(worker, signal.SIGKILL)
    _replaced(bench, worker)


def _told_to_go(bench: Bench) -> None:
    worker = bench.children[-1]
    os.kill(worker, signal.SIGTERM)
    _replaced(bench, worker)


def _reloaded(bench: Bench) -> None:
    old = bench.children[1:]
    bench.program.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: not set(old) & set(bench.children) and len(bench.children) == 3, "all are replaced", 40.0
    )


def _with_bad_settings(bench: Bench) -> None:
    good = bench.config.read_text("utf-8")
    bench.config.write_text('deadline = "soon"\n', "utf-8")
    _nothing_changes(bench)
    bench.config.write_text(good, "utf-8")


def _with_a_bad_template(bench: Bench) -> None:
    bad = bench.templates / "values.html"
    bad.write_text("{% if %}", "utf-8")
    _nothing_changes(bench)
    bad.unlink()


def _nothing_changes(bench: Bench) -> None:
    old, heard = bench.children[1:], len(bench.program.said)
    bench.program.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: any("keeping the old ones" in line for line in bench.program.said[heard:]),
        "the program says that nothing changes",
        30.0,
    )
    wait_until(lambda: bench.children[1:] == old, "the old workers are left")


def _admin_killed(bench: Bench) -> None:
    admin = bench.children[0]
    os.kill(admin, signal.SIGKILL)
    _replaced(bench, admin)

    def answers() -> bool:
        with suppress(OSError):
            return fetch(bench.program.admin_url + "/healthz")[0] == 200
        return False

    wait_until(answers, "the admin listener answers again")


_FAULTS: dict[str, Callable[[Bench], None]] = {
    "a worker is killed (SIGKILL)": _killed,
    "a worker is told to go (SIGTERM)": _told_to_go,
    "all workers are replaced (SIGHUP)": _reloaded,
    "all workers are replaced, with settings that cannot be used": _with_bad_settings,
    "all workers are replaced, with a template that cannot be read": _with_a_bad_template,
    "the process of the admin listener is killed": _admin_killed,
}
_LAST = "the program is told to go (SIGTERM)"


def test_every_fault_has_its_test() -> None:
    """The table and the tests name the same."""
    assert [*_FAULTS, _LAST] == [fault.name for fault in WORKERS]


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in WORKERS[:-1]])
def test_workers(fault: Fault, bench: Bench) -> None:
    """Whatever happens to the workers, visitors get right answers, and lose only what a killed one had in hand."""
    with Traffic(bench.program.url, HANDLES, visitors=VISITORS) as traffic:
        traffic.wait_for(20)
        _FAULTS[fault.name](bench)
        traffic.wait_for(40)
    assert set(traffic.seen) <= {"right", "lost"}
    assert traffic.seen["lost"] <= (VISITORS if "only what" in fault.seen else 0)
    assert traffic.seen["right"] >= 50
    assert len(bench.children) == 3


def test_the_end(bench: Bench) -> None:
    """A program that is told to go answers what it has accepted, and refuses the rest at once.

    Who comes at the very moment in which it closes its door may see the connection break, which is no worse.
    """
    assert WORKERS[-1].name == _LAST
    with Traffic(bench.program.url, HANDLES, visitors=VISITORS) as traffic:
        traffic.wait_for(40)
        assert bench.program.stop() == 0
    assert set(traffic.seen) <= {"right", "refused", "lost"}
    assert traffic.seen["lost"] <= VISITORS
    assert traffic.seen["right"] >= 40
