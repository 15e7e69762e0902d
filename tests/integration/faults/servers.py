"""Handle servers that fail, each in its own way, on ports of their own."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from resolver.demo.faults import EVERYWHERE, Behaviour
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.model.record import HandleRecord, HandleValue
from resolver.model.site import Site, Transport
from resolver.protocol.bodies import ReferralResponse, ResolutionRequest
from resolver.protocol.codes import ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE
from resolver.protocol.message import decode_message, encode_message
from soak.network import HOST, free_port, service_at, site_at, site_value

__all__ = ["KNOWN", "NEW", "Service", "prefix_of", "serve_all"]

KNOWN, NEW = "known", "new"
TTL_S = 1
_TIMESTAMP = 1_767_225_600


@dataclass
class Service:
    """The service of one prefix: its server or servers, and how to break and mend it."""

    name: str
    prefix: str
    sites: list[Site]
    servers: list[HandleService]
    store: RecordStore
    break_it: Callable[[], Awaitable[None]]
    mend_it: Callable[[], Awaitable[None]]
    extra: list[Any] = field(default_factory=list)

    @property
    def prefix_record(self) -> HandleRecord:
        """What the registry says about the prefix."""
        values = [site_value(site, index=index) for index, site in enumerate(self.sites, start=1)]
        return HandleRecord(f"0.NA/{self.prefix}", tuple(values))


def prefix_of(number: int) -> str:
    """Return the prefix of a fault."""
    return f"20.500.9{number:02}"


def place_of(handle: str) -> str:
    """Return where a handle leads."""
    return f"https://right.example/{handle}"


def record_of(handle: str, *, ttl: int = TTL_S, padding: int = 0) -> HandleRecord:
    """Return the record of a handle, as long as it should be."""
    values = [HandleValue(1, "URL", place_of(handle).encode(), ttl=ttl, timestamp=_TIMESTAMP)]
    if padding:
        values += [
            HandleValue(10 + number, "DESC", b"d" * 1000, ttl=ttl, timestamp=_TIMESTAMP)
            for number in range(padding // 1000)
        ]
    return HandleRecord(handle, tuple(values))


# --- what can be done to an answer -----------------------------------------------------------------------


def _patched(offset: int, octets: bytes) -> Callable[[bytes], bytes]:
    return lambda answer: answer[:offset] + octets + answer[offset + len(octets) :]


def _with_header(**changes: Any) -> Callable[[bytes], bytes]:
    def rewrite(answer: bytes) -> bytes:
        message = decode_message(answer)
        return encode_message(replace(message, header=replace(message.header, **changes)))

    return rewrite


def _with_flag(flag: int) -> Callable[[bytes], bytes]:
    return lambda answer: answer[:2] + bytes((answer[2] | flag,)) + answer[3:]


def _for_another_handle(answer: bytes) -> bytes:
    return answer.replace(b"/known", b"/other").replace(b"/new", b"/odd")


def _many_values(answer: bytes) -> bytes:
    message = decode_message(answer)
    handle = getattr(message.body, "handle", "").encode()
    at = answer.index(handle, ENVELOPE_SIZE) + len(handle)
    return answer[:at] + (1_000_000).to_bytes(4, "big") + answer[at + 4 :]


def _too_long_a_value(answer: bytes) -> bytes:
    at = answer.index(b"https://right")
    return answer[: at - 4] + (0x7FFFFFFF).to_bytes(4, "big") + answer[at:]


def _unknown_code(answer: bytes) -> bytes:
    return answer[: ENVELOPE_SIZE + 4] + (7777).to_bytes(4, "big") + answer[ENVELOPE_SIZE + 8 :]


_BEHAVIOURS: dict[str, dict[str, Any]] = {
    "says nothing": {"silent": EVERYWHERE},
    "says nothing over UDP": {"silent": frozenset({"udp"})},
    "says nothing over TCP": {"silent": frozenset({"tcp"})},
    "answers after 0.3 s": {"delay_s": 0.3},
    "answers after 10 s": {"delay_s": 10.0},
    "loses a third of its datagrams": {"loss": 0.33},
    "sends datagrams twice and out of order": {"duplicate": True, "reorder": True},
    "sends datagrams from another port": {"wrong_port": True},
    "gives numbers of other requests to its datagrams": {"wrong_id": True, "only_on": frozenset({"udp"})},
    "says that it is busy": {"code": ResponseCode.SERVER_BUSY},
    "says that it is out of order": {"code": ResponseCode.ERROR},
    "says that it is not responsible": {"code": ResponseCode.NOT_RESPONSIBLE},
    "wants to know who asks": {"code": ResponseCode.AUTHENTICATION_NEEDED},
    "answers nonsense": {"garbage": True},
    "answers nothing but zeros": {"rewrite": lambda answer: bytes(len(answer))},
    "ends its answers in the envelope": {"cut": 13},
    "ends its answers half-way": {"cut": 60},
    "resets connections half-way": {"reset": True},
    "answers other requests": {"wrong_id": True},
    "answers for another handle": {"rewrite": _for_another_handle},
    "answers what had an end long ago": {"rewrite": _with_header(expiration=1_000_000_000)},
    "announces 4 GiB": {"rewrite": _patched(16, b"\xff\xff\xff\xff")},
    "announces a million values": {"rewrite": _many_values},
    "announces a value that is longer than its answer": {"rewrite": _too_long_a_value},
    "compresses its answers unasked": {"rewrite": _with_flag(0x80)},
    "encrypts its answers unasked": {"rewrite": _with_flag(0x40)},
    "speaks an unknown response code": {"rewrite": _unknown_code},
}


# --- services --------------------------------------------------------------------------------------------


async def serve_all(names: tuple[str, ...]) -> AsyncIterator[Service]:
    """Start the service of each fault."""
    for number, name in enumerate(names):
        yield await _service(name, prefix_of(number))


async def _service(name: str, prefix: str) -> Service:
    port, http_port = free_port(), free_port()
    site = site_at({Transport.UDP: port, Transport.TCP: port, Transport.HTTP: http_port})
    padding = 60_000 if "60 KB" in name else 3000 if "out of order" in name and "datagrams" in name else 0
    store = RecordStore(record_of(f"{prefix}/{local}", padding=padding) for local in (KNOWN, NEW))
    server = await service_at(site, store, [prefix])

    async def mend() -> None:
        server.behaviour = Behaviour()

    service = Service(name, prefix, [site], [server], store, mend, mend)
    if name in _BEHAVIOURS:

        async def misbehave() -> None:
            server.behaviour = Behaviour(**_BEHAVIOURS[name])

        service.break_it = misbehave
        return service
    special = _SPECIAL[name]
    await special(service)
    return service


async def _refuses(service: Service) -> None:
    async def close() -> None:
        await service.servers[0].close()

    async def open_again() -> None:
        service.servers[0] = await service_at(service.sites[0], service.store, [service.prefix])

    service.break_it, service.mend_it = close, open_again


async def _refuses_udp(service: Service) -> None:
    """TCP and HTTP answer where UDP finds nobody."""
    await service.servers[0].close()
    port = service.sites[0].servers[0].interfaces[0].port
    forwarded = await asyncio.start_server(_tcp_server(service.servers[0].answer), HOST, port)

    async def nothing() -> None:
        return

    service.extra.append(forwarded)
    service.break_it = service.mend_it = nothing


def _tcp_server(answer: Callable[[bytes], bytes]) -> Callable[..., Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError, OSError):
            head = await reader.readexactly(ENVELOPE_SIZE)
            body = await reader.readexactly(int.from_bytes(head[16:20], "big"))
            writer.write(answer(head + body))
            await writer.drain()
        writer.close()

    return serve


async def _http_only(service: Service) -> None:
    server = service.servers[0]
    ports = {interface.transport: interface.port for interface in service.sites[0].servers[0].interfaces}

    async def fail() -> None:
        await server.close()
        await server.start(HOST, http_port=ports[Transport.HTTP])

    async def recover() -> None:
        await server.close()
        await server.start(HOST, port=ports[Transport.UDP], http_port=ports[Transport.HTTP])

    service.break_it, service.mend_it = fail, recover


def _with_other(kind: str, faults: dict[str, Any] | None) -> Callable[[Service], Awaitable[None]]:
    async def prepare(service: Service) -> None:
        port = free_port()
        other_site = site_at({Transport.UDP: port, Transport.TCP: port})
        other = await service_at(other_site, service.store, [service.prefix])
        service.sites.insert(0, other_site)
        service.extra.append(other)

        async def fail() -> None:
            if faults is None:
                await other.close()
            else:
                other.behaviour = Behaviour(**faults)

        async def recover() -> None:
            other.behaviour = Behaviour()

        service.break_it, service.mend_it = fail, recover

    prepare.__name__ = kind
    return prepare


def _answering(change: Callable[[Service, bytes, bytes], bytes]) -> Callable[[Service], Awaitable[None]]:
    """Return what prepares a service whose server answers what ``change`` makes of request and answer."""

    async def prepare(service: Service) -> None:
        server = service.servers[0]
        usual = server.answer

        async def fail() -> None:
            server.answer = lambda octets: change(service, octets, usual(octets))  # type: ignore[method-assign]

        async def recover() -> None:
            server.answer = usual  # type: ignore[method-assign]

        service.break_it, service.mend_it = fail, recover

    return prepare


def _echo(_: Service, octets: bytes, __: bytes) -> bytes:
    return octets


def _referral(
    *, to_itself: bool = False, to_nobody: bool = False
) -> Callable[[Service, bytes, bytes], bytes]:
    def change(service: Service, octets: bytes, answer: bytes) -> bytes:
        request, usual = decode_message(octets), decode_message(answer)
        if not isinstance(request.body, ResolutionRequest):
            return answer
        if to_itself:
            body = ReferralResponse("", service.prefix_record.values)
        elif to_nobody:
            body = ReferralResponse("20.500.9/no-such-service", None)
        else:
            ring = f"{service.prefix}/ring-{time.monotonic_ns() % 2}"
            body = ReferralResponse(ring, None)
        header = replace(usual.header, response_code=ResponseCode.SERVICE_REFERRAL)
        return encode_message(replace(usual, header=header, body=body))

    return change


def _own_http(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> Callable[[Service], Awaitable[None]]:
    """Return what prepares a service that is reached by HTTP alone, and answers what ``answer`` writes."""

    async def prepare(service: Service) -> None:
        await service.servers[0].close()
        port = free_port()
        service.sites[0] = site_at({Transport.HTTP: port})
        right = service.servers[0].answer
        is_broken = False

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(EOFError, OSError):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                if is_broken:
                    await answer(writer)
                else:
                    octets = right(body)
                    writer.write(_http_head("200 OK", len(octets)) + octets)
                await writer.drain()
            writer.close()

        service.extra.append(await asyncio.start_server(serve, HOST, port))

        async def fail() -> None:
            nonlocal is_broken
            is_broken = True

        async def recover() -> None:
            nonlocal is_broken
            is_broken = False

        service.break_it, service.mend_it = fail, recover

    return prepare


def _http_head(status: str, length: int | None, more: str = "") -> bytes:
    announced = "" if length is None else f"Content-Length: {length}\r\n"
    return f"HTTP/1.1 {status}\r\nContent-Type: application/x-hdl-message\r\n{announced}{more}\r\n".encode()


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(_http_head("200 OK", None))
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def _status_500(writer: asyncio.StreamWriter) -> None:
    writer.write(_http_head("500 Oops", 0))


async def _redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(_http_head("302 Found", 0, "Location: http://127.0.0.1:1/\r\n"))


async def _bomb(writer: asyncio.StreamWriter) -> None:
    octets = gzip.compress(bytes(50_000_000))
    writer.write(_http_head("200 OK", len(octets), "Content-Encoding: gzip\r\n") + octets)


async def _trickles(service: Service) -> None:
    """TCP alone, and an octet now and then."""
    await service.servers[0].close()
    port = free_port()
    service.sites[0] = site_at({Transport.TCP: port})
    right = service.servers[0].answer
    is_broken = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError, OSError):
            head = await reader.readexactly(ENVELOPE_SIZE)
            body = await reader.readexactly(int.from_bytes(head[16:20], "big"))
            octets = right(head + body)
            for octet in octets if is_broken else ():
                writer.write(bytes((octet,)))
                await writer.drain()
                await asyncio.sleep(1)
            writer.write(octets)
            await writer.drain()
        writer.close()

    service.extra.append(await asyncio.start_server(serve, HOST, port))

    async def fail() -> None:
        nonlocal is_broken
        is_broken = True

    async def recover() -> None:
        nonlocal is_broken
        is_broken = False

    service.break_it, service.mend_it = fail, recover


async def _alias_ring(service: Service) -> None:
    usual = [service.store.get(f"{service.prefix}/{local}") for local in (KNOWN, NEW)]

    async def fail() -> None:
        for local, other in ((KNOWN, NEW), (NEW, KNOWN)):
            value = HandleValue(1, "HS_ALIAS", f"{service.prefix}/{other}".encode(), ttl=TTL_S)
            service.store.put(HandleRecord(f"{service.prefix}/{local}", (value,)))

    async def recover() -> None:
        for record in usual:
            if record is not None:
                service.store.put(record)

    service.break_it, service.mend_it = fail, recover


async def _forgets(service: Service) -> None:
    async def fail() -> None:
        for local in (KNOWN, NEW):
            service.store.delete(f"{service.prefix}/{local}")

    async def recover() -> None:
        for local in (KNOWN, NEW):
            service.store.put(record_of(f"{service.prefix}/{local}"))

    service.break_it, service.mend_it = fail, recover


async def _large(service: Service) -> None:
    async def nothing() -> None:
        return

    service.break_it = service.mend_it = nothing


_SPECIAL: dict[str, Callable[[Service], Awaitable[None]]] = {
    "refuses connections": _refuses,
    "refuses UDP": _refuses_udp,
    "answers over HTTP only": _http_only,
    "is one of two, and the other says nothing": _with_other("silent", {"silent": EVERYWHERE}),
    "is one of two, and the other refuses connections": _with_other("refuses", None),
    "is one of two, and the other answers nonsense": _with_other("nonsense", {"garbage": True}),
    "sends the request back": _answering(_echo),
    "refers to itself": _answering(_referral(to_itself=True)),
    "refers in a circle": _answering(_referral()),
    "refers to a service that does not exist": _answering(_referral(to_nobody=True)),
    "sends an octet a second": _trickles,
    "never ends its HTTP answer": _own_http(_endless),
    "answers over HTTP with status 500": _own_http(_status_500),
    "redirects HTTP to another address": _own_http(_redirect),
    "answers over HTTP with a compressed bomb": _own_http(_bomb),
    "has a record of 60 KB": _large,
    "has an alias that leads in a circle": _alias_ring,
    "has forgotten a handle": _forgets,
}
