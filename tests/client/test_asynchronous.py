"""Streams for asyncio and trio: letting go and misuse."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
from shells import KEY, PROMPT

import sseor
from sseor.client.asynchronous import AsyncClient, AsyncStream
from sseor.errors import CutShortError, MisuseError
from sseor.testing import Cut, LoopbackServer, Role, Say, Silence, answer, play

pytestmark = [pytest.mark.usefixtures("leaves_nothing_open")]

LASTING = play(Role(), Say("Low", " water"), Silence())
REQUEST: dict[str, Any] = {"model": "m", "messages": PROMPT}


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name the event loop; what it left to the collector is collected within the test."""
    yield request.param
    gc.collect()


def client_of(server: LoopbackServer, **options: Any) -> AsyncClient:
    """Return a client of this server that sends each request once."""
    return AsyncClient(
        api_key=KEY, base_url=server.base_url, retries=sseor.RetryPolicy(attempts=1), **options
    )


async def leave_by_break(stream: AsyncStream) -> None:
    """Break out of the loop."""
    async for _ in stream:
        break


async def leave_by_exception(stream: AsyncStream) -> None:
    """Raise in the loop."""
    async for _ in stream:
        raise ZeroDivisionError


async def leave_by_scope(stream: AsyncStream) -> None:
    """Let a cancel scope of the caller's end the wait."""
    with anyio.move_on_after(0.1):
        async for _ in stream:
            pass


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_exception, leave_by_scope])
def test_leaving_closes_the_connection_at_once(
    backend: str, leave: Callable[[AsyncStream], Awaitable[None]]
) -> None:
    """However the block is left, the server sees the close before control returns, and the partial is kept."""

    async def main() -> None:
        async with client_of(server) as client:
            try:
                async with client.stream(**REQUEST) as stream:
                    await leave(stream)
            except ZeroDivisionError:
                assert leave is leave_by_exception
            assert server.wait_idle(5)
            assert stream.completion.text in ("Low", "Low water")

    with LoopbackServer(LASTING) as server:
        anyio.run(main, backend=backend)


def test_a_native_cancel_closes_the_connection() -> None:
    """asyncio's own task.cancel() passes on unchanged and leaves no connection."""

    async def main() -> None:
        async with client_of(server) as client:
            stream = client.stream(**REQUEST)

            async def reader() -> None:
                async with stream:
                    async for _ in stream:
                        pass

            task = asyncio.create_task(reader())
            while stream.completion.text != "Low water":
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.wait_idle(5)
            assert stream.completion.text == "Low water"

    with LoopbackServer(LASTING) as server:
        asyncio.run(main())


def test_reading_on_after_leaving_is_a_mistake(backend: str) -> None:
    """A stream that was closed before its end never looks like one that ended."""

    async def main() -> None:
        async with client_of(server) as client:
            async with client.stream(**REQUEST) as stream:
                await anext(stream)
            await stream.aclose()
            with pytest.raises(MisuseError, match="closed before its end"):
                await anext(stream)

    with LoopbackServer(LASTING) as server:
        anyio.run(main, backend=backend)


def test_after_the_end_there_is_nothing_more(backend: str) -> None:
    """A whole stream that is iterated again is simply at its end."""

    async def main() -> None:
        async with client_of(server) as client, client.stream(**REQUEST) as stream:
            assert [event async for event in stream]
            assert [event async for event in stream] == []

    with LoopbackServer(play(*answer("Low"))) as server:
        anyio.run(main, backend=backend)


def test_after_an_error_it_is_the_same_error_again(backend: str) -> None:
    """An error is raised again by every further read, never a clean end."""

    async def main() -> None:
        async with client_of(server) as client, client.stream(**REQUEST) as stream:
            errors = []
            for _ in range(2):
                with pytest.raises(CutShortError) as caught:
                    async for _ in stream:
                        pass
                errors.append(caught.value)
            assert errors[0] is errors[1]

    with LoopbackServer(play(Role(), Say("Low"), Cut())) as server:
        anyio.run(main, backend=backend)


def test_a_dropped_stream_warns() -> None:
    """A stream without `async with` that is abandoned cannot close itself, so it says so."""

    async def main() -> None:
        async with client_of(server) as client:
            stream = client.stream(**REQUEST)
            await anext(stream)
            with pytest.warns(ResourceWarning, match="dropped before its end"):
                del stream
                gc.collect()
            await asyncio.sleep(0)

    with LoopbackServer(LASTING) as server:
        asyncio.run(main())


def test_two_tasks_on_one_stream(backend: str) -> None:
    """The second reader at the same time gets a MisuseError, the first one is not disturbed."""

    async def main() -> None:
        async with client_of(server) as client, client.stream(**REQUEST) as stream:
            assert await anext(stream) == sseor.Text("Low")
            assert await anext(stream) == sseor.Text(" water")
            async with anyio.create_task_group() as group:
                group.start_soon(wait_for_ever, stream)
                await anyio.sleep(0.05)
                with pytest.raises(MisuseError, match="same time"):
                    await anext(stream)
                group.cancel_scope.cancel()

    async def wait_for_ever(stream: AsyncStream) -> None:
        await anext(stream)

    with LoopbackServer(LASTING) as server:
        anyio.run(main, backend=backend)


def test_a_closed_client_sends_nothing(backend: str) -> None:
    """A stream of a closed client is a mistake, said plainly."""

    async def main() -> None:
        client = client_of(server)
        await client.aclose()
        with pytest.raises(MisuseError, match="closed"):
            await anext(client.stream(**REQUEST))

    with LoopbackServer() as server:
        anyio.run(main, backend=backend)


def test_complete_returns_the_whole_answer(backend: str) -> None:
    """An answer that is not streamed is the same Completion, flagged."""

    async def main() -> None:
        async with client_of(server) as client:
            completion = await client.complete(**REQUEST)
        assert completion.text
        assert completion.verdict is not None
        assert completion.verdict.not_streamed

    with LoopbackServer() as server:
        anyio.run(main, backend=backend)


def test_no_time_passes_in_waiting_out_a_retry() -> None:
    """Backoff runs on the loop's clock: under trio's mock clock minutes take milliseconds."""
    import time

    import trio.testing

    waits: list[float] = []

    async def main() -> None:
        policy = sseor.RetryPolicy(attempts=3, base=600, longest=600, jitter=lambda: 0.5)
        async with AsyncClient(api_key=KEY, base_url=base_url, retries=policy) as client:
            try:
                async for event in client.stream(**REQUEST):
                    assert isinstance(event, sseor.Retrying)
                    waits.append(event.wait)
            except sseor.errors.ConnectError as error:
                assert error.attempts == 3  # noqa: PT017

    with LoopbackServer() as server:
        base_url = server.base_url
    began = time.monotonic()
    clock = trio.testing.MockClock(autojump_threshold=0.05)
    anyio.run(main, backend="trio", backend_options={"clock": clock})
    assert waits == [300, 300]
    assert time.monotonic() - began < 5


def test_a_client_in_another_event_loop(backend: str) -> None:
    """Kept connections belong to their loop, so a client is used in one; the sentence says so."""

    async def first() -> None:
        async with client.stream(**REQUEST) as stream:
            assert [text async for text in stream.text] == ["Low"]

    async def second() -> None:
        with pytest.raises(MisuseError, match="another event loop"):
            await anext(client.stream(**REQUEST))

    async def closing() -> None:
        await first()
        await client.aclose()

    with LoopbackServer(play(*answer("Low"))) as server:
        client = client_of(server)
        anyio.run(closing, backend=backend)
        anyio.run(second, backend=backend)
