"""How a server of the demo misbehaves: loses, delays, doubles, cuts, forges, answers nonsense. Pure.

Every fault can be switched on and off while the server runs: in this process by setting an attribute, from
elsewhere through ``control.py``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from resolver.errors import SettingsError
from resolver.protocol.codes import ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE

__all__ = ["EVERYWHERE", "Behaviour", "behaviour_from_json", "behaviour_to_json"]

EVERYWHERE = frozenset({"udp", "tcp", "http", "https"})
"""Names of all transports."""

NONSENSE = b"\xff\x00HTTP/1.1 200 Fine\r\n\r\n<html>no message of the handle protocol</html>"

_REQUEST_ID = slice(8, 12)


@dataclass(slots=True)
class Behaviour:
    """How a server misbehaves; as it is made, it does not."""

    only_on: frozenset[str] = EVERYWHERE
    """Transports that the faults concern; on others all is well."""
    silent: frozenset[str] = frozenset()
    """Transports on which nothing is answered."""
    delay_s: float = 0.0
    """Before each answer."""
    loss: float = 0.0
    """Share of datagrams that are lost, in either direction."""
    duplicate: bool = False
    """Every datagram is sent twice."""
    reorder: bool = False
    """Datagrams of an answer are sent last first."""
    wrong_port: bool = False
    """Datagrams are sent from another port than the one that was asked."""
    wrong_id: bool = False
    """Answers carry the number of a request that nobody made."""
    garbage: bool = False
    """What is answered is no message."""
    cut: int | None = None
    """Octets after which each answer ends; connections are closed there."""
    reset: bool = False
    """Connections are reset half-way through the answer."""
    status: int = 200
    """Of answers by HTTP."""
    code: ResponseCode | None = None
    """Every resolution is answered with this code."""
    unsigned: bool = False
    """Nothing is signed, whoever asks for it."""
    rewrite: Callable[[bytes], bytes] = field(default=lambda octets: octets)
    """Applied to each whole answer before it is sent, for whatever else a test can think of."""
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - losing datagrams

    def is_silent_on(self, transport: str) -> bool:
        """Whether a transport brings no answer."""
        return transport in self.silent

    def delay_on(self, transport: str) -> float:
        """Return the seconds that pass before an answer by a transport."""
        return self.delay_s if transport in self.only_on else 0.0

    def distort(self, answer: bytes, transport: str) -> bytes:
        """Return what is sent by a transport in place of a whole answer."""
        if transport not in self.only_on:
            return answer
        answer = self.rewrite(answer)
        if self.garbage:
            return NONSENSE
        if self.wrong_id and len(answer) >= ENVELOPE_SIZE:
            asked = int.from_bytes(answer[_REQUEST_ID], "big")
            forged = (asked ^ 0x5555_5555).to_bytes(4, "big")
            answer = answer[: _REQUEST_ID.start] + forged + answer[_REQUEST_ID.stop :]
        return answer

    def cut_on(self, transport: str, length: int) -> int | None:
        """Return after how many of ``length`` octets an answer ends too early, if it does."""
        if transport not in self.only_on:
            return None
        if self.cut is not None:
            return min(self.cut, length)
        return length // 2 if self.reset else None

    def loses(self) -> bool:
        """Draw whether a datagram gets lost."""
        return "udp" in self.only_on and bool(self.loss) and self.chance.random() < self.loss


_TRANSPORTS = ("only_on", "silent")
_SHOWN = tuple(field.name for field in fields(Behaviour) if field.name not in ("rewrite", "chance"))


def behaviour_from_json(shown: Any) -> Behaviour:
    """Read faults as ``network.json`` and the control listener name them; what is not named is well.

    Raises:
        SettingsError: an unknown fault, or a value of the wrong kind.
    """
    if not isinstance(shown, Mapping):
        raise SettingsError(f"faults must be an object, not {shown!r}")
    return Behaviour(**{name: _read(name, value) for name, value in shown.items()})


def _read(name: str, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match name:
        case "only_on" | "silent" if isinstance(value, list) and all(item in EVERYWHERE for item in value):
            return frozenset(value)
        case "delay_s" if is_number and value >= 0:
            return float(value)
        case "loss" if is_number and 0 <= value <= 1:
            return float(value)
        case "cut" | "status" | "code" if is_number and isinstance(value, int) and value >= 0:
            return ResponseCode(value) if name == "code" else value
        case "cut" | "code" if value is None:
            return None
        case "duplicate" | "reorder" | "wrong_port" | "wrong_id" | "garbage" | "reset" | "unsigned" if (
            isinstance(value, bool)
        ):
            return value
        case _ if name in _SHOWN:
            raise SettingsError(f"fault {name} cannot be {value!r}")
        case _:
            raise SettingsError(f"{name!r} is none of the faults: {', '.join(_SHOWN)}")


def behaviour_to_json(behaviour: Behaviour) -> dict[str, Any]:
    """Return the faults that are switched on."""
    well = Behaviour()
    return {
        name: sorted(found) if name in _TRANSPORTS else found
        for name in _SHOWN
        if (found := getattr(behaviour, name)) != getattr(well, name)
    }
