"""Where a handle may lead: the documents in ``10320/loc`` and ``10320/links`` values, as data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Location", "LocationDocument"]


@dataclass(frozen=True, slots=True)
class Location:
    """One place, with whatever attributes its author gave it."""

    attributes: tuple[tuple[str, str], ...]
    """In the order of the document; names as written."""

    def get(self, name: str) -> str | None:
        """Return the attribute of exactly this name."""
        for key, value in self.attributes:
            if key == name:
                return value
        return None

    def has(self, name: str) -> bool:
        """Whether there is such an attribute."""
        return self.get(name) is not None


@dataclass(frozen=True, slots=True)
class LocationDocument:
    """The places of one value, and what holds for all of them."""

    attributes: tuple[tuple[str, str], ...]
    locations: tuple[Location, ...]

    def get(self, *names: str) -> str | None:
        """Return the first attribute of the root element that has one of these names."""
        for name in names:
            for key, value in self.attributes:
                if key == name:
                    return value
        return None

    def flag(self, name: str) -> bool:
        """Whether an attribute of the root element says ``1``, ``yes`` or ``true``."""
        return (self.get(name) or "").strip().lower() in {"1", "yes", "true"}
