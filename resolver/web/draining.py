"""Whether a worker is about to stop, as its listeners and handlers see it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Draining"]


@dataclass(slots=True)
class Draining:
    """On from the moment a worker is asked to stop: no connection is kept, and it is not ready any more."""

    is_on: bool = False
