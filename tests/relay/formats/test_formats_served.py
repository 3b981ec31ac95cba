"""Formats as the relay and its ASGI application serve them: routes, headers, refusals, and ends that are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from relay.asking import Source, asked, asking, whole

from sseor.chat import Reasoning, Restarted, Text
from sseor.errors import CutShortError
from sseor.relay import HEADERS, Application, Limits, MemoryLog, Question, RefusedError, Relay
from sseor.relay.codes import MEANINGS, meaning_of

pytestmark = pytest.mark.anyio

CHAT = "/chat/completions"
ASKING = b'{"model":"openai/gpt-5-mini","messages":[],"stream":true}'


def relaying(*sources: Any, relay: Relay | None = None) -> tuple[Application, list[Mapping[str, Any]]]:
    """Return an application that answers with one source after the other, and the bodies that it is asked with."""
    left, bodies = list(sources), []

    def answer(question: Question) -> Any:
        bodies.append(question.body)
        return left.pop(0)

    return (relay or Relay(smoothing=None)).asgi(answer, allow_anonymous=True), bodies


def objects(data: str) -> list[Any]:
    """Return the objects of an event stream."""
    found = [line.removeprefix("data: ") for line in data.split("\n") if line.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in found]


async def test_a_client_of_openai_asks_and_is_answered() -> None:
    """The body is the application's own; the answer is chunks that bear the stream's ID and the model asked for."""
    app, bodies = relaying(whole("Low", " water"))
    reply = await asked(app, "POST", CHAT, body=ASKING)
    assert bodies == [json.loads(ASKING)]
    *chunks, mark = objects(reply.body.decode())
    assert mark == "[DONE]"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Low water"
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {(reply.stream, "openai/gpt-5-mini")}
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    again = await asked(app, "GET", f"/streams/{reply.stream}", query="format=openai")
    assert [chunk["model"] for chunk in objects(again.body.decode())[:-1]] == ["sseor"] * len(chunks)


@pytest.mark.parametrize(
    ("method", "headers", "body", "status", "code"),
    [
        ("POST", {}, b'{"messages":[]}', 400, "not_streamed"),
        ("POST", {}, b'{"messages":[],"stream":1}', 400, "not_streamed"),
        ("POST", {}, b"[]", 400, "bad_request"),
        ("POST", {"content-type": "text/plain"}, ASKING, 415, "unsupported_media_type"),
        ("GET", {}, b"", 405, "method_not_allowed"),
        ("POST", {}, ASKING, 402, "no-tides"),
    ],
)
async def test_a_client_of_openai_is_refused(
    method: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    """In the shape that it knows, with the relay's code."""

    def refuse(question: Question) -> Any:
        raise RefusedError("no-tides", 402)

    app = Relay().asgi(refuse, allow_anonymous=True)
    reply = await asked(app, method, CHAT, headers, body=body)
    assert (reply.status, reply.code) == (status, code)
    error = json.loads(reply.body)["error"]
    assert (error["message"], error["type"], error["param"]) == (
        meaning_of(code),
        "invalid_request_error",
        None,
    )


async def test_too_many_questions_of_a_client_of_openai() -> None:
    """It is told when to ask again, as it does by itself."""
    app, _ = relaying(Source(), relay=Relay(limits=Limits(streams=1)))
    async with asking(app, body=b"{}") as reply:
        await reply.until(lambda one: one.body)
        refused = await asked(app, "POST", CHAT, body=ASKING)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "too_many", "2")


async def test_a_question_sent_twice_is_one_stream_in_its_own_words() -> None:
    """The second answer is the first one's, for the model that the second request names."""
    app, bodies = relaying(whole("Low"))
    key = {"idempotency-key": "0123456789abcdef"}
    first = await asked(app, "POST", CHAT, key, body=ASKING)
    second = await asked(app, "POST", CHAT, key, body=ASKING.replace(b"gpt-5-mini", b"gpt-5"))
    assert first.stream == second.stream
    assert len(bodies) == 1
    assert objects(second.body.decode())[0]["model"] == "openai/gpt-5"


async def test_a_question_sent_twice_without_room() -> None:
    """Is refused, although its stream is there, and begins no other."""
    app, bodies = relaying(Source(), relay=Relay(limits=Limits(viewers=1)))
    key = {"idempotency-key": "0123456789abcdef"}
    async with asking(app, headers=key) as reply:
        await reply.until(lambda one: one.body)
        assert (await asked(app, headers=key)).code == "too_many"
    assert len(bodies) == 1


async def test_a_client_of_the_ai_sdk_comes_back() -> None:
    """To a stream from its beginning, whatever ID it gives, also when that has ended; to none with 204."""
    app, _ = relaying(whole("Low", " water"))
    reply = await asked(app, query="format=ai-sdk")
    assert reply.headers["x-vercel-ai-ui-message-stream"] == "v1"
    path = f"/streams/{reply.stream}"
    again = await asked(app, "GET", path, {"last-event-id": "nonsense"}, query="format=ai-sdk")
    assert again.body == reply.body
    assert objects(again.body.decode())[0] == {"type": "start", "messageId": reply.stream}
    head = await asked(app, "HEAD", path, query="format=ai-sdk")
    assert (head.status, head.headers["x-vercel-ai-ui-message-stream"]) == (200, "v1")
    for method in ("GET", "HEAD"):
        nothing = await asked(app, method, "/streams/", query="format=ai-sdk")
        assert (nothing.status, nothing.body) == (204, b"")
    gone = await asked(app, "GET", f"/streams/{'x' * 32}", query="format=ai-sdk")
    assert (gone.status, gone.code) == (404, "not_found")


async def test_a_restart_is_an_error_and_then_a_new_beginning() -> None:
    """For whoever had some of it; who comes back, or comes late, gets what follows the restart and no more."""
    source = Source(Reasoning("Hm"), Text("Low"))
    app, _ = relaying(source)
    async with asking(app, query="format=ai-sdk") as reply:
        await reply.until(lambda one: b"Low" in one.body)
        source.give(Restarted(2, CutShortError("CANARY")), Text("High"))
        await reply.until(lambda one: one.ended)
        assert objects(reply.body.decode())[-1] == {"type": "error", "errorText": "cut"}
        async with asking(app, "GET", f"/streams/{reply.stream}", query="format=ai-sdk") as again:
            await again.until(lambda one: b"High" in one.body)
            source.end()
            await again.until(lambda one: one.ended)
    types = [event if event == "[DONE]" else event["type"] for event in objects(again.body.decode())]
    assert types == [
        *("start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish", "[DONE]"),
    ]
    assert b"CANARY" not in reply.body + again.body


@pytest.mark.parametrize("format_name", ["token", "openai", "ai-sdk"])
@pytest.mark.parametrize("how", ["cut", "drop", "close"])
async def test_a_viewer_that_is_cut_off_is_told(format_name: str, how: str) -> None:
    """Whoever ends it: where the body's end alone would look like the answer's, its last event is an error."""
    log = MemoryLog()
    relay = Relay(log=log, smoothing=None)
    stream = await relay.start(Source(Text("Low")))
    viewer = await relay.attach(stream, format=format_name)
    data = await anext(viewer) + await anext(viewer)
    tail = viewer.tail
    async with anyio.create_task_group() as group:

        async def read_on() -> None:
            nonlocal data
            data += b"".join([part async for part in viewer])

        group.start_soon(read_on)
        await anyio.wait_all_tasks_blocked()
        if how == "cut":
            tail.cut()
        elif how == "drop":
            viewer.drop()
        else:
            await relay.aclose()
    assert b"interrupted" in data.rpartition(b"data: ")[2]
    assert b"DONE" not in data
    await relay.aclose()


async def test_a_viewer_that_is_let_go_before_the_end_it_could_have_had() -> None:
    """Is told as well: what it had is not the answer, although that is whole."""
    relay = Relay(smoothing=None)
    viewer = await relay.attach(await relay.start(whole("Low")), format="openai")
    await anext(viewer)
    with anyio.fail_after(10):
        while not viewer.tail.ended:
            await anyio.sleep(0.005)
    viewer.drop()
    assert b"interrupted" in b"".join([part async for part in viewer])
    await relay.aclose()


async def test_a_viewer_that_has_all_is_not_cut_off() -> None:
    """Dropped behind the end of its answer it gets no error."""
    relay = Relay(smoothing=None)
    viewer = await relay.attach(await relay.start(whole("Low")), format="openai")
    data = b""
    while b"DONE" not in data:
        data += await anext(viewer)
    viewer.drop()
    assert [part async for part in viewer] == []
    await relay.aclose()


async def test_nothing_stays_of_what_viewers_shared() -> None:
    """Once nobody looks: a log that keeps many streams keeps their records, and not what was made of them."""
    relay = Relay(smoothing=None)
    stream = await relay.start(whole("Low"))
    viewers = [await relay.attach(stream, format="openai") for _ in range(2)]
    tail = viewers[0].tail
    for viewer in viewers:
        assert b"DONE" in b"".join([part async for part in viewer])
        assert bool(tail.encoded) is (viewer is viewers[0])
    await relay.aclose()


async def test_forwarding_in_a_format() -> None:
    """The headers are there before anything is read, and the question is repeated."""
    relay = Relay(smoothing=None)
    forwarding = relay.forward(whole("Low"), format="openai", question={"model": "m"})
    assert forwarding.headers == HEADERS
    data = b"".join([part async for part in forwarding]).decode()
    assert {chunk["model"] for chunk in objects(data)[:-1]} == {"m"}
    header = relay.forward(Source(), format="ai-sdk").headers["X-Vercel-AI-UI-Message-Stream"]
    assert header == "v1"
    with pytest.raises(RefusedError):
        relay.forward(Source(), format="xml")
    await relay.aclose()


def test_each_code_has_a_meaning() -> None:
    """One line that says nothing of upstream, and a place on the page; an application's own stands for itself."""
    page = (Path(__file__).parent.parent.parent.parent / "docs" / "relay.md").read_text()
    assert [code for code in MEANINGS if f"| `{code}` |" not in page] == []
    assert all(meaning and meaning.isprintable() for meaning in MEANINGS.values())
    assert meaning_of("cut") == "the answer was cut short"
    assert meaning_of("no-tides") == "no-tides"
