"""The units, as far as they can be tried where systemd does not run the machine."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

from resolver.config import read_settings
from resolver.web.server import _PASSED_NAMES
from tests.deploy.sandbox import settings
from tests.deploy.service import start
from tests.deploy.tools import DEPLOY, run, succeeds, tool
from tests.integration.processes import run_network, wait_until
from tests.redis_process import RedisProcess

UNITS = DEPLOY / "systemd"
SERVICE = UNITS / "handle-resolver.service"
SOCKET = UNITS / "handle-resolver.socket"
HIGHEST_EXPOSURE = "12"  # in tenths, out of a hundred; systemd calls up to 20 "OK"
P = "20.500.12345"


def analyze() -> str:
    """Return the tool that comes with systemd."""
    return tool("systemd-analyze", "package systemd")


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """No line is unknown or cannot be read."""
    for unit in (SERVICE, SOCKET):
        text = unit.read_text("utf-8").replace("/opt/handle-resolver/bin/handle-resolver", sys.executable)
        (tmp_path / unit.name).write_text(text, "utf-8")
    done = run(analyze(), "verify", tmp_path / SERVICE.name, tmp_path / SOCKET.name)
    assert (done.returncode, done.stderr) == (0, "")


def test_service_is_confined() -> None:
    """The exposure that systemd reckons stays as low as it is."""
    succeeds(
        analyze(), "security", "--offline=true", f"--threshold={HIGHEST_EXPOSURE}", "--no-pager", SERVICE
    )


def test_program_works_within_the_filters(tmp_path: Path) -> None:
    """It starts, answers, uses Redis, takes up new settings and ends under the very filters of the unit."""
    analyze()
    redis = RedisProcess()
    redis.start()
    try:
        with run_network(tmp_path) as (_, bootstrap):
            config = tmp_path / "handle-resolver.toml"
            config.write_text((UNITS / "handle-resolver.toml").read_text("utf-8"), "utf-8")
            words = [
                sys.executable,
                str(Path(__file__).with_name("sandbox.py")),
                str(SERVICE),
                sys.executable,
            ]
            words += ["-m", "resolver", "serve", "--config", str(config), "--redis", redis.url, "--port", "0"]
            words += ["--state-dir", str(tmp_path / "state")]
            words += ["--admin-port", "0", "--bootstrap", str(bootstrap), "--allow-private-addresses"]
            with start(words, {}, []) as program:
                assert program.fetch(f"/{P}/abc")[0] == 302
                assert program.fetch(f"/api/handles/{P}/everything")[0] == 200
                wait_until(lambda: redis.command("DBSIZE") != b":0\r\n", "Redis holds what was found")
                program.process.send_signal(signal.SIGHUP)
                wait_until(lambda: program.fetch(f"/{P}/letter")[0] == 200, "the new workers answer")
                assert program.stop() == 0
    except OSError as error:
        pytest.skip(f"the filters cannot be set up here: {error}")
    finally:
        redis.close()


def test_filters_bite() -> None:
    """What the unit forbids fails, so that the test above means something."""
    analyze()
    attempt = "import os, socket; socket.socket({}) if {} else os.chroot('/')"
    for family, expected in (
        ("socket.AF_NETLINK, socket.SOCK_RAW", "Address family not supported"),
        ("", "Errno 1"),
    ):
        code = attempt.format(family, bool(family))
        done = run(
            sys.executable, Path(__file__).with_name("sandbox.py"), SERVICE, sys.executable, "-c", code
        )
        assert done.returncode == 1
        assert expected in done.stderr


@pytest.mark.parametrize(("workers", "named_by"), [("1", "path"), ("2", "name")])
def test_systemd_learns_when_it_is_ready(workers: str, named_by: str, tmp_path: Path) -> None:
    """The service counts as started once it answers, and not before."""
    (kind,) = settings(SERVICE, "Type")
    assert kind == "notify"
    path = tmp_path / "notify"
    address = str(path) if named_by == "path" else f"@{path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, run_network(tmp_path) as (_, bootstrap):
        manager.bind(address.replace("@", "\0", 1))
        manager.settimeout(20)
        words = [
            sys.executable,
            "-m",
            "resolver",
            "serve",
            "--bootstrap",
            str(bootstrap),
            "--workers",
            workers,
        ]
        words += ["--port", "0", "--admin-port", "0", "--allow-private-addresses"]
        with start(words, {"NOTIFY_SOCKET": address}, []) as program:
            assert manager.recv(1024) == b"READY=1"
            assert program.fetch(f"/{P}/abc")[0] == 302
            manager.setblocking(False)
            with pytest.raises(BlockingIOError):
                manager.recv(1024)


def test_nobody_is_told_where_nobody_waits(tmp_path: Path) -> None:
    """A socket that is gone stops no start."""
    words = [sys.executable, "-m", "resolver", "serve", "--port", "0", "--admin-port", "0"]
    with start(words, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, []) as program:
        assert program.stop() == 0


def test_socket_bears_the_name_that_the_program_looks_for() -> None:
    """Otherwise the service would try to open the port itself, and find it taken."""
    (name,) = settings(SOCKET, "FileDescriptorName")
    assert name == _PASSED_NAMES["the public listener"]
    assert len(settings(SOCKET, "ListenStream")) == 1


def test_settings_can_be_used(tmp_path: Path) -> None:
    """The shipped settings are valid, and have two workers, without which a reload would end the service."""
    given = read_settings({}, {}, UNITS / "handle-resolver.toml")
    assert given.workers >= 2
    (reload,) = settings(SERVICE, "ExecReload")
    assert reload == "/bin/kill -HUP $MAINPID"
    (command,) = settings(SERVICE, "ExecStart")
    assert command.endswith("serve --config /etc/handle-resolver/handle-resolver.toml")
    # The folder it may write to.
    (state,) = settings(SERVICE, "StateDirectory")
    assert given.state_dir == Path("/var/lib") / state


def test_what_is_proposed_can_be_used(tmp_path: Path) -> None:
    """So is every line that a comment proposes; the folder of logs is made by systemd."""
    (logs,) = settings(SERVICE, "LogsDirectory")
    text = (UNITS / "handle-resolver.toml").read_text("utf-8").replace(f"/var/log/{logs}", str(tmp_path))
    file = tmp_path / "handle-resolver.toml"
    file.write_text(text.replace("\n# ", "\n"), "utf-8")
    given = read_settings({}, {}, file)
    assert given.access_log_file == tmp_path / "access.log"
    assert given.contact
