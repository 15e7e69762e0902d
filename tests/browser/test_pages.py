"""What people do: type or paste a handle, follow it, read a record, meet an error, on a desk and on a phone."""

from __future__ import annotations

import contextlib
import re
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
    "/api/",
    f"/{P}/letter",
    f"/{P}/everything?noredirect",
    f"/{P}/portrait?action=explain",
    f"/{P}/missing",
    f"/{P}/gone",
    "/20.500.56789/x",
    f"/{P}",
]


FIELD = "Handle, DOI, or a text that holds one"


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


ABC = "https://www.example.org/collections/abc"


KINDS = (
    f"{P}/abc",
    f"https%3A%2F%2Fhdl.handle.net%2F{P}%2Fabc",
    f"Doe, J. (2026). Letters. Handle: {P}/abc (accessed 3 May 2026)",
)
"""Some of those that ``tests/unit/web/test_pasted.py`` knows."""


def test_the_form_leads_where_the_handle_leads(page: Page, site: RunningProxy) -> None:
    """Typing or pasting a handle in one of its forms, and pressing Enter, arrives at the thing."""
    for typed in KINDS:
        page.goto(site.url + "/", wait_until="domcontentloaded")
        field = page.get_by_label(FIELD)
        expect(field).to_be_focused()
        field.fill(typed)
        field.press("Enter")
        expect(page.locator("h1"), typed).to_have_text(f"arrived at {ABC}")


def test_the_form_can_show_the_record_instead(page: Page, site: RunningProxy) -> None:
    """With the check box ticked, the record is shown and nobody is sent away."""
    page.goto(site.url + "/")
    page.get_by_label(FIELD).fill(f"{P}/abc")
    page.get_by_label("Show what is recorded").check()
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("h1")).to_have_text(f"{P}/abc")
    expect(page.get_by_role("link", name=ABC).first).to_be_visible()


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
    for question in ("Whose side is it on?", "What can you do?", "Whom can you write to?"):
        expect(page.get_by_text(question)).to_be_visible()
    page.get_by_text("Look up something else").click()
    page.get_by_label(FIELD).fill(f"{P}/abc")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("h1")).to_have_text(f"arrived at {ABC}")


def test_nothing_sticks_out(page: Page, site: RunningProxy) -> None:
    """Pages fit their window, down to the narrowest phone, without scrolling sideways, in long words and short."""
    for path in PAGES:
        for language, widths in {"en": (320, 375, 1200), "de": (320,), "ar": (320, 1200)}.items():
            page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}lang={language}")
            for width in widths:
                page.set_viewport_size({"width": width, "height": 700})
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (path, language, width)


def test_readable_without_style_and_script(browser: Browser, site: RunningProxy) -> None:
    """Without JavaScript and without the style sheet, every page still has its heading and its text."""
    with open_tab(browser, site, java_script_enabled=False) as page:
        page.route("**/static/*", lambda route: route.abort())
        for path in PAGES:
            page.goto(site.url + path)
            expect(page.locator("h1")).to_be_visible()
            assert len(page.locator("main").inner_text()) > 40


def test_a_record_says_what_matters_first(page: Page, site: RunningProxy) -> None:
    """What it is, where it leads, since when, who says so, how to cite it: all before the values."""
    page.goto(f"{site.url}/{P}/map-1482?noredirect")
    summary = page.get_by_label("In short")
    for words in (
        "https://maps.example.org/ulm/1482",
        "2 March 2026",
        "udp://127",
        "handles@library.example",
    ):
        expect(summary.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("img", name="QR code that leads to https://hdl.handle.net/")).to_be_visible()
    expect(page.get_by_text("Map of the known world").first).to_be_visible()
    box = page.get_by_label("In short").bounding_box()
    table = page.get_by_role("table").bounding_box()
    assert box is not None
    assert table is not None
    assert box["y"] + box["height"] <= table["y"]


def test_what_to_cite_is_selected_by_one_click(page: Page, site: RunningProxy) -> None:
    """A click on the citable link selects all of it and nothing else, without any script of ours."""
    page.goto(f"{site.url}/{P}/map-1482?noredirect")
    page.get_by_text("https://hdl.handle.net/20.500.12345/map-1482").click()
    assert page.evaluate("getSelection().toString()") == "https://hdl.handle.net/20.500.12345/map-1482"


def test_the_way_to_an_answer_is_shown(page: Page, site: RunningProxy) -> None:
    """The page of a resolution draws registry and service, lists the same in words, and gives reasons."""
    page.goto(f"{site.url}/{P}/portrait?noredirect")
    page.get_by_role("link", name="See how this handle is resolved, step by step").click()
    expect(page.locator("h1")).to_have_text(f"{P}/portrait")
    expect(page.locator(".picture rect.registry").first).to_be_visible()
    expect(page.locator(".picture rect.site").first).to_be_visible()
    steps = page.locator("ol.steps li")
    drawn = page.locator(".picture > svg > rect")
    assert steps.count() == drawn.count() >= 2
    expect(steps.first).to_contain_text("Demo registry")
    expect(page.get_by_text("Chosen:")).to_be_visible()
    assert page.get_by_text("Passed over:").count() == 3


def test_a_failed_resolution_is_shown_too(page: Page, site: RunningProxy) -> None:
    """Where nobody answers, the picture shows whom we asked in vain, and the page says whose side it is on."""
    page.goto(f"{site.url}/20.500.56789/x?action=explain")
    expect(page.locator(".decision")).to_contain_text("The responsible service cannot be reached")
    expect(page.locator(".picture rect.failed").first).to_be_visible()
    expect(page.locator("ol.steps")).to_contain_text("refused")


# --- by keyboard, without script, in the dark, on paper --------------------------------------------------


def test_keyboard_alone_is_enough(page: Page, site: RunningProxy) -> None:
    """From the first Tab to the record of a handle, without a mouse."""
    page.goto(f"{site.url}/help")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
    page.goto(site.url + "/")
    expect(page.get_by_label(FIELD)).to_be_focused()
    page.keyboard.type(f"{P}/abc")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Show what is recorded")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"{P}/abc")


@pytest.mark.parametrize("path", ["/", f"/{P}/map-1482?noredirect"])
def test_where_the_keyboard_is_can_be_seen(page: Page, site: RunningProxy, path: str) -> None:
    """Everything that Tab reaches is visible when it is reached, and has an outline."""
    page.goto(site.url + path)
    page.evaluate("document.activeElement.blur()")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            """() => { const e = document.activeElement; if (e === document.body) return null;
            const box = e.getBoundingClientRect(), style = getComputedStyle(e);
            return [e.outerHTML.slice(0, 120), box.width > 0 && box.right > 0,
                    style.outlineStyle, parseFloat(style.outlineWidth)]; }"""
        )
        if shown is None or shown[0] in seen:
            break
        seen.add(shown[0])
        assert shown[1:3] == [True, "solid"], shown
        assert shown[3] >= 2, shown
    assert len(seen) >= 6


def test_everything_works_without_script(browser: Browser, site: RunningProxy) -> None:
    """Form, record, error with its details, explanation: no page needs JavaScript."""
    with open_tab(browser, site, java_script_enabled=False) as page:
        page.goto(site.url + "/")
        page.get_by_label(FIELD).fill(f"https://hdl.handle.net/{P}/map-1482")
        page.get_by_label("Show what is recorded").check()
        page.get_by_role("button", name="Look up").click()
        expect(page.locator("h1")).to_have_text(f"{P}/map-1482")
        page.get_by_role("link", name="See how this handle is resolved").click()
        expect(page.locator(".decision")).to_contain_text("302")
        page.goto(f"{site.url}/{P}/missing")
        page.get_by_text("Look up something else").click()
        expect(page.get_by_label(FIELD)).to_be_visible()


def test_pages_are_dark_where_that_is_wanted(browser: Browser, site: RunningProxy) -> None:
    """The colours follow the system's wish, and the QR code stays black on white."""
    shades = {}
    for scheme in ("light", "dark"):
        with open_tab(browser, site, color_scheme=scheme) as page:
            page.goto(f"{site.url}/{P}/map-1482?noredirect")
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            shades[scheme] = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
            assert page.locator(".qr rect").get_attribute("fill") == "#fff"
    assert shades["light"] > 700
    assert shades["dark"] < 120


def test_on_paper_only_the_record_is_left(page: Page, site: RunningProxy) -> None:
    """Printed, a record comes without navigation, black on white."""
    page.goto(f"{site.url}/{P}/map-1482?noredirect")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("header")).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".qr svg")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
