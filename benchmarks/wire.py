"""The octets of one question, for rivals that exchange them without knowing what they mean."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from benchmarks.network import PREFIX
from resolver.config import Settings
from resolver.model.handle import Handle
from resolver.model.site import Transport
from resolver.observe import Observer
from resolver.protocol.bodies import ResolutionRequest
from resolver.protocol.codes import OpCode, OpFlag
from resolver.protocol.envelope import Envelope
from resolver.protocol.message import Header, Message, encode_message
from resolver.resolution.assembly import assemble

__all__ = ["question_for"]


def question_for(bootstrap: Path) -> tuple[str, bytes]:
    """Return ``host:port`` of the server that holds the handles, and the octets that ask it for one."""
    json.loads(bootstrap.read_text())  # fail early and clearly

    async def answered_by() -> str:
        assembly = assemble(
            Settings(bootstrap=bootstrap, allow_private_addresses=True, transports=(Transport.UDP,)),
            Observer(),
        )
        try:
            return (await assembly.resolver.resolve(Handle(f"{PREFIX}/0"))).answered_by
        finally:
            await assembly.close()

    where = asyncio.run(answered_by()).removeprefix("udp://")
    message = Message(
        Envelope((2, 11), 1, 0),
        Header(
            OpCode.RESOLUTION,
            op_flags=OpFlag.RECURSIVE | OpFlag.CACHE_CERTIFY | OpFlag.PUBLIC_ONLY,
            site_serial=1,
            expiration=int(time.time()) + 43_200,
        ),
        ResolutionRequest(f"{PREFIX}/0"),
    )
    return where, encode_message(message)
