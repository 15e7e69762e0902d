"""Which records beyond its own a handle draws places from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.extras import LocationData, inherits_from, read_location_data
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.namespaces import decode_namespace
from tests.strategies import damaged, records
from tests.unit.answer.places import HANDLE, data_of, document, url

PREFIX = Namespace(location_handles=("20.500.12345/all", "20.500.12345/more"))
REGISTRY = Namespace(location_handles=("0.NA/root-locations",))


def texts(handles: tuple[Handle, ...]) -> list[str]:
    """Return handles as they are written."""
    return [handle.text for handle in handles]


# --- reading a record ------------------------------------------------------------------------------------


def test_each_type_goes_where_it_belongs() -> None:
    """Documents, links and headers are told apart by type, in any case, with their subtypes; the rest is left."""
    record = HandleRecord(
        HANDLE,
        (
            url("plain"),
            document("a", index=1),
            document("b", index=2, value_type="10320/LOC.x"),
            document("c", index=3, value_type="10320/Links"),
            HandleValue(4, "10320/HEADERS", b"X-Note: caf\xc3\xa9 \xff"),
            document("d", index=6, value_type="10320/locations"),
            HandleValue(7, "10320/other", b"\xff"),
        ),
    )
    data = read_location_data(record)
    assert data.handle == HANDLE
    assert [len(found.locations) for found in data.documents] == [1, 1]
    assert [found.locations[0].get("href") for found in data.links] == ["https://c.example/"]
    assert data.headers == ("X-Note: café \ufffd",)
    assert data.unreadable == ()


def test_what_cannot_be_read_is_named() -> None:
    """Broken documents are known by their indexes, so that their owner can be told, and the others count."""
    data = data_of(
        HandleValue(3, "10320/loc", b"<l"),
        document("a", index=4),
        HandleValue(5, "10320/links", b"text"),
        HandleValue(6, "10320/loc", b"<!DOCTYPE l><l/>"),
    )
    assert data.unreadable == (3, 5, 6)
    assert len(data.documents) == 1
    assert not data.is_empty


def test_only_the_values_asked_for_are_read() -> None:
    """A visitor's filter holds for documents too."""
    record = HandleRecord(HANDLE, (document("a", index=1), document("b", index=2)))
    assert len(read_location_data(record, record.values[1:]).documents) == 1
    assert read_location_data(record, ()).is_empty
    assert data_of(url("plain")).is_empty
    assert data_of(HandleValue(1, "10320/loc", b"broken")).is_empty


@given(records)
def test_any_record_can_be_read(record: HandleRecord) -> None:
    """Whatever a record holds, reading its places ends well."""
    data = read_location_data(record)
    assert set(data.unreadable) <= {value.index for value in record.values}


# --- includes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("include", "handles"),
    [
        ("10.1/a", ["10.1/a"]),
        ("10.1/a 10.1/b", ["10.1/a", "10.1/b"]),
        ("10.1/a,10.1/b", ["10.1/a", "10.1/b"]),
        (" 10.1/a ,, \t10.1/b ", ["10.1/a", "10.1/b"]),
        ("", []),
        (" , ", []),
        ("x" * 3000, []),
        (f"{'x' * 3000} 10.1/b", ["10.1/b"]),
    ],
    ids=["one", "blank", "comma", "untidy", "none", "only separators", "too long", "too long among others"],
)
def test_included_handles_are_listed(include: str, handles: list[str]) -> None:
    """``include`` names one handle or several; what cannot be a handle is left out."""
    assert texts(data_of(document("a", root=f'include="{include}"')).included_handles()) == handles


def test_all_documents_may_include() -> None:
    """Handles are included in the order of the documents; links include nothing."""
    data = data_of(
        document(root='include="10.1/a"'),
        document(root='include="10.1/b"'),
        document(root='include="10.1/c"', value_type="10320/links"),
    )
    assert texts(data.included_handles()) == ["10.1/a", "10.1/b"]


# --- the prefix ------------------------------------------------------------------------------------------


def test_handles_inherit_from_their_prefix_and_from_the_registry() -> None:
    """Without a word of the record, it inherits what its prefix names, then what the registry names."""
    for own in (LocationData(HANDLE), data_of(document("a"))):
        found = inherits_from(own, [PREFIX, REGISTRY])
        assert texts(found.handles) == ["20.500.12345/all", "20.500.12345/more", "0.NA/root-locations"]
        assert found.prefixes == ()
    assert inherits_from(LocationData(HANDLE), []).handles == ()


def test_prefix_can_stop_what_comes_from_the_registry() -> None:
    """A prefix that says so keeps the registry's places away from its handles, not its own."""
    stops = decode_namespace(b'<namespace><locs no_nslocs="true">20.500.12345/all</locs></namespace>')
    found = inherits_from(LocationData(HANDLE), [stops, REGISTRY])
    assert texts(found.handles) == ["20.500.12345/all"]


@pytest.mark.parametrize(
    ("root", "handles", "prefixes"),
    [
        ('no_nslocs="1"', [], []),
        ('no_nslocs="yes"', [], []),
        ('no_nslocs="0"', ["20.500.12345/all", "20.500.12345/more", "0.NA/root-locations"], []),
        ('nshdl="10.5/service"', ["10.5/service"], []),
        ('nshdl="10.5/service 10.5/other"', ["10.5/service", "10.5/other"], []),
        ('overridePrefix="10.5"', [], ["0.NA/10.5"]),
        ('overridePrefix="0.NA/10.5"', [], ["0.NA/10.5"]),
        (
            'includeNamespace="10.5,0.na/10.6"',
            ["20.500.12345/all", "20.500.12345/more", "0.NA/root-locations"],
            ["0.NA/10.5", "0.na/10.6"],
        ),
        ('overridePrefix="10.5" includeNamespace="10.6"', [], ["0.NA/10.5", "0.NA/10.6"]),
        ('no_nslocs="true" nshdl="10.5/service" includeNamespace="10.6"', [], []),
    ],
    ids=[
        "nothing",
        "nothing: yes",
        "not nothing",
        "handles in place of the prefix's",
        "several",
        "another prefix",
        "another prefix, as a handle",
        "another prefix beside",
        "others in place and beside",
        "nothing, whatever else is said",
    ],
)
def test_record_may_say_what_it_inherits(root: str, handles: list[str], prefixes: list[str]) -> None:
    """A document can refuse what is inherited, replace it, or add to it."""
    for value_type in ("10320/loc", "10320/links"):
        own = data_of(document("a", root=root, value_type=value_type))
        found = inherits_from(own, [PREFIX, REGISTRY])
        assert (texts(found.handles), texts(found.prefixes)) == (handles, prefixes)


@given(st.data())
def test_damaged_document_refers_only_to_possible_handles(data: st.DataObject) -> None:
    """However a document is mutilated, what it refers to could be asked for."""
    whole = document(root='include="10.1/a 10.1/b" includeNamespace="10.5" nshdl="10.5/service"').data
    own = data_of(HandleValue(1, "10320/loc", data.draw(damaged(whole))))
    found = inherits_from(own, [PREFIX])
    for handle in (*own.included_handles(), *found.handles, *found.prefixes):
        assert Handle.parse(handle.text) == handle
