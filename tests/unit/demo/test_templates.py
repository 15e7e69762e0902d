"""Records that servers make up by the template of a prefix."""

from __future__ import annotations

import pytest

from resolver.demo.templates import MAX_REFERENCES, compute_values
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue
from tests.fakes import record_of, text_value

BASE, URL = "1234/abc", "http://example.org/data/abc"
ABC = record_of(
    BASE,
    text_value(3, "URL", URL, ttl=77),
    text_value(4, "EMAIL", "abc@example.org"),
)


def compute(
    template: str, handle: str = f"{BASE}@x=1", *others: HandleRecord, delimiter: str = "@"
) -> list[tuple[int, str, str]]:
    """Return the values that a template makes: index, type and data."""
    namespace = f'<namespace><template delimiter="{delimiter}">{template}</template></namespace>'
    return computed(namespace, handle, *others)


def computed(
    namespace: str, handle: str = f"{BASE}@x=1", *others: HandleRecord
) -> list[tuple[int, str, str]]:
    """The same for a whole namespace."""
    prefix_record = record_of("0.NA/1234", text_value(7, "HS_NAMESPACE", namespace))
    known = {record.handle: record for record in (ABC, *others)}
    values = compute_values(Handle(handle), prefix_record, known.get)
    return [(value.index, value.type, value.data.decode()) for value in values]


def test_example_of_the_manual() -> None:
    """The extension goes on to the URL, and everything else stays."""
    template = (
        '<foreach><if value="type" expression="URL"><value data="${data}?${extension}"/></if>'
        "<else><value/></else></foreach>"
    )
    assert compute(template) == [
        (3, "URL", "http://example.org/data/abc?x=1"),
        (4, "EMAIL", "abc@example.org"),
    ]


@pytest.mark.parametrize(
    ("handle", "delimiter", "expected"),
    [
        ("1234/abc@x@y", "@", "1234/abc x@y"),
        ("1234/abc@", "@", "1234/abc "),
        ("1234/a", "/", "1234 a"),
        ("1234/none--x", "--", "1234/none x"),
        ("1234/abc", "@", None),
    ],
)
def test_delimiter(handle: str, delimiter: str, expected: str | None) -> None:
    """The first delimiter behind the prefix divides the handle; without one there is nothing to compute."""
    found = compute('<value type="X" data="${base} ${extension}"/>', handle, delimiter=delimiter)
    assert found == ([] if expected is None else [(1, "X", expected)])


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('<value type="URL" data="http://e.org/${handle}"/>', [(1, "URL", "http://e.org/1234/abc@x=1")]),
        ('<value type="X">text ${base}</value>', [(1, "X", "text 1234/abc")]),
        ('<value type="X"/><value data="y"/><value type="Z" data=""/>', [(1, "Z", "")]),
        ('<value index="9" type="X" data="a"/><value type="Y" data="b"/>', [(1, "X", "a"), (2, "Y", "b")]),
        ('<foreach><value index="9" type="X" data=""/></foreach>', [(9, "X", ""), (10, "X", "")]),
        ('<foreach><value type="X"/></foreach>', [(3, "X", URL), (4, "X", "abc@example.org")]),
        ('<value type="X" data="\\${base} \\\\ ${unknown}!"/>', [(1, "X", "${base} \\ !")]),
        ("", []),
        ("<what/>", []),
    ],
)
def test_values(template: str, expected: list[tuple[int, str, str]]) -> None:
    """Values outside a foreach need type and data; inside, what is missing is copied."""
    assert compute(template) == expected


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ('value="extension" expression="x=1"', True),
        ('value="extension" expression="X=1"', True),
        ('value="extension" expression="x"', False),
        ('value="extension" expression="x" negate="true"', True),
        ('value="extension" test="matches" expression="x=\\d"', True),
        ('value="extension" test="matches" expression="x="', False),
        ('value="extension" test="matches" expression="("', False),
        ('value="${base}!" expression="1234/abc!"', True),
        ('value="nobody" expression=""', False),
    ],
)
def test_conditions(condition: str, met: bool) -> None:
    """Equality ignores case; an expression has to match the whole text; a broken one matches nothing."""
    found = compute(
        f'<if {condition}><value type="YES" data=""/></if><else><value type="NO" data=""/></else>'
    )
    assert [value_type for _, value_type, _ in found] == ["YES" if met else "NO"]


def test_groups_of_matches() -> None:
    """What an expression has matched can be used: by number for the extension, by name for others."""
    template = (
        '<if value="extension" test="matches" expression="(.)=(.)">'
        '<if value="base" test="matches" expression=".*/(.*)" parameter="b">'
        '<value type="X" data="$2 ${1} ${b[1]} ${b[7]} ${c[1]}"/></if></if>'
    )
    assert compute(template) == [(1, "X", "1 x abc  ")]


def test_definitions() -> None:
    """A name can be given to the data of the first value that is made inside."""
    template = (
        '<def parameter="mail"><foreach><if value="type" expression="EMAIL"><value/></if></foreach></def>'
        '<value type="X" data="mailto:${mail}"/>'
    )
    assert compute(template) == [(1, "X", "mailto:abc@example.org")]


def test_not_found() -> None:
    """A template may decide that there is no such handle, whatever it has made before."""
    template = '<value type="X" data="x"/><if value="extension" expression="no"><notfound/></if>'
    assert compute(template) == [(1, "X", "x")]
    assert compute(template, f"{BASE}@no") == []


def test_reference() -> None:
    """The template may stand in a value of another handle, which may refer on, but not without end."""
    there = record_of(
        "1234/template", text_value(5, "X", '<template><value type="X" data="there"/></template>')
    )
    loop = record_of("1234/loop", text_value(5, "X", '<template ref="5:1234/loop"/>'))
    long = [
        record_of(f"1234/{n}", text_value(5, "X", f'<template ref="5:1234/{n + 1}"/>'))
        for n in range(MAX_REFERENCES - 2)
    ]
    end = record_of(f"1234/{MAX_REFERENCES - 2}", *there.values)

    def refer(to: str, *others: HandleRecord) -> list[tuple[int, str, str]]:
        return computed(f'<n><template delimiter="@" ref="{to}"/></n>', f"{BASE}@x", *others)

    assert refer("5:1234/template", there) == [(1, "X", "there")]
    assert refer("5:1234/0", *long, end) == [(1, "X", "there")]
    assert refer("5:1234/loop", loop) == []
    assert refer("6:1234/template", there) == []
    assert refer("5:1234/nothing") == []
    assert refer("3:1234/abc") == []


def test_base_that_does_not_exist() -> None:
    """A template can do without a record of the base."""
    assert compute('<value type="X" data="${extension}"/>', "1234/zzz@q") == [(1, "X", "q")]
    assert compute("<foreach><value/></foreach>", "1234/zzz@q") == []


def test_namespace_of_the_base() -> None:
    """A template in the record of the base goes before that of the prefix."""
    own = HandleValue(9, "HS_NAMESPACE", b'<n><template><value type="OWN" data="1"/></template></n>')
    base = record_of("1234/own", own)
    assert compute('<value type="OUTER" data="1"/>', "1234/own@x", base) == [(1, "OWN", "1")]


@pytest.mark.parametrize(
    "namespace",
    ["", "<n/>", "<n><template/></n>", "not xml", '<!DOCTYPE n><n><template delimiter="@"/></n>'],
)
def test_namespaces_without_a_template(namespace: str) -> None:
    """Without a delimiter there is nothing to compute."""
    assert computed(namespace) == []
