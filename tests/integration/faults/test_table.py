"""The page that operators read says what the tests expect."""

from __future__ import annotations

from tests.integration.faults.table import FILES, PAGE, REDIS, REGISTRY, SERVERS, WORKERS, page


def test_page_is_made_from_the_table() -> None:
    """docs/faults.md is what ``python -m tests.integration.faults.table`` writes."""
    assert PAGE.read_text("utf-8") == page()


def test_no_fault_is_named_twice() -> None:
    """Each row is a fault of its own, and there are many."""
    for faults in (SERVERS, REGISTRY, REDIS, WORKERS, FILES):
        names = [fault.name for fault in faults]
        assert len(set(names)) == len(names)
    assert sum(map(len, (SERVERS, REGISTRY, REDIS, WORKERS, FILES))) >= 80
