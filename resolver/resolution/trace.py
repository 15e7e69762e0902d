"""What happened on the way to an answer, for whoever asks how a handle is resolved."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Trace", "TraceEntry"]

MAX_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One step: a question to a server, or a look into the cache."""

    began_s: float
    """Seconds since the lookup began."""
    elapsed_s: float
    depth: int
    """0 for the handle itself, more for what was needed to find its service."""
    handle: str
    outcome: str
    """What came back, or why nothing did."""
    server: str | None = None
    """The way that was asked: ``udp://192.0.2.1:2641``; ``None`` if nobody was."""
    site: str = ""
    """What the operator of the site calls it."""
    received: int = 0
    """Octets of the answer."""
    succeeded: bool = True


@dataclass(slots=True)
class Trace:
    """Steps in the order in which they ended."""

    entries: list[TraceEntry] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)

    @property
    def now_s(self) -> float:
        """Seconds since the lookup began."""
        return time.perf_counter() - self._began

    def note(
        self,
        depth: int,
        handle: str,
        outcome: str,
        *,
        began_s: float | None = None,
        server: str | None = None,
        site: str = "",
        received: int = 0,
        succeeded: bool = True,
    ) -> None:
        """Add a step that ends now, and began now or at ``began_s``."""
        if len(self.entries) >= MAX_ENTRIES:
            return
        now = self.now_s
        start = now if began_s is None else began_s
        self.entries.append(
            TraceEntry(start, now - start, depth, handle, outcome, server, site, received, succeeded)
        )
