"""Formats where the stream is written by another worker: the bytes are those that its own viewers get."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
import pytest
from relay.asking import Source
from relay.redis_logs import Logs, logs, redis_program, redis_server, until

from sseor.chat import Restarted, Text
from sseor.errors import CutShortError
from sseor.relay import Relay, Viewer

__all__ = ["logs", "redis_program", "redis_server"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


async def everything(viewer: Viewer) -> bytes:
    """Return all bytes of a viewer, but for the time at which its process saw the stream."""
    with anyio.fail_after(30):
        data = b"".join([part async for part in viewer])
    return re.sub(rb'"created":\d+', b'"created":0', data)


def content(piece: dict[str, Any]) -> str | None:
    """Return the text of a chunk; None for what is none."""
    found = [choice["delta"].get("content") for choice in piece.get("choices", ())]
    return "".join(filter(None, found)) or None


@pytest.mark.parametrize("name", ["token", "openai", "ai-sdk"])
async def test_a_viewer_on_another_worker(logs: Logs, name: str) -> None:
    """From the beginning, and late, when Redis has folded the most and an answer has begun anew."""
    writing, other = (Relay(log=logs(max_records=8), smoothing=None, grace=None) for _ in range(2))
    source = Source(*map(Text, "abc"))
    stream = await writing.start(source)
    viewers = [await relay.attach(stream, format=name) for relay in (writing, other)]
    found: list[bytes] = []
    async with anyio.create_task_group() as group:

        async def read(viewer: Viewer) -> None:
            found.append(await everything(viewer))

        for viewer in viewers:
            group.start_soon(read, viewer)
        await until(lambda: all(viewer.tail.last == 3 for viewer in viewers))
        source.give(Restarted(2, CutShortError("x")))
        await until(lambda: len(found) == 2)
    assert found[0] == found[1]
    assert b"cut" in found[0].rpartition(b"data: ")[2]

    late = [await relay.attach(stream, format=name) for relay in (writing, other)]
    source.give(*(Text(f"{number} ") for number in range(50)))
    source.end()
    await until(lambda: all(viewer.tail.ended for viewer in late))
    last = await other.attach(stream, format=name)
    for viewer in (*late, last):
        data = (await everything(viewer)).decode()
        pieces = [json.loads(line[6:]) for line in data.split("\n") if line.startswith("data: {")]
        texts = [piece.get("token") or piece.get("delta") or content(piece) for piece in pieces]
        assert "".join(filter(None, texts)) == "".join(f"{number} " for number in range(50))
        assert data.endswith("data: [DONE]\n\n")
    await writing.aclose()
    await other.aclose()
