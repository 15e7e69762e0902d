"""The ways in which people write a handle."""

from __future__ import annotations

import itertools
import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.web.identifiers import encode_handle, strip_labels
from resolver.web.parse import HandleRoute, read_route
from tests.strategies import handle_texts

LABELS = ["hdl:", "doi:", "info:hdl/", "info:doi/", "urn:hdl:", "urn:doi:", "urn:eidr:"]
PLAIN_LABELS = [label for label in LABELS if not label.startswith("urn:")]
RESOLVERS = ["hdl.handle.net", "doi.org", "dx.doi.org", "www.doi.org"]


# --- labels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", LABELS)
def test_label_is_taken_off_in_any_case(label: str) -> None:
    """A label in front of a handle changes nothing, written large or small."""
    for spelled in (label, label.upper(), label.title(), label.swapcase()):
        assert strip_labels(f"{spelled}10.1000/AbC") == "10.1000/AbC"
        assert strip_labels(f" {spelled} 10.1000/AbC ") == "10.1000/AbC"


@pytest.mark.parametrize("label", LABELS)
def test_label_is_taken_off_once(label: str) -> None:
    """What remains after a label may look like the label again: then it belongs to the handle."""
    once = strip_labels(f"{label}{label}x/y")
    # In a URN the first colon becomes a slash, that of a second label included.
    assert once == (f"{label}x/y" if label in PLAIN_LABELS else label.replace(":", "/", 1) + "x/y")


@pytest.mark.parametrize("order", list(itertools.permutations(PLAIN_LABELS, 2)), ids=str)
def test_labels_are_taken_off_in_any_order(order: tuple[str, str]) -> None:
    """Somebody who puts one label before another still gets the handle."""
    assert strip_labels(f"{''.join(order)}10.1000/1") == "10.1000/1"


@given(st.permutations(PLAIN_LABELS), st.sampled_from(["", "urn:hdl:", "URN:DOI:", "urn:eidr:"]))
def test_all_labels_at_once(order: list[str], urn: str) -> None:
    """Every label in any order, a URN last: what is left is the handle."""
    assert strip_labels(f"{''.join(order)}{urn}10.1000/hdl:1") == "10.1000/hdl:1"


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("urn:doi:10.1000:1", "10.1000/1"),
        ("urn:hdl:10.1000:a/b", "10.1000/a/b"),
        ("urn:hdl:10.1000:a:b", "10.1000/a:b"),
        ("urn:hdl:10.1000/a:b", "10.1000/a:b"),
        ("urn:eidr:10.5240:7791-8534", "10.5240/7791-8534"),
        ("URN:HDL: 10.1000:1", "10.1000/1"),
        ("urn:hdl:", ""),
        ("hdl:10.1000:1", "10.1000:1"),
        ("10.1000:1", "10.1000:1"),
        ("urn:isbn:0451450523", "urn:isbn:0451450523"),
        ("info:lccn/1", "info:lccn/1"),
    ],
)
def test_colon_of_a_urn_parts_prefix_and_suffix(text: str, handle: str) -> None:
    """In a URN the first colon before any slash stands for the slash, elsewhere a colon is a colon."""
    assert strip_labels(text) == handle


@pytest.mark.parametrize(
    "text",
    [
        "10.1000/hdl:1",
        "x/urn:doi:1",
        "hdl10.1/x",
        "hdl;10.1/x",
        "/hdl:10.1/x",
        "dois:10.1/x",
        "h\u0131dl:10.1/x",
    ],
)
def test_what_only_looks_like_a_label_stays(text: str) -> None:
    """Labels count at the very front only."""
    assert strip_labels(text) == text


# --- pasted addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", RESOLVERS)
@pytest.mark.parametrize("scheme", ["https://", "http://", "https:/", "HTTP://", "Https:/"])
def test_pasted_link_to_a_known_resolver_is_its_handle(scheme: str, host: str) -> None:
    """Who pastes a link to another resolver gets the handle, though a server in between merged the slashes."""
    assert strip_labels(f"{scheme}{host}/10.1000/Ab") == "10.1000/Ab"
    assert strip_labels(f" {scheme}{host.upper()}///10.1000/Ab\n") == "10.1000/Ab"


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("hdl.example.org", "https://hdl.example.org/10.1000/1"),
        ("hdl.example.org:8000", "http://hdl.example.org:8000/10.1000/1"),
        ("[::1]:8000", "http://[::1]:8000/10.1000/1"),
        ("example.org/resolve", "https:/example.org/resolve/10.1000/1"),
        ("Example.ORG", "https://example.org/10.1000/1"),
    ],
)
def test_pasted_link_to_ourselves_is_its_handle(host: str, text: str) -> None:
    """A link to this resolver is understood, with its port, and with the folder it lives in."""
    assert strip_labels(text, (host,)) == "10.1000/1"
    assert strip_labels(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/10.1000/1",
        "https://doi.org.evil.example/10.1000/1",
        "https://notdoi.org/10.1000/1",
        "https://doiXorg/10.1000/1",
        "https://doi.org",
        "https:doi.org/10.1000/1",
        "https:///doi.org/10.1000/1",
        "ftp://doi.org/10.1000/1",
        "https://user@doi.org/10.1000/1",
        "https://doi.org:443/10.1000/1",
    ],
)
def test_other_addresses_stay_what_they_are(text: str) -> None:
    """Only resolvers that are known are taken off; a dot in a host name is a dot."""
    assert strip_labels(text) == text


def test_host_of_ours_is_no_pattern() -> None:
    """A host name is compared letter by letter, whatever it holds."""
    assert strip_labels("https://aXb/10.1/x", ("a.b", "(", "[", "a|aXb")) == "https://aXb/10.1/x"


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("hdl:https://hdl.handle.net/10.1000/1", "10.1000/1"),
        ("https://doi.org/doi:10.1000/1", "10.1000/1"),
        ("https://hdl.handle.net/hdl:doi:10.1000/1", "10.1000/1"),
        ("doi:https:/doi.org/ hdl: 10.1000/1", "10.1000/1"),
        ("https://hdl.handle.net/urn:hdl:10.1000:1", "10.1000/1"),
        ("https://doi.org/https://doi.org/10.1000/1", "https://doi.org/10.1000/1"),
        ("hdl:https://doi.org/hdl:10.1000/1", "hdl:10.1000/1"),
        ("https://doi.org/", ""),
    ],
)
def test_labels_and_links_together(text: str, handle: str) -> None:
    """Labels and one link may stand before each other; neither counts twice."""
    assert strip_labels(text) == handle


# --- blanks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blank",
    [
        *(" ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u2003", "\u2028", "\u3000"),
        *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\x00", "\x01", "\x7f"),
        *(" \u200b \ufeff", "\u200b \u200b "),
    ],
)
def test_blanks_around_are_taken_off(blank: str) -> None:
    """Blanks and invisible characters that came along with a copied text do not make another handle."""
    assert strip_labels(f"{blank}10.1000/1{blank}") == "10.1000/1"
    assert strip_labels(f"{blank}doi:{blank}10.1000/1{blank}") == "10.1000/1"
    assert strip_labels(f"10.1000/a{blank}b") == f"10.1000/a{blank}b"


def test_every_control_character_around_is_taken_off() -> None:
    """All of C0 is treated alike, as the deployed proxy does."""
    left = [c for c in (*map(chr, range(0x21)), "\x7f") if strip_labels(f"{c}10.1000/1{c}") != "10.1000/1"]
    assert not left


def test_direction_marks_around_are_taken_off() -> None:
    """Marks for the direction of writing, which Windows and word processors copy along, do not count."""
    marks = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    left = [mark for mark in marks if strip_labels(f"{mark}10.1000/1{mark}") != "10.1000/1"]
    assert not left


@pytest.mark.parametrize("pattern", [" \x00", "\u00a0\u200b", "\n\ufeff"])
def test_any_number_of_blanks_is_taken_off(pattern: str) -> None:
    """Thousands of blanks of alternating kinds are no failure of the resolver."""
    assert strip_labels(pattern * 4000 + "10.1000/1" + pattern * 4000) == "10.1000/1"


@given(st.text(max_size=40))
@example("hdl: ")
@example("\u200b \u200b")
def test_any_text_is_stripped_to_a_part_of_it(text: str) -> None:
    """Nothing is added but the slash of a URN, and what is left has no blanks around it."""
    left = strip_labels(text, ("example.org",))
    assert left in text or "/" in left
    assert left == left.strip()


# --- links -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handle", "path"),
    [
        ("10.1000/182", "10.1000/182"),
        ("a/b c", "a/b%20c"),
        ("a/ü", "a/%C3%BC"),
        ("a/?#%", "a/%3F%23%25"),
        ('a/"<>\\^`{|}', "a/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("a/(b);c=1@d:e~f_g!$&'*+,", "a/(b);c=1@d:e~f_g!$&'*+,"),
        ("a/\r\n\x00", "a/%0D%0A%00"),
        ("a//b", "a//b"),
    ],
)
def test_handle_in_a_link_is_encoded(handle: str, path: str) -> None:
    """What would end the path or the attribute is percent-encoded; what may stand there stays readable."""
    assert encode_handle(handle) == path


@given(handle_texts)
def test_link_holds_nothing_that_ends_it(handle: str) -> None:
    """The path of any handle is printable ASCII without quotes, brackets, question marks and number signs."""
    assert re.fullmatch(r"[A-Za-z0-9/._~:@!$&'()*+,;=%-]*", encode_handle(handle))


@pytest.mark.parametrize(
    "handle",
    [
        "10.1000/182",
        "10.1000/a//b",
        "10.1000/",
        "10.1000/..",
        "10.1000/.",
        "10.1000/../x",
        "10.1000/./x",
        "10.1000/a/../../x",
        "10.1000/../../static/style.css",
        "../x",
        "10.1000/.../x",
        "10.1000/%2e%2e/x",
        "10.1000/a?b#c",
    ],
)
def test_link_followed_by_a_browser_leads_to_the_handle(handle: str) -> None:
    """Browsers resolve dots between slashes before they ask: our links lead to the handle all the same."""
    followed = urljoin("https://hdl.example.org/some/page", f"/{encode_handle(handle)}")
    assert read_route(urlsplit(followed).path) == HandleRoute(handle)


@pytest.mark.parametrize("handle", ["/evil.example", "//evil.example", "/evil.example/x", "///evil.example"])
def test_link_to_a_handle_stays_on_this_site(handle: str) -> None:
    """A handle that begins with a slash does not turn a link of ours into one to another host."""
    followed = urljoin("https://hdl.example.org/some/page", f"/{encode_handle(handle)}")
    assert urlsplit(followed).hostname == "hdl.example.org"
