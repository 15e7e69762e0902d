"""Resolving a handle in the terminal."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from resolver.answer.listing import ValueView, show_value
from resolver.answer.record_json import error_json, record_json, write_json
from resolver.answer.visible import visible_text
from resolver.config import Settings
from resolver.errors import HandleNotFoundError, InvalidHandleError, ResolverError, SettingsError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue, select_values
from resolver.model.site import (
    HashOption,
    Interface,
    Server,
    ServiceType,
    Site,
    Transport,
    decode_address,
    encode_address,
)
from resolver.observe import Observer
from resolver.protocol.codes import ResponseCode
from resolver.protocol.envelope import HIGHEST_VERSION
from resolver.resolution.assembly import assemble
from resolver.resolution.service import Resolver
from resolver.resolution.steps import Answer
from resolver.resolution.trace import Trace, TraceEntry
from resolver.web.identifiers import strip_labels

__all__ = ["Wishes", "run_dig"]

FOUND, NOT_FOUND, FAILED = 0, 1, 2
DEFAULT_PORT = 2641


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to ask for, and how to show it."""

    as_json: bool = False
    trace: bool = False
    auth: bool = False
    cert: bool = False
    all_sites: bool = False
    server: str | None = None
    """``ADDRESS:PORT`` of the only server to ask."""
    types: Sequence[str] = ()
    indexes: Sequence[int] = ()


async def run_dig(settings: Settings, text: str, wishes: Wishes) -> int:
    """Resolve a handle, print what was found, and return the exit status.

    Raises:
        SettingsError: a setting, or a file that one names, cannot be used.
    """
    only = _site_at(wishes.server) if wishes.server else None
    assembly = assemble(settings, Observer())
    trace = Trace() if wishes.trace else None
    try:
        handle = Handle.parse(strip_labels(text).lstrip("/"))
        if wishes.all_sites:
            return await _ask_all_sites(assembly.resolver, handle, wishes, trace)
        record, answered_by = await _ask(assembly.resolver, handle, only, wishes, trace)
    except HandleNotFoundError as error:
        return _fail(error, NOT_FOUND, ResponseCode.HANDLE_NOT_FOUND, text, wishes)
    except InvalidHandleError as error:
        return _fail(error, FAILED, ResponseCode.INVALID_HANDLE, text, wishes)
    except ResolverError as error:
        return _fail(error, FAILED, ResponseCode.ERROR, text, wishes)
    finally:
        await assembly.close()
        for entry in trace.entries if trace else ():
            click.echo(_trace_line(entry), err=True)
    _print_record(handle, record, answered_by, wishes)
    return FOUND


async def _ask(
    resolver: Resolver, handle: Handle, only: Site | None, wishes: Wishes, trace: Trace | None
) -> tuple[HandleRecord, str]:
    if only is not None:
        answer = await resolver.ask_site(handle, only, certified=wishes.cert, trace=trace)
        return answer.record, answer.answered_by
    resolved = await resolver.resolve(handle, authoritative=wishes.auth, certified=wishes.cert, trace=trace)
    return resolved.record, resolved.answered_by


def _site_at(where: str) -> Site:
    host, colon, port = where.rpartition(":")
    if not colon or host.endswith(":"):
        host, port = where, str(DEFAULT_PORT)
    try:
        address, number = ipaddress.ip_address(host.strip("[]")), int(port)
        if not 0 < number < 65536:
            raise ValueError("no port")
    except ValueError as error:
        raise SettingsError(
            f"--server={where!r}: must be ADDRESS:PORT with a numeric address, such as 192.0.2.1:2641"
        ) from error
    if decode_address(encode_address(address)) != address:
        # Site records of today hold IPv4 in the last four octets, so that ::1 would be read as 0.0.0.1.
        raise SettingsError(f"--server={where!r}: no site record can hold this address; take another one")
    interfaces = tuple(
        Interface(ServiceType.QUERY, transport, number) for transport in (Transport.UDP, Transport.TCP)
    )
    return Site(
        format_version=1,
        protocol_version=HIGHEST_VERSION,
        serial_number=1,
        primary=True,
        multi_primary=False,
        hash_option=HashOption.BY_HANDLE,
        hash_filter="",
        attributes=(),
        servers=(Server(1, encode_address(address), b"", interfaces),),
    )


# --- every site ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one site says about a handle."""

    site: str
    kind: str
    answer: Answer | ResolverError

    @property
    def values(self) -> frozenset[HandleValue] | None:
        """The values it holds; ``None`` if it says that there is no such handle."""
        return frozenset(self.answer.record.values) if isinstance(self.answer, Answer) else None

    @property
    def counts(self) -> bool:
        """Whether the site has answered at all."""
        return isinstance(self.answer, Answer | HandleNotFoundError)

    def __str__(self) -> str:
        match self.answer:
            case Answer(record, answered_by):
                said = f"{len(record.values)} values, by {answered_by}"
            case HandleNotFoundError():
                said = "does not know the handle"
            case error:
                said = visible_text(str(error))
        return f"{self.site} ({self.kind}): {said}"


async def _ask_all_sites(resolver: Resolver, handle: Handle, wishes: Wishes, trace: Trace | None) -> int:
    """Ask each site of the service, and tell where they disagree: status 1 if they do, or do not know it."""
    verdicts = []
    for number, site in enumerate(await resolver.locate(handle, trace=trace), 1):
        name, kind = (
            visible_text(site.description) or f"site {number}",
            "primary" if site.primary else "mirror",
        )
        answer: Answer | ResolverError
        try:
            answer = await resolver.ask_site(handle, site, certified=wishes.cert, trace=trace)
        except ResolverError as error:
            answer = error
        verdicts.append(_Verdict(name, kind, answer))
        if not wishes.as_json:
            click.echo(str(verdicts[-1]))
    answers = [verdict for verdict in verdicts if verdict.counts]
    agree = len({verdict.values for verdict in answers}) == 1
    if wishes.as_json:
        click.echo(write_json(_comparison_json(handle, verdicts, agree=agree), pretty=True))
    if not answers:
        return FAILED
    if not wishes.as_json:
        _print_comparison(handle, answers, wishes, agree=agree)
    return FOUND if agree and answers[0].values is not None else NOT_FOUND


def _comparison_json(handle: Handle, verdicts: Sequence[_Verdict], *, agree: bool) -> dict[str, Any]:
    shown = []
    for verdict in verdicts:
        head: dict[str, Any] = {"site": verdict.site, "primary": verdict.kind == "primary"}
        match verdict.answer:
            case Answer(record, answered_by):
                shown.append({**head, "answeredBy": answered_by, **record_json(handle.text, record.values)})
            case HandleNotFoundError() as error:
                shown.append({**head, **error_json(ResponseCode.HANDLE_NOT_FOUND, str(error))})
            case error:
                shown.append({**head, **error_json(ResponseCode.ERROR, str(error))})
    return {"handle": handle.text, "agree": agree, "sites": shown}


def _print_comparison(handle: Handle, answers: Sequence[_Verdict], wishes: Wishes, *, agree: bool) -> None:
    first = answers[0]
    for other in answers[1:]:
        for one, another in ((first, other), (other, first)):
            missing = (one.values or frozenset()) - (another.values or frozenset())
            for value in sorted(missing, key=lambda value: value.index):
                shown = f"value {value.index} {visible_text(value.type)}"
                click.echo(f"only at {one.site}, not at {another.site}: {shown}")
    if agree and isinstance(first.answer, Answer):
        click.echo("All sites that answer agree.")
        _print_record(handle, first.answer.record, f"{len(answers)} sites", wishes)


# --- printing --------------------------------------------------------------------------------------------


def _print_record(handle: Handle, record: HandleRecord, answered_by: str, wishes: Wishes) -> None:
    values = select_values(record.values, tuple(wishes.types), tuple(wishes.indexes))
    if wishes.as_json:
        click.echo(write_json(record_json(handle.text, values), pretty=True))
        return
    signed = ", every answer on the way signed" if wishes.cert else ""
    click.echo(f"{visible_text(handle.text)}, answered by {answered_by}{signed}")
    for value in values:
        _print(show_value(value))
    if not values:
        filtered = wishes.types or wishes.indexes
        click.echo("no values of the kind asked for" if filtered else "no values")


def _print(value: ValueView) -> None:
    head = f"{value.index:>11}  {value.type:<14}"
    lines = (value.text if value.text is not None else value.octets or "").split("\n")
    lines = [f"{fact.label}: {fact.text}" for fact in value.facts] or lines
    for number, line in enumerate(lines):
        click.echo(f"{head if number == 0 else ' ' * len(head)}  {line}")


def _trace_line(entry: TraceEntry) -> str:
    """Return one line: when, how long, what for, whom at which site, how much, and what came back."""
    asked = f"{visible_text(entry.handle)}  "
    whom = f"{entry.server} " if entry.server else ""
    site = f"({visible_text(entry.site)}) " if entry.site else ""
    octets = f"{entry.received} octets, " if entry.received else ""
    took = f"{entry.elapsed_s * 1000:7.1f} ms" if entry.server else " " * 10
    outcome = visible_text(entry.outcome)
    return f"{entry.began_s * 1000:8.1f} ms {took}  {'  ' * entry.depth}{asked}{whom}{site}{octets}{outcome}"


def _fail(error: ResolverError, status: int, code: ResponseCode, text: str, wishes: Wishes) -> int:
    if wishes.as_json:
        click.echo(write_json(error_json(code, str(error), text), pretty=True))
    else:
        click.echo(visible_text(str(error)), err=True)
    return status
