"""Real processes of the program, over a handle network in a thread of this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resolver.demo.network import HandleNetwork, shipped_records

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0


@contextlib.contextmanager
def run_network(folder: Path, records: Path | None = None) -> Iterator[tuple[HandleNetwork, Path]]:
    """Run a handle network; its bootstrap file is written into ``folder``."""
    network = HandleNetwork(records or shipped_records())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="handle-network", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(network.start(), loop).result(START_TIMEOUT_S)
        bootstrap = folder / "bootstrap.json"
        bootstrap.write_text(network.bootstrap_json(), "utf-8")
        yield network, bootstrap
    finally:
        asyncio.run_coroutine_threadsafe(network.close(), loop).result(START_TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_TIMEOUT_S)
        loop.close()


@dataclass
class Program:
    """A running ``handle-resolver``."""

    process: subprocess.Popen[str]
    url: str
    admin_url: str
    said: list[str] = field(default_factory=list)
    """Lines that it has printed."""

    def fetch(self, path: str, timeout_s: float = 15.0) -> tuple[int, dict[str, str], bytes]:
        """Get a path over a connection of its own, without following redirects."""
        return fetch(self.url + path, timeout_s)

    def sample(self, name: str, **labels: str) -> float:
        """Return one number from ``/metrics``; 0 if it is not there yet."""
        _, _, body = fetch(self.admin_url + "/metrics")
        return sample_of(body.decode(), name, **labels)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the program to stop, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)


def sample_of(metrics: str, name: str, **labels: str) -> float:
    """Return one number out of the text of ``/metrics``."""
    wanted = set(labels.items())
    for line in metrics.splitlines():
        found = re.fullmatch(rf"{re.escape(name)}(?:\{{(.*)\}})? (\S+)", line)
        if found and wanted <= set(re.findall(r'(\w+)="([^"]*)"', found.group(1) or "")):
            return float(found.group(2))
    return 0.0


@contextlib.contextmanager
def run_program(command: str, *options: str, environ: dict[str, str] | None = None) -> Iterator[Program]:
    """Run a command that serves, on free ports, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "resolver", command, "--port", "0", "--admin-port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
        start_new_session=True,
    )
    said: list[str] = []
    urls: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            urls.extend(re.findall(r"http://[0-9.]+:\d+", line))
            if "admin" in line or "metrics" in line:
                ready.set()
        ready.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        ready.wait(START_TIMEOUT_S)
        assert process.poll() is None, f"the program ended at once: {''.join(said)}"
        assert urls, f"the program said nothing: {''.join(said)}"
        yield Program(process, urls[0], urls[-1], said)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        listener.join(5)
        if process.stdout is not None:
            process.stdout.close()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fetch(url: str, timeout_s: float = 15.0) -> tuple[int, dict[str, str], bytes]:
    """Get a URL without following redirects; an error status is an answer like any other."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=timeout_s) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def wait_until(condition: Any, what: str, timeout_s: float = 20.0) -> None:
    """Wait until ``condition()`` holds."""
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.02)
