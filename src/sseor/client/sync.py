"""Streams for threads."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

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

from .errands import run_errand
from .exchange import Exchange
from .finish import Audience
from .lenses import reasoning_of, text_of, tool_call_of
from .link import Link
from .saving import Path
from .settings import Configured
from .shell import OpenSaver, Shell, saver_for

T = TypeVar("T")


class Lens(Generic[T]):
    """One view of a stream, for one choice; `of(choice)` gives the same view of another."""

    def __init__(self, stream: Stream, pick: Callable[[StreamEvent, int], T | None], choice: int = 0) -> None:
        self._stream = stream
        self._pick = pick
        self._choice = choice
        self._token = object()

    def of(self, choice: int) -> Lens[T]:
        """Return this view of another choice."""
        return Lens(self._stream, self._pick, choice)

    def __iter__(self) -> Iterator[T]:
        self._stream._claim(self._token, "lens")
        return self

    def __next__(self) -> T:
        self._stream._claim(self._token, "lens")
        while True:
            seen = self._pick(self._stream._next(), self._choice)
            if seen is not None:
                return seen


class Chunks:
    """The stream as the chunks that the provider sent."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._token = object()

    def __iter__(self) -> Iterator[Chunk]:
        self._stream._claim(self._token, "chunks")
        return self

    def __next__(self) -> Chunk:
        self._stream._claim(self._token, "chunks")
        chunk: Chunk = self._stream._next(as_chunks=True)
        return chunk


class Stream(Shell):
    """One answer as it comes: iterate for its events, or take one lens; made by `Client.stream`.

    Use it in a `with` block, which closes the connection however the block is left. The request is sent when the
    first item is asked for.
    """

    def __init__(
        self, script: Script, link: Link, audience: Audience, open_saver: OpenSaver | None = None
    ) -> None:
        super().__init__(script, audience, open_saver)
        self._exchange = Exchange(link)

    @property
    def text(self) -> Lens[str]:
        """The visible text, piece by piece."""
        return Lens(self, text_of)

    @property
    def reasoning(self) -> Lens[str]:
        """The reasoning, piece by piece."""
        return Lens(self, reasoning_of)

    @property
    def tool_calls(self) -> Lens[ToolCall]:
        """The tool calls, each when it is whole."""
        return Lens(self, tool_call_of)

    @property
    def chunks(self) -> Chunks:
        """The chunks as the provider sent them."""
        return Chunks(self)

    def __iter__(self) -> Iterator[StreamEvent]:
        self._claim(self._token)
        return self

    def __next__(self) -> StreamEvent:
        self._claim(self._token)
        event: StreamEvent = self._next()
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._life is not None and not self._ended:
            self.close()
            warnings.warn("a stream was dropped before its end", ResourceWarning, source=self, stacklevel=1)

    def close(self) -> None:
        """Let go of the connection; what came stays in `completion`."""
        self._left_early()
        self._let_go()

    def _next(self, *, as_chunks: bool = False) -> Any:
        while True:
            for item in self._batch:
                return item
            if not self._check_open():
                raise StopIteration
            self._batch = iter(self._advance(as_chunks))

    def _advance(self, as_chunks: bool) -> Sequence[Any]:
        """Drive the script up to its next batch; () at the end of the stream."""
        self._moving = True
        try:
            step = self._resume(time.monotonic(), as_chunks=as_chunks)
            while step is not None and not isinstance(step, Deliver):
                try:
                    answer = self._perform(step)
                except (Expired, Failed) as signal:
                    step = self._throw(signal)
                else:
                    step = self._send(answer)
        except BaseException as error:
            self._failed(error)
            self._let_go()
            raise
        finally:
            self._moving = False
        if step is not None:
            return step.batch
        self._ended = True
        self._let_go()
        return ()

    def _let_go(self) -> None:
        self._exchange.close()
        self._over(time.monotonic())

    def _perform(self, step: Open | Read | Pause | Save) -> Any:
        if isinstance(step, Save):
            self._save(step.completion)
            return time.monotonic()
        return self._exchange.perform(step)


class Client(Configured):
    """Streams answers from OpenRouter or a compatible server, for threads; one client may serve many of them.

    `api_key` falls back to `OPENROUTER_API_KEY`, and only for openrouter.ai. `app` is (URL, name) for attribution,
    `headers` are further header fields of each request. `lenient` skips events that hold no chunk, and counts them.
    `complete_when="done"` accepts `[DONE]` without a finish reason. `metrics` (such as `sseor.MetricsLog()`) and
    `on_finish(completion, error)` are told of each stream once, when it has ended, however it ended. `http_client` is a
    client of httpx or httpx2 of your own, which you close. Raises `ConfigError` for anything that cannot be meant.
    """

    _link_to = staticmethod(Link.for_threads)

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
    ) -> Stream:
        """Return the stream of one answer; arguments are checked now, the request goes out at the first item.

        `on_cut` is what a cut after the first token does: `raise`, `resume` (go on from what came) or `restart` (say
        `Restarted` and begin again). An answer that stops at the length limit is continued up to `continue_on_length`
        times. `save_to` names a file that holds the growing answer, for `resume`.
        """
        script = self._script(
            model,
            messages,
            parameters,
            extra_body,
            on_cut=on_cut,
            continue_on_length=continue_on_length,
            saves=save_to is not None,
        )
        return Stream(script, self._link, self._audience, None if save_to is None else saver_for(save_to))

    def resume(
        self,
        source: Path | Completion,
        *,
        model: str | None = None,
        messages: Sequence[Message] | None = None,
        on_cut: OnCut = "resume",
        continue_on_length: int = 0,
    ) -> Stream:
        """Return the stream that continues an unfinished answer: a partial, or a file that `save_to` named.

        Its events bring what is new, its `completion` holds all. A file is kept up to date. `model` and `messages`,
        when given, must be those of the answer. Raises `ResumeError` for what cannot be continued; its file stays.
        """
        script, open_saver = self._resuming(source, model, messages, on_cut, continue_on_length)
        return Stream(script, self._link, self._audience, open_saver)

    def complete(
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
        with Stream(script, self._link, self._audience) as stream:
            for _ in stream:
                pass
        return stream.completion

    def settle(self, what: str | Completion, *, patience: float = PATIENCE) -> Settlement:
        """Return what an answer cost: a generation id, or an answer that was cut, left early, or loaded from a file.

        A finished answer with usage is `final` at once. For any other the server is asked for its record, which
        appears minutes later, until `patience` seconds have passed; 0 asks once. Raises `StatusError` for a refusal.
        """
        return run_errand(Settling(what, patience, self._settings).run, self._link)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, unless the HTTP client is the caller's."""
        self._link.close()
