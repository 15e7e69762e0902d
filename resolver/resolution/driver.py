"""Acts on what a lookup says: asks servers, keeps time, and counts what one visitor may cost.

Knows sockets and clocks, and none of the rules of resolution.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from resolver.errors import (
    CrowdedError,
    MessageFormatError,
    ResolverError,
    ServiceNotFoundError,
    SignatureError,
    UdpUnsuitableError,
    UpstreamError,
)
from resolver.model.site import IPAddress, Site, Transport
from resolver.protocol.bodies import ResolutionRequest
from resolver.protocol.codes import OpCode, OpFlag
from resolver.protocol.envelope import ENVELOPE_SIZE, HIGHEST_VERSION, Envelope
from resolver.protocol.keys import decode_public_key
from resolver.protocol.matching import check_answer
from resolver.protocol.message import LAST_MOMENT, Header, Message, decode_message, encode_message
from resolver.resolution.directory import Directory
from resolver.resolution.health import HealthTable
from resolver.resolution.lookup import RECURSION_LIMIT
from resolver.resolution.selection import favourite, names_needed, plan_candidates
from resolver.resolution.steps import (
    Ask,
    Candidate,
    Conversation,
    Event,
    Failed,
    Fetch,
    Fetched,
    Heard,
    Listen,
    Outcome,
    Plan,
    Question,
    Quiet,
)
from resolver.resolution.trace import Trace
from resolver.tasks import Background
from resolver.transport.names import Names
from resolver.transport.network import Network

__all__ = ["MAX_EXCHANGES", "Budget", "Driver"]

logger = logging.getLogger(__name__)

MAX_EXCHANGES = 40
"""Questions that one visitor's request may cause, whatever records refer to; nothing refills it."""

MAX_UNANSWERED = 12
"""Of these, questions to one address that have no answer: whoever owns a prefix chooses whom we send datagrams to."""

REQUEST_LIFETIME_S = 43_200
"""What deployed clients write into the expiration of a request."""

MAX_NAMES = 4
"""Host names looked up for one question."""

_SUPPLY = struct.Struct("!256I")
"""Random numbers of 32 bits."""

# What went wrong says nothing about whether the server can be reached and answers.
_NOBODYS_FAULT = (CrowdedError, UdpUnsuitableError, SignatureError)

_NO_NAMES: Mapping[str, tuple[IPAddress, ...]] = MappingProxyType({})

_DEFAULT_FLAGS = OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY


@dataclass(slots=True)
class _Shared:
    exchanges_left: int = MAX_EXCHANGES
    refusals: int = 0
    unanswered: dict[IPAddress, int] = field(default_factory=dict)
    """Questions to each address since its last answer."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left for one lookup and for all that it needs on its way."""

    ends_at: float
    """On the clock of the event loop."""
    depth: int = 0
    chain: tuple[str, ...] = ()
    """Cache keys whose lookups led here, outermost first."""
    shared: _Shared = field(default_factory=_Shared)
    trace: Trace | None = None

    @classmethod
    def start(cls, deadline_s: float, trace: Trace | None = None, *, key: str | None = None) -> Budget:
        """Return a full budget that ends after ``deadline_s`` seconds, for the lookup of cache key ``key``."""
        chain = () if key is None else (key,)
        return cls(asyncio.get_running_loop().time() + deadline_s, chain=chain, trace=trace)

    @property
    def refusals(self) -> int:
        """How often this visitor's limits cut something short; what came of that says nothing about others."""
        return self.shared.refusals

    def descend(self, key: str, depth: int) -> Budget:
        """Return the same budget for a lookup within this one.

        Raises:
            ServiceNotFoundError: the lookup leads back to itself.
        """
        if depth > RECURSION_LIMIT:
            self.shared.refusals += 1
            raise ServiceNotFoundError(key, key, "too many lookups lead to one another")
        if key in self.chain:
            self.shared.refusals += 1
            raise ServiceNotFoundError(key, key, "its services refer to each other in a circle")
        return Budget(self.ends_at, depth, (*self.chain, key), self.shared, self.trace)

    def renewed(self, deadline_s: float) -> Budget:
        """Return the same budget with a deadline of its own, for work that others may share."""
        ends_at = asyncio.get_running_loop().time() + deadline_s
        return Budget(ends_at, self.depth, self.chain, self.shared, self.trace)

    def spend(self, address: IPAddress | None = None) -> None:
        """Pay for one question to a server at ``address``.

        Raises:
            UpstreamError: nothing is left, or enough questions were sent there in vain.
        """
        shared = self.shared
        unanswered = 0 if address is None else shared.unanswered.get(address, 0)
        if shared.exchanges_left <= 0 or unanswered >= MAX_UNANSWERED:
            shared.refusals += 1
            if shared.exchanges_left <= 0:
                raise UpstreamError(f"{MAX_EXCHANGES} questions to servers did not lead to an answer")
            raise UpstreamError(f"{unanswered} questions to {address} had no answer")
        shared.exchanges_left -= 1
        if address is not None:
            shared.unanswered[address] = unanswered + 1

    def answered(self, address: IPAddress | None) -> None:
        """Take note that somebody who wants to be asked lives at ``address``."""
        if address is not None:
            self.shared.unanswered.pop(address, None)


Infrastructure = Callable[[Fetch, Budget], Awaitable[Fetched]]


class Driver:
    """Drives lookups."""

    def __init__(
        self,
        directory: Directory,
        network: Network,
        background: Background,
        *,
        transports: Sequence[Transport],
        clock: Callable[[], float],
        names: Names | None = None,
        chance: Callable[[], float] = random.random,
        on_outdated: Callable[[Site, Question], None] = lambda _site, _question: None,
    ) -> None:
        """Prepare.

        Args:
            directory: where lookups begin; may be replaced at any time.
            network: the door to the servers.
            background: runs the questions.
            transports: order of preference.
            clock: seconds since 1970.
            names: looks up host names out of site records.
            chance: gives a random number from 0 to 1.
            on_outdated: told of a site whose record is older than the site itself says.
        """
        self.directory = directory
        self.health = HealthTable()
        self.on_outdated = on_outdated
        self._network = network
        self._names = names or Names()
        self._chance = chance
        self._background = background
        self._transports = tuple(transports)
        self._request_ids: list[int] = []
        self._clock = clock

    async def drive(
        self, conversation: Conversation[Outcome], budget: Budget, infrastructure: Infrastructure
    ) -> Outcome:
        """Act on each step of ``conversation`` until it ends, and return how it ended.

        Raises:
            ResolverError: whatever the conversation ends with.
        """
        asked: set[asyncio.Task[Heard | Failed]] = set()
        probes: set[asyncio.Task[Heard | Failed]] = set()
        event: Event | ResolverError | None = None
        try:
            while True:
                if isinstance(event, ResolverError):
                    step = conversation.throw(event)
                else:
                    step = next(conversation) if event is None else conversation.send(event)
                match step:
                    case Fetch():
                        try:
                            event = await infrastructure(step, budget)
                        except ResolverError as error:
                            event = error
                    case Plan():
                        event = await self._plan(step)
                    case Ask(candidate, question):
                        work = self._exchange(candidate, question, budget)
                        task = self._background.start(work, name=candidate.endpoint.text)
                        asked.add(task)
                        if candidate.is_probe:
                            probes.add(task)
                        event = await self._next_event(asked, candidate.patience_s)
                    case Listen(patience_s):
                        event = await self._next_event(asked, patience_s)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            # Probes go on until they know; they end by their own time-outs.
            for task in asked - probes:
                task.cancel()
            conversation.close()

    async def _plan(self, plan: Plan) -> tuple[Candidate, ...]:
        hosts = names_needed(plan.sites, plan.handle)[:MAX_NAMES]
        names: dict[str, tuple[IPAddress, ...]] = {}
        if hosts:
            found = await asyncio.gather(*(self._names.addresses_of(host) for host in hosts))
            names = dict(zip(hosts, found, strict=True))
        return self.order(plan, names)

    def first(self, plan: Plan) -> tuple[Candidate, ...]:
        """Return the ways to the servers of a plan, best first; perhaps only the best, if that is easily told."""
        way = None
        if not plan.primaries_only:
            way = favourite(plan.sites, plan.handle, transports=self._transports, health=self.health)
        return self.order(plan) if way is None else (way,)

    def order(
        self, plan: Plan, names: Mapping[str, tuple[IPAddress, ...]] = _NO_NAMES
    ) -> tuple[Candidate, ...]:
        """Return the ways to the servers of a plan, best first; those that only a name leads to by ``names``."""
        return plan_candidates(
            plan.sites,
            plan.handle,
            primaries_only=plan.primaries_only,
            transports=self._transports,
            health=self.health,
            now=time.monotonic(),
            chance=self._chance,
            names=names,
        )

    async def _next_event(
        self, asked: set[asyncio.Task[Heard | Failed]], patience_s: float
    ) -> Heard | Failed | Quiet:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake(_: object = None) -> None:
            if not woken.done():
                woken.set_result(None)

        # As asyncio.wait does it, without all that it does for others; this runs for every question.
        timer = loop.call_later(patience_s, wake)
        for task in asked:
            task.add_done_callback(wake)
        try:
            await woken
        finally:
            timer.cancel()
            for task in asked:
                task.remove_done_callback(wake)
        for task in asked:
            if task.done():
                asked.discard(task)
                return task.result()
        return Quiet()

    async def _exchange(self, candidate: Candidate, question: Question, budget: Budget) -> Heard | Failed:
        """Ask one server; how it ends is a value, so that several may be asked side by side."""
        left_at = math.inf  # not yet

        def leave() -> None:
            nonlocal left_at
            left_at = time.monotonic()

        began_s = budget.trace.now_s if budget.trace is not None else 0.0
        try:
            budget.spend(candidate.endpoint.address)
        except UpstreamError as error:
            return Failed(candidate, error)  # nobody was asked, so nobody is to blame
        try:
            message = await self._ask(candidate, question, leave)
        except UpstreamError as error:
            if not isinstance(error, _NOBODYS_FAULT):
                self.health.failed(candidate, time.monotonic())
            _note(budget, candidate, question, began_s, str(error), succeeded=False)
            return Failed(candidate, error)
        except asyncio.CancelledError:
            # Somebody else was faster. If this one had its time, remember that it was not.
            now = time.monotonic()
            if now - left_at > candidate.patience_s and not candidate.is_probe:
                self.health.failed(candidate, now)
            raise
        budget.answered(candidate.endpoint.address)
        self._note_answer(candidate, question, message, time.monotonic() - left_at)
        _note(budget, candidate, question, began_s, message.code.name, received=_size(message))
        return Heard(candidate, message)

    def shoot(
        self,
        candidate: Candidate,
        question: Question,
        on_heard: Callable[[Heard | None], None],
        *,
        longest_s: float,
        wait_s: float,
    ) -> bool:
        """Ask one server that is well by one datagram, and tell what it says.

        Args:
            candidate: whom to ask.
            question: not a certified one.
            longest_s: a server that may well take longer is not asked.
            wait_s: how long the question may wait for its turn.
            on_heard: told of its answer, or of ``None`` if anything else comes, or nothing within its patience.

        Returns:
            Whether it was asked; if not, nobody will be told.
        """
        if (
            candidate.transport is not Transport.UDP
            or candidate.is_probe
            or candidate.patience_s > longest_s
            or not self.health.is_well(candidate)
        ):
            return False
        now = self._clock()
        request = self._request(candidate, question, now)
        octets = encode_message(request)

        def take(answer: bytes | None, elapsed_s: float) -> None:
            message: Message | None = None
            try:
                if answer is not None:
                    message = _read_answer(request, octets, answer, now)
                if message is not None:
                    self._note_answer(candidate, question, message, elapsed_s)
            except Exception:  # a mistake of ours, which must not keep visitors waiting for ever
                logger.exception("answer not read handle=%r server=%s", question.handle.text, candidate)
                message = None
            on_heard(None if message is None else Heard(candidate, message))

        return self._network.shoot(
            candidate.endpoint,
            octets,
            question.handle.text,
            take,
            patience_s=candidate.patience_s,
            wait_s=wait_s,
        )

    def _note_answer(
        self, candidate: Candidate, question: Question, message: Message, elapsed_s: float
    ) -> None:
        authoritative_at = time.monotonic() if question.authoritative else None
        self.health.answered(candidate, elapsed_s, authoritative_at=authoritative_at)
        if _is_newer(message.header.site_serial, candidate.site.serial_number):
            self.on_outdated(candidate.site, question)

    async def _ask(self, candidate: Candidate, question: Question, on_turn: Callable[[], None]) -> Message:
        now = self._clock()
        request = self._request(candidate, question, now)
        octets = encode_message(request)
        answer = await self._network.exchange(
            candidate.endpoint,
            octets,
            question.handle.text,
            patience_s=self.health.of(candidate).usual_s,
            on_turn=on_turn,
        )
        message = decode_message(answer)
        check_answer(request, octets, message, now)
        if question.certified:
            _check_signature(answer, message, candidate)
        return message

    def _request_id(self) -> int:
        """Return a number that nobody can guess, out of a supply that is fetched at once."""
        if not self._request_ids:
            octets = secrets.token_bytes(_SUPPLY.size)
            self._request_ids = [1 + number % 0x7FFF_FFFF for number in _SUPPLY.unpack(octets)]
        return self._request_ids.pop()

    def _request(self, candidate: Candidate, question: Question, now: float) -> Message:
        site = candidate.site
        envelope = Envelope(
            # Software from before 2.1 calls itself 5.0, and no site speaks more than we suggest.
            version=min(site.protocol_version, HIGHEST_VERSION)
            if site.protocol_version[0] < 5
            else HIGHEST_VERSION,
            request_id=self._request_id(),
            message_length=0,
        )
        header = Header(
            OpCode.RESOLUTION,
            op_flags=_flags_for(question.public_only, question.authoritative, question.certified),
            site_serial=site.serial_number,
            recursion_count=min(question.recursion_count, 255),
            expiration=min(int(now) + REQUEST_LIFETIME_S, LAST_MOMENT),
        )
        return Message(envelope, header, ResolutionRequest(question.handle.text))


@lru_cache
def _flags_for(public_only: bool, authoritative: bool, certified: bool) -> OpFlag:
    flags = _DEFAULT_FLAGS
    if public_only:
        flags |= OpFlag.PUBLIC_ONLY
    if authoritative:
        flags |= OpFlag.AUTHORITATIVE
    if certified:
        flags |= OpFlag.CERTIFIED | OpFlag.REQUEST_DIGEST
    return flags


def _check_signature(octets: bytes, message: Message, candidate: Candidate) -> None:
    """Check that the server has signed its answer with the key of its site record (RFC 3652 section 2.2.4).

    Raises:
        SignatureError: it has not.
    """
    from resolver.protocol.signing import verify_message

    try:
        key = decode_public_key(candidate.server.public_key)
    except MessageFormatError as error:
        raise SignatureError("the site record has no key to check the signature with") from error
    verify_message(octets, message, key)


def _read_answer(request: Message, octets: bytes, answer: bytes, now: float) -> Message | None:
    """Read an answer to ``request``; ``None`` if it is none."""
    try:
        message = decode_message(answer)
        check_answer(request, octets, message, now)
    except MessageFormatError:
        return None
    return message


def _is_newer(serial: int, known: int) -> bool:
    """Whether a site says that its record has a later serial number, as signed numbers of 16 bits."""
    return _signed(serial) > _signed(known)


def _signed(serial: int) -> int:
    return serial - 0x1_0000 if serial & 0x8000 else serial


def _note(
    budget: Budget,
    candidate: Candidate,
    question: Question,
    began_s: float,
    outcome: str,
    *,
    received: int = 0,
    succeeded: bool = True,
) -> None:
    if budget.trace is not None:
        budget.trace.note(
            budget.depth,
            question.handle.text,
            outcome,
            began_s=began_s,
            server=str(candidate),
            site=candidate.site.description,
            received=received,
            succeeded=succeeded,
        )


def _size(message: Message) -> int:
    return ENVELOPE_SIZE + message.envelope.message_length
