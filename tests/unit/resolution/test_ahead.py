"""The moment from which on a wanted record is fetched ahead of its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.entry import CachedRecord
from resolver.resolution.ahead import MIN_LIFETIME_S, SPREAD, is_almost_over, prefetch_at
from tests.fakes import EPOCH, record_of


def entry(lifetime_s: float, fetched_at: float = EPOCH) -> CachedRecord:
    """Return a record with this lifetime."""
    return CachedRecord(record_of("10.1/x"), fetched_at, lifetime_s)


@given(st.text(max_size=20), st.floats(MIN_LIFETIME_S, 1e6), st.floats(0, 2e9))
def test_in_the_last_tenth(key: str, lifetime_s: float, fetched_at: float) -> None:
    """The moment lies at the beginning of the last tenth of the lifetime, whatever the record is called."""
    moment = prefetch_at(key, entry(lifetime_s, fetched_at))
    assert moment is not None
    share = (fetched_at + lifetime_s - moment) / lifetime_s
    assert 0.1 * (1 - SPREAD) - 1e-3 <= share <= 0.1 + 1e-3


def test_spread() -> None:
    """Records that were fetched together are fetched anew at different moments, over all of the spread."""
    moments = {prefetch_at(f"10.1/{number}", entry(3600)) for number in range(1000)}
    assert len(moments) > 990
    first, last = min(filter(None, moments)), max(filter(None, moments))
    assert last - first == pytest.approx(3600 * 0.1 * SPREAD, rel=0.02)


def test_same_in_every_process() -> None:
    """Every process comes to the same moment, since nothing that differs between them goes into it."""
    assert prefetch_at("10.1/x", entry(3600)) == pytest.approx(EPOCH + 3337.75, abs=0.01)


def test_short_lived() -> None:
    """Records that live for seconds only are never fetched ahead."""
    assert prefetch_at("10.1/x", entry(MIN_LIFETIME_S - 0.1)) is None
    assert not is_almost_over("10.1/x", entry(5), EPOCH + 4.9)


def test_almost_over() -> None:
    """Before the moment it is not over, afterwards it is."""
    record = entry(100)
    moment = prefetch_at("10.1/x", record)
    assert moment is not None
    assert not is_almost_over("10.1/x", record, moment)
    assert is_almost_over("10.1/x", record, moment + 0.001)
