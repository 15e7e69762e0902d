"""Which data lead somewhere, and the URI that is sent then."""

from __future__ import annotations

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.answer.targets import (
    _STRIPPED,
    DEFAULT_SCHEMES,
    MAX_TARGET_OCTETS,
    Target,
    Unusable,
    _read_text,
    read_target,
)
from resolver.protocol.text import strict_text

WITH_HOST = ["http", "https", "ftp", "ftps", "sftp", "git"]

# Schemes that run something, read something on the visitor's side, or that nobody asked for.
NEVER_FOLLOWED = [
    *("javascript", "data", "vbscript", "file", "blob", "view-source", "about", "jar", "filesystem"),
    *("livescript", "mocha", "chrome", "resource", "ms-settings", "intent", "ldap", "ssh", "telnet", "ws"),
    *("wss", "feed", "x", "javascripts", "httpsx", "h", "ht-tps", "a+b.c-d"),
]


def uri_of(data: bytes | str) -> str:
    """Return the URI that the data lead to."""
    found = read_target(data.encode() if isinstance(data, str) else data)
    assert isinstance(found, Target), found
    return found.uri


def reason_of(data: bytes | str) -> str:
    """Return why the data lead nowhere."""
    found = read_target(data.encode() if isinstance(data, str) else data)
    assert isinstance(found, Unusable), found
    return found.reason


def is_clean(uri: str) -> bool:
    """Return whether ``uri`` may stand in a header and in an attribute: printable ASCII without blanks."""
    return all(0x20 < ord(character) < 0x7F for character in uri) and not set(uri) & set('"<>\\^`{|}')


# --- used ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org",
        "https://example.org/",
        "http://example.org/a/b;c=1?d=e&f=%20#g",
        "HTTPS://Example.ORG/Path",
        "https://example.org/a//b/../c/./d",
        "https://example.org/?",
        "https://example.org/#",
        "https://example.org?q=1",
        "https://example.org#fragment",
        "https://example.org/?next=https://other.example/@x",
        "https://user@example.org/",
        "https://user:pass:word@example.org/",
        "https://@example.org/",
        "https://example.org:8443/",
        "https://example.org:0/",
        "https://example.org:00080/",
        "https://example.org:65535/",
        "https://example.org:/x",
        "https://192.0.2.1/",
        "https://[2001:db8::1]/",
        "https://[2001:DB8::1]:8080/x",
        "https://user@[::1]/",
        "https://[::ffff:192.0.2.1]/",
        "https://xn--bcher-kva.example/",
        "https://under_score.example/",
        "https://example.org./",
        "https://localhost/",
        "https://example.org/100%25%2F%2f%zz%",
        "https://example.org/a[1]=b",
        "ftp://ftp.example.org/pub/file;type=i",
        "ftps://example.org/x",
        "sftp://user@example.org:22/home",
        "git://example.org/repo.git",
        "mailto:somebody@example.org?subject=Hello%20there",
        "urn:isbn:0451450523",
        "info:lccn/2002022641",
        "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c",
        "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/",
        "doi:10.1000/182",
        "hdl:20.500.12345/abc",
        "s3://bucket/key",
        "gs://bucket/object",
        "ark:/12148/btv1b8449691v",
        "tel:+49-30-123456",
    ],
)
def test_legal_uris_are_sent_as_they_stand(uri: str) -> None:
    """What is a URI already reaches the visitor letter by letter."""
    assert uri_of(uri) == uri


@pytest.mark.parametrize(
    ("data", "uri"),
    [
        ("https://example.org/ü", "https://example.org/%C3%BC"),
        ("https://example.org/?q=ä&r=日本", "https://example.org/?q=%C3%A4&r=%E6%97%A5%E6%9C%AC"),
        ("https://example.org/#ß", "https://example.org/#%C3%9F"),
        ("https://example.org/😀", "https://example.org/%F0%9F%98%80"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://BÜCHER.example:81/", "https://xn--bcher-kva.example:81/"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://example\u3002org/", "https://example.org/"),
        ("https://\uff45xample.org/", "https://example.org/"),
        ("https://jörg:geheim@example.org/", "https://j%C3%B6rg:geheim@example.org/"),
        ("https://example.org/a b", "https://example.org/a%20b"),
        ('https://example.org/<a href="x">', "https://example.org/%3Ca%20href=%22x%22%3E"),
        ("https://example.org/{a}|b^c`d", "https://example.org/%7Ba%7D%7Cb%5Ec%60d"),
        ("https://example.org/\\a", "https://example.org/%5Ca"),
        ("https://example.org/a\r\nSet-Cookie: x=y", "https://example.org/a%0D%0ASet-Cookie:%20x=y"),
        ("https://example.org/\x7f\x00\x1bz", "https://example.org/%7F%00%1Bz"),
        ("https://example.org/\u2028\u202e", "https://example.org/%E2%80%A8%E2%80%AE"),
        ("https://example.org/100% ü", "https://example.org/100%%20%C3%BC"),
        ("mailto:jörg@example.org", "mailto:j%C3%B6rg@example.org"),
        ("mailto:a@example.org?subject=x\r\nBcc: b@c", "mailto:a@example.org?subject=x%0D%0ABcc:%20b@c"),
        ("urn:x:ü", "urn:x:%C3%BC"),
    ],
)
def test_iris_become_uris(data: str, uri: str) -> None:
    """Host to IDNA, the rest percent-encoded as UTF-8, percent signs left alone: browsers get a URI."""
    assert uri_of(data) == uri


@pytest.mark.parametrize("blank", [*map(chr, range(0x21)), " \t\r\n ", "\x00\x1f"])
def test_blanks_around_are_taken_off_as_browsers_do(blank: str) -> None:
    """Blanks and C0 controls around an address do not keep anybody from arriving."""
    assert uri_of(f"{blank}https://example.org/a{blank}") == "https://example.org/a"


@pytest.mark.parametrize("scheme", sorted(DEFAULT_SCHEMES))
def test_every_listed_scheme_is_followed_in_any_case(scheme: str) -> None:
    """The schemes that the contract lists lead somewhere, written large or small."""
    for spelled in (scheme, scheme.upper(), scheme.title()):
        uri = f"{spelled}://example.org/x"
        assert uri_of(uri) == uri


def test_list_of_schemes_is_that_of_the_contract() -> None:
    """No scheme joins or leaves the list unnoticed."""
    listed = "http https ftp ftps mailto urn info magnet ipfs doi hdl s3 gs sftp git ark tel"
    assert set(listed.split()) == DEFAULT_SCHEMES


def test_operator_may_add_schemes() -> None:
    """A scheme that the operator allowed leads somewhere, and only then."""
    data = b"irc://chat.example.org/handles"
    assert isinstance(read_target(data), Unusable)
    assert read_target(data, DEFAULT_SCHEMES | {"irc"}) == Target(data.decode())


# --- not used --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", NEVER_FOLLOWED)
def test_other_schemes_are_not_followed(scheme: str) -> None:
    """Nobody is sent to a scheme beyond the list, however it is written, and the reason names it."""
    for spelled in (scheme, scheme.upper(), scheme.title(), f" \x01{scheme}", f"\n{scheme}"):
        for rest in (":alert(1)", "://example.org/", ":", ":\nhttps://example.org/"):
            assert reason_of(spelled + rest) == f"links to {scheme.lower()}: are not followed"


@pytest.mark.parametrize(
    "inserted", ["\t", "\n", "\r", "\r\n", "\x00", "\u00ad", "\u200b", "&Tab;", "&#10;", "%09"]
)
def test_scheme_with_something_inside_is_none(inserted: str) -> None:
    """What a browser or a page would drop from within a scheme does not smuggle one past the list."""
    for scheme in ("javascript", "https"):
        for at in range(1, len(scheme) + 1):
            disguised = f"{scheme[:at]}{inserted}{scheme[at:]}:alert(1)"
            assert isinstance(read_target(disguised.encode()), Unusable), disguised


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b" \t\r\n\x00", "it is empty"),
        (b"https://example.org/\xff", "it is not valid UTF-8"),
        (b"\xc0\xaf", "it is not valid UTF-8"),
        (b"https://example.org/\xed\xa0\x80", "it is not valid UTF-8"),
        ("https://example.org/ü".encode("latin-1"), "it is not valid UTF-8"),
        ("https://example.org/".encode("utf-16"), "it is not valid UTF-8"),
        (b"example.org", "it does not begin with a scheme"),
        (b"www.example.org/x:y", "it does not begin with a scheme"),
        (b"/relative", "it does not begin with a scheme"),
        (b"//example.org/", "it does not begin with a scheme"),
        (b"\\\\example.org\\x", "it does not begin with a scheme"),
        (b"?q", "it does not begin with a scheme"),
        (b"#f", "it does not begin with a scheme"),
        (b":", "it does not begin with a scheme"),
        (b"://example.org", "it does not begin with a scheme"),
        (b"1https://example.org", "it does not begin with a scheme"),
        (b"<a href=https://example.org>", "it does not begin with a scheme"),
        (b'"https://example.org"', "it does not begin with a scheme"),
        ("\u200bhttps://example.org".encode(), "it does not begin with a scheme"),
        ("javascript\uff1aalert(1)".encode(), "it does not begin with a scheme"),
        ("ht\u0131ps://example.org".encode(), "it does not begin with a scheme"),
        ("http\u017f://example.org".encode(), "it does not begin with a scheme"),
        (b"mailto:", "nothing follows its scheme"),
        (b"urn: \n", "nothing follows its scheme"),
        (b"https:", "it names no host"),
        (b"https:example.org", "it names no host"),
        (b"https:/example.org", "it names no host"),
        (b"https:\\\\example.org", "it names no host"),
        (b"https:/\\example.org", "it names no host"),
        (b"https://", "it names no host"),
        (b"https:///example.org", "it names no host"),
        (b"https://?q", "it names no host"),
        (b"https://#f", "it names no host"),
        (b"git:example.org", "it names no host"),
        (b"https://@/", "is not valid"),
        (b"https://:80/", "is not valid"),
        (b"https://user@:80/", "is not valid"),
        (b"https://example.org:65536/", "is not valid"),
        (b"https://example.org:80a/", "is not valid"),
        (b"https://example.org:-1/", "is not valid"),
        (b"https://a:1:2/", "is not valid"),
        ("https://example.org:\uff18\uff10/".encode(), "is not valid"),
        ("https://example.org:\u0668/".encode(), "is not valid"),
        (b"https://[::1/", "is not valid"),
        (b"https://[]/", "is not valid"),
        (b"https://[::1]x/", "is not valid"),
        (b"https://[::g]/", "is not valid"),
        (b"https://[1.2.3.4]/", "is not valid"),
        (b"https://2001:db8::1/", "is not valid"),
        (b"https://example.org\\@evil.example/", "is not valid"),
        (b"https://example.org\\.evil.example/", "is not valid"),
        (b"https://exa mple.org/", "is not valid"),
        (b"https://example.org\r\n/", "is not valid"),
        (b"https://exa\tmple.org/", "is not valid"),
        (b"https://us er@example.org/", "is not valid"),
        (b"https://example.org\x7f/", "is not valid"),
        (b"https://<script>/", "is not valid"),
        (b'https://a"onclick="x/', "is not valid"),
        ("https://example.org\u00a0/".encode(), "is not valid"),
        ("https://example.org\u2028/".encode(), "is not valid"),
        ("https://\u2100.example/".encode(), "is not valid"),
        ("https://\u202eexample.org/".encode(), "is not valid"),
        ("https://ü" + "a" * 70 + ".example/", "is not valid"),
        (b"https://example.org/" + b"a" * MAX_TARGET_OCTETS, "it is longer than"),
        ("https://example.org/" + "ü" * (MAX_TARGET_OCTETS // 6), "it is longer than"),
        ("https://" + "ü" * 30_000 + "/", "is not valid"),
    ],
)
def test_unusable_data_say_why(data: bytes | str, reason: str) -> None:
    """Data that lead nowhere say in words what is wrong with them."""
    assert reason in reason_of(data)


@pytest.mark.parametrize(
    "data",
    [
        "https://[fe80::1%eth0]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%\u00e9]/",
        "https://[fe80::1%<script>]/",
        'https://[fe80::1%"onclick=]/',
        "https://[fe80::1%\x7f]/",
    ],
)
def test_zone_of_an_ipv6_address_is_not_for_others(data: str) -> None:
    """A zone means something on one machine only, and may hold any character: such an address is refused."""
    assert isinstance(read_target(data.encode()), Unusable)


@pytest.mark.parametrize("digits", [1000, 5000, 60_000])
def test_port_of_any_length_is_read(digits: int) -> None:
    """A port of thousands of digits is a bad address, not a failure of the resolver."""
    assert isinstance(read_target(b"https://example.org:" + b"9" * digits + b"/"), Unusable)


@pytest.mark.parametrize(
    ("user", "written"),
    [("[::1]", "%5B::1%5D"), ("a[b", "a%5Bb"), ("a]b", "a%5Db"), ("a@b", "a%40b"), ("a@b@c", "a%40b%40c")],
)
def test_every_reader_finds_the_same_host(user: str, written: str) -> None:
    """Brackets and at signs before the host are encoded, so that no program takes part of them for the host."""
    assert uri_of(f"https://{user}@example.org/") == f"https://{written}@example.org/"


# --- properties ------------------------------------------------------------------------------------------

_UNRESERVED = string.ascii_letters + string.digits + "-._~"
_SUB_DELIMITERS = "!$&'()*+,;="


def _of(characters: str, most: int = 12) -> st.SearchStrategy[str]:
    triplets = st.integers(0, 255).map("%{:02X}".format)
    return st.lists(st.sampled_from(characters) | triplets, max_size=most).map("".join)


_HOSTS = st.one_of(
    st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=20),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)
_AUTHORITIES = st.builds(
    "{}{}{}".format,
    st.just("") | _of(_UNRESERVED + _SUB_DELIMITERS + ":").map("{}@".format),
    _HOSTS,
    st.just("") | st.integers(0, 65535).map(":{}".format),
)
_TAILS = st.builds(
    "{}{}{}".format,
    st.just("") | _of(_UNRESERVED + _SUB_DELIMITERS + ":@/").map("/{}".format),
    st.just("") | _of(_UNRESERVED + _SUB_DELIMITERS + ":@/?").map("?{}".format),
    st.just("") | _of(_UNRESERVED + _SUB_DELIMITERS + ":@/?").map("#{}".format),
)
_LEGAL_URIS = st.builds("{}://{}{}".format, st.sampled_from(WITH_HOST), _AUTHORITIES, _TAILS)


@given(_LEGAL_URIS)
def test_any_legal_uri_passes_unchanged(uri: str) -> None:
    """No octet of a URI (RFC 3986) is touched, wherever it leads."""
    assert uri_of(uri) == uri


@given(st.sampled_from(["urn", "mailto", "info", "tel"]), _of(_UNRESERVED + _SUB_DELIMITERS + ":@/?"))
def test_any_legal_uri_without_a_host_passes_unchanged(scheme: str, rest: str) -> None:
    """The same holds for names and numbers."""
    uri = f"{scheme}:x{rest}"
    assert uri_of(uri) == uri


_TEXTS = st.text(max_size=30)
_HOSTILE = st.one_of(
    st.binary(max_size=60),
    _TEXTS.map(str.encode),
    st.builds("{}:{}".format, st.sampled_from([*WITH_HOST, "urn", "javascript", "JavaScript "]), _TEXTS).map(
        str.encode
    ),
    st.builds("{}://{}/{}".format, st.sampled_from(WITH_HOST), _TEXTS, _TEXTS).map(str.encode),
    st.builds("{}://{}@{}:{}".format, st.sampled_from(WITH_HOST), _TEXTS, _TEXTS, _TEXTS).map(str.encode),
)


@given(_HOSTILE)
@example(b"https://example.org/\r\nX: y")
@example("https://a\u2025b.example/".encode())
def test_whatever_is_sent_is_clean_and_leads_where_it_says(data: bytes) -> None:
    """Any octets give a reason, or a URI without controls, blanks and quotes, of a listed scheme, with a host."""
    match read_target(data):
        case Target(uri):
            assert is_clean(uri)
            assert len(uri) <= MAX_TARGET_OCTETS
            scheme = uri.partition(":")[0].lower()
            assert scheme in DEFAULT_SCHEMES
            assert scheme not in WITH_HOST or uri[len(scheme) :].startswith("://")
        case Unusable(reason):
            assert reason
            assert reason.isprintable()


@given(_HOSTILE)
def test_what_was_read_once_reads_the_same_again(data: bytes) -> None:
    """A URI that is sent stands for itself: read anew, it is not encoded a second time."""
    found = read_target(data)
    if isinstance(found, Target):
        assert read_target(found.uri.encode()) == found


@pytest.mark.parametrize(
    "template",
    [
        b"%shttps://example.org/",
        b"h%sttps://example.org/",
        b"https%s://example.org/",
        b"https:%s//example.org/",
        b"https:/%s/example.org/",
        b"https://%sexample.org/",
        b"https://user%s@example.org/",
        b"https://exam%sple.org/",
        b"https://example.org%s/",
        b"https://example.org:8%s0/",
        b"https://[::%s1]/",
        b"https://example.org/a%sb",
        b"https://example.org/?q=%s&r",
        b"https://example.org/#%s",
        b"https://example.org/%s",
        b"mailto:a%s@example.org",
    ],
)
def test_every_octet_in_every_place(template: bytes) -> None:
    """Whichever octet stands wherever in an address, no header can be injected."""
    for octet in range(256):
        found = read_target(template % bytes((octet,)))
        assert isinstance(found, Unusable) or is_clean(found.uri), (octet, found)


@pytest.mark.parametrize("scheme", WITH_HOST)
def test_python_reads_the_same_host(scheme: str) -> None:
    """Another reader of URLs finds the host, user and port that were meant."""
    parts = urlsplit(uri_of(f"{scheme}://üser:pw@bücher.example:8080/p?q#f"))
    assert (parts.username, parts.password) == ("%C3%BCser", "pw")
    assert (parts.hostname, parts.port) == ("xn--bcher-kva.example", 8080)


# --- the short way ---------------------------------------------------------------------------------------

_PIECES = st.one_of(
    st.sampled_from(
        [
            *(
                "http",
                "https",
                "HTTP",
                "ftp",
                "javascript",
                ":",
                "//",
                "/",
                "?",
                "#",
                "@",
                ":80",
                ":65536",
                ":",
            ),
            *("[::1]", "[", "]", "example.org", "a-b.c", "..", "%2F", "%", "\\", "\n", "\r", " ", "\t", "\0"),
            *("ü", "ß", "\u202e", "\u0130", "<", '"', "'", "|", "~", "_", "!$&()*+,;="),
        ]
    ),
    st.text(max_size=3),
)
_NEARLY_USUAL = st.one_of(
    st.builds(
        "{}://{}{}".format,
        st.sampled_from(["http", "https", "Https", "ftp"]),
        st.sampled_from(
            [
                "example.org",
                "EXAMPLE.org:8080",
                "a_b.example",
                "x:99999",
                "",
                "-",
                "user@host",
                "user@host:99999",
            ]
        ),
        st.lists(_PIECES, max_size=5).map("".join),
    ),
    st.lists(_PIECES, max_size=8).map("".join),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(
    st.one_of(_NEARLY_USUAL, _HOSTILE),
    st.sampled_from([DEFAULT_SCHEMES, frozenset({"http"}), frozenset({"https"}), frozenset()]),
)
@example(b"https://example.org/" + b"x" * (MAX_TARGET_OCTETS - 20), DEFAULT_SCHEMES)
@example(b"https://example.org/" + b"x" * (MAX_TARGET_OCTETS - 19), DEFAULT_SCHEMES)
@example(b"https://example.org/\n", DEFAULT_SCHEMES)
@example(b"https://example.org:80", DEFAULT_SCHEMES)
@example(b"https://example.org:", DEFAULT_SCHEMES)
def test_what_is_usual_is_read_like_the_rest(data: bytes, schemes: frozenset[str]) -> None:
    """The short way for usual URLs finds what the long one does, for whatever data and schemes."""
    text = strict_text(data)
    if text is None:
        assert isinstance(read_target(data, schemes), Unusable)
    else:
        assert read_target(data, schemes) == _read_text(text.strip(_STRIPPED), schemes)
