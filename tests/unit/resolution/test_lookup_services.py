"""Who is responsible for a handle: the conversation until the servers of a service are known."""

from __future__ import annotations

import pytest

from resolver.errors import (
    HandleNotFoundError,
    NoServerAnsweredError,
    ServiceNotFoundError,
    TransportError,
    UpstreamError,
)
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site
from resolver.protocol.codes import ResponseCode
from resolver.resolution.lookup import MAX_SERVICE_HANDLES, RECURSION_LIMIT, USUAL_SITE_OCTETS
from resolver.resolution.steps import Answer, Conversation, Fetch, Fetched, Plan, Step
from tests.fakes import record_of, service_value, site_at, site_value, text_value, url_value
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
    fetched,
    found,
    heard,
    planned,
    prefix_record,
    refused,
)

HANDLE = "10.1/abc"


def service(handle: str, *values: HandleValue) -> Fetched:
    """Let the record of a service handle arrive."""
    return Fetched(record_of(handle, *values), is_old=False)


def sites_in(step: Step) -> tuple[Site, ...]:
    """Return the sites that are to be asked."""
    assert isinstance(step, Plan), step
    return step.sites


def test_direct_site() -> None:
    """From top to bottom: the record of the prefix, its site, the server there, the answer."""
    lookup = ask_for(HANDLE)
    assert next(lookup) == Fetch(Handle("0.NA/10.1"), recursion_count=1)
    step = lookup.send(fetched())
    assert step == Plan((SITE,), Handle(HANDLE), primaries_only=False)
    ask = asked(lookup.send(planned(step)))
    assert (ask.candidate.site, ask.question.handle.text) == (SITE, HANDLE)
    answer = ending(lookup, found(ask))
    assert answer.record == record_of(HANDLE)
    assert answer.answered_by == "udp://198.51.100.1:2641"
    assert answer.authoritative
    assert answer.prefix_values == prefix_record()


def test_prefix_is_folded() -> None:
    """The prefix is asked for in capitals, the handle as it was written."""
    lookup = ask_for("10.abc/Def")
    assert next(lookup) == Fetch(Handle("0.NA/10.ABC"), recursion_count=1)
    step = lookup.send(fetched())
    assert step == Plan((SITE,), Handle("10.abc/Def"), primaries_only=False)


@pytest.mark.parametrize("site_type", ["HS_SITE", "HS_SITE.6"])
def test_types_that_hold_sites(site_type: str) -> None:
    """Both types of site values count, each as it stands in the record."""
    lookup = ask_for(HANDLE)
    next(lookup)
    values = (site_value(OTHER_SITE), url_value(), site_value(SITE, 11, site_type))
    assert sites_in(lookup.send(fetched(*values))) == (OTHER_SITE, SITE)


@pytest.mark.parametrize(
    "site_type", ["#HS_SITE", "hs_site", "HS_SITE.PREFIX", "HS_NA_DELEGATE", "HS_SITE.7"]
)
def test_types_that_do_not(site_type: str) -> None:
    """Sites that were switched off, or that serve derived prefixes, are not asked for handles."""
    lookup = ask_for(HANDLE)
    next(lookup)
    assert isinstance(failing(lookup, fetched(site_value(SITE, 10, site_type))), ServiceNotFoundError)


def test_one_service_handle() -> None:
    """HS_SERV names a service handle, whose record holds the site."""
    lookup = ask_for(HANDLE)
    next(lookup)
    assert lookup.send(fetched(service_value("0.SERV/1"))) == Fetch(Handle("0.SERV/1"), recursion_count=1)
    step = lookup.send(service("0.SERV/1", site_value(SITE)))
    assert sites_in(step) == (SITE,)
    ask = asked(lookup.send(planned(step)))
    answer = ending(lookup, found(ask))
    assert answer.prefix_values == prefix_record(service_value("0.SERV/1"))


def test_two_hops() -> None:
    """A service handle may name another."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("0.SERV/1")))
    assert lookup.send(service("0.SERV/1", service_value("10.2/serv"))) == Fetch(Handle("10.2/serv"), 1)
    assert sites_in(lookup.send(service("10.2/serv", site_value(SITE)))) == (SITE,)


def test_order_of_sites() -> None:
    """Own sites come first, then those of each service handle with all that it names, without doubles."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("S/1", 1), service_value("S/2", 2), site_value(SITE)))
    lookup.send(service("S/1", site_value(OTHER_SITE), service_value("S/3")))
    lookup.send(service("S/2", site_value(SITE), site_value(REGISTRY[0])))
    step = lookup.send(service("S/3", site_value(THIRD_SITE), site_value(OTHER_SITE)))
    assert sites_in(step) == (SITE, OTHER_SITE, THIRD_SITE, REGISTRY[0])


def test_service_handle_of_a_handle_deeper_down() -> None:
    """The recursion count of the question is carried on: each lookup within a lookup costs one."""
    lookup = ask_for(HANDLE, recursion_count=7)
    assert next(lookup) == Fetch(Handle("0.NA/10.1"), recursion_count=8)
    assert lookup.send(fetched(service_value("S/1"))) == Fetch(Handle("S/1"), recursion_count=8)


def test_service_handle_that_names_itself() -> None:
    """A service handle is visited once, however it is spelled."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("s/a")))
    assert sites_in(lookup.send(service("s/a", service_value("S/A"), site_value(SITE)))) == (SITE,)


def test_circle_of_service_handles() -> None:
    """Service handles that name each other are visited once each; without a site there is no service."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("S/1")))
    lookup.send(service("S/1", service_value("S/2")))
    error = failing(lookup, service("S/2", service_value("S/1")))
    assert isinstance(error, ServiceNotFoundError)
    assert (error.prefix, error.reason) == ("10.1", "its record names no site")


def test_missing_service_handle() -> None:
    """A service handle that does not exist is left out."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("S/1", 1), service_value("S/2", 2)))
    assert lookup.throw(HandleNotFoundError("S/1")) == Fetch(Handle("S/2"), 1)
    assert sites_in(lookup.send(service("S/2", site_value(SITE)))) == (SITE,)


def test_only_service_handle_is_missing() -> None:
    """Where the only service handle does not exist, there is no service."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("S/1")))
    assert isinstance(failing(lookup, HandleNotFoundError("S/1")), ServiceNotFoundError)


def test_service_handle_out_of_reach() -> None:
    """A service handle that nobody answers for is left out, as long as there is another site."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("S/1"), site_value(SITE)))
    assert sites_in(lookup.throw(TransportError("refused"))) == (SITE,)


def test_all_service_handles_out_of_reach() -> None:
    """Where no service handle could be asked for, that is trouble, not absence: the first of it is reported."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(service_value("S/1", 1), service_value("S/2", 2)))
    first = TransportError("refused")
    lookup.throw(first)
    assert failing(lookup, TransportError("silence")) is first


def test_service_handle_at_the_registry() -> None:
    """HS_SERV may name the registry itself, in any spelling; its sites are known already."""
    lookup = ask_for(HANDLE)
    next(lookup)
    assert sites_in(lookup.send(fetched(service_value("0.na/0.na"), site_value(SITE)))) == (SITE, *REGISTRY)


@pytest.mark.parametrize("data", [b"", b"   ", b"\xff\xfe", b"x" * 2049])
def test_service_value_without_a_handle(data: bytes) -> None:
    """HS_SERV values that hold no handle are left out."""
    lookup = ask_for(HANDLE)
    next(lookup)
    assert sites_in(lookup.send(fetched(HandleValue(1, "HS_SERV", data), site_value(SITE)))) == (SITE,)


def test_spaces_around_a_service_handle() -> None:
    """Spaces around a service handle are a typing error that everybody else forgives too."""
    lookup = ask_for(HANDLE)
    next(lookup)
    assert lookup.send(fetched(service_value(" S/1\n"))) == Fetch(Handle("S/1"), 1)


def test_too_many_service_handles() -> None:
    """Only so many service handles are visited while one service is located."""
    lookup = ask_for(HANDLE)
    next(lookup)
    values = [service_value(f"S/{number}", number) for number in range(MAX_SERVICE_HANDLES + 10)]
    step = lookup.send(fetched(*values))
    for number in range(MAX_SERVICE_HANDLES):
        assert step == Fetch(Handle(f"S/{number}"), 1)
        if number < MAX_SERVICE_HANDLES - 1:
            step = lookup.throw(HandleNotFoundError("missing"))
    assert isinstance(failing(lookup, HandleNotFoundError("missing")), ServiceNotFoundError)


def test_endless_chain_of_service_handles() -> None:
    """A chain in which each service handle names a new one comes to an end."""
    lookup = ask_for(HANDLE)
    next(lookup)
    step: Step = lookup.send(fetched(service_value("S/0")))
    for visited in range(1, MAX_SERVICE_HANDLES):
        assert isinstance(step, Fetch)
        step = lookup.send(service(step.handle.text, service_value(f"S/{visited}")))
    error = failing(lookup, service("S/19", service_value("S/20")))
    assert isinstance(error, ServiceNotFoundError)


def test_unreadable_site_among_good_ones() -> None:
    """A site value that cannot be read does not hide the others."""
    lookup = ask_for(HANDLE)
    next(lookup)
    good, other = site_value(SITE, 1), site_value(OTHER_SITE, 4)
    broken = HandleValue(2, "HS_SITE", good.data[:-1])
    text = text_value(3, "HS_SITE", '{"servers": []}')
    assert sites_in(lookup.send(fetched(good, broken, text, other))) == (SITE, OTHER_SITE)


def test_only_unreadable_sites() -> None:
    """Where no site can be read, there is no service."""
    lookup = ask_for(HANDLE)
    next(lookup)
    assert isinstance(failing(lookup, fetched(text_value(3, "HS_SITE", "?"))), ServiceNotFoundError)


# --- prefixes that lead nowhere --------------------------------------------------------------------------


def test_prefix_not_registered() -> None:
    """A prefix that the registry does not know has no service."""
    lookup = ask_for(HANDLE)
    next(lookup)
    error = failing(lookup, HandleNotFoundError("0.NA/10.1"))
    assert isinstance(error, ServiceNotFoundError)
    assert (error.handle, error.prefix, error.reason) == (HANDLE, "10.1", "it is not registered")


def test_reason_is_passed_on() -> None:
    """Where the prefix lookup itself found no service, its reason is told with our handle."""
    lookup = ask_for(HANDLE)
    next(lookup)
    error = failing(lookup, ServiceNotFoundError("0.NA/10.1", "0.NA", "in a circle"))
    assert isinstance(error, ServiceNotFoundError)
    assert (error.handle, error.prefix, error.reason) == (HANDLE, "10.1", "in a circle")


def test_registry_out_of_reach() -> None:
    """Where nobody can be asked for the prefix, that is trouble, and passed on as it is."""
    lookup = ask_for(HANDLE)
    next(lookup)
    trouble = NoServerAnsweredError([("udp://192.0.2.1:2641", TransportError("refused"))])
    assert failing(lookup, trouble) is trouble


def test_prefix_without_sites() -> None:
    """A prefix whose record names no site has no service."""
    lookup = ask_for(HANDLE)
    next(lookup)
    error = failing(lookup, fetched(url_value()))
    assert isinstance(error, ServiceNotFoundError)
    assert error.reason == "its record names no site"


def test_old_prefix_without_sites() -> None:
    """Where a remembered record names no site, a primary of the registry is asked once whether that still holds."""
    lookup = ask_for(HANDLE)
    next(lookup)
    step = lookup.send(fetched(url_value(), is_old=True))
    assert step == Fetch(Handle("0.NA/10.1"), recursion_count=1, authoritative=True)
    assert sites_in(lookup.send(fetched(is_old=False))) == (SITE,)


def test_old_prefix_without_sites_still() -> None:
    """If it still holds, there is no service; nobody asks a third time."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched(url_value(), is_old=True))
    assert isinstance(failing(lookup, fetched(url_value())), ServiceNotFoundError)


# --- handles of the registry, and the limit --------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["0.NA/10.1", "0.na/10.1", "0.SERV/x", "0.0/0.0", "0/x", "10.1", "abc", "0.x"]
)
def test_global_handles(text: str) -> None:
    """Handles of the registry and bare prefixes go straight to its sites, without a prefix lookup."""
    lookup = ask_for(text)
    step = next(lookup)
    assert step == Plan(REGISTRY, Handle(text), primaries_only=False)
    ask = asked(lookup.send(planned(step)))
    answer = ending(lookup, found(ask))
    assert answer.prefix_values is None


@pytest.mark.parametrize("text", ["00.NA/x", "10.1/0.NA", "1/x", "/x"])
def test_handles_that_only_look_global(text: str) -> None:
    """Everything else has a prefix to be looked up first."""
    assert isinstance(next(ask_for(text)), Fetch)


def test_authoritative_question() -> None:
    """Who wants the primary's word has only primaries asked, for a prefix record that may be remembered."""
    lookup = ask_for(HANDLE, authoritative=True)
    assert next(lookup) == Fetch(Handle("0.NA/10.1"), 1, authoritative=False)
    assert lookup.send(fetched()) == Plan((SITE,), Handle(HANDLE), primaries_only=True)


def test_recursion_limit() -> None:
    """A lookup that too many others led to is not begun; the last that may be is."""
    error = failing(ask_for(HANDLE, recursion_count=RECURSION_LIMIT + 1))
    assert isinstance(error, ServiceNotFoundError | UpstreamError)
    assert next(ask_for(HANDLE, recursion_count=RECURSION_LIMIT)) == Fetch(
        Handle("0.NA/10.1"), RECURSION_LIMIT + 1
    )


# --- a prefix that moved ---------------------------------------------------------------------------------


def moved() -> tuple[Conversation[Answer], Step]:
    """Let the only server of a remembered prefix record fail; return what the lookup does then."""
    lookup = ask_for(HANDLE)
    next(lookup)
    step = lookup.send(fetched(is_old=True))
    ask = asked(lookup.send(planned(step)))
    return lookup, lookup.send(refused(ask))


def test_old_prefix_record_is_fetched_anew() -> None:
    """When all servers of a remembered prefix fail, a primary of the registry is asked, and the new site is used."""
    lookup, step = moved()
    assert step == Fetch(Handle("0.NA/10.1"), recursion_count=1, authoritative=True)
    newer = site_value(OTHER_SITE)
    step = lookup.send(fetched(newer))
    assert sites_in(step) == (OTHER_SITE,)
    ask = asked(lookup.send(planned(step)))
    answer = ending(lookup, found(ask))
    assert answer.prefix_values == prefix_record(newer)


def test_prefix_record_is_fetched_anew_once() -> None:
    """If the servers of the new record fail too, that is the end."""
    lookup, _ = moved()
    step = lookup.send(fetched(site_value(OTHER_SITE), is_old=True))
    ask = asked(lookup.send(planned(step)))
    error = failing(lookup, refused(ask))
    assert isinstance(error, NoServerAnsweredError)
    assert [server for server, _ in error.attempts] == ["udp://198.51.100.2:2641"]


@pytest.mark.parametrize("values", [(site_value(SITE),), (url_value(),)])
def test_nothing_new_about_the_prefix(values: tuple[HandleValue, ...]) -> None:
    """If the new record names the same sites, or none, the first error stands."""
    lookup, _ = moved()
    error = failing(lookup, fetched(*values))
    assert isinstance(error, NoServerAnsweredError)
    assert [server for server, _ in error.attempts] == ["udp://198.51.100.1:2641"]


def test_prefix_is_gone() -> None:
    """If the prefix is not registered any more, there is no service."""
    lookup, _ = moved()
    assert isinstance(failing(lookup, HandleNotFoundError("0.NA/10.1")), ServiceNotFoundError)


def test_young_prefix_record_is_believed() -> None:
    """A prefix record that was just fetched is not asked for again."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    assert isinstance(failing(lookup, refused(ask)), UpstreamError)


def test_absence_is_believed() -> None:
    """A server that knows the handle does not exist is believed, however old the prefix record is."""
    lookup = ask_for(HANDLE)
    next(lookup)
    step = lookup.send(fetched(is_old=True))
    ask = asked(lookup.send(planned(step)))
    error = failing(lookup, heard(ask.candidate, ResponseCode.HANDLE_NOT_FOUND))
    assert type(error) is HandleNotFoundError
    assert error.handle == HANDLE


def test_record_of_the_answer() -> None:
    """The record carries the handle as the server spells it, and its values in the server's order."""
    lookup = ask_for("10.1/ABC")
    ask = asking(lookup)
    values = (text_value(7, "EMAIL", "a@example.org"), url_value())
    answer = ending(lookup, found(ask, *values))
    assert answer.record == HandleRecord("10.1/ABC", values)


@pytest.mark.parametrize("octets", [10, USUAL_SITE_OCTETS + 1])
def test_site_records_of_any_size(octets: int) -> None:
    """A site record is read the same however often and however long it is."""
    site = site_at("198.51.100.77", attributes=[("desc", "d" * octets)])
    for _ in range(3):
        lookup = ask_for("10.1/abc")
        next(lookup)
        step = lookup.send(fetched(site_value(site)))
        assert isinstance(step, Plan)
        assert step.sites == (site,)
