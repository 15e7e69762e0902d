"""Short words for talking to a lookup by hand: what it may hear, and how it may end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from resolver.errors import ResolverError, TransportError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site, Transport
from resolver.protocol.bodies import Body, ErrorResponse, ReferralResponse, ResolutionResponse
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import HIGHEST_VERSION, Envelope
from resolver.protocol.message import Header, Message
from resolver.resolution.directory import Directory
from resolver.resolution.lookup import look_up
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
    Plan,
    Question,
    Step,
)
from resolver.transport.endpoint import Endpoint
from tests.fakes import record_of, site_at, site_value

REGISTRY = (site_at("192.0.2.1"), site_at("192.0.2.2", primary=False))
SITE = site_at("198.51.100.1")
OTHER_SITE = site_at("198.51.100.2", primary=False)
THIRD_SITE = site_at("198.51.100.3")


def ask_for(text: str, **conditions: object) -> Conversation[Answer]:
    """Begin to resolve a handle."""
    return look_up(Question(Handle(text), **conditions), Directory(REGISTRY))  # type: ignore[arg-type]


def prefix_record(*values: HandleValue) -> HandleRecord:
    """Return the record of prefix ``10.1``; without ``values`` it names ``SITE``."""
    return record_of("0.NA/10.1", *(values or (site_value(SITE),)))


def fetched(*values: HandleValue, is_old: bool = False) -> Fetched:
    """Let the record of the prefix arrive."""
    return Fetched(prefix_record(*values), is_old)


def planned(step: Step, *transports: Transport) -> tuple[Candidate, ...]:
    """Answer a plan: each site in the order given, by UDP unless told otherwise."""
    assert isinstance(step, Plan), step
    return tuple(
        Candidate(
            site,
            site.servers[0],
            Endpoint(Transport(interface.transport), site.servers[0].ip, interface.port),
        )
        for site in step.sites
        for transport in transports or (Transport.UDP,)
        if (interface := site.servers[0].query_interface(transport)) is not None
    )


def asking(
    conversation: Conversation[Answer], sites: Sequence[Site] = (SITE,), *transports: Transport
) -> Ask:
    """Go on to where the servers of ``sites`` are asked for a handle of prefix ``10.1``; return the first question."""
    assert isinstance(next(conversation), Fetch)
    step = conversation.send(fetched(*(site_value(site) for site in sites)))
    return asked(conversation.send(planned(step, *transports)))


def asked(step: Step) -> Ask:
    """Return ``step``, which must be a question to a server."""
    assert isinstance(step, Ask), step
    return step


def heard(
    candidate: Candidate,
    code: ResponseCode,
    body: Body | None = None,
    *,
    version: tuple[int, int] = HIGHEST_VERSION,
    flags: OpFlag = OpFlag(0),
) -> Heard:
    """Let ``candidate`` answer."""
    header = Header(OpCode.RESOLUTION, code, flags)
    return Heard(candidate, Message(Envelope(version, 1, 0), header, body or ErrorResponse()))


def found(ask: Ask, *values: HandleValue) -> Heard:
    """Let the server that is asked know the handle."""
    record = record_of(ask.question.handle.text, *values)
    return heard(ask.candidate, ResponseCode.SUCCESS, ResolutionResponse(record.handle, record.values))


def refused(ask: Ask) -> Failed:
    """Let nobody listen at the server that is asked."""
    return Failed(ask.candidate, TransportError("refused"))


def referral(
    ask: Ask,
    *values: HandleValue,
    handle: str = "",
    code: ResponseCode = ResponseCode.SERVICE_REFERRAL,
) -> Heard:
    """Let the server that is asked name somebody else."""
    return heard(ask.candidate, code, ReferralResponse(handle, values or None))


def ending(conversation: Conversation[Answer], event: Event) -> Answer:
    """Say the last word, and return the answer."""
    with pytest.raises(StopIteration) as end:
        conversation.send(event)
    answer = end.value.value
    assert isinstance(answer, Answer)
    return answer


def failing(conversation: Conversation[Answer], event: Event | ResolverError | None = None) -> ResolverError:
    """Say the last word, and return the error with which the lookup ends."""
    try:
        match event:
            case None:
                step = next(conversation)
            case ResolverError():
                step = conversation.throw(event)
            case _:
                step = conversation.send(event)
    except ResolverError as error:
        return error
    pytest.fail(f"the lookup goes on with {step!r}")
