"""The vectors themselves."""

from __future__ import annotations

import pytest

from tests.vectors import Vector, params, table, tables, vectors

DIRECTORIES = ("messages", "refused_messages", "data", "refused_data")
EVERY = [found for directory in DIRECTORIES for found in vectors(directory)]


def test_no_vector_gets_lost() -> None:
    """All 115 vectors are found: a test over an empty directory would pass without saying a word."""
    assert [len(vectors(directory)) for directory in DIRECTORIES] == [52, 21, 13, 4]
    assert len(tables("rest")) == 11
    assert len(table("server_selection")["handles"]) == 11
    counts = (
        table("address_text")["addresses"],
        table("data_format")["cases"],
        table("timestamp_format")["times"],
    )
    assert [len(cases) for cases in counts] == [11, 30, 7]


@pytest.mark.parametrize("found", params(EVERY))
def test_every_vector_says_where_it_comes_from(found: Vector) -> None:
    """A reader learns from each file what it shows, who made it, and what is to be done with it."""
    assert found.notes["about"]
    assert found.notes["origin"]
    assert found.verdict in ("ok", "expired", "malformed", "unsupported")
    assert bool(found.facts) is (found.verdict in ("ok", "expired"))
