"""How the values of a record look to people."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.answer.facts import MAX_SHOWN_LIST
from resolver.answer.listing import (
    MAX_SHOWN_CHARACTERS,
    MAX_SHOWN_OCTETS,
    Fact,
    ValueView,
    describe_day,
    describe_duration,
    show_value,
)
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.answer.visible import visible_text
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.record import AdminPermission, AdminRecord, HandleValue, Reference
from resolver.model.site import Interface, Server, Site, encode_address
from resolver.protocol.keys import encode_public_key
from resolver.protocol.sites import encode_site
from resolver.protocol.values import encode_admin, encode_vlist
from tests.strategies import damaged, values

STRUCTURED_TYPES = [
    "HS_ADMIN",
    "HS_VLIST",
    "HS_SITE",
    "HS_SITE.6",
    "HS_NA_DELEGATE",
    "HS_PUBKEY",
    "HS_NAMESPACE",
    "HS_SIGNATURE",
    "HS_CERT",
]

SITE = Site(
    format_version=1,
    protocol_version=(2, 11),
    serial_number=5,
    primary=True,
    multi_primary=False,
    hash_option=2,
    hash_filter="",
    attributes=(("desc", "Main site"), ("domain", "hdl.example.org")),
    servers=(
        Server(
            1,
            encode_address(ip_address("192.0.2.1")),
            b"",
            (Interface(3, 0, 2641), Interface(2, 1, 2641), Interface(1, 2, 8000)),
        ),
    ),
)


def shown(value_type: str, data: bytes | str, **fields: object) -> ValueView:
    """Return the view of a value."""
    octets = data.encode() if isinstance(data, str) else data
    return show_value(HandleValue(1, value_type, octets, **fields))  # type: ignore[arg-type]


def told(view: ValueView) -> dict[str, str]:
    """Return the facts of a view by their labels."""
    return {fact.label: fact.text for fact in view.facts}


def texts_of(view: ValueView) -> Iterator[str]:
    """Return everything of a view that is shown as text."""
    yield from (view.type, view.type_name, view.text or "", view.octets or "", view.warning)
    yield from (view.ttl, view.changed, view.changed_exactly, view.permissions)
    for fact in view.facts:
        yield from (fact.label, fact.text)


def links_of(view: ValueView) -> list[str]:
    """Return every URI of a view."""
    return [uri for uri in (view.uri, *(fact.uri for fact in view.facts)) if uri is not None]


# --- text ------------------------------------------------------------------------------------------------


def test_url_is_text_and_link() -> None:
    """A location is shown as it is recorded and linked as it is sent."""
    view = shown("URL", "https://example.org/ü")
    assert (view.type, view.type_name, view.type_handle) == ("URL", "Location", "0.TYPE/URL")
    assert (view.text, view.uri) == ("https://example.org/ü", "https://example.org/%C3%BC")
    assert (view.warning, view.octets, view.facts, view.handle) == ("", None, (), None)


@pytest.mark.parametrize(
    ("value_type", "data", "reason"),
    [
        ("URL", "javascript:alert(1)", "links to javascript: are not followed"),
        ("url.mirror", "data:text/html,x", "links to data: are not followed"),
        ("0.TYPE/URL", "/relative", "it does not begin with a scheme such as https:"),
        ("URL", "", "it is empty"),
        ("URL", b"https://example.org/\xff", "it is not valid UTF-8"),
    ],
)
def test_location_that_leads_nowhere_says_why(value_type: str, data: str | bytes, reason: str) -> None:
    """A location nobody is sent to is no link, and says why in a sentence."""
    view = shown(value_type, data)
    assert view.uri is None
    assert view.warning == f"Nobody is sent there, because {reason}."


def test_other_text_is_linked_where_it_can_be_and_never_warned_about() -> None:
    """A description may hold an address, and need not."""
    assert shown("DESC", "https://example.org/").uri == "https://example.org/"
    for text in ("A plain sentence.", "javascript:alert(1)", ""):
        view = shown("DESC", text)
        assert (view.text, view.uri, view.warning) == (text, None, "")


def test_operator_decides_about_schemes() -> None:
    """A scheme that is not redirected to is not linked either."""
    value = HandleValue(1, "URL", b"irc://chat.example.org/")
    assert show_value(value).uri is None
    assert show_value(value, DEFAULT_SCHEMES | {"irc"}).uri == "irc://chat.example.org/"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("somebody@example.org", "mailto:somebody@example.org"),
        (" somebody@example.org\n", "mailto:somebody@example.org"),
        ("two words@example.org", None),
        ("Somebody <somebody@example.org>", None),
        ("nobody", None),
        ("", None),
        ("https://example.org/", None),
        ("javascript:alert(1)", None),
        ("a" * 65 + "@example.org", None),
    ],
)
def test_email_address_is_linked(text: str, uri: str | None) -> None:
    """An e-mail value is a link to write to, if it is an address and nothing else."""
    view = shown("EMAIL", text)
    assert (view.text, view.uri, view.warning) == (text, uri, "")


@pytest.mark.parametrize(
    "address",
    [
        "jörg@example.org",
        "a@exämple.org",
        "a\x0e@example.org",
        "a\u202e@example.org",
        "a@example.org?bcc=b",
        "a&b=c@d",
    ],
)
def test_email_link_holds_an_address_and_nothing_more(address: str) -> None:
    """No character of an e-mail value adds a header to the letter, or hides whom it goes to."""
    for link in links_of(shown("EMAIL", address)):
        assert link.isascii()
        assert link.isprintable()
        assert not set(link) & set("?&#")


@pytest.mark.parametrize(
    ("value_type", "data", "handle"),
    [
        ("HS_ALIAS", " 10.1000/1\n", "10.1000/1"),
        ("HS_SERV", "20.500.12345/service", "20.500.12345/service"),
        ("HS_SERV.PREFIX", "20.500.12345/service", "20.500.12345/service"),
        ("HS_ALIAS", "", None),
        ("HS_ALIAS", "x" * 3000, None),
        ("HS_ALIAS", b"\xff\xfe", None),
        ("DESC", "10.1000/1", None),
    ],
)
def test_values_that_name_a_handle_lead_to_it(value_type: str, data: str | bytes, handle: str | None) -> None:
    """An alias or a service is a link within this resolver."""
    assert shown(value_type, data).handle == handle


def test_binary_data_are_shown_as_octets() -> None:
    """What is no text is shown in hexadecimal, and nothing is guessed."""
    view = shown("X", b"\x00\x01\xfe")
    assert (view.text, view.uri, view.octets, view.warning) == (None, None, "00 01 fe", "")


def test_empty_data_are_an_empty_text() -> None:
    """A value without data is shown as such."""
    view = shown("X", b"")
    assert (view.text, view.octets) == ("", None)


# --- types -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value_type", "type_name", "type_handle"),
    [
        ("url", "Location", "0.TYPE/URL"),
        ("EMAIL", "E-mail address", "0.TYPE/EMAIL"),
        ("Hs_Admin", "Administrator", "0.TYPE/HS_ADMIN"),
        ("HS_SITE.6", "Service site", "0.TYPE/HS_SITE.6"),
        ("10320/loc", "Locations", "10320/loc"),
        ("0.TYPE/URL", "Location", "0.TYPE/URL"),
        ("21.T11148/abc", "", "21.T11148/abc"),
        ("UNKNOWN", "", None),
        ("", "", None),
        ("https://example.org/type", "", None),
        ("javascript:/x", "", None),
        ("x/" + "y" * 3000, "", None),
    ],
)
def test_type_is_explained_and_linked(value_type: str, type_name: str, type_handle: str | None) -> None:
    """A known type has words, a type that is a handle has a link, others have neither."""
    view = shown(value_type, "data")
    assert (view.type_name, view.type_handle) == (type_name, type_handle)


# --- structured data -------------------------------------------------------------------------------------


def test_administrator_is_explained() -> None:
    """An administrator is named with a link, and what he may do is said in words."""
    admin = AdminRecord(
        AdminPermission.ADD_HANDLE | AdminPermission.LIST_DERIVED_PREFIXES,
        Reference("0.NA/20.500.12345", 200),
    )
    view = shown("HS_ADMIN", encode_admin(admin))
    assert view.facts == (
        Fact("Administrator", "200:0.NA/20.500.12345", handle="0.NA/20.500.12345"),
        Fact("May", "add handle, list derived prefixes"),
    )
    assert (view.text, view.octets, view.uri) == (None, None, None)


@pytest.mark.parametrize("permissions", [0, 0xE000])
def test_administrator_who_may_nothing_is_said_to(permissions: int) -> None:
    """No permission, or none that means anything, is ``nothing``."""
    admin = AdminRecord(AdminPermission(permissions), Reference("", 0))
    assert shown("hs_admin", encode_admin(admin)).facts == (
        Fact("Administrator", "0:"),
        Fact("May", "nothing"),
    )


def test_group_is_listed() -> None:
    """Each member of a group is a link; of a very large one, the first."""
    members = tuple(Reference(f"0.NA/{number}", 300) for number in range(MAX_SHOWN_LIST + 50))
    facts = shown("HS_VLIST", encode_vlist(members)).facts
    assert facts[0] == Fact("Member", "300:0.NA/0", handle="0.NA/0")
    assert len(facts) == MAX_SHOWN_LIST


def test_group_without_members_is_said_to_be_empty() -> None:
    """A group that can be read is not shown as binary data because nobody is in it."""
    view = shown("HS_VLIST", encode_vlist(()))
    assert view.octets is None
    assert view.facts


def test_site_is_explained() -> None:
    """A site says what it is, which servers it has and how to ask them."""
    assert told(shown("HS_SITE", encode_site(SITE))) == {
        "Description": "Main site",
        "Kind": "primary",
        "Protocol": "2.11, serial number 5",
        "Server 1": "192.0.2.1, answers on UDP 2641, TCP 2641",
        "domain": "hdl.example.org",
    }


def test_site_of_several_servers_says_how_handles_are_divided() -> None:
    """Mirrors, several primaries, servers without address and unknown numbers of newer software are told apart."""
    silent = Server(2, bytes(16), b"", (Interface(1, 0, 2641),))
    newer = Server(3, encode_address(ip_address("2001:db8::1")), b"", (Interface(2, 9, 1),))
    site = replace(SITE, servers=(*SITE.servers, silent, newer), attributes=(), multi_primary=True)
    facts = told(shown("HS_SITE.6", encode_site(site)))
    assert facts["Kind"] == "primary, one of several primaries"
    assert facts["Handles divided"] == "by handle"
    assert facts["Server 2"] == "no address, answers no queries"
    assert facts["Server 3"] == "2001:db8::1, answers on transport 9 1"
    odd = told(
        shown(
            "HS_NA_DELEGATE", encode_site(replace(site, hash_option=77, primary=False, multi_primary=False))
        )
    )
    assert odd["Kind"] == "mirror"
    assert odd["Handles divided"] == "in an unknown way (77)"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (RsaPublicKey(65537, 2**2047), "RSA, 2048 bits"),
        (DsaPublicKey(1, 2**1023, 1, 1), "DSA, 1024 bits"),
        (DhPublicKey(1, 2**511, 1), "DH, 512 bits"),
    ],
)
def test_key_says_its_kind_and_length(key: PublicKey, text: str) -> None:
    """A public key is shown by algorithm and length, not as a heap of octets."""
    assert shown("HS_PUBKEY", encode_public_key(key)).facts == (Fact("Key", text),)


def unsigned_jws(claims: dict[str, object]) -> bytes:
    """Return a JWS with a signature that is none: what it says is shown, not believed."""
    parts = ({"alg": "RS256"}, claims)
    return b".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts), b"AAAA"]
    )


def test_signature_is_explained() -> None:
    """Who signed which values, and until when it holds; the signer leads to its record."""
    claims = {
        "iss": "300:0.NA/20.500.12345",
        "sub": "20.500.12345/abc",
        "exp": 1772443800,
        "digests": {
            "alg": "SHA-256",
            "digests": [{"index": 1, "digest": "AA=="}, {"index": 7, "digest": "AA=="}],
        },
    }
    facts = shown("HS_SIGNATURE", unsigned_jws(claims)).facts
    assert [(fact.label, fact.text) for fact in facts] == [
        ("Signed by", "300:0.NA/20.500.12345"),
        ("About", "20.500.12345/abc"),
        ("Valid", "until 2 March 2026"),
        ("Values signed", "1, 7"),
        ("Algorithm", "RS256"),
    ]
    assert facts[0].handle == "0.NA/20.500.12345"


@pytest.mark.parametrize("data", [b"", b"x.y.z", b"{}", unsigned_jws({}), unsigned_jws({"iss": "1:a/b"})])
@pytest.mark.parametrize("value_type", ["HS_SIGNATURE", "HS_CERT"])
def test_signature_that_cannot_be_read_is_text(value_type: str, data: bytes) -> None:
    """What is no signature is shown as it is."""
    view = shown(value_type, data)
    assert view.facts == ()
    assert view.text == data.decode()


def test_prefix_policy_is_explained() -> None:
    """What a prefix says about all its handles is shown point by point."""
    view = shown(
        "HS_NAMESPACE",
        "<namespace><status>inactive</status><statusmsg>Moved &amp; gone</statusmsg>"
        "<contact>a@example.org</contact><locs>10.1/l</locs><locs>10.1/m</locs><template/></namespace>",
    )
    assert view.facts == (
        Fact("Status", "inactive"),
        Fact("Message", "Moved & gone"),
        Fact("Contact", "a@example.org", uri="mailto:a@example.org"),
        Fact("Locations for all handles", "10.1/l", handle="10.1/l"),
        Fact("Locations for all handles", "10.1/m", handle="10.1/m"),
        Fact("Template", "records of unregistered handles are computed"),
    )


@pytest.mark.parametrize("contact", ["nobody", "javascript:alert(1)", "x y@z", "<b>a@b</b>"])
def test_contact_that_is_no_address_is_no_link(contact: str) -> None:
    """A contact that is not an e-mail address is shown and leads nowhere."""
    escaped = contact.replace("<", "&lt;")
    view = shown("HS_NAMESPACE", f"<n><contact>{escaped}</contact></n>")
    assert Fact("Contact", contact) in view.facts


@pytest.mark.parametrize("value_type", STRUCTURED_TYPES)
def test_broken_structured_data_are_shown_as_they_are(value_type: str) -> None:
    """Data that do not hold what their type says are shown as text or octets."""
    assert (shown(value_type, "junk").text, shown(value_type, "junk").facts) == ("junk", ())
    view = shown(value_type, b"\x00\xff\x01")
    assert (view.octets, view.text, view.facts) == ("00 ff 01", None, ())


# --- deception -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "character",
    [
        *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"),
        *(
            "\u200e",
            "\u200f",
            "\u061c",
            "\u200b",
            "\u200c",
            "\u200d",
            "\u2060",
            "\ufeff",
            "\x00",
            "\x1b",
            "\x85",
            "\r",
        ),
    ],
)
def test_characters_that_deceive_are_written_out(character: str) -> None:
    """A value cannot turn its text around or hide a part of it, on pages and in the terminal."""
    assert visible_text(f"a{character}b") == f"a\\u{ord(character):04x}b"


@pytest.mark.parametrize(
    "character",
    [
        *("\u00ad", "\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180e", "\u2028", "\u2029"),
        *("\u3164", "\uffa0", "\ufff9", "\U0001d173", "\U000e0001", "\U000e0041", "\U000e007f"),
    ],
)
def test_every_invisible_character_is_written_out(character: str) -> None:
    """Two values that look the same are the same: no character without an image stays in a text."""
    assert character not in visible_text(f"a{character}b")


@pytest.mark.parametrize("text", ["", "plain", "Ünïcödé 日本 😀 e\u0301", "a\tb\nc", "עברית العربية"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Letters of all languages, tabs and line ends are shown as they are."""
    assert visible_text(text) == text


def test_deception_is_written_out_everywhere() -> None:
    """Types, texts, facts and warnings are all treated alike."""
    bad = "a\u202eb\x1b"
    site = replace(SITE, attributes=(("desc", bad), (bad, bad)))
    views = [
        shown(bad, "x"),
        shown("DESC", "a\u202eb"),
        shown("URL", f"https://{bad}/"),
        shown("HS_SITE", encode_site(site)),
        shown("HS_ADMIN", encode_admin(AdminRecord(AdminPermission(1), Reference(bad, 1)))),
        shown("HS_NAMESPACE", "<n><status>\u202e</status><contact>\u202e</contact><locs>\u202e</locs></n>"),
    ]
    for view in views:
        assert not any({"\u202e", "\x1b"} & set(text) for text in texts_of(view)), view


# --- length ----------------------------------------------------------------------------------------------


def test_long_text_is_shortened() -> None:
    """A text of many pages is cut, and says how much is missing."""
    exact = "x" * MAX_SHOWN_CHARACTERS
    assert shown("DESC", exact).text == exact
    assert shown("DESC", exact + "y" * 7).text == f"{exact}… (7 more characters)"


def test_long_octets_are_shortened() -> None:
    """Many octets are cut, and say how many are missing."""
    assert shown("X", bytes(MAX_SHOWN_OCTETS)).octets == " ".join(["00"] * MAX_SHOWN_OCTETS)
    cut = shown("X", bytes(MAX_SHOWN_OCTETS + 7)).octets
    assert cut is not None
    assert cut.endswith("00 … (7 more octets)")


@pytest.mark.parametrize(
    ("value_type", "data"),
    [
        ("T" * 60_000, b"x"),
        ("URL", b"x" * 60_000 + b":"),
        ("URL", b"https://" + b"(" * 60_000 + b":x/"),
        ("HS_SITE", encode_site(replace(SITE, attributes=(("desc", "d" * 60_000),)))),
        ("HS_SITE", encode_site(replace(SITE, attributes=(("n" * 30_000, "v" * 30_000),)))),
        ("HS_ADMIN", encode_admin(AdminRecord(AdminPermission(1), Reference("h" * 60_000, 1)))),
        ("HS_NAMESPACE", b"<n><statusmsg>" + b"m" * 60_000 + b"</statusmsg></n>"),
    ],
    ids=["type", "scheme", "host", "description", "attribute", "administrator", "message"],
)
def test_no_part_of_a_value_fills_the_page(value_type: str, data: bytes) -> None:
    """Type, warning and facts are shortened like a text: one value cannot push all others out of sight."""
    assert max(map(len, texts_of(shown(value_type, data)))) <= MAX_SHOWN_CHARACTERS + 100


# --- the small print -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "ttl"),
    [
        ({"ttl": 86_400}, "for 1 day"),
        ({"ttl": 0}, "for 0 seconds"),
        ({"ttl": -1}, "for 0 seconds"),
        ({"ttl": 1_893_456_000, "ttl_type": 1}, "until 1 January 2030"),
        ({"ttl": -1, "ttl_type": 1}, "until 31 December 1969"),
        ({"ttl": 60, "ttl_type": 7}, "for no time"),
    ],
)
def test_lifetime_is_told_in_words(fields: dict[str, int], ttl: str) -> None:
    """How long a value holds is said as a duration or as a day."""
    assert shown("X", "x", **fields).ttl == ttl


def test_change_is_told_twice() -> None:
    """The day is there to read, the moment to copy; a value that does not know has neither."""
    view = shown("X", "x", timestamp=1_700_000_000)
    assert (view.changed, view.changed_exactly) == ("14 November 2023", "2023-11-14T22:13:20Z")
    assert (shown("X", "x").changed, shown("X", "x").changed_exactly) == ("", "")


@pytest.mark.parametrize(
    ("permissions", "text"),
    [
        (0b1110, ""),
        (0b1111, "everybody reads, everybody writes, administrators read, administrators write"),
        (0b0010, "everybody reads"),
        (0b1100, "administrators read, administrators write"),
        (0, "nobody"),
        (0xF0, "nobody"),
    ],
)
def test_unusual_permissions_are_told(permissions: int, text: str) -> None:
    """Who may do what is said only where it is not the usual."""
    assert shown("X", "x", permissions=permissions).permissions == text


def test_references_and_index_are_kept() -> None:
    """What a value refers to, and its number, are shown as recorded."""
    references = (Reference("0.NA/1", 300), Reference("", 0))
    view = show_value(HandleValue(-5, "X", b"", references=references))
    assert (view.index, view.references) == (-5, references)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (0.9, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3661, "1 hour 1 minute"),
        (7500, "2 hours 5 minutes"),
        (86_400, "1 day"),
        (86_401, "1 day 1 second"),
        (90_061, "1 day 1 hour"),
        (-5, "0 seconds"),
        (2**31 - 1, "24855 days 3 hours"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    """A duration is told in its largest two units, and never below zero."""
    assert describe_duration(seconds) == text


@given(st.integers(0, 2**31 - 1))
def test_duration_is_never_exaggerated(seconds: int) -> None:
    """What is told is at most the duration, and short of it by less than the smaller unit told."""
    sizes = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
    words = describe_duration(seconds).split()
    counts = [
        (int(count), sizes[unit.removesuffix("s")])
        for count, unit in zip(words[::2], words[1::2], strict=True)
    ]
    total = sum(count * size for count, size in counts)
    assert len(counts) <= 2
    assert total <= seconds < total + counts[0][1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 January 1970"),
        (951_782_400, "29 February 2000"),
        (951_782_399, "28 February 2000"),
        (1_798_761_599, "31 December 2026"),
        (2**31 - 1, "19 January 2038"),
        (-(2**31), "13 December 1901"),
    ],
)
def test_days_are_told_in_words(seconds: int, text: str) -> None:
    """A moment is told by its day in UTC, whichever way round the visitor's country writes dates."""
    assert describe_day(seconds) == text


# --- any value -------------------------------------------------------------------------------------------


def _is_harmless(text: str) -> bool:
    return all(
        character in "\n\t" or unicodedata.category(character) != "Cc" for character in text
    ) and not any(unicodedata.bidirectional(character) in _TURNING for character in text)


_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

_BROKEN = st.builds(
    HandleValue,
    index=st.integers(-(2**31), 2**31 - 1),
    type=st.sampled_from([*STRUCTURED_TYPES, "URL", "EMAIL", "HS_ALIAS", "HS_SERV"]),
    data=st.one_of(
        st.binary(max_size=40),
        damaged(encode_site(SITE)),
        damaged(encode_public_key(RsaPublicKey(3, 2**64))),
        damaged(encode_vlist((Reference("0.NA/1", 1),))),
        damaged(b"<n><status>x</status><contact>a@b</contact></n>"),
    ),
    ttl=st.integers(-(2**31), 2**31 - 1),
    ttl_type=st.integers(0, 255),
    permissions=st.integers(0, 255),
    timestamp=st.integers(-(2**31), 2**31 - 1),
)


@given(values | _BROKEN)
def test_any_value_can_be_shown(value: HandleValue) -> None:
    """Whatever a stranger recorded: it is shown, as exactly one of text, facts and octets, without controls."""
    view = show_value(value)
    assert sum((view.text is not None, bool(view.facts), view.octets is not None)) == 1
    assert all(_is_harmless(text) for text in texts_of(view))
    assert len(view.text or "") <= MAX_SHOWN_CHARACTERS + 40
    assert not view.warning or view.uri is None


@given(values | _BROKEN)
def test_any_link_leads_to_an_allowed_scheme(value: HandleValue) -> None:
    """No link on the page runs anything: its scheme is one that is redirected to."""
    for link in links_of(show_value(value)):
        assert link.partition(":")[0].lower() in DEFAULT_SCHEMES
