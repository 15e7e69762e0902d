"""Links for programs: ``/api/linkset/``, and ``Link`` headers that lead to what they promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, links_of, media_type_of, put_record
from tests.raw_http import RawResponse

P = "20.500.12345"
PORTRAIT = f"https://hdl.handle.net/{P}/portrait"
TEXT = [("Accept", "application/linkset")]
ODD_HANDLES = [
    f"{P}/\u00dcbersicht-\u65e5\u672c",
    f"{P}/a b",
    f"{P}/what?no#query",
    f"{P}/100%",
    f"{P}/up/../down",
    f"{P}/http://x.example//y",
    f'{P}/<"quoted">;rel=x,\\',
]


def contexts_of(response: RawResponse) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the links of a JSON link set, by anchor and relation."""
    return {
        context["anchor"]: {name: links for name, links in context.items() if name != "anchor"}
        for context in json.loads(response.body)["linkset"]
    }


async def link_set(proxy: RunningProxy, handle: str) -> dict[str, list[dict[str, Any]]]:
    """Return the links of a handle, by relation."""
    contexts = contexts_of(await ask(proxy, f"/api/linkset/{quote(handle)}"))
    assert len(contexts) == 1
    return next(iter(contexts.values()))


# --- link sets -------------------------------------------------------------------------------------------


async def test_a_link_set_names_everything_there_is(demo_proxy: RunningProxy) -> None:
    """The citation, each place, what a place says about itself, and where programs find the record."""
    answer = await ask(demo_proxy, f"/api/linkset/{P}/portrait")
    assert (answer.status, answer.header("Content-Type")) == (200, "application/linkset+json")
    assert answer.header("Vary") == "Accept"
    assert contexts_of(answer) == {
        PORTRAIT: {
            "cite-as": [{"href": PORTRAIT}],
            "alternate": [
                {"href": "https://museum.example.org/portrait", "hreflang": ["en"], "title": "In English"}
            ],
            "item": [
                {"href": "https://museum.example.org/de/portrait"},
                {"href": "https://museum.example.org/fr/portrait"},
                {"href": "https://mirror.example.org/portrait"},
            ],
            "describedby": [
                {"href": f"{demo_proxy.url}/api/handles/{P}/portrait", "type": "application/json"}
            ],
            "linkset": [
                {"href": f"{demo_proxy.url}/api/linkset/{P}/portrait", "type": "application/linkset+json"}
            ],
        }
    }


async def test_the_text_says_the_same(demo_proxy: RunningProxy) -> None:
    """Whoever accepts application/linkset gets the links as in a header, each with its anchor, in absolute terms."""
    answer = await ask(demo_proxy, f"/api/linkset/{P}/portrait", headers=TEXT)
    assert (answer.status, answer.header("Content-Type")) == (200, "application/linkset")
    assert answer.header("Vary") == "Accept"
    told = links_of(RawResponse(200, (("Link", answer.body.decode()),), b""))
    assert {link["anchor"] for link in told} == {PORTRAIT}
    shown = await link_set(demo_proxy, f"{P}/portrait")
    assert [(link["rel"], link["href"]) for link in told] == [
        (relation, link["href"]) for relation, links in shown.items() for link in links
    ]
    assert all(link["href"].startswith(("http://", "https://")) for link in told)


@pytest.mark.parametrize(
    ("accepted", "content_type"),
    [
        ("*/*", "application/linkset+json"),
        ("application/json", "application/linkset+json"),
        ("application/linkset+json, application/linkset;q=0.5", "application/linkset+json"),
        ("application/linkset+json;q=0.5, application/linkset", "application/linkset"),
    ],
)
async def test_json_unless_text_is_wanted_more(
    demo_proxy: RunningProxy, accepted: str, content_type: str
) -> None:
    """Weights decide between the two forms; who does not care gets JSON."""
    answer = await ask(demo_proxy, f"/api/linkset/{P}/portrait", headers=[("Accept", accepted)])
    assert answer.header("Content-Type") == content_type


async def test_aliases_are_followed(demo_proxy: RunningProxy) -> None:
    """The link set of an alias is that of the handle it stands for; ignore_aliases keeps to the alias."""
    shown = await link_set(demo_proxy, f"{P}/old-name")
    assert shown["item"] == [{"href": "https://www.example.org/collections/abc"}]
    assert shown["cite-as"] == [{"href": f"https://hdl.handle.net/{P}/abc"}]
    assert shown["describedby"][0]["href"] == f"{demo_proxy.url}/api/handles/{P}/abc"
    own = contexts_of(await ask(demo_proxy, f"/api/linkset/{P}/old-name?ignore_aliases"))
    assert list(own) == [f"https://hdl.handle.net/{P}/old-name"]
    assert "item" not in own[f"https://hdl.handle.net/{P}/old-name"]


async def test_a_record_states_relations_of_its_own(demo_proxy: RunningProxy) -> None:
    """What places and 10320/links relate to counts, for other resources too, and cite-as as the record has it."""
    handle = f"{P}/related"
    put_record(
        demo_proxy,
        handle,
        ("URL", "https://thing.example/"),
        (
            "10320/loc",
            '<locations><location href="https://thing.example/data.csv" rel="item describedby" '
            'media-type="text/csv" weight="0"/></locations>',
        ),
        (
            "10320/links",
            '<locations><location id="author" href="https://orcid.example/0000" rel="author" title="J. \u00dcber"/>'
            '<location href="https://thing.example/cite" rel="cite-as"/>'
            '<location anchor-id="author" href="https://home.example/" rel="me"/>'
            '<location href="javascript:alert(1)" rel="license"/></locations>',
        ),
    )
    contexts = contexts_of(await ask(demo_proxy, f"/api/linkset/{handle}"))
    own = contexts[f"https://hdl.handle.net/{handle}"]
    data = {"href": "https://thing.example/data.csv", "type": "text/csv"}
    assert own["item"] == [data, {"href": "https://thing.example/"}]
    assert own["describedby"][0] == data
    assert own["cite-as"] == [{"href": "https://thing.example/cite"}]
    assert own["author"] == [{"href": "https://orcid.example/0000", "title": "J. \u00dcber"}]
    assert "license" not in own
    assert contexts["https://orcid.example/0000"] == {"me": [{"href": "https://home.example/"}]}
    header = links_of(await ask(demo_proxy, f"/{handle}?noredirect"))
    assert {"href": "https://thing.example/cite", "rel": "cite-as"} in header
    assert f"https://hdl.handle.net/{handle}" not in {link["href"] for link in header}


async def test_locations_of_the_prefix_are_there_too(demo_proxy: RunningProxy) -> None:
    """What all DOIs of a prefix have beside their own places is among the links of each of them."""
    shown = await link_set(demo_proxy, "10.99999/demo.2026.1")
    assert shown["cite-as"] == [{"href": "https://doi.org/10.99999/demo.2026.1"}]
    publisher = f"http://127.0.0.1:{demo_proxy.placeholders['${PUBLISHER.http}']}"
    assert {link["href"] for link in shown["item"]} == {
        f"{publisher}/articles/10.99999/demo.2026.1",
        f"{publisher}/metadata/10.99999%2Fdemo.2026.1",
    }


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{P}/missing", 404, 100),
        ("20.500.99/x", 404, 100),
        ("20.500.56789/x", 502, 2),
        (f"{P}/round", 404, 100),
        ("", 400, 102),
        ("%zz", 400, 102),
        ("x" * 9000, 414, 4),
    ],
)
async def test_trouble_is_told_as_json(demo_proxy: RunningProxy, path: str, status: int, code: int) -> None:
    """Programs never have to read a page to learn why there are no links."""
    answer = await ask(demo_proxy, f"/api/linkset/{path}")
    assert (answer.status, media_type_of(answer)) == (status, "application/json")
    assert json.loads(answer.body)["responseCode"] == code


async def test_head_of_a_link_set(demo_proxy: RunningProxy) -> None:
    """HEAD tells type and length of either form, without a body."""
    for headers in ([], TEXT):
        get, head = [
            await ask(demo_proxy, f"/api/linkset/{P}/portrait", method, headers=headers)
            for method in ("GET", "HEAD")
        ]
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.header(name) == get.header(name)


# --- headers that lead to what they promise --------------------------------------------------------------


async def follow_signposts(proxy: RunningProxy, target: str, handle: str) -> None:
    """Check that every link of an answer to something of ours answers 200, with the type that it states."""
    answer = await ask(proxy, target)
    assert answer.status in {200, 301, 302}
    signs = {link["rel"]: link for link in links_of(answer)}
    assert {"cite-as", "describedby", "linkset"} <= set(signs), target
    assert signs["cite-as"]["href"].startswith(("https://hdl.handle.net/", "https://doi.org/"))
    for relation in ("describedby", "linkset"):
        address = urljoin(proxy.url + quote(target, safe="/%?&="), signs[relation]["href"])
        assert address.startswith(f"{proxy.url}/api/")
        found = await ask(proxy, address.removeprefix(proxy.url))
        assert (found.status, media_type_of(found)) == (200, signs[relation]["type"]), address
        if relation == "describedby":
            assert json.loads(found.body)["handle"] == handle


@pytest.mark.parametrize(
    ("target", "handle"),
    [
        (f"/{P}/abc", f"{P}/abc"),
        (f"/{P}/portrait", f"{P}/portrait"),
        ("/10.99999/demo.2026.1", "10.99999/demo.2026.1"),
        (f"/{P}/letter", f"{P}/letter"),
        (f"/{P}/everything?noredirect", f"{P}/everything"),
        (f"/{P}/letter?format=ttl", f"{P}/letter"),
        (f"/{P}", P),
        (f"/api/handles/{P}/abc", f"{P}/abc"),
        (f"/hdl:{P}/abc", f"{P}/abc"),
    ],
)
async def test_signposts_lead_somewhere(demo_proxy: RunningProxy, target: str, handle: str) -> None:
    """Redirects, pages, forms and JSON name where programs find record and links, and both are there."""
    await follow_signposts(demo_proxy, target, handle)


@pytest.mark.parametrize("handle", ODD_HANDLES)
async def test_odd_handles_keep_their_signposts(demo_proxy: RunningProxy, handle: str) -> None:
    """Whatever characters a handle holds, the links in its header lead back to it, and to nothing else."""
    put_record(demo_proxy, handle, ("URL", "https://odd.example/"))
    for path in ("/", "/api/handles/"):
        await follow_signposts(demo_proxy, path + quote(handle, safe=""), handle)
    shown = await link_set(demo_proxy, handle)
    assert shown["item"] == [{"href": "https://odd.example/"}]


@pytest.fixture(scope="module")
def fixed_proxy() -> Iterator[RunningProxy]:
    """A proxy whose public address is configured."""
    with run_proxy(shipped_records(), base_url="https://id.example.org/hdl") as running:
        yield running


@pytest.mark.parametrize("target", [f"/{P}/abc", f"/{P}/letter", f"/api/handles/{P}/abc"])
async def test_signposts_use_the_configured_address(fixed_proxy: RunningProxy, target: str) -> None:
    """With a base URL, links are absolute and independent of the Host that a visitor happened to send."""
    base = "https://id.example.org/hdl"
    answer = await ask(fixed_proxy, target, headers=[("Host", "evil.example")])
    signs = {link["rel"]: link["href"] for link in links_of(answer)}
    assert signs["linkset"].startswith(f"{base}/api/linkset/{P}/")
    assert signs["describedby"].startswith(f"{base}/api/handles/{P}/")
    found = await ask(fixed_proxy, signs["linkset"].removeprefix(base), headers=[("Host", "evil.example")])
    assert found.status == 200
    assert b"evil.example" not in found.body
    assert f'"{base}/api/linkset/'.encode() in found.body
