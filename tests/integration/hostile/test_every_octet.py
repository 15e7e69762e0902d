"""Each of the 256 octets, in each place of a record out of which a header is made, over a raw socket."""

from __future__ import annotations

import pytest

from resolver.model.record import HandleRecord, HandleValue
from tests.integration.hostile.cases import write_get
from tests.integration.hostile.safety import unsafe
from tests.integration.hostile.wire import converse
from tests.integration.proxy import RunningProxy

PLAIN = b"https://good.example/"
PLACES: dict[str, tuple[tuple[str, bytes], ...]] = {
    "path": (("URL", b"https://good.example/a%sb"),),
    "host": (("URL", b"https://go%sod.example/"),),
    "user": (("URL", b"https://us%ser@good.example/"),),
    "scheme": (("URL", b"ht%stp://good.example/"),),
    "start": (("URL", b"%shttps://good.example/"),),
    "end": (("URL", b"https://good.example/%s"),),
    "place": (("10320/loc", b'<locations><location href="https://good.example/a%sb"/></locations>'),),
    "relation": (
        ("URL", PLAIN),
        (
            "10320/loc",
            b'<locations><location rel="re%sl" title="t%st" href="https://good.example/x"/></locations>',
        ),
    ),
    "link": (
        ("URL", PLAIN),
        ("10320/links", b'<links><link rel="item" href="https://good.example/a%sb"/></links>'),
    ),
    "name of a header": (("URL", PLAIN), ("10320/headers", b"X-A%sB: value")),
    "value of a header": (("URL", PLAIN), ("10320/headers", b"X-A: val%sue")),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", PLACES)
async def test_no_octet_makes_a_header(place: str, demo_proxy: RunningProxy) -> None:
    """Whatever octet stands there, one whole answer comes, with our headers and those that records may set."""
    store = demo_proxy.network.stores["library"]
    for octet in range(256):
        handle = f"20.500.12345/octet-{place.replace(' ', '-')}-{octet}"
        values = tuple(
            HandleValue(index, kind, data.replace(b"%s", bytes((octet,))), ttl=3600, timestamp=1_767_225_600)
            for index, (kind, data) in enumerate(PLACES[place], start=1)
        )
        store.put(HandleRecord(handle, values))
        conversation = await converse(demo_proxy.host, demo_proxy.port, write_get(f"/{handle}"))
        (answer,) = conversation.answers
        assert (conversation.closed, conversation.rest) == (True, b""), octet
        assert answer.status in (200, 302), octet
        added = {name.lower() for name, _ in answer.headers if name.lower().startswith("x-a")}
        assert unsafe(answer, frozenset(added)) == [], octet
        assert len(added) <= 1, octet
        if answer.status == 302:
            assert "good.example" in answer.first("location") or place == "host", octet
