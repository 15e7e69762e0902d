"""What people paste: whatever it is, the handle in it is found, and what is a handle already is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.web.pasted import find_handle

OWN = ("hdl.example.org", "127.0.0.1:8000")
HANDLE = "20.500.12345/abc"
DOI = "10.1000/182"


@pytest.mark.parametrize(
    ("pasted", "handle"),
    [
        # names, with and without a label
        (HANDLE, HANDLE),
        (f"  {HANDLE}\n", HANDLE),
        (f"hdl:{HANDLE}", HANDLE),
        (f"HDL: {HANDLE}", HANDLE),
        (f"doi:{DOI}", DOI),
        (f"DOI: {DOI}", DOI),
        (f"DOI {DOI}", DOI),
        (f"info:doi/{DOI}", DOI),
        (f"info:hdl/{HANDLE}", HANDLE),
        ("urn:doi:10.1000:182", DOI),
        ("20.500.12345", "20.500.12345"),
        ("10.1000", "10.1000"),
        ("0.NA/10.1000", "0.NA/10.1000"),
        ("11304/a5ed6a2e-1a2b", "11304/a5ed6a2e-1a2b"),
        # links to resolvers
        (f"https://doi.org/{DOI}", DOI),
        (f"http://dx.doi.org/{DOI}", DOI),
        (f"https://www.doi.org/{DOI}", DOI),
        (f"doi.org/{DOI}", DOI),
        (f"https://hdl.handle.net/{HANDLE}", HANDLE),
        (f"hdl.handle.net/{HANDLE}", HANDLE),
        (f"HTTPS://HDL.HANDLE.NET/{HANDLE}?noredirect", HANDLE),
        (f"https://hdl.handle.net/{HANDLE}?type=URL&index=1#top", HANDLE),
        (f"https://hdl.handle.net/api/handles/{HANDLE}", HANDLE),
        (f"https://doi.org/doi:{DOI}", DOI),
        (f"http://127.0.0.1:8000/{HANDLE}", HANDLE),
        (f"https://hdl.example.org/{HANDLE}?lang=de", HANDLE),
        ("https://doi.org/gf4z9", "10/gf4z9"),
        # percent-encoded
        ("https://doi.org/10.1000%2F182", DOI),
        ("20.500.12345%2Fabc", HANDLE),
        ("https%3A%2F%2Fdoi.org%2F10.1000%2F182", DOI),
        ("https://doi.org/10.1002/(SICI)1097-4571(199806)49:8%3C693::AID-ASI4%3E3.0.CO;2-O",
         "10.1002/(SICI)1097-4571(199806)49:8<693::AID-ASI4>3.0.CO;2-O"),
        # links of repositories and publishers
        (f"https://repository.example.org/handle/{HANDLE}", HANDLE),
        ("https://repository.example.org/bitstream/handle/1887/4431/thesis.pdf?sequence=1", "1887/4431"),
        ("https://www.tandfonline.com/doi/full/10.1080/01930826.2020.1", "10.1080/01930826.2020.1"),
        ("https://link.springer.com/article/10.1007/s00799-019-00274-5#Sec1", "10.1007/s00799-019-00274-5"),
        ("https://journal.example/view?doi=10.1000%2F182&lang=en", "10.1000/182&lang=en"),
        # text around it
        (f"Doe, J. (2026). Tides, 3(4), 5-9. https://doi.org/{DOI}.", DOI),
        (f"Doe, J. (2026). Tides. doi:{DOI}.", DOI),
        (f"Doe J. Tides. 2026. DOI: {DOI} (accessed 3 May 2026)", DOI),
        (f"Doe J. Tides (https://hdl.handle.net/{HANDLE}), p. 5", HANDLE),
        (f"See <https://doi.org/{DOI}>; it is open.", DOI),
        (f"[Tides](https://doi.org/{DOI})", DOI),
        (f'<a href="https://doi.org/{DOI}">Tides</a>', DOI),
        (f"  doi = {{{DOI}}},", DOI),
        (f"Handle: {HANDLE}, Ruritania", HANDLE),
        ("Lancet 2020; 10.1016/S0140-6736(20)30183-5.", "10.1016/S0140-6736(20)30183-5"),
        ("(cf. 20.500.12345/abc)", HANDLE),
        ("Doe (2026), doi:10.1002/abc(12)., p. 3", "10.1002/abc(12)"),
        ("Doe (see https://doi.org/10.1002/abc(12)).", "10.1002/abc(12)"),
        ("https://example.org/about\nhttps://doi.org/10.1000/182", DOI),
        ("Tides &lt;https://doi.org/10.1000/182&gt;", DOI),
    ],
)  # fmt: skip
def test_the_handle_is_found(pasted: str, handle: str) -> None:
    """The handle is found in whatever form it comes."""
    found = find_handle(pasted, OWN)
    assert found.partition("&lang")[0] == handle.partition("&lang")[0]


@pytest.mark.parametrize(
    "handle",
    [
        "20.500.12345/a b c",
        "20.500.12345/(x).",
        "20.500.12345/50%25",
        "20.500.12345/a%2Fb",
        "20.500.12345/https://doi.org/10.1000/182",
        "20.500.12345/[a]{b}<c>",
        "20.500.12345//x",
        "20.500.12345/",
        "10.1000/Ünïcode ☂",
        "10.1000/ends.with.dot.",
    ],
)
def test_what_is_a_handle_is_left_alone(handle: str) -> None:
    """Nothing that might be meant literally is cut, decoded or looked into."""
    assert find_handle(handle) == handle


@pytest.mark.parametrize("text", ["", "   ", "hello", "see the library", "https://example.org/", "10", "a/b"])
def test_without_a_handle_the_text_comes_back(text: str) -> None:
    """Where there is nothing to find, the text is asked for as it is, and the error page says so."""
    assert find_handle(text) == text.strip()


@given(st.text(max_size=300))
def test_any_text_will_do(text: str) -> None:
    """Nothing that is pasted breaks it, and the answer is no longer than the question."""
    assert len(find_handle(text, OWN)) <= len(text) + len("10/")


@given(st.from_regex(r"20\.500\.[0-9]{4}/[a-zA-Z0-9._()-]{1,30}", fullmatch=True))
def test_links_lead_to_their_handle(handle: str) -> None:
    """A link to a resolver, alone, loses nothing of the handle at its end."""
    assert find_handle(f"https://hdl.handle.net/{handle}") == handle
