"""The numbers of all workers, put together from the files in which each leaves its own.

A worker that is killed at the wrong moment leaves a file that is empty or cut short. It is left out: the
numbers of the others are still right, where an exception would hide them for good. What a worker has counted
outlives it, so its numbers are added to those of the dead before it, in one file for all of them; otherwise
every restart would leave files behind and each scrape would take a little longer.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["SharedMetrics", "bury"]

logger = logging.getLogger(__name__)

_OF_THE_DEAD = "0"
"""In the place of a process id; the kernel's own, which no worker has."""

_COMBINE: dict[str, Callable[[float, float], float]] = {
    "counter": lambda one, other: one + other,
    "histogram": lambda one, other: one + other,
    "gauge_max": max,
}
"""What becomes of the numbers of the dead, by the beginning of the file's name; all others go with them."""

_DAMAGE = (struct.error, RuntimeError, ValueError, OSError)


class SharedMetrics(MultiProcessCollector):
    """Shows the numbers of all workers."""

    def __init__(
        self,
        registry: CollectorRegistry,
        folder: str | None = None,
        is_serving: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare.

        Args:
            registry: through which they are shown.
            folder: where the files are; by default where prometheus-client puts them.
            is_serving: whether any worker serves; while none does, what tells how they are is not shown, since
                one that fails to start again and again would look like one that has nothing to do.
        """
        super().__init__(registry, folder)  # type: ignore[no-untyped-call]
        self._is_serving = is_serving
        self._told: set[str] = set()

    def collect(self) -> Any:
        """Return the metrics of all files that can be read."""
        with _locked(Path(self._path), fcntl.LOCK_SH):
            files = [
                str(file)
                for file in sorted(Path(self._path).glob("*.db"))
                if (self._is_serving() or not file.name.startswith("gauge_live")) and self._is_sound(file)
            ]
            return self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]

    def _is_sound(self, file: Path) -> bool:
        try:
            _values(file)
        except FileNotFoundError:
            return False
        except _DAMAGE as error:
            if file.name not in self._told:
                self._told.add(file.name)
                logger.warning("metrics of a worker cannot be read file=%s error=%r", file.name, error)
            return False
        return True


def bury(folder: Path, pid: int) -> None:
    """Add what a dead worker has counted to what those before it have, and remove its files."""
    with _locked(folder, fcntl.LOCK_EX):
        for file in folder.glob(f"*_{pid}.db"):
            kind = file.name.removesuffix(f"_{pid}.db")
            if kind in _COMBINE:
                _add(file, folder / f"{kind}_{_OF_THE_DEAD}.db", _COMBINE[kind])
            file.unlink(missing_ok=True)


def _add(file: Path, total: Path, combine: Callable[[float, float], float]) -> None:
    try:
        values = _values(file)
    except _DAMAGE as error:
        logger.warning("what a dead worker has counted is lost file=%s error=%r", file.name, error)
        return
    into = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    try:
        for key, value in values.items():
            into.write_value(key, combine(into.read_value(key)[0], value), 0.0)  # type: ignore[no-untyped-call]
    finally:
        into.close()  # type: ignore[no-untyped-call]


def _values(file: Path) -> dict[str, float]:
    """Read a file.

    Raises:
        struct.error, RuntimeError, ValueError, OSError: it is cut short, or no such file.
    """
    read = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
    return {key: value for key, value, _, _ in read}


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Keep those who count and those who bury apart, or what is moved would be seen twice or not at all."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
