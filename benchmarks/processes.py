"""Starts what is measured, each in a process of its own, pinned to a core where that can be done."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 60.0
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True)
class Running:
    """A process that serves."""

    pid: int
    url: str
    admin_url: str = ""


_spread = False


@contextlib.contextmanager
def spread() -> Iterator[None]:
    """Let what is started while the block runs use all cores."""
    global _spread
    _spread = True
    try:
        yield
    finally:
        _spread = False


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """Return ``command`` bound to one core, if there are several and ``taskset`` is there."""
    if _spread or len(CORES) < 2 or shutil.which("taskset") is None:
        return list(command)
    return ["taskset", "-c", str(CORES[core % len(CORES)]), *command]


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], *, core: int = 0, announces: str = r"http://[0-9.]+:\d+"
) -> Iterator[Running]:
    """Run a command until the block ends; it serves once it has printed its address."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # An installed program has its modules compiled; a checkout shall not compile them at each start.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        pinned(core, command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    said: list[str] = []
    urls: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            urls.extend(re.findall(announces, line))
            if urls:
                ready.set()
        ready.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        ready.wait(START_TIMEOUT_S)
        if process.poll() is not None or not urls:
            raise RuntimeError(f"{command[0]} did not start: {''.join(said)}")
        yield Running(process.pid, urls[0], urls[-1])
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def python(module: str, *options: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *options]


@contextlib.contextmanager
def running_redis() -> Iterator[str]:
    """Run a Redis until the block ends; its URL."""
    executable = shutil.which("redis-server")
    if executable is None:
        raise RuntimeError("redis-server is needed; on Debian: apt-get install redis-server")
    port = free_port()
    process = subprocess.Popen(
        pinned(
            1, [executable, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
        ),
        stdout=subprocess.DEVNULL,
    )
    try:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > ends_at:
                raise RuntimeError("redis did not start")
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def running_network(folder: Path, handles: int, *, delay_s: float = 0.0, ttl: int = 86400) -> Iterator[Path]:
    """Run a handle network with that many one-URL handles, whose server takes its time; the bootstrap file of it."""
    bootstrap = folder / "bootstrap.json"
    command = python("benchmarks.network", str(bootstrap), str(handles), str(delay_s), str(ttl))
    with running(command, core=1, announces=r"udp://[0-9.]+:\d+"):
        yield bootstrap


def memory_octets(pid: int) -> int:
    """Return what a process holds resident."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found.group(1)) * 1024 if found else 0


def cpu_s(pid: int) -> float:
    """Return the time that a process and its children have had a core for, in seconds."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_s(int(child)) for child in children)
