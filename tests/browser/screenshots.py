"""Takes the pictures under ``docs/screenshots``: every page in light and dark, on a phone, and in Arabic.

python -m tests.browser.screenshots [folder]
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from resolver.demo.network import shipped_records
from tests.integration.proxy import run_proxy

P = "20.500.12345"
PAGES = {
    "form": "/",
    "record": f"/{P}/map-1482?noredirect",
    "explain": f"/{P}/portrait?action=explain&locatt=language:fr",
    "silent": "/20.500.60000/x?action=explain",
    "problem": f"/{P}/abc.",
    "unreachable": "/20.500.56789/x",
    "gone": f"/{P}/gone",
    "verified": "/20.500.81000/charter?noredirect&cert",
    "help": "/help",
}
DESK = {"width": 1024, "height": 720}
PHONE = {"width": 360, "height": 720}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "is_mobile": True},
    "arabic": {"viewport": DESK, "color_scheme": "light", "locale": "ar"},
}
MAX_HEIGHT = 1500
"""The longest pages are cut off; nobody looks further."""

COLOURS = 64


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with run_proxy(shipped_records(), contact="help@example.org") as proxy, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for look, options in LOOKS.items():
            _take(browser, proxy.url, folder, look, options)
        browser.close()


def _take(browser: Browser, url: str, folder: Path, look: str, options: dict[str, Any]) -> None:
    context = browser.new_context(**options)
    page = context.new_page()
    for name, path in PAGES.items():
        if name == "silent" and look != "light":
            continue  # it takes its time
        page.goto(url + path)
        width = options["viewport"]["width"]
        height = page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, MAX_HEIGHT)}
        octets = page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
        picture = Image.open(io.BytesIO(octets)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        picture.save(folder / f"{name}-{look}.png", optimize=True)
    context.close()


if __name__ == "__main__":
    main()
