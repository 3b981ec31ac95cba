"""Records written in a format, and what a reader of such events makes of the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sseor.relay.formats import open_format
from sseor.relay.tail import Tail
from sseor.wire import Decoder, Event

Records = Iterable[Mapping[str, Any]]

DONE: Mapping[str, Any] = {"type": "done", "finish_reason": "stop"}
RESTARTED: Mapping[str, Any] = {"type": "restarted", "attempt": 2, "code": "stalled"}


def text(piece: str, **more: Any) -> Mapping[str, Any]:
    """Return a record of text."""
    return {"type": "text", "text": piece, **more}


def lines(records: Records) -> list[bytes]:
    """Return records as a log has them."""
    return [json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() for record in records]


class Reader:
    """A viewer of one stream, in one format, that reads when it is told to."""

    def __init__(self, tail: Tail, name: str, question: Mapping[str, Any] | None = None) -> None:
        self._tail = tail
        self.writing = open_format(name, tail, question)
        self._place = tail.void
        self.data = b""

    def read(self) -> Reader:
        """Take all that there is."""
        while not self.writing.over and (batch := self._tail.after(self._place)) is not None:
            self._place = batch.last
            self.data += self.writing.write(batch)
        return self

    @property
    def events(self) -> list[Any]:
        """The objects that came; `[DONE]` as it is."""
        found = [item.data for item in Decoder().feed(self.data) if isinstance(item, Event)]
        return [data if data == "[DONE]" else json.loads(data) for data in found]


def written(
    records: Records,
    name: str,
    *,
    kept: int = 1000,
    looks: Sequence[int] | None = None,
    question: Mapping[str, Any] | None = None,
) -> Reader:
    """Return a reader that has looked after each record, or only after those of these numbers, and at the end."""
    tail = Tail("the-stream", "g", max_records=kept)
    reader = Reader(tail, name, question)
    for number, line in enumerate(lines(records)):
        tail.add([line])
        if looks is None or number in looks:
            reader.read()
    return reader.read()
