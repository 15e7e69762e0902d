"""A real nginx that remembers answers, as an operator would put in front with no more than ``proxy_cache``."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Nginx", "run_nginx"]

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0

# One process in the foreground, as whoever runs the tests: nothing is left behind, and no folder is somebody else's.
_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=answers:1m use_temp_path=off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_cache answers;
            proxy_cache_revalidate on;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """An nginx that runs."""

    port: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Where visitors come."""
        return f"http://{self.host}:{self.port}"


@contextlib.contextmanager
def run_nginx(folder: Path, upstream: int) -> Iterator[Nginx]:
    """Run nginx in front of a port of this machine; without nginx, the test is skipped."""
    # Debian keeps it where only root looks by default.
    program = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if program is None:
        pytest.skip("no nginx on PATH; on Debian: apt-get install nginx-light")
    port = _free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, upstream=upstream), "utf-8")
    process = subprocess.Popen(
        [program, "-e", "stderr", "-p", str(folder), "-c", str(config)], stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_until_it_listens(process, port)
        yield Nginx(port)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=STOP_TIMEOUT_S)
    assert process.returncode == 0, said
    assert said == "", "nginx has something to complain about"


def _wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    ends_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("nginx did not start")


def _free_port() -> int:
    while True:
        port = random.randint(20_000, 29_999)  # noqa: S311 - below the range of outgoing connections
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
