"""`sseor.client.text`: the text of one answer in one line, on threads, asyncio and trio."""

from __future__ import annotations

import gc

import anyio
import pytest
from shells import PROMPT

import sseor
from sseor.errors import EndedEarlyError
from sseor.testing import LoopbackServer, Role, Say, Silence, answer, play

pytestmark = pytest.mark.usefixtures("leaves_nothing_open")

BACKENDS = ("asyncio", "trio")


def test_one_line_of_text() -> None:
    """`sseor.text` needs no client, closes by itself and keeps the completion."""
    with LoopbackServer(play(*answer("Low", " water"))) as server:
        stream = sseor.text("m", "Hello", base_url=server.base_url)
        assert stream.completion.text == ""
        assert "".join(stream) == "Low water"
        assert list(stream) == []
        assert stream.completion.usage is not None
        assert server.wait_idle(5)
        assert server.requests[0].json()["messages"] == PROMPT


def test_one_line_of_text_takes_messages_and_parameters() -> None:
    """Messages and parameters are passed on; a wrong one raises at once."""
    with LoopbackServer(play(*answer("Low"))) as server:
        messages = [{"role": "system", "content": "Be brief."}, *PROMPT]
        assert "".join(sseor.text("m", messages, base_url=server.base_url, temperature=0)) == "Low"
        assert server.requests[0].json()["messages"] == messages
        with pytest.raises(sseor.errors.ConfigError):
            sseor.text("m", messages, base_url=server.base_url, temprature=0)  # type: ignore[call-arg]


def test_one_line_of_text_raises_when_cut() -> None:
    """A cut answer is an error, and the connection is let go."""
    with LoopbackServer(play(Role(), Say("Low"))) as server:
        with pytest.raises(EndedEarlyError) as caught:
            list(sseor.text("m", "Hello", base_url=server.base_url))
        assert server.wait_idle(5)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Low"


def test_one_line_of_text_closes_when_dropped() -> None:
    """Broken out of and dropped, it lets go without a word: there was nothing to close by hand."""
    with LoopbackServer(play(Role(), Say("Low", " water"), Silence())) as server:
        for _ in sseor.text("m", "Hello", base_url=server.base_url):
            break
        gc.collect()
        assert server.wait_idle(5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_line_of_text_in_async(backend: str) -> None:
    """`sseor.atext` needs no client, closes by itself and keeps the completion."""

    async def main() -> None:
        stream = sseor.atext("m", "Hello", base_url=server.base_url)
        assert stream.completion.text == ""
        assert "".join([text async for text in stream]) == "Low water"
        assert stream.completion.usage is not None
        assert server.wait_idle(5)
        async with sseor.atext("m", "Hello", base_url=server.base_url) as again:
            assert await anext(again) == "Low"
        assert server.wait_idle(5)

    with LoopbackServer(play(*answer("Low", " water"))) as server:
        anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_line_of_text_in_async_raises_when_cut(backend: str) -> None:
    """A cut answer is an error, and the connection is let go."""

    async def main() -> None:
        with pytest.raises(EndedEarlyError) as caught:
            async for _ in sseor.atext("m", "Hello", base_url=server.base_url):
                pass
        assert caught.value.partial is not None
        assert caught.value.partial.text == "Low"
        assert server.wait_idle(5)

    with LoopbackServer(play(Role(), Say("Low"))) as server:
        anyio.run(main, backend=backend)
