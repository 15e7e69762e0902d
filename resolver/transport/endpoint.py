"""Where one interface of one server is reached, with what the HTTP transports need beside the address."""

from __future__ import annotations

from dataclasses import dataclass, field

from resolver.model.site import IPAddress, Transport

__all__ = ["Endpoint", "Way"]

Way = tuple[bytes | str, int, int]


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
    way: Way = field(init=False, repr=False, compare=False)
    """What tells one way to a server from another: address or name, port, transport."""
    text: str = field(init=False, repr=False, compare=False)
    """The same for people to read; both are needed for every question, so they are made once."""

    def __post_init__(self) -> None:
        where: bytes | str = (self.host or "") if self.address is None else self.address.packed
        object.__setattr__(self, "way", (where, self.port, int(self.transport)))
        object.__setattr__(self, "text", f"{self.transport.name.lower()}://{self.where}:{self.port}")

    def __str__(self) -> str:
        return self.text

    @property
    def where(self) -> str:
        """The address as it stands in a URL."""
        if self.address is None:
            return self.host or "?"
        return f"[{self.address}]" if self.address.version == 6 else str(self.address)
