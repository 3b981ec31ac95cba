"""Lines to events: the interpretation of an event stream (WHATWG HTML §9.2.6), fed as bytes arrive."""

from __future__ import annotations

from typing import NamedTuple

from .events import Comment, Event
from .lines import LineBuffer

# Longer numbers fit no float and no clock, and from 641 digits on `int` may be told to refuse.
_RETRY_DIGITS = 300


class EventTooLargeError(ValueError):
    """An event, a comment or an unfinished line grew beyond `limit` bytes.

    `events` holds what the same `feed` had completed before it, in order.
    """

    def __init__(self, limit: int, events: list[Event | Comment] | None = None) -> None:
        super().__init__(limit, events)
        self.limit = limit
        self.events = events or []

    def __str__(self) -> str:
        return f"an event is larger than the limit of {self.limit} bytes"


class Unfinished(NamedTuple):
    """What the end of the stream cut off, and the standard discards.

    `event` is what a line end and a blank line would have dispatched, None if the block holds no data; `line`
    is the line that lacks its end, empty if the cut fell between lines.
    """

    event: Event | None
    line: bytes


class Decoder:
    """Turns the bytes of one event stream into events and comments, whatever the reads that bring them.

    `max_event_bytes` bounds one event: its data so far and the line being read; a comment counts alike.
    """

    def __init__(self, max_event_bytes: int = 64 << 20) -> None:
        self._limit = max_event_bytes
        self._lines = LineBuffer()
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = ""
        self._id = ""
        self._last_event_id = ""
        self._reconnection_time: int | None = None
        self._ended = False
        self._failed = False

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """The reconnection time in milliseconds, None until a `retry` field has set it."""
        return self._reconnection_time

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event | Comment]:
        """Return the events and comments that `data` completes, in the order of the bytes.

        Raises EventTooLargeError beyond the limit, now and at each later call; RuntimeError after `end`;
        TypeError for anything but bytes.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"feed() takes bytes as they come from the network, not {type(data).__name__}")
        if self._ended:
            raise RuntimeError("feed() after end(): a decoder reads one stream; make a new one for the next")
        if self._failed:
            raise EventTooLargeError(self._limit)
        items: list[Event | Comment] = []
        for line in self._lines.add(bytes(data)).splitlines():
            if not line:
                self._dispatch(items)
            elif len(line) + self._data_size > self._limit:
                self._fail(items)
            elif line[0] == 0x3A:
                items.append(Comment(line[2:] if line[1:2] == b" " else line[1:]))
            else:
                self._field(line)
        if self._lines.size + self._data_size > self._limit:
            self._fail(items)
        return items

    def end(self) -> Unfinished | None:
        """Say that the stream is over; return what it left unfinished, None if it ended between events."""
        if self._ended or self._failed:
            self._ended = True
            return None
        self._ended = True
        line = self._lines.take()
        if not line and not self._data and not self._event and self._id == self._last_event_id:
            return None
        reconnection_time = self._reconnection_time
        if line and line[0] != 0x3A:
            self._field(line)
        self._reconnection_time = reconnection_time  # the line never ended
        event = Event(b"\n".join(self._data), self._event, self._id) if self._data else None
        return Unfinished(event, line)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_size += len(value) + 1
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS:
            self._reconnection_time = int(value)

    def _dispatch(self, items: list[Event | Comment]) -> None:
        self._last_event_id = self._id
        if self._data:
            items.append(Event(b"\n".join(self._data), self._event, self._id))
            self._data = []
            self._data_size = 0
        self._event = ""

    def _fail(self, items: list[Event | Comment]) -> None:
        self._failed = True
        self._lines.take()
        self._data = []
        raise EventTooLargeError(self._limit, items)
