"""Asking the servers of a service: who comes next, what each response code means, and what is said in the end."""

from __future__ import annotations

import pytest

from resolver.errors import (
    HandleNotFoundError,
    InvalidHandleError,
    LookupTimeoutError,
    MessageFormatError,
    NoServerAnsweredError,
    RefusedError,
    TransportError,
)
from resolver.model.handle import Handle
from resolver.model.site import Transport
from resolver.protocol.bodies import Body, ChallengeResponse, ErrorResponse, OtherBody, SiteInfoResponse
from resolver.protocol.codes import OpFlag, ResponseCode
from resolver.resolution.lookup import AGAIN_AFTER_S, MAX_REPETITIONS
from resolver.resolution.steps import Failed, Fetched, Listen, Plan, Quiet
from tests.fakes import record_of
from tests.unit.resolution.conversation import (
    OTHER_SITE,
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
    refused,
)

HANDLE = "10.1/abc"

NEXT_SERVER = {2, 3, 4, 6, 7, 300, 301, 500}
FINAL = {5, 101, 201, 202, 400, 401, 403, 404, 405, 406, 501, 502, 503, 504, 505}
OF_THEIR_OWN = {0, 1, 100, 102, 200, 302, 303, 402}


def test_every_code_is_in_one_group() -> None:
    """The tests below leave no response code out."""
    assert {int(code) for code in ResponseCode} == NEXT_SERVER | FINAL | OF_THEIR_OWN
    assert not NEXT_SERVER & FINAL
    assert not OF_THEIR_OWN & (NEXT_SERVER | FINAL)


# --- what the codes mean ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(NEXT_SERVER))
def test_another_may_know_better(code: int) -> None:
    """A server that is busy, broken, out of date or not responsible passes the question on to the next one."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    second = asked(lookup.send(heard(first.candidate, ResponseCode(code))))
    assert second.candidate.site == OTHER_SITE
    answer = ending(lookup, found(second))
    assert answer.record == record_of(HANDLE)


@pytest.mark.parametrize("code", sorted(NEXT_SERVER))
def test_nobody_knows_better(code: int) -> None:
    """If all of them say so, the error names each with its code and words."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    error = failing(lookup, heard(ask.candidate, ResponseCode(code), ErrorResponse("come back tomorrow")))
    assert isinstance(error, NoServerAnsweredError)
    ((server, cause),) = error.attempts
    assert server == "udp://198.51.100.1:2641"
    assert isinstance(cause, RefusedError)
    assert (cause.code, cause.message) == (code, "come back tomorrow")


@pytest.mark.parametrize("code", sorted(FINAL))
def test_refused_for_good(code: int) -> None:
    """Any other error is the service's last word, even with servers left."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    error = failing(lookup, heard(first.candidate, ResponseCode(code), ErrorResponse("no")))
    assert isinstance(error, RefusedError)
    assert (error.code, error.message) == (code, "no")


def test_not_found() -> None:
    """Code 100: the handle does not exist; nobody else is asked."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    error = failing(lookup, heard(first.candidate, ResponseCode.HANDLE_NOT_FOUND))
    assert type(error) is HandleNotFoundError
    assert error.handle == HANDLE


def test_values_not_found() -> None:
    """Code 200: the handle exists and has nothing for the public; that is an answer."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    answer = ending(lookup, heard(first.candidate, ResponseCode.VALUES_NOT_FOUND))
    assert (answer.record.handle, answer.record.values) == (HANDLE, ())


def test_invalid_handle() -> None:
    """Code 102: the handle cannot be one."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    assert isinstance(failing(lookup, heard(ask.candidate, ResponseCode.INVALID_HANDLE)), InvalidHandleError)


def test_challenge() -> None:
    """Code 402: an anonymous resolver cannot authenticate, so this is a refusal."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    challenge = heard(ask.candidate, ResponseCode.AUTHENTICATION_NEEDED, ChallengeResponse(b"nonce"))
    error = failing(lookup, challenge)
    assert isinstance(error, RefusedError)
    assert error.code == ResponseCode.AUTHENTICATION_NEEDED


@pytest.mark.parametrize("body", [OtherBody(b""), SiteInfoResponse(SITE), ChallengeResponse(b"")])
def test_success_about_something_else(body: Body) -> None:
    """A success without a record is no answer."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup)
    error = failing(lookup, heard(ask.candidate, ResponseCode.SUCCESS, body))
    assert isinstance(error, MessageFormatError | RefusedError)


def test_old_server_in_maintenance() -> None:
    """Code 303 from a server older than 2.5 means maintenance, not a referral: the next one is asked."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    old = heard(first.candidate, ResponseCode.PREFIX_REFERRAL, ErrorResponse("backup"), version=(2, 4))
    assert asked(lookup.send(old)).candidate.site == OTHER_SITE


@pytest.mark.parametrize(
    ("site", "flags", "expected"),
    [
        (SITE, OpFlag(0), True),
        (OTHER_SITE, OpFlag(0), False),
        (OTHER_SITE, OpFlag.AUTHORITATIVE, True),
    ],
)
def test_who_is_authoritative(site: object, flags: OpFlag, *, expected: bool) -> None:
    """An answer is authoritative if a primary gave it, or says so."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup, (site,))  # type: ignore[arg-type]
    answer = ending(lookup, heard(ask.candidate, ResponseCode.VALUES_NOT_FOUND, flags=flags))
    assert answer.authoritative is expected


# --- one after the other, and side by side ---------------------------------------------------------------


def test_nobody_to_ask() -> None:
    """Where the plan is empty, the error says that no server could be asked."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched())
    error = failing(lookup, ())
    assert isinstance(error, NoServerAnsweredError)
    assert (error.attempts, str(error)) == ((), "no server could be asked")


def test_every_way_is_tried() -> None:
    """One failure after the other, each candidate in the order of the plan, and the error names them all."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup, (SITE, OTHER_SITE), Transport.UDP, Transport.TCP)
    tried = []
    for _ in range(3):
        tried.append(str(ask.candidate))
        ask = asked(lookup.send(Failed(ask.candidate, TransportError(f"failure {len(tried)}"))))
    error = failing(lookup, refused(ask))
    assert isinstance(error, NoServerAnsweredError)
    assert (
        [server for server, _ in error.attempts]
        == [*tried, str(ask.candidate)]
        == [
            "udp://198.51.100.1:2641",
            "tcp://198.51.100.1:2641",
            "udp://198.51.100.2:2641",
            "tcp://198.51.100.2:2641",
        ]
    )
    assert str(error).startswith("udp://198.51.100.1:2641: failure 1; tcp://198.51.100.1:2641: failure 2; ")
    assert not error.timed_out


def test_all_were_silent() -> None:
    """Where silence was the trouble with each of them, the error can tell."""
    lookup = ask_for(HANDLE)
    ask = asking(lookup, (SITE, OTHER_SITE))
    ask = asked(lookup.send(Failed(ask.candidate, LookupTimeoutError("silence"))))
    error = failing(lookup, Failed(ask.candidate, LookupTimeoutError("silence")))
    assert isinstance(error, NoServerAnsweredError)
    assert error.timed_out


def test_opinion_of_a_server_counts_for_all_its_interfaces() -> None:
    """A server that passed the question on by UDP is not asked again by TCP."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE), Transport.UDP, Transport.TCP)
    second = asked(lookup.send(heard(first.candidate, ResponseCode.NOT_RESPONSIBLE)))
    assert str(second.candidate) == "udp://198.51.100.2:2641"


def test_slow_server_gets_company() -> None:
    """A server that is quiet beyond its patience is not given up: the next is asked beside it."""
    lookup = ask_for(HANDLE)
    asking(lookup, (SITE, OTHER_SITE))
    second = asked(lookup.send(Quiet()))
    assert second.candidate.site == OTHER_SITE
    answer = ending(lookup, found(second))
    assert answer.answered_by == "udp://198.51.100.2:2641"


def test_slow_server_may_still_answer() -> None:
    """Whoever answers first is heard, even if that is the one that was slow."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    asked(lookup.send(Quiet()))
    answer = ending(lookup, found(first))
    assert answer.answered_by == "udp://198.51.100.1:2641"


def test_waiting_for_the_last() -> None:
    """With nobody left to ask, the lookup listens to those asked already, until all have failed."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    second = asked(lookup.send(Quiet()))
    assert lookup.send(Quiet()) == Listen(AGAIN_AFTER_S)
    assert lookup.send(Failed(second.candidate, TransportError("refused"))) == Listen(AGAIN_AFTER_S)
    error = failing(lookup, Failed(first.candidate, TransportError("reset")))
    assert isinstance(error, NoServerAnsweredError)
    assert [server for server, _ in error.attempts] == ["udp://198.51.100.2:2641", "udp://198.51.100.1:2641"]


def test_listening_hears_an_answer() -> None:
    """An answer that comes while listening ends the lookup."""
    lookup = ask_for(HANDLE)
    first = asking(lookup)
    assert lookup.send(Quiet()) == Listen(AGAIN_AFTER_S)
    assert ending(lookup, found(first)).record == record_of(HANDLE)


def test_silence_of_everybody() -> None:
    """When everybody asked is silent they are asked again, one after the other, each once by its best way."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    second = asked(lookup.send(Quiet()))
    assert lookup.send(Quiet()) == Listen(AGAIN_AFTER_S)
    for ask in (first, second, first):
        again = asked(lookup.send(Quiet()))
        assert again.candidate.endpoint == ask.candidate.endpoint
        assert (again.candidate.patience_s, again.candidate.is_repetition) == (AGAIN_AFTER_S, True)
    assert ending(lookup, found(again)).answered_by == "udp://198.51.100.1:2641"


def test_silence_to_the_end() -> None:
    """When one of several has been silent for all of its time, somebody is asked again at once, and not for ever."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE))
    second = asked(lookup.send(Quiet()))
    assert lookup.send(Quiet()) == Listen(AGAIN_AFTER_S)
    step = lookup.send(Failed(first.candidate, LookupTimeoutError("silence")))
    for _ in range(MAX_REPETITIONS):
        assert asked(step).candidate.is_repetition
        step = lookup.send(Quiet())
    assert step == Listen(AGAIN_AFTER_S)
    assert lookup.send(Quiet()) == Listen(AGAIN_AFTER_S)
    assert isinstance(failing(lookup, refused(second)), NoServerAnsweredError)


def test_transports_are_not_asked_again() -> None:
    """A server that may be asked in two ways is asked again by the first of them."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE,), Transport.UDP, Transport.TCP)
    asked(lookup.send(Quiet()))
    assert lookup.send(Quiet()) == Listen(AGAIN_AFTER_S)
    for _ in range(3):
        assert asked(lookup.send(Quiet())).candidate.endpoint == first.candidate.endpoint


def test_failure_of_a_repetition_is_no_news() -> None:
    """That asking again fails changes nothing: it ends when those asked first have failed, and names each once."""
    lookup = ask_for(HANDLE)
    first = asking(lookup)
    lookup.send(Quiet())
    again = asked(lookup.send(Quiet()))
    assert lookup.send(Failed(again.candidate, TransportError("refused"))) == Listen(AGAIN_AFTER_S)
    error = failing(lookup, Failed(first.candidate, LookupTimeoutError("silence")))
    assert isinstance(error, NoServerAnsweredError)
    assert [(server, str(cause)) for server, cause in error.attempts] == [
        ("udp://198.51.100.1:2641", "silence")
    ]


def test_busy_when_asked_again() -> None:
    """What a server says when it is asked again counts, as its opinion."""
    lookup = ask_for(HANDLE)
    first = asking(lookup)
    lookup.send(Quiet())
    again = asked(lookup.send(Quiet()))
    assert lookup.send(heard(again.candidate, ResponseCode.SERVER_BUSY)) == Listen(AGAIN_AFTER_S)
    error = failing(lookup, Failed(first.candidate, LookupTimeoutError("silence")))
    assert isinstance(error, NoServerAnsweredError)
    assert "code 3" in str(error)


def test_failure_beside_a_quiet_one() -> None:
    """Where the second fails while the first is quiet, the third is asked at once."""
    lookup = ask_for(HANDLE)
    first = asking(lookup, (SITE, OTHER_SITE, THIRD_SITE))
    second = asked(lookup.send(Quiet()))
    third = asked(lookup.send(Failed(second.candidate, TransportError("refused"))))
    assert third.candidate.site == THIRD_SITE
    assert lookup.send(heard(third.candidate, ResponseCode.SERVER_BUSY)) == Listen(AGAIN_AFTER_S)
    assert ending(lookup, found(first)).record == record_of(HANDLE)


def test_late_opinion_spares_the_other_interface() -> None:
    """A slow server that passes the question on is not asked again by another way later in the plan."""
    lookup = ask_for(HANDLE)
    next(lookup)
    step = lookup.send(fetched())
    by_udp, by_tcp = planned(step, Transport.UDP, Transport.TCP)
    ask = asked(
        lookup.send((by_udp, *planned(Plan((OTHER_SITE,), Handle(HANDLE), primaries_only=False)), by_tcp))
    )
    second = asked(lookup.send(Quiet()))
    assert lookup.send(heard(ask.candidate, ResponseCode.SERVER_BUSY)) == Listen(AGAIN_AFTER_S)
    assert isinstance(failing(lookup, refused(second)), NoServerAnsweredError)


# --- a driver that does not keep to the conversation ------------------------------------------------------


def test_fetch_answered_with_something_else() -> None:
    """A driver that answers a step with the wrong event hears of it at once."""
    lookup = ask_for(HANDLE)
    next(lookup)
    with pytest.raises(TypeError, match="Fetch"):
        lookup.send(Quiet())


def test_plan_answered_with_something_else() -> None:
    """The same for a plan."""
    lookup = ask_for(HANDLE)
    next(lookup)
    lookup.send(fetched())
    with pytest.raises(TypeError, match="Plan"):
        lookup.send(Quiet())


def test_ask_answered_with_something_else() -> None:
    """The same for a question."""
    lookup = ask_for(HANDLE)
    asking(lookup)
    with pytest.raises(TypeError, match="Ask"):
        lookup.send(Fetched(record_of(HANDLE), is_old=False))
