"""What axe-core finds wrong with any page (WCAG 2.2 A and AA, and its own good practice): nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.test_pages import PAGES, open_tab
from tests.integration.proxy import RunningProxy

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

EYES: dict[str, dict[str, Any]] = {
    "desk": {"color_scheme": "light"},
    "phone, dark, right to left": {
        "color_scheme": "dark",
        "locale": "ar",
        "viewport": {"width": 320, "height": 640},
    },
}


def violations(page: Page) -> list[str]:
    """Return what is wrong with a page, and where."""
    page.evaluate(AXE)
    found = page.evaluate(
        "tags => axe.run({runOnly: tags, resultTypes: ['violations']})", RULES
    )["violations"]  # fmt: skip
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("eyes", EYES)
def test_nobody_is_kept_out(browser: Browser, site: RunningProxy, eyes: str) -> None:
    """No page breaks a rule, in light and in the dark, on a desk and on a phone, in either direction."""
    found = {}
    with open_tab(browser, site, **EYES[eyes]) as page:
        for path in [*PAGES, "/20.500.81000/charter?noredirect&cert"][:: 1 if eyes == "desk" else 2]:
            page.goto(site.url + path)
            page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
            found[path] = violations(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_a_page_that_is_wrong_is_found_out(browser: Browser, site: RunningProxy) -> None:
    """The check itself works: pale text and a field without a name are noticed."""
    with open_tab(browser, site) as page:
        page.goto(site.url + "/")
        page.evaluate(
            "() => { const p = document.querySelector('.lead'); p.style.color = '#ccc';"
            " document.querySelector('main').append(document.createElement('input')); }"
        )
        wrong = violations(page)
        assert any(text.startswith("color-contrast") for text in wrong)
        assert any(text.startswith("label") for text in wrong)
