"""Records as plain text."""

from __future__ import annotations

from hypothesis import given

from resolver.answer.formats import RecordView
from resolver.answer.formats.text import write
from resolver.model.record import HandleValue
from tests.unit.answer.formats.samples import ALL, CITATION, HANDLE, view, views


def test_known_record() -> None:
    """A record reads as one paragraph for each value, structured ones decoded, binary ones in hexadecimal."""
    assert write(view(*ALL)).decode() == (
        f"{HANDLE}\n"
        f"{CITATION}\n"
        "\n"
        "1  URL\n"
        "    https://example.org/?a=1&b=2\n"
        "    changed 2023-11-14T22:13:20Z\n"
        "\n"
        "2  DESC\n"
        '    Über "alles",\n'
        "    \tzweite Zeile\\\n"
        "\n"
        "100  HS_ADMIN\n"
        "    Administrator: 200:0.NA/20.500.12345\n"
        "    May: add handle, delete handle, add derived prefix, delete derived prefix, modify value, "
        "remove value, add value, modify admin, remove admin, add admin, read value, list handles\n"
        "\n"
        "3  PHOTO\n"
        "    00 ff 01\n"
        "\n"
        "4  URL\n"
        "    javascript:alert(1)\n"
    )


def test_places_are_told_with_their_attributes() -> None:
    """A document of places says of each where it leads, and when."""
    document = b'<l chooseby="country"><location href="https://us.example/" country="us" weight="0"/></l>'
    assert (
        write(view(HandleValue(1, "10320/loc", document)))
        .decode()
        .endswith(
            "1  10320/loc\n    chooseby: country\n    Place 1: https://us.example/ (country us, weight 0)\n"
        )
    )


def test_record_without_values_is_just_named() -> None:
    """Where nothing is shown, the handle and its address are."""
    assert write(view()).decode() == f"{HANDLE}\n{CITATION}\n"


def test_no_value_looks_like_another() -> None:
    """Line breaks in a handle, a type or data cannot make up a further value: all data are indented."""
    forged = "X\n\n2  URL\n    https://evil.example/"
    members = (
        HandleValue(1, forged, b"a"),
        HandleValue(1, "DESC", forged.encode()),
        HandleValue(1, "DESC", forged.replace("\n", "\r").encode()),
        HandleValue(1, "10320/loc", b'<l><location href="a" t="b&#10;2  URL"/></l>'),
        HandleValue(1, "HS_NAMESPACE", f"<n><statusmsg>{forged}</statusmsg></n>".encode()),
    )
    for member in members:
        lines = write(view(member)).decode().split("\n")
        assert [line for line in lines if line.startswith("2  URL")] == [], member
    assert write(view(handle=f"10.1/{forged}")).decode().count("\n") == 2


@given(views)
def test_terminals_are_not_steered(record: RecordView) -> None:
    """Whatever a record holds, no control or direction-changing character reaches the terminal; it is UTF-8."""
    text = write(record).decode()
    assert not [
        character
        for character in text
        if (ord(character) < 0x20 and character not in "\n\t") or 0x7F <= ord(character) < 0xA0
    ]
    assert not set(text) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\ufeff")
    heads = [paragraph.split("\n")[0] for paragraph in text.rstrip("\n").split("\n\n")]
    assert len([head for head in heads[1:] if not head.startswith(" ")]) <= len(record.values)
