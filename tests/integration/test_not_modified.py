"""Whoever has an answer already is told so in a few octets: ``ETag``, ``If-None-Match`` and 304."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, put_record
from tests.raw_http import RawResponse

P = "20.500.12345"
TTL_S = 60
ANSWERS = {
    "JSON": f"/api/handles/{P}/map-1482",
    "indented JSON": f"/api/handles/{P}/map-1482?pretty",
    "page": f"/{P}/map-1482?noredirect",
    "page of some values": f"/{P}/map-1482?noredirect&type=URL",
    "page without a URL": f"/{P}/letter",
    "text": f"/{P}/map-1482?noredirect&format=txt",
    "CSV": f"/{P}/map-1482?noredirect&format=csv",
    "Turtle": f"/{P}/map-1482?noredirect&format=ttl",
    "links": f"/api/linkset/{P}/map-1482",
    "style sheet": "/static/style.css",
}


def having(*lines: str) -> list[tuple[str, str]]:
    """Return the header of somebody who has answers with these tags."""
    return [("If-None-Match", line) for line in lines]


async def tag_of(proxy: RunningProxy, target: str) -> str:
    """Return the tag of an answer."""
    tag = (await ask(proxy, target)).header("ETag")
    assert tag is not None
    assert re.fullmatch(r'(W/)?"[\x21\x23-\x7e]+"', tag)
    return tag


@pytest.mark.parametrize("target", ANSWERS.values(), ids=ANSWERS)
async def test_what_is_known_is_not_sent_again(demo_proxy: RunningProxy, target: str) -> None:
    """304 has no body, and everything that keeps the copy usable: lifetime, Vary, tag, links, CORS."""
    whole = await ask(demo_proxy, target)
    answer = await ask(demo_proxy, target, headers=having(whole.header("ETag") or ""))
    assert (answer.status, answer.body) == (304, b"")
    for name in (
        *("ETag", "Vary", "Link", "Server"),
        *("Access-Control-Allow-Origin", "Access-Control-Expose-Headers"),
    ):
        assert answer.header(name) == whole.header(name), name
    assert re.fullmatch(r"public, max-age=\d+", answer.header("Cache-Control") or "")
    assert answer.header("Expires")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("X-Request-ID")
    # A cache would take these for those of the whole answer.
    assert answer.header("Content-Type") is None
    assert answer.header("Content-Length") in {None, whole.header("Content-Length")}


@pytest.mark.parametrize("target", ANSWERS.values(), ids=ANSWERS)
async def test_every_way_of_saying_so_counts(demo_proxy: RunningProxy, target: str) -> None:
    """Lists, several lines, tags that a proxy has made weak or strong, and the asterisk."""
    tag = await tag_of(demo_proxy, target)
    strong = tag.removeprefix("W/")
    for lines in (
        [f'"other", {tag}'],
        [f'"a,b",W/"c" ,  {tag}, "d"'],
        ['"other"', tag],
        [f"W/{strong}"],
        [strong],
        ["*"],
    ):
        assert (await ask(demo_proxy, target, headers=having(*lines))).status == 304, lines


@pytest.mark.parametrize("target", ANSWERS.values(), ids=ANSWERS)
async def test_anything_else_gets_the_whole_answer(demo_proxy: RunningProxy, target: str) -> None:
    """Other tags, broken ones, and an asterisk that is part of one are no reason to leave the body out."""
    tag = await tag_of(demo_proxy, target)
    for line in (
        '"other"',
        'W/"other"',
        tag.strip('W/"'),
        '"*"',
        f'"{tag[3:-1]}*"',
        "a*b",
        f'"x{tag[3:]}',
        "",
    ):
        answer = await ask(demo_proxy, target, headers=having(line))
        assert answer.status == 200, line
        assert answer.body


@pytest.mark.parametrize("target", ANSWERS.values(), ids=ANSWERS)
async def test_head_is_conditional_too(demo_proxy: RunningProxy, target: str) -> None:
    """HEAD has the tag of GET, and 304 where GET has it."""
    tag = await tag_of(demo_proxy, target)
    assert (await ask(demo_proxy, target, "HEAD")).header("ETag") == tag
    assert (await ask(demo_proxy, target, "HEAD", headers=having(tag))).status == 304


async def test_each_form_has_a_tag_of_its_own(demo_proxy: RunningProxy) -> None:
    """Who has the page and now accepts Turtle gets Turtle: no two forms of a record share a tag."""
    tags = [(await tag_of(demo_proxy, target)).removeprefix("W/") for target in ANSWERS.values()]
    assert len(set(tags)) == len(tags)
    page = await tag_of(demo_proxy, f"/{P}/letter")
    turtle = await ask(demo_proxy, f"/{P}/letter", headers=[*having(page), ("Accept", "text/turtle")])
    assert turtle.status == 200


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy whose clock may be moved."""
    with run_proxy(shipped_records()) as running:
        yield running


CHANGING = {
    "JSON": "/api/handles/{}",
    "page": "/{}?noredirect",
    "page of some values": "/{}?noredirect&type=URL",
    "CSV": "/{}?noredirect&format=csv",
    "Turtle": "/{}?noredirect&format=ttl",
    "links": "/api/linkset/{}",
}


@pytest.mark.parametrize("name", CHANGING)
async def test_a_change_is_sent(proxy: RunningProxy, name: str) -> None:
    """Once a record has changed, what somebody has is no longer good; until then it is, however old."""
    handle = f"{P}/changing-{name.replace(' ', '-')}"
    target = CHANGING[name].format(handle)

    async def visit(tag: str) -> RawResponse:
        proxy.clock.offset_s += TTL_S + 1
        return await ask(proxy, target, headers=having(tag))

    put_record(proxy, handle, ("URL", "https://old.example/"), ttl=TTL_S)
    tag = await tag_of(proxy, target)
    unchanged = await visit(tag)
    assert (unchanged.status, unchanged.header("ETag")) == (304, tag)
    put_record(proxy, handle, ("URL", "https://new.example/"), ttl=TTL_S)
    changed = await visit(tag)
    assert (changed.status, changed.header("ETag") == tag) == (200, False)
    assert b"https://new.example/" in changed.body


async def test_a_page_of_some_values_tells_of_the_others(proxy: RunningProxy) -> None:
    """The page says how many values there are in all: a value more is a change, also where it is not shown."""
    handle = f"{P}/growing"
    put_record(proxy, handle, ("URL", "https://one.example/"), ttl=TTL_S)
    before = await ask(proxy, f"/{handle}?noredirect&type=URL")
    put_record(proxy, handle, ("URL", "https://one.example/"), ("DESC", "new"), ttl=TTL_S)
    proxy.clock.offset_s += TTL_S + 1
    after = await ask(proxy, f"/{handle}?noredirect&type=URL", headers=having(before.header("ETag") or ""))
    assert b"1 of 1 values" in before.body
    assert (after.status, b"1 of 2 values" in after.body) == (200, True)
