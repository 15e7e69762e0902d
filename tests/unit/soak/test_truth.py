"""What a soak takes for true: an answer from before its time is wrong, and so is one for somebody else."""

from __future__ import annotations

from soak.chaos import STARVED, Broken
from soak.report import Outcome, Sample, judge_troubles, write_markdown, write_plot
from soak.truth import HANDLES, SLACK_S, Claim, Truth

BEGAN_AT = 1_800_000_000.0
STALE_MAX_S = 100.0
TRUTH = Truth(BEGAN_AT, stale_max_s=STALE_MAX_S, absence_s=2.0)


def changes_of(number: int) -> tuple[float, Claim, Claim]:
    """Return when the second version of a handle gives way to the next, and both."""
    now, first = BEGAN_AT, TRUTH.version_at(number, BEGAN_AT)
    while TRUTH.version_at(number, now) == first:
        now += 0.01
    second = TRUTH.version_at(number, now)
    while TRUTH.version_at(number, now) == second:
        now += 0.01
    return now, Claim(number, second), Claim(number, TRUTH.version_at(number, now))


def steady() -> int:
    """Return a handle that always exists."""
    return next(
        number
        for number in range(HANDLES)
        if all(TRUTH.version_at(number, BEGAN_AT + moment) >= 0 for moment in range(0, 2000, 10))
    )


def test_versions_are_right_for_as_long_as_they_may_be_kept() -> None:
    """A version is right while it is the present one, and afterwards for its TTL; marked as stale, for longer."""
    number = steady()
    changed_at, old, new = changes_of(number)
    ttl_s = TRUTH.ttl_s(number)
    assert TRUTH.is_right(old, changed_at - 1, changed_at - 0.9)
    assert TRUTH.is_right(new, changed_at + 1, changed_at + 1.1)
    assert not TRUTH.is_right(new, changed_at - 2, changed_at - 1.9)
    late = changed_at + ttl_s + SLACK_S
    assert TRUTH.is_right(old, late - 0.1, late)
    assert not TRUTH.is_right(old, late + 0.1, late + 0.2)
    assert TRUTH.is_right(old, late + 0.1, late + 0.2, stale=True)
    assert not TRUTH.is_right(old, late + STALE_MAX_S + 0.1, late + STALE_MAX_S + 0.2, stale=True)
    assert not TRUTH.is_right(old, changed_at + SLACK_S + 0.1, changed_at + SLACK_S + 0.2, anew=True)


def test_claims_are_read_from_places() -> None:
    """What servers give out is what visitors understand."""
    number = steady()
    record = TRUTH.record(number, BEGAN_AT)
    assert record is not None
    claim = Claim.of_place(record.values[0].data.decode())
    assert claim == Claim(number, TRUTH.version_at(number, BEGAN_AT))
    assert Claim.of_place("https://elsewhere.example/") is None


def test_some_handles_come_and_go() -> None:
    """Where a handle does not exist, only that is right."""
    gone = next(n for n in range(HANDLES) if TRUTH.version_at(n, BEGAN_AT + 500) < 0)
    assert TRUTH.record(gone, BEGAN_AT + 500) is None
    assert TRUTH.is_right(Claim(gone, -1), BEGAN_AT + 500, BEGAN_AT + 500.1)
    assert not TRUTH.is_right(Claim(steady(), -1), BEGAN_AT + 500, BEGAN_AT + 500.1)


def outcome(kind: str, at: float, fault: Broken) -> Outcome:
    """Return an outcome with one trouble."""
    trouble = {"kind": kind, "at": at, "until": at + 0.1, "what": "x"}
    second = {"at": at, "counts": {kind: 1, "right": 5}, "troubles": [trouble], "slowest_s": 0.1}
    samples = [Sample(BEGAN_AT + n, 100 + n, 10) for n in range(40)]
    return Outcome(BEGAN_AT, BEGAN_AT + 40, "soak", [fault], [second], samples)


def test_only_what_a_fault_explains_is_excused() -> None:
    """An error while all servers are broken is honest; before, long after, or while others are broken it is not."""
    fault = Broken("silence", BEGAN_AT + 10, BEGAN_AT + 15, excuses_errors=True)
    assert not any(judge_troubles(outcome("error", BEGAN_AT + 12, fault)).values())
    for at in (BEGAN_AT + 5, BEGAN_AT + 30):
        assert judge_troubles(outcome("error", at, fault))["error"]
    assert judge_troubles(outcome("error", BEGAN_AT + 12, Broken("x", BEGAN_AT + 10, BEGAN_AT + 15)))["error"]
    assert judge_troubles(outcome("lost", BEGAN_AT + 12, fault))["lost"]
    starved = Broken(STARVED, BEGAN_AT + 10, BEGAN_AT + 15)
    assert not judge_troubles(outcome("lost", BEGAN_AT + 12, starved))["lost"]
    assert judge_troubles(outcome("lost", BEGAN_AT + 12, starved))["unjudged"]
    assert judge_troubles(outcome("wrong", BEGAN_AT + 12, starved))["wrong"]
    killed = Broken("killed", BEGAN_AT + 10, BEGAN_AT + 15, kills=True)
    assert not any(judge_troubles(outcome("lost", BEGAN_AT + 12, killed)).values())
    assert judge_troubles(outcome("wrong", BEGAN_AT + 12, killed))["wrong"]


def test_report_tells_what_was_seen() -> None:
    """The page has the numbers and names what cannot be excused; the plot is a picture."""
    seen = outcome("wrong", BEGAN_AT + 12, Broken("silence", BEGAN_AT + 10, BEGAN_AT + 15))
    page = write_markdown(seen, "report.svg")
    assert "| **Wrong answers** | **1** |" in page
    assert "Not excused: wrong" in page
    assert "| silence | 1 |" in page
    assert write_plot(seen).startswith("<svg")
    assert 0.2 < seen.growth < 0.35
