"""Requests of the hostile list and ordinary ones, damaged at random: each is answered, and never as our failure."""

from __future__ import annotations

import asyncio
import os
import random
import re

import pytest

from tests.integration.hostile.cases import octets_of, read_cases, write_get
from tests.integration.hostile.safety import unsafe
from tests.integration.hostile.test_hostile import FILES
from tests.integration.hostile.wire import converse
from tests.integration.proxy import RunningProxy

pytestmark = pytest.mark.timeout(1200)

DAMAGED = 50_000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 2000
AT_ONCE = 24
P = "20.500.12345"
ORDINARY = (
    *(
        f"/{P}/abc",
        f"/{P}/letter?noredirect",
        f"/{P}/old-name",
        f"/api/handles/{P}/abc?pretty",
        f"/?hdl={P}/abc",
    ),
    *("/", "/help", "/api/", f"/api/which/{P}/abc", f"/api/explain/{P}/abc", f"/{P}/abc?action=showurls"),
    *(
        f"/{P}/abc?urlappend=/x",
        f"/api/handles/{P}/abc?callback=f",
        f"/{P}/abc?locatt=country:gb",
        "/10.1/%2e%2e",
    ),
)
THEN = write_get(f"/{P}/abc")
"""Follows each request, and closes the connection, so that one that became something else does not wait for more."""

_HEADERS = (
    ("Accept", "text/html,application/json;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "de, en;q=0.5"),
    ("If-None-Match", '"x"'),
    ("Forwarded", "for=192.0.2.1;proto=https"),
)
_TELLING = [
    *(rb"% %00 %2F %ff // ? # & ; = : , < ../ HTTP/1.1 HTTP/9.9".split()),
    *(bytes((octet,)) for octet in b'\xff\x00\r\n \t"\x7f'),
    *(b"\xe2\x80\xae", b"0" * 40, b"a" * 9000),
]


OUR_FAULT = frozenset({500, 502, 503, 504})
"""Not 505, which is for requests that lost their version."""

OF_THE_REGISTRY = re.compile(rb"\w+ /+(?:api/\w+/)?0[./]")
"""Handles of the registry itself; the demo's says of most of them that it is not responsible, which is a 502."""


def requests() -> list[bytes]:
    """Return whole requests without a body, each of which asks to close the connection or not."""
    written = [write_get(target, *_HEADERS) for target in ORDINARY]
    written += [
        octets_of(case) for name in FILES for case in read_cases(name) if not case.get("waits", False)
    ]
    bodiless = [
        octets
        for octets in written
        if octets.endswith(b"\r\n\r\n")
        and octets.count(b"\r\n\r\n") == 1
        and not any(
            word in octets.lower()
            for word in (b"content-length", b"transfer-encoding", b"upgrade", b"expect")
        )
    ]
    assert len(bodiless) > 200
    return [octets.replace(b"Connection: close\r\n", b"") for octets in bodiless]


def damaged(octets: bytes, chance: random.Random) -> bytes:
    """Return a request with something changed before its last line."""
    found = bytearray(octets[:-4])
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(found))
        match chance.randrange(4):
            case 0:
                found[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del found[at : at + chance.randint(1, 8)]
            case 2:
                found[at:at] = chance.choice(_TELLING)
            case _:
                found[at:at] = found[at : at + chance.randint(1, 40)] * chance.randint(1, 3)
    return bytes(found) + b"\r\n\r\n"


async def test_every_damaged_request_is_answered(demo_proxy: RunningProxy) -> None:
    """There is no request so broken that it has no answer, an unsafe one, or one that blames us."""
    chance = random.Random(15)  # noqa: S311 - the same every time
    whole = requests()
    turn = asyncio.Semaphore(AT_ONCE)

    async def send(octets: bytes) -> str | None:
        async with turn:
            conversation = await converse(demo_proxy.host, demo_proxy.port, octets + THEN)
        if not conversation.answers or not conversation.closed:
            return f"{octets!r} has no answer"
        for answer in conversation.answers:
            ours = answer.status in OUR_FAULT and OF_THE_REGISTRY.match(octets) is None
            if ours or unsafe(answer):
                return f"{octets!r} is answered by {answer.status}: {unsafe(answer)}"
        return None

    results = await asyncio.gather(*(send(damaged(chance.choice(whole), chance)) for _ in range(DAMAGED)))
    wrong = [result for result in results if result is not None]
    assert not wrong, f"{len(wrong)} of {DAMAGED}, such as {wrong[:3]}"
