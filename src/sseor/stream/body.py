"""The body of one response: bytes in, heartbeats and chunks out.

Most bodies are event streams. Some are not although they should be: a whole JSON document (a server that ignores
`stream`, or an error under status 200), an event stream under another content type, a page of HTML. The first
visible byte and the content type decide; a document is kept whole until its end, which `max_event_bytes` bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sseor.chat import Chunk, Reader
from sseor.errors import ContentTypeError, EventTooLargeError
from sseor.wire import Comment, Decoder, Event
from sseor.wire import EventTooLargeError as DecoderLimitError

from .coding import Inflater
from .extracts import extract

_BLANKS = b" \t\r\n"
_SIGNATURES = (b"data", b"event", b"id", b"retry", b":", b"\xef\xbb\xbf")


class Body:
    """Reads the body of one response with these header fields (lower-case names)."""

    def __init__(self, headers: Mapping[str, str], *, max_event_bytes: int, lenient: bool) -> None:
        self.content_type = extract(headers.get("content-type", "").partition(";")[0].strip().lower())
        self.reader = Reader(lenient=lenient)
        self.whole = False
        """The answer came as one JSON document, not as a stream."""
        self._limit = max_event_bytes
        self._decoder = Decoder(max_event_bytes=max_event_bytes)
        self._inflater = Inflater.for_coding(headers.get("content-encoding", ""))
        self._opening: bytearray | None = bytearray()
        self._document: bytearray | None = None

    @property
    def done(self) -> bool:
        """Whether `[DONE]` came: what follows is of no interest."""
        return self.reader.done

    @property
    def last_event_id(self) -> str:
        """The last event ID in force."""
        return self._decoder.last_event_id

    def feed(self, data: bytes) -> Iterator[Comment | Chunk]:
        """Yield what `data` completes, in order; an error comes after all that preceded it in the bytes."""
        for piece in (data,) if self._inflater is None else self._inflater.feed(data):
            failure: DecoderLimitError | None = None
            try:
                items = self._events(piece)
            except DecoderLimitError as error:
                items, failure = error.events, error
            for item in items:
                if isinstance(item, Comment):
                    yield item
                else:
                    yield from self.reader.read(item)
            if failure is not None:
                raise _too_large(self._limit) from failure

    def end(self) -> Iterator[Chunk]:
        """Yield what only the end of the body completes: a document, or a last event without its blank line."""
        if self._opening:
            self._decide(self._opening, final=True)
        if self._document is not None:
            chunk = self.reader.read_document(bytes(self._document))
            if chunk is None:
                raise ContentTypeError(
                    f"the server answered {self._type_in_words()} that is no answer",
                    content_type=self.content_type,
                    body=extract(self._document),
                )
            self.whole = True
            yield chunk
        else:
            unfinished = self._decoder.end()
            if unfinished is not None:
                yield from self.reader.finish(unfinished)

    def _events(self, data: bytes) -> Sequence[Event | Comment]:
        if self._opening is not None:
            self._opening += data
            data = self._decide(self._opening)
        if self._document is None:
            return self._decoder.feed(data) if data else ()
        self._document += data
        if len(self._document) > self._limit:
            raise _too_large(self._limit)
        return ()

    def _decide(self, opening: bytearray, *, final: bool = False) -> bytes:
        """Decide by the opening what the body is and return what to decode now, b"" while it is too early to say."""
        visible = opening.lstrip(_BLANKS)
        if visible.startswith((b"{", b"[")):
            self._opening = None
            self._document = bytearray()
        elif self.content_type == "text/event-stream" or visible.startswith(_SIGNATURES):
            self._opening = None
        elif not visible or (not final and any(word.startswith(visible) for word in _SIGNATURES)):
            return b""
        else:
            raise ContentTypeError(
                f"the server answered {self._type_in_words()} instead of an event stream",
                content_type=self.content_type,
                body=extract(visible),
            )
        return bytes(opening)

    def _type_in_words(self) -> str:
        return self.content_type or "something without a content type"


def _too_large(limit: int) -> EventTooLargeError:
    return EventTooLargeError(f"one event is larger than {limit} bytes", limit=limit)
