"""What visitors are told when there is no answer."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resolver
from resolver.errors import (
    AddressRefusedError,
    AliasError,
    BarredError,
    CacheError,
    ClosingError,
    CrowdedError,
    HandleNotFoundError,
    InvalidHandleError,
    LookupTimeoutError,
    MessageFormatError,
    NoServerAnsweredError,
    RefusedError,
    ResolverError,
    ServiceNotFoundError,
    SettingsError,
    SignatureError,
    TooManyRequestsError,
    TransportError,
    UdpUnsuitableError,
    UpstreamError,
)
from resolver.model.namespace import Namespace
from resolver.web.parse import BadRequestError
from resolver.web.problems import (
    NamespaceInactiveError,
    NotAcceptableError,
    Problem,
    internal_problem,
    outcome_of_status,
    problem_of,
)

# Never the end of a request: the base of all, what stops the start, and what the cache keeps to itself.
INTERNAL = {ResolverError, SettingsError, CacheError}

SILENCE = LookupTimeoutError("udp: no answer within 3 s")
BROKEN = TransportError("tcp 192.0.2.1:2641: ConnectionRefusedError(111, 'Connect call failed')")
TRACE = (
    "java.lang.NullPointerException\n\tat net.handle.server.Main.main(Main.java:42)\nTraceback (most recent"
)

# error, HTTP status, responseCode, outcome
STATUSES = [
    (BadRequestError("the address is not valid UTF-8", code=102), 400, 102, "client_error"),
    (BadRequestError("index 'x' is no number"), 400, 4, "client_error"),
    (BadRequestError("the address is longer than 8192 characters", status=414), 414, 4, "client_error"),
    (BadRequestError("method PUT is not for resolving", status=405), 405, 4, "client_error"),
    (BadRequestError("there is no such file", status=404, code=100), 404, 100, "not_found"),
    (InvalidHandleError("empty handle"), 400, 102, "client_error"),
    (HandleNotFoundError("10.1/x"), 404, 100, "not_found"),
    (ServiceNotFoundError("10.1/x", "10.1", "it is not registered"), 404, 100, "not_found"),
    (AliasError(("a", "b", "a"), "it comes back to itself"), 404, 100, "not_found"),
    (NamespaceInactiveError(Namespace(status="inactive", status_message="closed")), 404, 100, "not_found"),
    (NotAcceptableError(["text/html"], ["Accept"]), 406, 2, "client_error"),
    (ClosingError("the resolver is shutting down"), 503, 3, "busy"),
    (TooManyRequestsError("no tokens are left"), 429, 3, "busy"),
    (BarredError("the network is on a list"), 403, 2, "client_error"),
    (UpstreamError("something"), 502, 2, "upstream_error"),
    (MessageFormatError("envelope needs 20 octets, got 3"), 502, 2, "upstream_error"),
    (BROKEN, 502, 2, "upstream_error"),
    (AddressRefusedError("127.0.0.1 is not a public address"), 502, 2, "upstream_error"),
    (SignatureError("the signature is wrong"), 502, 2, "upstream_error"),
    (RefusedError(2, TRACE), 502, 2, "upstream_error"),
    (RefusedError(3, "busy"), 502, 2, "upstream_error"),
    (RefusedError(4, ""), 502, 2, "upstream_error"),
    (RefusedError(777, "new"), 502, 2, "upstream_error"),
    (RefusedError(400, ""), 403, 400, "client_error"),
    (RefusedError(401, ""), 403, 401, "client_error"),
    (RefusedError(402, ""), 401, 402, "client_error"),
    (RefusedError(403, ""), 403, 403, "client_error"),
    (LookupTimeoutError("8 s"), 504, 2, "upstream_error"),
    (NoServerAnsweredError([]), 502, 2, "upstream_error"),
    (UdpUnsuitableError("more than 16 fragments"), 502, 2, "upstream_error"),
    (CrowdedError("32 requests are under way there"), 503, 3, "busy"),
    (NoServerAnsweredError([("a", CrowdedError("32")), ("b", CrowdedError("32"))]), 503, 3, "busy"),
    (NoServerAnsweredError([("a", CrowdedError("32")), ("b", BROKEN)]), 502, 2, "upstream_error"),
    (NoServerAnsweredError([("a", SignatureError("wrong")), ("b", SILENCE)]), 502, 2, "upstream_error"),
    (NoServerAnsweredError([("a", SILENCE), ("b", SILENCE)]), 504, 2, "upstream_error"),
    (NoServerAnsweredError([("a", SILENCE), ("b", BROKEN)]), 502, 2, "upstream_error"),
]


def errors_of_the_package() -> set[type[ResolverError]]:
    """Return every class of the tree, wherever it is defined."""
    for module in pkgutil.walk_packages(resolver.__path__, "resolver."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(parent: type[ResolverError]) -> Iterator[type[ResolverError]]:
        for child in parent.__subclasses__():
            yield child
            yield from below(child)

    return {child for child in below(ResolverError) if child.__module__.startswith("resolver.")}


def texts_of(problem: Problem) -> list[str]:
    """Return every sentence that a visitor reads."""
    return [text for text in (problem.what, problem.whose, *problem.advice) if text]


def test_every_error_has_its_place_in_the_table() -> None:
    """Whoever adds an error says which status it has, here and in ``web/problems.py``."""
    told = {type(error) for error, *_ in STATUSES}
    missing = errors_of_the_package() - told - INTERNAL
    assert not missing, f"say what visitors are told: {sorted(error.__name__ for error in missing)}"


@pytest.mark.parametrize(("error", "status", "code", "outcome"), STATUSES)
def test_status_is_that_of_the_contract(error: ResolverError, status: int, code: int, outcome: str) -> None:
    """Each failure has the HTTP status, the response code and the label that scripts and dashboards expect."""
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert outcome_of_status(problem.status) == outcome


@pytest.mark.parametrize("error", [error for error, *_ in STATUSES], ids=repr)
def test_texts_are_sentences_for_people(error: ResolverError) -> None:
    """Each text is a sentence with a period, in words that are ours: no trace, no class, no address of a server."""
    problem = problem_of(error)
    assert problem.title
    assert not problem.title.endswith(".")
    for text in texts_of(problem):
        assert re.fullmatch(r"[A-Z“].*[^.]\.", text, re.DOTALL), text
        assert not re.search(
            r"java|Exception|Traceback|Error\b|\bat net\.|Errno|192\.0\.2\.1|\n|\(None\)", text
        ), text


@pytest.mark.parametrize("error", [ServiceNotFoundError("10.9/x", "10.9", "it is not registered")])
def test_prefix_is_named(error: ResolverError) -> None:
    """A prefix that is not registered is named, with the reason."""
    assert "10.9: it is not registered" in problem_of(error).what


def test_request_that_cannot_be_read_says_why() -> None:
    """A visitor who can mend the request is told what to mend."""
    assert problem_of(BadRequestError("index 'x' is no number")).what == "Index 'x' is no number."
    assert problem_of(InvalidHandleError("empty handle")).what == "Empty handle."
    assert problem_of(BadRequestError("Already a sentence.")).what == "Already a sentence."


def test_signature_that_does_not_verify_is_told() -> None:
    """With ``cert``, a visitor learns that the signature is the trouble, not the network."""
    assert "sign" in " ".join(texts_of(problem_of(SignatureError("the signature is wrong")))).lower()


def test_busy_says_when_to_come_back() -> None:
    """A resolver that is busy or being restarted says when to try again; nothing else does."""
    for error, status, *_ in STATUSES:
        assert ("Retry-After" in dict(problem_of(error).headers)) is (status == 503)
    assert 1 <= int(dict(problem_of(ClosingError("full")).headers)["Retry-After"]) <= 30


def test_owner_is_named_where_he_can_help() -> None:
    """Who is responsible for the prefix is shown for missing handles and failing services, not for bad requests."""
    asked = {type(error): problem_of(error).is_about_handle for error, *_ in STATUSES}
    for kind in (HandleNotFoundError, AliasError, UpstreamError, LookupTimeoutError):
        assert asked[kind]
    for kind in (BadRequestError, InvalidHandleError, ClosingError, ServiceNotFoundError):
        assert not asked[kind]


def test_subclass_is_told_like_its_parent() -> None:
    """The nearest class of the table decides, so that a new kind of upstream failure is none of ours."""

    class OddError(TransportError):
        """Not in the table."""

    assert problem_of(OddError("odd")) == problem_of(BROKEN)


@pytest.mark.parametrize("kind", sorted(INTERNAL - {ResolverError}, key=str))
def test_internal_errors_are_a_bug_of_ours(kind: type[ResolverError]) -> None:
    """An error that must not end a request is not told to a visitor as something else."""
    assert problem_of(kind("x")) == internal_problem()


def test_bug_of_ours_is_told_as_such() -> None:
    """A bug is 500, says that it is ours, and points to the number of the request."""
    problem = internal_problem()
    assert (problem.status, problem.code) == (500, 2)
    assert outcome_of_status(problem.status) == "error"
    assert "ours" in problem.whose
    assert "request number" in " ".join(problem.advice)


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ("ok", [200, 204, 301, 302, 303, 304, 307, 308]),
        ("not_found", [404, 410]),
        ("client_error", [400, 401, 403, 405, 413, 414]),
        ("busy", [429, 503]),
        ("upstream_error", [502, 504]),
        ("error", [500, 501]),
    ],
)
def test_statuses_are_counted_under(outcome: str, statuses: list[int]) -> None:
    """A dashboard tells a missing handle, a bad request, trouble upstream, overload and a bug apart."""
    assert {outcome_of_status(status) for status in statuses} == {outcome}


def test_every_status_has_one_of_six_outcomes() -> None:
    """The label stays a closed set, whatever status is sent."""
    found = {outcome_of_status(status) for status in range(100, 600)}
    assert found == {"ok", "not_found", "client_error", "upstream_error", "busy", "error"}


@given(st.text(max_size=30))
def test_text_of_strangers_hides_nothing(text: str) -> None:
    """What comes from a request or a record is shown with its invisible and turning characters written out."""
    for error in (
        BadRequestError(text),
        InvalidHandleError(text),
        ServiceNotFoundError("a/b", text, text),
        AliasError((text,), text),
        RefusedError(402, text),
        RefusedError(2, text),
    ):
        for shown in texts_of(problem_of(error)):
            assert not set(shown) & {"\u202e", "\u202a", "\u2066", "\u200b", "\x00", "\x1b", "\x85"}
