"""What there is to say about the way from a handle to an answer: as data, for pages, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resolver.answer.explain import Weighed
from resolver.answer.listing import describe_duration
from resolver.answer.visible import visible_text
from resolver.cache.entry import Absence
from resolver.cache.tiers import Cached
from resolver.errors import UpstreamError
from resolver.model.handle import Handle
from resolver.model.site import Server, Site, Transport, responsible_server
from resolver.phrases import phrase
from resolver.protocol.json_values import time_to_json
from resolver.resolution.trace import TraceEntry
from resolver.web.identifiers import encode_handle
from resolver.web.problems import Problem

__all__ = [
    "MAX_SITES",
    "Decision",
    "Explanation",
    "Memory",
    "ServerView",
    "SiteView",
    "describe_memory",
    "explanation_json",
    "removed_from",
    "view_site",
]

MAX_SITES = 50
MAX_SERVERS = 50


@dataclass(frozen=True, slots=True)
class Memory:
    """What was known of the handle before anybody was asked."""

    state: str
    """``fresh``, ``stale``, ``absent``, ``failed`` or ``nothing``."""
    text: str
    """The same in words."""
    fetched_at: float | None = None
    seconds_left: float | None = None
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server of a site."""

    number: int
    address: str
    interfaces: tuple[str, ...]
    is_responsible: bool
    """Whether it is the one of its site that keeps the handle."""
    tries: tuple[TraceEntry, ...]
    """What it was asked, and what it answered."""


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site of the service that is responsible for the handle."""

    description: str
    is_primary: bool
    serial_number: int
    servers: tuple[ServerView, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a visitor gets who asks for the handle now."""

    kind: str
    """``redirect``, ``values``, ``gone`` or ``problem``."""
    status: int
    text: str
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a handle is resolved."""

    received: str
    """The path, as it came."""
    removed: str
    """What was taken off its front: a label, or the address of a resolver."""
    handle: Handle
    """The one that was asked for."""
    final: Handle
    """The one at the end of all aliases."""
    memory: Memory
    steps: tuple[TraceEntry, ...]
    sites: tuple[SiteView, ...]
    aliases: tuple[str, ...]
    values: int | None
    """How many values the record has; ``None`` if there is none."""
    contact: str
    weighed: tuple[Weighed, ...]
    decision: Decision
    problem: Problem | None = None


def describe_memory(known: Cached | UpstreamError | None, now: float) -> Memory:
    """Return what was known of a handle, in words."""
    match known:
        case None:
            return Memory("nothing", phrase("Nothing was known of this handle here."))
        case Cached(Absence() as absence):
            left_s = absence.expires_at - now
            words = phrase(
                "It was known here that there is no such handle, for another %(time)s.",
                time=describe_duration(left_s),
            )
            return Memory("absent", words, absence.fetched_at, left_s)
        case Cached(entry, freshness):
            left_s = entry.expires_at - now
            age = describe_duration(now - entry.fetched_at)
            if freshness == "fresh":
                words = phrase(
                    "The record was remembered here: asked for %(age)s ago, good for another %(time)s.",
                    age=age,
                    time=describe_duration(left_s),
                )
            else:
                words = phrase("An old record was remembered here, asked for %(age)s ago.", age=age)
            by = entry.answered_by if not isinstance(entry, Absence) else ""
            return Memory(freshness, words, entry.fetched_at, left_s, by)
        case _:
            words = phrase("Asking for it has just failed, so that nobody asks again for a moment.")
            return Memory("failed", words)


def removed_from(path: str, handle: str) -> str:
    """Return what was taken off the front of a path to get the handle."""
    decoded = path.lstrip("/")
    for end in (handle, encode_handle(handle)):
        if decoded.endswith(end):
            return visible_text(decoded.removesuffix(end).removeprefix("api/explain/"))
    return ""


# --- sites -----------------------------------------------------------------------------------------------


def view_site(site: Site, handle: Handle, steps: Sequence[TraceEntry]) -> SiteView:
    """Return what there is to say about a site: which server keeps the handle, and what each was asked."""
    responsible = responsible_server(site, handle)
    return SiteView(
        visible_text(site.description),
        site.primary,
        site.serial_number,
        tuple(_server_view(server, server is responsible, steps) for server in site.servers[:MAX_SERVERS]),
    )


def _server_view(server: Server, is_responsible: bool, steps: Sequence[TraceEntry]) -> ServerView:
    address = str(server.ip) if server.ip else ""
    shown = f"[{address}]" if ":" in address else address
    interfaces = tuple(
        f"{_transport_name(interface.transport)}://{shown}:{interface.port}"
        for interface in server.interfaces
        if interface.answers_queries
    )
    tries = tuple(entry for entry in steps if entry.server in interfaces)
    return ServerView(server.server_id, address, interfaces, is_responsible, tries)


def _transport_name(transport: int) -> str:
    try:
        return Transport(transport).name.lower()
    except ValueError:
        return f"transport-{transport}"


# --- for programs ----------------------------------------------------------------------------------------


def explanation_json(it: Explanation) -> dict[str, Any]:
    """Return an explanation for programs; times in milliseconds."""
    memory = it.memory
    return {
        "handle": it.handle.text,
        "parse": {
            "received": it.received,
            "removed": it.removed,
            "prefix": it.handle.prefix,
            "suffix": it.handle.suffix,
            "isPrefix": it.handle.is_prefix_handle,
            "key": it.handle.cache_key,
        },
        "cache": {
            "state": memory.state,
            "detail": str(memory.text),
            "fetchedAt": None if memory.fetched_at is None else time_to_json(int(memory.fetched_at)),
            "secondsLeft": None if memory.seconds_left is None else round(memory.seconds_left),
            "answeredBy": memory.answered_by or None,
        },
        "service": {
            "prefix": it.final.prefix_handle.text,
            "contact": it.contact or None,
            "sites": [_site_json(site) for site in it.sites],
        },
        "steps": [_step_json(step) for step in it.steps],
        "aliases": list(it.aliases),
        "finalHandle": it.final.text,
        "values": it.values,
        "candidates": [
            {
                "uri": place.uri,
                "verdict": place.verdict,
                "rule": place.rule,
                "reason": str(place.why),
                "source": place.source,
                "attributes": dict(place.attributes),
            }
            for place in it.weighed
        ],
        "decision": {
            "kind": it.decision.kind,
            "status": it.decision.status,
            "detail": str(it.decision.text),
            "location": it.decision.location,
        },
    }


def _site_json(site: SiteView) -> dict[str, Any]:
    return {
        "description": site.description,
        "primary": site.is_primary,
        "serialNumber": site.serial_number,
        "servers": [
            {
                "serverId": server.number,
                "address": server.address,
                "interfaces": list(server.interfaces),
                "responsible": server.is_responsible,
                "asked": len(server.tries),
            }
            for server in site.servers
        ],
    }


def _step_json(step: TraceEntry) -> dict[str, Any]:
    return {
        "beganMs": round(step.began_s * 1000, 2),
        "tookMs": round(step.elapsed_s * 1000, 2),
        "depth": step.depth,
        "handle": step.handle,
        "server": step.server,
        "site": step.site or None,
        "outcome": step.outcome,
        "octets": step.received,
        "succeeded": step.succeeded,
    }
