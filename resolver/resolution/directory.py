"""Which sites are known to be responsible without asking anybody: the registry's, and those an operator names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from resolver.model.handle import ROOT_HANDLE, Handle, fold_ascii
from resolver.model.site import Site

__all__ = ["Directory"]


@dataclass(frozen=True, slots=True)
class Directory:
    """Where a lookup may begin."""

    registry: tuple[Site, ...]
    """The sites of the Global Handle Registry, in its own order."""
    services: Mapping[str, tuple[Site, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Sites by the folded handle of the prefix that they are responsible for."""
    gateway: tuple[Site, ...] = ()
    """If there are any, they are asked for everything."""

    @property
    def knows_more(self) -> bool:
        """Whether it knows more than the registry."""
        return bool(self.services or self.gateway)

    def sites_for(self, handle: Handle) -> tuple[Site, ...]:
        """Return the sites that are responsible for ``handle``; none if its prefix has to be looked up."""
        if self.gateway:
            return self.gateway
        own = self.services.get(fold_ascii(handle.prefix_handle.text))
        if own:
            return own
        if handle.is_global:
            return self.services.get(ROOT_HANDLE) or self.registry
        return ()
