"""A real Chromium, from the system's packages: nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy

expect.set_options(timeout=20_000)  # a machine may be busy with other tests

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium, kept from calling home.

    It must be closed before other tests run in this process: as long as it lives, Playwright keeps an event
    loop running in the main thread, and no test with a loop of its own could start.
    """
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed; on Debian: apt-get install chromium")
        pytest.skip("no chromium on PATH; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            ],
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def site() -> Iterator[RunningProxy]:
    """A proxy over the sample network, for people."""
    with run_proxy(shipped_records()) as proxy:
        yield proxy
