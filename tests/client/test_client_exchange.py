"""Exchanges for threads: a client that the caller brings, and errors that are nobody's network."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio
import httpx
import httpx2
import httpx_aiohttp
import pytest
from faults import (
    after_a_token,
    before_the_first_token,
    before_the_head,
    chunk_header,
    comments,
    serve,
    silence,
)
from shells import read

import sseor
from sseor.client.async_exchange import AsyncExchange
from sseor.client.endpoint import endpoint
from sseor.client.exchange import Exchange
from sseor.client.link import Link
from sseor.errors import ConnectionLostError, SseorError, StallError, StatusError
from sseor.stream import Expired, Open
from sseor.testing import Cut, Role, Say, Stall, Status, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

LIMIT = 0.3


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    "respond",
    [
        before_the_head(silence),
        before_the_first_token(comments),
        before_the_first_token(chunk_header),
        after_a_token(silence),
        after_a_token(chunk_header),
    ],
)
def test_deadlines_with_a_client_of_the_callers(library: Any, respond: Any) -> None:
    """A watching thread shuts the caller's socket down in time, in every phase."""
    with serve(respond) as server, library.Client(timeout=60) as http:
        timeouts = sseor.Timeouts(first_token=LIMIT, stall=LIMIT)
        outcome = read("threads", server.base_url, timeouts=timeouts, http_client=http)
        assert server.wait_idle(1)
    assert isinstance(outcome.error, StallError)
    assert LIMIT <= outcome.error.waited < LIMIT + 0.2


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
        # Once the connection is lost, aiohttp hands out nothing that it still holds: the cut waits for the reader.
        (play(Role(), Say("Low"), Stall(LIMIT / 2), Cut()), ConnectionLostError, "Low"),
        (play(Status(429, {"error": {"code": 429, "message": "slow down"}})), StatusError, ""),
    ],
)
def test_the_transport_of_aiohttp(respond: Any, kind: type[SseorError] | None, text: str) -> None:
    """A client of httpx over aiohttp gives the same results and errors."""

    async def main(base_url: str) -> tuple[str, SseorError | None]:
        text = ""
        async with httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport()) as http:
            client = sseor.AsyncClient(
                base_url=base_url,
                timeouts=sseor.Timeouts(stall=LIMIT),
                retries=sseor.RetryPolicy(attempts=1),
                http_client=http,
            )
            try:
                async with client.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream:
                    async for piece in stream.text:
                        text += piece
            except SseorError as error:
                return text, error
        return text, None

    with serve(respond) as server:
        seen, error = asyncio.run(main(server.base_url))
    assert seen == text
    assert type(error) is (type(None) if kind is None else kind)


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
