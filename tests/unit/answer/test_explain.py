"""Every place a record names is accounted for: chosen, or with the rule that removed it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.choose import Answer, Redirect, choose_answer
from resolver.answer.explain import Weighed, weigh_places
from resolver.answer.extras import NO_EXTRAS, Extras, read_location_data
from resolver.answer.locations import Circumstances
from resolver.answer.negotiation import Requester
from resolver.answer.preferences import Preferences
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.model.record import HandleRecord, HandleValue
from tests.unit.answer.places import HANDLE, data_of, document, url


def weigh(
    *values: HandleValue,
    extras: Extras = NO_EXTRAS,
    preferences: Preferences = Preferences(),
    circumstances: Circumstances = Circumstances(),
    chance: float = 0.0,
) -> tuple[Answer, dict[str, Weighed]]:
    """Return the answer for a record with these values, and what became of each place, by its name."""
    record = HandleRecord(HANDLE, values)
    own = read_location_data(record)
    answer = choose_answer(
        record, preferences, extras=extras, circumstances=circumstances, chance=lambda: chance
    )
    weighed = weigh_places(record, record.values, own, extras, answer, DEFAULT_SCHEMES)
    names = {place.uri.removeprefix("https://").removesuffix(".example/"): place for place in weighed}
    assert len(names) == len(weighed)
    return answer, names


def rules(places: dict[str, Weighed]) -> dict[str, tuple[str, str]]:
    """Return verdict and rule by name."""
    return {name: (place.verdict, place.rule) for name, place in places.items()}


def test_the_first_url_counts() -> None:
    """Without location data the record's order decides, and subtypes come after URLs."""
    _, places = weigh(url("sub", value_type="URL.x"), url("one"), url("two", index=6))
    assert rules(places) == {
        "one": ("chosen", "order"),
        "two": ("passed_over", "order"),
        "sub": ("passed_over", "subtype"),
    }
    assert places["one"].source == "5 URL"


def test_a_url_that_nobody_is_sent_to() -> None:
    """It is named with its reason, and the next one is chosen."""
    _, places = weigh(HandleValue(1, "URL", b"javascript:alert(1)"), url("two"))
    assert rules(places) == {"two": ("chosen", "order"), "javascript:alert(1)": ("unusable", "target")}
    assert "javascript:" in places["javascript:alert(1)"].why


@pytest.mark.parametrize(
    ("places", "circumstances", "rule"),
    [
        (('a x="1"', 'b x="2"'), Circumstances((("x", "1"),)), "locatt"),
        (('a country="fr"', 'b country="de"'), Circumstances(country="fr"), "country"),
        (('a score="2"', 'b score="1"'), Circumstances(), "score"),
        (('a language="fr"', 'b language="de"'), Circumstances(requester=Requester(None, "fr")), "Accept-Language"),
        (
            ('a http_role="conneg" ctype="text/csv"', 'b http_role="conneg" ctype="text/x"'),
            Circumstances(requester=Requester("text/csv")),
            "Accept",
        ),
    ],
)  # fmt: skip
def test_the_rule_that_decided_is_named(
    places: tuple[str, ...], circumstances: Circumstances, rule: str
) -> None:
    """Each method is named where it removed a place."""
    _, found = weigh(document(*places), circumstances=circumstances)
    assert rules(found) == {"a": ("chosen", "only"), "b": ("passed_over", rule)}
    assert found["b"].why


def test_chance_is_told_as_such() -> None:
    """Where places are drawn, the draw is named; a place without weight had no part in it."""
    _, found = weigh(document('a weight="1"', 'b weight="1"', 'c weight="0"'), chance=0.6)
    assert rules(found) == {
        "b": ("chosen", "weighted"),
        "a": ("passed_over", "weighted"),
        "c": ("passed_over", "weighted"),
    }
    assert found["c"].why == "its weight is 0, and another one has more"
    assert found["a"].why != found["c"].why


def test_inherited_places_say_where_from() -> None:
    """A place of the prefix is attributed to its record."""
    extras = Extras((), (data_of(document("home"), handle="0.NA/20.500.12345"),))
    _, found = weigh(url("own"), extras=extras)
    assert found["home"].source == "0.NA/20.500.12345"
    assert found["own"].source == HANDLE


def test_nothing_is_acceptable() -> None:
    """Where a strict operator refuses, every place was passed over for its type."""
    _, found = weigh(
        document('a http_role="conneg" ctype="text/x"', 'b http_role="conneg" ctype="text/y"'),
        circumstances=Circumstances(requester=Requester("application/pdf+x"), is_strict=True),
    )
    assert rules(found) == {"a": ("passed_over", "Accept"), "b": ("passed_over", "Accept")}


def test_a_record_without_places() -> None:
    """There is nothing to weigh."""
    assert weigh(HandleValue(1, "DESC", b"x"))[1] == {}


@given(
    st.lists(
        st.sampled_from(['country="fr"', 'weight="0"', 'weight="2"', 'language="fr"', 'x="1"', ""]),
        max_size=8,
    ),
    st.floats(0, 0.999),
)
def test_every_place_has_its_verdict(attributes: list[str], chance: float) -> None:
    """Exactly one is chosen, namely where the visitor goes, and all others are accounted for."""
    names = [f"p{number} {text}" for number, text in enumerate(attributes)]
    answer, found = weigh(
        document(*names),
        circumstances=Circumstances((("x", "1"),), Requester(None, "fr"), "fr"),
        chance=chance,
    )
    assert len(found) == len(names)
    chosen = [place.uri for place in found.values() if place.verdict == "chosen"]
    assert chosen == ([answer.target.uri] if isinstance(answer, Redirect) else [])
