"""A response folded up and said again is the response; what changes with time is right whenever it is said."""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.entry import CachedRecord, encode_entry
from resolver.cache.memory import MAX_FREQUENCY, MemoryCache
from resolver.cache.tiers import Held
from resolver.model.record import HandleRecord, HandleValue
from resolver.web.ready import MAX_BODY_OCTETS, MAX_SAID, ReadyAnswer, Tally, fold
from resolver.web.render import Caching
from resolver.web.seconds import Said, Second

NOW = 1_800_000_000
EXPIRES_AT = NOW + 3600.5
CACHING = Caching(EXPIRES_AT, 86400)

TALLY = Tally("redirect", "ok", 1)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


def response(body: bytes = b"body", *, status: int = 302, **headers: str) -> web.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=body, status=status, headers={**CACHING.headers(NOW), **given})


def folded(found: web.Response, caching: Caching = CACHING, words: Sequence[str] = ()) -> ReadyAnswer:
    kind, own = fold(found, caching, words, TALLY)
    assert caching.expires_at is not None
    return ReadyAnswer(b"GET /1/2", kind, own, caching.expires_at, caching.expires_at, "1/2")


def said(answer: ReadyAnswer, now: float) -> bytes:
    """Return what is sent: by an answer that was sent before in the same second, and by one too many for that."""
    second, busy = Second(now), Second(now)
    busy.said = dict.fromkeys(range(MAX_SAID), Said(b"", b"", 0.0))
    first, again, without = (answer.octets_at(now, which, b"ID") for which in (second, second, busy))
    assert first == again == without
    return first


@given(
    location=PRINTABLE,
    link=PRINTABLE,
    body=st.binary(min_size=1, max_size=200).filter(lambda octets: not set(octets) & set(range(9))),
    words=st.lists(PRINTABLE, max_size=4),
)
def test_all_of_it_comes_back(location: str, link: str, body: bytes, words: list[str]) -> None:
    """Whatever headers, body and words hold, what is sent is what was answered."""
    found = response(body, Location=location, Link=link, ETag='"0123456789abcdef"')
    answer = folded(found, words=[location, *words])
    head, _, sent = said(answer, NOW).partition(b"\r\n\r\n")
    assert sent == body
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 302 Found"
    assert f"Location: {location}" in lines
    assert f"Link: {link}" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert "X-Request-ID: ID" in lines
    # Those of the response, and what is sent beside them: the request id, the length, the date.
    assert len(lines) == 1 + len(response(Location="", Link="", ETag="").headers) + 3


@given(
    body=st.binary(min_size=1, max_size=200).filter(lambda octets: not set(octets) & set(range(9))),
    etag=st.sampled_from(['"0123456789abcdef"', 'W/"0"']),
)
def test_a_record_comes_back(body: bytes, etag: str) -> None:
    """What is no redirect, a record or a page, has a body of its own, and tells that it has an ETag."""
    answer = folded(response(body, status=200, ETag=etag))
    head, _, sent = said(answer, NOW).partition(b"\r\n\r\n")
    assert sent == body
    assert f"\r\nETag: {etag}\r\n" in head.decode()
    assert answer.kind.has_etag
    assert answer.kind.body_octets == len(body)


def test_an_etag_is_a_header() -> None:
    """What looks like one in a body is none."""
    assert not folded(response(b"\r\nETag: x", Location="https://one.example/")).kind.has_etag


@given(now=st.floats(NOW, EXPIRES_AT, exclude_max=True), later=st.floats(0, 1))
def test_moments(now: float, later: float) -> None:
    """``max-age``, ``Expires`` and ``Date`` are those of each moment of a second, whatever was sent in it before."""
    answer, second = folded(response()), Second(now)
    answer.octets_at(now, second, b"ID")
    end = min(second.ends_at, EXPIRES_AT)
    for moment in sorted({now, now + later * (end - now), math.nextafter(end, 0)}):
        if not now <= moment < end:
            continue
        head = answer.octets_at(moment, second, b"ID").decode()
        assert f"max-age={int(EXPIRES_AT - moment)}\r\n" in head
        shown = dict(line.partition(": ")[::2] for line in head.split("\r\n")[1:])
        date = parsedate_to_datetime(shown["Date"]).timestamp()
        assert date == int(moment)
        assert parsedate_to_datetime(shown["Expires"]).timestamp() == date + int(EXPIRES_AT - moment)
        assert CACHING.headers(moment)["Expires"] == shown["Expires"]


@given(left=st.floats(0, 200), most=st.integers(0, 100))
def test_never_longer_than_the_host_allows(left: float, most: int) -> None:
    """An answer is kept as long as its record holds, and no longer than the operator says."""
    caching = Caching(NOW + left, most)
    found = said(folded(response(), caching), NOW)
    assert b"max-age=%d\r\n" % min(int(left), most) in found


def test_use_is_noted_for_the_cache() -> None:
    """Answers tell that they were used: once for each second in which they are sent, up to a limit."""
    answer = folded(response())
    for moment in (NOW, NOW + 0.5, NOW + 1):
        answer.octets_at(moment, Second(moment), b"ID")
    assert answer.hits == MAX_FREQUENCY
    answer.octets_at(NOW + 2, Second(NOW + 2), b"ID")
    assert answer.hits == MAX_FREQUENCY


@pytest.mark.parametrize(
    ("body", "caching"),
    [
        (b"", CACHING),
        (b"a\x05b", CACHING),
        (b"x" * (MAX_BODY_OCTETS + 1), CACHING),
        (b"body", Caching(None, 60)),
    ],
)
def test_what_cannot_be_folded(body: bytes, caching: Caching) -> None:
    """Without a body, with octets that stand for something else, too large or not to be kept: refused."""
    with pytest.raises(ValueError, match=r"not to be kept|stand for"):
        fold(response(body), caching, [], TALLY)


def test_headers_that_repeat_are_refused() -> None:
    """What has a header twice is no answer of ours."""
    twice = response()
    twice.headers.add("Link", "<a>")
    twice.headers.add("Link", "<b>")
    with pytest.raises(ValueError, match="repeated"):
        fold(twice, CACHING, [], TALLY)


def test_redirects_share_all_but_their_words() -> None:
    """Two redirects of the same shape weigh their own words and little else."""
    page = b"<a href='https://one.example/12345678'>https://one.example/12345678</a>" + b" " * 1000
    answer = folded(
        response(page, Location="https://one.example/12345678"), words=["https://one.example/12345678"]
    )
    other = page.replace(b"one", b"two")
    another = folded(
        response(other, Location="https://two.example/12345678"), words=["https://two.example/12345678"]
    )
    assert said(another, NOW).endswith(other)
    assert answer.kind is another.kind


def test_a_record_and_its_answer_weigh_a_kibibyte_at_most() -> None:
    """So much a worker grows by for a remembered record with one URL and its ready redirect, and it knows that."""
    count = 5000
    cache: MemoryCache[Held] = MemoryCache(10**6, 2**40)
    answers: dict[bytes, ReadyAnswer] = {}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            _remember(cache, answers, f"20.500.777/{number}")
        gc.collect()
        grown = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    assert grown <= 1024
    assert grown <= cache.octets / count <= 1.25 * grown


def _remember(cache: MemoryCache[Held], answers: dict[bytes, ReadyAnswer], handle: str) -> None:
    url = f"https://repository.example.org/items/{handle}"
    record = HandleRecord(
        handle,
        (
            HandleValue(1, "URL", url.encode(), timestamp=1_767_225_600),
            HandleValue(100, "HS_ADMIN", bytes(30), timestamp=1_767_225_600),
        ),
    )
    entry = encode_entry(handle, CachedRecord(record, NOW + 0.5, 3600.0, "udp://192.0.2.1:2641"))
    cache.put(handle, Held(entry, 0), len(entry))
    link = f'<https://hdl.handle.net/{handle}>; rel="cite-as", </api/handles/{handle}>; rel="describedby"'
    page = f'<!doctype html><p>This handle leads to <a href="{url}">{url}</a></p>'
    expires_at = NOW + float(len(answers))
    found = response(page.encode(), Location=url, Link=link)
    kind, words = fold(found, Caching(expires_at, 3600.0), [url, handle], TALLY)
    answer = ReadyAnswer(
        f"GET /{handle}".encode(), kind, words, expires_at, expires_at - 100.5, cache.own_name(handle)
    )
    answers[answer.name] = answer
    assert cache.attach(handle, answer)
