"""Each await and each socket call of a stream is made to fail in turn: nothing leaks, and the partial is right."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from typing import Any

import anyio
import httpcore
import pytest
from shells import KEY, PROMPT, read

import sseor
from sseor.client import asyncio_network, network
from sseor.client.asynchronous import AsyncClient
from sseor.errors import ConnectError, CutShortError, SseorError
from sseor.testing import LoopbackServer, Role, Say, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

TEXT = "Low water"
WHOLE = play(Role(), Say("Low", pace=0.002), *answer(" water"))
REQUEST: dict[str, Any] = {"model": "m", "messages": PROMPT}
MANY = 200
"""More calls than any of these streams makes."""


class StruckAt:
    """Awaits a coroutine; where it suspends for the n-th time, `strike` is called first."""

    def __init__(self, coroutine: Any, number: int, strike: Callable[[], object]) -> None:
        self._awaiting = coroutine.__await__()
        self._number = number
        self._strike = strike
        self.struck = False

    def __await__(self) -> Generator[Any, Any, Any]:
        step, argument, count = self._awaiting.send, None, 0
        while True:
            try:
                awaited = step(argument)
            except StopIteration as stop:
                return stop.value
            count += 1
            if count == self._number:
                self.struck = True
                self._strike()
            try:
                step, argument = self._awaiting.send, (yield awaited)
            except BaseException as error:
                step, argument = self._awaiting.throw, error


async def struck_natively(number: int, client: AsyncClient, stream: Any) -> bool:
    """Cancel by task.cancel() at the n-th await; tell whether there was one."""
    task: asyncio.Task[Any] | None = None

    async def whole() -> None:
        async with stream:
            async for _ in stream:
                pass

    def strike() -> None:
        assert task is not None
        task.cancel()

    struck = StruckAt(whole(), number, strike)

    async def main() -> None:
        await struck

    task = asyncio.ensure_future(main())
    await asyncio.wait([task])
    assert struck.struck is task.cancelled()
    return struck.struck


async def struck_by_scope(number: int, client: AsyncClient, stream: Any) -> bool:
    """Cancel by a scope at the n-th await; tell whether there was one."""

    async def whole() -> None:
        async with stream:
            async for _ in stream:
                pass

    with anyio.CancelScope() as scope:
        struck = StruckAt(whole(), number, scope.cancel)
        await struck
    return struck.struck


@pytest.mark.parametrize(
    ("backend", "strike"),
    [("asyncio", struck_natively), ("asyncio", struck_by_scope), ("trio", struck_by_scope)],
)
def test_cancelled_at_each_await(backend: str, strike: Callable[..., Any]) -> None:
    """Wherever a cancel strikes, no connection stays in use, the text is a beginning, and the client still works."""

    async def main() -> None:
        async with AsyncClient(api_key=KEY, base_url=server.base_url) as client:
            pool: Any = client._link.http._transport._pool
            for number in range(1, MANY):
                stream = client.stream(**REQUEST)
                was_struck = await strike(number, client, stream)
                assert all(connection.is_idle() for connection in pool.connections), number
                assert TEXT.startswith(stream.completion.text)
                if not was_struck:
                    assert stream.completion.text == TEXT
                    return
            raise AssertionError("the stream never came to its end")

    with LoopbackServer(WHOLE) as server:
        anyio.run(main, backend=backend)
        assert server.wait_idle(5)


CALLS: dict[str, list[tuple[Any, str, type[Exception]]]] = {
    "threads": [
        (network.DeadlineBackend, "connect_tcp", httpcore.ConnectError),
        (network.DeadlineStream, "write", httpcore.WriteError),
        (network.DeadlineStream, "read", httpcore.ReadError),
    ],
    "asyncio": [
        (asyncio_network.AsyncioBackend, "connect_tcp", httpcore.ConnectError),
        (asyncio_network.AsyncioStream, "write", httpcore.WriteError),
        (asyncio_network.AsyncioStream, "read", httpcore.ReadError),
    ],
}


@pytest.mark.parametrize(
    ("shell", "owner", "name", "error"), [(shell, *call) for shell, calls in CALLS.items() for call in calls]
)
def test_each_socket_call_fails(
    monkeypatch: pytest.MonkeyPatch, shell: str, owner: Any, name: str, error: type[Exception]
) -> None:
    """The n-th connect, write or read fails: a typed error with a beginning of the text, or the whole answer."""
    original = getattr(owner, name)
    with LoopbackServer(WHOLE) as server:
        for number in range(1, MANY):
            left = [number]

            def failing(*arguments: Any, left: list[int] = left, **options: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    if name == "write":
                        # httpcore reads on after a failed write, for the peer may have answered before it left.
                        break_off(arguments[0])
                    raise error("made to fail")
                return original(*arguments, **options)

            monkeypatch.setattr(owner, name, failing)
            outcome = read(shell, server.base_url)
            assert server.wait_idle(5), number
            assert TEXT.startswith(outcome.text)
            if left[0] > 0:
                assert outcome.error is None
                assert outcome.text == TEXT
                return
            judge(outcome.error, outcome.text)
    raise AssertionError("the stream never came to its end")


def break_off(stream: Any) -> None:
    """Break a connection, as what makes a write fail has done."""
    if isinstance(stream, network.DeadlineStream):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    else:
        stream._transport.abort()


def judge(error: SseorError | None, text: str) -> None:
    """Check the error of a stream one of whose calls failed; a failure after the finish reason is none."""
    if error is None:
        assert text == TEXT
        return
    assert isinstance(error, (ConnectError, CutShortError))
    assert error.partial is not None
    assert error.partial.text == text
    assert isinstance(error.__cause__, (httpcore.NetworkError, httpcore.RemoteProtocolError))
    assert sseor.errors.__name__ == type(error).__module__
