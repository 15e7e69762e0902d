"""Sockets that systemd holds: served where they are meant for us, and nobody is refused while we restart."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.service import listener, passing, port_of, start
from tests.integration.processes import Program, fetch, run_network

P = "20.500.12345"
SERVE = ("-m", "resolver", "serve", "--port", "0", "--admin-port", "0", "--allow-private-addresses")


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bootstrap file of a network that runs."""
    with run_network(tmp_path_factory.mktemp("network")) as (_, path):
        yield path


@contextlib.contextmanager
def serving(bootstrap: Path, sockets: dict[str, socket.socket], *options: str) -> Iterator[Program]:
    """Run the program with sockets that are open already."""
    words, environ = passing(sockets)
    command = [*words, *SERVE, "--bootstrap", str(bootstrap), *options]
    with start(command, environ, list(sockets.values())) as program:
        yield program


@pytest.mark.parametrize("workers", ["1", "2"])
def test_both_listeners_may_be_passed(bootstrap: Path, workers: str) -> None:
    """Each is known by its name, whatever their order, and takes the place of the port in the settings."""
    with listener() as public, listener() as admin:
        sockets = {"admin": admin, "public": public}
        with serving(bootstrap, sockets, "--workers", workers) as program:
            assert program.url.endswith(f":{port_of(public)}")
            assert program.admin_url.endswith(f":{port_of(admin)}")
            assert program.fetch(f"/{P}/abc")[0] == 302
            assert fetch(program.admin_url + "/readyz")[0] == 200


def test_the_public_one_alone_may_be_passed(bootstrap: Path) -> None:
    """What is not passed is opened as the settings say."""
    with listener() as public, serving(bootstrap, {"public": public}) as program:
        assert program.url.endswith(f":{port_of(public)}")
        assert fetch(program.admin_url + "/healthz")[0] == 200


def test_nobody_is_refused_during_a_restart(bootstrap: Path) -> None:
    """Who comes while the program is away waits in the queue, and is answered by the next one."""
    with listener() as public:
        with serving(bootstrap, {"public": public}) as program:
            assert program.fetch(f"/{P}/abc")[0] == 302
        with socket.create_connection(("127.0.0.1", port_of(public)), 5) as visitor:
            visitor.sendall(f"GET /{P}/abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            with serving(bootstrap, {"public": public}):
                visitor.settimeout(15)
                assert visitor.recv(65536).startswith(b"HTTP/1.1 302")


def test_sockets_of_another_process_are_left_alone(bootstrap: Path) -> None:
    """A program started by one that was given sockets inherits the variables, and must not touch the descriptors."""
    with listener() as public:
        words, environ = passing({"public": public})
        command = [*words, *SERVE, "--bootstrap", str(bootstrap)]
        with start(command, {**environ, "LISTEN_PID": str(os.getpid())}, [public]) as program:
            assert not program.url.endswith(f":{port_of(public)}")
            assert program.fetch(f"/{P}/abc")[0] == 302


def test_sockets_of_other_names_are_left_alone(bootstrap: Path) -> None:
    """Only the names that the documentation gives count."""
    with listener() as other, serving(bootstrap, {"something": other}) as program:
        assert not program.url.endswith(f":{port_of(other)}")


def refused(sockets: list[tuple[str, socket.socket]]) -> str:
    """Start the program with sockets it cannot use; return what it says."""
    words, environ = passing(sockets)
    done = subprocess.run(
        [*words, *SERVE],
        env={**os.environ, **environ},
        pass_fds=[opened.fileno() for _, opened in sockets],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_socket_that_does_not_listen_stops_the_start() -> None:
    """A unit with ListenDatagram= is a mistake that shows at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        assert "the socket passed as public is no listening TCP socket" in refused([("public", datagram)])


def test_a_unix_socket_stops_the_start(tmp_path: Path) -> None:
    """So is one with a path."""
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        assert "no listening TCP socket" in refused([("public", unix)])


def test_two_sockets_of_one_name_stop_the_start() -> None:
    """With two ListenStream= lines nobody would ever answer on the second: better not to begin."""
    with listener() as one, listener() as two:
        assert "several sockets named public" in refused([("public", one), ("public", two)])
