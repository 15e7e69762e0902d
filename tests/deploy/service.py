"""Starts the program the way systemd does: with sockets that are open already, or within the filters of its unit."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.integration.processes import STOP_TIMEOUT_S, Program

START_TIMEOUT_S = 20.0

# Puts the sockets at descriptor 3 and up, and writes its own id where the program that takes its place looks for it.
_PASS_ON = """
import os, sys
count = int(sys.argv[1])
moved = [os.dup(int(word)) for word in sys.argv[2:2 + count]]
for place, descriptor in enumerate(moved, 3):
    os.dup2(descriptor, place)
    os.set_inheritable(place, True)
os.environ["LISTEN_FDS"] = str(count)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2 + count:]])
"""


def listener() -> socket.socket:
    """Return a listening socket on a free port of loopback, as a socket unit opens one."""
    opened = socket.socket()
    opened.bind(("127.0.0.1", 0))
    opened.listen(128)
    return opened


def port_of(opened: socket.socket) -> int:
    """Return the port of a socket."""
    return int(opened.getsockname()[1])


def passing(
    sockets: Mapping[str, socket.socket] | list[tuple[str, socket.socket]],
) -> tuple[list[str], dict[str, str]]:
    """Return the words that start the program with these sockets, by name, and the variables that name them."""
    pairs = list(sockets.items() if isinstance(sockets, Mapping) else sockets)
    words = [sys.executable, "-c", _PASS_ON, str(len(pairs)), *(str(opened.fileno()) for _, opened in pairs)]
    return words, {"LISTEN_FDNAMES": ":".join(name for name, _ in pairs)}


@contextlib.contextmanager
def start(words: list[str], environ: Mapping[str, str], keep: list[socket.socket]) -> Iterator[Program]:
    """Run a command that serves until the block ends.

    Args:
        words: the command.
        environ: added to that of this process.
        keep: sockets that the command inherits.
    """
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
        pass_fds=[opened.fileno() for opened in keep],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    said: list[str] = []
    announced = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("Resolving on"):
                announced.set()
        announced.set()

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    try:
        announced.wait(START_TIMEOUT_S)
        urls = re.findall(r"http://[0-9.]+:\d+", "".join(said))
        assert len(urls) == 2, f"the program did not start: {''.join(said)}"
        yield Program(process, urls[0], urls[1])
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join(5)
        if process.stdout is not None:
            process.stdout.close()
