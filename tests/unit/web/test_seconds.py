"""The time as answers tell it is that of the second they are sent in."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from resolver.web.seconds import MAX_LIFETIMES, Second

UNTIL_9999 = 253_402_300_799


@given(now=st.floats(0, UNTIL_9999 - 10**6), left=st.integers(0, 10**6))
def test_dates_are_those_of_the_standard_library(now: float, left: int) -> None:
    """Date and Expires are written as RFC 9110 section 5.6.7 has it, for any moment."""
    second = Second(now)
    assert second.begins_at <= now < second.ends_at
    assert second.date.decode() == formatdate(int(now), usegmt=True)
    expires = formatdate(int(now) + left, usegmt=True)
    for _ in range(2):
        assert second.lifetime(left).decode() == f"{left}\r\nExpires: {expires}"


def test_many_lifetimes_take_no_more_room() -> None:
    """However different the answers of a second, only so many lifetimes are remembered, and all are right."""
    second = Second(1_800_000_000.5)
    for left in range(2 * MAX_LIFETIMES + 1):
        assert second.lifetime(left).startswith(b"%d\r\n" % left)
        assert len(second._lifetimes) <= MAX_LIFETIMES
