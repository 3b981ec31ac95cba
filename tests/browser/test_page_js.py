"""The chat page in a real browser: what it shows and says, by keyboard, on a phone, light and dark."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.chromium import chromium
from browser.scripted_relay import CODE, EXPLANATION, HOSTILE, ScriptedRelay
from playwright.sync_api import Browser, Page, expect

from sseor.testing import LoopbackServer

__all__ = ["chromium"]

SIZES = {"wide": {"width": 1200, "height": 760}, "phone": {"width": 390, "height": 780}}


@pytest.fixture
def relay() -> ScriptedRelay:
    """Return the relay that serves the page."""
    return ScriptedRelay()


@pytest.fixture
def origin(relay: ScriptedRelay) -> Iterator[str]:
    """Return where the page is."""
    with LoopbackServer(relay) as server:
        yield server.origin


@pytest.fixture
def page(chromium: Browser, origin: str) -> Iterator[Page]:
    """Return the page, which must end without an error of its script or its policy."""
    faults: list[str] = []
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console", lambda message: faults.append(message.text) if "Content Security" in message.text else None
    )
    page.goto(origin)
    yield page
    context.close()
    assert faults == []


def ask(page: Page, question: str) -> None:
    """Type a question and send it by Enter."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def test_an_answer_is_shown_with_reasoning_folded_and_its_cost(page: Page) -> None:
    """The words stand there as sent, the reasoning is folded, usage and cost stand below."""
    ask(page, "explain")
    answer = page.locator(".answered")
    expect(answer.locator(".words")).to_have_text(EXPLANATION)
    expect(answer.locator(".figures")).to_contain_text("24 tokens in · 187 out (42 reasoning) · $0.000386")
    expect(answer.locator(".thoughts")).to_be_hidden()
    answer.locator("summary").click()
    expect(answer.locator(".thoughts")).to_contain_text("One paragraph, plain words")
    answer.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == EXPLANATION


def test_waiting_is_seen_and_heard_and_stop_stops(page: Page, relay: ScriptedRelay) -> None:
    """While nothing comes a sign and the seconds say so; Escape, and the button too, cancel at the relay."""
    for stop in ("key", "button"):
        ask(page, "wait")
        expect(page.get_by_role("status")).to_have_text("Waiting for the answer")
        expect(page.locator(".phase").last).to_have_text(re.compile(r"Waiting for the first word · \d+ s"))
        expect(page.get_by_role("button", name="Send")).to_be_hidden()
        if stop == "key":
            page.keyboard.press("Escape")
        else:
            page.get_by_role("button", name="Stop").click()
        expect(page.locator(".notice").last).to_have_text("Stopped.")
        expect(page.locator(".waiting").last).to_be_hidden()
        expect(page.get_by_label("Your question")).to_be_focused()
    stops = [path for method, path, _ in relay.log if method == "POST" and path.endswith("/stop")]
    assert len(stops) == 2


def test_a_listener_hears_each_phase_and_the_answer_once(page: Page) -> None:
    """The status region tells of thinking and at the end of the whole answer; the words themselves are not live."""
    ask(page, "think")
    expect(page.get_by_role("status")).to_have_text("Thinking")
    expect(page.locator(".answered")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    ask(page, "explain")
    expect(page.get_by_role("status")).to_have_text(EXPLANATION)
    assert page.locator("[aria-live], [role=log], [role=alert]").count() == 0
    assert page.locator(".answered[aria-busy]").count() == 0


def test_the_keyboard_reaches_everything_in_reading_order(page: Page) -> None:
    """Tab goes from the bar through the conversation to the question and its button; Shift+Enter is a new line."""
    expect(page.get_by_label("Your question")).to_be_focused()
    expect(page.get_by_label("Model")).to_be_enabled()
    page.get_by_label("Your question").press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert page.get_by_label("Your question").input_value() == "one\ntwo"
    page.get_by_label("Model").focus()
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(page.evaluate("() => document.activeElement.id || document.activeElement.className"))
    assert order == ["conversation", "idea", "idea", "idea", "question", "send"]


def test_every_control_has_a_name_and_text_has_contrast(page: Page) -> None:
    """No button or field is without an accessible name; faint text has a contrast of at least 4.5 in both schemes."""
    ask(page, "explain")
    expect(page.locator(".facts")).to_be_visible()
    tree = page.locator("body").aria_snapshot()
    assert not re.search(r"- (button|textbox|combobox)(?! \")", tree), tree
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        ratio = page.evaluate(
            """() => {
                const luminance = (color) => {
                    const canvas = document.createElement("canvas").getContext("2d");
                    canvas.fillStyle = color;
                    canvas.fillRect(0, 0, 1, 1);
                    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
                    const [r, g, b] = parts.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                const faint = luminance(getComputedStyle(document.querySelector(".figures")).color);
                const ground = luminance(getComputedStyle(document.body).backgroundColor);
                return (Math.max(faint, ground) + 0.05) / (Math.min(faint, ground) + 0.05);
            }"""
        )
        assert ratio >= 4.5, scheme


def test_reduced_motion_is_respected(page: Page) -> None:
    """Who asks for less motion sees none."""
    page.emulate_media(reduced_motion="reduce")
    ask(page, "wait")
    expect(page.locator(".dots")).to_be_visible()
    assert page.evaluate("() => document.getAnimations().length") == 0
    page.keyboard.press("Escape")


def test_a_lost_connection_is_resumed_without_a_word_twice(page: Page, relay: ScriptedRelay) -> None:
    """Cut four times, the answer stands there whole, and the page asked once."""
    ask(page, "cut")
    expect(page.locator(".words").last).to_have_text(EXPLANATION)
    expect(page.locator(".facts")).to_be_visible()
    assert len(relay.questions) == 1


def test_a_reload_in_the_middle_goes_on_with_the_answer(page: Page, relay: ScriptedRelay) -> None:
    """The conversation is there again, and the answer that was under way, which can still be stopped."""
    ask(page, "explain")
    expect(page.locator(".facts")).to_be_visible()
    ask(page, "slow")
    expect(page.locator(".words").last).to_contain_text("HTTP streaming sends")
    page.reload()
    expect(page.locator(".asked .words")).to_have_text(["explain", "slow"])
    expect(page.locator(".answered .words").first).to_have_text(EXPLANATION)
    expect(page.locator(".answered .words").last).to_contain_text("HTTP streaming sends")
    page.keyboard.press("Escape")
    expect(page.locator(".notice").last).to_have_text("Stopped.")
    expect(page.locator(".figures").last).not_to_contain_text("first word")
    assert len(relay.questions) == 2


def test_the_conversation_goes_along_with_each_question(page: Page, relay: ScriptedRelay) -> None:
    """The messages so far and the chosen model are sent; a new chat begins with none."""
    ask(page, "length")
    expect(page.locator(".notice")).to_contain_text("length limit")
    page.get_by_label("Model").select_option("openai/gpt-5-mini")
    ask(page, "down")
    expect(page.locator(".notice").last).to_have_text("The provider is overloaded or down.")
    assert relay.questions[-1] == {
        "messages": [
            {"role": "user", "content": "length"},
            {"role": "assistant", "content": "The coast of Brittany is"},
            {"role": "user", "content": "down"},
        ],
        "model": "openai/gpt-5-mini",
    }
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".answered")).to_have_count(2)
    assert relay.questions[-1] == relay.questions[-2]
    page.get_by_role("button", name="New chat").click()
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    page.get_by_role("button", name="Why is the sea salty?").click()
    expect(page.locator(".facts")).to_be_visible()
    assert relay.questions[-1]["messages"] == [{"role": "user", "content": "Why is the sea salty?"}]


def test_hostile_text_is_shown_letter_by_letter(page: Page) -> None:
    """Markup in words, reasoning and question is text, and nothing in it runs."""
    ask(page, "hostile")
    expect(page.locator(".answered .words")).to_have_text(HOSTILE)
    assert page.locator(".thoughts").text_content() == HOSTILE
    ask(page, HOSTILE)
    expect(page.locator(".asked .words").last).to_have_text(HOSTILE)
    assert page.locator("#turns img, #turns script, #turns a").count() == 0
    assert page.title() == "sseor chat"


def test_code_stands_apart(page: Page) -> None:
    """Fenced code is in a fixed width and scrolls by itself, also while it is unfinished; copied is what was sent."""
    ask(page, "code")
    answer = page.locator(".answered")
    expect(answer.locator(".facts")).to_be_visible()
    said, code, prose, unfinished = (piece.strip("\n") for piece in re.split(r"```(?:python)?\n", CODE))
    assert answer.locator(".words code").all_text_contents() == [code, unfinished]
    assert answer.locator(".words").text_content() == said + code + prose + unfinished
    answer.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == CODE
    ask(page, CODE)
    expect(page.locator(".asked .words code").last).to_have_text("unfinished")
    page.set_viewport_size(SIZES["phone"])  # type: ignore[arg-type]
    assert page.evaluate("() => conversation.scrollWidth <= conversation.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_the_page(chromium: Browser, origin: str, tmp_path: Path, size: str, scheme: str) -> None:
    """Nothing sticks out sideways, the composer is in view; SSEOR_SCREENSHOTS names a folder to keep the pictures."""
    folder = Path(os.environ.get("SSEOR_SCREENSHOTS", tmp_path))
    context = chromium.new_context(
        viewport=SIZES[size],  # type: ignore[arg-type]
        color_scheme=scheme,  # type: ignore[arg-type]
        device_scale_factor=2 if size == "phone" else 1,
    )
    page = context.new_page()
    page.goto(origin)
    expect(page.locator("#demo")).to_be_visible()
    pictures = ["welcome"]
    page.screenshot(path=folder / f"{size}-{scheme}-welcome.png")
    for question, sign in (
        ("code", ".facts"),
        ("explain", ".facts"),
        ("down", ".notice"),
        ("think", ".reasoning:visible"),
    ):
        ask(page, question)
        expect(page.locator(sign).last).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), question
        assert page.evaluate("() => conversation.scrollWidth <= conversation.clientWidth"), question
        expect(page.get_by_label("Your question")).to_be_in_viewport()
        pictures.append(question)
        page.screenshot(path=folder / f"{size}-{scheme}-{question}.png")
    page.keyboard.press("Escape")
    context.close()
    assert all((folder / f"{size}-{scheme}-{picture}.png").stat().st_size > 5000 for picture in pictures)
