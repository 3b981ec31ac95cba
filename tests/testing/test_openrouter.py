"""`sseor.testing.openrouter`: the default answers are OpenRouter's."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from typing import Any

import pytest

from sseor.testing import LoopbackServer, OpenRouter

CHAT = "/api/v1/chat/completions"


def quick() -> OpenRouter:
    """Return a model that thinks for a quarter of a second and speaks at once."""
    return OpenRouter(thinking=0.25, cadence=0.1, pace=0.0)


def ask(
    server: LoopbackServer, body: object, path: str = CHAT, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """POST a body (JSON unless it is text), or GET where it is None; return the response and its body."""
    client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=10)
    with contextlib.closing(client):
        data = body if isinstance(body, str) else json.dumps(body)
        client.request("GET" if body is None else "POST", path, data, headers)
        response = client.getresponse()
        return response, response.read()


def question(text: object, **fields: object) -> dict[str, Any]:
    """Return a request's body with one message."""
    return {"messages": [{"role": "user", "content": text}], **fields}


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a body."""
    return [json.loads(event[6:]) for event in body.split(b"\n\n") if event.startswith(b"data: {")]


def text_of(chunks: list[dict[str, Any]], name: str = "content") -> str:
    """Return the pieces of one field of the deltas, joined."""
    return "".join(chunk["choices"][0]["delta"].get(name) or "" for chunk in chunks)


def test_a_stream_is_like_the_real_one() -> None:
    """Comments, a role, reasoning, text, a finish, usage that repeats it, `[DONE]`: in this order."""
    with LoopbackServer(quick()) as server:
        response, body = ask(server, question("When is low water?", stream=True))
    assert response.getheader("Content-Type") == "text/event-stream"
    assert body.startswith(b": OPENROUTER PROCESSING\n\n" * 3 + b"data: {")
    assert body.endswith(b"\n\ndata: [DONE]\n\n")
    chunks = chunks_of(body)
    assert {chunk["id"] for chunk in chunks} == {response.getheader("X-Generation-Id")}
    assert {chunk["model"] for chunk in chunks} == {"sseor/demo"}
    assert chunks[0]["choices"][0]["delta"] == {"content": "", "role": "assistant"}
    assert "stand-in" in text_of(chunks, "reasoning")
    assert "You asked: “When is low water?”" in text_of(chunks)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-3:]] == [None, "stop", "stop"]
    usage = chunks[-1]["usage"]
    assert usage["prompt_tokens"] == 4
    assert usage["completion_tokens"] == len(chunks) - 3
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    assert usage["cost"] > 0


def test_the_same_answer_in_one_piece() -> None:
    """Without `stream` the whole completion comes as JSON, with the same text and usage."""
    with LoopbackServer(quick()) as server:
        _, streamed = ask(server, question("Why?", stream=True, model="a/b"))
        response, body = ask(server, question("Why?", model="a/b"))
    chunks, whole = chunks_of(streamed), json.loads(body)
    assert response.getheader("Content-Type") == "application/json"
    assert response.getheader("X-Generation-Id") == whole["id"]
    assert whole["model"] == "a/b"
    assert whole["choices"][0]["message"]["content"] == text_of(chunks)
    assert whole["choices"][0]["message"]["reasoning"] == text_of(chunks, "reasoning")
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"] == chunks[-1]["usage"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("limit", "name"), [(3, "max_tokens"), (25, "max_completion_tokens")])
def test_the_limit_of_tokens_is_kept(limit: int, name: str, stream: bool) -> None:
    """A limit ends the answer with `length` after so many tokens, reasoning included."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0)) as server:
        _, body = ask(server, question("Why?", stream=stream, **{name: limit}))
    last = chunks_of(body)[-1] if stream else json.loads(body)
    assert last["usage"]["completion_tokens"] == limit
    assert last["choices"][0]["finish_reason"] == "length"


def test_any_text_and_any_limit_is_answered() -> None:
    """Half a surrogate pair is quoted as it came, and a limit that is none is no limit."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0)) as server:
        for stream in (True, False):
            response, body = ask(server, question("\ud83e", stream=stream, max_tokens=-1))
            assert response.status == 200
            assert b"\\ud83e" in body


def test_the_last_question_counts() -> None:
    """The answer quotes the user's last message, the text parts of it, and shortens a long one."""
    parts = [{"type": "text", "text": "first"}, {"type": "image_url"}, {"type": "text", "text": "second"}]
    messages = [{"role": "user", "content": "earlier"}, *question(parts)["messages"]]
    with LoopbackServer(OpenRouter(thinking=0, pace=0)) as server:
        _, in_parts = ask(server, {"messages": [*messages, {"role": "assistant", "content": "x"}]})
        _, long = ask(server, question("many words " * 200))
        _, empty = ask(server, question(" "))
    assert json.loads(in_parts)["choices"][0]["message"]["content"].startswith("You asked: “first second”")
    assert len(json.loads(long)["choices"][0]["message"]["content"].splitlines()[0]) < 230
    assert json.loads(empty)["choices"][0]["message"]["content"].startswith("You asked nothing")


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"messages": 5}', '{"messages": [{}]}', '{"messages": ["x"]}']
)
def test_a_body_without_messages_is_refused(body: str) -> None:
    """What holds no messages is answered by 400 in OpenRouter's shape."""
    with LoopbackServer() as server:
        response, answer = ask(server, body)
    assert response.status == 400
    assert json.loads(answer)["error"]["code"] == 400


def test_other_routes_are_not_found() -> None:
    """Any other path or method is answered by 404 in OpenRouter's shape."""
    with LoopbackServer() as server:
        routes: list[tuple[object, str]] = [
            ({}, "/"),
            ({}, "/api/v1/generation"),
            (None, "/api/v1/chat/completions"),
        ]
        for body, path in routes:
            response, answer = ask(server, body, path)
            assert response.status == 404
            assert json.loads(answer)["error"]["code"] == 404


def test_a_key_is_checked_when_there_is_one() -> None:
    """With `api_key` a missing and a wrong key are answered by 401 as by OpenRouter."""
    with LoopbackServer(OpenRouter(api_key="right", thinking=0, pace=0)) as server:
        missing, why_missing = ask(server, question("x"))
        wrong, why_wrong = ask(server, question("x"), Authorization="Bearer wrong")
        right, _ = ask(server, question("x"), Authorization="Bearer right")
    assert (missing.status, wrong.status, right.status) == (401, 401, 200)
    assert json.loads(why_missing) == {"error": {"code": 401, "message": "No cookie auth credentials found"}}
    assert json.loads(why_wrong) == {"error": {"code": 401, "message": "User not found."}}


def test_a_generation_is_on_record() -> None:
    """`GET /generation` tells the cost of an answer that was given, and 404 of any other."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0)) as server:
        response, body = ask(server, question("x"))
        found, record = ask(server, None, f"/api/v1/generation?id={response.getheader('X-Generation-Id')}")
        missing, _ = ask(server, None, "/api/v1/generation?id=gen-0")
        unnamed, _ = ask(server, None, "/api/v1/generation")
    assert (found.status, missing.status, unnamed.status) == (200, 404, 404)
    data = json.loads(record)["data"]
    assert data["total_cost"] == json.loads(body)["usage"]["cost"]
    assert (data["finish_reason"], data["cancelled"], data["streamed"]) == ("stop", False, False)


def test_a_record_appears_later() -> None:
    """With `recorded_after` the generation is not found for that time, and then it is."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0, recorded_after=0.3)) as server:
        response, _ = ask(server, question("x"))
        ended = time.monotonic()
        route = f"/api/v1/generation?id={response.getheader('X-Generation-Id')}"
        early, _ = ask(server, None, route)
        while ask(server, None, route)[0].status == 404:
            time.sleep(0.02)
        waited = time.monotonic() - ended
    assert early.status == 404
    assert waited > 0.2


def test_a_client_that_leaves_ends_the_generation() -> None:
    """Leaving early stops the text at once, and the record says that it was cancelled."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0.05)) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=10)
        client.request("POST", CHAT, json.dumps(question("x", stream=True)))
        response = client.getresponse()
        response.read(2000)
        response.close()
        client.close()
        assert server.wait_idle(5)
        _, record = ask(server, None, f"/api/v1/generation?id={response.getheader('X-Generation-Id')}")
    data = json.loads(record)["data"]
    assert (data["cancelled"], data["finish_reason"], data["streamed"]) == (True, None, True)
    assert 0 < data["native_tokens_completion"] < 100


def begun_with(text: str) -> dict[str, Any]:
    """Return a request's body that ends with a part of the answer."""
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": text}]
    return {"messages": messages, "stream": True}


def test_an_answer_that_has_begun_goes_on_from_there() -> None:
    """A part of the answer at the end of the conversation is continued, without another thought; other text is not."""
    with LoopbackServer(quick()) as server:
        whole = text_of(chunks_of(ask(server, question("Why?", stream=True))[1]))
        rest = chunks_of(ask(server, begun_with(whole[:100]))[1])
        other = chunks_of(ask(server, begun_with("Nothing of the kind"))[1])
    assert whole[:100] + text_of(rest) == whole
    assert text_of(rest, "reasoning") == ""
    assert text_of(other) == whole


def test_a_connection_that_is_lost_once() -> None:
    """With `cut_after` an answer is cut off after so many pieces, and its record tells; its continuation is not."""
    with LoopbackServer(OpenRouter(thinking=0, pace=0, cut_after=5)) as server:
        client = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=10)
        with contextlib.closing(client):
            client.request("POST", CHAT, json.dumps(question("Why?", stream=True)))
            response = client.getresponse()
            with pytest.raises(http.client.IncompleteRead) as cut:
                response.read()
        came = chunks_of(cut.value.partial)
        rest = chunks_of(ask(server, begun_with(text_of(came)))[1])
        _, record = ask(server, None, f"/api/v1/generation?id={response.getheader('X-Generation-Id')}")
    assert sum(bool(chunk["choices"][0]["delta"].get("content")) for chunk in came) == 5
    assert rest[-1]["choices"][0]["finish_reason"] == "stop"
    assert (text_of(came) + text_of(rest)).startswith("You asked: “Why?”")
    assert json.loads(record)["data"]["finish_reason"] is None
