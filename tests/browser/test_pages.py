"""What people do: type or paste a handle, follow it, read a record, meet an error, on a desk and on a phone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from tests.integration.processes import wait_until
from tests.integration.proxy import RunningProxy

P = "20.500.12345"
PAGES = [
    "/",
    "/help",
    f"/{P}/letter",
    f"/{P}/everything?noredirect",
    f"/{P}/missing",
    "/20.500.56789/x",
    f"/{P}",
]


@contextlib.contextmanager
def open_tab(browser: Browser, site: RunningProxy, **options: Any) -> Iterator[Page]:
    """Open a tab in which the world beyond our proxy answers with its own address, and nothing goes wrong unseen."""
    complaints: list[str] = []

    def world(route: Route) -> None:
        if route.request.url.startswith(site.url):
            route.continue_()
        else:
            route.fulfill(
                status=200, content_type="text/html", body=f"<h1>arrived at {route.request.url}</h1>"
            )

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    context = browser.new_context(**options)
    page = context.new_page()
    page.route("**/*", world)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.on("console", listen)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def page(browser: Browser, site: RunningProxy) -> Iterator[Page]:
    """A tab."""
    with open_tab(browser, site) as tab:
        yield tab


@pytest.mark.parametrize(
    "typed", [f"{P}/abc", f"hdl:{P}/abc", f"https://hdl.handle.net/{P}/abc", f"  {P}/abc "]
)
def test_the_form_leads_where_the_handle_leads(page: Page, site: RunningProxy, typed: str) -> None:
    """Typing a handle in any of its forms and pressing Enter arrives at the thing."""
    page.goto(site.url + "/")
    field = page.get_by_label("Handle, DOI, or a link that holds one")
    expect(field).to_be_focused()
    field.fill(typed)
    field.press("Enter")
    expect(page.locator("h1")).to_have_text("arrived at https://www.example.org/collections/abc")


def test_the_form_can_show_the_record_instead(page: Page, site: RunningProxy) -> None:
    """With the check box ticked, the record is shown and nobody is sent away."""
    page.goto(site.url + "/")
    page.get_by_label("Handle, DOI, or a link that holds one").fill(f"{P}/abc")
    page.get_by_label("Show what is recorded").check()
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("h1")).to_have_text(f"{P}/abc")
    expect(page.get_by_role("link", name="https://www.example.org/collections/abc")).to_be_visible()


def test_a_citable_link_is_followed(page: Page, site: RunningProxy) -> None:
    """Clicking a handle URL, an alias on the way included, makes the browser set out for where the thing lives."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(f'<a href="{site.url}/{P}/old-name">cited</a>')
    page.get_by_role("link", name="cited").click()
    wanted = "https://www.example.org/collections/abc"
    wait_until(lambda: page.wait_for_timeout(20) or wanted in asked, "the browser sets out")
    assert asked == [f"{site.url}/{P}/old-name", f"{site.url}/{P}/abc", wanted]


def test_a_record_is_readable(page: Page, site: RunningProxy) -> None:
    """Every standard type is shown decoded, with links to the handles it names."""
    page.goto(f"{site.url}/{P}/everything?noredirect")
    for words in ("all@library.example", "RSA, 2048 bits", "de ad be ef", "add handle", "Journal platform"):
        expect(page.get_by_text(words).first).to_be_visible()
    page.get_by_role("link", name=f"300:{P}/staff").first.click()
    expect(page.locator("h1")).to_have_text(f"{P}/staff")


def test_hostile_values_stay_text(page: Page, site: RunningProxy) -> None:
    """Markup, scripts and direction marks in a record are shown, and do nothing."""
    page.goto(f"{site.url}/{P}/trap")
    expect(page.get_by_text("javascript:alert(document.cookie)")).to_be_visible()
    expect(page.get_by_text("Nobody is sent there")).to_be_visible()
    assert page.locator("a[href^='javascript:']").count() == 0
    assert page.locator("main b", has_text="markup").count() == 0


def test_a_missing_handle_helps_on(page: Page, site: RunningProxy) -> None:
    """The error page says what happened, whom to write to, and lets one try again."""
    page.goto(f"{site.url}/{P}/abc/")
    expect(page.locator("h1")).to_have_text("Handle not found")
    expect(page.get_by_role("link", name="handles@library.example")).to_be_visible()
    expect(page.get_by_text("Did you mean")).to_be_visible()
    expect(page.get_by_role("link", name=f"{P}/abc", exact=True)).to_be_visible()
    page.get_by_text("Look up something else").click()
    page.get_by_label("Handle, DOI, or a link that holds one").fill(f"{P}/abc")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("h1")).to_have_text("arrived at https://www.example.org/collections/abc")


@pytest.mark.parametrize("width", [320, 375, 1200])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_sticks_out(page: Page, site: RunningProxy, path: str, width: int) -> None:
    """Pages fit their window, down to the narrowest phone, without scrolling sideways."""
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(site.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", PAGES)
def test_readable_without_style_and_script(browser: Browser, site: RunningProxy, path: str) -> None:
    """Without JavaScript and without the style sheet, every page still has its heading and its text."""
    with open_tab(browser, site, java_script_enabled=False) as page:
        page.route("**/static/*", lambda route: route.abort())
        page.goto(site.url + path)
        expect(page.locator("h1")).to_be_visible()
        assert len(page.locator("main").inner_text()) > 40


def test_keyboard_alone_is_enough(page: Page, site: RunningProxy) -> None:
    """Tab reaches the skip link first, and everything that can be clicked shows where it is."""
    page.goto(f"{site.url}/help")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
