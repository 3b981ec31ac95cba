"""One suite for three shells: what a reader of a stream gets, on threads, asyncio and trio."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import pytest
from pytest_httpserver import HTTPServer
from shells import KEY, SHELLS, in_time, read

import sseor
from sseor.errors import (
    ConfigError,
    ConnectError,
    ConnectTimeoutError,
    EndedEarlyError,
    MisuseError,
    StatusError,
)
from sseor.testing import (
    Act,
    Call,
    Cut,
    Done,
    Finish,
    Heartbeats,
    LoopbackServer,
    Reset,
    Role,
    Say,
    Status,
    Think,
    Usage,
    answer,
    in_turn,
    play,
)

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open"), pytest.mark.parametrize("shell", SHELLS)]

WHOLE: tuple[Act, ...] = (Role(), Think("Hm", "…"), *answer("Low", " water"))


def test_events_in_order(shell: str) -> None:
    """A heartbeat, reasoning, text, finish and usage come as typed events; the completion is whole."""
    with LoopbackServer(play(Heartbeats(0.02, every=0.01), *WHOLE)) as server:
        outcome = read(shell, server.base_url)
        assert server.wait_idle(5)
        request = server.requests[0]
    assert outcome.error is None
    kinds = [type(item).__name__ for item in outcome.items]
    assert kinds == ["Heartbeat"] * 2 + ["Reasoning"] * 2 + ["Text"] * 2 + ["Finished", "UsageReport"]
    completion = outcome.completion
    assert completion is not None
    assert (completion.text, completion.reasoning, completion.finish_reason) == ("Low water", "Hm…", "stop")
    assert completion.verdict is not None
    assert completion.verdict.complete
    assert completion.verdict.clean_end
    assert completion.timeline.ttft_ms is not None
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json()["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("lens", "seen"),
    [
        (lambda stream: stream.text, ["Low", " water"]),
        (lambda stream: stream.reasoning, ["Hm", "…"]),
        (lambda stream: stream.text.of(1), []),
    ],
)
def test_a_lens_leaves_the_rest_out(shell: str, lens: Any, seen: list[str]) -> None:
    """Each lens gives its own view, of choice 0 unless asked otherwise."""
    with LoopbackServer(play(*WHOLE)) as server:
        assert read(shell, server.base_url, lens=lens).items == seen


def test_the_lens_of_tool_calls(shell: str) -> None:
    """A tool call comes once, when it is whole."""
    acts = (Role(), Call("tide", '{"port":', '"Brest"}'), Finish("tool_calls"), Usage(), Done())
    with LoopbackServer(play(*acts)) as server:
        (call,) = read(shell, server.base_url, lens=lambda stream: stream.tool_calls).items
    assert (call.name, call.parsed, call.complete) == ("tide", {"port": "Brest"}, True)


def test_the_lens_of_chunks(shell: str) -> None:
    """Chunks are OpenAI-shaped, with the object the provider sent behind them."""
    with LoopbackServer(play(*answer("Low"))) as server:
        outcome = read(shell, server.base_url, lens=lambda stream: stream.chunks)
    assert "Low" in [chunk.choices[0].delta.content for chunk in outcome.items]
    assert outcome.items[-1].usage.completion_tokens == 1
    assert outcome.items[0].raw["object"] == "chat.completion.chunk"


def test_the_connection_is_used_again(shell: str) -> None:
    """After [DONE] and the end of the body the next stream of the client goes over the same connection."""
    import anyio

    def twice() -> None:
        with sseor.Client(api_key=KEY, base_url=server.base_url) as client:
            for _ in range(2):
                with client.stream(model="m", messages=[{"role": "user", "content": "Hello"}]) as stream:
                    assert "".join(stream.text) == "Low water"

    async def twice_async() -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url) as client:
            for _ in range(2):
                async with client.stream(
                    model="m", messages=[{"role": "user", "content": "Hello"}]
                ) as stream:
                    assert "".join([text async for text in stream.text]) == "Low water"

    with LoopbackServer(play(*answer("Low", " water"))) as server:
        twice() if shell == "threads" else anyio.run(twice_async, backend=shell)
        assert server.wait_idle(5)
        assert len({request.connection.number for request in server.requests}) == 1


@pytest.mark.parametrize("end", [Cut(), Reset()])
def test_a_cut_keeps_what_came(shell: str, end: Any) -> None:
    """A cut after text raises with its partial; nothing is sent again."""
    with LoopbackServer(play(Role(), Say("Low", " wa"), end)) as server:
        outcome = read(shell, server.base_url, retries=sseor.RetryPolicy(attempts=3))
        assert server.wait_idle(5)
        assert len(server.requests) == 1
    assert isinstance(outcome.error, sseor.errors.ConnectionLostError)
    assert outcome.error.partial is not None
    assert outcome.error.partial.text == outcome.text == "Low wa"


def test_an_end_without_a_finish_reason(shell: str) -> None:
    """A body that ends cleanly without a finish reason is an error with its partial."""
    with LoopbackServer(play(Role(), Say("Low"))) as server:
        outcome = read(shell, server.base_url)
    assert isinstance(outcome.error, EndedEarlyError)
    assert outcome.text == "Low"


def test_a_retry_is_announced(shell: str) -> None:
    """A transient refusal is tried again, and the wait is an event."""
    responds = in_turn(
        play(Status(503, {"error": {"code": 503}}, {"Retry-After": "0"})), play(*answer("Low"))
    )
    with LoopbackServer(responds) as server:
        outcome = read(shell, server.base_url, retries=sseor.RetryPolicy(attempts=2))
        assert server.wait_idle(5)
    assert outcome.error is None
    (notice,) = outcome.of(sseor.Retrying)
    assert isinstance(notice.cause, StatusError)
    assert notice.wait == 0


def test_nobody_listens(shell: str) -> None:
    """A refused connection is a ConnectError that may be tried again."""
    with LoopbackServer() as server:
        base_url = server.base_url
    outcome = read(shell, base_url)
    assert isinstance(outcome.error, ConnectError)
    assert outcome.error.retryable


def test_a_connection_that_is_never_made(shell: str) -> None:
    """A peer whose backlog is full answers no SYN; `connect` ends that."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        base_url = f"http://127.0.0.1:{address[1]}/v1"
        limits = sseor.Timeouts(connect=0.2)
        outcome = in_time(lambda: read(shell, base_url, timeouts=limits), lambda seen: seen.elapsed < 0.8)
        for filler in fillers:
            filler.close()
    assert isinstance(outcome.error, ConnectTimeoutError)
    assert 0.2 <= outcome.elapsed < 0.8


def test_an_http_server_that_we_did_not_write(shell: str, httpserver: HTTPServer) -> None:
    """A happy path on pytest-httpserver."""
    chunk = (
        b'data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"Low"},"finish_reason":"stop"}]}\n\n'
    )
    httpserver.expect_request("/api/v1/chat/completions", method="POST").respond_with_data(
        chunk + b"data: [DONE]\n\n", content_type="text/event-stream"
    )
    outcome = read(shell, httpserver.url_for("/api/v1"))
    assert outcome.error is None
    assert outcome.text == "Low"


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_that_the_caller_brings(shell: str, library: Any) -> None:
    """A client of httpx or httpx2 gives the same result and is left open."""
    import anyio

    async def read_async() -> list[str]:
        async with library.AsyncClient() as http:
            async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url, http_client=http) as client:
                async with client.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream:
                    texts = [text async for text in stream.text]
            assert not http.is_closed
        return texts

    with LoopbackServer(play(*answer("Low", " water"))) as server:
        if shell == "threads":
            with library.Client() as http:
                with sseor.Client(api_key=KEY, base_url=server.base_url, http_client=http) as client:
                    with client.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream:
                        texts = list(stream.text)
                assert not http.is_closed
        else:
            texts = anyio.run(read_async, backend=shell)
    assert texts == ["Low", " water"]


def test_a_second_reader_is_a_mistake(shell: str) -> None:
    """A stream is read once: a second lens raises and the first goes on."""

    def second(_: Any) -> None:
        with pytest.raises(MisuseError, match="read once"):
            (iter if shell == "threads" else aiter)(streams[0].reasoning)

    streams: list[Any] = []

    def first(stream: Any) -> Any:
        streams.append(stream)
        return stream.text

    with LoopbackServer(play(*answer("Low", " water"))) as server:
        outcome = read(shell, server.base_url, lens=first, on_item=second)
    assert outcome.items == ["Low", " water"]


def test_arguments_are_checked_at_once(shell: str) -> None:
    """A wrong argument raises before any request is made."""
    client = sseor.Client if shell == "threads" else sseor.AsyncClient
    with LoopbackServer() as server:
        with pytest.raises(ConfigError):
            read(shell, server.base_url, parameters={"temprature": 1})
        for wrong in (
            {"timeouts": 5},
            {"retries": 3},
            {"max_event_bytes": 0},
            {"max_event_bytes": True},
            {"complete_when": "eof"},
            {"http_client": object()},
        ):
            with pytest.raises(ConfigError):
                client(api_key=KEY, base_url=server.base_url, **wrong)
        assert server.requests == []
