"""How a handle is resolved: the rules of RFC 3651 section 5 and of deployed practice, and no I/O at all.

``look_up`` is a conversation (see ``steps.py``). It reads from top to bottom as the resolution goes:

1. which service is responsible: the registry itself, or what the record of the prefix says, through
   HS_SITE values and the service handles of HS_SERV;
2. which of its servers to ask, in which order: ``selection.py`` decides, through a ``Plan`` step;
3. ask them one after the other, a second one beside a slow first, until one gives a real answer;
4. a referral names another service: back to 2 with that one;
5. nobody gave a real answer, and the record of the prefix was remembered from some time ago: it may be
   out of date, so it is fetched anew from a primary, once, and if it changed: back to 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice

from msgspec.structs import replace

from resolver.errors import (
    HandleNotFoundError,
    InvalidHandleError,
    LookupTimeoutError,
    MessageFormatError,
    NoServerAnsweredError,
    RefusedError,
    ResolverError,
    ServiceNotFoundError,
    UdpUnsuitableError,
    UpstreamError,
)
from resolver.model.handle import ROOT_HANDLE, Handle, fold_ascii
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Server, Site
from resolver.protocol.bodies import ChallengeResponse, ErrorResponse, ReferralResponse, ResolutionResponse
from resolver.protocol.codes import OpFlag, ResponseCode
from resolver.protocol.sites import decode_site
from resolver.protocol.text import strict_text
from resolver.resolution.directory import Directory
from resolver.resolution.steps import (
    Answer,
    Ask,
    Candidate,
    Conversation,
    Event,
    Failed,
    Fetch,
    Fetched,
    Heard,
    Listen,
    Plan,
    Question,
    Quiet,
)

__all__ = [
    "MAX_REFERRALS",
    "MAX_SERVICE_HANDLES",
    "ORDINARY",
    "RECURSION_LIMIT",
    "ask_service",
    "locate",
    "look_up",
    "sites_of",
]

RECURSION_LIMIT = 40
"""Lookups within lookups, counted in the header of each request; what deployed clients allow."""

MAX_SERVICE_HANDLES = 20
"""Service handles visited while one service is located."""

MAX_REFERRALS = 10
"""Referrals followed for one question."""

AGAIN_AFTER_S = 1.0
"""Silence of everybody after which somebody is asked again."""

MAX_REPETITIONS = 10
"""How often somebody is asked again."""

MAX_KNOWN_SITES = 1024
USUAL_SITE_OCTETS = 4096
"""Longest site record that is kept in readable form, so that those kept take some megabytes at most."""


@dataclass(frozen=True, slots=True)
class ServiceTypes:
    """Which values locate a service: those of the service itself, or of its derived prefixes."""

    sites: tuple[str, ...]
    handles: tuple[str, ...]


ORDINARY = ServiceTypes(sites=("HS_SITE", "HS_SITE.6"), handles=("HS_SERV",))
DERIVED = ServiceTypes(sites=("HS_SITE.PREFIX", "HS_NA_DELEGATE"), handles=("HS_SERV.PREFIX",))

# Answers of one server after which another may still know better (RFC 3652 section 2.2.2.2).
_ASK_ANOTHER = frozenset(
    {
        ResponseCode.ERROR,
        ResponseCode.SERVER_BUSY,
        ResponseCode.PROTOCOL_ERROR,
        ResponseCode.RECURSION_LIMIT,
        ResponseCode.SERVER_BACKUP,
        ResponseCode.OUT_OF_DATE_SITE_INFO,
        ResponseCode.NOT_RESPONSIBLE,
        ResponseCode.SESSION_TIMEOUT,
    }
)


def look_up(question: Question, directory: Directory) -> Conversation[Answer]:
    """Resolve one handle.

    Args:
        question: the handle and the conditions.
        directory: which sites are responsible for what, as far as that is known beforehand.

    Raises:
        HandleNotFoundError: the responsible service says so.
        ServiceNotFoundError: nobody is responsible.
        InvalidHandleError: the service calls the handle invalid.
        UpstreamError: no server gave a real answer.
    """
    if question.recursion_count > RECURSION_LIMIT:
        raise ServiceNotFoundError(
            question.handle.text, question.handle.prefix, "too many lookups lead to one another"
        )
    known = directory.sites_for(question.handle)
    if known:
        return (yield from ask_service(known, question, directory))

    prefix_record, is_old = yield from _prefix_record(question, authoritative=False)
    sites = yield from sites_of(prefix_record, ORDINARY, directory, question)
    if not sites and is_old:
        prefix_record, is_old = yield from _prefix_record(question, authoritative=True)
        sites = yield from sites_of(prefix_record, ORDINARY, directory, question)
    if not sites:
        raise ServiceNotFoundError(question.handle.text, question.handle.prefix, "its record names no site")
    try:
        answer = yield from ask_service(sites, question, directory)
    except UpstreamError:
        if not is_old:
            raise
        prefix_record, _ = yield from _prefix_record(question, authoritative=True)
        newer = yield from sites_of(prefix_record, ORDINARY, directory, question)
        if not newer or newer == sites:
            raise
        answer = yield from ask_service(newer, question, directory)
    return Answer(answer.record, answer.answered_by, answer.authoritative, prefix_record)


def locate(question: Question, directory: Directory) -> Conversation[tuple[Site, ...]]:
    """Return the sites that are responsible for a handle, without asking them.

    Raises:
        ServiceNotFoundError: nobody is responsible.
        UpstreamError: no server could be asked who is.
    """
    known = directory.sites_for(question.handle)
    if known:
        return known
    prefix_record, _ = yield from _prefix_record(question, authoritative=question.authoritative)
    sites = yield from sites_of(prefix_record, ORDINARY, directory, question)
    if not sites:
        raise ServiceNotFoundError(question.handle.text, question.handle.prefix, "its record names no site")
    return sites


def _prefix_record(question: Question, *, authoritative: bool) -> Conversation[tuple[HandleRecord, bool]]:
    handle = question.handle
    try:
        fetched = yield from _fetch(handle.prefix_handle, question, authoritative=authoritative)
    except ServiceNotFoundError as error:
        raise ServiceNotFoundError(handle.text, handle.prefix, error.reason) from error
    except HandleNotFoundError as error:
        raise ServiceNotFoundError(handle.text, handle.prefix, "it is not registered") from error
    return fetched.record, fetched.is_old


def _fetch(handle: Handle, question: Question, *, authoritative: bool = False) -> Conversation[Fetched]:
    event = yield Fetch(handle, question.recursion_count + 1, authoritative, question.certified)
    if not isinstance(event, Fetched):
        raise TypeError(f"a Fetch is answered with Fetched, not {event!r}")
    return event


# --- locating a service ----------------------------------------------------------------------------------


def sites_of(
    record: HandleRecord, types: ServiceTypes, directory: Directory, question: Question
) -> Conversation[tuple[Site, ...]]:
    """Return the sites that ``record`` names: its own first, then those of its service handles, depth first.

    A site that cannot be read and a service handle that cannot be resolved are left out; the first error
    is raised only if they leave nothing.

    Raises:
        UpstreamError: there are service handles, and no server could be asked for them.
    """
    found: dict[Site, None] = {}
    visited: set[str] = set()
    first_error: UpstreamError | None = None
    waiting = [record]
    while waiting:
        record = waiting.pop()
        found.update(dict.fromkeys(_readable_sites(record.values, types.sites)))
        branches: list[HandleRecord] = []
        for handle in _service_handles(record.values, types.handles):
            folded = fold_ascii(handle.text)
            if folded in visited or len(visited) >= MAX_SERVICE_HANDLES:
                continue
            visited.add(folded)
            if folded == ROOT_HANDLE:
                found.update(dict.fromkeys(directory.registry))
                continue
            try:
                fetched = yield from _fetch(handle, question)
            except UpstreamError as error:
                first_error = first_error or error
            except ResolverError:
                continue
            else:
                branches.append(fetched.record)
        waiting.extend(reversed(branches))
    if not found and first_error is not None:
        raise first_error
    return tuple(found)


def _readable_sites(values: tuple[HandleValue, ...], types: tuple[str, ...]) -> list[Site]:
    sites = []
    for value in values:
        if value.type in types:
            try:
                sites.append(_site_in(value.data))
            except MessageFormatError:
                continue  # one broken value must not hide the others; the values page shows it
    return sites


def _site_in(octets: bytes) -> Site:
    return _usual_site_in(octets) if len(octets) <= USUAL_SITE_OCTETS else decode_site(octets)


# The same few records are read for every handle of a busy prefix.
_usual_site_in = lru_cache(MAX_KNOWN_SITES)(decode_site)


def _service_handles(values: tuple[HandleValue, ...], types: tuple[str, ...]) -> list[Handle]:
    handles = []
    for value in values:
        text = strict_text(value.data) if value.type in types else None
        if text:
            try:
                handles.append(Handle.parse(text.strip()))
            except InvalidHandleError:
                continue
    return handles


# --- asking a service ------------------------------------------------------------------------------------


def ask_service(sites: tuple[Site, ...], question: Question, directory: Directory) -> Conversation[Answer]:
    """Ask the servers of ``sites``, and of those they refer to, until one gives a real answer."""
    for _ in range(MAX_REFERRALS + 1):
        heard = yield from _ask_in_turn(sites, question)
        body = heard.message.body
        match heard.message.code, body:
            case ResponseCode.SUCCESS, ResolutionResponse(handle, values):
                return _answer(heard, HandleRecord(handle, values))
            case ResponseCode.VALUES_NOT_FOUND, _:
                return _answer(heard, HandleRecord(question.handle.text, ()))
            case ResponseCode.HANDLE_NOT_FOUND, _:
                raise HandleNotFoundError(question.handle.text)
            case ResponseCode.INVALID_HANDLE, _:
                raise InvalidHandleError("the service calls this handle invalid")
            case (ResponseCode.SERVICE_REFERRAL | ResponseCode.PREFIX_REFERRAL) as code, ReferralResponse():
                question = replace(question, recursion_count=question.recursion_count + 1)
                sites = yield from _referred_sites(heard.candidate, code, body, question, directory)
            case code, ErrorResponse(text, _):
                raise RefusedError(code, text)
            case code, ChallengeResponse():
                raise RefusedError(code, "the values may only be read after authentication")
            case code, _:
                raise MessageFormatError(
                    f"{heard.candidate} answered {code.name} with a body that does not go with it"
                )
    raise _led_astray(heard.candidate, "one referral leads to the next without end")


_AUTHORITATIVE_BIT = OpFlag.AUTHORITATIVE.value


def _answer(heard: Heard, record: HandleRecord) -> Answer:
    primary = heard.candidate.site.primary or bool(heard.message.header.op_flags.value & _AUTHORITATIVE_BIT)
    return Answer(record, answered_by=str(heard.candidate), authoritative=primary)


def _referred_sites(
    candidate: Candidate,
    code: ResponseCode,
    referral: ReferralResponse,
    question: Question,
    directory: Directory,
) -> Conversation[tuple[Site, ...]]:
    if question.recursion_count > RECURSION_LIMIT:
        raise _led_astray(candidate, "referred to somebody else once too many")
    if code is ResponseCode.PREFIX_REFERRAL and not question.handle.is_prefix_handle:
        raise RefusedError(code, "a prefix referral for a handle that is no prefix")
    values = HandleRecord(referral.handle, referral.values or ())
    wanted = (DERIVED, ORDINARY) if code is ResponseCode.PREFIX_REFERRAL else (ORDINARY,)
    for types in wanted:
        sites = yield from sites_of(values, types, directory, question)
        if sites:
            return sites
    if referral.handle:
        try:
            fetched = yield from _fetch(Handle.parse(referral.handle), question)
        except (InvalidHandleError, HandleNotFoundError):
            sites = ()
        else:
            sites = yield from sites_of(fetched.record, wanted[0], directory, question)
        if sites:
            return sites
    raise _led_astray(candidate, "referred to a service without sites")


def _led_astray(candidate: Candidate, how: str) -> NoServerAnsweredError:
    """Return the error for referrals in vain: the mistake of who refers, and no word about the handle asked for."""
    return NoServerAnsweredError([(str(candidate), UpstreamError(how))])


def _ask_in_turn(sites: tuple[Site, ...], question: Question) -> Conversation[Heard]:
    """Ask candidate after candidate; a quiet one gets company, and whoever answers first is heard.

    When everybody has been asked and says nothing, they are asked again in turn, since one may have come back;
    what fails then is no news, so that it ends with those asked first.

    Raises:
        NoServerAnsweredError: nobody answered, or only to say that they cannot.
    """
    planned = yield Plan(sites, question.handle, primaries_only=question.authoritative)
    if not isinstance(planned, tuple):
        raise TypeError(f"a Plan is answered with candidates, not {planned!r}")
    waiting = list(reversed(planned))
    asked = 0
    again: Iterator[Candidate] | None = None
    is_silence = False
    attempts: list[tuple[str, UpstreamError]] = []
    while waiting or asked:
        if waiting:
            event = yield Ask(waiting.pop(), question)
            asked += 1
        else:
            again = again or _asked_again(planned)
            repetition = next(again, None) if is_silence else None
            event = yield Listen(AGAIN_AFTER_S) if repetition is None else Ask(repetition, question)
            is_silence = _is_silence(event)
        match event:
            case Failed(candidate) if candidate.is_repetition:
                continue
            case Heard(candidate, message):
                asked -= not candidate.is_repetition
                if message.code not in _ASK_ANOTHER:
                    return event
                text = message.body.message if isinstance(message.body, ErrorResponse) else ""
                attempts.append((str(candidate), RefusedError(message.code, text)))
                waiting = _without(waiting, candidate)
            case Failed(candidate, error):
                asked -= 1
                attempts.append((str(candidate), error))
                if isinstance(error, UdpUnsuitableError):
                    waiting = _with_other_ways_first(waiting, candidate)
            case Quiet():
                continue
            case _:
                raise TypeError(f"an Ask is answered with Heard, Failed or Quiet, not {event!r}")
    raise NoServerAnsweredError(attempts)


def _asked_again(planned: Iterable[Candidate]) -> Iterator[Candidate]:
    """Return who is asked once more, in turn: each server by the transport that was preferred."""
    first: dict[tuple[Site, Server], Candidate] = {}
    for way in planned:
        first.setdefault((way.site, way.server), way)
    repetitions = [
        Candidate(way.site, way.server, way.endpoint, patience_s=AGAIN_AFTER_S, is_repetition=True)
        for way in first.values()
    ]
    return islice(cycle(repetitions), MAX_REPETITIONS)


def _is_silence(event: Event) -> bool:
    """Whether nobody said anything, or somebody asked first has been silent for all of his time."""
    match event:
        case Quiet():
            return True
        case Failed(candidate, LookupTimeoutError()):
            return not candidate.is_repetition
        case _:
            return False


def _with_other_ways_first(waiting: list[Candidate], failed: Candidate) -> list[Candidate]:
    """Let the next to be asked be the same server, by a transport that has room for its answer."""
    ways = [
        candidate
        for candidate in waiting
        if candidate.server == failed.server and candidate.transport is not failed.transport
    ]
    return [candidate for candidate in waiting if candidate not in ways] + ways


def _without(waiting: list[Candidate], refused: Candidate) -> list[Candidate]:
    """Leave out the other interfaces of a server that has given its opinion."""
    return [
        candidate
        for candidate in waiting
        if (candidate.site, candidate.server) != (refused.site, refused.server)
    ]
