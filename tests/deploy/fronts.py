"""Real reverse proxies on loopback, with the shipped files: only ports and folders are other ones."""

from __future__ import annotations

import contextlib
import getpass
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.tools import DEPLOY, run, tool

START_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Front:
    """A reverse proxy that runs."""

    name: str
    port: int

    @property
    def url(self) -> str:
        """Where visitors come."""
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    """Return a port of loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_nginx(folder: Path, port: int, upstream: str) -> Path:
    """Write the shipped configuration for this machine, around ``upstream``; return the main file."""
    server = (DEPLOY / "nginx/handle-resolver.conf").read_text("utf-8")
    for shipped, here in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("listen [::]:80;", ""),
        ("/var/cache/handle-resolver", str(folder / "cache")),
    ):
        assert shipped in server
        server = server.replace(shipped, here)
    (folder / "handle-resolver.conf").write_text(server, "utf-8")
    (folder / "upstream.conf").write_text(upstream, "utf-8")
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Started by root, its workers would be nobody, who may not look into this folder.
    user = "user root root;" if getpass.getuser() == "root" else ""
    main = folder / "nginx.conf"
    main.write_text(
        f"{user} daemon off; pid {folder}/nginx.pid; error_log stderr warn; events {{ }}\n"
        f"http {{ access_log off; {temporary}\n"
        f"include {folder}/handle-resolver.conf; include {folder}/upstream.conf; }}\n",
        "utf-8",
    )
    return main


@contextlib.contextmanager
def run_nginx(folder: Path, upstream_port: int) -> Iterator[Front]:
    """Run nginx in front of ``upstream_port``."""
    nginx = tool("nginx", "package nginx")
    port = free_port()
    upstream = (DEPLOY / "nginx/upstream.conf").read_text("utf-8").replace(":8000", f":{upstream_port}")
    main = write_nginx(folder, port, upstream)
    with _running([nginx, "-e", "stderr", "-p", str(folder), "-c", str(main)], port):
        yield Front("nginx", port)


@contextlib.contextmanager
def run_varnish(folder: Path, upstream_port: int) -> Iterator[Front]:
    """Run Varnish in front of ``upstream_port``, with the parameters that the head of the file names."""
    varnishd = tool("varnishd", "package varnish")
    port = free_port()
    shipped = (DEPLOY / "varnish/default.vcl").read_text("utf-8")
    vcl = folder / "default.vcl"
    vcl.write_text(shipped.replace('.port = "8000"', f'.port = "{upstream_port}"'), "utf-8")
    parameters = [
        word for word in shipped.partition("vcl 4.1")[0].split() if word.endswith("k") and "=" in word
    ]
    assert len(parameters) == 4
    words = [varnishd, "-F", "-j", "none", "-n", str(folder / "varnish"), "-f", str(vcl)]
    words += ["-a", f"127.0.0.1:{port}", "-s", "malloc,32m", "-T", "none"]
    with _running([*words, *(word for name in parameters for word in ("-p", name))], port):
        yield Front("varnish", port)


@contextlib.contextmanager
def _running(words: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while not _accepts(port):
            if process.poll() is not None or time.monotonic() > ends_at:
                process.kill()
                raise AssertionError(f"{words[0]} did not start: {process.communicate()[0]}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=START_TIMEOUT_S)


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def nginx_accepts(folder: Path, upstream: str) -> None:
    """Have nginx read the shipped server around ``upstream``, and fail with what it says against it."""
    main = write_nginx(folder, free_port(), upstream)
    done = run(tool("nginx", "package nginx"), "-e", "stderr", "-t", "-p", folder, "-c", main)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr, done.stderr
