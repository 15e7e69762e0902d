"""One resolver under several names, each with an address, a look and a reach of its own, from a TOML file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.config import Settings, read_settings
from resolver.demo.handle_service import RecordStore
from resolver.demo.network import shipped_records
from resolver.errors import SettingsError
from resolver.web.app import create_apps
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, links_of, max_age_of, put_record
from tests.raw_http import RawResponse

P = "20.500.12345"
PLAIN, LIBRARY, ARCHIVE = "hdl.example.org", "library.example.org", "archive.example.org"
CONFIG = """
site-name = "Everybody's resolver"
contact = "everybody@example.org"
locatt-shortcuts = "id"

[hosts."Library.Example.ORG"]
base-url = "https://library.example.org/id"
site-name = "Library of Ruritania"
contact = "handles@library.example"
templates = "{templates}"
prefixes = ["20.500.12345", "20.500.11000"]
cache-max-ttl = 60

[hosts."archive.example.org"]
retry-auth = true
locatt-shortcuts = ["language"]

[hosts."archive.example.org:8443"]
site-name = "Archive, next version"
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What an operator has written into a file."""
    folder = tmp_path_factory.mktemp("hosts")
    templates = folder / "library"
    templates.mkdir()
    (templates / "form.html").write_text(
        '{% extends "layout.html" %}{% block title %}Search{% endblock %}'
        "{% block content %}<h1>Reading room of the {{ site_name }}</h1>{% endblock %}",
        "utf-8",
    )
    config = folder / "handle-resolver.toml"
    config.write_text(CONFIG.format(templates=templates), "utf-8")
    return read_settings({}, {}, config)


@pytest.fixture(scope="module")
def proxy(settings: Settings) -> Iterator[RunningProxy]:
    """A resolver with three names of its own, and whatever else leads to it."""
    chosen = {name: getattr(settings, name) for name in ("hosts", "site_name", "contact", "locatt_shortcuts")}
    with run_proxy(shipped_records(), **chosen) as running:
        yield running


async def visit(proxy: RunningProxy, host: str, target: str, **more: str) -> RawResponse:
    """Get something under a host name."""
    return await ask(proxy, target, headers=[("Host", host), *more.items()])


# --- address and look ------------------------------------------------------------------------------------


async def test_links_use_the_address_of_the_host(proxy: RunningProxy) -> None:
    """Redirects, pages, headers and link sets of a host name its base URL; other hosts keep what was asked for."""
    base = "https://library.example.org/id"
    answer = await visit(proxy, LIBRARY, f"/{P}/old-name")
    assert (answer.status, answer.header("Location")) == (301, f"{base}/{P}/abc")
    page = await visit(proxy, LIBRARY, f"/{P}/letter")
    assert f'href="{base}/static/style.css"' in page.body.decode()
    for response in (page, await visit(proxy, LIBRARY, f"/api/handles/{P}/letter")):
        signs = {link["rel"]: link["href"] for link in links_of(response)}
        assert signs["describedby"] == f"{base}/api/handles/{P}/letter"
    links = await visit(proxy, LIBRARY, f"/api/linkset/{P}/letter")
    assert f'"{base}/api/linkset/{P}/letter"'.encode() in links.body
    other = await visit(proxy, PLAIN, f"/{P}/old-name")
    assert other.header("Location") == f"http://{PLAIN}/{P}/abc"


async def test_a_pasted_link_to_the_host_is_understood(proxy: RunningProxy) -> None:
    """The address of a host counts as a link to a resolver when somebody pastes it there."""
    form = [("Host", LIBRARY), ("Content-Type", "application/x-www-form-urlencoded")]
    body = f"hdl=https%3A%2F%2Flibrary.example.org%2Fid%2F{P}%2Fabc"
    answer = await ask(proxy, "/", "POST", headers=form, body=body)
    assert answer.header("Location") == "https://www.example.org/collections/abc"


@pytest.mark.parametrize("target", ["/help", f"/{P}/letter", f"/{P}/missing", f"/{P}/gone"])
async def test_every_page_bears_the_name_of_its_host(proxy: RunningProxy, target: str) -> None:
    """Name and contact on pages are those of the host, and of everybody else's resolver elsewhere."""
    library = (await visit(proxy, LIBRARY, target)).body.decode()
    plain = (await visit(proxy, PLAIN, target)).body.decode()
    assert "Library of Ruritania" in library
    assert "mailto:handles@library.example" in library
    assert "Everybody" not in library
    assert "Everybody&#39;s resolver" in plain
    assert "mailto:everybody@example.org" in plain


async def test_a_host_may_have_templates_of_its_own(proxy: RunningProxy) -> None:
    """A template in the folder of a host replaces the shipped one there, and nowhere else; the others stay."""
    assert b"Reading room of the Library of Ruritania" in (await visit(proxy, LIBRARY, "/")).body
    assert b"Reading room" not in (await visit(proxy, PLAIN, "/")).body
    assert b"Record of the handle" in (await visit(proxy, LIBRARY, f"/{P}/letter")).body


def test_a_broken_template_stops_the_start(tmp_path: Path) -> None:
    """A mistake in the templates of one host is found when the resolver starts, not when somebody comes."""
    (tmp_path / "values.html").write_text("{% if %}", "utf-8")
    config = tmp_path / "broken.toml"
    config.write_text(f'[hosts."broken.example.org"]\ntemplates = "{tmp_path}"\n', "utf-8")
    with pytest.raises(SettingsError, match=r"values\.html"):
        create_apps(read_settings({}, {}, config))


# --- reach -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "handle", [f"{P}/abc", f"{P}/letter", f"{P}.7/x", P, f"0.NA/{P}", f"0.na/{P}.7", f"hdl:{P}/abc"]
)
async def test_a_host_answers_for_its_prefixes(proxy: RunningProxy, handle: str) -> None:
    """The prefixes of a host, those derived from them, and their own records are answered as everywhere."""
    for path in ("/", "/api/handles/"):
        assert (await visit(proxy, LIBRARY, path + handle)).status in {200, 302}


@pytest.mark.parametrize(
    "handle",
    ["10.99999/demo.2026.1", "20.500.23456/survey-2024", f"{P}6/x", "20.500/x", "0.NA/10.99999", "10.99999"],
)
@pytest.mark.parametrize("path", ["/", "/api/handles/", "/api/linkset/"])
async def test_a_host_does_not_answer_for_others(proxy: RunningProxy, path: str, handle: str) -> None:
    """Any other prefix is 404 with the reason, on pages, for scripts and for link sets, and is not even looked up."""
    registry = proxy.network.services["REGISTRY"]
    before = len(registry.requests)
    for target in (f"{path}{handle}", f"{path}{handle}?noredirect", f"{path}{handle}?auth"):
        answer = await visit(proxy, LIBRARY, target)
        assert answer.status == 404
        assert b"his host does not answer for it" in answer.body
        if path != "/":
            assert json.loads(answer.body)["responseCode"] == 100
    told = await visit(proxy, LIBRARY, f"{path}{handle}", Accept="application/problem+json")
    assert (told.status, told.header("Content-Type")) == (404, "application/problem+json")
    assert len(registry.requests) == before


async def test_an_alias_cannot_lead_around_it(proxy: RunningProxy) -> None:
    """A handle of the host's own prefix that stands for one of another is not followed there."""
    put_record(proxy, f"{P}/elsewhere", ("HS_ALIAS", "10.99999/demo.2026.1"))
    assert (await visit(proxy, LIBRARY, f"/{P}/elsewhere")).status == 404
    assert (await visit(proxy, PLAIN, f"/{P}/elsewhere")).status == 301


async def test_copies_are_kept_as_long_as_the_host_says(proxy: RunningProxy) -> None:
    """A host may ask browsers and caches to come back sooner: redirects, pages, JSON, links; other hosts do not."""
    for target in (
        f"/{P}/abc",
        f"/{P}/letter",
        f"/api/handles/{P}/abc",
        f"/api/linkset/{P}/abc",
        f"/{P}/gone",
    ):
        assert 0 < max_age_of(await visit(proxy, LIBRARY, target)) <= 60, target
        assert 60 < max_age_of(await visit(proxy, PLAIN, target)) <= 3600, target
    assert 0 < max_age_of(await visit(proxy, LIBRARY, f"/{P}/missing")) <= 30


async def test_a_lagging_mirror_is_no_reason_to_say_no(proxy: RunningProxy) -> None:
    """With retry-auth, what a mirror does not know is asked for at the primary; elsewhere the mirror's word holds."""
    services = proxy.network.services
    # The mirror has heard of nothing, and is asked first, since the primary answers over TCP only.
    services["ARCHIVE-MIRROR"].store = RecordStore()
    services["ARCHIVE"].behaviour.silent = frozenset({"udp"})
    target = "/20.500.23456/survey-2024"
    assert (await visit(proxy, PLAIN, target)).status == 404
    asked = len(services["ARCHIVE"].requests)
    answer = await visit(proxy, ARCHIVE, target)
    assert (answer.status, answer.header("Location")) == (302, "https://data.example.org/survey/2024")
    assert len(services["ARCHIVE"].requests) > asked
    assert (await visit(proxy, PLAIN, target)).status == 302, (
        "what the primary says is remembered for everybody"
    )
    assert (await visit(proxy, ARCHIVE, "/20.500.23456/none")).status == 404


async def test_shortcuts_are_those_of_the_host(proxy: RunningProxy) -> None:
    """?language=fr stands for locatt=language:fr where the operator says so, and means nothing elsewhere."""
    german, french = "https://museum.example.org/de/portrait", "https://museum.example.org/fr/portrait"
    portrait = f"/{P}/portrait"
    for host, query, place in [
        (ARCHIVE, "language=fr", french),
        (PLAIN, "id=fr", french),
        (LIBRARY, "id=de", german),
    ]:
        assert (await visit(proxy, host, f"{portrait}?{query}")).header("Location") == place
    for host, query in [(PLAIN, "language=fr"), (ARCHIVE, "id=fr")]:
        assert (await visit(proxy, host, f"{portrait}?{query}")).header("Location") not in {german, french}


# --- what stands in Host ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("library.example.org", "LIBRARY.Example.org", "library.example.org.", "library.example.org:8000"),
        *("library.example.org.:8000", "Library.example.ORG.:80"),
    ],
)
async def test_a_host_is_known_however_it_is_written(proxy: RunningProxy, host: str) -> None:
    """Case, port and a full stop at the end do not matter."""
    assert b"Reading room" in (await visit(proxy, host, "/")).body


async def test_a_port_may_have_settings_of_its_own(proxy: RunningProxy) -> None:
    """A name with its port counts before the name alone."""
    assert b"Archive, next version" in (await visit(proxy, f"{ARCHIVE}:8443", "/")).body
    assert b"Archive, next version" in (await visit(proxy, f"{ARCHIVE.upper()}.:8443", "/")).body
    assert b"Archive, next version" not in (await visit(proxy, f"{ARCHIVE}:443", "/")).body


@pytest.mark.parametrize(
    "host",
    [
        *("", "a b", '"><script>alert(1)</script>', "evil.example/path", "library.example.org@evil.example"),
        *("evil.example:port", "evil.example:123456", "b\u00fccher.example", "%0d%0aX-Evil:1", ":8000"),
        *("[::1", "evil.example#", "evil.example?x", "a,b", "\u0661\u0662\u0663"),
    ],
)
async def test_a_host_that_makes_no_sense_does_no_harm(proxy: RunningProxy, host: str) -> None:
    """Garbage in Host gets the usual pages, with links that do not repeat it, or is refused outright."""
    for target in (f"/{P}/old-name", f"/{P}/letter", f"/api/linkset/{P}/abc"):
        answer = await visit(proxy, host, target)
        assert answer.status in {200, 301, 400}
        if answer.status == 301:
            assert answer.header("Location") == f"/{P}/abc"
        assert answer.header("X-Evil") is None
        assert b"<script" not in answer.body
        assert b"evil.example" not in answer.body
