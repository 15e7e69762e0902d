"""Things that are gone: how a record says so, and what can still be told about them.

A record says that its thing is gone by a value of type ``TOMBSTONE``, whose data tell why, or by an archived
copy (``URL.archived``) where no living place is left. An operator may list handles whose owners do not.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from resolver.answer.candidates import find_places, url_values
from resolver.answer.extras import NO_EXTRAS, read_location_data
from resolver.answer.links import Link
from resolver.answer.targets import Target, read_target
from resolver.model.handle import Handle, fold_ascii
from resolver.model.record import HandleRecord, HandleValue, has_type
from resolver.protocol.json_values import time_to_json
from resolver.protocol.text import as_text

__all__ = [
    "ListedTombstone",
    "Tombstone",
    "find_listed",
    "read_tombstone_list",
    "tombstone_links",
    "tombstone_of",
]

TOMBSTONE_TYPE = "TOMBSTONE"
ARCHIVED_TYPE = "URL.ARCHIVED"
LATEST_TYPES = frozenset({"URL.LATEST", "URL.LATEST-VERSION"})
_DESCRIBING = ("TITLE", "DESC")

MAX_TEXT = 2000


@dataclass(frozen=True, slots=True)
class ListedTombstone:
    """One line of the operator's list."""

    pattern: str
    """A handle, or one with ``*``; the prefix folded."""
    reason: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a thing."""

    reason: str
    """Why it is gone, if anybody says."""
    what: str
    """What it was, if the record says."""
    changed: int
    """When the record was last changed, in seconds since 1970; 0 if it does not say."""
    last_known: tuple[str, ...] = ()
    """Where it could be found."""
    archived: tuple[str, ...] = ()
    """Where copies are kept."""
    latest: tuple[str, ...] = ()
    """Where what took its place can be found."""

    @property
    def changed_exactly(self) -> str | None:
        """When the record was last changed: ``YYYY-MM-DDThh:mm:ssZ``."""
        return time_to_json(self.changed) if self.changed > 0 else None


def read_tombstone_list(text: str) -> tuple[ListedTombstone, ...]:
    """Read an operator's list: a handle on each line, perhaps with ``*``, then white space and the reason."""
    found = []
    for line in map(str.strip, text.removeprefix("\ufeff").splitlines()):
        # Handles may hold blanks; whoever lists such a one puts a tab behind it.
        pattern, _, reason = line.partition("\t" if "\t" in line else " ")
        if pattern and not pattern.startswith("#"):
            found.append(ListedTombstone(Handle(pattern.rstrip()).cache_key, reason.strip()))
    return tuple(found)


def find_listed(handle: Handle, listed: Sequence[ListedTombstone]) -> ListedTombstone | None:
    """Return the line of the list that ``handle`` falls under."""
    key = handle.cache_key
    return next((line for line in listed if _falls_under(key, line.pattern)), None)


def _falls_under(key: str, pattern: str) -> bool:
    if "*" not in pattern:
        return key == pattern
    # Only the star means something: brackets and question marks, which fnmatch knows too, are parts of handles.
    return fnmatch.fnmatchcase(key, re.sub(r"[\[?]", r"[\g<0>]", pattern))


def tombstone_of(
    record: HandleRecord, listed: ListedTombstone | None, schemes: frozenset[str]
) -> Tombstone | None:
    """Return what is left of the thing that a record is about, or ``None`` if it is alive."""
    said = [value for value in record.values if has_type(value.type, TOMBSTONE_TYPE)]
    archived = [value for value in record.values if fold_ascii(value.type) == ARCHIVED_TYPE]
    latest = [value for value in record.values if fold_ascii(value.type) in LATEST_TYPES]
    if listed is None and not said and (not archived or _is_alive(record, schemes)):
        return None
    exact, _ = url_values(record.values)
    return Tombstone(
        reason=(listed.reason if listed else "") or next(_texts(said), ""),
        what=next(_texts(value for value in record.values if fold_ascii(value.type) in _DESCRIBING), ""),
        changed=max((value.timestamp for value in record.values), default=0),
        last_known=_uris(exact, schemes),
        archived=_uris(archived, schemes),
        latest=_uris(latest, schemes),
    )


def _is_alive(record: HandleRecord, schemes: frozenset[str]) -> bool:
    """Whether a record leads anywhere but to copies and successors."""
    besides = {ARCHIVED_TYPE, *LATEST_TYPES}
    values = tuple(value for value in record.values if fold_ascii(value.type) not in besides)
    own = read_location_data(record, values)
    return bool(find_places(record.handle, values, own, NO_EXTRAS, schemes).candidates)


def tombstone_links(tombstone: Tombstone) -> tuple[Link, ...]:
    """Return links to copies and successors (RFC 7089, RFC 5829)."""
    return tuple(
        Link(uri, (("rel", relation),))
        for relation, uris in (("memento", tombstone.archived), ("latest-version", tombstone.latest))
        for uri in uris
    )


def _texts(values: Iterable[HandleValue]) -> Iterator[str]:
    return (text.strip()[:MAX_TEXT] for value in values if (text := as_text(value.data)) and text.strip())


def _uris(values: Iterable[HandleValue], schemes: frozenset[str]) -> tuple[str, ...]:
    targets = (read_target(value.data, schemes) for value in values)
    return tuple(target.uri for target in targets if isinstance(target, Target))
