"""Who is told that a stream has ended: once, whatever the end was, and at no risk to the stream."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from shells import KEY, PROMPT, SHELLS, read

import sseor
from sseor.errors import ConfigError, ConnectionLostError, SseorError, StatusError
from sseor.testing import Cut, Event, Head, LoopbackServer, Say, Silence, Status, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

Told = list[tuple[sseor.Completion, SseorError | None]]


class Keeper:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.told: Told = []

    def record(self, completion: sseor.Completion, error: SseorError | None = None) -> None:
        """Keep it."""
        self.told.append((completion, error))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_whole_answer_is_told_once_to_both(shell: str) -> None:
    """Recorder and callable get the same completion, without an error, with its model and its server."""
    keeper, told = Keeper(), Keeper()
    with LoopbackServer(play(*answer("Low", " water"))) as server:
        outcome = read(shell, server.base_url, metrics=keeper, on_finish=told.record)
        address = server.origin.removeprefix("http://")
    [(completion, error)] = keeper.told
    assert error is None
    assert told.told == keeper.told
    assert completion.text == outcome.text == "Low water"
    found = completion.timeline.metrics()
    assert (found.model_asked, found.server, found.complete) == ("sseor/demo", address, True)
    assert found.total_ms is not None


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("act", "kind"), [((Say("Low"), Cut()), ConnectionLostError), ((Status(503, {}),), StatusError)]
)
def test_a_failure_is_told_once(shell: str, act: tuple[Any, ...], kind: type[SseorError]) -> None:
    """The error that ended the stream is the one that its reader got."""
    keeper = Keeper()
    with LoopbackServer(play(*act)) as server:
        outcome = read(shell, server.base_url, metrics=keeper)
    [(completion, error)] = keeper.told
    assert isinstance(error, kind)
    assert error is outcome.error
    assert completion.timeline.ended is not None


def leave(shell: str, server: LoopbackServer, keeper: Keeper, reading: bool = True) -> None:
    """Read at most one item, then leave the block and close once more."""
    options: dict[str, Any] = {"api_key": KEY, "base_url": server.base_url, "metrics": keeper}

    async def leave_async() -> None:
        async with sseor.AsyncClient(**options) as client:
            async with client.stream(model="m", messages=PROMPT) as stream:
                if reading:
                    await anext(stream)
            await stream.aclose()

    if shell == "threads":
        with sseor.Client(**options) as client:
            with client.stream(model="m", messages=PROMPT) as stream:
                if reading:
                    next(stream)
            stream.close()
    else:
        anyio.run(leave_async, backend=shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stream_that_was_left_is_told_once(shell: str) -> None:
    """Leaving is no error and not complete; the time of leaving is the end, and the server has been let go."""
    keeper = Keeper()
    with LoopbackServer(play(Say("Low"), Silence())) as server:
        leave(shell, server, keeper)
        assert server.wait_idle(5)
    [(completion, error)] = keeper.told
    assert (error, completion.text, completion.verdict.complete) == (None, "Low", False)
    assert completion.timeline.ended is not None


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stream_that_was_never_begun_is_not_told(shell: str) -> None:
    """Without a request there is nothing to tell."""
    keeper = Keeper()
    with LoopbackServer(play(*answer("x"))) as server:
        leave(shell, server, keeper, reading=False)
        assert server.requests == []
    assert keeper.told == []


def test_a_dropped_stream_is_told() -> None:
    """On threads the collector closes it, and that is its end."""
    keeper = Keeper()
    with LoopbackServer(play(Say("Low"), Silence())) as server:
        with sseor.Client(api_key=KEY, base_url=server.base_url, metrics=keeper) as client:
            stream = client.stream(model="m", messages=PROMPT)
            next(stream)
            with pytest.warns(ResourceWarning):
                del stream
                gc.collect()
    assert [completion.text for completion, _ in keeper.told] == ["Low"]


@pytest.mark.parametrize("shell", ["asyncio", "trio"])
def test_a_dropped_async_stream_is_told(shell: str) -> None:
    """Its collector cannot know when it ended, so that stays open."""
    keeper = Keeper()

    async def drop(server: LoopbackServer) -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url, metrics=keeper) as client:
            stream = client.stream(model="m", messages=PROMPT)
            await anext(stream)
            with pytest.warns(ResourceWarning):
                del stream
                gc.collect()

    with LoopbackServer(play(Say("Low"), Silence())) as server:
        anyio.run(drop, server, backend=shell)
    [(completion, error)] = keeper.told
    assert (completion.text, error, completion.timeline.ended) == ("Low", None, None)


@pytest.mark.parametrize("shell", ["asyncio", "trio"])
def test_a_cancelled_stream_is_told(shell: str) -> None:
    """A cancellation while the server is silent is an end like leaving."""
    keeper = Keeper()

    async def cancel(server: LoopbackServer) -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url, metrics=keeper) as client:
            async with client.stream(model="m", messages=PROMPT) as stream:
                with anyio.move_on_after(0.2):
                    async for _ in stream:
                        pass

    with LoopbackServer(play(Head(), Silence())) as server:
        anyio.run(cancel, server, backend=shell)
    [(completion, error)] = keeper.told
    assert (completion.text, error) == ("", None)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_they_raise_harms_no_stream(shell: str, caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a recorder is one warning for all the streams of a client, and the other is still told."""
    keeper = Keeper()
    texts = []

    class Broken:
        def record(self, completion: sseor.Completion, error: SseorError | None = None) -> None:
            raise ValueError(completion.text)

    async def read_async(base_url: str) -> None:
        async with sseor.AsyncClient(
            api_key=KEY, base_url=base_url, metrics=Broken(), on_finish=keeper.record
        ) as client:
            for _ in range(2):
                texts.append((await client.complete(model="m", messages=PROMPT)).text)

    with caplog.at_level(logging.WARNING), LoopbackServer(play(*answer("secret answer"))) as server:
        if shell == "threads":
            with sseor.Client(
                api_key=KEY, base_url=server.base_url, metrics=Broken(), on_finish=keeper.record
            ) as client:
                texts = [client.complete(model="m", messages=PROMPT).text for _ in range(2)]
        else:
            anyio.run(read_async, server.base_url, backend=shell)
    assert texts == ["secret answer"] * 2
    assert len(keeper.told) == 2
    [warning] = caplog.messages
    assert "Broken.record raised ValueError" in warning
    assert "secret" not in warning


def test_a_key_that_the_server_echoes_is_not_told_on() -> None:
    """The key is taken out of model, provider and ids; a short one, a word that local servers are given, is not."""
    told = Keeper()

    def ask(key: str) -> sseor.Completion:
        chunk = {"id": f"gen-{key}", "model": f"a/{key}", "provider": key, "choices": []}
        with LoopbackServer(play(Event(chunk), *answer("x"))) as server:
            with sseor.Client(api_key=key, base_url=server.base_url, metrics=told) as client:
                with client.stream(model=f"b/{key}", messages=PROMPT) as stream:
                    next(stream)
        return told.told[-1][0]

    assert KEY not in repr(ask(KEY).timeline.metrics())
    assert ask("ollama").timeline.metrics().model_asked == "b/ollama"


@pytest.mark.parametrize("options", [{"metrics": "metrics.sqlite3"}, {"on_finish": 5}])
@pytest.mark.parametrize("make", [sseor.Client, sseor.AsyncClient])
def test_what_cannot_be_told_is_a_wrong_argument(make: Callable[..., Any], options: dict[str, Any]) -> None:
    """A path where a log is meant, and something that cannot be called, are named at once."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        make(api_key=KEY, **options)
