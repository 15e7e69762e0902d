"""What the owner of a prefix says about all of its handles: the HS_NAMESPACE value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACTIVE", "INACTIVE", "Namespace"]

ACTIVE = "active"
INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Namespace:
    """The parts of HS_NAMESPACE that a resolver acts upon."""

    status: str = ACTIVE
    status_message: str = ""
    contact: str = ""
    """E-mail address of who is responsible, or an empty string."""
    location_handles: tuple[str, ...] = ()
    """Handles whose ``10320/loc`` values hold for every handle of the prefix."""
    stops_inheritance: bool = False
    """Whether the locations of the registry's own namespace are left out."""
    has_template: bool = False
    """Whether servers make up records for handles that are not registered one by one."""

    @property
    def is_inactive(self) -> bool:
        """Whether the owner asked that the handles of the prefix lead nowhere."""
        return self.status.strip().lower() == INACTIVE
