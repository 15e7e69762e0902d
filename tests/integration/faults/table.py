"""The table of faults: what breaks, and what visitors see then. ``docs/faults.md`` is written from it.

``python -m tests.integration.faults.table`` writes the page; a test keeps it as it is here, and every row is
the expectation of a test over real sockets and processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FILES", "REDIS", "REGISTRY", "SERVERS", "WORKERS", "Fault", "Visible", "page"]

PAGE = Path(__file__).parents[3] / "docs" / "faults.md"

RIGHT = "the right answer"
STALE = "the last known answer, marked as out of date"


@dataclass(frozen=True)
class Visible:
    """A fault of a server, and what it does to two handles."""

    name: str
    known: str
    """Of a handle that was asked for before, and whose time is over."""
    new: str
    """Of a handle that nobody has asked for."""


@dataclass(frozen=True)
class Fault:
    """A fault with one consequence."""

    name: str
    seen: str


_NOWHERE = (STALE, "502")
_SILENCE = (STALE, "504")
_FINE = (RIGHT, RIGHT)

SERVERS: tuple[Visible, ...] = tuple(
    Visible(name, *seen)
    for name, seen in (
        ("says nothing", _SILENCE),
        ("refuses connections", _NOWHERE),
        ("says nothing over UDP", _FINE),
        ("refuses UDP", _FINE),
        ("says nothing over TCP", _FINE),
        ("answers over HTTP only", _FINE),
        ("is one of two, and the other says nothing", _FINE),
        ("is one of two, and the other refuses connections", _FINE),
        ("is one of two, and the other answers nonsense", _FINE),
        ("answers after 0.3 s", _FINE),
        ("answers after 10 s", _SILENCE),
        ("loses a third of its datagrams", _FINE),
        ("sends datagrams twice and out of order", _FINE),
        ("sends datagrams from another port", _FINE),
        ("gives numbers of other requests to its datagrams", _FINE),
        ("says that it is busy", _NOWHERE),
        ("says that it is out of order", _NOWHERE),
        ("says that it is not responsible", _NOWHERE),
        ("wants to know who asks", (STALE, "401")),
        ("answers nonsense", _NOWHERE),
        ("answers nothing but zeros", _NOWHERE),
        ("ends its answers in the envelope", _NOWHERE),
        ("ends its answers half-way", _NOWHERE),
        ("resets connections half-way", _NOWHERE),
        ("answers other requests", _NOWHERE),
        ("answers for another handle", _NOWHERE),
        ("answers what had an end long ago", _NOWHERE),
        ("announces 4 GiB", _NOWHERE),
        ("announces a million values", _NOWHERE),
        ("announces a value that is longer than its answer", _NOWHERE),
        ("compresses its answers unasked", _NOWHERE),
        ("encrypts its answers unasked", _NOWHERE),
        ("speaks an unknown response code", _NOWHERE),
        ("sends the request back", _NOWHERE),
        ("refers to itself", _NOWHERE),
        ("refers in a circle", _NOWHERE),
        ("refers to a service that does not exist", _NOWHERE),
        ("sends an octet a second", _SILENCE),
        ("never ends its HTTP answer", _NOWHERE),
        ("answers over HTTP with status 500", _NOWHERE),
        ("redirects HTTP to another address", _NOWHERE),
        ("answers over HTTP with a compressed bomb", _NOWHERE),
        ("has a record of 60 KB", _FINE),
        ("has an alias that leads in a circle", ("404", "404")),
        ("has forgotten a handle", ("404", "404")),
    )
)

REGISTRY: tuple[Visible, ...] = (
    Visible("says nothing", RIGHT, "504"),
    Visible("refuses connections", RIGHT, "502"),
    Visible("answers nonsense", RIGHT, "502"),
    Visible("is busy", RIGHT, "502"),
)
"""Here the known handle lies under a prefix that was asked for before, and the new one does not."""

REDIS: tuple[Fault, ...] = tuple(
    Fault(name, RIGHT)
    for name in (
        "is not there at the start, and comes later",
        "is killed and started again",
        "is frozen (SIGSTOP) and goes on",
        "is paused for a while (CLIENT PAUSE)",
        "is busy with a script that does not end",
        "is full (maxmemory)",
        "is read-only",
        "wants a password that nobody told us",
        "has no room for more connections",
        "cuts every connection again and again",
        "is emptied again and again",
        "holds nonsense in place of records",
        "holds values of another type",
        "holds records of other handles",
        "holds records cut in half",
        "holds records from the future",
        "holds what is left of leases",
        "announces nonsense to all workers",
    )
)

_NOTHING_LOST = "the right answer; no request is lost"

WORKERS: tuple[Fault, ...] = (
    Fault("a worker is killed (SIGKILL)", "the right answer; only what that worker had in hand is lost"),
    Fault("a worker is told to go (SIGTERM)", _NOTHING_LOST),
    Fault("all workers are replaced (SIGHUP)", _NOTHING_LOST),
    Fault("all workers are replaced, with settings that cannot be used", _NOTHING_LOST),
    Fault("all workers are replaced, with a template that cannot be read", _NOTHING_LOST),
    Fault("the process of the admin listener is killed", _NOTHING_LOST),
    Fault(
        "the program is told to go (SIGTERM)",
        "the right answer as long as it listens, then refused connections",
    ),
)

FILES: tuple[Fault, ...] = (
    Fault("the bootstrap file is no JSON", "does not start, and says which file"),
    Fault("the bootstrap file has no root record", "does not start, and says which file"),
    Fault("the bootstrap file is not there", "does not start, and says which setting"),
    Fault("the country database is none", "does not start, and says which file"),
    Fault("a template has a mistake", "does not start, and says which template"),
    Fault("the list of tombstones is no UTF-8", "does not start, and says which file"),
    Fault("the configuration file has a mistake", "does not start, and says which file"),
    Fault("the port is taken", "does not start, and says which port"),
    Fault("the saved registry data are damaged", "the right answer, from the shipped or given data"),
    Fault("the folder for registry data cannot be written to", "the right answer"),
)


def page() -> str:
    """Return the page."""
    count = sum(map(len, (SERVERS, REGISTRY, REDIS, WORKERS, FILES)))
    return "\n".join(_lines(count)) + "\n"


def _lines(count: int) -> Iterator[str]:
    yield "# What visitors see when something fails"
    yield ""
    yield f"{count} faults, each of them a test over real sockets and processes (`tests/integration/faults/`), from"
    yield "which this page is made. After each of them all is well again without anybody's help."
    yield ""
    yield "502 and 504 are pages (or JSON) that say whose trouble it is and what can be done; 502: the service gave no"
    yield "usable answer, 504: it says nothing."
    yield ""
    yield "## A handle server …"
    yield ""
    yield from _rows("a handle asked for before, its time over", "a handle nobody has asked for", SERVERS)
    yield "## The registry …"
    yield ""
    yield from _rows("a handle under a known prefix", "a handle under a new prefix", REGISTRY)
    for title, faults in (("Redis …", REDIS), ("Workers", WORKERS), ("Files and ports", FILES)):
        yield f"## {title}"
        yield ""
        yield "| | what visitors, or the operator, see |"
        yield "|---|---|"
        yield from (f"| {fault.name} | {fault.seen} |" for fault in faults)
        yield ""


def _rows(known: str, new: str, faults: Sequence[Visible]) -> Iterator[str]:
    yield f"| | {known} | {new} |"
    yield "|---|---|---|"
    yield from (f"| {fault.name} | {fault.known} | {fault.new} |" for fault in faults)
    yield ""


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), "utf-8")
