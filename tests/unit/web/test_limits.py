"""The limits that settings lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resolver.config import RateCosts, Settings
from resolver.errors import SettingsError
from resolver.observe import Observer
from resolver.web.connections import ConnectionGuard, default_max_connections
from resolver.web.limits import Limits, build_limits
from tests.fakes import RecordingObserver


def built(**settings: Any) -> Limits:
    """Return the limits of these settings; nothing here asks the resolver or Redis."""
    return build_limits(Settings(**settings), resolver=None, redis=None, observer=Observer())  # type: ignore[arg-type]


def test_nothing_is_decided_by_default() -> None:
    """Without settings there is nobody at the door, so that being let in costs nothing."""
    limits = built()
    assert limits.admission is None
    assert limits.lists is None
    assert limits.shared is None
    assert limits.guard.max_connections >= 16


def test_usual_burst() -> None:
    """Where the operator does not say, a client may spend ten seconds' worth at once."""
    admission = built(rate_limit=2.0, rate_costs=RateCosts(hit=0.5)).admission
    assert admission is not None
    assert admission._buckets is not None
    assert (admission._buckets.allowance.burst, admission._buckets.allowance.per_s) == (20, 2)
    assert admission._costs == {"hit": 0.5, "miss": 5, "auth": 20, "batch": 20}


def test_lists_without_rate(tmp_path: Path) -> None:
    """A list is watched and counts without a rate."""
    path = tmp_path / "deny"
    path.write_text("192.0.2.0/24")
    limits = built(deny_list=path)
    assert limits.admission is not None
    assert limits.lists is not None
    assert limits.admission._buckets is None


def test_list_that_cannot_be_read(tmp_path: Path) -> None:
    """A list with a mistake in it stops the start."""
    path = tmp_path / "allow"
    path.write_text("everybody")
    with pytest.raises(SettingsError, match="allow: line 1"):
        built(allow_list=path)


def test_connections_by_setting() -> None:
    """The operator's number counts, and by default most of the files that may be open."""
    assert built(max_connections=123).guard.max_connections == 123
    assert default_max_connections() == built().guard.max_connections


def test_guard_counts_who_comes_and_goes() -> None:
    """There is room for so many; who finds none is counted, and leaves like everybody else."""
    observer = RecordingObserver()
    guard = ConnectionGuard(2, observer)
    assert [guard.enter() for _ in range(3)] == [True, True, False]
    assert observer.counts == {("refused", "connections"): 1}
    guard.leave()
    guard.leave()
    assert guard.enter()
