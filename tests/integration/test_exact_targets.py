"""Two thousand targets on their way from a record to the ``Location`` that a raw socket reads: octet by octet.

What has to come out is worked out here from how each target was put together, not by the code under test.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

import pytest

from tests.integration.hostile.wire import converse
from tests.integration.proxy import RunningProxy
from tests.integration.visiting import put_record

TARGETS = 2000
AT_ONCE = 100
"""Requests of one connection."""

_UNRESERVED = string.ascii_letters + string.digits + "-._~"
_SUB_DELIMITERS = "!$&'()*+,;="
_TRIPLETS = ("%2F", "%2f", "%7E", "%7e", "%20", "%25", "%3F", "%23", "%00", "%0D%0A", "%C3%A4", "%FF", "%41")
_DOTS = ("/./", "/../", "//", "/%2e%2e/", "/.", "/..")
_OTHERS = 'äößñ日本語اردو😀\u0301\u202e "<>\\^`{|}'
"""What no URI holds, and every IRI or careless owner may write."""


@dataclass(frozen=True)
class Written:
    """A target as it stands in a record, and as visitors must get it."""

    data: str
    expected: str


def _piece(chance: random.Random, legal: str) -> Written:
    match chance.randrange(8):
        case 0:
            text = chance.choice(_TRIPLETS)
            return Written(text, text)
        case 1:
            character = chance.choice(_OTHERS)
            return Written(character, "".join(f"%{octet:02X}" for octet in character.encode()))
        case _:
            text = "".join(chance.choices(legal, k=chance.randint(1, 6)))
            return Written(text, text)


def _pieces(chance: random.Random, legal: str, start: str) -> Written:
    pieces = [_piece(chance, legal) for _ in range(chance.randint(0, 5))]
    # A blank at the very end belongs to nobody: browsers cut it off, and so do we.
    pieces.append(Written("z", "z"))
    return Written(
        start + "".join(piece.data for piece in pieces), start + "".join(piece.expected for piece in pieces)
    )


def _target(chance: random.Random) -> Written:
    scheme = chance.choice(("https", "http", "HTTP", "ftp", "Https"))
    host, written_host = chance.choice(
        [
            *(
                (text, text)
                for text in ("example.org", "EXAMPLE.org", "192.0.2.7", "[2001:DB8::7]", "a_b.example")
            ),
            ("bücher.example", "xn--bcher-kva.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ]
    )
    user = chance.choice(("", "", "", "reader@", "a:b@", "%40@"))
    port = chance.choice(("", "", "", ":80", ":443", ":8080", ":0080", ":"))
    start = f"{scheme}://{user}"
    parts = [Written(f"{start}{host}{port}", f"{start}{written_host}{port}")]
    if chance.random() < 0.9:
        parts.append(_pieces(chance, _UNRESERVED + _SUB_DELIMITERS + ":@/", "/"))
        if chance.random() < 0.3:
            dots = chance.choice(_DOTS)
            parts.append(Written(dots, dots))
    if chance.random() < 0.5:
        parts.append(_pieces(chance, _UNRESERVED + _SUB_DELIMITERS + ":@/?", "?"))
    if chance.random() < 0.3:
        parts.append(_pieces(chance, _UNRESERVED + _SUB_DELIMITERS + ":@/?", "#"))
    return Written("".join(part.data for part in parts), "".join(part.expected for part in parts))


def targets() -> list[Written]:
    """Return different targets, always the same ones."""
    chance = random.Random(2000)  # noqa: S311 - the same every time
    found: dict[str, Written] = {}
    while len(found) < TARGETS:
        target = _target(chance)
        found[target.data] = target
    return list(found.values())


async def locations(proxy: RunningProxy, handles: list[str]) -> list[str]:
    """Ask for handles over one connection; return where each leads, or the status if it leads nowhere."""
    requests = [f"GET /{handle} HTTP/1.1\r\nHost: x\r\n" for handle in handles]
    requests[-1] += "Connection: close\r\n"
    octets = "".join(f"{request}\r\n" for request in requests).encode()
    answers = (await converse(proxy.host, proxy.port, octets)).answers
    return [answer.first("location") if answer.status == 302 else str(answer.status) for answer in answers]


@pytest.mark.timeout(120)
async def test_every_target_arrives_octet_by_octet(demo_proxy: RunningProxy) -> None:
    """Legal URIs come out as they stand, all else percent-encoded or in IDNA; the second time as the first."""
    written = targets()
    handles = [f"20.500.12345/exact-{number}" for number in range(TARGETS)]
    for handle, target in zip(handles, written, strict=True):
        put_record(demo_proxy, handle, ("URL", target.data))
    for _ in range(2):
        found: list[str] = []
        for start in range(0, TARGETS, AT_ONCE):
            found += await locations(demo_proxy, handles[start : start + AT_ONCE])
        wrong = [
            (target.data, target.expected, place)
            for target, place in zip(written, found, strict=True)
            if place != target.expected
        ]
        assert not wrong, f"{len(wrong)} of {TARGETS}, such as {wrong[:3]}"
