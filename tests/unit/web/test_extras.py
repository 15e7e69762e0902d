"""How far records are followed that others refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.extras import read_location_data
from resolver.errors import HandleNotFoundError
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue
from resolver.resolution.service import Resolved, Resolver
from resolver.web.extras import MAX_DEPTH, MAX_HANDLES, Fetched, fetch_extras

ASKED = Handle("20.500.12345/asked")


class Library:
    """A resolver that knows some records, and who asked for what."""

    def __init__(self, records: Mapping[str, tuple[HandleValue, ...]]) -> None:
        self._records = {Handle(text).cache_key: values for text, values in records.items()}
        self.asked_for: Counter[str] = Counter()

    async def resolve(self, handle: Handle, **_: object) -> Resolved:
        """Return the record of ``handle``."""
        self.asked_for[handle.cache_key] += 1
        if handle.cache_key not in self._records:
            raise HandleNotFoundError(handle.text)
        values = self._records[handle.cache_key]
        return Resolved(HandleRecord(handle.text, values), 0.0, float(len(values)), "library")

    async def extras(self, *values: HandleValue, namespaces: tuple[Namespace, ...] = ()) -> Fetched:
        """Return what a record with these values refers to."""
        own = read_location_data(HandleRecord(ASKED.text, values))
        return await fetch_extras(cast(Resolver, self), ASKED, own, namespaces)


def including(*handles: str) -> tuple[HandleValue, ...]:
    """Return the values of a record that includes others."""
    return (HandleValue(1, "10320/loc", f'<l include="{" ".join(handles)}"><location/></l>'.encode()),)


def names(found: Any) -> list[str]:
    """Return the handles that location data come from."""
    return [data.handle for data in found]


async def test_includes_are_followed_level_by_level() -> None:
    """What is included, and what that includes, comes in the order in which it is named."""
    library = Library({"10.1/a": including("10.1/c"), "10.1/b": (), "10.1/c": including()})
    fetched = await library.extras(*including("10.1/a", "10.1/b"))
    assert names(fetched.extras.included) == ["10.1/a", "10.1/b", "10.1/c"]
    assert fetched.is_complete


async def test_nothing_is_fetched_for_a_record_that_refers_to_nothing() -> None:
    """The ordinary record costs no further lookup."""
    library = Library({})
    assert await library.extras(HandleValue(1, "URL", b"https://a.example/")) == Fetched()
    assert not library.asked_for


@pytest.mark.parametrize(
    "records",
    [
        {},
        {"10.1/a": including("10.1/a")},
        {"10.1/a": including("20.500.12345/asked")},
        {"10.1/a": including("10.1/b"), "10.1/b": including("10.1/a", "20.500.12345/asked")},
        {"ab.1/a": including("AB.1/a", "Ab.1/a")},
    ],
    ids=["to itself", "one to itself", "back", "in a circle", "in other case"],
)
async def test_circles_end(records: dict[str, tuple[HandleValue, ...]]) -> None:
    """Records that include each other, or themselves, are fetched once each."""
    library = Library(records)
    fetched = await library.extras(*including(ASKED.text, *records))
    assert sorted(library.asked_for) == sorted(Handle(text).cache_key for text in records)
    assert set(library.asked_for.values()) <= {1}
    assert fetched.is_complete


async def test_chains_and_crowds_end() -> None:
    """However deep or wide records include others, a visit fetches a limited number of them."""
    chain = Library({f"10.1/{number}": including(f"10.1/{number + 1}") for number in range(100)})
    fetched = await chain.extras(*including("10.1/0"))
    assert names(fetched.extras.included) == [f"10.1/{number}" for number in range(MAX_DEPTH)]
    crowd = Library({f"10.1/{number}": () for number in range(1000)})
    fetched = await crowd.extras(*including(*(f"10.1/{number}" for number in range(1000))))
    assert names(fetched.extras.included) == [f"10.1/{number}" for number in range(MAX_HANDLES)]
    assert crowd.asked_for.total() == MAX_HANDLES


async def test_missing_record_takes_nothing_from_the_others() -> None:
    """What can be had is used, and the answer is known to be incomplete; it holds as long as its shortest part."""
    library = Library({"10.1/a": including(), "10.1/b": (*including(), *including())})
    fetched = await library.extras(*including("10.1/a", "10.1/none", "10.1/b"))
    assert names(fetched.extras.included) == ["10.1/a", "10.1/b"]
    assert not fetched.is_complete
    assert fetched.expires_at == 1.0


async def test_prefix_and_other_prefixes_are_asked() -> None:
    """Handles that the prefix names are fetched, and those that other prefixes name which the record points to."""
    namespace = b"<namespace><locs>10.5/all</locs></namespace>"
    library = Library(
        {
            "0.NA/10.5": (HandleValue(1, "HS_NAMESPACE", namespace),),
            "10.5/all": including(),
            "10.1/all": including(),
        }
    )
    own = HandleValue(1, "10320/loc", b'<l includeNamespace="10.5"/>')
    fetched = await library.extras(own, namespaces=(Namespace(location_handles=("10.1/all",)),))
    assert names(fetched.extras.inherited) == ["10.1/all", "10.5/all"]
    assert fetched.extras.included == ()


_HANDLES = st.sampled_from([f"10.1/{number}" for number in range(40)])


@given(
    st.dictionaries(_HANDLES, st.lists(_HANDLES, max_size=30), max_size=40), st.lists(_HANDLES, max_size=30)
)
async def test_any_web_of_includes_is_followed_once_and_so_far(
    web: dict[str, list[str]], first: list[str]
) -> None:
    """Whatever includes what, each record is fetched at most once, and no more of them than the limit."""
    library = Library({handle: including(*included) for handle, included in web.items()})
    fetched = await library.extras(*including(*first))
    assert library.asked_for.total() <= MAX_HANDLES
    assert set(library.asked_for.values()) <= {1}
    assert set(names(fetched.extras.included)) == set(library.asked_for) & set(web)
