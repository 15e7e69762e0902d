"""One way to a server: how it is written, and what tells it from another."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.site import Transport
from resolver.transport.endpoint import Endpoint


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        (Endpoint(Transport.UDP, ip_address("192.0.2.1"), 2641), "udp://192.0.2.1:2641"),
        (Endpoint(Transport.TCP, ip_address("2001:db8::1"), 2641), "tcp://[2001:db8::1]:2641"),
        (Endpoint(Transport.HTTPS, None, 8000, "hdl.example.org"), "https://hdl.example.org:8000"),
        (Endpoint(Transport.HTTP, None, 8000), "http://?:8000"),
        (
            Endpoint(Transport.HTTP, ip_address("192.0.2.1"), 80, "hdl.example.org", "/x"),
            "http://192.0.2.1:80",
        ),
    ],
)
def test_text(endpoint: Endpoint, text: str) -> None:
    """An endpoint is written like a URL, with the address rather than the name."""
    assert str(endpoint) == text


@given(
    st.lists(
        st.builds(
            Endpoint,
            st.sampled_from(Transport),
            st.one_of(st.none(), st.ip_addresses()),
            st.integers(1, 65535),
            st.one_of(st.none(), st.sampled_from(["a.example", "b.example"])),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_ways(pair: list[Endpoint]) -> None:
    """Two endpoints are the same way exactly if address, port and transport are; the name counts without address."""
    first, second = pair

    def where(endpoint: Endpoint) -> object:
        return (endpoint.address or endpoint.host or ""), endpoint.port, endpoint.transport

    assert (first.way == second.way) == (where(first) == where(second))


def test_path_and_key_are_no_other_way() -> None:
    """What was learned of a server holds whatever path or key a record gives it."""
    plain = Endpoint(Transport.HTTP, ip_address("192.0.2.1"), 80)
    other = Endpoint(Transport.HTTP, ip_address("192.0.2.1"), 80, "a.example", "/path", b"key")
    assert plain != other
    assert plain.way == other.way
