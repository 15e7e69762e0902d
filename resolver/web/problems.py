"""What a visitor is told when there is no answer: one table from class of error to status and words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from resolver.answer.record_json import http_status_of
from resolver.answer.tombstone import Tombstone
from resolver.answer.visible import visible_text
from resolver.errors import (
    AliasError,
    BarredError,
    ClosingError,
    CrowdedError,
    HandleNotFoundError,
    InvalidHandleError,
    LookupTimeoutError,
    NoServerAnsweredError,
    RefusedError,
    ResolverError,
    ServiceNotFoundError,
    SignatureError,
    TooManyRequestsError,
    UpstreamError,
)
from resolver.model.namespace import Namespace
from resolver.phrases import Phrase, as_sentence, phrase, sentence
from resolver.protocol.codes import ResponseCode
from resolver.web.parse import BadRequestError

__all__ = [
    "PROBLEM_TYPE",
    "NamespaceInactiveError",
    "NotAcceptableError",
    "Outcome",
    "Problem",
    "gone_problem",
    "internal_problem",
    "outcome_of_status",
    "problem_json",
    "problem_of",
    "too_large_problem",
]

Outcome = Literal["ok", "not_found", "client_error", "upstream_error", "busy", "error"]

RETRY_AFTER_S = 2
PROBLEM_TYPE = "application/problem+json"


class NamespaceInactiveError(ResolverError):
    """The owner of the prefix has switched off its handles."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__("the prefix is inactive")
        self.namespace = namespace


class NotAcceptableError(ResolverError):
    """The handle leads to nothing in a form that the visitor's program accepts."""

    def __init__(self, offered: Iterable[str], looked_at: Iterable[str]) -> None:
        super().__init__("nothing is offered in a form that is accepted")
        self.offered = tuple(offered)
        self.looked_at = tuple(looked_at)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer, and what can be done about it."""

    status: int
    code: int
    """The ``responseCode`` for scripts (RFC 3652 section 2.2.2.2)."""
    title: str
    what: str
    """What happened, in one sentence."""
    whose: str = ""
    """Whose side it is on."""
    advice: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Sent beside the page."""
    is_about_handle: bool = False
    """Whether the owner of the prefix may be able to help."""


def problem_of(error: ResolverError) -> Problem:
    """Return what to tell about ``error``: the entry of the nearest class in its ancestry."""
    for ancestor in type(error).__mro__:
        describe = _TABLE.get(ancestor)
        if describe is not None:
            return describe(error)
    raise TypeError(f"no entry for {type(error).__name__}")


def internal_problem() -> Problem:
    """Return what to tell about a bug of ours."""
    return Problem(
        500,
        ResponseCode.ERROR,
        phrase("Internal error"),
        phrase("Something went wrong inside this resolver."),
        whose=phrase("The mistake is ours, not yours and not the handle's."),
        advice=(
            phrase("Try again in a moment."),
            phrase("If it stays, write to whoever runs this resolver and give the request number below."),
        ),
    )


def too_large_problem() -> Problem:
    """Return what to tell whoever sends more than is read."""
    return Problem(
        413,
        ResponseCode.PROTOCOL_ERROR,
        phrase("The request is too large"),
        phrase("Its body is longer than is read."),
    )


def gone_problem(tombstone: Tombstone) -> Problem:
    """Return what to tell about a thing whose record says that it is gone."""
    return Problem(
        410,
        ResponseCode.SUCCESS,
        phrase("No longer available"),
        visible_text(tombstone.reason) or phrase("The record says that what this handle led to is gone."),
        whose=phrase("The owner of the handle has recorded so; this resolver works as it should."),
        is_about_handle=True,
    )


def problem_json(problem: Problem, asked: str | None, **more: Any) -> dict[str, Any]:
    """Return the members of a problem for programs (RFC 9457 section 3); ``None`` among ``more`` is left out."""
    members = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": " ".join((problem.what, *problem.advice)),
        "responseCode": int(problem.code),
        "handle": asked,
        **more,
    }
    return {name: value for name, value in members.items() if value is not None}


def outcome_of_status(status: int) -> Outcome:
    """Return the label under which an answer with this status is counted."""
    match status:
        case 404 | 410:
            return "not_found"
        case 429 | 503:
            return "busy"
        case 502 | 504:
            return "upstream_error"
        case _ if status < 400:
            return "ok"
        case _ if status < 500:
            return "client_error"
        case _:
            return "error"


def _bad_request(error: BadRequestError) -> Problem:
    return Problem(error.status, error.code, phrase("The request cannot be read"), _told(error))


def _invalid_handle(error: InvalidHandleError) -> Problem:
    return Problem(
        400,
        ResponseCode.INVALID_HANDLE,
        phrase("This is no handle"),
        _told(error),
        advice=(phrase("A handle looks like 20.500.12345/abc: a prefix, a slash, and the rest."),),
    )


def _not_found(_: HandleNotFoundError) -> Problem:
    return Problem(
        404,
        ResponseCode.HANDLE_NOT_FOUND,
        phrase("Handle not found"),
        phrase("The service responsible for its prefix does not know this handle."),
        whose=phrase("The service was asked and has answered; this resolver works as it should."),
        advice=(
            phrase(
                "It may be mistyped or cut off: compare it with where you found it, down to the last character."
            ),
            phrase("It may be so new that it is not active yet."),
            phrase("It may have been removed, which persistent identifiers should not be."),
        ),
        is_about_handle=True,
    )


def _prefix_not_found(error: ServiceNotFoundError) -> Problem:
    return Problem(
        404,
        ResponseCode.HANDLE_NOT_FOUND,
        phrase("Prefix not found"),
        phrase(
            "There is no service for the prefix %(prefix)s: %(reason)s.",
            prefix=visible_text(error.prefix),
            reason=phrase(visible_text(error.reason)),
        ),
        whose=phrase(
            "The Global Handle Registry was asked and has answered; this resolver works as it should."
        ),
        advice=(
            phrase("The part before the first slash may be mistyped."),
            phrase("If you found the handle in print, look for a newer form of it where it was published."),
        ),
    )


def _alias(error: AliasError) -> Problem:
    return Problem(
        404,
        ResponseCode.HANDLE_NOT_FOUND,
        phrase("Alias chain without end"),
        phrase(
            "The handle is an alias that leads nowhere: %(reason)s.",
            reason=phrase(visible_text(error.reason)),
        ),
        whose=phrase("The records of these handles are at fault; whoever owns them can mend them."),
        advice=(
            phrase("The records themselves can be seen with “show the values” and “do not follow aliases”."),
        ),
        is_about_handle=True,
    )


def _upstream(_: UpstreamError) -> Problem:
    return Problem(
        502,
        ResponseCode.ERROR,
        phrase("The responsible service cannot be reached"),
        phrase("The handle may well exist, but the service that knows it gave no usable answer."),
        whose=phrase(
            "The trouble is with that service or the network in between, not with the handle you gave."
        ),
        advice=(phrase("Try again in a few minutes."),),
        is_about_handle=True,
    )


def _unsigned(_: ResolverError) -> Problem:
    return Problem(
        502,
        ResponseCode.ERROR,
        phrase("The signature does not hold"),
        phrase("The answer of the responsible service is not signed as it should be, so it is not shown."),
        whose=phrase(
            "The trouble is with that service or the network in between, not with the handle you gave."
        ),
        advice=(phrase("Leave out cert to see the answer as it is."),),
        is_about_handle=True,
    )


def _timed_out(_: ResolverError) -> Problem:
    return Problem(
        504,
        ResponseCode.ERROR,
        phrase("The responsible service does not answer"),
        phrase("The handle may well exist, but the service that knows it stayed silent."),
        whose=phrase(
            "The trouble is with that service or the network in between, not with the handle you gave."
        ),
        advice=(phrase("Try again in a few minutes."),),
        is_about_handle=True,
    )


def _no_server(error: NoServerAnsweredError) -> Problem:
    if error.unsigned:
        return _unsigned(error)
    if error.crowded:
        return _closing(error)
    return _timed_out(error) if error.timed_out else _upstream(error)


def _refused(error: RefusedError) -> Problem:
    status = http_status_of(error.code)
    if status not in {401, 403}:
        return _upstream(error)
    return Problem(
        status,
        error.code,
        phrase("Not public"),
        phrase("Some of the values asked for may only be read by administrators of the handle."),
        advice=(phrase("Leave out publicOnly=false to see the public ones."),),
    )


def _closing(_: ResolverError) -> Problem:
    return Problem(
        503,
        ResponseCode.SERVER_BUSY,
        phrase("Busy"),
        phrase("This resolver has more to do than it can do well, or is being restarted."),
        whose=phrase("The trouble is ours and usually over in seconds."),
        advice=(phrase("Try again in a moment."),),
        headers=(("Retry-After", str(RETRY_AFTER_S)),),
    )


def _too_many(error: TooManyRequestsError) -> Problem:
    return Problem(
        429,
        ResponseCode.SERVER_BUSY,
        phrase("Too many requests"),
        phrase("Your network has asked for more than this resolver gives to one at a time."),
        whose=phrase("This resolver serves everybody, and so limits how much it does for each."),
        advice=(
            phrase("Wait for as long as Retry-After says, then go on more slowly."),
            phrase("If you need more, write to whoever runs this resolver."),
        ),
        headers=error.headers,
    )


def _barred(_: BarredError) -> Problem:
    return Problem(
        403,
        ResponseCode.ERROR,
        phrase("Not served here"),
        phrase("Your network is not served by this resolver."),
        whose=phrase("Whoever runs this resolver has decided so."),
        advice=(phrase("If you think that this is a mistake, write to whoever runs this resolver."),),
    )


def _inactive(error: NamespaceInactiveError) -> Problem:
    return Problem(
        404,
        ResponseCode.HANDLE_NOT_FOUND,
        phrase("Inactive prefix"),
        _message(error.namespace.status_message)
        or phrase("The owner of this prefix has switched off its handles."),
        whose=phrase("The owner of the prefix has decided so."),
        is_about_handle=True,
    )


def _not_acceptable(error: NotAcceptableError) -> Problem:
    return Problem(
        406,
        ResponseCode.ERROR,
        phrase("Not offered in this form"),
        phrase(
            "What the handle leads to is offered as %(types)s.",
            types=", ".join(error.offered) or phrase("nothing in particular"),
        ),
        whose=phrase("Your program accepts other types only."),
        advice=(phrase("Ask for one of these types in Accept, or leave Accept out."),),
        headers=(("Vary", ", ".join(sorted(error.looked_at))),),
    )


def _told(error: ResolverError) -> str:
    """Return the message of an error as a sentence."""
    told = error.args[0] if error.args else ""
    return sentence(told if isinstance(told, Phrase) else phrase(visible_text(str(error))))


def _message(text: str) -> str:
    """Return what the owner of a prefix says, in the owner's words, as a sentence."""
    return as_sentence(visible_text(text)) if text.strip() else ""


# What errors from further down may say; named here to be found by whoever translates.
_REASONS = (
    phrase("it is not registered"),
    phrase("its record names no site"),
    phrase("this host does not answer for it"),
    phrase("too many lookups lead to one another"),
    phrase("its services refer to each other in a circle"),
    phrase("it comes back to itself"),
    phrase("empty handle"),
    phrase("handle is not UTF-8"),
    phrase("the service calls this handle invalid"),
    phrase("no handle was typed"),
    phrase("the address must begin with a slash"),
    phrase("a percent sign must be followed by two hexadecimal digits"),
    phrase("the address is not valid UTF-8"),
    phrase("callback must be the name of a JavaScript function"),
    phrase("the body of the request cannot be read"),
    phrase("the JSON body must be an object with parameters"),
    phrase("there is no such file"),
    phrase("it is not signed"),
    phrase("the chain does not end in the root of trust"),
    phrase("the certificates could not be fetched in time"),
)


_TABLE: dict[type, Callable[..., Problem]] = {
    BadRequestError: _bad_request,
    InvalidHandleError: _invalid_handle,
    ServiceNotFoundError: _prefix_not_found,
    HandleNotFoundError: _not_found,
    AliasError: _alias,
    ClosingError: _closing,
    TooManyRequestsError: _too_many,
    BarredError: _barred,
    CrowdedError: _closing,
    RefusedError: _refused,
    LookupTimeoutError: _timed_out,
    NoServerAnsweredError: _no_server,
    SignatureError: _unsigned,
    NamespaceInactiveError: _inactive,
    NotAcceptableError: _not_acceptable,
    UpstreamError: _upstream,
    ResolverError: lambda _: internal_problem(),
}
