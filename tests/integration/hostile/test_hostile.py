"""The hostile list: requests that attack the proxy, and records that attack its visitors, each with its answer.

All of them go to one proxy at once; the tests then look at what came back. Whatever a case is about, no
answer may hold a header, an element or a link that is not ours to give (``safety.py``), and what an attack
could change for others is asked for again afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from resolver.demo.network import shipped_records
from tests.integration.hostile.cases import (
    HOST,
    octets_of,
    read_cases,
    record_of_case,
    requests_for,
    summary,
    write_get,
)
from tests.integration.hostile.safety import unsafe
from tests.integration.hostile.wire import Conversation, converse
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import put_record

pytestmark = pytest.mark.timeout(120)

FILES = (
    *("requests-paths", "requests-scripts", "requests-jsonp", "requests-urlappend", "requests-host"),
    *("requests-parameters", "requests-headers", "requests-requests", "requests-bodies"),
)
REQUESTS = [case for name in FILES for case in read_cases(name)]
RECORDS = read_cases("records")
AT_ONCE = 24
PEOPLE = ("/20.500.12345/abc", "/20.500.12345/abc?noredirect", "/api/handles/20.500.12345/abc")
"""What is asked for before and after the attacks, and must not differ."""

_AGE = re.compile(
    rb"[\d-]+ [\d:]+ UTC|\d+ (?:milliseconds?|seconds?|minutes?)|a moment|(?:udp|tcp|http)://[\d.:]+"
)


@dataclass
class Siege:
    """What came back for every case, and what was logged."""

    requests: dict[str, Conversation] = field(default_factory=dict)
    afterwards: dict[str, Conversation] = field(default_factory=dict)
    records: dict[str, dict[str, Conversation]] = field(default_factory=dict)
    before: dict[str, Conversation] = field(default_factory=dict)
    after: dict[str, Conversation] = field(default_factory=dict)
    logged: list[logging.LogRecord] = field(default_factory=list)


@pytest.fixture(scope="module")
def siege() -> Siege:
    """Attack one proxy with everything, once."""
    found = Siege()
    collector = _Collector(found.logged)
    logging.getLogger().addHandler(collector)
    try:
        with run_proxy(shipped_records(), base_url=f"https://{HOST}", deadline=20.0) as proxy:
            put_record(proxy, "20.500.12345/hostile-bare", ("URL", "https://good.example"))
            for number, case in enumerate(RECORDS):
                handle = _handle(number)
                proxy.network.stores["library"].put(record_of_case(case, handle))
            asyncio.run(_attack(found, proxy))
    finally:
        logging.getLogger().removeHandler(collector)
    return found


class _Collector(logging.Handler):
    def __init__(self, into: list[logging.LogRecord]) -> None:
        super().__init__()
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record)


def _handle(number: int) -> str:
    return f"20.500.12345/hostile-{number}"


async def _attack(found: Siege, proxy: RunningProxy) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(octets: bytes, *, closes: bool = True) -> Conversation:
        async with turn:
            return await converse(proxy.host, proxy.port, octets, closes=closes)

    async def request(case: dict[str, Any]) -> None:
        found.requests[case["id"]] = await ask(octets_of(case), closes=not case.get("waits", False))
        if "then" in case:
            found.afterwards[case["id"]] = await ask(write_get(case["then"]))

    async def look(number: int, case: dict[str, Any]) -> None:
        found.records[case["id"]] = {
            view: await ask(octets) for view, octets in requests_for(_handle(number)).items()
        }

    async def visit(into: dict[str, Conversation]) -> None:
        for target in PEOPLE:
            into[target] = await ask(write_get(target))

    await visit(found.before)
    await asyncio.gather(
        *map(request, REQUESTS), *(look(number, case) for number, case in enumerate(RECORDS))
    )
    await visit(found.after)


def _params(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in cases]


def test_the_list_is_long() -> None:
    """Nothing got lost: names are unique, and there are more than 300 cases of each kind's own."""
    ids = [case["id"] for case in (*REQUESTS, *RECORDS)]
    assert len(set(ids)) == len(ids) >= 600


@pytest.mark.parametrize("case", _params(REQUESTS))
def test_request(case: dict[str, Any], siege: Siege) -> None:
    """A hostile request gets the answer in the list, and nobody else a different one for it."""
    conversation = siege.requests[case["id"]]
    assert summary(conversation) == case["answers"]
    assert conversation.closed or case.get("waits", False), "the connection stays open"
    assert not conversation.rest
    for answer in conversation.answers:
        assert unsafe(answer) == []
        for name in ("location", "link"):
            hosts = re.findall(r"://(?:[^/?#]*@)?([^/?#@:>]*)", answer.first(name))
            assert not [host for host in hosts if host.lower().endswith("evil.example")], answer.first(name)
    if "then" in case:
        (afterwards,) = siege.afterwards[case["id"]].answers
        (usual,) = siege.before[case["then"]].answers
        assert (afterwards.status, afterwards.first("location"), afterwards.first("link")) == (
            usual.status,
            usual.first("location"),
            usual.first("link"),
        )


@pytest.mark.parametrize("case", _params(RECORDS))
def test_record(case: dict[str, Any], siege: Siege) -> None:
    """A hostile record is shown and followed as the list says, in every form, and harms nobody."""
    views = siege.records[case["id"]]
    added = frozenset(case.get("adds", ()))
    for view, conversation in views.items():
        assert len(conversation.answers) == 1, view
        assert conversation.closed, view
        assert not conversation.rest, view
        assert unsafe(conversation.answers[0], added) == [], view
        if view != "redirect":
            assert conversation.answers[0].status < 500 or case["answers"][0]["status"] >= 500, view
    (answer,) = views["redirect"].answers
    assert summary(views["redirect"]) == case["answers"]
    assert added == {name.lower() for name, _ in answer.headers} & added, (
        "a header that was to be added is not"
    )


def test_people_notice_nothing(siege: Siege) -> None:
    """The same questions before and after have the same answers, to the octet."""
    assert siege.before.keys() == set(PEOPLE)
    for target in PEOPLE:
        (before,), (after,) = siege.before[target].answers, siege.after[target].answers
        assert before.status in (200, 302)
        assert (after.status, after.first("location")) == (before.status, before.first("location"))
        assert _AGE.sub(b"", after.body) == _AGE.sub(b"", before.body)


def test_the_log_is_not_fooled(siege: Siege) -> None:
    """No attack writes a line of its own into the log, nor a trace of ours: each record is one line of plain text."""
    formatter = logging.Formatter("%(levelname)s %(name)s %(message)s")
    assert siege.logged
    for record in siege.logged:
        line = formatter.format(record)
        assert re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line) is None, line
        assert record.levelno < logging.ERROR, line
        assert len(line) < 10_000, line[:200]
