"""What a reader tells of the streams that it reads, and what all readers ask for."""

from __future__ import annotations

import json
import time
from typing import Any

from benchmarks.server import BEFORE_STAMP, BLOCK, STAMP_BYTES

SAMPLED = 8  # a power of two: one event in so many tells how late it is, so that telling costs little
MESSAGES = [{"role": "user", "content": "Hello"}]


class Seen:
    """What one stream has brought: how many events, its text when `keeps`, and how late it was (seconds).

    `began` is the reading of the performance counter when the first text came, for those that keep it.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self.events = 0
        self.late: list[float] = []
        self.began: float | None = None
        self.texts: list[str] = []
        self.keeps = keeps

    def text(self, text: str) -> None:
        """Note the text of one event."""
        self.events += 1
        if self.keeps:
            self._keep(text)
        elif not self.events & (SAMPLED - 1):
            self.late.append(time.monotonic() - float(text))

    def data(self, data: bytes) -> None:
        """Note the bytes of one read, which a raw reader does not look into."""
        self.events += data.count(b"\n\n")
        if self.keeps:
            self._keep(data.decode())
        elif not self.events & (SAMPLED - 1) and len(data) == len(BLOCK):
            stamp = data[len(BEFORE_STAMP) : len(BEFORE_STAMP) + STAMP_BYTES]
            self.late.append(time.monotonic() - float(stamp))

    def _keep(self, text: str) -> None:
        if self.began is None:
            self.began = time.perf_counter()
        self.texts.append(text)


def body_of(model: str) -> dict[str, Any]:
    """Return the body of a request."""
    return {"model": model, "messages": MESSAGES, "stream": True}


def content_of(chunk: Any) -> str:
    """Return the content of a chunk that an SDK gives as an object."""
    return (chunk.choices and chunk.choices[0].delta.content) or ""


def tell(data: str, seen: Seen) -> None:
    """Parse the data of one event, and tell its text."""
    if data != "[DONE]":
        chunk = json.loads(data)
        if chunk["choices"] and (text := chunk["choices"][0]["delta"]["content"]):
            seen.text(text)
