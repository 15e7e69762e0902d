"""Room for so many lookups, counted one by one and prefix by prefix."""

from __future__ import annotations

import pytest

from resolver.errors import ClosingError, CrowdedError, NoServerAnsweredError, UpstreamError
from resolver.model.handle import Handle
from resolver.resolution.room import Room, crowd_of, met_a_crowd
from resolver.resolution.setbacks import CROWDED_S, ONE_MORE_S, Setbacks
from tests.fakes import FakeClock

HANDLE = Handle("10.1/abc")
CROWD = crowd_of(HANDLE)
TURNED_AWAY = NoServerAnsweredError([("udp://192.0.2.1:2641", CrowdedError("enough"))])


class Counted:
    """A room, and how many lookups are shared at the moment."""

    def __init__(self, most: int = 10) -> None:
        self.shared = 0
        self.clock = FakeClock()
        self.room = Room(most, Setbacks(1.0, self.clock), lambda: self.shared)


def test_handles_of_one_prefix_are_one_crowd() -> None:
    """Handles of one prefix are kept by the same servers, however the prefix is written."""
    assert crowd_of(Handle("10.A/x")) == crowd_of(Handle("10.a/y")) != crowd_of(Handle("10.B/x"))


def test_full() -> None:
    """Shared lookups and those for one visitor alone take the same room; those on their way count beforehand."""
    counted = Counted()
    counted.shared, counted.room.alone = 6, 3
    assert counted.room.in_flight == 9
    assert not counted.room.is_full
    assert not counted.room.has_none_for(CROWD)
    assert counted.room.has_none_for(CROWD, on_their_way=1)
    counted.room.make(HANDLE)
    counted.shared = 7
    assert counted.room.is_full
    assert counted.room.is_pressed
    assert counted.room.has_none_for(CROWD)
    with pytest.raises(ClosingError, match="10 lookups are under way"):
        counted.room.make(HANDLE)


def test_comfortable_before_it_is_full() -> None:
    """The last tenth is left to those who wait."""
    counted = Counted()
    counted.shared = 8
    assert counted.room.is_comfortable
    counted.shared = 9
    assert not counted.room.is_comfortable
    assert not counted.room.is_full


def test_one_crowd() -> None:
    """Once its servers took no more, a prefix has room for those that they did take; others have all of it."""
    counted = Counted(100)
    for _ in range(3):
        counted.room.enter(CROWD)
    counted.room.leave(CROWD, TURNED_AWAY)
    assert counted.room.has_none_for(CROWD)
    assert counted.room.is_pressed
    assert not counted.room.has_none_for("0.NA/10.2")
    with pytest.raises(ClosingError, match="servers of this prefix"):
        counted.room.make(HANDLE)
    counted.room.leave(CROWD)
    assert not counted.room.has_none_for(CROWD)
    assert counted.room.has_none_for(CROWD, on_their_way=1)
    counted.clock.advance(1.5 * ONE_MORE_S)
    assert not counted.room.has_none_for(CROWD, on_their_way=1)
    counted.clock.advance(CROWDED_S)
    assert not counted.room.is_pressed


def test_nobody_is_left() -> None:
    """Whoever enters leaves, and a prefix without lookups is forgotten."""
    counted = Counted()
    counted.room.enter(CROWD)
    counted.room.enter(CROWD)
    counted.room.leave(CROWD)
    counted.room.leave(CROWD, UpstreamError("out of order"))
    assert counted.room._under_way == {}
    assert not counted.room.is_pressed


def test_only_crowds_are_learned_from() -> None:
    """A server that fails in another way has not said that it is asked too much."""
    failed = NoServerAnsweredError([("udp://192.0.2.1:2641", UpstreamError("refused"))])
    assert met_a_crowd(TURNED_AWAY)
    assert not met_a_crowd(failed)
    assert not met_a_crowd(UpstreamError("refused"))
