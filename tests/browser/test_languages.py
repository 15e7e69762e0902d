"""What a page is written in: what the browser asks for, unless somebody has chosen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_pages import ABC, P, open_tab
from tests.integration.proxy import RunningProxy

TITLES = {
    "en-GB": ("en", "ltr", "Look up a handle"),
    "de-AT": ("de", "ltr", "Ein Handle nachschlagen"),
    "fr": ("fr", "ltr", "Rechercher un handle"),
    "es-MX": ("es", "ltr", "Buscar un handle"),
    "ar-EG": ("ar", "rtl", "البحث عن معرّف"),
    "eo": ("en", "ltr", "Look up a handle"),
}


@pytest.mark.parametrize("locale", TITLES)
def test_a_browser_gets_its_language(browser: Browser, site: RunningProxy, locale: str) -> None:
    """The page is in the language of the browser, and says so to screen readers."""
    code, direction, title = TITLES[locale]
    with open_tab(browser, site, locale=locale) as page:
        page.goto(site.url + "/")
        expect(page.locator("h1")).to_have_text(title)
        assert page.locator("html").get_attribute("lang") == code
        assert page.locator("html").get_attribute("dir") == direction


def test_a_language_that_was_chosen_stays(browser: Browser, site: RunningProxy) -> None:
    """Whoever clicks on a language keeps it from page to page, and through the form."""
    with open_tab(browser, site, locale="fr") as page:
        page.goto(f"{site.url}/{P}/everything?noredirect&type=URL")
        page.get_by_role("link", name="Deutsch").click()
        expect(page.get_by_text("Datensatz des Handles")).to_be_visible()
        expect(page.get_by_text("1 von 12 Werten")).to_be_visible()
        page.get_by_role("link", name="Hilfe").click()
        expect(page.locator("h1")).to_have_text("Hilfe")
        page.get_by_role("link", name="Nachschlagen").first.click()
        page.get_by_label("Handle, DOI oder ein Text").fill(f"{P}/missing")
        page.get_by_role("button", name="Nachschlagen").click()
        expect(page.locator("h1")).to_have_text("Handle nicht gefunden")


def test_a_language_never_changes_where_a_handle_leads(browser: Browser, site: RunningProxy) -> None:
    """lang= is about our pages, not about the thing."""
    with open_tab(browser, site) as page:
        answer = page.request.get(f"{site.url}/{P}/abc?lang=ar", max_redirects=0)
        assert (answer.status, answer.headers["location"]) == (302, ABC)
        assert answer.headers["content-language"] == "en"
        assert "vary" not in answer.headers


def test_arabic_reads_from_right_to_left(browser: Browser, site: RunningProxy) -> None:
    """Text and navigation are mirrored; handles, addresses and the picture of a resolution are not."""
    with open_tab(browser, site, locale="ar") as page:
        page.set_viewport_size({"width": 1000, "height": 800})
        page.goto(f"{site.url}/{P}/map-1482?action=explain")
        brand, nav = page.locator(".brand").bounding_box(), page.locator("header nav").bounding_box()
        assert brand is not None
        assert nav is not None
        assert brand["x"] > nav["x"]
        assert page.locator("h1 bdi").evaluate("e => getComputedStyle(e).direction") == "ltr"
        assert page.locator(".picture").evaluate("e => getComputedStyle(e).direction") == "ltr"
        assert page.locator("main").evaluate("e => getComputedStyle(e).direction") == "rtl"
