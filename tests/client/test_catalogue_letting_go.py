"""Letting go: however a stream is left, the server sees it at once, and nothing looks like a clean end."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from catalogue import (
    CHUNKED_HEAD,
    ENDING,
    LOW,
    PATIENT,
    body,
    chunked,
    comes_true,
    each_shell,
    for_ever,
    look_at,
    nothing_is_left,
    raw,
    retrying,
    sse,
)
from conftest import open_sockets
from shells import KEY, PROMPT

import sseor
from sseor.errors import ConnectionLostError, MisuseError, SseorError
from sseor.testing import Exchange, LoopbackServer, Say, Silence, play

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

ENDLESS = for_ever(chunked(LOW), first=CHUNKED_HEAD + chunked(LOW), every=0.005)
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
CANCELS = pytest.mark.parametrize(
    ("backend", "native"),
    [("asyncio", False), ("asyncio", True), ("trio", False)],
    ids=["asyncio-scope", "asyncio-native", "trio-scope"],
)
SOON = 5.0


class OwnError(Exception):
    """An exception of the caller's own."""


def client_for(server: LoopbackServer, **options: Any) -> sseor.Client:
    """Return a client for threads."""
    return sseor.Client(
        api_key=KEY, base_url=server.base_url, timeouts=PATIENT, retries=retrying(1), **options
    )


def async_client_for(server: LoopbackServer, **options: Any) -> sseor.AsyncClient:
    """Return a client for asyncio and trio."""
    return sseor.AsyncClient(
        api_key=KEY, base_url=server.base_url, timeouts=PATIENT, **{"retries": retrying(1), **options}
    )


def closed_soon(server: LoopbackServer) -> bool:
    """Tell whether the server sees its connection closed at once."""
    return comes_true(lambda: server.open_connections == 0, SOON)


def by_break(stream: Any) -> None:
    """Leave by `break`."""
    for _ in stream:
        break


def by_error(stream: Any) -> None:
    """Leave by an exception in the loop."""
    for _ in stream:
        raise OwnError("mine")


def by_interrupt(stream: Any) -> None:
    """Leave by Ctrl-C in the loop."""
    for _ in stream:
        raise KeyboardInterrupt


def by_generator_exit(stream: Any) -> None:
    """Leave a generator that reads the stream by closing it."""

    def pieces() -> Any:
        yield from stream

    reader = pieces()
    next(reader)
    reader.close()


@pytest.mark.parametrize("leave", [by_break, by_error, by_interrupt, by_generator_exit])
@pytest.mark.parametrize("lens", ["events", "text", "chunks"])
def test_row_106_leaving_on_threads(leave: Callable[[Any], None], lens: str) -> None:
    """However a `with` block is left, the connection is closed, the exception is unchanged, and the partial kept."""
    raised: dict[Any, Any] = {by_error: OwnError, by_interrupt: KeyboardInterrupt}
    with LoopbackServer(ENDLESS) as server, client_for(server) as client:
        caught: BaseException | None = None
        try:
            with client.stream(model="m", messages=PROMPT) as stream:
                leave(stream if lens == "events" else getattr(stream, lens))
        except (OwnError, KeyboardInterrupt) as error:
            caught = error
        assert closed_soon(server)
        assert type(caught) is raised.get(leave, type(None))
        assert stream.completion.text.startswith("Low")
        with pytest.raises(MisuseError):
            next(iter(stream))


@BACKENDS
@pytest.mark.parametrize("leave", ["break", "error", "cancel", "generator"])
def test_row_106_leaving_in_async(backend: str, leave: str) -> None:
    """The same on asyncio and trio, and by a cancelled scope."""

    async def pieces(stream: Any) -> Any:
        async for event in stream:
            yield event

    async def read(server: LoopbackServer) -> Any:
        async with async_client_for(server) as client:
            with anyio.CancelScope() as scope:
                async with client.stream(model="m", messages=PROMPT) as stream:
                    if leave == "generator":
                        reader = pieces(stream)
                        await anext(reader)
                        await reader.aclose()
                    else:
                        async for _ in stream:
                            if leave == "break":
                                break
                            if leave == "error":
                                raise OwnError("mine")
                            scope.cancel()
            assert closed_soon(server)
            assert scope.cancelled_caught is (leave == "cancel")
            return stream.completion.text

    with LoopbackServer(ENDLESS) as server:
        if leave == "error":
            with pytest.raises(OwnError, match="mine"):
                anyio.run(read, server, backend=backend)
            assert closed_soon(server)
        else:
            assert anyio.run(read, server, backend=backend).startswith("Low")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise `KeyboardInterrupt`, also where the tests were started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_while_asking(server: LoopbackServer) -> threading.Thread:
    """Press Ctrl-C soon after the server got a request, so never before somebody is ready for it."""

    def press() -> None:
        if comes_true(lambda: bool(server.requests)):
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize("respond", [play(Silence()), for_ever(b"", first=CHUNKED_HEAD + chunked(LOW))])
@pytest.mark.usefixtures("interruptible")
def test_row_106_ctrl_c_in_a_blocked_read(respond: Any) -> None:
    """Ctrl-C while nothing comes ends the wait; the connection is closed."""
    with LoopbackServer(respond) as server, client_for(server) as client:
        timer = interrupt_while_asking(server)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt), client.stream(model="m", messages=PROMPT) as stream:
            for _ in stream:
                pass
        assert time.monotonic() - began < 6
        assert closed_soon(server)
        timer.join()


@pytest.mark.usefixtures("interruptible")
def test_row_106_ctrl_c_in_a_pause() -> None:
    """Ctrl-C ends a wait between two attempts as well."""
    with LoopbackServer(raw(b"", last=Exchange.cut)) as server:
        policy = sseor.RetryPolicy(attempts=3, base=30, longest=30, jitter=lambda: 1.0)
        with sseor.Client(api_key=KEY, base_url=server.base_url, retries=policy) as client:
            timer = interrupt_while_asking(server)
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt), client.stream(model="m", messages=PROMPT) as stream:
                for _ in stream:
                    pass
            assert time.monotonic() - began < 20
            timer.join()


PHASES = {
    "headers": play(Silence()),
    "first_token": for_ever(b"", first=CHUNKED_HEAD),
    "streaming": for_ever(b"", first=CHUNKED_HEAD + chunked(LOW)),
    "error_body": for_ever(b"", first=b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nx"),
    "backoff": raw(b"", last=Exchange.cut),
    "drain": for_ever(b"", first=CHUNKED_HEAD + chunked(LOW) + chunked("[DONE]")),
}


@CANCELS
@pytest.mark.parametrize("phase", PHASES)
def test_row_107_cancel_in_each_phase(backend: str, phase: str, native: bool) -> None:
    """A cancel in any phase passes on, and the connection is closed when it has."""

    async def read(client: sseor.AsyncClient) -> None:
        async with client.stream(model="m", messages=PROMPT) as stream:
            async for _ in stream:
                pass

    async def cancel(server: LoopbackServer) -> None:
        policy = sseor.RetryPolicy(attempts=3, base=30, longest=30, jitter=lambda: 1.0)
        async with async_client_for(server, retries=policy, complete_when="done") as client:
            wait = 0.02 if phase == "drain" else 0.08
            if native:
                task = asyncio.ensure_future(read(client))
                await asyncio.sleep(wait)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with anyio.move_on_after(wait) as scope:
                    await read(client)
                assert scope.cancelled_caught
            assert closed_soon(server)
            assert client._link.http._transport._pool.connections == []

    with LoopbackServer(PHASES[phase]) as server:
        anyio.run(cancel, server, backend=backend)


@BACKENDS
def test_row_107_cancel_in_close(backend: str) -> None:
    """A cancelled task may still close a stream: the closing is shielded."""

    async def read(server: LoopbackServer) -> None:
        async with async_client_for(server) as client:
            stream = client.stream(model="m", messages=PROMPT)
            await anext(stream)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await stream.aclose()
            assert closed_soon(server)

    with LoopbackServer(ENDLESS) as server:
        anyio.run(read, server, backend=backend)


@CANCELS
def test_row_108_many_cancels(backend: str, native: bool) -> None:
    """After many cancels at random moments the pool is empty and no socket is open."""
    rounds, at_once = (12, 20)
    dice = random.Random(7)

    def respond(exchange: Exchange) -> None:
        exchange.head()
        for _ in range(3):
            exchange.send(sse(LOW))
            exchange.wait(0.001)
        exchange.send(ENDING)

    async def read(client: sseor.AsyncClient) -> None:
        async with client.stream(model="m", messages=PROMPT) as stream:
            async for _ in stream:
                pass

    async def one(client: sseor.AsyncClient, wait: float) -> None:
        if native:
            task = asyncio.ensure_future(read(client))
            await asyncio.sleep(wait)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
        else:
            with anyio.move_on_after(wait):
                await read(client)

    async def storm(server: LoopbackServer) -> None:
        async with async_client_for(server) as client:
            for _ in range(rounds):
                async with anyio.create_task_group() as group:
                    for _ in range(at_once):
                        group.start_soon(one, client, dice.random() * 0.06)
            pool = client._link.http._transport._pool
            assert all(connection.is_idle() for connection in pool.connections), pool.connections
            assert pool._requests == []
            with anyio.fail_after(5):
                await read(client)

    before = len(open_sockets())
    with LoopbackServer(respond) as server:
        anyio.run(storm, server, backend=backend)
        assert closed_soon(server)
    gc.collect()
    assert comes_true(lambda: len(open_sockets()) <= before)


def test_row_109_dropped_on_threads() -> None:
    """A stream that is dropped in the middle is closed at once, with a warning."""
    with LoopbackServer(ENDLESS) as server, client_for(server) as client:
        stream = client.stream(model="m", messages=PROMPT)
        next(stream)
        with pytest.warns(ResourceWarning, match="dropped before its end"):
            del stream
        assert closed_soon(server)


def test_row_109_break_without_with_closes() -> None:
    """`break` out of a plain loop leaves no reference, so the stream closes by itself, without a cycle to collect."""
    gc.disable()
    try:
        with LoopbackServer(ENDLESS) as server, client_for(server) as client:
            with pytest.warns(ResourceWarning):
                for _ in client.stream(model="m", messages=PROMPT).text:
                    break
            assert closed_soon(server)
    finally:
        gc.enable()


@BACKENDS
def test_row_109_dropped_in_async(backend: str) -> None:
    """A dropped async stream cannot close itself, but warns; its client closes the connection."""

    async def read(server: LoopbackServer) -> None:
        async with async_client_for(server) as client:
            stream = client.stream(model="m", messages=PROMPT)
            await anext(stream)
            with pytest.warns(ResourceWarning, match="dropped before its end"):
                del stream
                gc.collect()
        assert closed_soon(server)

    with LoopbackServer(ENDLESS) as server:
        anyio.run(read, server, backend=backend)


def test_row_109_never_begun() -> None:
    """A stream that was never read asked for nothing and warns of nothing."""
    with LoopbackServer(ENDLESS) as server, client_for(server) as client:
        stream = client.stream(model="m", messages=PROMPT)
        del stream
        assert (server.requests, server.open_connections) == ([], 0)


def test_row_109_a_dropped_text_stream() -> None:
    """The one-line form closes itself when it is dropped."""
    with LoopbackServer(ENDLESS) as server:
        pieces = sseor.text("m", "?", api_key=KEY, base_url=server.base_url)
        next(pieces)
        del pieces
        assert closed_soon(server)


@each_shell
def test_row_110_the_same_error_again(shell: str) -> None:
    """After an error every further read gives that same error, never a clean end."""
    seen = look_at(shell, raw(CHUNKED_HEAD + chunked(LOW)))
    assert type(seen.error) is ConnectionLostError
    assert seen.again is seen.error


def test_row_110_the_same_error_for_every_lens() -> None:
    """Also through the other lenses, again and again, and after `close`."""
    with LoopbackServer(raw(CHUNKED_HEAD + chunked(LOW))) as server, client_for(server) as client:
        stream = client.stream(model="m", messages=PROMPT)
        with pytest.raises(ConnectionLostError) as first:
            list(stream)
        for _ in range(3):
            with pytest.raises(ConnectionLostError) as again:
                next(stream)
            assert again.value is first.value
            stream.close()
        with pytest.raises(SseorError):
            next(stream.text)


def test_row_110_the_same_error_by_the_one_liner() -> None:
    """`sseor.text` does not end cleanly after its error either."""
    with LoopbackServer(play(Say("Low"))) as server:
        pieces = sseor.text("m", "?", api_key=KEY, base_url=server.base_url, retries=retrying(1))
        assert next(pieces) == "Low"
        for _ in range(3):
            with pytest.raises(sseor.errors.EndedEarlyError):
                next(pieces)


@BACKENDS
def test_row_110_the_same_error_by_the_async_one_liner(backend: str) -> None:
    """Nor does `sseor.atext`."""

    async def read(server: LoopbackServer) -> None:
        pieces = sseor.atext("m", "?", api_key=KEY, base_url=server.base_url, retries=retrying(1))
        assert await anext(pieces) == "Low"
        for _ in range(3):
            with pytest.raises(sseor.errors.EndedEarlyError):
                await anext(pieces)

    with LoopbackServer(play(Say("Low"))) as server:
        anyio.run(read, server, backend=backend)


@each_shell
def test_row_110_after_a_good_end(shell: str) -> None:
    """After a good end a further read is a further end."""
    seen = look_at(shell, body(sse(LOW) + ENDING))
    assert isinstance(seen.again, (StopIteration, StopAsyncIteration))


def test_row_110_closed_twice() -> None:
    """Closing twice, before the first read, or after the end, has no effect."""
    with LoopbackServer(body(sse(LOW) + ENDING)) as server, client_for(server) as client:
        whole = client.stream(model="m", messages=PROMPT)
        list(whole)
        for _ in range(2):
            whole.close()
        with pytest.raises(StopIteration):
            next(whole)
        assert whole.completion.text == "Low"
        unread = client.stream(model="m", messages=PROMPT)
        for _ in range(2):
            unread.close()
        with pytest.raises(MisuseError):
            next(unread)
        assert len(server.requests) == 1
    for _ in range(2):
        client.close()


@BACKENDS
def test_row_110_two_tasks_at_once(backend: str) -> None:
    """A second task that reads a stream while another waits in it is told so; the first goes on."""

    async def read(server: LoopbackServer) -> None:
        async with async_client_for(server) as client, client.stream(model="m", messages=PROMPT) as stream:
            await anext(stream)

            async def wait() -> None:
                with anyio.move_on_after(0.1):
                    await anext(stream)

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.sleep(0.02)
                with pytest.raises(MisuseError, match="at the same time"):
                    await anext(stream)
        assert closed_soon(server)

    with LoopbackServer(for_ever(b"", first=CHUNKED_HEAD + chunked(LOW), every=math.pi)) as server:
        anyio.run(read, server, backend=backend)
