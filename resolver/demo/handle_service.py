"""A small handle server: resolution and site info over UDP, TCP and HTTP, from records in memory.

It speaks the real protocol, with our own codec, and behaves as deployed servers do: ignores ASCII case,
answers 301 for what it does not hold, leaves out what is not public, refers derived prefixes to whom they
are delegated, signs what is asked for certified. On demand it misbehaves, for tests.

It keeps nothing, checks nobody, and is **not** meant for production.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from resolver.errors import MessageFormatError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord, HandleValue, Permission, select_values
from resolver.model.site import Site, responsible_server
from resolver.protocol.bodies import (
    Body,
    ChallengeResponse,
    ErrorResponse,
    ReferralResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import (
    ENVELOPE_SIZE,
    HIGHEST_VERSION,
    SITELESS_VERSION,
    Envelope,
    decode_envelope,
    is_older,
)
from resolver.protocol.fragments import Reassembly, split_message
from resolver.protocol.matching import UNREADABLE_REQUEST_ID, digest_algorithm_of, digest_request
from resolver.protocol.message import Header, Message, RequestDigest, decode_message, encode_message
from resolver.protocol.signing import PrivateKey, sign_message
from resolver.resolution.lookup import DERIVED

__all__ = ["Behaviour", "HandleService", "RecordStore"]

RESPONSE_LIFETIME_S = 43_200
MAX_PENDING_REQUESTS = 1000

_COPIED_FLAGS = (
    OpFlag.AUTHORITATIVE
    | OpFlag.CERTIFIED
    | OpFlag.ENCRYPT
    | OpFlag.CACHE_CERTIFY
    | OpFlag.PUBLIC_ONLY
    | OpFlag.DO_NOT_REFER
    | OpFlag.REQUEST_DIGEST
)
_PREFIX_REFERRAL_SINCE = (2, 10)


class RecordStore:
    """Records by handle, ASCII case ignored; may be changed while servers answer from it."""

    def __init__(self, records: Iterable[HandleRecord] = ()) -> None:
        self._records = {fold_ascii(record.handle): record for record in records}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, handle: str) -> HandleRecord | None:
        """Return the record of a handle."""
        return self._records.get(fold_ascii(handle))

    def put(self, record: HandleRecord) -> None:
        """Create or replace a record."""
        self._records[fold_ascii(record.handle)] = record

    def delete(self, handle: str) -> None:
        """Remove a record, if it is there."""
        self._records.pop(fold_ascii(handle), None)


@dataclass(slots=True)
class Behaviour:
    """How a server misbehaves; as it is made, it does not."""

    silent: frozenset[str] = frozenset()
    """Transports on which nothing is answered: ``udp``, ``tcp``, ``http``."""
    delay_s: float = 0.0
    """Before each answer."""
    loss: float = 0.0
    """Share of datagrams that are lost, in either direction."""
    duplicate: bool = False
    """Every datagram is sent twice."""
    reorder: bool = False
    """Datagrams of an answer are sent last first."""
    rewrite: Callable[[bytes], bytes] = field(default=lambda octets: octets)
    """Applied to each whole answer before it is sent: to cut, to lie, to answer nonsense."""
    code: ResponseCode | None = None
    """Answer every resolution with this code."""
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - losing datagrams


class HandleService:
    """One server of a site."""

    def __init__(
        self,
        store: RecordStore,
        *,
        site: Site,
        position: int = 0,
        homed: Iterable[str] = (),
        homed_derived: Iterable[str] = (),
        key: PrivateKey | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a server.

        Args:
            store: what it knows.
            site: the site record it gives out, and by which it knows its share of the handles.
            position: of this server in the site.
            homed: prefixes it is responsible for.
            homed_derived: prefixes whose derived prefix handles it is responsible for.
            key: signs certified answers.
            clock: seconds since 1970.
        """
        self.store = store
        self.site = site
        self.behaviour = Behaviour()
        self.requests: list[Message] = []
        """Every request that could be read, for tests to look at."""
        self._position = position
        self._homed = {fold_ascii(prefix) for prefix in homed}
        self._homed_derived = {fold_ascii(prefix) for prefix in homed_derived}
        self._key = key
        self._clock = clock
        self._close: list[Callable[[], Any]] = []

    # --- deciding ----------------------------------------------------------------------------------------

    def answer(self, octets: bytes) -> bytes:
        """Return the message that answers ``octets``."""
        try:
            request = decode_message(octets)
            if request.header.response_code is not ResponseCode.NONE:
                raise MessageFormatError("a response was sent as a request")
        except MessageFormatError as error:
            return self._unreadable(str(error))
        self.requests.append(request)
        code, body = self._decide(request)
        envelope = request.envelope
        suggested = min(envelope.suggested_version, HIGHEST_VERSION)
        flags = (request.header.op_flags & _COPIED_FLAGS) | OpFlag.RECURSIVE
        if self.site.primary:
            flags |= OpFlag.AUTHORITATIVE
        digest = None
        if flags & OpFlag.REQUEST_DIGEST or code is ResponseCode.AUTHENTICATION_NEEDED:
            flags |= OpFlag.REQUEST_DIGEST
            algorithm = digest_algorithm_of(suggested)
            digest = RequestDigest(algorithm, digest_request(octets, algorithm))
        message = Message(
            Envelope(suggested, envelope.request_id, 0, HIGHEST_VERSION, session_id=envelope.session_id),
            Header(
                request.header.opcode,
                code,
                flags,
                self.site.serial_number,
                request.header.recursion_count,
                int(self._clock()) + RESPONSE_LIFETIME_S,
            ),
            body,
            digest,
        )
        answered = encode_message(message)
        if flags & OpFlag.CERTIFIED and self._key is not None:
            signed = replace(message, credential=sign_message(answered, message, self._key))
            answered = encode_message(signed)
        return answered

    def _unreadable(self, text: str) -> bytes:
        return encode_message(
            Message(
                Envelope(SITELESS_VERSION, UNREADABLE_REQUEST_ID, 0),
                Header(
                    OpCode.RESERVED,
                    ResponseCode.PROTOCOL_ERROR,
                    OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY | OpFlag.PUBLIC_ONLY,
                    expiration=int(self._clock()) + RESPONSE_LIFETIME_S,
                ),
                ErrorResponse(text),
            )
        )

    def _decide(self, request: Message) -> tuple[ResponseCode, Body]:
        match request.body:
            case SiteInfoRequest():
                return ResponseCode.SUCCESS, SiteInfoResponse(self.site)
            case ResolutionRequest(handle, indexes, types):
                if self.behaviour.code is not None:
                    return self.behaviour.code, ErrorResponse("as ordered by a test")
                return self._resolve(request, handle, indexes, types)
            case _:
                return ResponseCode.OPERATION_NOT_SUPPORTED, ErrorResponse("this server only resolves")

    def _resolve(
        self, request: Message, asked: str, indexes: tuple[int, ...], types: tuple[str, ...]
    ) -> tuple[ResponseCode, Body]:
        handle = Handle(asked) if "/" in asked else Handle(f"0.NA/{fold_ascii(asked)}")
        if not self._is_responsible_for(handle):
            return ResponseCode.NOT_RESPONSIBLE, ErrorResponse("That prefix doesn't live here")
        if responsible_server(self.site, handle) is not self.site.servers[self._position]:
            return ResponseCode.NOT_RESPONSIBLE, ErrorResponse("Request was hashed incorrectly")
        record = self.store.get(handle.text)
        if record is None:
            return self._missing(request, handle)
        values = select_values(record.values, types, indexes)
        if request.header.op_flags & OpFlag.PUBLIC_ONLY:
            values = tuple(value for value in values if value.is_public)
        elif hidden := [value for value in values if not value.is_public]:
            return self._withheld(hidden)
        if not values:
            return ResponseCode.VALUES_NOT_FOUND, ErrorResponse()
        return ResponseCode.SUCCESS, ResolutionResponse(asked, values)

    def _withheld(self, hidden: list[HandleValue]) -> tuple[ResponseCode, Body]:
        if all(value.permissions & Permission.ADMIN_READ for value in hidden):
            return ResponseCode.AUTHENTICATION_NEEDED, ChallengeResponse(bytes(range(16)))
        return ResponseCode.INSUFFICIENT_PERMISSIONS, ErrorResponse("not even administrators may read this")

    def _is_responsible_for(self, handle: Handle) -> bool:
        if fold_ascii(handle.prefix) in self._homed:
            return True
        return handle.is_prefix_handle and any(
            ancestor in self._homed_derived for ancestor in _ancestors(fold_ascii(handle.described_prefix))
        )

    def _missing(self, request: Message, handle: Handle) -> tuple[ResponseCode, Body]:
        refers = not is_older(request.envelope.suggested_version, _PREFIX_REFERRAL_SINCE)
        if handle.is_prefix_handle and refers and not request.header.op_flags & OpFlag.DO_NOT_REFER:
            for ancestor in _ancestors(fold_ascii(handle.described_prefix)):
                record = self.store.get(f"0.NA/{ancestor}")
                wanted = (*DERIVED.sites, *DERIVED.handles)
                values = (
                    tuple(value for value in record.of_type(*wanted) if value.is_public) if record else ()
                )
                if values:
                    return ResponseCode.PREFIX_REFERRAL, ReferralResponse("", values)
        return ResponseCode.HANDLE_NOT_FOUND, ErrorResponse()

    # --- serving -----------------------------------------------------------------------------------------

    async def start(self, host: str, *, port: int | None = None, http_port: int | None = None) -> None:
        """Listen on UDP and TCP ``port`` and on HTTP ``http_port``, whichever are given.

        Raises:
            OSError: a port is taken.
        """
        try:
            if port is not None:
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _UdpServer(self), local_addr=(host, port)
                )
                self._close.append(transport.close)
                server = await asyncio.start_server(self._serve_tcp, host, port)
                self._close.append(server.close)
            if http_port is not None:
                app = web.Application()
                app.router.add_post(r"/{handle:[\s\S]*}", self._serve_http)
                runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
                await runner.setup()
                self._close.append(runner.cleanup)
                await web.TCPSite(runner, host, http_port).start()
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening."""
        while self._close:
            ended = self._close.pop()()
            if asyncio.iscoroutine(ended):
                await ended

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, MessageFormatError):
                head = await reader.readexactly(ENVELOPE_SIZE)
                body = await reader.readexactly(decode_envelope(head).message_length)
                if "tcp" in self.behaviour.silent:
                    await reader.read()
                    return
                await asyncio.sleep(self.behaviour.delay_s)
                writer.write(self.behaviour.rewrite(self.answer(head + body)))
                await writer.drain()
        finally:
            writer.close()

    async def _serve_http(self, request: web.Request) -> web.Response:
        octets = await request.read()
        if "http" in self.behaviour.silent:
            await asyncio.sleep(3600)
        await asyncio.sleep(self.behaviour.delay_s)
        answer = self.behaviour.rewrite(self.answer(octets))
        return web.Response(body=answer, content_type="application/x-hdl-message")


def _ancestors(prefix: str) -> Iterable[str]:
    """Return the prefixes that ``prefix`` derives from, the nearest first."""
    while "." in prefix:
        prefix = prefix.rpartition(".")[0]
        yield prefix


class _UdpServer(asyncio.DatagramProtocol):
    """Puts requests together and sends answers, losing what it is told to lose."""

    def __init__(self, service: HandleService) -> None:
        self._service = service
        self._pending: dict[tuple[Any, int], Reassembly] = {}

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.DatagramTransport
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._is_lost():
            return
        try:
            envelope = decode_envelope(data)
        except MessageFormatError as error:
            self._send(self._service._unreadable(str(error)), addr)
            return
        key = (addr, envelope.request_id)
        whole = self._pending.setdefault(key, Reassembly()).feed(data, envelope.request_id)
        if whole is not None or len(self._pending) > MAX_PENDING_REQUESTS:
            self._pending.pop(key, None)
        if whole is None or "udp" in self._service.behaviour.silent:
            return
        answer = self._service.behaviour.rewrite(self._service.answer(whole))
        delay_s = self._service.behaviour.delay_s
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send, answer, addr)
        else:
            self._send(answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        behaviour = self._service.behaviour
        try:
            datagrams = split_message(answer, mark=False)
        except MessageFormatError:
            datagrams = [answer]
        for datagram in reversed(datagrams) if behaviour.reorder else datagrams:
            for _ in range(2 if behaviour.duplicate else 1):
                if not self._is_lost():
                    self._transport.sendto(datagram, addr)

    def _is_lost(self) -> bool:
        return (
            bool(self._service.behaviour.loss)
            and self._service.behaviour.chance.random() < self._service.behaviour.loss
        )
