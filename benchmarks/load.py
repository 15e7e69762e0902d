"""Load from wrk, pinned to a core of its own where there are two."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import pinned

__all__ = ["Measured", "apply_constant_load", "apply_load"]

SCRIPT = Path(__file__).parent / "requests.lua"
CONSTANT = Path(__file__).parent / "constant.lua"


@dataclass(frozen=True)
class Measured:
    """What one run of wrk saw."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int
    cpu_us: float = 0.0
    """Time on a core for each request, in millionths of a second."""


def apply_load(
    url: str,
    path: str,
    *,
    handles: int = 1,
    seconds: float = 3,
    connections: int = 32,
    first: int | None = None,
) -> Measured:
    """Send requests for ``<path><number>`` for some seconds, at random or in order from ``first`` on.

    Raises:
        RuntimeError: wrk is not installed, or did not finish.
    """
    which = [path, str(handles), *([] if first is None else [str(first)])]
    return _apply([f"-c{connections}", "-s", str(SCRIPT), url, "--", *which], seconds)


def apply_constant_load(url: str, *, seconds: float, connections: int) -> Measured:
    """Send one request again and again for some seconds.

    Raises:
        RuntimeError: wrk is not installed, or did not finish.
    """
    return _apply([f"-c{connections}", "-s", str(CONSTANT), url], seconds)


def _apply(options: list[str], seconds: float) -> Measured:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is needed; on Debian: apt-get install wrk")
    command = [wrk, "-t1", f"-d{seconds:g}s", *options]
    done = subprocess.run(
        pinned(1, command), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    requests, duration_us, errors, p50_us, p99_us, _ = map(int, found.groups())
    return Measured(requests / (duration_us / 1e6), p50_us / 1000, p99_us / 1000, errors, requests)
