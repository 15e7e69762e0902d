"""nginx as a rival: a worker that answers with a constant redirect, or looks the target up in a map."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.network import PREFIX, url_of
from benchmarks.processes import START_TIMEOUT_S, Running, free_port, pinned

__all__ = ["running_nginx", "version"]

_CONFIG = """\
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  {map}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 302 {target}; }}
  }}
}}
"""
_MAP = """map_hash_max_size {size};
  map_hash_bucket_size 128;
  map $uri $target {{ include {file}; }}"""


@contextlib.contextmanager
def running_nginx(handles: int = 1, *, workers: int = 1) -> Iterator[Running]:
    """Run nginx until the block ends; with more than one handle, out of a map of so many."""
    executable = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(executable).exists():
        raise RuntimeError("nginx is needed; on Debian: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        table = ""
        if handles > 1:
            (folder / "map").write_text(
                "".join(f"/{PREFIX}/{number} {url_of(number)};\n" for number in range(handles))
            )
            table = _MAP.format(size=max(2048, 2 * handles), file=folder / "map")
        target = "$target" if handles > 1 else url_of(0)
        (folder / "nginx.conf").write_text(
            _CONFIG.format(folder=folder, workers=workers, port=port, map=table, target=target)
        )
        process = subprocess.Popen(
            pinned(0, [executable, "-p", name, "-c", str(folder / "nginx.conf")]), stderr=subprocess.DEVNULL
        )
        try:
            _wait(port, process)
            yield Running(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > ends_at or process.poll() is not None:
            raise RuntimeError("nginx did not start")
        time.sleep(0.02)


def version() -> str:
    """Return what nginx calls itself."""
    executable = shutil.which("nginx") or "/usr/sbin/nginx"
    try:
        said = subprocess.run([executable, "-v"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return "no nginx"
    return said.partition(": ")[2].strip()
