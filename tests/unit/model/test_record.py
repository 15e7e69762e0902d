"""Which values a query asks for, and how long they last."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.record import (
    AdminPermission,
    HandleRecord,
    HandleValue,
    Permission,
    Reference,
    TtlType,
    has_type,
    matches_type_query,
    select_values,
)
from tests.strategies import records, values

NOW = 1_700_000_000.0


def value(index: int, value_type: str = "URL", **more: int) -> HandleValue:
    return HandleValue(index, value_type, b"", **more)


@pytest.mark.parametrize(
    ("value_type", "wanted", "expected"),
    [
        ("URL", "URL", True),
        ("url", "URL", True),
        ("URL", "url", True),
        ("URL.METADATA", "URL", True),
        ("url.metadata.x", "Url", True),
        ("URL.", "URL", True),
        ("URLX", "URL", False),
        ("UR", "URL", False),
        ("XURL", "URL", False),
        ("URL", "URL.METADATA", False),
        ("HS_ADMINX", "HS_ADMIN", False),
    ],
)
def test_subtypes_have_the_type(value_type: str, wanted: str, expected: bool) -> None:
    """``URL.METADATA`` counts as a ``URL``, in any case; ``URLX`` does not."""
    assert has_type(value_type, wanted) is expected


@pytest.mark.parametrize(
    ("value_type", "query", "expected"),
    [
        ("URL", "URL", True),
        ("uRl", "URL", True),
        ("URL.METADATA", "URL", False),
        ("URL", "URL.", True),
        ("URL.METADATA", "URL.", True),
        ("url.x", "URL.", True),
        ("URLX", "URL.", False),
        ("EMAIL", "URL.", False),
        ("URL.METADATA", "URL.METADATA", True),
        ("URL.METADATA.X", "URL.METADATA.", True),
    ],
)
def test_trailing_dot_asks_for_the_family(value_type: str, query: str, expected: bool) -> None:
    """A query for ``URL`` means that type alone, one for ``URL.`` means its subtypes too."""
    assert matches_type_query(value_type, query) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("HS_\u017fITE", "HS_SITE"), ("straße", "STRASSE"), ("URL.\u0131", "URL.I"), ("É", "é")],
)
def test_types_are_compared_in_ascii_case_only(one: str, other: str) -> None:
    """Letters beyond ASCII are not folded in types, since no server folds them there."""
    assert not has_type(one, other)
    assert not matches_type_query(one, other)


RECORD = (
    value(1, "URL"),
    value(2, "URL.METADATA"),
    value(3, "EMAIL"),
    value(4, "email"),
    value(100, "HS_ADMIN"),
)


@pytest.mark.parametrize(
    ("types", "indexes", "expected"),
    [
        ((), (), [1, 2, 3, 4, 100]),
        (("URL",), (), [1]),
        (("URL.",), (), [1, 2]),
        (("EMAIL",), (), [3, 4]),
        ((), (100, 2), [2, 100]),
        (("URL",), (100,), [1, 100]),
        (("URL",), (1,), [1]),
        (("URL", "EMAIL"), (), [1, 3, 4]),
        (("DESC",), (77,), []),
        ((), (0,), []),
    ],
)
def test_query_means_the_union(types: tuple[str, ...], indexes: tuple[int, ...], expected: list[int]) -> None:
    """Types and indexes add up, the order is that of the record, and an empty query means everything."""
    assert [found.index for found in select_values(RECORD, types, indexes)] == expected


@given(
    st.lists(values, max_size=4), st.lists(st.sampled_from(["URL", "URL.", "X"]), max_size=2), st.booleans()
)
def test_query_never_invents_values(found: list[HandleValue], types: list[str], by_index: bool) -> None:
    """What a query selects is part of the record; taken from iterators it is the same."""
    indexes = [found[0].index] if by_index and found else []
    chosen = select_values(iter(found), iter(types), iter(indexes))
    assert all(one in found for one in chosen)
    assert chosen == select_values(found, types, indexes)


@pytest.mark.parametrize(
    ("ttl_type", "ttl", "expected"),
    [
        (TtlType.RELATIVE, 86400, 86400.0),
        (TtlType.RELATIVE, 0, 0.0),
        (TtlType.RELATIVE, -1, 0.0),
        (TtlType.RELATIVE, -(2**31), 0.0),
        (TtlType.ABSOLUTE, int(NOW) + 60, 60.0),
        (TtlType.ABSOLUTE, int(NOW), 0.0),
        (TtlType.ABSOLUTE, int(NOW) - 1, 0.0),
        (TtlType.ABSOLUTE, -5, 0.0),
        (2, 86400, 0.0),
        (255, 86400, 0.0),
    ],
)
def test_value_lasts_as_its_ttl_says(ttl_type: int, ttl: int, expected: float) -> None:
    """A relative TTL counts from retrieval, an absolute one is a moment, any other kind is already over."""
    assert value(1, ttl=ttl, ttl_type=ttl_type).lifetime_s(NOW) == expected


@pytest.mark.parametrize(
    ("lifetimes", "expected"),
    [([], 3600.0), ([60], 60.0), ([600, 60], 60.0), ([-5, 60], 0.0), ([86400], 86400.0)],
)
def test_record_lasts_as_its_shortest_value(lifetimes: list[int], expected: float) -> None:
    """A record is kept no longer than any of its values; one without values as long as records may be."""
    record = HandleRecord("10.1/x", tuple(value(index, ttl=ttl) for index, ttl in enumerate(lifetimes)))
    assert record.lifetime_s(NOW, longest_s=max(3600.0, expected)) == expected


@given(records, st.floats(0, 1e9))
def test_no_record_outlives_the_limit(record: HandleRecord, longest_s: float) -> None:
    """Whatever TTLs an owner sets, a record is kept for no negative time and no longer than allowed."""
    lifetime = record.lifetime_s(NOW, longest_s)
    assert 0.0 <= lifetime <= longest_s
    assert math.isfinite(lifetime)


def test_types_of_a_record_are_exact() -> None:
    """Service locations are recognised in exact spelling only, as the deployed resolver does."""
    record = HandleRecord("0.NA/10.1", (value(1, "HS_SITE"), value(2, "hs_site"), value(3, "HS_SITE.6")))
    assert [found.index for found in record.of_type("HS_SITE", "HS_SITE.6")] == [1, 3]


@pytest.mark.parametrize(
    ("permissions", "expected"), [(0b1110, True), (0b1100, False), (0b0010, True), (0, False)]
)
def test_public_read_bit_makes_a_value_public(permissions: int, expected: bool) -> None:
    """One bit decides whether a visitor may see a value."""
    assert value(1, permissions=permissions).is_public is expected
    assert bool(permissions & Permission.PUBLIC_READ) is expected


def test_administrators_have_thirteen_permissions() -> None:
    """Each permission of an administrator is one bit, counted from adding handles to listing derived prefixes."""
    assert [permission.value for permission in AdminPermission] == [1 << bit for bit in range(13)]


def test_reference_reads_as_people_write_it() -> None:
    """A reference prints as ``index:handle``."""
    assert str(Reference("0.NA/10", 300)) == "300:0.NA/10"
