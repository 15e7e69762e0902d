"""Site records on the wire."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import MessageFormatError
from resolver.model.site import Site
from resolver.protocol.sites import decode_site, encode_site
from tests.strategies import damaged, sites
from tests.vectors import Vector, params, vector, vectors
from tests.vectors.expected import expected_site

SITES = [found for found in vectors("data") if found.notes["type"] == "HS_SITE"]


@pytest.mark.parametrize("found", params(SITES))
def test_vectors_both_ways(found: Vector) -> None:
    """The octets decode to the site, and the site encodes to the octets."""
    site = expected_site(found.facts)
    assert decode_site(found.octets) == site
    assert encode_site(site) == found.octets


@pytest.mark.parametrize("found", params(SITES))
def test_vectors_say_what_interfaces_are_for(found: Vector) -> None:
    """Which interfaces answer queries, and which take administration, is what deployed software says."""
    for server, facts in zip(decode_site(found.octets).servers, found.facts["servers"], strict=True):
        told = [(one.answers_queries, one.answers_administration) for one in server.interfaces]
        assert told == [(one["query"], one["admin"]) for one in facts["interfaces"]]


@pytest.mark.parametrize(
    "found", params(one for one in vectors("refused_data") if one.notes["type"] == "HS_SITE")
)
def test_bad_vectors_are_refused(found: Vector) -> None:
    """A site record that deployed software cannot read is not read here either."""
    assert found.verdict == "malformed"
    with pytest.raises(MessageFormatError):
        decode_site(found.octets)


@pytest.mark.parametrize("found", params(SITES))
def test_site_cut_short_is_refused(found: Vector) -> None:
    """A site record that ends early, after whichever octet, is refused, and so is one with an octet more."""
    for length in range(len(found.octets)):
        with pytest.raises(MessageFormatError):
            decode_site(found.octets[:length])
    with pytest.raises(MessageFormatError):
        decode_site(found.octets + b"\0")


@pytest.mark.parametrize("octets", [b'{"version":1,"servers":[]}', b"see https://example.org/", b""])
def test_text_in_a_site_is_refused(octets: bytes) -> None:
    """A value of type HS_SITE that holds JSON or a note is unreadable, not a site by chance."""
    with pytest.raises(MessageFormatError):
        decode_site(octets)


def test_unused_mask_bits_are_ignored() -> None:
    """Bits of the primary mask without a meaning change nothing."""
    octets = bytearray(vector("data", "data-hs-site-ipv4").octets)
    octets[6] |= 0x3F
    site = decode_site(bytes(octets))
    assert (site.primary, site.multi_primary) == (True, False)


@given(sites)
def test_round_trip(site: Site) -> None:
    """Every site record reads as it was written."""
    assert decode_site(encode_site(site)) == site


@given(
    st.one_of(st.binary(max_size=120), st.sampled_from(SITES).flatmap(lambda found: damaged(found.octets)))
)
def test_garbage_never_escapes(octets: bytes) -> None:
    """Arbitrary octets are a site that can be written again, or raise MessageFormatError."""
    with contextlib.suppress(MessageFormatError):
        site = decode_site(octets)
        assert decode_site(encode_site(site)) == site
