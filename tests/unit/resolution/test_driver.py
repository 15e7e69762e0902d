"""The driver: what it sends, what it makes of each step, and what one visitor may cost. The network is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from resolver.demo.handle_service import HandleService, RecordStore
from resolver.errors import ServiceNotFoundError, TransportError, UpstreamError
from resolver.model.handle import Handle
from resolver.model.site import Site, Transport
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.message import Message
from resolver.resolution.directory import Directory
from resolver.resolution.driver import MAX_EXCHANGES, Budget, Driver, Trace
from resolver.resolution.steps import (
    Answer,
    Ask,
    Conversation,
    Failed,
    Fetch,
    Fetched,
    Heard,
    Listen,
    Plan,
    Question,
)
from resolver.tasks import Background
from tests.fakes import EPOCH, FakeClock, FakeNetwork, record_of, site_at

HANDLE = Handle("10.1/abc")
ADDRESS, OTHER = "192.0.2.1", "192.0.2.2"
ANSWER = Answer(record_of("10.1/abc"), "somebody", authoritative=True)


class Drive:
    """A driver over a network in which servers at two addresses know the handle."""

    def __init__(self) -> None:
        self.network = FakeNetwork()
        self.background = Background()
        clock = FakeClock()
        self.site, self.other = site_at(ADDRESS), site_at(OTHER)
        for address, site in ((ADDRESS, self.site), (OTHER, self.other)):
            store = RecordStore([record_of("10.1/abc")])
            self.network.add(address, HandleService(store, site=site, homed=("10.1",), clock=clock))
        self.driver = Driver(
            Directory(()),
            self.network,  # type: ignore[arg-type]  # a fake with the same method
            self.background,
            transports=(Transport.UDP,),
            clock=clock,
            chance=lambda: 0.0,
        )
        self.budget = Budget.start(10.0)
        self.fetched: list[tuple[Fetch, Budget]] = []
        self.infrastructure_error: UpstreamError | None = None

    async def infrastructure(self, step: Fetch, budget: Budget) -> Fetched:
        self.fetched.append((step, budget))
        if self.infrastructure_error is not None:
            raise self.infrastructure_error
        return Fetched(record_of(step.handle.text), is_old=False)

    async def run(self, conversation: Conversation[Answer]) -> Answer:
        """Drive a conversation."""
        return await self.driver.drive(conversation, self.budget, self.infrastructure)

    async def sent(self, site: Site | None = None, **conditions: Any) -> Message:
        """Let one question go out, and return it as it was sent."""

        def conversation() -> Conversation[Answer]:
            (candidate,) = yield Plan((site or self.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
            yield Ask(candidate, Question(HANDLE, **conditions))
            return ANSWER

        await self.run(conversation())
        return self.network.exchanges[-1].request


# --- what is sent ----------------------------------------------------------------------------------------


async def test_request() -> None:
    """An ordinary request asks for the public values of a handle, and may be answered for twelve hours."""
    request = await Drive().sent()
    assert request.body.handle == "10.1/abc"  # type: ignore[union-attr]
    header = request.header
    assert (header.opcode, header.response_code) == (OpCode.RESOLUTION, ResponseCode.NONE)
    assert header.op_flags == OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY | OpFlag.PUBLIC_ONLY
    assert (header.site_serial, header.recursion_count) == (1, 0)
    assert header.expiration == EPOCH + 43_200
    assert request.envelope.suggested_version == (2, 11)


@pytest.mark.parametrize(
    ("conditions", "changed"),
    [
        ({"public_only": False}, OpFlag.PUBLIC_ONLY),
        ({"authoritative": True}, OpFlag.AUTHORITATIVE),
        ({"certified": True}, OpFlag.CERTIFIED | OpFlag.REQUEST_DIGEST),
    ],
)
async def test_conditions(conditions: dict[str, bool], changed: OpFlag) -> None:
    """Each condition of a question is a flag of the request; who wants it certified wants it bound to the question."""
    ordinary = OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY | OpFlag.PUBLIC_ONLY
    assert (await Drive().sent(**conditions)).header.op_flags == ordinary ^ changed


async def test_serial_number_of_the_site() -> None:
    """The header tells which edition of the site record we go by."""
    assert (await Drive().sent(site_at(ADDRESS, serial_number=77))).header.site_serial == 77


@pytest.mark.parametrize(("count", "sent"), [(0, 0), (40, 40), (1000, 255)])
async def test_recursion_count(count: int, sent: int) -> None:
    """The recursion count fits its octet."""
    assert (await Drive().sent(recursion_count=count)).header.recursion_count == sent


@pytest.mark.parametrize(
    ("site_version", "sent"),
    [((2, 1), (2, 1)), ((2, 11), (2, 11)), ((2, 99), (2, 11)), ((3, 0), (2, 11)), ((5, 0), (2, 11))],
)
async def test_version(site_version: tuple[int, int], sent: tuple[int, int]) -> None:
    """A site is spoken to in the version it knows, at most ours; old software that calls itself 5.0 in ours."""
    request = await Drive().sent(site_at(ADDRESS, protocol_version=site_version))
    assert (request.envelope.version, request.envelope.suggested_version) == (sent, (2, 11))


async def test_request_ids() -> None:
    """Request ids are drawn anew each time, from 1 to the largest that a signed number can be."""
    drive = Drive()
    drive.budget = Budget.start(10.0)
    ids = {(await drive.sent()).envelope.request_id for _ in range(MAX_EXCHANGES)}
    assert len(ids) == MAX_EXCHANGES
    assert all(1 <= number < 2**31 for number in ids)
    assert max(ids) > 2**26


# --- what is made of each step ---------------------------------------------------------------------------


async def test_fetch() -> None:
    """A record that the lookup needs comes from the infrastructure, on the same budget."""
    drive = Drive()

    def conversation() -> Conversation[Answer]:
        event = yield Fetch(Handle("0.NA/10.1"), 1)
        assert event == Fetched(record_of("0.NA/10.1"), is_old=False)
        return ANSWER

    assert await drive.run(conversation()) is ANSWER
    assert drive.fetched == [(Fetch(Handle("0.NA/10.1"), 1), drive.budget)]


async def test_fetch_that_fails() -> None:
    """An error of the infrastructure is thrown into the conversation, which may go on."""
    drive = Drive()
    drive.infrastructure_error = TransportError("refused")

    def conversation() -> Conversation[Answer]:
        with pytest.raises(TransportError, match="refused"):
            yield Fetch(Handle("0.NA/10.1"), 1)
        return ANSWER

    assert await drive.run(conversation()) is ANSWER


async def test_answer() -> None:
    """An answer is handed over with the candidate that gave it, and counts in its favour."""
    drive = Drive()

    def conversation() -> Conversation[Answer]:
        (candidate,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        event = yield Ask(candidate, Question(HANDLE))
        assert isinstance(event, Heard)
        assert (event.candidate, event.message.code) == (candidate, ResponseCode.SUCCESS)
        rtt_s = drive.driver.health.of(candidate).rtt_s
        assert rtt_s is not None
        assert 0 <= rtt_s < 1
        return ANSWER

    assert await drive.run(conversation()) is ANSWER


async def test_failure() -> None:
    """A failure is handed over like an answer, and counts against the candidate."""
    drive = Drive()
    drive.network.down.add(ADDRESS)

    def conversation() -> Conversation[Answer]:
        (candidate,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        event = yield Ask(candidate, Question(HANDLE))
        assert isinstance(event, Failed)
        assert (event.candidate, str(event.error)) == (candidate, "udp: refused")
        assert drive.driver.health.of(candidate).failures == 1
        return ANSWER

    assert await drive.run(conversation()) is ANSWER


def another_id(octets: bytes) -> bytes:
    return octets[:8] + (int.from_bytes(octets[8:12], "big") ^ 1).to_bytes(4, "big") + octets[12:]


@pytest.mark.parametrize(
    "lie", [lambda octets: octets[:-1], lambda octets: b"", another_id], ids=["cut", "empty", "other id"]
)
async def test_answer_that_does_not_belong(lie: Callable[[bytes], bytes]) -> None:
    """An answer that is no message, or not to this question, is a failure of the candidate."""
    drive = Drive()
    drive.network._services[ADDRESS, 2641].behaviour.rewrite = lie

    def conversation() -> Conversation[Answer]:
        (candidate,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        assert isinstance((yield Ask(candidate, Question(HANDLE))), Failed)
        return ANSWER

    assert await drive.run(conversation()) is ANSWER


async def test_two_side_by_side() -> None:
    """A second question is asked beside the first; each answer is heard once, whoever is listening."""
    drive = Drive()
    drive.network._services[ADDRESS, 2641].behaviour.delay_s = 0.02

    def conversation() -> Conversation[Answer]:
        slow, quick = yield Plan((drive.site, drive.other), HANDLE, primaries_only=False)  # type: ignore[misc]
        if slow.site != drive.site:
            slow, quick = quick, slow
        yield Ask(replace(slow, patience_s=0.0), Question(HANDLE))
        first = yield Ask(quick, Question(HANDLE))
        second = yield Listen()
        assert [event.candidate.site for event in (first, second)] == [drive.other, drive.site]  # type: ignore[union-attr]
        return ANSWER

    assert await drive.run(conversation()) is ANSWER
    assert len(drive.background) == 0


async def test_conversation_that_fails() -> None:
    """However a conversation ends, that is how driving it ends, and it has been closed."""
    drive = Drive()
    closed = []

    def conversation() -> Conversation[Answer]:
        try:
            yield Fetch(Handle("0.NA/10.1"), 1)
            raise ServiceNotFoundError("10.1/abc", "10.1", "a test wants it so")
        finally:
            closed.append(True)

    with pytest.raises(ServiceNotFoundError):
        await drive.run(conversation())
    assert closed == [True]


async def test_cancelled_in_the_middle() -> None:
    """A drive that is cancelled ends the questions under way, and closes the conversation."""
    drive = Drive()
    drive.network._services[ADDRESS, 2641].behaviour.silent = frozenset({"udp"})
    closed = []

    def conversation() -> Conversation[Answer]:
        try:
            (candidate,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
            yield Ask(candidate, Question(HANDLE))
        finally:
            closed.append(True)
        return ANSWER

    driving = asyncio.get_running_loop().create_task(drive.run(conversation()))
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(drive.background) == 1
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    for _ in range(3):
        await asyncio.sleep(0)
    assert (len(drive.background), closed) == (0, [True])


# --- what one visitor may cost ---------------------------------------------------------------------------


async def test_budget_of_questions() -> None:
    """A budget pays for so many questions, and for none after them, wherever in the lookup they are asked."""
    budget = Budget.start(10.0)
    deeper = budget.descend("A", 1).descend("B", 2)
    for each in (budget, deeper) * (MAX_EXCHANGES // 2):
        each.spend()
    for each in (budget, deeper):
        with pytest.raises(UpstreamError, match="40 questions"):
            each.spend()


async def test_budget_of_time() -> None:
    """The deadline of a lookup is that of all it needs: nothing renews it."""
    budget = Budget.start(10.0)
    assert budget.descend("A", 1).descend("B", 2).ends_at == budget.ends_at


async def test_lookup_that_leads_back_to_itself() -> None:
    """A lookup within a lookup of the same handle is a circle; one beside another is none."""
    budget = Budget.start(10.0)
    deeper = budget.descend("A", 1).descend("B", 2)
    for key in ("A", "B"):
        with pytest.raises(ServiceNotFoundError, match="circle"):
            deeper.descend(key, 3)
    assert budget.descend("C", 1).descend("B", 2).chain == ("C", "B")


async def test_spent_budget() -> None:
    """With the budget spent nobody is asked, and nobody is blamed."""
    drive = Drive()
    for _ in range(MAX_EXCHANGES):
        drive.budget.spend()

    def conversation() -> Conversation[Answer]:
        (candidate,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        event = yield Ask(candidate, Question(HANDLE))
        assert isinstance(event, Failed)
        assert "40 questions" in str(event.error)
        return ANSWER

    await drive.run(conversation())
    assert drive.network.exchanges == []
    assert len(drive.driver.health) == 0


async def test_trace() -> None:
    """A trace tells what happened, when, and how deep."""
    drive = Drive()
    trace = Trace()
    drive.budget = Budget.start(10.0, trace).descend("A", 3)
    await drive.sent()
    drive.network.down.add(ADDRESS)
    await drive.sent()
    first, second = trace.entries
    assert (first.depth, first.handle) == (3, "10.1/abc")
    assert first.text.startswith(f"udp://{ADDRESS}:2641 answered SUCCESS in ")
    assert second.text == f"udp://{ADDRESS}:2641 failed: udp: refused"
    assert 0 <= first.at_s <= second.at_s
