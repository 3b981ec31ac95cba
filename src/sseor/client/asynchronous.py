"""Streams for asyncio and trio."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

import anyio
import anyio.lowlevel
import anyio.to_thread

from sseor.chat import Chunk, Completion, StreamEvent, ToolCall
from sseor.chat.request import ChatParameters, Message
from sseor.stream import (
    Deliver,
    Expired,
    Failed,
    OnCut,
    Open,
    Pause,
    Read,
    Save,
    Script,
    Settlement,
)
from sseor.stream.settling import PATIENCE, Settling

from .async_exchange import AsyncExchange
from .errands import arun_errand
from .finish import Audience
from .lenses import reasoning_of, text_of, tool_call_of
from .link import Link
from .saving import Path
from .settings import Configured
from .shell import OpenSaver, Shell, saver_for

T = TypeVar("T")


class AsyncLens(Generic[T]):
    """One view of a stream, for one choice; `of(choice)` gives the same view of another."""

    def __init__(
        self, stream: AsyncStream, pick: Callable[[StreamEvent, int], T | None], choice: int = 0
    ) -> None:
        self._stream = stream
        self._pick = pick
        self._choice = choice
        self._token = object()

    def of(self, choice: int) -> AsyncLens[T]:
        """Return this view of another choice."""
        return AsyncLens(self._stream, self._pick, choice)

    def __aiter__(self) -> AsyncIterator[T]:
        self._stream._claim(self._token, "lens")
        return self

    async def __anext__(self) -> T:
        self._stream._claim(self._token, "lens")
        while True:
            seen = self._pick(await self._stream._next(), self._choice)
            if seen is not None:
                return seen


class AsyncChunks:
    """The stream as the chunks that the provider sent."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream
        self._token = object()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        self._stream._claim(self._token, "chunks")
        return self

    async def __anext__(self) -> Chunk:
        self._stream._claim(self._token, "chunks")
        chunk: Chunk = await self._stream._next(as_chunks=True)
        return chunk


class AsyncStream(Shell):
    """One answer as it comes: iterate for its events, or take one lens; made by `AsyncClient.stream`.

    Use it in an `async with` block, which closes the connection however the block is left. The request is sent when
    the first item is asked for. No scope and no task is held open between two items.
    """

    def __init__(
        self, script: Script, link: Link, audience: Audience, open_saver: OpenSaver | None = None
    ) -> None:
        super().__init__(script, audience, open_saver)
        self._exchange = AsyncExchange(link)

    @property
    def text(self) -> AsyncLens[str]:
        """The visible text, piece by piece."""
        return AsyncLens(self, text_of)

    @property
    def reasoning(self) -> AsyncLens[str]:
        """The reasoning, piece by piece."""
        return AsyncLens(self, reasoning_of)

    @property
    def tool_calls(self) -> AsyncLens[ToolCall]:
        """The tool calls, each when it is whole."""
        return AsyncLens(self, tool_call_of)

    @property
    def chunks(self) -> AsyncChunks:
        """The chunks as the provider sent them."""
        return AsyncChunks(self)

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        self._claim(self._token)
        return self

    async def __anext__(self) -> StreamEvent:
        self._claim(self._token)
        event: StreamEvent = await self._next()
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._life is not None and not self._ended:
            self._over(None)
            warnings.warn("a stream was dropped before its end", ResourceWarning, source=self, stacklevel=1)

    async def aclose(self) -> None:
        """Let go of the connection; what came stays in `completion`."""
        self._left_early()
        await self._let_go()

    async def _next(self, *, as_chunks: bool = False) -> Any:
        while True:
            for item in self._batch:
                return item
            if not self._check_open():
                raise StopAsyncIteration
            self._batch = iter(await self._advance(as_chunks))

    async def _advance(self, as_chunks: bool) -> Sequence[Any]:
        """Drive the script up to its next batch; () at the end of the stream."""
        self._moving = True
        try:
            if self._life is None:
                self._exchange.enter()
            step = self._resume(self._exchange.now(), as_chunks=as_chunks)
            while step is not None and not isinstance(step, Deliver):
                try:
                    answer = await self._perform(step)
                except (Expired, Failed) as signal:
                    step = self._throw(signal)
                else:
                    step = self._send(answer)
        except BaseException as error:
            self._failed(error)
            await self._let_go()
            raise
        finally:
            self._moving = False
        if step is not None:
            return step.batch
        self._ended = True
        await self._let_go()
        return ()

    async def _let_go(self) -> None:
        try:
            await self._exchange.close()
        finally:
            self._over(self._exchange.now())  # saves without a thread: it may be that this task is cancelled

    async def _perform(self, step: Open | Read | Pause | Save) -> Any:
        if isinstance(step, Save):
            await anyio.to_thread.run_sync(self._save, step.completion)
            return self._exchange.now()
        return await self._exchange.perform(step)


class AsyncClient(Configured):
    """Streams answers from OpenRouter or a compatible server, for asyncio and trio; arguments as for `Client`."""

    _link_to = staticmethod(Link.for_async)

    def stream(
        self,
        *,
        model: str,
        messages: Sequence[Message],
        on_cut: OnCut = "raise",
        continue_on_length: int = 0,
        save_to: Path | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **parameters: Unpack[ChatParameters],
    ) -> AsyncStream:
        """Return the stream of one answer; arguments as for `Client.stream`."""
        script = self._script(
            model,
            messages,
            parameters,
            extra_body,
            on_cut=on_cut,
            continue_on_length=continue_on_length,
            saves=save_to is not None,
        )
        return AsyncStream(
            script, self._link, self._audience, None if save_to is None else saver_for(save_to)
        )

    def resume(
        self,
        source: Path | Completion,
        *,
        model: str | None = None,
        messages: Sequence[Message] | None = None,
        on_cut: OnCut = "resume",
        continue_on_length: int = 0,
    ) -> AsyncStream:
        """Return the stream that continues an unfinished answer; arguments and errors as for `Client.resume`."""
        script, open_saver = self._resuming(source, model, messages, on_cut, continue_on_length)
        return AsyncStream(script, self._link, self._audience, open_saver)

    async def complete(
        self,
        *,
        model: str,
        messages: Sequence[Message],
        continue_on_length: int = 0,
        extra_body: Mapping[str, Any] | None = None,
        **parameters: Unpack[ChatParameters],
    ) -> Completion:
        """Return the whole answer, not streamed: for batch work. `first_token` bounds the wait for all of it."""
        script = self._script(
            model, messages, parameters, extra_body, continue_on_length=continue_on_length, stream=False
        )
        async with AsyncStream(script, self._link, self._audience) as stream:
            async for _ in stream:
                pass
        return stream.completion

    async def settle(self, what: str | Completion, *, patience: float = PATIENCE) -> Settlement:
        """Return what an answer cost, as `Client.settle`."""
        return await arun_errand(Settling(what, patience, self._settings).run, self._link)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, unless the HTTP client is the caller's."""
        await self._link.aclose()
