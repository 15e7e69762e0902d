"""The driver: what it sends, what it makes of each step, and what one visitor may cost. The network is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec.structs import replace

from resolver.demo.handle_service import HandleService, RecordStore
from resolver.errors import (
    AddressRefusedError,
    CrowdedError,
    LookupTimeoutError,
    MessageFormatError,
    ServiceNotFoundError,
    SignatureError,
    TransportError,
    UdpUnsuitableError,
    UpstreamError,
)
from resolver.model.handle import Handle
from resolver.model.site import Site, Transport
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.keys import encode_public_key
from resolver.protocol.message import Message
from resolver.protocol.signing import public_key_of
from resolver.resolution.directory import Directory
from resolver.resolution.driver import MAX_EXCHANGES, MAX_NAMES, MAX_UNANSWERED, Budget, Driver
from resolver.resolution.steps import (
    Answer,
    Ask,
    Candidate,
    Conversation,
    Failed,
    Fetch,
    Fetched,
    Heard,
    Listen,
    Plan,
    Question,
)
from resolver.resolution.trace import Trace
from resolver.tasks import Background
from resolver.transport.names import Names
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
        second = yield Listen(5.0)
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


async def test_budget_of_silence() -> None:
    """An address that answers nothing is left in peace after so many questions, and other addresses are asked."""
    budget = Budget.start(10.0)
    deeper = budget.descend("A", 1)
    silent, other = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    for each in (budget, deeper) * (MAX_UNANSWERED // 2):
        each.spend(silent)
    for each in (budget, deeper):
        with pytest.raises(UpstreamError, match=r"12 questions to 192\.0\.2\.1 had no answer"):
            each.spend(silent)
    for _ in range(2 * MAX_UNANSWERED):
        budget.spend(other)
        budget.answered(other)


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
    """A trace tells who was asked for what, what came of it, when, and how deep."""
    drive = Drive()
    drive.site = site_at(ADDRESS, attributes=[("desc", "the first site")])
    trace = Trace()
    drive.budget = Budget.start(10.0, trace).descend("A", 3)
    await drive.sent()
    drive.network.down.add(ADDRESS)
    await drive.sent()
    first, second = trace.entries
    assert (first.depth, first.handle, first.server, first.site) == (
        3,
        "10.1/abc",
        f"udp://{ADDRESS}:2641",
        "the first site",
    )
    assert (first.outcome, first.succeeded) == ("SUCCESS", True)
    assert first.received > 100
    assert (second.outcome, second.succeeded, second.received) == ("udp: refused", False, 0)
    assert 0 <= first.began_s <= second.began_s
    assert min(first.elapsed_s, second.elapsed_s) >= 0


# --- what is learned from it -----------------------------------------------------------------------------


async def learned(drive: Drive, error: UpstreamError) -> int:
    """Let a question fail with ``error``, and return how often that was held against the way."""

    async def fails(*_: object, **__: object) -> bytes:
        raise error

    drive.network.exchange = fails  # type: ignore[method-assign, assignment]
    failures = []

    def conversation() -> Conversation[Answer]:
        (candidate,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        event = yield Ask(candidate, Question(HANDLE))
        assert event == Failed(candidate, error)
        failures.append(drive.driver.health.of(candidate).failures)
        return ANSWER

    await drive.run(conversation())
    return failures[0]


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (TransportError("refused"), 1),
        (LookupTimeoutError("silence"), 1),
        (MessageFormatError("nonsense"), 1),
        (AddressRefusedError("private"), 1),
        (CrowdedError("full"), 0),
        (UdpUnsuitableError("large"), 0),
        (SignatureError("not signed"), 0),
    ],
)
async def test_who_is_to_blame(error: UpstreamError, blamed: int) -> None:
    """What a server can do nothing about is not held against it: our own crowd, a large answer, a missing signature."""
    assert await learned(Drive(), error) == blamed


async def ended(drive: Drive) -> None:
    """Wait until nothing runs in the background any more."""
    running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 2)
    assert len(drive.background) == 0


async def test_probe_goes_on() -> None:
    """A way that was asked to learn how it does now may answer after the lookup has ended."""
    drive = Drive()
    drive.network._services[ADDRESS, 2641].behaviour.delay_s = 0.02
    probed = []

    def conversation() -> Conversation[Answer]:
        (slow,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        (quick,) = yield Plan((drive.other,), HANDLE, primaries_only=False)  # type: ignore[misc]
        probed.append(slow)
        yield Ask(replace(slow, is_probe=True, patience_s=0.0), Question(HANDLE))
        yield Ask(quick, Question(HANDLE))
        return ANSWER

    assert await drive.run(conversation()) is ANSWER
    assert drive.driver.health.of(probed[0]).rtt_s is None
    await ended(drive)
    assert drive.driver.health.of(probed[0]).rtt_s is not None


@pytest.mark.parametrize(("patience_s", "blamed"), [(0.005, 1), (5.0, 0)])
async def test_overtaken(patience_s: float, blamed: int) -> None:
    """Who is given up after its patience was over is remembered as slow; who still had time is not."""
    drive = Drive()
    drive.network._services[ADDRESS, 2641].behaviour.silent = frozenset({"udp"})
    asked: list[Candidate] = []

    def conversation() -> Conversation[Answer]:
        (silent,) = yield Plan((drive.site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        asked.append(silent)
        yield Ask(replace(silent, patience_s=patience_s), Question(HANDLE))
        yield Listen(5.0)
        return ANSWER

    driving = asyncio.get_running_loop().create_task(drive.run(conversation()))
    await asyncio.sleep(0.03)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await ended(drive)
    assert drive.driver.health.of(asked[0]).failures == blamed


@pytest.mark.parametrize(
    ("known", "said", "is_newer"),
    [
        (1, 1, False),
        (1, 2, True),
        (2, 1, False),
        (0x7FFF, 0x8000, False),
        (0xFFFF, 0, True),
        (1, 0xFFFF, False),
    ],
)
async def test_site_that_has_changed(known: int, said: int, is_newer: bool) -> None:
    """A site that says its record has a later serial number than the one we know is told on, with the question."""
    drive = Drive()
    told: list[tuple[Site, Question]] = []
    drive.driver.on_outdated = lambda site, question: told.append((site, question))
    service = drive.network._services[ADDRESS, 2641]
    service.site = replace(service.site, serial_number=said)
    site = replace(drive.site, serial_number=known)
    await drive.sent(site)
    assert told == ([(site, Question(HANDLE))] if is_newer else [])


async def test_authoritative_answers_are_noted() -> None:
    """That a primary gave an authoritative answer is remembered of it, and of no other answer."""
    drive = Drive()
    way = (await planned(drive, drive.site))[0]
    await drive.sent()
    assert drive.driver.health.of(way).authoritative_at is None
    await drive.sent(authoritative=True)
    assert drive.driver.health.of(way).authoritative_at is not None


async def planned(drive: Drive, *sites: Site) -> tuple[Candidate, ...]:
    """Return the ways to sites as the driver plans them."""
    found: list[tuple[Candidate, ...]] = []

    def conversation() -> Conversation[Answer]:
        found.append((yield Plan(sites, HANDLE, primaries_only=False)))  # type: ignore[arg-type]
        return ANSWER

    await drive.run(conversation())
    return found[0]


# --- names -----------------------------------------------------------------------------------------------


async def test_names() -> None:
    """Names of servers without address are looked up before anybody is asked, a few at most, side by side."""
    drive = Drive()
    asked: list[str] = []

    async def dns(name: str) -> list[tuple[Any, ...]]:
        asked.append(name)
        await asyncio.sleep(0.02)
        return [(2, 1, 6, "", (ADDRESS, 0))]

    drive.driver._names = Names(dns)
    sites = [site_at("", attributes=[("domain", f"{number}.example")]) for number in range(MAX_NAMES + 3)]
    begun_at = asyncio.get_running_loop().time()
    ways = await planned(drive, *sites)
    assert asyncio.get_running_loop().time() - begun_at < 0.02 * MAX_NAMES
    assert asked == [f"{number}.example" for number in range(MAX_NAMES)]
    assert [way.endpoint.host for way in ways if way.endpoint.address is not None] == asked


async def test_no_names() -> None:
    """Where every server has an address, the DNS is left alone."""
    drive = Drive()

    async def dns(_: str) -> list[tuple[Any, ...]]:
        raise AssertionError("a name was looked up")

    drive.driver._names = Names(dns)
    assert [str(way) for way in await planned(drive, drive.site)] == [f"udp://{ADDRESS}:2641"]


# --- signed answers --------------------------------------------------------------------------------------


def with_keys(drive: Drive, in_record: rsa.RSAPrivateKey | None, of_server: rsa.RSAPrivateKey | None) -> Site:
    """Give the server a key, and return the site with the key that its record names."""
    service = drive.network._services[ADDRESS, 2641]
    service._key = of_server
    key = encode_public_key(public_key_of(in_record)) if in_record is not None else b""
    return replace(drive.site, servers=(replace(drive.site.servers[0], public_key=key),))


@cache
def key(_: str) -> rsa.RSAPrivateKey:
    """Return a key of somebody."""
    return rsa.generate_private_key(65537, 2048)


async def certified(drive: Drive, site: Site) -> Heard | Failed:
    """Ask for a signed answer, and return what came of it."""
    events: list[Any] = []

    def conversation() -> Conversation[Answer]:
        (candidate,) = yield Plan((site,), HANDLE, primaries_only=False)  # type: ignore[misc]
        events.append((yield Ask(candidate, Question(HANDLE, certified=True))))
        return ANSWER

    await drive.run(conversation())
    event: Heard | Failed = events[0]
    return event


async def test_signed_answer() -> None:
    """An answer signed with the key of the site record is heard."""
    drive = Drive()
    assert isinstance(await certified(drive, with_keys(drive, key("a"), key("a"))), Heard)


@pytest.mark.parametrize(
    ("in_record", "of_server", "complaint"),
    [("a", "b", ""), ("a", None, ""), (None, "a", "has no key"), (None, None, "has no key")],
)
async def test_answer_not_signed_as_it_should_be(
    in_record: str | None, of_server: str | None, complaint: str
) -> None:
    """One signed with another key, or not at all, or by a server whose key nobody knows, is a failure."""
    drive = Drive()
    site = with_keys(drive, key(in_record) if in_record else None, key(of_server) if of_server else None)
    event = await certified(drive, site)
    assert isinstance(event, Failed)
    assert isinstance(event.error, SignatureError)
    assert complaint in str(event.error)


@pytest.mark.parametrize("position", [25, 60, -1])
async def test_signed_answer_that_was_changed(position: int) -> None:
    """Whatever octet of a signed answer is changed on the way, it is none any more."""
    drive = Drive()
    site = with_keys(drive, key("a"), key("a"))

    def change(octets: bytes) -> bytes:
        place = position % len(octets)
        return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]

    drive.network._services[ADDRESS, 2641].behaviour.rewrite = change
    assert isinstance(await certified(drive, site), Failed)
