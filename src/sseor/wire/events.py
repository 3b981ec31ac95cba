"""What an event stream holds: events and comments, as immutable values."""

from __future__ import annotations

from typing import Any


class Event(tuple[bytes, str, str]):
    """One dispatched event (WHATWG HTML §9.2.6).

    `data` may be given as text or as bytes; the bytes are kept, and `data` decodes them each time it is
    read. `event` is the event type, `message` where the stream names none. `id` is the last event ID in
    force at dispatch, which may stem from an earlier block. Events are equal when text, type and ID are.

    Raises UnicodeEncodeError (a ValueError) for text with lone surrogates, which UTF-8 cannot carry.
    """

    __slots__ = ()
    __match_args__ = ("data", "event", "id")

    def __new__(cls, data: str | bytes, event: str = "message", id: str = "") -> Event:  # noqa: A002
        """Keep the data as bytes; an empty event type is `message`, as in the standard."""
        data_bytes = data.encode() if isinstance(data, str) else bytes(data)
        return tuple.__new__(cls, (data_bytes, event or "message", id))

    @property
    def data(self) -> str:
        """The data as text: UTF-8, each maximal invalid sequence replaced by U+FFFD."""
        return self[0].decode("utf-8", "replace")

    @property
    def data_bytes(self) -> bytes:
        """The data as received: its lines joined with LF."""
        return self[0]

    @property
    def event(self) -> str:
        """The event type."""
        return self[1]

    @property
    def id(self) -> str:
        """The last event ID in force when the event was dispatched."""
        return self[2]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self[1:] == other[1:] and (self[0] == other[0] or self.data == other.data)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.data, self[1], self[2]))

    def __repr__(self) -> str:
        shown = self.data if len(self[0]) <= 100 else self.data[:80] + "…"
        event = f", event={self[1]!r}" if self[1] != "message" else ""
        last_id = f", id={self[2]!r}" if self[2] else ""
        return f"Event({shown!r}{event}{last_id})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


class Comment(tuple[bytes]):
    """One comment line: `text` is what follows its colon, less one leading space.

    The standard ignores comments; here they are delivered, since they prove that the peer is alive. It removes
    the space only after a field's colon; the same is done here, so that `: ping` and `:ping` are both `ping`.
    """

    __slots__ = ()
    __match_args__ = ("text",)

    def __new__(cls, text: str | bytes) -> Comment:
        """Keep the text as bytes."""
        return tuple.__new__(cls, (text.encode() if isinstance(text, str) else bytes(text),))

    @property
    def text(self) -> str:
        """The text: UTF-8, each maximal invalid sequence replaced by U+FFFD."""
        return self[0].decode("utf-8", "replace")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Comment):
            return NotImplemented
        return self.text == other.text

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Comment({self.text if len(self[0]) <= 100 else self.text[:80] + '…'!r})"

    def __getnewargs__(self) -> tuple[bytes]:
        return (self[0],)
