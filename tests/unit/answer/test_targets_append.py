"""What visitors may put behind a target, and that they cannot move it."""

from __future__ import annotations

import itertools
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answer.targets import MAX_TARGET_OCTETS, Target, append_to_target, read_target

BASES = [
    "https://example.org",
    "https://example.org/",
    "https://example.org/path",
    "https://example.org/path/",
    "https://example.org/path?query=1",
    "https://example.org/path#fragment",
    "https://example.org?query",
    "https://example.org#fragment",
    "https://example.org:8443",
    "https://example.org:8443/",
    "https://example.org:8",
    "http://user@example.org",
    "http://user:password@example.org",
    "http://user:password@example.org:80",
    "https://192.0.2.1",
    "https://192.0.2",
    "https://[2001:db8::1]",
    "https://[2001:db8::1]:8080",
    "https://xn--bcher-kva.example",
    "https://example.org./",
    "https://e",
    "HTTPS://EXAMPLE.ORG",
    "ftp://ftp.example.org",
    "ftps://ftp.example.org/pub",
    "sftp://user@example.org",
    "git://example.org",
    "s3://bucket",
    "s3://bucket/key",
    "gs://bucket",
    "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    "ipfs:/",
    "ark:/12148/btv1b8449691v",
    "urn:isbn:0451450523",
    "doi:10.1000/182",
    "hdl:/",
]

# How somebody could try to move the host to the left of the target, or to start a new one.
_STARTS = [
    *(
        "",
        ".",
        "..",
        "@",
        ":80@",
        ":@",
        ":",
        ":80",
        ":80.",
        "-",
        "%40",
        "%2e",
        "%2F..",
        "%00",
        "%0d%0a",
        "%5C@",
    ),
    *("\\", "\\\\", "\\@", "/", "//", "/\\", "/@", "/../", "?", "?@", "#", "#@", "\t", "\n", "\r\n", "\x00"),
    *(" ", " @", "\t@", "\u3002", "\uff0e", "\uff0f", "\uff20", "\u2044", "\u2024", "\u200b.", "\u00ad."),
    *("]", "]@", "[", "0", "80", "x"),
]
_ENDS = ["evil.example", "evil.example/", "evil.example:443/x", "//evil.example", "@evil.example#"]
PAYLOADS = [*map("".join, itertools.product(_STARTS, _ENDS)), *_STARTS]

_PAYLOAD_TEXTS = st.text(max_size=40) | st.sampled_from(PAYLOADS)


def host_of(uri: str) -> tuple[str, str, str | None, str | None, str | None, int | None]:
    """Return scheme and authority as a reader of URLs that is not ours finds them."""
    parts = urlsplit(uri)
    return (parts.scheme, parts.netloc, parts.username, parts.password, parts.hostname, parts.port)


def test_enough_is_tried() -> None:
    """The tables below stay as large as the threat model asks for (T2)."""
    assert len(set(PAYLOADS)) >= 200
    assert len(set(BASES)) >= 30


@pytest.mark.parametrize("base", BASES)
def test_appending_moves_nobody(base: str) -> None:
    """Whatever is appended, scheme, user, host and port are those of the record, or nothing is appended."""
    target = read_target(base.encode())
    assert isinstance(target, Target)
    for payload in PAYLOADS:
        longer = append_to_target(target, payload)
        if longer is not None:
            assert host_of(longer.uri) == host_of(target.uri), payload
            # Browsers take a backslash for a slash.
            assert "\\" not in longer.uri


@pytest.mark.parametrize(
    ("base", "appended", "uri"),
    [
        ("https://example.org/a", "", "https://example.org/a"),
        ("https://example.org/a", "/b", "https://example.org/a/b"),
        ("https://example.org", "/page", "https://example.org/page"),
        ("https://example.org", "?q=1", "https://example.org?q=1"),
        ("https://example.org", "#top", "https://example.org#top"),
        ("https://example.org/a?x=1", "&y=2", "https://example.org/a?x=1&y=2"),
        ("https://example.org/a", "ü b", "https://example.org/a%C3%BC%20b"),
        ("https://example.org/a", "%20%zz", "https://example.org/a%20%zz"),
        ("https://example.org/a", "@b", "https://example.org/a@b"),
        ("https://example.org/a", "\r\nX: y", "https://example.org/a%0D%0AX:%20y"),
        ("https://example.org/a", "b\n", "https://example.org/ab"),
        ("urn:isbn:1", "23", "urn:isbn:123"),
    ],
)
def test_what_is_appended_arrives(base: str, appended: str, uri: str) -> None:
    """A path, a query or a fragment is put behind the target, encoded like the rest."""
    assert append_to_target(Target(base), appended) == Target(uri)


@pytest.mark.parametrize(
    ("base", "appended"),
    [
        ("https://example.org", ".evil.example/"),
        ("https://example.org", "@evil.example"),
        ("https://example.org", ":80@evil.example"),
        ("https://example.org", "\\evil.example"),
        ("https://example.org", "x"),
        ("https://example.org", ":8080/"),
        ("https://example.org:80", "80/"),
        ("https://example.org", "%2F.."),
        ("https://example.org", " /x"),
        ("https://example.org/a", "b" * MAX_TARGET_OCTETS),
    ],
)
def test_what_would_lead_elsewhere_is_refused(base: str, appended: str) -> None:
    """An appendix that would change the host, or make the address too long, is not used at all."""
    assert append_to_target(Target(base), appended) is None


@pytest.mark.parametrize("appended", ["\ud800", "/\udfff", "/\udc80\udcff", ":" + "9" * 5000])
@pytest.mark.parametrize("base", ["https://example.org", "https://example.org/", "urn:x"])
def test_no_appendix_is_a_failure_of_ours(base: str, appended: str) -> None:
    """Half characters, as a JSON body may hold them, and endless ports are refused like any other nonsense."""
    longer = append_to_target(Target(base), appended)
    assert longer is None or longer.uri.isascii()


@given(st.sampled_from(BASES), _PAYLOAD_TEXTS)
def test_target_stays_at_the_front(base: str, appended: str) -> None:
    """An appendix only ever adds to the target, and what it adds is as clean as the target."""
    longer = append_to_target(Target(base), appended)
    if longer is not None:
        assert longer.uri.startswith(base)
        assert all(0x20 < ord(character) < 0x7F for character in longer.uri)
