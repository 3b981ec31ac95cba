"""Today's decoders, each as the suite's bridge takes it: called as its users call it, with no network in between.

Each stands in a function of its own, so that one that is missing or broken harms no other. What an event tells of a
reconnection time is reported as the stream's.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from importlib import metadata
from itertools import chain
from types import SimpleNamespace
from typing import Any

EVENT_STREAM = {"Content-Type": "text/event-stream"}

Peer = Callable[..., Any]

PEERS: dict[str, Peer] = {}
"""Each by the name of its distribution; `version` of each is empty where it is not installed."""


def peer(distribution: str) -> Callable[[Peer], Peer]:
    """Note a peer, and the version that is installed."""

    def note(factory: Peer) -> Peer:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = ""
        factory.version = version  # type: ignore[attr-defined] # the bridge reads it
        PEERS[distribution] = factory
        return factory

    return note


def told(events: Iterable[Any]) -> Iterator[Any]:
    """Yield events, and behind each the reconnection time that it bears."""
    for event in events:
        yield event
        if event.retry is not None:
            yield {"reconnection_time": event.retry}


@peer("httpx-sse")
def httpx_sse(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use `EventSource(response).iter_sse()`."""
    import httpx
    from httpx_sse import EventSource

    yield from told(EventSource(httpx.Response(200, headers=EVENT_STREAM, content=reads)).iter_sse())


@peer("httpx2")
def httpx2(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use what `client.sse()` gives."""
    import httpx2

    request = httpx2.Request("GET", "http://127.0.0.1/")
    yield from told(
        httpx2.EventSource(httpx2.Response(200, headers=EVENT_STREAM, content=reads, request=request))
    )


@peer("openai")
def openai(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use the decoder under `Stream`, which itself parses JSON."""
    from openai._streaming import SSEDecoder

    yield from told(SSEDecoder().iter_bytes(reads))


@peer("anthropic")
def anthropic(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use the decoder under `Stream`, which itself parses JSON."""
    from anthropic._streaming import SSEDecoder

    yield from told(SSEDecoder().iter_bytes(reads))


@peer("openrouter")
def openrouter(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use `EventStream`, with its parsing of JSON taken out, so that data comes as it was sent."""
    import httpx
    from openrouter.utils import eventstreaming

    eventstreaming.json = SimpleNamespace(loads=str, dumps=dict, JSONDecodeError=ValueError)
    response = httpx.Response(200, headers=EVENT_STREAM, content=reads)
    for event in eventstreaming.EventStream(response, lambda fields: SimpleNamespace(**fields)):
        yield event
        if hasattr(event, "retry"):
            yield {"reconnection_time": event.retry}


@peer("sseclient-py")
def sseclient_py(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use `SSEClient(reads).events()`; its `retry` is text, and what it means is left to the caller."""
    from sseclient import SSEClient

    yield from SSEClient(reads).events()


@peer("assel")
def assel(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use `parse`, each time with a UTF-8 decoder of its own: all parsers of a process share one otherwise."""
    from assel import Parser, parse

    parser = Parser()
    parser.line_decoder.utf8dec = codecs.getincrementaldecoder("utf-8")()
    yield from told(parse(reads, parser))


@peer("axio-sse")
def axio_sse(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use `Decoder`, ended as its documentation asks; the type of an event is its `name` there."""
    from axio_sse import Decoder

    decoder = Decoder()
    for data in chain(reads, [None]):
        for event in decoder.decode(final=True) if data is None else decoder.decode(data):
            yield {"data": event.data, "event": event.name, "id": event.id}
            if event.retry is not None:
                yield {"reconnection_time": event.retry}


class StreamOverError(Exception):
    """The stream is over: a client that would connect again is stopped."""


def stop() -> None:
    """Raise `StreamOverError` where a client tells that its stream is over."""
    raise StreamOverError


@peer("aiohttp-sse-client")
async def aiohttp_sse_client(reads: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """Use `EventSource`, over aiohttp's own reader of bodies."""
    import asyncio

    from aiohttp import StreamReader
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp_sse_client.client import EventSource
    from yarl import URL

    loop = asyncio.get_running_loop()

    class Unhurried(BaseProtocol):
        """Has no transport to pause."""

        def pause_reading(self) -> None:
            pass

        def resume_reading(self, resume_parser: bool = True) -> None:
            pass

    class Body(StreamReader):
        """Takes the next read when it has nothing left."""

        async def _wait(self, func_name: str) -> None:  # noqa: ARG002 - of the class above
            data = await anext(reads, None)
            if data is None:
                self.feed_eof()
            elif data:
                self.feed_data(data)

    body = Body(Unhurried(loop), limit=1 << 16, loop=loop)
    response = SimpleNamespace(
        status=200,
        content_type="text/event-stream",
        headers=EVENT_STREAM,
        content=body,
        real_url=URL("http://127.0.0.1/"),
        close=lambda: None,
    )

    async def request(*_: Any, **__: Any) -> Any:
        return response

    try:
        async with EventSource(
            "http://127.0.0.1/", session=SimpleNamespace(request=request), on_error=stop
        ) as source:
            async for event in source:
                yield event
    except StreamOverError:
        return


@peer("requests-sse")
def requests_sse(reads: Iterator[bytes]) -> Iterator[Any]:
    """Use `EventSource`, over a response of requests."""
    from requests import Response
    from requests_sse import EventSource

    response = Response()
    response.status_code = 200
    response.url = "http://127.0.0.1/"
    response.headers.update(EVENT_STREAM)
    # As urllib3 gives a chunked body: chunk by chunk, none of them empty.
    response.raw = SimpleNamespace(stream=lambda *_, **__: filter(None, reads), close=lambda: None)
    session = SimpleNamespace(request=lambda **_: response)
    try:
        with EventSource("http://127.0.0.1/", session=session, on_error=stop) as source:
            yield from source
    except StreamOverError:
        return
