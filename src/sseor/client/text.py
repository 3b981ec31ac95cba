"""One line for the text of one answer: `text` for threads, `atext` for asyncio and trio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import anyio

from sseor.chat import Completion
from sseor.chat.request import ChatParameters, Message
from sseor.stream import OnCut, RetryPolicy, Timeouts

from .asynchronous import AsyncClient, AsyncStream
from .endpoint import OPENROUTER
from .settings import messages_of
from .sync import Client, Stream


class TextStream:
    """The text of one answer, with nothing to set up: iterate for its pieces, then look at `completion`.

    Closes by itself at the end, when it fails, and when it is dropped.
    """

    def __init__(self, client: Client, stream: Stream) -> None:
        self._client = client
        self._stream = stream
        self._text = stream.text

    @property
    def completion(self) -> Completion:
        """What has arrived so far."""
        return self._stream.completion

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            return next(self._text)
        except BaseException:
            self._client.close()
            raise

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; what came stays in `completion`."""
        self._stream.close()
        self._client.close()


def text(
    model: str,
    prompt: str | Sequence[Message],
    *,
    api_key: str | None = None,
    base_url: str = OPENROUTER,
    timeouts: Timeouts | None = None,
    retries: RetryPolicy | None = None,
    on_cut: OnCut = "raise",
    continue_on_length: int = 0,
    extra_body: Mapping[str, Any] | None = None,
    **parameters: Unpack[ChatParameters],
) -> TextStream:
    """Return the text of an answer to `prompt` (a string, or messages), piece by piece; raises if it was cut."""
    client = Client(api_key=api_key, base_url=base_url, timeouts=timeouts, retries=retries)
    stream = client.stream(
        model=model,
        messages=messages_of(prompt),
        on_cut=on_cut,
        continue_on_length=continue_on_length,
        extra_body=extra_body,
        **parameters,
    )
    return TextStream(client, stream)


class AsyncTextStream:
    """The text of one answer, with nothing to set up: iterate for its pieces, then look at `completion`.

    Closes by itself at its end and when it fails; left early, `aclose` it or use it in an `async with` block.
    """

    def __init__(self, client: AsyncClient, stream: AsyncStream) -> None:
        self._client = client
        self._stream = stream
        self._text = stream.text

    @property
    def completion(self) -> Completion:
        """What has arrived so far."""
        return self._stream.completion

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        try:
            return await anext(self._text)
        except BaseException:
            await self.aclose()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connection; what came stays in `completion`."""
        await self._stream.aclose()
        with anyio.CancelScope(shield=True):
            await self._client.aclose()


def atext(
    model: str,
    prompt: str | Sequence[Message],
    *,
    api_key: str | None = None,
    base_url: str = OPENROUTER,
    timeouts: Timeouts | None = None,
    retries: RetryPolicy | None = None,
    on_cut: OnCut = "raise",
    continue_on_length: int = 0,
    extra_body: Mapping[str, Any] | None = None,
    **parameters: Unpack[ChatParameters],
) -> AsyncTextStream:
    """Return the text of an answer to `prompt` (a string, or messages), piece by piece; raises if it was cut."""
    client = AsyncClient(api_key=api_key, base_url=base_url, timeouts=timeouts, retries=retries)
    stream = client.stream(
        model=model,
        messages=messages_of(prompt),
        on_cut=on_cut,
        continue_on_length=continue_on_length,
        extra_body=extra_body,
        **parameters,
    )
    return AsyncTextStream(client, stream)
