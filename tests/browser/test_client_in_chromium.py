"""`sseor.js` and `chat.js` in a real browser: cuts, hidden tabs, lost networks, many streams, hostile text, keys."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from browser.chromium import chromium
from browser.scripted_relay import DONE, HOSTILE, ScriptedRelay, words
from playwright.sync_api import Browser, Page

from sseor.testing import LoopbackServer

__all__ = ["chromium"]

TEXT = "Les marées de vive-eau 🌊 reviennent: 潮の満ち引き, مدّ وجزر, and 👩‍👩‍👧‍👦 watch. " * 6
RECORDS: list[dict[str, Any]] = [*({"type": "text", "text": piece} for piece in TEXT), DONE]

BEGIN = """async ([scenario, options]) => {
    const { startStream, showText } = await import("/sseor.js");
    const { hidden, ...rest } = options;
    const seen = { records: [], states: [], updates: 0, frames: 0 };
    const output = document.createElement("p");
    document.body.append(output);
    const show = showText(output);
    const stream = startStream("/", { scenario }, {
        onRecord: (record) => seen.records.push(record),
        onState: (state) => seen.states.push(state),
        onUpdate: (answer) => { seen.updates += 1; show(answer); },
        ...rest,
    });
    Object.assign(window, { stream, seen, output });
}"""
OUTCOME = "async () => ({ ending: await stream.done, text: stream.answer.text, shown: output.textContent, ...seen })"
HIDE = """(state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def relay() -> ScriptedRelay:
    """Return the relay that the page's origin is."""
    return ScriptedRelay()


@pytest.fixture
def page(chromium: Browser, relay: ScriptedRelay) -> Iterator[Page]:
    """Return a page of the relay's origin, under the policy of the chat page, without its script."""
    with LoopbackServer(relay) as server:
        context = chromium.new_context()
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.route("**/page.js", lambda route: route.abort())
        page.goto(f"{server.origin}/")
        yield page
        context.close()


def begin(
    page: Page, records: list[dict[str, Any]], *, options: dict[str, Any] | None = None, **scenario: Any
) -> None:
    """Begin a stream in the page; `OUTCOME` waits for its end."""
    page.evaluate(BEGIN, [{"records": records, **scenario}, options or {}])


def test_cuts_inside_frames_and_characters_change_nothing(page: Page, relay: ScriptedRelay) -> None:
    """Each record comes once, in order, and the text is the same, however often the connection is cut."""
    chance = random.Random(11)
    begin(page, RECORDS, cuts=[chance.randrange(30, 900) for _ in range(30)], retry=1)
    outcome = page.evaluate(OUTCOME)
    assert outcome["ending"] == DONE
    assert outcome["records"] == RECORDS
    assert outcome["text"] == outcome["shown"] == TEXT
    methods = [method for method, path, _ in relay.log if path.startswith("/streams")]
    assert methods.count("POST") == 1
    assert methods.count("GET") > 5


def test_updates_come_once_a_frame_and_by_a_timer_while_hidden(page: Page) -> None:
    """No more updates than frames; in a hidden tab, where no frame comes, they go on, and the end is shown."""
    page.evaluate("() => (window.requestAnimationFrame = () => 0)")
    page.evaluate(HIDE, "hidden")
    begin(page, RECORDS[:20], hold=True, pace=0.02)
    page.wait_for_function(
        "() => seen.records.length === 20 && output.textContent === stream.answer.text", polling=50
    )
    assert 1 <= page.evaluate("() => seen.updates") < 20
    page.evaluate("() => stream.stop()")
    assert page.evaluate(OUTCOME)["ending"] == {"type": "cancelled"}


def test_a_frame_that_never_comes_holds_nothing_back(page: Page) -> None:
    """A tab that is hidden between the record and its frame shows the record all the same."""
    page.evaluate("() => (window.requestAnimationFrame = () => 0)")
    begin(page, words("Low water"), hold=True)
    page.wait_for_function("() => output.textContent === 'Low water'", polling=50)
    page.evaluate("() => stream.abort()")
    assert page.evaluate(OUTCOME)["ending"] == {"type": "detached"}


def test_the_watchdog_sleeps_while_hidden_and_wakes_with_the_page(page: Page, relay: ScriptedRelay) -> None:
    """A silent connection is kept while the tab is hidden and replaced as soon as the tab is seen again."""
    page.evaluate(HIDE, "hidden")
    begin(page, RECORDS, holds=[5], options={"silence": 300})
    page.wait_for_function("() => seen.records.length === 5")
    page.wait_for_timeout(900)
    assert [path for method, path, _ in relay.log if method == "GET" and path.startswith("/streams")] == []
    page.evaluate(HIDE, "visible")
    assert page.evaluate(OUTCOME)["records"] == RECORDS


def test_a_network_that_comes_back_is_used_at_once(page: Page) -> None:
    """Offline, the stream waits; online, it goes on without waiting for its timer, and nothing is missing."""
    page.evaluate("() => (Math.random = () => 0.999)")  # the longest wait, 15 seconds
    begin(page, RECORDS[:-1], hold=True, cuts=[700], retry=600_000, pace=0.005)
    page.wait_for_function("() => seen.states.at(-1) === 'waiting'")
    page.context.set_offline(True)
    page.wait_for_timeout(300)
    came = page.evaluate("() => seen.records.length")
    assert 0 < came < len(RECORDS) - 1
    page.context.set_offline(False)
    page.wait_for_function(f"() => seen.records.length === {len(RECORDS) - 1}", timeout=30_000)
    page.evaluate("() => stream.abort()")


def test_seven_streams_at_once_all_come_to_their_end(page: Page) -> None:
    """A browser has six connections for an origin: the seventh stream waits for one and then comes whole."""
    texts = page.evaluate(
        """async (records) => {
            const { startStream } = await import("/sseor.js");
            const streams = Array.from({ length: 7 }, () => startStream("/", { scenario: { records, pace: 0.02 } }));
            await Promise.all(streams.map(({ done }) => done));
            return streams.map(({ answer }) => answer.text);
        }""",
        [*words("Low water at seven minutes past two"), DONE],
    )
    assert texts == ["Low water at seven minutes past two"] * 7


def test_hostile_text_stays_text(page: Page) -> None:
    """Under a policy that forbids every HTML sink, markup in an answer is shown letter by letter."""
    page.evaluate(
        "() => document.addEventListener('securitypolicyviolation', () => (window.violated = true))"
    )
    begin(page, [*words(HOSTILE), DONE])
    assert page.evaluate(OUTCOME)["shown"] == HOSTILE
    assert page.evaluate("() => output.children.length") == 0
    assert page.title() == "sseor chat"
    assert page.evaluate("() => window.violated") is None
    page.evaluate("() => { try { output.innerHTML = '<b>x</b>'; } catch { window.refused = true; } }")
    assert page.evaluate("() => window.refused && window.violated"), "the policy is in force"


def test_a_callback_that_throws_is_reported_and_the_stream_goes_on(page: Page) -> None:
    """What the application throws reaches the console, not the stream."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    begin(page, RECORDS[:3])
    page.evaluate(
        """async (records) => {
            const { startStream } = await import("/sseor.js");
            const onRecord = () => { throw new Error("mine"); };
            return startStream("/", { scenario: { records } }, { onRecord }).done;
        }""",
        [*words("Low"), DONE],
    )
    page.wait_for_function("() => true")
    assert errors
    assert all("mine" in error for error in errors)
    page.evaluate("() => stream.abort()")


@pytest.mark.parametrize("place", ["page", "worker"])
def test_a_key_in_a_browser_is_refused_unless_allowed_on_purpose(page: Page, place: str) -> None:
    """Neither a page nor a worker sends a key, until `dangerouslyAllowBrowser` says that it may."""
    ask = """
        const ask = async (options) => {
            const { streamChat } = await import(origin + "/chat.js");
            const fetch = async () => { throw new TypeError("sent"); };
            const messages = [{ role: "user", content: "Hi" }];
            const baseURL = origin + "/api/v1";
            try {
                await streamChat({ model: "m", messages, baseURL, fetch, attempts: 1, ...options }).done;
            } catch (error) {
                return error.code;
            }
        };
        const all = async () => [
            await ask({ apiKey: "sk-or-v1-x" }),
            await ask({ apiKey: "sk-or-v1-x", dangerouslyAllowBrowser: true }),
            await ask({}),
        ];
    """
    if place == "page":
        codes = page.evaluate("async () => {" + ask + "return all(); }")
    else:
        source = ask + "all().then((codes) => postMessage(codes));"
        page.route("**/worker.js", lambda route: route.fulfill(body=source, content_type="text/javascript"))
        page.route(
            "**/blank", lambda route: route.fulfill(body="<title>blank</title>", content_type="text/html")
        )
        page.goto(page.url + "blank")
        codes = page.evaluate(
            """() => new Promise((resolve) => {
                const worker = new Worker("/worker.js", { type: "module" });
                worker.onmessage = ({ data }) => resolve(data);
            })"""
        )
    assert codes == ["config", "connect", "connect"]
