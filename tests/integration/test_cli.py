"""The command line as an operator uses it: real processes, exit statuses, and errors that say what to do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes import fetch, run_network, run_program, wait_until

ROOT = Path(__file__).parents[2]
P = "20.500.12345"


def run(*words: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "resolver", *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bootstrap file of a network that runs."""
    with run_network(tmp_path_factory.mktemp("network")) as (_, path):
        yield path


def dig(bootstrap: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``dig`` over the test network."""
    return run("dig", *words, "--bootstrap", str(bootstrap), "--allow-private-addresses")


def test_dig_finds(bootstrap: Path) -> None:
    """A handle that exists is printed with its values, and the exit status is 0."""
    done = dig(bootstrap, f"hdl:{P}/map-1482", "--type", "URL.", "--trace")
    assert done.returncode == 0
    assert "https://maps.example.org/ulm/1482" in done.stdout
    assert "DESC" not in done.stdout
    steps = done.stderr.splitlines()
    assert [step.split("  ")[-2].strip() for step in steps] == [f"0.NA/{P}", f"{P}/map-1482"]
    assert all(step.endswith("octets, SUCCESS") for step in steps)


def test_dig_gives_json(bootstrap: Path) -> None:
    """--json prints what the API gives, for a record and for an error."""
    shown = json.loads(dig(bootstrap, f"{P}/abc", "--json", "--index", "1").stdout)
    assert [value["index"] for value in shown["values"]] == [1]
    missing = dig(bootstrap, f"{P}/missing", "--json")
    assert missing.returncode == 1
    assert json.loads(missing.stdout)["responseCode"] == 100


@pytest.mark.parametrize(
    ("handle", "status", "words"),
    [
        (f"{P}/missing", 1, "handle not found"),
        ("20.500.99/x", 1, "not registered"),
        ("20.500.56789/x", 2, "udp://127.0.0.9:19999"),
        (" ", 2, "empty handle"),
    ],
)
def test_dig_fails_in_different_ways(bootstrap: Path, handle: str, status: int, words: str) -> None:
    """Scripts tell a missing handle from one that nobody could tell about, and people read why."""
    done = dig(bootstrap, handle)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_prints_what_is_in_force(tmp_path: Path) -> None:
    """Good settings are listed, with what comes from the file."""
    config = tmp_path / "resolver.toml"
    config.write_text('port = 9000\ncache-max-ttl = 60\nredis = "redis://user:secret@localhost/0"\n')
    done = run("check-config", "--config", str(config), "--deadline", "3")
    assert done.returncode == 0
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines() if " " in line.strip())
    assert lines["port"] == "9000"
    assert lines["cache-max-ttl"] == "60"
    assert lines["deadline"] == "3"
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", "http"), "--port='http': must be a whole number"),
        (("--bootstrap", "/no/such/file"), "--bootstrap='/no/such/file': there is no such file"),
        (("--transports", "carrier-pigeon"), "'carrier-pigeon' is none of udp, tcp"),
        (("--redis", "localhost"), "must begin with redis://"),
        (("--extra-schemes", "javascript"), "must never be redirected to"),
    ],
)
def test_bad_settings_are_named(words: tuple[str, ...], said: str) -> None:
    """A bad setting stops the start, and the message names it as it was given."""
    for command in ("check-config", "serve"):
        done = run(command, *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_bad_bootstrap_file_is_explained(tmp_path: Path) -> None:
    """A bootstrap file that is no JSON, or names no site, is told so at the start."""
    path = tmp_path / "bootstrap.json"
    for content, said in [("{", "is no JSON"), ('{"handles": {}}', "0.NA/0.NA"), ("[]", "handles")]:
        path.write_text(content)
        done = run("serve", "--bootstrap", str(path), "--port", "0", "--admin-port", "0")
        assert done.returncode == 2
        assert said in done.stderr


def test_a_port_that_is_taken(bootstrap: Path) -> None:
    """Who starts a second proxy on the same port reads what is wrong."""
    with run_program("serve", "--bootstrap", str(bootstrap)) as program:
        port = program.url.rpartition(":")[2]
        done = run("serve", "--port", port, "--admin-port", "0")
        assert done.returncode == 2
        assert f"127.0.0.1:{port}" in done.stderr
        assert "choose another port" in done.stderr


def test_healthcheck(bootstrap: Path) -> None:
    """The exit status for container health checks follows the proxy."""
    with run_program("serve", "--bootstrap", str(bootstrap)) as program:
        assert run("healthcheck", "--admin-port", program.admin_url.rpartition(":")[2]).returncode == 0
    assert run("healthcheck", "--admin-port", program.admin_url.rpartition(":")[2]).returncode == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stops_when_told(bootstrap: Path, workers: str) -> None:
    """SIGTERM ends the program with status 0, leaving no process behind."""
    options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--workers", workers)
    with run_program("serve", *options) as program:
        assert program.fetch(f"/{P}/abc")[0] == 302
        assert program.stop(signal.SIGTERM) == 0
        left = subprocess.run(
            ["pgrep", "-s", str(program.process.pid)], capture_output=True, text=True, check=False
        )
        assert left.stdout.split() == []


def test_a_worker_that_dies_is_replaced(bootstrap: Path) -> None:
    """After kill -9 of a worker there is a new one, requests go on, and metrics stay readable."""
    options = ("--bootstrap", str(bootstrap), "--allow-private-addresses", "--workers", "2")
    with run_program("serve", *options) as program:

        def count() -> float:
            return program.sample("resolver_requests_total", endpoint="redirect", outcome="ok")

        for _ in range(10):
            assert program.fetch(f"/{P}/abc")[0] == 302
        # An answer is counted a moment after it was sent; who is killed within it takes that along.
        wait_until(lambda: count() == 10, "ten answers are counted")
        workers = _children(program.process.pid)
        subprocess.run(["kill", "-9", workers[-1]], check=True)
        wait_until(lambda: len(set(_children(program.process.pid)) - set(workers)) == 1, "a new worker")
        wait_until(lambda: fetch(f"{program.admin_url}/readyz")[0] == 200, "ready again")
        for _ in range(10):
            assert program.fetch(f"/{P}/abc")[0] == 302
        wait_until(lambda: count() == 20, "all answers are counted")


def _children(pid: int) -> list[str]:
    return subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()


def test_demo_prints_links_that_work() -> None:
    """The demo needs nothing but itself, and says what to open."""
    with run_program("demo") as program:
        status, headers, _ = program.fetch(f"/{P}/abc")
        assert (status, headers["Location"]) == (302, "https://www.example.org/collections/abc")


def test_the_wheel_carries_what_it_needs(tmp_path: Path) -> None:
    """Templates, static files, sample records and registry data are in the wheel."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
    )
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for wanted in (
        "resolver/templates/layout.html",
        "resolver/templates/static/style.css",
        "resolver/data/registry.toml",
        "resolver/demo/records/network.json",
        "resolver/demo/records/library.jsonl",
    ):
        assert wanted in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
