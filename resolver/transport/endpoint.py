"""Where one interface of one server is reached, with what the HTTP transports need beside the address."""

from __future__ import annotations

from dataclasses import dataclass

from resolver.model.site import IPAddress, Transport

__all__ = ["Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to a server."""

    transport: Transport
    address: IPAddress | None
    """``None`` where only a name is known, and it has not been looked up."""
    port: int
    host: str | None = None
    """The ``domain`` attribute, for the ``Host`` header."""
    path: str = ""
    """The ``path`` attribute."""
    public_key: bytes = b""
    """The server's key as its site record has it; HTTPS is bound to it."""

    def __str__(self) -> str:
        return f"{self.transport.name.lower()}://{self.where}:{self.port}"

    @property
    def where(self) -> str:
        """The address as it stands in a URL."""
        if self.address is None:
            return self.host or "?"
        return f"[{self.address}]" if self.address.version == 6 else str(self.address)
