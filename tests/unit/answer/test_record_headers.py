"""Which response headers a record may add, and that no others get through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.record_headers import MAX_HEADERS, MAX_OCTETS, RecordHeaders, read_record_headers

HANDLE = "20.500.12345/a b"


def headers(*texts: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that values with these texts add."""
    return read_record_headers(texts, HANDLE).headers


def metas(*texts: str) -> tuple[tuple[str, str], ...]:
    """Return the elements that values with these texts add to the head of a page."""
    return read_record_headers(texts, HANDLE).metas


# --- allowed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("X-Note: yes", ("X-Note", "yes")),
        ("x-collection:maps", ("x-collection", "maps")),
        ("X-Empty:", ("X-Empty", "")),
        ("  X-Note: \t yes  ", ("X-Note", "yes")),
        ('X-Note: a: b; c="d", <e>', ("X-Note", 'a: b; c="d", <e>')),
        ("Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT", ("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT")),
        (
            "Memento-Datetime: Tue, 20 Jun 2000 18:02:59 GMT",
            ("Memento-Datetime", "Tue, 20 Jun 2000 18:02:59 GMT"),
        ),
        ("TDM-Reservation: 1", ("TDM-Reservation", "1")),
        ("tdm-policy: https://example.org/policy.json", ("tdm-policy", "https://example.org/policy.json")),
    ],
)
def test_headers_that_inform_are_passed_on(line: str, header: tuple[str, str]) -> None:
    """What tells about the thing, and nothing about this host or this answer, goes out as its owner wrote it."""
    assert headers(line) == (header,)


def test_lines_and_values_add_up_in_their_order() -> None:
    """Each line is a header, whatever ends it, and several values are one list."""
    assert headers("X-A: 1\nX-B: 2\r\nX-C: 3\rX-D: 4\n\n", "X-E: 5") == (
        ("X-A", "1"),
        ("X-B", "2"),
        ("X-C", "3"),
        ("X-D", "4"),
        ("X-E", "5"),
    )


def test_handle_is_put_where_the_owner_wants_it() -> None:
    """``{hdl}`` and ``{hdl:path}`` are filled as in locations, so that one value serves a whole prefix."""
    assert headers("X-Record: https://x.example/{hdl}?p={hdl:path}") == (
        ("X-Record", "https://x.example/20.500.12345%2Fa%20b?p=20.500.12345/a%20b"),
    )
    assert read_record_headers(["X-Record: {hdl}"], "10.1/\r\nSet-Cookie: a=b").headers == (
        ("X-Record", "10.1%2F%0D%0ASet-Cookie%3A%20a%3Db"),
    )


# --- refused ---------------------------------------------------------------------------------------------

REFUSED = [
    # who somebody is, and what a browser keeps
    *("Set-Cookie", "Set-Cookie2", "Cookie", "Clear-Site-Data", "WWW-Authenticate", "Authorization"),
    *("Proxy-Authenticate", "Authentication-Info", "Accept-CH", "Critical-CH"),
    # where the answer leads
    *("Location", "Refresh", "Content-Location", "Link", "Alt-Svc", "SourceMap", "Service-Worker-Allowed"),
    # what the answer is
    *("Content-Type", "Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range"),
    *(
        "Content-Language",
        "Content-Security-Policy",
        "Content-Security-Policy-Report-Only",
        "Content-Anything",
    ),
    # how it is sent
    *("Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Proxy-Connection", "Via"),
    *("Host", "Date", "Server", "HTTP2-Settings", "Expect", "Status", "Age", "Warning"),
    # what caches do with it
    *("Cache-Control", "Expires", "ETag", "Vary", "Pragma", "Surrogate-Control", "CDN-Cache-Control"),
    *("Surrogate-Key", "Retry-After"),
    # what keeps visitors safe
    *("Strict-Transport-Security", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"),
    *("Access-Control-Expose-Headers", "Referrer-Policy", "Permissions-Policy", "Feature-Policy"),
    *("Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy", "Cross-Origin-Resource-Policy"),
    *("Timing-Allow-Origin", "Origin-Agent-Cluster", "Public-Key-Pins", "Expect-CT", "Report-To", "NEL"),
    *("Reporting-Endpoints", "Document-Policy", "Speculation-Rules", "Sec-Fetch-Site", "Origin-Trial"),
    *("Supports-Loading-Mode", "No-Vary-Search", "Set-Login", "Observe-Browsing-Topics"),
    # extension headers to which browsers, proxies or this resolver give a meaning
    *("X-Frame-Options", "X-Content-Type-Options", "X-Content-Security-Policy", "X-XSS-Protection"),
    *("X-WebKit-CSP", "X-UA-Compatible", "X-Download-Options", "X-DNS-Prefetch-Control"),
    *(
        "X-Permitted-Cross-Domain-Policies",
        "X-Request-ID",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Real-IP",
    ),
    *(
        "X-Accel-Redirect",
        "X-Accel-Buffering",
        "X-Sendfile",
        "X-Sendfile-Temporary",
        "X-HTTP-Method-Override",
    ),
    *("X-LIGHTTPD-send-file", "X-LiteSpeed-Location", "X-LiteSpeed-Cache-Control", "X-Reproxy-URL"),
    *("X-Original-URL", "X-Rewrite-URL", "X-Cache", "X-Cache-Control", "X-Conneg-Fallback"),
    # unknown ones
    *("Anything", "Xylophone", "Y-Note"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_headers_with_a_meaning_of_their_own_are_refused(name: str) -> None:
    """Whoever registers a handle must not speak for this host: not to browsers, nor to caches, nor to proxies."""
    for spelling in (name, name.lower(), name.upper()):
        assert read_record_headers([f"{spelling}: x"], HANDLE) == RecordHeaders()
    assert headers(f"{name}: x\nX-Note: yes") == (("X-Note", "yes"),)


@pytest.mark.parametrize(
    "line",
    [
        "X-Note : yes",
        " : yes",
        ": yes",
        "X-Note",
        "X-No te: yes",
        "X_Note: yes",
        "X-Nöte: yes",
        "X-Note\x00: yes",
        "X-Note: \x00",
        "X-Note: a\x0bSet-Cookie: b=c",
        "X-Note: a\x0cb",
        "X-Note: a\x7f",
        "X-Note: café",
        "X-Note: a\x85Set-Cookie: b=c",
        "X-Note: a\u2028Set-Cookie: b=c",
        "X-Note: a\tb",
        f"X-Note: {'x' * 2001}",
        f"X-{'x' * 64}: yes",
        "Set-Cookie : a=b",
        "Set-Cookie\t: a=b",
        "\x0bSet-Cookie: a=b",
    ],
    ids=ascii,
)
def test_lines_that_could_be_read_as_something_else_are_refused(line: str) -> None:
    """Only names of letters, digits and hyphens with printable ASCII behind them become headers."""
    assert headers(line) == ()


def test_line_endings_cannot_hide_a_header() -> None:
    """Whatever a value holds, refused headers stay refused on each of its lines."""
    text = "Set-Cookie: a=b\r\nX-Evil: 1\nLocation: http://evil.example/\nContent-Length: 0\r X-Ok: 2"
    assert headers(text) == (("X-Evil", "1"), ("X-Ok", "2"))
    assert headers("X-A: 1\r\n Set-Cookie: b=c") == (("X-A", "1"),)
    assert headers("X-A: 1\r\n\tfolded") == (("X-A", "1"),)


_NAMES = st.sampled_from([*REFUSED, "X-Note", "DOI", ""]) | st.text(st.characters(codec="ascii"), max_size=8)
_LINES = st.builds(
    "{}{}{}{}".format,
    _NAMES,
    st.sampled_from([":", ": ", " : ", ""]),
    st.text(max_size=8),
    st.sampled_from(["\n", "\r", "\r\n", " ", "\x85"]),
)


@given(st.lists(st.lists(_LINES, max_size=4).map("".join), max_size=3), st.text(max_size=8))
def test_no_text_yields_anything_but_harmless_headers(texts: list[str], handle: str) -> None:
    """Whatever is recorded, each header is one line with an allowed name."""
    refused = {name.lower() for name in REFUSED}
    for name, value in read_record_headers(texts, handle).headers:
        assert re.fullmatch(r"[A-Za-z0-9-]+", name)
        assert name.lower() not in refused
        assert value.isascii()
        assert not value or value.isprintable()


# --- elements for the head of a page ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meta"),
    [
        ('<meta name="citation_title" content="On Handles">', ("citation_title", "On Handles")),
        ("<meta name='DC.creator' content='Somebody'/>", ("DC.creator", "Somebody")),
        ('  <meta  property = "og:title"  content = "A" />  ', ("og:title", "A")),
        ('<meta name="citation_author" content="O\'Brien">', ("citation_author", "O'Brien")),
        (
            '<meta name="citation_title" content="A &amp; B &lt;3 &quot;C&quot;">',
            ("citation_title", 'A & B <3 "C"'),
        ),
        ('<meta name="citation_title" content="Über">', ("citation_title", "Über")),
        ('<meta name="empty" content="">', ("empty", "")),
        ('<meta name="citation_doi" content="{hdl:path}">', ("citation_doi", "20.500.12345/a%20b")),
    ],
    ids=[
        "double quotes",
        "single quotes",
        "property",
        "apostrophe",
        "entities",
        "umlaut",
        "empty",
        "template",
    ],
)
def test_descriptions_go_into_the_head_of_the_page(line: str, meta: tuple[str, str]) -> None:
    """What describes the thing for reference managers and search engines is read and can be written anew."""
    assert metas(line) == (meta,)
    assert headers(line) == ()


@pytest.mark.parametrize(
    "line",
    [
        '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
        '<meta name="x" http-equiv="refresh" content="0">',
        '<meta http-equiv="Content-Security-Policy" content="default-src *">',
        '<meta name="referrer" content="unsafe-url">',
        '<meta name="REFERRER" content="unsafe-url">',
        '<meta name="google-site-verification" content="token">',
        '<meta name="msvalidate.01" content="token">',
        '<meta property="fb:domain-verification" content="token">',
        '<meta charset="utf-7">',
        '<meta name="x" content="y"><script>alert(1)</script>',
        '<meta name="x" content="y" onload="alert(1)">',
        '<meta name="x" content="y"',
        '<meta name="x" content="<script>">',
        '<meta name="x&quot;y" content="z">',
        '<meta name="x" content="a&#10;b">',
        '<meta name="x" content="a\x00b">',
        '<script src="https://evil.example/"></script>',
        '<link rel="stylesheet" href="https://evil.example/">',
        '<base href="https://evil.example/">',
        "<style>body{display:none}</style>",
        "<!-- comment -->",
        "plain text",
    ],
    ids=ascii,
)
def test_everything_else_for_the_head_is_refused(line: str) -> None:
    """Nothing gets into the head that does something: no script, no style, no policy, no claim to this host."""
    assert read_record_headers([line], HANDLE) == RecordHeaders()


# --- limits ----------------------------------------------------------------------------------------------


def test_number_of_headers_is_limited() -> None:
    """The first ones are kept, headers and elements together, however many values they stand in."""
    found = read_record_headers(
        [f'X-N: {number}\n<meta name="n" content="{number}">' for number in range(100)], HANDLE
    )
    assert len(found.headers) + len(found.metas) == MAX_HEADERS
    assert found.headers[0] == ("X-N", "0")


def test_size_is_limited() -> None:
    """Headers stay within a size that every program reads; what would exceed it is left out, not cut."""
    long = "x" * 1700
    lines = "\n".join(f"X-{number}: {long}" for number in range(9))
    found = headers(lines)
    assert [value for _, value in found] == [long] * 4
    assert sum(len(name) + len(value) for name, value in headers(lines, lines)) <= MAX_OCTETS
    assert headers(*(f"X-{number}: {long}" for number in range(9))) == found


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000_000,
        "\n" * 10_000_000,
        "X-A: 1\n" * 1_000_000,
        "X-A: " + "{hdl}" * 100_000,
        "<meta " + " " * 1_000_000,
        '<meta name="' * 100_000,
    ],
    ids=["letters", "line breaks", "headers", "templates", "blanks", "elements"],
)
def test_endless_values_are_read_only_as_far_as_they_count(text: str) -> None:
    """A value of megabytes yields no more than a small one."""
    found = read_record_headers([text] * 3, "20.500.12345/" + "ü" * 500)
    assert len(found.headers) <= MAX_HEADERS
    assert sum(len(name) + len(value) for name, value in found.headers) <= MAX_OCTETS
