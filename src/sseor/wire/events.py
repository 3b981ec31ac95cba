"""What an event stream holds: events and comments, as immutable values, and what its end cuts off."""

from __future__ import annotations

_Text = str | bytes | bytearray | memoryview

_SHOWN = 80  # characters of a long text that a repr shows


class Event:
    """One dispatched event (WHATWG HTML §9.2.6).

    `data` may be given as text or as bytes; the bytes are kept, and `data` decodes them each time it is
    read. `event` is the event type, `message` where the stream names none. `id` is the last event ID in
    force at dispatch, which may stem from an earlier block. Events are equal when text, type and ID are.

    Raises UnicodeEncodeError (a ValueError) for text with lone surrogates, which UTF-8 cannot carry.
    """

    __slots__ = ("_data", "_event", "_id")
    __match_args__ = ("data", "event", "id")

    _data: bytes
    _event: str
    _id: str

    def __init__(self, data: _Text, event: str = "message", id: str = "") -> None:  # noqa: A002 - its name
        self._data = _utf8(data)
        self._event = event or "message"
        self._id = id

    @property
    def data(self) -> str:
        """The data as text: UTF-8, each maximal invalid sequence replaced by U+FFFD."""
        return self._data.decode("utf-8", "replace")

    @property
    def data_bytes(self) -> bytes:
        """The data as received: its lines joined with LF."""
        return self._data

    @property
    def event(self) -> str:
        """The event type."""
        return self._event

    @property
    def id(self) -> str:
        """The last event ID in force when the event was dispatched."""
        return self._id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (self.data, self._event, self._id) == (other.data, other._event, other._id)

    def __hash__(self) -> int:
        return hash((self.data, self._event, self._id))

    def __repr__(self) -> str:
        event = f", event={self._event!r}" if self._event != "message" else ""
        last_event_id = f", id={self._id!r}" if self._id else ""
        return f"Event({_shown(self._data)}{event}{last_event_id})"

    def __reduce__(self) -> tuple[type[Event], tuple[bytes, str, str]]:
        return Event, (self._data, self._event, self._id)


class ReceivedEvent(Event):
    """An event as the decoder builds it: created bare and filled in, at half the cost of a call of `Event`."""

    __slots__ = ()
    __init__ = object.__init__


class Comment:
    """One comment line: `text` is what follows its colon, less one leading space.

    The standard ignores comments; here they are delivered, since they prove that the peer is alive. It
    speaks of the space only for fields; the same is done here, so that `: ping` and `:ping` are both `ping`.
    """

    __slots__ = ("_text",)
    __match_args__ = ("text",)

    def __init__(self, text: _Text) -> None:
        self._text = _utf8(text)

    @property
    def text(self) -> str:
        """The text: UTF-8, each maximal invalid sequence replaced by U+FFFD."""
        return self._text.decode("utf-8", "replace")

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Comment) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Comment({_shown(self._text)})"

    def __reduce__(self) -> tuple[type[Comment], tuple[bytes]]:
        return Comment, (self._text,)


class ReceivedComment(Comment):
    """A comment as the decoder builds it."""

    __slots__ = ()
    __init__ = object.__init__


class Unfinished:
    """What the end of the stream cut off, and the standard discards.

    `event` is what a line end and a blank line would have dispatched, None if the block holds no data; `line`
    is the line that lacks its end, empty if the cut fell between lines.
    """

    __slots__ = ("event", "line")
    __match_args__ = ("event", "line")

    def __init__(self, event: Event | None, line: bytes) -> None:
        self.event = event
        self.line = line

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unfinished):
            return NotImplemented
        return (self.event, self.line) == (other.event, other.line)

    def __hash__(self) -> int:
        return hash((self.event, self.line))

    def __repr__(self) -> str:
        return f"Unfinished(event={self.event!r}, line={self.line!r})"


def _utf8(text: _Text) -> bytes:
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, (bytes, bytearray, memoryview)):
        return bytes(text)
    raise TypeError(f"text or bytes are wanted, not {type(text).__name__}")


def _shown(text: bytes) -> str:
    start = text[: 4 * _SHOWN + 4].decode("utf-8", "replace")  # a character is at most four bytes
    return repr(start if len(start) <= _SHOWN else start[: _SHOWN - 1] + "…")
