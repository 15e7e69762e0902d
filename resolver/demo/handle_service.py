"""A small handle server over records in memory: what it answers. ``listeners.py`` has its sockets.

It speaks the real protocol, with our own codec, and behaves as deployed servers do: ignores ASCII case,
answers 301 for what it does not hold, leaves out what is not public, refers derived prefixes to whom they
are delegated and moved ones to where they have gone, makes up records by a template, signs what is asked for
certified. On demand it misbehaves, for tests and for whoever wants to see what happens: ``faults.py``.

It keeps nothing, checks nobody, and is **not** meant for production.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from resolver.demo.faults import Behaviour
from resolver.demo.listeners import Listeners
from resolver.demo.record_store import RecordStore
from resolver.demo.templates import compute_values
from resolver.errors import MessageFormatError
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord, HandleValue, Permission, select_values
from resolver.model.site import Site, responsible_server
from resolver.protocol.answering import answer_unreadable, build_answer, read_request
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
from resolver.protocol.codes import OpFlag, ResponseCode
from resolver.protocol.envelope import HIGHEST_VERSION, is_older
from resolver.protocol.message import Message, encode_message
from resolver.protocol.signing import PrivateKey, sign_message
from resolver.resolution.lookup import DERIVED

__all__ = ["Behaviour", "HandleService", "RecordStore"]

MAX_KEPT_REQUESTS = 100_000
"""Benchmarks and demos run for hours."""

_PREFIX_REFERRAL_SINCE = (2, 10)
_NONCE = bytes(range(16))


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
        refers: Mapping[str, ReferralResponse] | None = None,
        key: PrivateKey | None = None,
        registry: RecordStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a server.

        Args:
            store: what it knows.
            site: the site record it gives out, and by which it knows its share of the handles and the
                version of the protocol it speaks.
            position: of this server in the site.
            homed: prefixes it is responsible for.
            homed_derived: prefixes whose derived prefix handles it is responsible for.
            refers: prefixes whose handles have moved, and to whom.
            key: signs certified answers.
            registry: where it finds what is said of its prefixes; if not given, in ``store``.
            clock: seconds since 1970.
        """
        self.store = store
        self.site = site
        self.behaviour = Behaviour()
        self.requests: list[Message] = []
        """The latest requests that could be read, for tests to look at."""
        self.position = position
        """Of this server in its site."""
        self._homed = {fold_ascii(prefix) for prefix in homed}
        self._homed_derived = {fold_ascii(prefix) for prefix in homed_derived}
        self._refers = {fold_ascii(prefix): referral for prefix, referral in (refers or {}).items()}
        self._key = key
        self._registry = registry
        self.clock = clock
        """Seconds since 1970; may be replaced."""
        self._listeners = Listeners(self)

    def answer(self, octets: bytes) -> bytes:
        """Return the message that answers ``octets``."""
        try:
            request = read_request(octets)
        except MessageFormatError as error:
            return answer_unreadable(str(error), self.clock())
        if len(self.requests) >= MAX_KEPT_REQUESTS:
            del self.requests[: MAX_KEPT_REQUESTS // 2]
        self.requests.append(request)
        code, body = self._decide(request)
        version = self.site.protocol_version
        message = build_answer(
            octets,
            request,
            code,
            body,
            now=self.clock(),
            site_serial=self.site.serial_number,
            added_flags=OpFlag.AUTHORITATIVE if self.site.primary else OpFlag(0),
            highest_version=version if is_older(version, HIGHEST_VERSION) else HIGHEST_VERSION,
        )
        answered = encode_message(message)
        if message.header.op_flags & OpFlag.CERTIFIED and self._key and not self.behaviour.unsigned:
            signed = replace(message, credential=sign_message(answered, message, self._key))
            answered = encode_message(signed)
        return answered

    def _decide(self, request: Message) -> tuple[ResponseCode, Body]:
        match request.body:
            case SiteInfoRequest():
                return ResponseCode.SUCCESS, SiteInfoResponse(self.site)
            case ResolutionRequest(handle, indexes, types):
                if self.behaviour.code is not None:
                    return self.behaviour.code, _body_for(self.behaviour.code, handle)
                return self._resolve(request, handle, indexes, types)
            case _:
                return ResponseCode.OPERATION_NOT_SUPPORTED, ErrorResponse("this server only resolves")

    def _resolve(
        self, request: Message, asked: str, indexes: tuple[int, ...], types: tuple[str, ...]
    ) -> tuple[ResponseCode, Body]:
        handle = Handle(asked) if "/" in asked else Handle(f"0.NA/{fold_ascii(asked)}")
        referral = self._refers.get(fold_ascii(handle.prefix))
        if referral is not None and not request.header.op_flags & OpFlag.DO_NOT_REFER:
            return ResponseCode.SERVICE_REFERRAL, referral
        if not self._is_responsible_for(handle):
            return ResponseCode.NOT_RESPONSIBLE, ErrorResponse("That prefix doesn't live here")
        if responsible_server(self.site, handle) is not self.site.servers[self.position]:
            return ResponseCode.NOT_RESPONSIBLE, ErrorResponse("Request was hashed incorrectly")
        record = self.store.get(handle.text) or self._computed(handle)
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

    def _computed(self, handle: Handle) -> HandleRecord | None:
        """Return what the template of the prefix makes of a handle that is not registered."""
        if handle.is_prefix_handle:
            return None
        prefix_record = (self._registry or self.store).get(handle.prefix_handle.text)
        if prefix_record is None:
            return None
        values = compute_values(handle, prefix_record, self.store.get)
        return HandleRecord(handle.text, values) if values else None

    def _withheld(self, hidden: list[HandleValue]) -> tuple[ResponseCode, Body]:
        if all(value.permissions & Permission.ADMIN_READ for value in hidden):
            return ResponseCode.AUTHENTICATION_NEEDED, ChallengeResponse(_NONCE)
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

    async def start(
        self,
        host: str,
        *,
        port: int | None = None,
        http_port: int | None = None,
        https_port: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen on UDP and TCP ``port``, on HTTP and on HTTPS, whichever are given; HTTPS needs ``tls``.

        Raises:
            OSError: a port is taken.
        """
        try:
            if port is not None:
                await self._listeners.open_native(host, port)
            if http_port is not None:
                await self._listeners.open_http(host, http_port)
            if https_port is not None:
                await self._listeners.open_http(host, https_port, tls)
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening."""
        await self._listeners.close()


def _ancestors(prefix: str) -> Iterable[str]:
    """Return the prefixes that ``prefix`` derives from, the nearest first."""
    while "." in prefix:
        prefix = prefix.rpartition(".")[0]
        yield prefix


def _body_for(code: ResponseCode, handle: str) -> Body:
    """Return a body that goes with a code that a server was told to answer, whatever it is asked."""
    match code:
        case ResponseCode.SUCCESS:
            return ResolutionResponse(handle, ())
        case ResponseCode.SERVICE_REFERRAL | ResponseCode.PREFIX_REFERRAL:
            return ReferralResponse()
        case ResponseCode.AUTHENTICATION_NEEDED:
            return ChallengeResponse(_NONCE)
        case _:
            return ErrorResponse("as ordered by a test")
