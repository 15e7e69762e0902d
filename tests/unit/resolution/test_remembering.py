"""What is remembered of a lookup, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.entry import Absence
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue, Permission, TtlType
from resolver.resolution.remembering import COMPUTED_ABSENCE_S, Lifetimes, absence_of, record_of
from resolver.resolution.steps import Answer
from tests.fakes import EPOCH, text_value, url_value
from tests.strategies import values

LIFETIMES = Lifetimes(record_max=3600.0, handle_absence=30.0, prefix_absence=300.0)
SECRET = HandleValue(9, "URL", b"https://secret.example/", permissions=Permission.ADMIN_READ, ttl=1)
SERVER = "udp://192.0.2.1:2641"


def answer_of(*members: HandleValue) -> Answer:
    """Return how a lookup ended."""
    return Answer(HandleRecord("10.1/abc", members), SERVER, authoritative=True)


def test_what_the_public_may_not_read_is_left_out() -> None:
    """Hidden values are not kept, and how long they may be kept does not count."""
    kept = record_of(answer_of(SECRET, url_value()), None, EPOCH, LIFETIMES)
    assert kept.record == HandleRecord("10.1/abc", (url_value(),))
    assert (kept.fetched_at, kept.lifetime_s, kept.answered_by) == (EPOCH, 3600.0, SERVER)


@pytest.mark.parametrize(
    ("members", "lifetime_s"),
    [
        ((url_value(ttl=60), text_value(2, "DESC", "x", ttl=90)), 60.0),
        ((url_value(ttl=86_400),), 3600.0),
        ((url_value(ttl=0),), 0.0),
        ((url_value(ttl=-1),), 0.0),
        ((url_value(ttl=int(EPOCH) + 50, ttl_type=TtlType.ABSOLUTE),), 50.0),
        ((url_value(ttl=1, ttl_type=TtlType.ABSOLUTE),), 0.0),
        ((url_value(ttl=60, ttl_type=7),), 0.0),
        ((), 30.0),
        ((SECRET,), 30.0),
    ],
)
def test_lifetimes(members: tuple[HandleValue, ...], lifetime_s: float) -> None:
    """The shortest lifetime of the values counts; a record without any is about to be filled, or to go."""
    assert record_of(answer_of(*members), None, EPOCH, LIFETIMES).lifetime_s == lifetime_s


@given(st.lists(values, max_size=4))
def test_never_too_long(members: list[HandleValue]) -> None:
    """Whatever a record says, it is kept for no longer than the operator allows, and shows nothing hidden."""
    kept = record_of(answer_of(*members), None, EPOCH, LIFETIMES)
    assert 0 <= kept.lifetime_s <= LIFETIMES.record_max
    assert all(value.is_public for value in kept.record.values)


def test_namespace_of_its_prefix() -> None:
    """What the prefix says about all its handles is kept with each."""
    for namespace in (Namespace("inactive"), None):
        assert record_of(answer_of(url_value()), namespace, EPOCH, LIFETIMES).namespace == namespace


TEMPLATE = Namespace(has_template=True)


@pytest.mark.parametrize(
    ("handle", "namespace", "lifetime_s"),
    [
        ("10.1/abc", None, 30.0),
        ("10.1/abc", Namespace(), 30.0),
        ("10.1/abc", TEMPLATE, COMPUTED_ABSENCE_S),
        ("0.NA/10.1", None, 300.0),
    ],
)
def test_absences(handle: str, namespace: Namespace | None, lifetime_s: float) -> None:
    """A handle may be registered any moment, a prefix hardly; where records are computed, sooner still."""
    found = absence_of(Handle(handle), namespace, EPOCH, LIFETIMES)
    if lifetime_s == 300.0:
        assert found == Absence(EPOCH, 300.0)
    else:
        assert found == Absence(EPOCH, lifetime_s, namespace=namespace)


def test_computed_absence_is_never_longer() -> None:
    """Where the operator lets no absence count at all, none does."""
    never = Lifetimes(handle_absence=0.0)
    assert absence_of(Handle("10.1/abc"), TEMPLATE, EPOCH, never).lifetime_s == 0.0
