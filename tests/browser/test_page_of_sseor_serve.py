"""The page as `sseor serve --demo` serves it: the whole way from the built-in upstream to a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from browser.chromium import chromium
from browser.cutting_proxy import CuttingProxy
from playwright.sync_api import Browser, expect

from sseor.testing.openrouter import EXPLANATION

__all__ = ["chromium"]


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a server that runs as a user would start it."""
    command = [sys.executable, "-m", "sseor", "serve", "--demo", "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found is not None, line + server.stderr.read()
        yield int(found[1])
        server.terminate()
        server.communicate(timeout=20)


def test_the_demo_answers_over_a_network_that_cuts_every_connection(chromium: Browser, port: int) -> None:
    """Through cuts at random bytes and a reload in the middle the page ends with every word of the upstream's, once."""
    with CuttingProxy(port, cuts=6, least=40, most=1500, seed=4) as proxy:
        page = chromium.new_page()
        page.set_default_timeout(40_000)
        page.goto(f"http://127.0.0.1:{proxy.port}/")
        expect(page.locator("#demo")).to_be_visible()
        page.get_by_role("button", name="Why is the sea salty?").click()
        page.wait_for_function("() => JSON.parse(sessionStorage.getItem('sseor-chat') ?? '{}').streamId")
        page.reload()
        expect(page.locator(".facts").last).to_be_visible(timeout=40_000)
        assert (
            page.locator(".words").last.text_content()
            == f"You asked: “Why is the sea salty?”\n\n{EXPLANATION}"
        )
        assert page.locator(".notice").is_hidden()
        expect(page.locator(".figures")).to_contain_text("tokens in")
        page.close()
        assert proxy.cut == 6


def test_stop_reaches_the_upstream(chromium: Browser, port: int) -> None:
    """Stop ends the answer within the page at once, and the next question is answered."""
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"http://127.0.0.1:{port}/")
    page.get_by_role("button", name="Why is the sea salty?").click()
    expect(page.locator(".words").last).to_contain_text("You asked", timeout=30_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".notice")).to_have_text("Stopped.")
    page.get_by_label("Your question").fill("Again?")
    page.keyboard.press("Enter")
    expect(page.locator(".words").last).to_contain_text("You asked: “Again?”", timeout=30_000)
    page.close()
