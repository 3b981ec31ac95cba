"""Events to bytes: the inverse of the decoder, for servers and relays."""

from __future__ import annotations

from .events import Comment, Event


def encode(item: Event | Comment) -> bytes:
    """Return the bytes that a decoder turns into `item` again.

    The format knows one line end inside data: CRLF and CR come back as LF. A comment of several lines comes
    back as one comment a line. An `id` of "" is not written, since that is what a stream begins with.

    Raises ValueError for CR, LF or NUL in `event` or `id`: they would begin a field of another's choice.
    """
    if isinstance(item, Comment):
        return _lines(b"", item.text.encode()) + b"\n"
    if not isinstance(item, Event):
        raise TypeError(f"encode() takes an Event or a Comment, not {type(item).__name__}")
    head = b""
    if item.event != "message":
        head += _line("event", item.event)
    if item.id:
        head += _line("id", item.id)
    return head + _lines(b"data", item.data_bytes) + b"\n"


def _line(name: str, value: str) -> bytes:
    if any(forbidden in value for forbidden in "\r\n\0"):
        raise ValueError(f"the {name} of an event must not contain CR, LF or NUL: {value!r}")
    return f"{name}: {value}\n".encode()


def _lines(name: bytes, value: bytes) -> bytes:
    lines = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"".join(name + b": " + line + b"\n" for line in lines)
