"""A real Chromium for tests, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from browser.node_tools import missing
from playwright.sync_api import Browser, expect, sync_playwright

# Five seconds are soon over on a busy machine, where a page backs off before it reconnects.
expect.set_options(timeout=30_000)

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return a browser that is closed after the module's last test."""
    program = shutil.which("chromium")
    if program is None:
        missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()
