"""The format `openai` before OpenAI's own clients for Python and Node, over real sockets and from a real upstream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from browser.cutting_proxy import CuttingProxy
from browser.node_tools import node, npm_install
from relay.formats.peer_relay import FILE, IMAGE, NOTE, RESTART, TEXT, peer_relay

from sseor.relay import RefusedError

HERE = Path(__file__).parent
MODEL = "openai/gpt-5-mini"


@pytest.fixture
def port() -> Iterator[int]:
    """Serve a relay."""
    with peer_relay() as (_, port):
        yield port


def client(port: int) -> openai.OpenAI:
    """Return OpenAI's client with the relay for a base URL; it asks once."""
    return openai.OpenAI(
        base_url=f"http://127.0.0.1:{port}",
        api_key="none",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )


def asked(api: openai.OpenAI, question: str) -> Any:
    """Return a stream of chunks."""
    messages: Any = [{"role": "user", "content": question}]
    return api.chat.completions.create(model=MODEL, messages=messages, stream=True)


def completed(api: openai.OpenAI, question: str) -> tuple[Any, list[Any]]:
    """Return the completion that the client's own accumulation makes, and its events."""
    messages: Any = [{"role": "user", "content": question}]
    with api.chat.completions.stream(model=MODEL, messages=messages) as stream:
        events = list(stream)
        return stream.get_final_completion(), events


def test_text(port: int) -> None:
    """Chunks, the joined answer, reasoning, finish reason, usage and cost are what upstream sent."""
    with client(port) as api:
        chunks = list(asked(api, "text"))
        completion, events = completed(api, "text")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip() == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert (chunks[0].model, chunks[0].object) == (MODEL, "chat.completion.chunk")
    assert chunks[-1].usage.prompt_tokens == 7
    (choice,) = completion.choices
    assert choice.message.content.strip() == TEXT
    assert choice.message.reasoning == "Hm, so"
    assert choice.finish_reason == "stop"
    assert (completion.usage.prompt_tokens, completion.usage.cost) == (7, 0.25)
    assert completion.usage.completion_tokens_details.reasoning_tokens == 2
    assert [event.type for event in events].count("content.done") == 1


def test_tool_calls(port: int) -> None:
    """Both are joined by the client to what upstream sent, with ID, name and arguments once."""
    with client(port) as api:
        completion, events = completed(api, "tools")
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert [(call.id, call.type, call.function.name) for call in calls] == [
        ("call_1", "function", "tide_at"),
        ("call_2", "function", "now"),
    ]
    assert calls[0].function.arguments == '{"port":"Brest"}'
    done = [event.arguments for event in events if event.type == "tool_calls.function.arguments.done"]
    assert done == [call.function.arguments for call in calls]


def test_what_else_there_is(port: int) -> None:
    """Images, annotations, audio and refusals arrive, and a length that was reached is an error."""
    with client(port) as api:
        message = completed(api, "rich")[0].choices[0].message
        with pytest.raises(openai.LengthFinishReasonError):
            completed(api, "length")
    assert [image["image_url"]["url"] for image in message.images] == [IMAGE]
    assert message.annotations[0].url_citation.url == NOTE["url_citation"]["url"]  # type: ignore[index]
    assert message.annotations[1].file == FILE["file"]
    assert (message.refusal, message.audio.data, message.audio.transcript) == ("No.", "AAAA", "low")


@pytest.mark.parametrize(
    ("question", "code", "text"),
    [
        ("failing", "unavailable", "Low water"),
        ("cut", "cut", TEXT),
        ("refused", "unauthorized", ""),
        (RESTART, "cut", TEXT),
    ],
)
def test_a_failure_is_raised(port: int, question: str, code: str, text: str) -> None:
    """However the client reads: with the relay's code and nothing of upstream's words, behind all that came."""
    came = ""
    with client(port) as api:
        with pytest.raises(openai.APIError) as failure:
            for chunk in asked(api, question):
                came += chunk.choices[0].delta.content or ""
                assert chunk.choices[0].finish_reason is None
        if question != RESTART:  # whose second answer is whole
            with pytest.raises(openai.APIError) as joined:
                completed(api, question)
            assert joined.value.code == code
    assert came.strip() == text
    assert failure.value.code == code
    assert "CANARY" not in f"{failure.value} {failure.value.body}"


def test_a_refused_question(port: int) -> None:
    """Is an error of the client's for its status, with the relay's code."""
    with client(port) as api:
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            asked(api, "unknown")
        assert refused.value.code == "no-tides"
        with pytest.raises(openai.BadRequestError, match="say stream: true") as whole:
            messages: Any = [{"role": "user", "content": "text"}]
            api.chat.completions.create(model=MODEL, messages=messages)
        assert whole.value.code == "not_streamed"


def test_a_question_is_asked_again_while_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads the status and `Retry-After`, and succeeds once there is room."""
    with peer_relay() as (relay, port), client(port) as api:
        check, full = relay.check_room, [RefusedError("too_many")]

        def refuse_once(owner: str = "") -> None:
            if full:
                raise full.pop()
            check(owner)

        monkeypatch.setattr(relay, "check_room", refuse_once)
        completion, _ = completed(api.with_options(max_retries=1), "text")
    assert completion.choices[0].message.content.strip() == TEXT
    assert not full


def test_a_stream_that_is_stopped(port: int) -> None:
    """By the ID of its chunks: whoever reads it gets an error."""
    with client(port) as api:
        stream = asked(api, "stuck")
        first = next(stream)
        httpx.post(f"http://127.0.0.1:{port}/streams/{first.id}/stop", trust_env=False).raise_for_status()
        with pytest.raises(openai.APIError) as stopped:
            list(stream)
    assert stopped.value.code == "cancelled"


@pytest.mark.parametrize("seed", range(8))
def test_a_connection_that_is_cut(port: int, seed: int) -> None:
    """Never reads as a whole answer, wherever in the body it happens."""
    with CuttingProxy(port, cuts=1, least=1, most=1500, seed=seed) as proxy, client(proxy.port) as api:
        with pytest.raises((openai.APIError, httpx.TransportError, openai.APIConnectionError)):
            for chunk in asked(api, "slow"):
                assert chunk.choices[0].finish_reason is None
        assert proxy.cut == 1


def test_the_client_for_node(port: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each fact of the Node test file holds."""
    folder = tmp_path_factory.mktemp("openai")
    npm_install(folder, "openai@6")
    script = folder / "openai_sdk.test.mjs"
    script.write_text((HERE / "openai_sdk.test.mjs").read_text())
    with CuttingProxy(port, cuts=1000, least=1, most=1500, seed=1) as proxy:
        uncut, cut = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{proxy.port}"
        node("--test", script, cwd=folder, timeout=400, TEXT=TEXT, RELAY=uncut, CUT_RELAY=cut)
        assert proxy.cut >= 8
