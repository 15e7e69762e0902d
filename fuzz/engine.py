"""``python -m fuzz.engine TARGET …``: one target in a process of its own; ``__main__.py`` starts it.

With ``--replay SECONDS`` the inputs are read over and over without mutation or instrumentation, and memory
is watched: whatever grows then is kept by our code, not by the fuzzer.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

HANG_S = 0.1
"""Processor time that no input may cost."""


def timed(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Return ``read``, raising ``TimeoutError`` for an input that takes longer than ``HANG_S``, twice over."""

    def run(octets: bytes) -> None:
        for _ in range(3):  # once may be the collector of garbage
            started = time.thread_time()
            read(octets)
            taken_s = time.thread_time() - started
            if taken_s < HANG_S:
                return
        raise TimeoutError(f"{len(octets)} octets take {taken_s:.3f} s")

    return run


def fuzz(target: str, options: list[str]) -> None:
    """Mutate inputs until an option of libFuzzer says stop; never returns."""
    import atheris

    with atheris.instrument_imports(include=["resolver"]):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *options], timed(TARGETS[target]))
    atheris.Fuzz()


def replay(target: str, folders: list[str], seconds: float) -> None:
    """Read every input over and over, and print how often, and how memory grew after the first tenth."""
    from fuzz.targets import TARGETS

    run = timed(TARGETS[target])
    inputs = [path.read_bytes() for folder in folders for path in sorted(Path(folder).iterdir())]
    started = time.monotonic()
    runs = 0
    first_kib = 0
    while (elapsed_s := time.monotonic() - started) < seconds:
        if not first_kib and elapsed_s > seconds / 10:
            first_kib = resident_kib()
        for octets in inputs:
            run(octets)
        runs += len(inputs)
    print(
        f"replayed runs={runs} inputs={len(inputs)} resident_kib={first_kib} grown_kib={resident_kib() - first_kib}"
    )


def resident_kib() -> int:
    """Return what this process holds in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found.group(1)) if found else 0


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.engine")
    parser.add_argument("target")
    parser.add_argument("--replay", type=float, metavar="SECONDS")
    known, rest = parser.parse_known_args()
    if known.replay is not None:
        replay(known.target, rest, known.replay)
    else:
        fuzz(known.target, rest)


if __name__ == "__main__":
    main()
