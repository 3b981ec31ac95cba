"""Requests to an ASGI application within the process, and events to relay."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from sseor.chat import Finished, Text
from sseor.relay.records import Relayed
from sseor.wire import Decoder, Event

JSON = {"content-type": "application/json"}


class Reply:
    """What an application has answered so far, and the client's side of the connection."""

    def __init__(self, body: bytes, parts: int) -> None:
        size = -(-len(body) // parts)
        self._requests: list[dict[str, Any]] = [
            {"type": "http.request", "body": body[at : at + size], "more_body": True}
            for at in range(0, len(body), size or 1)
        ]
        self._requests.append({"type": "http.request"})
        self._gone = anyio.Event()
        self._error: Exception | None = None
        self.messages: list[dict[str, Any]] = []
        self.sending: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint

    async def receive(self) -> dict[str, Any]:
        """Give the body, then wait until the client goes."""
        if self._requests:
            return self._requests.pop(0)
        await self._gone.wait()
        if self._error is not None:
            raise self._error
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a message."""
        await self.sending()
        self.messages.append(dict(message))

    def go(self, error: Exception | None = None) -> None:
        """Leave; `receive` tells so, or raises this error."""
        self._error = self._error or error
        self._requests.clear()
        self._gone.set()

    @property
    def status(self) -> int:
        """The status."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The header fields."""
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The body so far."""
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def ended(self) -> bool:
        """Whether the body has ended."""
        return len(self.messages) > 1 and not self.messages[-1].get("more_body", False)

    @property
    def stream(self) -> str:
        """The ID of the stream."""
        return self.headers["x-sseor-stream"]

    @property
    def events(self) -> list[Event]:
        """The events so far."""
        return [event for event in Decoder().feed(self.body) if isinstance(event, Event)]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records so far."""
        return [json.loads(event.data) for event in self.events]

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(record["text"] for record in self.records if record["type"] == "text")

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return str(json.loads(self.body)["error"]["code"])

    async def until(self, condition: Callable[[Reply], Any]) -> None:
        """Wait until the reply is so."""
        with anyio.fail_after(10):
            while not condition(self):
                await anyio.sleep(0.005)


@asynccontextmanager
async def asking(
    application: Any,
    method: str = "POST",
    path: str = "/streams",
    headers: dict[str, str] | None = None,
    *,
    body: bytes = b"{}",
    parts: int = 1,
    query: str = "",
    **scope: Any,
) -> AsyncIterator[Reply]:
    """Make a request, look at the reply while it comes, and leave."""
    reply = Reply(body, parts)
    given = {**(JSON if method == "POST" else {}), **(headers or {})}
    whole = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        **scope,
    }
    async with anyio.create_task_group() as group:
        group.start_soon(application, whole, reply.receive, reply.send)
        yield reply
        reply.go()


async def asked(
    application: Any, method: str = "POST", path: str = "/streams", *args: Any, **options: Any
) -> Reply:
    """Make a request and return the whole reply."""
    async with asking(application, method, path, *args, **options) as reply:
        await reply.until(lambda one: one.ended)
    return reply


class Source:
    """Events that a test gives one by one; knows whether it was begun, cancelled and closed."""

    def __init__(self, *events: Relayed | Exception | None) -> None:
        self._events: deque[Relayed | Exception | None] = deque()
        self._given: anyio.Event | None = None
        self.begun = self.cancelled = self.closed = False
        self.give(*events)

    def give(self, *events: Relayed | Exception | None) -> None:
        """Give events, an exception to raise, or None for the end."""
        self._events.extend(events)
        if self._given is not None:
            self._given.set()

    def end(self, reason: str = "stop") -> None:
        """End well."""
        self.give(Finished(reason), None)

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> Relayed:
        self.begun = True
        try:
            while not self._events:
                self._given = anyio.Event()
                await self._given.wait()
        except BaseException:
            self.cancelled = True
            raise
        event = self._events.popleft()
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, Exception):
            raise event
        return event

    async def aclose(self) -> None:
        """Close."""
        self.closed = True


def whole(*words: str) -> Source:
    """Return a source that says these words and ends well."""
    source = Source(*map(Text, words))
    source.end()
    return source
