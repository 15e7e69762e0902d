"""HS_NAMESPACE values."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.model.namespace import Namespace
from resolver.model.record import HandleValue
from resolver.protocol.namespaces import decode_namespace, namespace_of
from tests.strategies import damaged

FULL = b"""<?xml version="1.0" encoding="UTF-8"?>
<namespace>
  <status> inactive </status>
  <statusmsg>Moved to <b>example.org</b> &amp; friends</statusmsg>
  <contact>hdl@example.org</contact>
  <locs>10.1/locs</locs>
  <locs no_nslocs="Yes">
    10.1/more
  </locs>
  <template delimiter="@"><foreach/></template>
  <future/>
</namespace>
"""


def a_value(index: int, data: bytes, value_type: str = "HS_NAMESPACE") -> HandleValue:
    return HandleValue(index, value_type, data)


def test_everything_an_owner_can_say() -> None:
    """Each element is read, without the white space around its text; unknown elements are passed over."""
    namespace = decode_namespace(FULL)
    assert namespace == Namespace(
        status="inactive",
        status_message="Moved to example.org & friends",
        contact="hdl@example.org",
        location_handles=("10.1/locs", "10.1/more"),
        stops_inheritance=True,
        has_template=True,
    )
    assert namespace.is_inactive


@pytest.mark.parametrize(
    "octets",
    [
        b"<namespace/>",
        b"<x><status/></x>",
        b"<hs_namespace><status>active</status></hs_namespace>",
        b"<n>text</n>",
    ],
)
def test_silence_means_active(octets: bytes) -> None:
    """A namespace that says nothing leaves its handles alone, whatever its root element is called."""
    assert decode_namespace(octets) == Namespace()


def test_names_may_be_qualified() -> None:
    """Elements count in whatever XML namespace the owner put them."""
    octets = b'<n xmlns="urn:x" xmlns:y="urn:y"><y:status>inactive</y:status><locs>10.1/l</locs></n>'
    assert decode_namespace(octets) == Namespace(status="inactive", location_handles=("10.1/l",))


def test_first_of_two_counts() -> None:
    """Where an element that makes sense once is there twice, the first is read."""
    octets = (
        b"<n><status>inactive</status><status>active</status><contact>a@b</contact><contact>c@d</contact></n>"
    )
    namespace = decode_namespace(octets)
    assert (namespace.status, namespace.contact) == ("inactive", "a@b")


def test_only_children_of_the_root_count() -> None:
    """A status inside another element belongs to that element."""
    assert decode_namespace(b"<n><template><status>inactive</status></template></n>") == Namespace(
        has_template=True
    )


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [("yes", True), ("true", True), ("1", True), ("TRUE", True), ("no", False), ("0", False), ("", False)],
)
def test_owner_can_stop_inheritance(attribute: str, expected: bool) -> None:
    """The registry's own locations are left out when any of the owner's says so."""
    octets = f'<n><locs>10.1/a</locs><locs no_nslocs="{attribute}"/></n>'.encode()
    namespace = decode_namespace(octets)
    assert namespace.stops_inheritance is expected
    assert namespace.location_handles == ("10.1/a",)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"inactive",
        b"<n><status>inactive</n>",
        b'<!DOCTYPE n [<!ENTITY s "inactive">]><n><status>&s;</status></n>',
        b"<n>" * 200_000,
    ],
    ids=["empty", "text", "mistake", "entity", "bomb"],
)
def test_what_cannot_be_read_counts_as_absent(octets: bytes) -> None:
    """A namespace with a mistake is refused, and a prefix that has no other is as if it had none."""
    with pytest.raises(MessageFormatError):
        decode_namespace(octets)
    assert namespace_of([a_value(1, octets)]) is None


def test_lowest_index_that_can_be_read_counts() -> None:
    """Of several namespaces the first by index is used, broken and empty ones and other types aside."""
    values = [
        a_value(9, b"<n><contact>nine</contact></n>"),
        a_value(5, b"<n><contact>five</contact></n>"),
        a_value(3, b"<n>"),
        a_value(2, b" \n"),
        a_value(1, b"<n><contact>one</contact></n>", "DESC"),
        a_value(0, b"<n><contact>zero</contact></n>", "HS_NAME\u017fPACE"),
    ]
    found = namespace_of(values)
    assert found is not None
    assert found.contact == "five"


@pytest.mark.parametrize("values", [[], [a_value(1, b"<n/>", "URL")]], ids=["no value", "no namespace"])
def test_prefix_without_a_namespace_has_none(values: list[HandleValue]) -> None:
    """A prefix that says nothing has no namespace, which is the usual case."""
    assert namespace_of(values) is None


@given(st.one_of(st.binary(max_size=60), damaged(FULL)))
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are a namespace or raise MessageFormatError; in a record they never raise."""
    with contextlib.suppress(MessageFormatError):
        decode_namespace(octets)
    namespace_of([a_value(1, octets)])
