"""The host names under which the resolver is reached, each with answers of its own where the operator says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resolver.web.api import Api
from resolver.web.batch import Batches
from resolver.web.explaining import Explainer
from resolver.web.handle_pages import HandlePages
from resolver.web.linksets import Linksets
from resolver.web.lookups import Lookups
from resolver.web.native import Gateway
from resolver.web.render import Renderer
from resolver.web.services import Services

__all__ = ["Host", "Hosts"]


@dataclass(frozen=True, slots=True)
class Host:
    """What answers visitors of one host name."""

    lookups: Lookups
    pages: HandlePages
    api: Api
    batches: Batches
    services: Services
    linksets: Linksets
    explainer: Explainer
    gateway: Gateway
    renderer: Renderer
    max_age_s: float
    locatt_shortcuts: frozenset[str]


class Hosts:
    """Finds the host that a visitor came to."""

    def __init__(self, usual: Host, named: Mapping[str, Host]) -> None:
        """Prepare.

        Args:
            usual: for every name that is not listed.
            named: by name in lower case, with or without a port.
        """
        self._usual = usual
        self._named = dict(named)

    @property
    def are_all_one(self) -> bool:
        """Whether it makes no difference by which name a visitor came."""
        return not self._named

    def prepare(self) -> None:
        """Read what pages are made of; any thread may, while visitors are answered."""
        for host in (self._usual, *self._named.values()):
            host.renderer.prepare()

    @property
    def usual(self) -> Host:
        """The one for every name that is not listed."""
        return self._usual

    def find(self, name: str | None) -> Host:
        """Return the host for what stands in ``Host``, or the usual one."""
        return self._named.get(self.name(name), self._usual)

    def name(self, name: str | None) -> str:
        """Return the name by which the host for what stands in ``Host`` is listed; empty for the usual one."""
        if not self._named or not name:
            return ""
        without_port, colon, port = name.lower().rpartition(":")
        if not colon or not port.isdigit():
            without_port, colon, port = name.lower(), "", ""
        without_port = without_port.rstrip(".")
        with_port = f"{without_port}{colon}{port}"
        return next((found for found in (with_port, without_port) if found in self._named), "")
