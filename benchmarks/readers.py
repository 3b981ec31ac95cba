"""The clients for asyncio that are compared, each as one function that reads one answer and tells a `Seen` of it.

Raw readers tell bytes, all others text. A reader is made once per process, for all its streams. Limits on the number
of connections are lifted wherever there is one, retries and time limits are left as they come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measuring import needed
from benchmarks.seen import MESSAGES, Seen, body_of, content_of, tell

AsyncRead = Callable[[str, Seen], Awaitable[None]]


def unlimited(library: Any) -> Any:
    """Return a client of httpx or httpx2 without its limit of 100 connections."""
    limits = library.Limits(max_connections=None, max_keepalive_connections=20)
    return library.AsyncClient(limits=limits)


@contextlib.asynccontextmanager
async def sockets(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with a protocol of asyncio, nothing parsed: the floor."""
    parts = urlsplit(base_url)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    loop = asyncio.get_running_loop()

    class Counter(asyncio.BufferedProtocol):
        buffer = memoryview(bytearray(1 << 16))

        def __init__(self, seen: Seen) -> None:
            self.seen = seen
            self.ended = loop.create_future()
            self.last = b""

        def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's)
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            data = bytes(self.buffer[:nbytes])
            for piece in data.split(b"\r\n"):
                if piece.startswith(b"data"):
                    self.seen.data(piece)
            self.last = (self.last + data)[-7:]
            if self.last == b"\r\n0\r\n\r\n":
                self.ended.set_result(None)

    async def read(model: str, seen: Seen) -> None:
        data = json.dumps(body_of(model)).encode()
        head = f"POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        transport, protocol = await loop.create_connection(
            lambda: Counter(seen), "127.0.0.1", int(parts.port or 0), ssl=context
        )
        transport.write(head.encode() + data)
        try:
            await protocol.ended
        finally:
            transport.abort()

    yield read


@contextlib.asynccontextmanager
async def httpx_raw(base_url: str, client: Any = None) -> AsyncIterator[AsyncRead]:
    """Read with bare httpx, nothing parsed."""
    async with client or unlimited(needed("httpx")) as client:
        url = f"{base_url}/chat/completions"

        async def read(model: str, seen: Seen) -> None:
            async with client.stream("POST", url, json=body_of(model), timeout=None) as response:
                async for data in response.aiter_raw():
                    seen.data(data)

        yield read


@contextlib.asynccontextmanager
async def httpx_on_our_sockets(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with httpx over a pool whose sockets are ours."""
    ours = needed("sseor").AsyncClient(api_key="none", base_url=base_url)
    async with httpx_raw(base_url, ours._link.http) as read:
        yield read


@contextlib.asynccontextmanager
async def httpx_sse(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with httpx and httpx-sse, and parse with json."""
    httpx, sse = needed("httpx"), needed("httpx_sse")
    async with unlimited(httpx) as client:
        url = f"{base_url}/chat/completions"

        async def read(model: str, seen: Seen) -> None:
            async with sse.aconnect_sse(client, "POST", url, json=body_of(model), timeout=None) as source:
                async for event in source.aiter_sse():
                    tell(event.data, seen)

        yield read


@contextlib.asynccontextmanager
async def httpx2_sse(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with httpx2 and its own event source, and parse with json."""
    httpx2 = needed("httpx2")
    async with unlimited(httpx2) as client:
        url = f"{base_url}/chat/completions"

        async def read(model: str, seen: Seen) -> None:
            async with client.stream("POST", url, json=body_of(model), timeout=None) as response:
                async for event in httpx2.EventSource(response):
                    tell(event.data, seen)

        yield read


@contextlib.asynccontextmanager
async def aiohttp_by_hand(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with aiohttp, line by line, and parse with orjson."""
    aiohttp, loads = needed("aiohttp"), needed("orjson").loads
    context = ssl.create_default_context() if base_url.startswith("https") else False
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"{base_url}/chat/completions"
        unbounded = aiohttp.ClientTimeout(total=None)

        async def read(model: str, seen: Seen) -> None:
            async with session.post(url, json=body_of(model), timeout=unbounded) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        chunk = loads(line[6:])
                        if chunk["choices"] and (text := chunk["choices"][0]["delta"]["content"]):
                            seen.text(text)

        yield read


@contextlib.asynccontextmanager
async def sseor_async(base_url: str, http_client: Any = None) -> AsyncIterator[AsyncRead]:
    """Read with our client: events, with an answer kept and all deadlines watched."""
    sseor = needed("sseor")
    async with sseor.AsyncClient(api_key="none", base_url=base_url, http_client=http_client) as client:

        async def read(model: str, seen: Seen) -> None:
            async with client.stream(model=model, messages=MESSAGES) as stream:
                async for event in stream:
                    if isinstance(event, sseor.Text):
                        seen.text(event.delta)

        yield read


@contextlib.asynccontextmanager
async def sseor_on_httpx(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with our client over an httpx client that the caller brings."""
    async with unlimited(needed("httpx")) as theirs, sseor_async(base_url, theirs) as read:
        yield read


@contextlib.asynccontextmanager
async def openai_async(base_url: str, http_client: Any = None) -> AsyncIterator[AsyncRead]:
    """Read with the openai SDK."""
    openai = needed("openai")
    async with openai.AsyncOpenAI(api_key="none", base_url=base_url, http_client=http_client) as client:

        async def read(model: str, seen: Seen) -> None:
            chunks = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
            async with chunks:
                async for chunk in chunks:
                    if text := content_of(chunk):
                        seen.text(text)

        yield read


@contextlib.asynccontextmanager
async def openai_aiohttp(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with the openai SDK over aiohttp."""
    async with openai_async(base_url, needed("openai").DefaultAioHttpClient()) as read:
        yield read


@contextlib.asynccontextmanager
async def openrouter_async(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with the openrouter SDK."""
    openrouter, theirs = needed("openrouter"), unlimited(needed("httpx"))
    theirs.timeout = None
    async with openrouter.OpenRouter(api_key="none", server_url=base_url, async_client=theirs) as client:

        async def read(model: str, seen: Seen) -> None:
            async with await client.chat.send_async(model=model, messages=MESSAGES, stream=True) as chunks:
                async for chunk in chunks:
                    if text := content_of(chunk):
                        seen.text(text)

        yield read


@contextlib.asynccontextmanager
async def litellm_async(base_url: str) -> AsyncIterator[AsyncRead]:
    """Read with litellm, through its provider for OpenAI-compatible servers."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network
    litellm = needed("litellm")

    async def read(model: str, seen: Seen) -> None:
        chunks = await litellm.acompletion(
            model=f"openai/{model}", messages=MESSAGES, stream=True, api_key="none", api_base=base_url
        )
        async for chunk in chunks:
            if text := content_of(chunk):
                seen.text(text)

    yield read


# Name: what to import, what reads, and whether it tells bytes.
ASYNC: dict[str, tuple[str, Any, bool]] = {
    "floor: asyncio sockets": ("sseor", sockets, True),
    "httpx, aiter_raw": ("httpx", httpx_raw, True),
    "httpx over our sockets, aiter_raw": ("sseor", httpx_on_our_sockets, True),
    "sseor": ("sseor", sseor_async, False),
    "sseor over plain httpx": ("sseor", sseor_on_httpx, False),
    "httpx-sse and json": ("httpx_sse", httpx_sse, False),
    "httpx2, EventSource and json": ("httpx2", httpx2_sse, False),
    "aiohttp and orjson": ("aiohttp", aiohttp_by_hand, False),
    "openai": ("openai", openai_async, False),
    "openai over aiohttp": ("openai", openai_aiohttp, False),
    "openrouter": ("openrouter", openrouter_async, False),
    "litellm": ("litellm", litellm_async, False),
}
