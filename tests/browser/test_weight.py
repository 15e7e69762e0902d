"""What a page costs: octets, and how often the browser has to ask before it can show it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Response

from tests.browser.test_pages import PAGES, open_tab
from tests.integration.proxy import RunningProxy

MAX_OCTETS = 60_000


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_light(browser: Browser, site: RunningProxy, path: str) -> None:
    """Every page with all it needs is below 60 KB, from our host alone, and asked for in one go after the HTML."""
    answers: list[Response] = []
    with open_tab(browser, site) as page:  # with nothing in its cache
        page.on("response", lambda answer: answers.append(answer))
        page.goto(site.url + path)
        weigh(site, answers)


def weigh(site: RunningProxy, answers: list[Response]) -> None:
    """Check what came."""
    sizes = {answer.url: len(answer.body()) for answer in answers}
    assert all(url.startswith(site.url) for url in sizes), sizes
    assert sum(sizes.values()) < MAX_OCTETS, sizes
    document, *others = answers
    html = document.body().decode()
    for answer in others:
        # Named in the HTML itself: nothing waits for a style sheet or a script to name it.
        assert answer.url.removeprefix(site.url) in html, answer.url
    assert "@import" not in "".join(answer.text() for answer in others if answer.url.endswith(".css"))
    assert 1 <= len(others) <= 3
