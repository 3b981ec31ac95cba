"""Readers that know nothing of sseor before the endpoints of the README: the classic fetch loop, curl, EventSource."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser.chromium import chromium
from browser.cutting_proxy import CuttingProxy
from browser.node_tools import missing
from playwright.sync_api import Browser, Page
from relay.serving import Upstream, serving, until

import sseor.client.settings
from sseor.client.endpoint import endpoint
from sseor.relay import Relay
from sseor.testing import Cut, LoopbackServer, Request, Say, Silence, answer, play

__all__ = ["chromium"]

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
WORDS = (
    "Les marées",
    " de vive-eau 🌊\n",
    "reviennent:",
    " 潮の満ち引き, ",
    "مدّ وجزر",
    ' and "quotes"',
    " 👩‍👩‍👧‍👦.",
)
TEXT = "".join(WORDS)

CLASSIC = """async (prompt) => {
    const response = await fetch("/v1/stream", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ prompt }),
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    const ends = [];
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return { text, ends };
        for (const line of decoder.decode(value).split("\\n")) {
            if (!line.startsWith("data: ")) continue;
            const data = line.slice(6);
            if (data === "[DONE]") { ends.push(data); continue; }
            const { token, error } = JSON.parse(data);
            text += token;
            if (error) ends.push(error);
        }
    }
}"""
EVENT_SOURCE = """(url) => {
    window.records = [];
    window.ids = [];
    window.source = new EventSource(url);
    source.onmessage = ({ data, lastEventId }) => { records.push(JSON.parse(data)); ids.push(lastEventId); };
}"""


PLAYS = {
    "whole": play(*answer(*WORDS)),
    "cut": play(Say("Low", " water"), Cut()),
    "silent": play(Say("Low"), Silence()),
}


@pytest.fixture
def upstream() -> Iterator[LoopbackServer]:
    """Return what plays OpenRouter; the question says how."""
    with LoopbackServer(lambda exchange: PLAYS[question_of(exchange.request)](exchange)) as server:
        yield server


def question_of(request: Request) -> str:
    """Return the last message of a request to OpenRouter."""
    return str(request.json()["messages"][-1]["content"])


@pytest.fixture
def port(upstream: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return where the FastAPI application of the README listens, which asks the loopback server."""

    def at_home(**options: Any) -> Any:
        return endpoint(**{**options, "base_url": upstream.base_url})

    monkeypatch.setattr(sseor.client.settings, "endpoint", at_home)
    (block,) = [block for block in BLOCKS if "/v1/stream" in block]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README", "exec"), names)
    names["app"].router.on_shutdown.append(names["client"].aclose)
    with serving(names["app"], lifespan="on") as listening:
        yield listening


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return an empty page, of whatever origin a test goes to at `/blank`."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.route("**/blank", lambda route: route.fulfill(body="<title>blank</title>", content_type="text/html"))
    yield page
    context.close()


def test_the_classic_reader_reads_the_endpoint(page: Page, port: int) -> None:
    """Cutting at line ends and decoding piece by piece, it gets the text and the mark; and an error instead of one."""
    page.goto(f"http://127.0.0.1:{port}/blank")
    assert page.evaluate(CLASSIC, "whole") == {"text": TEXT, "ends": ["[DONE]"]}
    assert page.evaluate(CLASSIC, "cut") == {"text": "Low water", "ends": ["cut"]}


def test_the_endpoint_keeps_to_its_contract(port: int) -> None:
    """A body that is no question is refused by FastAPI as ever; the events are those of the well-known one."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.post("/v1/stream", json={}).status_code == 422
        assert client.get("/v1/stream", params={"prompt": "x"}).status_code == 405
        response = client.post("/v1/stream", json={"prompt": "whole"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    data = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: ")]
    assert data.pop() == "[DONE]"
    assert "".join(json.loads(line)["token"] for line in data) == TEXT
    assert {tuple(json.loads(line)) for line in data} == {("token",)}


def test_curl_shows_each_piece_as_it_comes(port: int, upstream: LoopbackServer) -> None:
    """With -N the first bytes are there while the provider is silent; when curl goes, the provider is let go."""
    if shutil.which("curl") is None:
        missing("curl")
    command = ["curl", "-sN", "-H", "Content-Type: application/json", "-d", '{"prompt":"silent"}']
    with subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}/v1/stream"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as curl:
        assert curl.stdout is not None
        assert [curl.stdout.readline() for _ in range(4)] == [
            b": sseor\n",
            b"\n",
            b'data: {"token": "Low"}\n',
            b"\n",
        ]
        assert not upstream.wait_idle(0)
        curl.terminate()
    assert upstream.wait_idle(20)


def test_an_event_source_reads_an_attached_stream_over_cut_connections(page: Page) -> None:
    """It comes back by itself with the last event ID, gets each record once, and is told at the end to stay away."""
    source = Upstream()
    application = Relay(smoothing=None).asgi(lambda question: source, allow_anonymous=True)
    with serving(application) as port, CuttingProxy(port, cuts=3, least=200, most=400, seed=2) as proxy:
        origin = f"http://127.0.0.1:{proxy.port}"
        page.goto(f"{origin}/blank")
        path = page.evaluate(
            """async () => {
                const abort = new AbortController();
                const request = { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } };
                const response = await fetch("/streams", { ...request, signal: abort.signal });
                abort.abort();
                return response.headers.get("location");
            }"""
        )
        page.evaluate(EVENT_SOURCE, path)
        for word in WORDS * 5:
            source.say(word)
        source.end()
        page.wait_for_function("() => source.readyState === EventSource.CLOSED")
        records, ids = page.evaluate("() => [records, ids]")
    assert "".join(record.get("text", "") for record in records) == TEXT * 5
    assert [record["type"] for record in records[-2:]] == ["finish", "done"]
    assert [int(one.partition(".")[2]) for one in ids] == list(range(1, len(WORDS) * 5 + 3))
    assert proxy.cut == 3
    until(lambda: source.closed)
