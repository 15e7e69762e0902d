"""Files that cannot be used: what keeps the program from starting says so, what does not is passed over."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.faults.servers import place_of
from tests.integration.faults.small_network import HANDLES, small_network
from tests.integration.faults.table import FILES, Fault
from tests.integration.processes import run_program

pytestmark = pytest.mark.timeout(120)

START_TIMEOUT_S = 60.0


@dataclass
class Bench:
    """A network, and a folder to spoil."""

    folder: Path
    bootstrap: Path

    def write(self, name: str, octets: bytes) -> Path:
        """Write a file, and its folders."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
        return path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Run a network."""
    folder = tmp_path_factory.mktemp("files")
    with small_network(folder) as bootstrap:
        yield Bench(folder, bootstrap)


def _no_json(bench: Bench) -> tuple[list[str], str]:
    path = bench.write("bad.json", b'{"handles": [')
    return ["--bootstrap", str(path)], "bad.json"


def _no_root(bench: Bench) -> tuple[list[str], str]:
    path = bench.write("rootless.json", b'{"handles": {}}')
    return ["--bootstrap", str(path)], "rootless.json"


def _no_file(bench: Bench) -> tuple[list[str], str]:
    return ["--bootstrap", str(bench.folder / "nowhere.json")], "--bootstrap"


def _no_database(bench: Bench) -> tuple[list[str], str]:
    return ["--geoip", str(bench.write("countries.mmdb", os.urandom(4096)))], "countries.mmdb"


def _bad_template(bench: Bench) -> tuple[list[str], str]:
    bench.write("templates/values.html", b"{% if %}")
    return ["--templates", str(bench.folder / "templates")], "values.html"


def _bad_tombstones(bench: Bench) -> tuple[list[str], str]:
    return ["--tombstones", str(bench.write("tombstones.txt", b"20.500.700/0 \xff\xfe\n"))], "tombstones.txt"


def _bad_configuration(bench: Bench) -> tuple[list[str], str]:
    return ["--config", str(bench.write("resolver.toml", b"port = = 1\n"))], "resolver.toml"


_REFUSED: dict[str, Callable[[Bench], tuple[list[str], str]]] = {
    "the bootstrap file is no JSON": _no_json,
    "the bootstrap file has no root record": _no_root,
    "the bootstrap file is not there": _no_file,
    "the country database is none": _no_database,
    "a template has a mistake": _bad_template,
    "the list of tombstones is no UTF-8": _bad_tombstones,
    "the configuration file has a mistake": _bad_configuration,
}
_OTHERS = (
    "the port is taken",
    "the saved registry data are damaged",
    "the folder for registry data cannot be written to",
)


def test_every_fault_has_its_test() -> None:
    """The table and the tests name the same."""
    assert [*_REFUSED, *_OTHERS] == [fault.name for fault in FILES]


def _start(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "resolver", "serve", "--admin-port", "0", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FILES[: len(_REFUSED)]])
def test_refused(fault: Fault, bench: Bench) -> None:
    """The program does not start, and its only words are one line that names the culprit."""
    assert fault.seen.startswith("does not start")
    options, culprit = _REFUSED[fault.name](bench)
    ended = _start("--port", "0", *options)
    assert ended.returncode == 2
    assert culprit in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not ended.stdout


def test_taken_port(bench: Bench) -> None:
    """A port that somebody else has is named."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        ended = _start("--port", str(port), "--bootstrap", str(bench.bootstrap))
    assert ended.returncode == 2
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("damage", [b"{", b'{"handles": {"a": 1}}'])
def test_damaged_registry_data(damage: bytes, bench: Bench) -> None:
    """Data that cannot be read are as good as none, and the proxy answers."""
    state = bench.folder / f"state-{damage.hex()}"
    state.mkdir()
    (state / "registry.json").write_bytes(damage)
    options = ("--bootstrap", str(bench.bootstrap), "--allow-private-addresses", "--state-dir", str(state))
    with run_program("serve", *options) as program:
        status, headers, _ = program.fetch(f"/{HANDLES[0]}")
    assert (status, headers["Location"]) == (302, place_of(HANDLES[0]))


def test_folder_that_cannot_be_written_to(bench: Bench) -> None:
    """A folder in which nothing can be written keeps nobody from an answer."""
    options = (
        "--bootstrap",
        str(bench.bootstrap),
        "--allow-private-addresses",
        "--state-dir",
        "/proc/nowhere",
    )
    with run_program("serve", *options) as program:
        status, headers, _ = program.fetch(f"/{HANDLES[1]}")
        assert (status, headers["Location"]) == (302, place_of(HANDLES[1]))
        assert program.process.poll() is None
