"""Several workers on one port come and go without anybody noticing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import record_of
from tests.integration.processes import Program, run_network, run_program, wait_until
from tests.integration.two_ways import request

HANDLE = "/20.500.12345/abc"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Two workers, with a file of settings that may be changed."""
    config = tmp_path / "resolver.toml"
    config.write_text('site-name = "Before"\n')
    with (
        run_network(tmp_path) as (_, bootstrap),
        run_program(
            "serve",
            *("--bootstrap", str(bootstrap), "--allow-private-addresses", "--workers", "2"),
            *("--config", str(config)),
        ) as running,
    ):
        yield running


def workers_of(program: Program) -> set[int]:
    """Return the workers; the first child is the admin process."""
    pid = program.process.pid
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[1:]))


class Visitors(threading.Thread):
    """Ask again and again, each time over a new connection, until they are told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = host, int(port)
        self.stopping = threading.Event()
        self.answered = 0
        self.lost: list[str] = []

    def run(self) -> None:
        """Ask."""
        request = f"GET {HANDLE} HTTP/1.1\r\nHost: resolver.example\r\nConnection: close\r\n\r\n".encode()
        while not self.stopping.is_set():
            try:
                with socket.create_connection(self._address, 10) as connection:
                    connection.sendall(request)
                    answer = connection.recv(65536)
            except OSError as error:
                self.lost.append(repr(error))
                continue
            if answer.startswith(b"HTTP/1.1 302"):
                self.answered += 1
            else:
                self.lost.append(repr(answer[:40]))


def test_rolling_loses_nothing_and_reads_settings_anew(program: Program, tmp_path: Path) -> None:
    """After SIGHUP all workers are others, with the settings of now; no request under way or waiting is lost."""
    before = workers_of(program)
    visitors = [Visitors(program.url) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    (tmp_path / "resolver.toml").write_text('site-name = "Afterwards"\n')
    program.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not before & workers_of(program), "all workers are new", 30)
    wait_until(lambda: len(workers_of(program)) == 2, "there are two of them", 30)
    for visitor in visitors:
        visitor.stopping.set()
        visitor.join(15)
    assert [lost for visitor in visitors for lost in visitor.lost] == []
    answered = sum(visitor.answered for visitor in visitors)
    assert answered > 50
    assert b"Afterwards" in program.fetch("/")[2]
    # What the workers before have counted is counted still.
    wait_until(
        lambda: program.sample("resolver_requests_total", endpoint="redirect", outcome="ok") == answered,
        f"{answered} answers are counted",
    )


def test_bad_settings_keep_the_old_workers(program: Program, tmp_path: Path) -> None:
    """Whoever mistypes a setting before a reload loses nothing but the reload."""
    before = workers_of(program)
    (tmp_path / "resolver.toml").write_text("cache-size = 'many'\n")
    program.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert workers_of(program) == before
    assert program.fetch(HANDLE)[0] == 302


def metrics_folder(worker: int) -> Path:
    """Return where a worker counts, by the files that it has open."""
    for descriptor in Path(f"/proc/{worker}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since they were listed
            opened = Path(os.readlink(descriptor))
            if opened.suffix == ".db":
                return opened.parent
    raise AssertionError("it has no such file open")


def test_a_half_written_metrics_file_breaks_no_scrape(program: Program) -> None:
    """A worker killed while it made its file leaves an empty one; the numbers of the others are shown as before."""
    program.fetch(HANDLE)
    environ = Path(f"/proc/{min(workers_of(program))}/environ").read_bytes()
    assert b"PROMETHEUS_MULTIPROC_DIR" not in environ  # chosen at the start, so it is looked up otherwise
    folder = metrics_folder(min(workers_of(program)))
    (folder / "counter_999999.db").write_bytes(b"")
    (folder / "histogram_999998.db").write_bytes(b"\x10")
    # What was answered is counted a moment after.
    wait_until(
        lambda: program.sample("resolver_requests_total", endpoint="redirect", outcome="ok") == 1,
        "it is counted",
    )


def test_ready_answers_are_counted_by_all_workers(program: Program) -> None:
    """Requests answered on the fast path are in the merged numbers, one by one."""
    host, _, port = program.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        for _ in range(50):
            connection.sendall(f"GET {HANDLE} HTTP/1.1\r\nHost: resolver.example\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"</html>"):
                answer += connection.recv(65536)
    wait_until(
        lambda: program.sample("resolver_requests_total", endpoint="redirect", outcome="ok") == 50,
        "all counted",
    )
    assert program.sample("resolver_request_seconds_count", endpoint="redirect") == 50


def read_whole(connection: socket.socket) -> None:
    """Read one response with a length."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    head, _, body = head.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    while len(body) < length:
        body += connection.recv(65536)


def test_answers_under_way_are_sent(tmp_path: Path) -> None:
    """Whoever waits for a handle that nobody had asked for when the workers are stopped is answered before they end."""
    with (
        run_network(tmp_path) as (network, bootstrap),
        run_program(
            "serve", "--bootstrap", str(bootstrap), "--allow-private-addresses", "--workers", "2"
        ) as program,
        contextlib.ExitStack() as stack,
    ):
        host, _, port = program.url.removeprefix("http://").partition(":")
        visitors = [stack.enter_context(socket.create_connection((host, int(port)), 10)) for _ in range(16)]
        for number, visitor in enumerate(visitors):
            handle = f"20.500.12345/under-way-{number}"
            network.stores["library"].put(record_of(handle))
            # Each worker has seen such requests, and knows the prefix.
            for target in ("/robots.txt", "/20.500.12345/nothing-here"):
                visitor.sendall(request(target))
                read_whole(visitor)
        network.services["LIBRARY"].behaviour.delay_s = 0.04
        for number, visitor in enumerate(visitors):
            visitor.sendall(request(f"/20.500.12345/under-way-{number}"))
        program.process.send_signal(signal.SIGTERM)
        for visitor in visitors:
            received = b""
            while got := visitor.recv(65536):
                received += got
            assert received.count(b"HTTP/1.1 302 ") == 1, received
            assert received.rstrip().endswith(b"</html>")
        assert program.process.wait(30) == 0
