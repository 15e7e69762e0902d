"""Referrals: a server names another service, by its sites, by a service handle, or by a handle to look up."""

from __future__ import annotations

import pytest

from resolver.errors import (
    HandleNotFoundError,
    NoServerAnsweredError,
    RefusedError,
    ServiceNotFoundError,
    TransportError,
    UpstreamError,
)
from resolver.model.handle import Handle
from resolver.model.record import HandleValue
from resolver.protocol.codes import ResponseCode
from resolver.resolution.lookup import MAX_REFERRALS, RECURSION_LIMIT
from resolver.resolution.steps import Answer, Ask, Conversation, Fetch, Fetched, Plan
from tests.fakes import record_of, service_value, site_value, url_value
from tests.unit.resolution.conversation import (
    OTHER_SITE,
    REGISTRY,
    SITE,
    THIRD_SITE,
    ask_for,
    asked,
    asking,
    ending,
    failing,
    found,
    planned,
    referral,
    refused,
)

HANDLE = "10.1/abc"
PREFIX_HANDLE = "0.NA/10.1.2"
SERVICE, PREFIX = ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL


def asking_registry(text: str = PREFIX_HANDLE) -> tuple[Conversation[Answer], Ask]:
    """Begin to resolve a prefix handle; return the first question to the registry."""
    lookup = ask_for(text)
    return lookup, asked(lookup.send(planned(next(lookup))))


# --- service referrals (302) -----------------------------------------------------------------------------


def test_by_values() -> None:
    """The values of a referral hold the site to ask: the same question, one lookup deeper."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    step = lookup.send(referral(ask, site_value(OTHER_SITE)))
    assert step == Plan((OTHER_SITE,), Handle(HANDLE), primaries_only=False)
    again = asked(lookup.send(planned(step)))
    assert (again.question.handle, again.question.recursion_count) == (Handle(HANDLE), 1)
    answer = ending(lookup, found(again))
    assert (answer.record, answer.answered_by) == (record_of(HANDLE), "udp://198.51.100.2:2641")


def test_by_values_with_a_service_handle() -> None:
    """Among the values may be a service handle, which is resolved."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    assert lookup.send(referral(ask, service_value("S/1"))) == Fetch(Handle("S/1"), recursion_count=2)
    step = lookup.send(Fetched(record_of("S/1", site_value(OTHER_SITE)), is_old=False))
    assert step == Plan((OTHER_SITE,), Handle(HANDLE), primaries_only=False)


def test_by_handle() -> None:
    """Where the values hold no site, the handle of the referral is resolved."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    assert lookup.send(referral(ask, url_value(), handle="S/1")) == Fetch(Handle("S/1"), recursion_count=2)
    step = lookup.send(Fetched(record_of("S/1", site_value(OTHER_SITE)), is_old=False))
    assert step == Plan((OTHER_SITE,), Handle(HANDLE), primaries_only=False)


def test_values_go_before_the_handle() -> None:
    """Where there are both, nothing needs to be resolved."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    assert isinstance(lookup.send(referral(ask, site_value(OTHER_SITE), handle="S/1")), Plan)


def test_conditions_go_with_the_question() -> None:
    """Who asked for the primary's word gets it from the service referred to as well."""
    lookup = ask_for(HANDLE, authoritative=True)
    ask = asking(lookup)
    step = lookup.send(referral(ask, site_value(OTHER_SITE)))
    assert step == Plan((OTHER_SITE,), Handle(HANDLE), primaries_only=True)
    assert asked(lookup.send(planned(step))).question.authoritative


def test_to_nowhere() -> None:
    """A referral without values and handle is trouble with whoever refers."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    assert isinstance(failing(lookup, referral(ask)), NoServerAnsweredError)


def test_to_a_service_without_sites() -> None:
    """Nor does a referral to a handle that names no site tell anything about the handle asked for."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    lookup.send(referral(ask, handle="S/1"))
    error = failing(lookup, Fetched(record_of("S/1"), is_old=False))
    assert isinstance(error, NoServerAnsweredError)


def test_to_a_handle_that_does_not_exist() -> None:
    """A referral to a missing handle is the service's mistake, not proof that the handle asked for is missing."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    lookup.send(referral(ask, handle="S/1"))
    error = failing(lookup, HandleNotFoundError("S/1"))
    assert isinstance(error, NoServerAnsweredError)
    assert [server for server, _ in error.attempts] == [str(ask.candidate)]


def test_back_to_a_handle_on_the_way() -> None:
    """Nor is it if the handle referred to is the very one that is being looked up."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    lookup.send(referral(ask, handle=HANDLE))
    error = failing(lookup, ServiceNotFoundError(HANDLE, "10.1", "in a circle"))
    assert isinstance(error, NoServerAnsweredError)


def test_to_a_handle_that_is_none() -> None:
    """A referral to something that is no handle is the service's mistake, not the visitor's."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    # 2048 octets on the wire that are no UTF-8 are three times as many once replaced.
    error = failing(lookup, referral(ask, handle="\ufffd" * 2048))
    assert isinstance(error, NoServerAnsweredError)


def test_to_a_handle_out_of_reach() -> None:
    """A referral to a handle that nobody answers for is trouble with the network."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    lookup.send(referral(ask, handle="S/1"))
    assert isinstance(failing(lookup, TransportError("refused")), UpstreamError)


def test_from_one_to_the_next() -> None:
    """Referrals may follow each other, and each costs a step of the recursion."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    for count, site in enumerate((OTHER_SITE, THIRD_SITE, SITE), start=1):
        ask = asked(lookup.send(planned(lookup.send(referral(ask, site_value(site))))))
        assert (ask.candidate.site, ask.question.recursion_count) == (site, count)
    assert ending(lookup, found(ask)).record == record_of(HANDLE)


def test_second_server_refers() -> None:
    """A referral counts from whichever server gives it."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup, (SITE, OTHER_SITE))
    ask = asked(lookup.send(refused(ask)))
    assert isinstance(lookup.send(referral(ask, site_value(THIRD_SITE))), Plan)


def test_referred_service_is_down() -> None:
    """Where the servers referred to fail, those who referred are not asked again."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup, (SITE, THIRD_SITE))
    ask = asked(lookup.send(planned(lookup.send(referral(ask, site_value(OTHER_SITE))))))
    error = failing(lookup, refused(ask))
    assert isinstance(error, NoServerAnsweredError)
    assert [server for server, _ in error.attempts] == ["udp://198.51.100.2:2641"]


def test_endless() -> None:
    """One referral leading to the next without end is given up, and the error says so."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    for _ in range(MAX_REFERRALS):
        ask = asked(lookup.send(planned(lookup.send(referral(ask, site_value(SITE))))))
    error = failing(lookup, referral(ask, site_value(SITE)))
    assert isinstance(error, NoServerAnsweredError)
    assert "without end" in str(error)


def test_last_referral_within_the_recursion_limit() -> None:
    """The last referral that the recursion limit allows is followed."""
    lookup = ask_for(HANDLE, recursion_count=RECURSION_LIMIT - 1)
    ask = asking(lookup)
    ask = asked(lookup.send(planned(lookup.send(referral(ask, site_value(SITE))))))
    assert ask.question.recursion_count == RECURSION_LIMIT == 40
    assert ending(lookup, found(ask)).record == record_of(HANDLE)


def test_recursion_limit() -> None:
    """A referral beyond the recursion limit is not followed."""
    lookup = ask_for(HANDLE, recursion_count=RECURSION_LIMIT)
    ask = asking(lookup)
    error = failing(lookup, referral(ask, site_value(SITE)))
    assert isinstance(error, NoServerAnsweredError)
    assert "too many" in str(error)


def test_registry_refers() -> None:
    """The registry may refer a prefix handle to the service that keeps it."""
    lookup, ask = asking_registry()
    step = lookup.send(referral(ask, site_value(SITE)))
    assert step == Plan((SITE,), Handle(PREFIX_HANDLE), primaries_only=False)
    assert ending(lookup, found(asked(lookup.send(planned(step))))).record == record_of(PREFIX_HANDLE)


def test_registry_refers_to_itself() -> None:
    """HS_SERV 0.NA/0.NA in a referral means the registry's own sites."""
    lookup, ask = asking_registry()
    step = lookup.send(referral(ask, service_value("0.NA/0.NA")))
    assert step == Plan(REGISTRY, Handle(PREFIX_HANDLE), primaries_only=False)


# --- prefix referrals (303) ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [PREFIX_HANDLE, "0.na/10.1.2", "10.1.2"])
@pytest.mark.parametrize("site_type", ["HS_SITE.PREFIX", "HS_NA_DELEGATE"])
def test_prefix_by_values(text: str, site_type: str) -> None:
    """The values of an ancestor say which sites keep its derived prefixes."""
    lookup, ask = asking_registry(text)
    values = (site_value(OTHER_SITE, 1), site_value(SITE, 2, site_type))
    step = lookup.send(referral(ask, *values, code=PREFIX))
    assert step == Plan((SITE,), Handle(text), primaries_only=False)
    again = asked(lookup.send(planned(step)))
    assert again.question.recursion_count == 1
    assert ending(lookup, found(again)).record == record_of(text)


def test_prefix_by_service_handle() -> None:
    """HS_SERV.PREFIX names a service handle, of which only the sites for derived prefixes count."""
    lookup, ask = asking_registry()
    step = lookup.send(referral(ask, service_value("S/1", 3, "HS_SERV.PREFIX"), code=PREFIX))
    assert step == Fetch(Handle("S/1"), recursion_count=2)
    named = record_of("S/1", site_value(OTHER_SITE, 1), site_value(SITE, 2, "HS_SITE.PREFIX"))
    step = lookup.send(Fetched(named, is_old=False))
    assert step == Plan((SITE,), Handle(PREFIX_HANDLE), primaries_only=False)


def test_prefix_by_ordinary_values() -> None:
    """Where no value is meant for derived prefixes, ordinary sites are asked."""
    lookup, ask = asking_registry()
    step = lookup.send(referral(ask, site_value(SITE), code=PREFIX))
    assert step == Plan((SITE,), Handle(PREFIX_HANDLE), primaries_only=False)


def test_prefix_by_handle() -> None:
    """Where the values hold no site, the handle of the referral is resolved, for its derived-prefix sites only."""
    lookup, ask = asking_registry()
    step = lookup.send(referral(ask, handle="0.NA/10.1", code=PREFIX))
    assert step == Fetch(Handle("0.NA/10.1"), recursion_count=2)
    named = record_of("0.NA/10.1", site_value(OTHER_SITE, 1), site_value(SITE, 2, "HS_NA_DELEGATE"))
    step = lookup.send(Fetched(named, is_old=False))
    assert step == Plan((SITE,), Handle(PREFIX_HANDLE), primaries_only=False)


def test_prefix_by_handle_without_derived_sites() -> None:
    """An ancestor that has only ordinary sites does not keep derived prefixes."""
    lookup, ask = asking_registry()
    lookup.send(referral(ask, handle="0.NA/10.1", code=PREFIX))
    error = failing(lookup, Fetched(record_of("0.NA/10.1", site_value(SITE)), is_old=False))
    assert isinstance(error, ServiceNotFoundError | UpstreamError)


@pytest.mark.parametrize("values", [(), (site_value(OTHER_SITE),)])
def test_prefix_referral_for_a_handle(values: tuple[HandleValue, ...]) -> None:
    """Code 303 for a handle that is no prefix is an error, and not followed."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    error = failing(lookup, referral(ask, *values, code=PREFIX))
    assert isinstance(error, RefusedError)
    assert error.code == PREFIX


def test_two_levels_of_derived_prefixes() -> None:
    """A delegate may delegate further: service and prefix referrals mix."""
    lookup, ask = asking_registry("0.NA/10.1.2.3")
    step = lookup.send(referral(ask, site_value(SITE, 1, "HS_SITE.PREFIX"), code=PREFIX))
    ask = asked(lookup.send(planned(step)))
    step = lookup.send(referral(ask, site_value(OTHER_SITE, 1, "HS_SITE.PREFIX"), code=PREFIX))
    ask = asked(lookup.send(planned(step)))
    step = lookup.send(referral(ask, site_value(THIRD_SITE), code=SERVICE))
    ask = asked(lookup.send(planned(step)))
    assert ask.question.recursion_count == 3
    assert ending(lookup, found(ask)).answered_by == "udp://198.51.100.3:2641"


def test_endless_prefix_referrals() -> None:
    """Prefix referrals in a circle are given up like any other."""
    lookup, ask = asking_registry()
    back = site_value(REGISTRY[0], 1, "HS_SITE.PREFIX")
    for _ in range(MAX_REFERRALS):
        ask = asked(lookup.send(planned(lookup.send(referral(ask, back, code=PREFIX)))))
    assert isinstance(failing(lookup, referral(ask, back, code=PREFIX)), NoServerAnsweredError)
