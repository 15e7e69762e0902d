"""Acts on what a lookup says: asks servers, keeps time, and counts what one visitor may cost.

Knows sockets and clocks, and none of the rules of resolution.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from resolver.errors import ResolverError, ServiceNotFoundError, UpstreamError
from resolver.model.site import Transport
from resolver.protocol.bodies import ResolutionRequest
from resolver.protocol.codes import OpCode, OpFlag
from resolver.protocol.envelope import HIGHEST_VERSION, Envelope
from resolver.protocol.matching import check_answer
from resolver.protocol.message import Header, Message, decode_message, encode_message
from resolver.resolution.bootstrap import Registry
from resolver.resolution.lookup import RECURSION_LIMIT
from resolver.resolution.selection import HealthTable, plan_candidates
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
    Quiet,
)
from resolver.tasks import Background
from resolver.transport.network import Network

__all__ = ["MAX_EXCHANGES", "Budget", "Driver", "Trace", "TraceEntry"]

MAX_EXCHANGES = 40
"""Questions that one visitor's request may cause, whatever records refer to; nothing refills it."""

REQUEST_LIFETIME_S = 43_200
"""What deployed clients write into the expiration of a request."""

_DEFAULT_FLAGS = OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY


@dataclass(slots=True)
class _Shared:
    exchanges_left: int = MAX_EXCHANGES
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One thing that happened on the way to an answer."""

    at_s: float
    """Seconds since the lookup began."""
    depth: int
    """0 for the handle itself, more for what was needed to find its service."""
    handle: str
    text: str


@dataclass(slots=True)
class Trace:
    """What happened on the way to an answer, for whoever asks how a handle is resolved."""

    entries: list[TraceEntry] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)

    def note(self, depth: int, handle: str, text: str) -> None:
        """Add an entry."""
        self.entries.append(TraceEntry(time.perf_counter() - self._began, depth, handle, text))


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
        return replace(self, depth=depth, chain=(*self.chain, key))

    def renewed(self, deadline_s: float) -> Budget:
        """Return the same budget with a deadline of its own, for work that others may share."""
        return replace(self, ends_at=asyncio.get_running_loop().time() + deadline_s)

    def spend(self) -> None:
        """Pay for one question to a server.

        Raises:
            UpstreamError: nothing is left.
        """
        if self.shared.exchanges_left <= 0:
            self.shared.refusals += 1
            raise UpstreamError(f"{MAX_EXCHANGES} questions to servers did not lead to an answer")
        self.shared.exchanges_left -= 1


Infrastructure = Callable[[Fetch, Budget], Awaitable[Fetched]]


class Driver:
    """Drives lookups."""

    def __init__(
        self,
        registry: Registry,
        network: Network,
        background: Background,
        *,
        transports: Sequence[Transport],
        clock: Callable[[], float],
    ) -> None:
        self.registry = registry
        self.health = HealthTable()
        self._network = network
        self._background = background
        self._transports = tuple(transports)
        self._clock = clock

    async def drive(
        self, conversation: Conversation[Answer], budget: Budget, infrastructure: Infrastructure
    ) -> Answer:
        """Act on each step of ``conversation`` until it ends, and return how it ended.

        Raises:
            ResolverError: whatever the conversation ends with.
        """
        asked: set[asyncio.Task[Heard | Failed]] = set()
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
                        event = self._plan(step)
                    case Ask(candidate, question):
                        work = self._exchange(candidate, question, budget)
                        asked.add(self._background.start(work, name=f"ask:{candidate}"))
                        event = await self._next_event(asked, candidate.patience_s)
                    case _:
                        event = await self._next_event(asked, None)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        finally:
            for task in asked:
                task.cancel()
            conversation.close()

    def _plan(self, plan: Plan) -> tuple[Candidate, ...]:
        return plan_candidates(
            plan.sites,
            plan.handle,
            primaries_only=plan.primaries_only,
            transports=self._transports,
            health=self.health,
            now=time.monotonic(),
            jitter=lambda: secrets.randbelow(1000) / 1000,
        )

    async def _next_event(
        self, asked: set[asyncio.Task[Heard | Failed]], patience_s: float | None
    ) -> Heard | Failed | Quiet:
        done, _ = await asyncio.wait(asked, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return Quiet()
        task = done.pop()
        asked.discard(task)
        return task.result()

    async def _exchange(self, candidate: Candidate, question: Question, budget: Budget) -> Heard | Failed:
        """Ask one server; how it ends is a value, so that several may be asked side by side."""
        started = time.monotonic()
        handle = question.handle.text
        try:
            budget.spend()
        except UpstreamError as error:
            return Failed(candidate, error)  # nobody was asked, so nobody is to blame
        try:
            message = await self._ask(candidate, question)
        except UpstreamError as error:
            self.health.failed(candidate, time.monotonic())
            if budget.trace is not None:
                budget.trace.note(budget.depth, handle, f"{candidate} failed: {error}")
            return Failed(candidate, error)
        except asyncio.CancelledError:
            # Somebody else was faster. If this one had its time, remember that it was not.
            if time.monotonic() - started > candidate.patience_s:
                self.health.failed(candidate, time.monotonic())
            raise
        elapsed_s = time.monotonic() - started
        self.health.answered(candidate, elapsed_s)
        if budget.trace is not None:
            budget.trace.note(
                budget.depth, handle, f"{candidate} answered {message.code.name} in {elapsed_s * 1000:.1f} ms"
            )
        return Heard(candidate, message)

    async def _ask(self, candidate: Candidate, question: Question) -> Message:
        now = self._clock()
        request = self._request(candidate, question, now)
        octets = encode_message(request)
        answer = await self._network.exchange(
            candidate.transport, candidate.address, candidate.interface.port, octets
        )
        message = decode_message(answer)
        check_answer(request, octets, message, now)
        return message

    @staticmethod
    def _request(candidate: Candidate, question: Question, now: float) -> Message:
        site = candidate.site
        flags = _DEFAULT_FLAGS
        if question.public_only:
            flags |= OpFlag.PUBLIC_ONLY
        if question.authoritative:
            flags |= OpFlag.AUTHORITATIVE
        if question.certified:
            flags |= OpFlag.CERTIFIED | OpFlag.REQUEST_DIGEST
        envelope = Envelope(
            # Software from before 2.1 calls itself 5.0, and no site speaks more than we suggest.
            version=min(site.protocol_version, HIGHEST_VERSION)
            if site.protocol_version[0] < 5
            else HIGHEST_VERSION,
            request_id=1 + secrets.randbelow(0x7FFF_FFFF),
            message_length=0,
        )
        header = Header(
            OpCode.RESOLUTION,
            op_flags=flags,
            site_serial=site.serial_number,
            recursion_count=min(question.recursion_count, 255),
            expiration=int(now) + REQUEST_LIFETIME_S,
        )
        return Message(envelope, header, ResolutionRequest(question.handle.text))
