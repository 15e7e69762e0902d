"""The numbers of several workers: added up, whatever state their files are in, and kept when a worker dies."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from resolver.web.shared_metrics import SharedMetrics, bury


def leave(folder: Path, kind: str, pid: int, name: str, value: float, **labels: str) -> Path:
    """Write the file that a worker would."""
    path = folder / f"{kind}_{pid}.db"
    numbers = MmapedDict(str(path))
    key = mmap_key(name.removesuffix("_total"), name, list(labels), list(labels.values()), "what it is")
    numbers.write_value(key, value, 0.0)
    numbers.close()
    return path


def shown(folder: Path, *, is_serving: bool = True) -> CollectorRegistry:
    registry = CollectorRegistry()
    SharedMetrics(registry, str(folder), is_serving=lambda: is_serving)
    return registry


def test_workers_are_added_up(tmp_path: Path) -> None:
    """Counters of all workers are one number."""
    leave(tmp_path, "counter", 11, "visits_total", 3)
    leave(tmp_path, "counter", 12, "visits_total", 4)
    assert shown(tmp_path).get_sample_value("visits_total") == 7


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 12, 30, 60, 75])
def test_a_half_written_file_is_left_out(
    tmp_path: Path, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A file cut anywhere never hides the numbers of the others, and is told of once."""
    leave(tmp_path, "counter", 11, "visits_total", 3)
    broken = leave(tmp_path, "counter", 12, "visits_total", 4)
    broken.write_bytes(broken.read_bytes()[:length])
    registry = shown(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert [registry.get_sample_value("visits_total") for _ in range(2)] == [3, 3]
    assert [
        record.getMessage() for record in caplog.records if "counter_12.db" in record.getMessage()
    ].__len__() == 1


@pytest.mark.parametrize(
    "octets", [b"\xff" * 200, b"\x7f\xff\xff\x7f" * 50, bytes(range(256)), b"\x40\0\0\0" + b"\xfe" * 99]
)
def test_nonsense_is_left_out(tmp_path: Path, octets: bytes) -> None:
    """So is a file of other octets."""
    leave(tmp_path, "counter", 11, "visits_total", 3)
    (tmp_path / "counter_12.db").write_bytes(octets)
    assert shown(tmp_path).get_sample_value("visits_total") == 3


def test_what_the_dead_have_counted_stays(tmp_path: Path) -> None:
    """However many workers come and go, nothing counted is lost, and the files do not become more."""
    for pid in range(11, 61):
        leave(tmp_path, "counter", pid, "visits_total", 2)
        leave(tmp_path, "histogram", pid, "seconds_sum", 0.5)
        leave(tmp_path, "gauge_max", pid, "build_info", 1)
        leave(tmp_path, "gauge_livesum", pid, "in_flight", 1)
        before = shown(tmp_path).get_sample_value("visits_total")
        bury(tmp_path, pid)
        assert shown(tmp_path).get_sample_value("visits_total") == before
    registry = shown(tmp_path)
    assert registry.get_sample_value("visits_total") == 100
    assert registry.get_sample_value("seconds_sum") == 25
    assert registry.get_sample_value("build_info") == 1
    assert registry.get_sample_value("in_flight") is None
    assert len(list(tmp_path.iterdir())) == 3


def test_a_dead_worker_with_a_broken_file_is_buried(tmp_path: Path) -> None:
    """What cannot be read is lost, and nothing else."""
    leave(tmp_path, "counter", 11, "visits_total", 3)
    (tmp_path / "counter_12.db").write_bytes(b"")
    bury(tmp_path, 12)
    bury(tmp_path, 13)
    assert shown(tmp_path).get_sample_value("visits_total") == 3
    assert not (tmp_path / "counter_12.db").exists()


def test_who_does_not_serve_is_not_shown(tmp_path: Path) -> None:
    """While no worker serves, those that try to start do not pass for workers at rest."""
    leave(tmp_path, "gauge_livesum", 11, "in_flight", 0)
    leave(tmp_path, "counter", 11, "visits_total", 3)
    assert shown(tmp_path).get_sample_value("in_flight") == 0
    assert shown(tmp_path, is_serving=False).get_sample_value("in_flight") is None
    assert shown(tmp_path, is_serving=False).get_sample_value("visits_total") == 3
