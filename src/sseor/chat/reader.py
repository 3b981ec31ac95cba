"""One event to chunks: what is a chunk, what ends the stream, what is noise, and what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat import codec
from sseor.chat.chunks import Chunk
from sseor.chat.failures import error_of
from sseor.chat.plain import PlainChunk
from sseor.chat.text import clean, printable
from sseor.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sseor.wire import Event, Unfinished

__all__ = ["Reader"]

SHALLOW = codec.SHALLOW
DONE = "[DONE]"
MAX_EXTRACT = 200

# Event names under which every object is a chunk; `data` is OpenRouter's name for its last frame.
_PLAIN_NAMES = frozenset({"message", "data"})
# What makes an object a chunk under any other name.
_MEANINGFUL = ("choices", "error", "usage")
_JSON_NAMES = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_KINDS = {"content": (str, list, dict), "tool_calls": (list,)}


class Reader:
    """Reads the events of one attempt.

    `done`: `[DONE]` came, and whatever follows is ignored · `number`: events read, from 1 · `skipped`:
    malformed events that a lenient reader left out · `unterminated`: the last event lacked its blank line and
    was accepted · `truncated`: the body ended inside an event, whose beginning was dropped.
    """

    __slots__ = ("done", "lenient", "number", "skipped", "truncated", "unterminated")

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        self.number = 0
        self.skipped = 0
        self.done = False
        self.unterminated = False
        self.truncated = False

    def read(self, event: Event) -> Iterable[Chunk]:
        """Return the chunks of one event: mostly one, none for `[DONE]`, noise, and after the end.

        Raises ChunkError for data that is no chunk, unless the reader is lenient. Where whole objects precede
        it in the same event, they are given first, and the iteration raises.
        """
        if self.done:
            return ()
        self.number += 1
        data = event.data_bytes
        raw: Any = None
        if len(data) < SHALLOW:  # the plain text chunk, which needs no second look
            try:
                raw = codec.fast(data)
                (choice,) = raw["choices"]
                text = choice["delta"]["content"]
                if text and (text.isascii() or clean(text) == text):
                    chunk = PlainChunk()
                    chunk.raw = raw
                    chunk.plain_choice = choice
                    chunk.plain_text = text
                    return (chunk,)
            except (ValueError, LookupError, TypeError, AttributeError):
                pass
        if type(raw) is dict and event.event in _PLAIN_NAMES and fault_of(raw) is None:
            return (Chunk(raw),)
        return self._read_unusual(event)

    def finish(self, unfinished: Unfinished | None) -> Sequence[Chunk]:
        """Return what a body that ended without a blank line still holds, given what `Decoder.end` returned.

        `[DONE]` and whole objects are accepted and set `unterminated`; anything else sets `truncated`.
        """
        if self.done or unfinished is None:
            return ()
        if unfinished.event is None:  # a field without data; the beginning of a comment is no loss
            self.truncated = not unfinished.line.startswith(b":")
            return ()
        chunks, faults = self._chunks(unfinished.event.data, unfinished.event.event, to_first_fault=False)
        self.unterminated = bool(chunks) or self.done
        self.truncated = bool(faults)
        return chunks

    @staticmethod
    def read_document(body: bytes) -> Chunk | None:
        """Return the chunk in a body that is one JSON document, or begins with one and a blank line; else None."""
        for part in (body, body.strip().partition(b"\n\n")[0]):
            try:
                return chunk_of(codec.loads(part), "message")
            except ValueError:
                continue
        return None

    def _read_unusual(self, event: Event) -> Iterable[Chunk]:
        chunks, faults = self._chunks(event.data, event.event, to_first_fault=not self.lenient)
        if not faults:
            return chunks
        if self.lenient:
            self.skipped += len(faults)
            return chunks
        fault, text = faults[0]
        extract = printable(text, MAX_EXTRACT)
        error = ChunkError(
            f"event {self.number} is no chunk: {fault}: {extract}", number=self.number, extract=extract
        )
        if chunks:
            return _followed_by(chunks, error)
        raise error

    def _chunks(
        self, data: str, name: str, *, to_first_fault: bool
    ) -> tuple[Sequence[Chunk], list[tuple[str, str]]]:
        """Return the chunks in an event's data, and the faults found there, each with its text.

        Data that is no JSON as a whole is read line by line: some servers forget the blank lines between
        events. Under an event name of its own, what is no chunk is noise, and under `error` it is the failure.
        """
        chunks: list[Chunk] = []
        faults: list[tuple[str, str]] = []
        may_be_noise = name not in _PLAIN_NAMES
        fault = self._add_document(data, name, chunks)
        if fault is not None and "\n" not in data:
            faults.append((fault, data))
        elif fault is not None:
            for line in data.split("\n"):
                fault = self._add_document(line, name, chunks)
                if fault is not None:
                    faults.append((fault, line))
                    if to_first_fault and not may_be_noise:
                        break
        if faults and name == "error" and not chunks:
            chunks.append(Chunk({"error": data.strip()}))
        return tuple(chunks), [] if may_be_noise else faults

    def _add_document(self, data: str, name: str, chunks: list[Chunk]) -> str | None:
        """Append the chunk in `data`, if it is one; return what is wrong when it is none, and no noise either."""
        text = data.strip()
        # What starts with a colon is a comment that a proxy sent on as data.
        if self.done or not text or text.startswith(":"):
            return None
        if text == DONE:
            self.done = True
            return None
        try:
            chunk = chunk_of(codec.loads(text), name)
        except ValueError as error:
            return printable(str(error), 100)
        if chunk is not None:
            chunks.append(chunk)
        return None


def _followed_by(chunks: Sequence[Chunk], error: ChunkError) -> Iterator[Chunk]:
    yield from chunks
    raise error


def chunk_of(value: Any, name: str) -> Chunk | None:
    """Return a decoded document as a chunk; None for noise under an event name of its own. Raises ValueError."""
    if name == "error" and error_of(value) is None and not (type(value) is dict and value.get("choices")):
        return Chunk({"error": value}) if value else None
    if type(value) is list and (error := error_of(value)) is not None:
        return Chunk({"error": error})
    if type(value) is not dict:
        raise ValueError(f"a JSON {_JSON_NAMES.get(type(value), 'value')} in place of an object")
    if name not in _PLAIN_NAMES and not any(key in value for key in _MEANINGFUL):
        return None
    fault = fault_of(value)
    if fault:
        raise ValueError(fault)
    return Chunk(value)


def fault_of(raw: dict[str, Any]) -> str | None:
    """Return what makes an object no chunk: text would be lost if it were overlooked."""
    choices = raw.get("choices") or []
    if type(choices) is not list:
        return "choices is no array"
    for choice in choices:
        if type(choice) is not dict:
            if choice is None:
                continue
            return "a choice is no object"
        for name in ("delta", "message"):
            delta = choice.get(name) or {}
            if type(delta) is not dict:
                return f"{name} is no object"
            for field, kinds in _KINDS.items():
                if delta.get(field) is not None and type(delta[field]) not in kinds:
                    return f"{field} is a {_JSON_NAMES.get(type(delta[field]), 'value')}"
    return None
