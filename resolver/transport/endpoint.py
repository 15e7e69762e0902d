"""Where one interface of one server is reached, with what the HTTP transports need beside the address."""

from __future__ import annotations

from dataclasses import dataclass

from resolver.model.site import IPAddress, Transport

__all__ = ["Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to a server."""

    transport: Transport
    address: IPAddress
    port: int
    host: str | None = None
    """The ``domain`` attribute, for the ``Host`` header."""
    path: str = ""
    """The ``path`` attribute."""
    public_key: bytes = b""
    """The server's key as its site record has it; HTTPS is bound to it."""

    def __str__(self) -> str:
        address = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.transport.name.lower()}://{address}:{self.port}"
