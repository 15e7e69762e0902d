"""The trace of a lookup: what it keeps, and how much of it."""

from __future__ import annotations

from resolver.resolution.trace import MAX_ENTRIES, Trace


def test_step_that_took_time() -> None:
    """A step that began a while ago tells when and how long it took."""
    trace = Trace()
    began_s = trace.now_s
    trace.note(1, "10.1/abc", "SUCCESS", began_s=began_s, server="udp://192.0.2.1:2641", site="x", received=7)
    (entry,) = trace.entries
    assert (entry.depth, entry.handle, entry.outcome) == (1, "10.1/abc", "SUCCESS")
    assert (entry.server, entry.site, entry.received, entry.succeeded) == (
        "udp://192.0.2.1:2641",
        "x",
        7,
        True,
    )
    assert entry.began_s == began_s
    assert 0 <= entry.elapsed_s <= trace.now_s


def test_step_without_a_server() -> None:
    """A look into memory took no time and asked nobody."""
    trace = Trace()
    trace.note(0, "0.NA/10.1", "remembered")
    (entry,) = trace.entries
    assert (entry.server, entry.elapsed_s) == (None, 0.0)


def test_order() -> None:
    """Steps stand in the order in which they ended."""
    trace = Trace()
    for number in range(5):
        trace.note(0, str(number), "")
    assert [entry.handle for entry in trace.entries] == list("01234")


def test_bound() -> None:
    """A lookup made to take many steps does not fill memory with its trace."""
    trace = Trace()
    for _ in range(MAX_ENTRIES + 100):
        trace.note(0, "x", "y")
    assert len(trace.entries) == MAX_ENTRIES
