"""Exchanges for threads: a client that the caller brings, and errors that are nobody's network."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import httpx2
import httpx_aiohttp
import pytest
from faults import (
    Respond,
    after_a_token,
    before_the_first_token,
    before_the_head,
    chunk_header,
    comments,
    serve,
    silence,
)
from shells import LATE, PROMPT, Outcome, in_time, read, within

import sseor
from sseor.client.async_exchange import AsyncExchange
from sseor.client.endpoint import endpoint
from sseor.client.exchange import Exchange
from sseor.client.link import Link
from sseor.errors import ConnectionLostError, SseorError, StallError, StatusError
from sseor.stream import Expired, Open
from sseor.testing import Role, Say, Status, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

LIMIT = 0.3


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    ("respond", "phase"),
    [
        (before_the_head(silence), "headers"),
        (before_the_first_token(comments), "first_token"),
        (before_the_first_token(chunk_header), "first_token"),
        (after_a_token(silence), "streaming"),
        (after_a_token(chunk_header), "streaming"),
    ],
)
def test_deadlines_with_a_client_of_the_callers(library: Any, respond: Any, phase: str) -> None:
    """A watching thread shuts the caller's socket down in time, in every phase."""
    with serve(respond) as server, library.Client(timeout=60) as http:
        options: dict[str, Any] = {
            "timeouts": sseor.Timeouts(first_token=LIMIT, stall=LIMIT),
            "http_client": http,
        }
        outcome = in_time(lambda: read("threads", server.base_url, **options), within(LIMIT, phase))
        assert server.wait_idle(5)
    assert isinstance(outcome.error, StallError)
    assert LIMIT <= outcome.error.waited <= LIMIT + LATE


def test_an_expiry_that_shows_late() -> None:
    """A transport without a socket cannot be woken: when its read returns after the deadline, that is an expiry."""

    class Slow(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            time.sleep(0.2)
            yield b"data: late\n\n"

    respond = httpx.MockTransport(lambda request: httpx.Response(200, stream=Slow()))
    with httpx.Client(transport=respond) as http:
        exchange = Exchange(Link.for_threads(endpoint(api_key=None, base_url="http://127.0.0.1:9"), http))
        exchange.open(Open(b"{}", None, time.monotonic() + 60))
        with pytest.raises(Expired):
            exchange.read(time.monotonic() + 0.05)
        exchange.close()


@pytest.mark.parametrize("shell", ["threads", "asyncio"])
def test_a_defect_of_a_callers_transport_passes_unchanged(shell: str) -> None:
    """What is not a failure of the network is not dressed up as one."""

    def respond(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    transport = httpx.MockTransport(respond)
    http: Any = (httpx.Client if shell == "threads" else httpx.AsyncClient)(transport=transport)
    with pytest.raises(ZeroDivisionError):
        read(shell, "http://127.0.0.1:9/v1", http_client=http)


@pytest.mark.parametrize("shell", ["threads", "asyncio", "trio"])
def test_a_mock_transport_gives_an_answer(shell: str) -> None:
    """Users may test with a mock transport of httpx, whose body is no generator."""
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"Low"},"finish_reason":"stop"}]}\n\n'
    headers = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers=headers, content=chunk))
    http: Any = (httpx.Client if shell == "threads" else httpx.AsyncClient)(transport=transport)
    assert read(shell, "http://127.0.0.1:9/v1", http_client=http).text == "Low"


@pytest.mark.parametrize(
    ("respond", "kind", "text"),
    [
        (play(*answer("Low", " water")), None, "Low water"),
        (after_a_token(comments), StallError, "Low"),
        (play(Status(429, {"error": {"code": 429, "message": "slow down"}})), StatusError, ""),
    ],
)
def test_the_transport_of_aiohttp(respond: Any, kind: type[SseorError] | None, text: str) -> None:
    """A client of httpx over aiohttp gives the same results and errors."""

    seen = over_aiohttp(respond, stall=LIMIT)
    assert seen.text == text
    assert type(seen.error) is (type(None) if kind is None else kind)


def test_a_cut_over_aiohttp() -> None:
    """A lost connection is told as one; aiohttp drops what it still holds then, so the cut waits for the reader."""
    has_read = threading.Event()

    def respond(exchange: Any) -> None:
        play(Role(), Say("Low"))(exchange)
        has_read.wait(10)
        exchange.cut()

    seen = over_aiohttp(respond, stall=20, on_item=lambda item: has_read.set())
    assert seen.text == "Low"
    assert type(seen.error) is ConnectionLostError


def over_aiohttp(
    respond: Respond, stall: float, on_item: Callable[[Any], None] = lambda item: None
) -> Outcome:
    """Read one stream through a client of httpx over aiohttp."""
    outcome = Outcome()

    async def main(base_url: str) -> None:
        async with httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport()) as http:
            client = sseor.AsyncClient(
                base_url=base_url,
                timeouts=sseor.Timeouts(stall=stall),
                retries=sseor.RetryPolicy(attempts=1),
                http_client=http,
            )
            try:
                async with client.stream(model="m", messages=PROMPT) as stream:
                    async for piece in stream.text:
                        outcome.items.append(piece)
                        on_item(piece)
            except SseorError as error:
                outcome.error = error

    with serve(respond) as server:
        asyncio.run(main(server.base_url))
    return outcome


def test_a_response_that_comes_with_the_expiry_is_closed() -> None:
    """A transport that cannot be cancelled may hand over a response after the deadline: it is let go, unread."""
    closed: list[bool] = []

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b"data: late\n\n"

        async def aclose(self) -> None:
            closed.append(True)

    async def respond(request: httpx.Request) -> httpx.Response:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.1)
        return httpx.Response(200, stream=Body())

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
            exchange = AsyncExchange(
                Link.for_async(endpoint(api_key=None, base_url="http://127.0.0.1:9"), http)
            )
            exchange.enter()
            with pytest.raises(Expired):
                await exchange.open(Open(b"{}", None, exchange.now() + 0.02))
            await exchange.close()

    asyncio.run(main())
    assert closed == [True]
