"""Chunks made by hand, and bodies read as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from sseor.chat import Accumulator, Chunk, Completion, Reader, StreamEvent
from sseor.wire import Decoder, Event

STREAMS = Path(__file__).parent.parent / "data" / "streams"


def chunk(
    delta: dict[str, Any] | None = None, *, index: int = 0, finish: str | None = None, **fields: Any
) -> Chunk:
    """Return a chunk with one choice; `choice` adds fields to it, other keywords to the chunk."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **fields.pop("choice", {})}
    return Chunk({"id": "gen-1", "choices": [choice], **fields})


def received(raw: dict[str, Any]) -> Chunk:
    """Return the chunk as a reader gives it when it comes from a server."""
    (one,) = Reader().read(Event(json.dumps(raw, separators=(",", ":"))))
    return one


def call_chunk(*calls: dict[str, Any], **fields: Any) -> Chunk:
    """Return a chunk with these items of `delta.tool_calls`."""
    return chunk({"tool_calls": list(calls)}, **fields)


def call(
    arguments: Any = None, name: str | None = None, call_id: str | None = None, **fields: Any
) -> dict[str, Any]:
    """Return one item of `delta.tool_calls` with only what is given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, **({"id": call_id} if call_id is not None else {}), "function": function}


class Assembled:
    """What a body or some chunks gave."""

    def __init__(self, *, lenient: bool = False) -> None:
        self.reader = Reader(lenient=lenient)
        self.accumulator = Accumulator()
        self.events: list[StreamEvent] = []
        self.chunks: list[Chunk] = []

    def add(self, chunks: Iterable[Chunk]) -> Assembled:
        """Take chunks."""
        for one in chunks:
            self.chunks.append(one)
            self.events += self.accumulator.add(one)
        return self

    def end(self) -> Assembled:
        """End the answer."""
        self.events += self.accumulator.end()
        return self

    @property
    def completion(self) -> Completion:
        """The answer."""
        return self.accumulator.completion()

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def assemble(*chunks: Chunk) -> Assembled:
    """Add the chunks and end the answer."""
    return Assembled().add(chunks).end()


def read_body(body: bytes, cuts: Iterable[int] = (), *, lenient: bool = False) -> Assembled:
    """Read a body in pieces, cut at these offsets, to its end."""
    assembled = Assembled(lenient=lenient)
    decoder = Decoder()
    edges = [0, *sorted(set(cuts)), len(body)]
    for start, end in pairwise(edges):
        for item in decoder.feed(body[start:end]):
            if isinstance(item, Event):
                assembled.add(assembled.reader.read(item))
    assembled.add(assembled.reader.finish(decoder.end()))
    return assembled.end()


def sse(*payloads: Any) -> bytes:
    """Return the events that bear these payloads; objects as JSON, strings as they are."""
    lines = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    return "".join(f"data: {line}\n\n" for line in lines).encode()
