"""What a browser makes of hostile records, where the policy of our pages does not help it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, Route

from resolver.answer.targets import Target, append_to_target, read_target
from resolver.web.parse import BadRequestError
from tests.integration.hostile.cases import read_cases, record_of_case
from tests.unit.answer.test_targets_append import BASES, PAYLOADS
from tests.unit.web import pages
from tests.unit.web.pages import NEVER, all_pages, renderer
from tests.unit.web.test_parse_parameters import query

pytestmark = pytest.mark.timeout(180)

OUR_FILES = "https://hdl.example.org/static/"
OURS = re.compile(r"https://(?:hdl\.)?example\.org/|about:|data:image/")
READ_ALL = "pairs => pairs.map(pair => pair.map(text => { try { const url = new URL(text); \
return [url.protocol, url.username, url.password, url.host] } catch { return null } }))"


class Witness:
    """A page that fetches nothing, and notes who wanted something."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.ran: list[str] = []
        self.wanted: list[str] = []
        page.on("dialog", self._dialog)
        page.on("request", self._request)
        page.on("popup", lambda popup: self.wanted.append(popup.url))
        page.route("**/*", self._refuse)

    def _dialog(self, dialog: Dialog) -> None:
        self.ran.append(dialog.message)
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if OURS.match(request.url) is None:
            self.wanted.append(request.url)

    @staticmethod
    def _refuse(route: Route) -> None:
        route.abort()


@pytest.fixture
def witness(browser: Browser) -> Iterator[Witness]:
    """A page without any content, and without any policy."""
    context = browser.new_context()
    yield Witness(context.new_page())
    context.close()


def test_the_witness_would_notice(witness: Witness) -> None:
    """A script that runs, and a picture from elsewhere, are seen."""
    witness.page.set_content("<img src=//evil.example/x onerror=alert(1)><img src=https://evil.example/y>")
    witness.page.set_content("<script>alert(2)</script>")
    assert "2" in witness.ran
    assert "https://evil.example/y" in witness.wanted


@pytest.mark.parametrize("start", range(5))
def test_no_script_runs_even_without_the_policy(start: int, witness: Witness) -> None:
    """With a payload in every field of every page, and no policy, nothing runs, and nothing is fetched from others."""
    assert len(pages.PAYLOADS) >= 100
    usual = all_pages("usual")
    for payload in pages.PAYLOADS[start::5]:
        for name, html in all_pages(payload).items():
            if html == usual[name]:  # strangers write nothing there
                continue
            # What our pages fetch themselves, a style and a logo, takes as long as all the rest.
            witness.page.set_content(html.replace(OUR_FILES, "data:,"))
            assert not witness.ran, (name, payload)
            assert not witness.wanted, (name, payload)


def places(results: list[list[Any]]) -> list[Any]:
    """Return what the browser read, without what it could not read and would not follow."""
    return [found for found in results if found[1] is not None]


def test_browsers_read_the_host_that_we_read(witness: Witness) -> None:
    """Whatever visitors append, a browser goes to scheme, user and host of the record."""
    pairs = []
    for base in BASES:
        target = read_target(base.encode())
        assert isinstance(target, Target)
        longer = (append_to_target(target, payload) for payload in PAYLOADS)
        pairs += [(target.uri, found.uri) for found in longer if found is not None]
    results = witness.page.evaluate(READ_ALL, pairs)
    assert len(places(results)) > 1000
    wrong = [pair for pair, (base, found) in zip(pairs, results, strict=True) if found not in (None, base)]
    assert not wrong, wrong[:3]


def test_browsers_read_the_scheme_that_we_read(witness: Witness) -> None:
    """No hostile value that leads somewhere leads a browser to a scheme beyond the list, or to another host."""
    values = [
        value.data
        for number, case in enumerate(read_cases("records"))
        for value in record_of_case(case, f"20.500.12345/{number}").values
    ]
    values += [payload.encode() for payload in pages.PAYLOADS]
    found = [target.uri for data in values if isinstance(target := read_target(data), Target)]
    results = witness.page.evaluate(READ_ALL, [(uri,) for uri in found])
    assert len(found) > 50
    for uri, (read,) in zip(found, results, strict=True):
        if read is not None:
            assert read[0] == f"{uri.partition(':')[0].lower()}:", uri
            assert read[0] not in ("javascript:", "data:", "vbscript:", "file:", "blob:", "view-source:"), uri


RECORD = {"handle": "</script>\u2028\u2029\n", "values": [{"a": "*/alert(1)/*", "b": "');alert(1);//"}]}
# Runs a script with what its callback is called after, and tells what that was called with, and how often.
CALL = """([script, name, root]) => {
    const calls = [];
    let holder = argument => { calls.push(argument) };
    for (const part of name.split('.').slice(1).reverse()) holder = {[part]: holder};
    new Function(root, script)(holder);
    return calls;
}"""
NAMES = [
    *("f", "$", "_", "a.b.c", "$.get", "jQuery17_1", "x" * 128, "f.constructor", "alert", "a.prototype"),
    *(
        "alert(1)",
        "a;b",
        "a b",
        "a.",
        ".a",
        "a..b",
        "1a",
        "a[0]",
        "a\u2028b",
        "ä",
        "日本",
        "f\\u0028",
        "a-b",
        "a\x00",
    ),
    *(
        "/**/f",
        "f/**/",
        "f//",
        "this;f",
        "new f",
        "f`x`",
        "\ufefff",
        "f\u200b",
        "<f>",
        "CWS\x07x",
        "a=b",
        "x" * 129,
    ),
]


def test_jsonp_is_one_call_or_nothing(witness: Witness) -> None:
    """A callback is refused, or what is sent is one call of it with the record, for an engine that runs JavaScript."""
    accepted = 0
    for name in NAMES:
        try:
            callback = query(f"callback={quote(name, safe='')}", for_api=True).callback
        except BadRequestError:
            continue
        accepted += 1
        response = renderer().json(RECORD, NEVER, callback=callback)
        assert isinstance(response.body, bytes)
        calls = witness.page.evaluate(CALL, [response.body.decode(), name, name.partition(".")[0]])
        assert calls == [RECORD], name
        assert not witness.ran, name
    assert accepted == 10
