"""The clients for threads that are compared, as in `readers`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measuring import needed
from benchmarks.seen import MESSAGES, Seen, body_of, content_of, tell

Read = Callable[[str, Seen], None]


@contextlib.contextmanager
def httpx_raw(base_url: str) -> Iterator[Read]:
    """Read with bare httpx, nothing parsed."""
    library = needed("httpx")
    with library.Client() as client:
        url = f"{base_url}/chat/completions"

        def read(model: str, seen: Seen) -> None:
            with client.stream("POST", url, json=body_of(model), timeout=None) as response:
                for data in response.iter_raw():
                    seen.data(data)

        yield read


@contextlib.contextmanager
def httpx_sse(base_url: str) -> Iterator[Read]:
    """Read with httpx and httpx-sse, and parse with json."""
    library, sse = needed("httpx"), needed("httpx_sse")
    with library.Client() as client:
        url = f"{base_url}/chat/completions"

        def read(model: str, seen: Seen) -> None:
            with sse.connect_sse(client, "POST", url, json=body_of(model), timeout=None) as source:
                for event in source.iter_sse():
                    tell(event.data, seen)

        yield read


@contextlib.contextmanager
def sseor(base_url: str, http_client: Any = None) -> Iterator[Read]:
    """Read with our client."""
    library = needed("sseor")
    with library.Client(api_key="none", base_url=base_url, http_client=http_client) as client:

        def read(model: str, seen: Seen) -> None:
            with client.stream(model=model, messages=MESSAGES) as stream:
                for event in stream:
                    if isinstance(event, library.Text):
                        seen.text(event.delta)

        yield read


@contextlib.contextmanager
def sseor_on_httpx(base_url: str) -> Iterator[Read]:
    """Read with our client over an httpx client that the caller brings."""
    with needed("httpx").Client() as theirs, sseor(base_url, theirs) as read:
        yield read


@contextlib.contextmanager
def openai(base_url: str) -> Iterator[Read]:
    """Read with the openai SDK."""
    with needed("openai").OpenAI(api_key="none", base_url=base_url) as client:

        def read(model: str, seen: Seen) -> None:
            with client.chat.completions.create(model=model, messages=MESSAGES, stream=True) as chunks:
                for chunk in chunks:
                    if text := content_of(chunk):
                        seen.text(text)

        yield read


@contextlib.contextmanager
def openrouter(base_url: str) -> Iterator[Read]:
    """Read with the openrouter SDK."""
    with needed("openrouter").OpenRouter(api_key="none", server_url=base_url) as client:

        def read(model: str, seen: Seen) -> None:
            with client.chat.send(model=model, messages=MESSAGES, stream=True) as chunks:
                for chunk in chunks:
                    if text := content_of(chunk):
                        seen.text(text)

        yield read


# As in `readers`.
SYNC: dict[str, tuple[str, Any, bool]] = {
    "httpx, iter_raw": ("httpx", httpx_raw, True),
    "sseor": ("sseor", sseor, False),
    "sseor over plain httpx": ("sseor", sseor_on_httpx, False),
    "httpx-sse and json": ("httpx_sse", httpx_sse, False),
    "openai": ("openai", openai, False),
    "openrouter": ("openrouter", openrouter, False),
}
