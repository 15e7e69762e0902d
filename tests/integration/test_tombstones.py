"""Things that are gone: visitors read what is left of them, programs are told, and the record stays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, links_of, max_age_of, put_record

P = "20.500.12345"
GONE = f"{P}/gone"
LAST_KNOWN = "https://projects.example.org/tide-tables"
ARCHIVED = "https://archive.example.org/2025/https://projects.example.org/tide-tables"
LATEST = "https://projects.example.org/tide-tables-2"
WHY = "Withdrawn on 2 March 2026 at the request of its author"
JSON = [("Accept", "application/json")]


async def test_people_read_what_is_left(demo_proxy: RunningProxy) -> None:
    """410 with a page: what it was, why it is gone, what took its place, where copies are, whom to ask, no redirect."""
    answer = await ask(demo_proxy, f"/{GONE}")
    assert (answer.status, answer.header("Location")) == (410, None)
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.header("Content-Security-Policy")
    page = answer.body.decode()
    for words in ("No longer available", GONE, WHY, "Tide tables of the Baltic Sea", "2 March 2026"):
        assert words in page
    for address in (LAST_KNOWN, ARCHIVED, LATEST, f"/{GONE}?noredirect"):
        assert f'href="{address}"' in page
    assert "mailto:handles@library.example?subject=Handle%20" in page
    assert answer.header("Vary") == "Accept, Accept-Language"
    assert 0 < max_age_of(answer) <= 3600


@pytest.mark.parametrize(
    "accepted", ["application/problem+json", "application/json", "application/vnd.citationstyles.csl+json"]
)
async def test_programs_are_told(demo_proxy: RunningProxy, accepted: str) -> None:
    """Whoever accepts any JSON gets the same facts as application/problem+json, with the same status."""
    answer = await ask(demo_proxy, f"/{GONE}", headers=[("Accept", accepted)])
    assert (answer.status, answer.header("Content-Type")) == (410, "application/problem+json")
    assert answer.header("Vary") == "Accept"
    told = json.loads(answer.body)
    assert told.pop("detail").startswith(WHY)
    assert told == {
        "type": "about:blank",
        "title": "No longer available",
        "status": 410,
        "responseCode": 1,
        "handle": GONE,
        "what": "Tide tables of the Baltic Sea, first edition",
        "changed": "2026-03-02T09:30:00Z",
        "lastKnown": [LAST_KNOWN],
        "archived": [ARCHIVED],
        "latest": [LATEST],
    }


@pytest.mark.parametrize("headers", [[], JSON])
async def test_links_lead_to_copies_and_successors(
    demo_proxy: RunningProxy, headers: list[tuple[str, str]]
) -> None:
    """Links with memento and latest-version stand in the header, beside how to cite the thing still."""
    links = {
        link["rel"]: link["href"] for link in links_of(await ask(demo_proxy, f"/{GONE}", headers=headers))
    }
    assert links["memento"] == ARCHIVED
    assert links["latest-version"] == LATEST
    assert links["cite-as"] == f"https://hdl.handle.net/{GONE}"


async def test_link_checkers_learn_it_too(demo_proxy: RunningProxy) -> None:
    """HEAD has the status and the headers of GET, and no body."""
    for headers in ([], JSON):
        get, head = [await ask(demo_proxy, f"/{GONE}", method, headers=headers) for method in ("GET", "HEAD")]
        assert (head.status, head.body) == (410, b"")
        for name in ("Content-Type", "Content-Length", "Link", "Vary"):
            assert head.header(name) == get.header(name)


async def test_the_record_can_still_be_read(demo_proxy: RunningProxy) -> None:
    """noredirect, the API, other forms and link sets show what is recorded, as of any other handle."""
    page = await ask(demo_proxy, f"/{GONE}?noredirect")
    assert (page.status, b"TOMBSTONE" in page.body) == (200, True)
    record = await ask(demo_proxy, f"/api/handles/{GONE}")
    assert (record.status, json.loads(record.body)["responseCode"]) == (200, 1)
    assert (await ask(demo_proxy, f"/{GONE}?noredirect&format=csv")).status == 200
    assert (await ask(demo_proxy, f"/{GONE}?action=showurls")).status == 200
    assert (await ask(demo_proxy, f"/api/linkset/{GONE}")).status == 200


@pytest.mark.parametrize(
    ("parameters", "address"),
    [("type=URL", LAST_KNOWN), ("index=1", LAST_KNOWN), ("type=URL.archived", ARCHIVED)],
)
async def test_who_asks_for_a_value_is_sent_there(
    demo_proxy: RunningProxy, parameters: str, address: str
) -> None:
    """Naming a type or an index is asking past the tombstone: the redirect is as ever."""
    answer = await ask(demo_proxy, f"/{GONE}?{parameters}")
    assert (answer.status, answer.header("Location")) == (302, address)


async def test_an_alias_leads_to_the_tombstone(demo_proxy: RunningProxy) -> None:
    """A second name of a thing that is gone redirects to the first, and that tells."""
    put_record(demo_proxy, f"{P}/gone-too", ("HS_ALIAS", GONE))
    answer = await ask(demo_proxy, f"/{P}/gone-too")
    assert (answer.status, answer.header("Location")) == (301, f"{demo_proxy.url}/{GONE}")


async def test_an_archived_copy_alone_is_a_tombstone(demo_proxy: RunningProxy) -> None:
    """Where only a copy is left the visitor is told; where the thing is still there, the copy changes nothing."""
    put_record(demo_proxy, f"{P}/copy", ("URL.archived", ARCHIVED), ("DESC", "A site of 2009"))
    gone = await ask(demo_proxy, f"/{P}/copy")
    assert (gone.status, f'href="{ARCHIVED}"' in gone.body.decode()) == (410, True)
    assert "A site of 2009" in gone.body.decode()
    put_record(demo_proxy, f"{P}/both", ("URL", "https://alive.example/"), ("URL.archived", ARCHIVED))
    assert (await ask(demo_proxy, f"/{P}/both")).header("Location") == "https://alive.example/"


async def test_hostile_tombstones_stay_text(demo_proxy: RunningProxy) -> None:
    """Markup in the reason is shown, and addresses that must not be followed are no links."""
    put_record(
        demo_proxy,
        f"{P}/nasty",
        ("TOMBSTONE", "<script>alert(1)</script>\r\nX-Evil: 1"),
        ("URL", "javascript:alert(1)"),
        ("URL.latest", "javascript:alert(2)"),
        ("URL.archived", "https://archive.example/\r\nX-Evil: 2"),
    )
    answer = await ask(demo_proxy, f"/{P}/nasty")
    assert answer.status == 410
    assert answer.header("X-Evil") is None
    assert b"<script" not in answer.body
    assert b'href="javascript:' not in answer.body
    told = json.loads((await ask(demo_proxy, f"/{P}/nasty", headers=JSON)).body)
    assert (told["lastKnown"], told["latest"]) == ([], [])


# --- what the operator knows better ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    """A proxy whose operator keeps a list of what is gone."""
    path = tmp_path_factory.mktemp("operator") / "tombstones.txt"
    path.write_text(
        "# taken down in 2026\n"
        f"{P}/abc Removed by order of a court.\n"
        f"{P}/project-*\tThe project ended; ask its library for copies.\n"
        f"{GONE} The operator's own words.\n"
        f"{P}/missing never was\n"
        "20.500.23456/*\n",
        "utf-8",
    )
    with run_proxy(shipped_records(), tombstones=path) as running:
        yield running


async def test_the_operators_list_counts(proxy: RunningProxy) -> None:
    """A handle on the list is gone whatever its record says, for the reason given there; the old place is named."""
    answer = await ask(proxy, f"/{P}/abc")
    assert answer.status == 410
    assert b"Removed by order of a court." in answer.body
    assert b'href="https://www.example.org/collections/abc"' in answer.body
    told = await ask(proxy, f"/{P}/abc", headers=JSON)
    assert (told.status, json.loads(told.body)["detail"]) == (410, "Removed by order of a court.")
    assert (await ask(proxy, f"/{P}/abc?noredirect")).status == 200
    assert (await ask(proxy, f"/{P}/abc?type=URL")).status == 302


async def test_a_line_may_stand_for_many_handles(proxy: RunningProxy) -> None:
    """A pattern covers what it matches, with or without a reason, and nothing else."""
    put_record(proxy, f"{P}/project-7", ("URL", "https://project.example/7"))
    put_record(proxy, f"{P}/projects", ("URL", "https://projects.example/"))
    assert b"The project ended" in (await ask(proxy, f"/{P}/project-7")).body
    assert (await ask(proxy, f"/{P}/projects")).header("Location") == "https://projects.example/"
    assert (await ask(proxy, "/20.500.23456/survey-2024")).status == 410
    assert (await ask(proxy, "/20.500.34567/article-1")).status == 302


async def test_the_operators_words_come_first(proxy: RunningProxy) -> None:
    """Where record and list both give a reason, the list's is told; what the record knows beside stays."""
    told = json.loads((await ask(proxy, f"/{GONE}", headers=JSON)).body)
    assert told["detail"] == "The operator's own words."
    assert (told["archived"], told["latest"]) == ([ARCHIVED], [LATEST])


async def test_a_listed_alias_and_a_missing_handle(proxy: RunningProxy) -> None:
    """The list speaks of handles that exist: a missing one stays missing, an alias of a listed one gets there."""
    assert (await ask(proxy, f"/{P}/missing")).status == 404
    assert (await ask(proxy, f"/{P}/old-name")).header("Location") == f"{proxy.url}/{P}/abc"
