"""`sseor decode`: the bytes of an event stream in, a line of JSON for each event and comment out."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from sseor.chat.text import printable
from sseor.cli.exit_codes import COMPLETE
from sseor.cli.terminal import write_out
from sseor.errors import ConfigError, EndedEarlyError, EventTooLargeError, ProtocolError
from sseor.wire import Comment, Decoder, Event, Unfinished
from sseor.wire import EventTooLargeError as DecoderLimitError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

__all__ = ["add_decode", "decode"]

READ = 64 << 10

SHOWN = 200
"""Characters of what is no JSON that the sentence about it quotes."""

DESCRIPTION = """\
Decodes a stream of server-sent events, of a file or of standard input, as it comes: a line of JSON for each event,
{"event", "data", "id"}, and for each comment, {"comment"}. What the end cut off is told as {"unfinished"}."""

EPILOG = """\
begin here:
  curl -sN https://example.org/events | sseor decode
  sseor decode --chunks answer.sse | jq -r '.choices[0].delta.content // empty'

exit codes: 0 the stream ended between events, 6 within one, 5 an event is too large or, with --chunks, no JSON"""


def add_decode(commands: Any, style: dict[str, Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "decode", help="an event stream as lines of JSON", description=DESCRIPTION, epilog=EPILOG, **style
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the stream (default: standard input)")
    parser.add_argument(
        "--chunks", action="store_true", help="only what the data of the events holds, as JSON, up to [DONE]"
    )
    parser.add_argument("--time", action="store_true", help="add the seconds since the start, as `at`")
    parser.add_argument(
        "--max-event-bytes", type=int, default=64 << 20, metavar="N", help="the largest event (64 MiB)"
    )


def decode(options: argparse.Namespace) -> int:
    """Decode the stream; return the exit code."""
    try:
        decoder = Decoder(options.max_event_bytes)
    except ValueError as error:
        raise ConfigError(f"--max-event-bytes: {error}") from None
    lines = _Lines(chunks=options.chunks, timed=options.time)
    if options.file is None:
        if sys.stdin is None:
            raise ConfigError("standard input is closed: name a file")
        return _decode(sys.stdin.buffer, decoder, lines)
    try:
        file = open(options.file, "rb")  # noqa: SIM115 - closed below, and what else fails is no matter of the file
    except OSError as error:
        raise ConfigError(f"{options.file} cannot be read: {error.strerror}") from None
    with file:
        return _decode(file, decoder, lines)


def _decode(source: BinaryIO, decoder: Decoder, lines: _Lines) -> int:
    try:
        for data in _reads(source):
            _write(lines.of(decoder.feed(data)))
            if lines.done:
                return COMPLETE
    except DecoderLimitError as error:
        _write(lines.of(error.events))
        raise EventTooLargeError(f"one event is larger than {error.limit} bytes", limit=error.limit) from None
    unfinished = decoder.end()
    if unfinished is None:
        return COMPLETE
    _write(lines.of_unfinished(unfinished))
    raise EndedEarlyError("the stream ends within an event")


def _reads(source: BinaryIO) -> Iterator[bytes]:
    """Yield what there is, as soon as it is there."""
    try:
        yield from iter(lambda: source.read1(READ), b"")  # type: ignore[attr-defined] # both are buffered
    except OSError as error:
        raise ConfigError(f"the stream cannot be read: {error.strerror}") from None


def _write(lines: Iterable[str]) -> None:
    """Write lines at once, also those before a failure."""
    written: list[str] = []
    try:
        written.extend(lines)
    finally:
        if written:
            write_out("".join(written))


class _Lines:
    """Items as lines of JSON; `done` once `[DONE]` has ended the chunks."""

    def __init__(self, *, chunks: bool, timed: bool) -> None:
        self.done = False
        self._chunks = chunks
        self._began = time.monotonic() if timed else None

    def of(self, items: Iterable[Event | Comment]) -> Iterator[str]:
        """Yield the line of each item; `ProtocolError`: what should be a chunk is no JSON."""
        for item in items:
            if not self._chunks:
                yield self._line(_fields(item) if isinstance(item, Event) else {"comment": item.text})
            elif isinstance(item, Event):
                if item.data_bytes.strip() == b"[DONE]":
                    self.done = True
                    return
                yield self._chunk(item.data)

    def of_unfinished(self, unfinished: Unfinished) -> Iterator[str]:
        """Yield the line of what the end cut off; among chunks it has none."""
        if not self._chunks:
            event, line = unfinished.event, unfinished.line.decode("utf-8", "replace")
            left = {"event": event and _fields(event), "line": line}
            yield self._line({"unfinished": left})

    def _chunk(self, data: str) -> str:
        """Return the line of a chunk: its own JSON, whose line ends can only stand between its words."""
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            raise ProtocolError(f"an event holds no JSON: {printable(data, SHOWN)}") from None
        data = data.replace("\n", " ")
        return f"{data}\n" if self._began is None else f'{{"at": {self._at()}, "chunk": {data}}}\n'

    def _line(self, fields: dict[str, Any]) -> str:
        if self._began is not None:
            fields = {"at": self._at(), **fields}
        # What is no UTF-8 has become U+FFFD, so that all of it can be written.
        return json.dumps(fields, ensure_ascii=False) + "\n"

    def _at(self) -> float:
        assert self._began is not None
        return round(time.monotonic() - self._began, 6)


def _fields(event: Event) -> dict[str, str]:
    return {"event": event.event, "data": event.data, "id": event.id}
