"""The format `ai-sdk`: the UI message stream, version 1, that the `useChat` of the AI SDK reads."""

from __future__ import annotations

import mimetypes
import re
from typing import TYPE_CHECKING, Any, ClassVar

from sseor.chat.tool_calls import parse_arguments
from sseor.relay.formats.encoder import Encoder, event
from sseor.relay.snapshot import PASSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.relay.tail import Tail

__all__ = ["AISDKEncoder"]

PARTS = {"text": "text", "reasoning": "reasoning", "refusal": "text", "audio": "text"}
OF_A_CHOICE = frozenset((*PARTS, "tool_delta", "tool_call", "image", "annotation", "finish"))
REASONS = {"tool_calls": "tool-calls", "content_filter": "content-filter"}
DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+)[;,]", re.ASCII | re.IGNORECASE)
WEB_URL = re.compile(r"https?://", re.ASCII | re.IGNORECASE)
"""What may become a link in a page: a provider's address could be a script."""


class AISDKEncoder(Encoder):
    """One message of one step, of choice 0; what has no part of its own in it is a data part.

    Texts and reasoning are parts in the order in which they come; a part that is not ended is not whole.
    """

    headers: ClassVar[Mapping[str, str]] = {"X-Vercel-AI-UI-Message-Stream": "v1"}

    def __init__(self, tail: Tail, question: Mapping[str, Any]) -> None:
        super().__init__(tail, question)
        self._message = None if _goes_on(question) else tail.stream
        self._open: tuple[str, str] | None = None  # the kind and the ID of the part that grows
        self._parts = 0
        self._sources = 0

    def prelude(self) -> bytes:
        """Return the start of the message; its ID is the stream's unless it goes on with one that the client has."""
        start = {"type": "start"} if self._message is None else {"type": "start", "messageId": self._message}
        return super().prelude() + event(start) + event({"type": "start-step"})

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Return the events for a record."""
        match record["type"]:
            case name if name in OF_A_CHOICE and "choice" in record:
                return b""
            case "text" | "reasoning" | "refusal":
                return self._piece(record["type"], record["text"])
            case "audio":
                return self._piece("audio", record["transcript"])
            case "tool_delta":
                return self._close() + _tool_delta(record)
            case "tool_call":
                return _tool_call(record)
            case "image":
                return self._close() + _image(record["url"])
            case "annotation":
                return self._source(record["annotation"])
            case "finish":
                return b""
            case _:
                return _data(record)

    def _piece(self, kind: str, text: str) -> bytes:
        """Return a piece of a part, which is begun where another kind has been before."""
        if not text:
            return b""
        name, begin = PARTS[kind], b""
        if self._open is None or self._open[0] != kind:
            begin = self._close()
            self._open = kind, str(self._parts)
            self._parts += 1
            begin += event({"type": f"{name}-start", "id": self._open[1]})
        return begin + event({"type": f"{name}-delta", "id": self._open[1], "delta": text})

    def _close(self) -> bytes:
        """Return the end of the part that grows."""
        if self._open is None:
            return b""
        (kind, part), self._open = self._open, None
        return event({"type": f"{PARTS[kind]}-end", "id": part})

    def _source(self, annotation: Mapping[str, Any]) -> bytes:
        """Return what a citation or a file becomes: a source where there is an address or a name."""
        kind = annotation.get("type")
        found = annotation.get(kind) if isinstance(kind, str) else None
        given = found if isinstance(found, dict) else {}
        url, name, title = given.get("url"), given.get("name"), given.get("title")
        if kind == "url_citation" and isinstance(url, str) and WEB_URL.match(url):
            source = {"type": "source-url", "url": url}
            if isinstance(title, str):
                source["title"] = title
        elif kind == "file" and isinstance(name, str):
            media = mimetypes.guess_type(name)[0] or "application/octet-stream"
            source = {"type": "source-document", "mediaType": media, "title": name, "filename": name}
        else:
            return event({"type": "data-annotation", "data": annotation})
        self._sources += 1
        return event({**source, "sourceId": str(self._sources)})

    def finish(self, reason: str) -> bytes:
        """Return the ends of all that grows, and the mark."""
        calls = [call for key, call in self._news.calls.items() if key[0] == 0 and not call.done]
        unfinished = [_no_call(call.id, call.name) for call in calls]
        ends = [{"type": "finish-step"}, {"type": "finish", "finishReason": REASONS.get(reason, reason)}]
        return b"".join([self._close(), *unfinished, *map(event, ends), b"data: [DONE]\n\n"])

    def fail(self, code: str) -> bytes:
        """Return the error; nothing is ended, and no mark follows."""
        return event({"type": "error", "errorText": code})

    def cancel(self) -> bytes:
        """Return the event for an answer that was stopped on purpose."""
        return event({"type": "abort", "reason": "cancelled"})


def _goes_on(question: Mapping[str, Any]) -> bool:
    """Tell whether a client of the AI SDK asks for more of its last message, as it does after running tools."""
    messages = question.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, dict) and last.get("role") == "assistant"


def _tool_delta(record: Mapping[str, Any]) -> bytes:
    call = {"toolCallId": record["id"]}
    begin = delta = b""
    if "name" in record:
        begin = event({"type": "tool-input-start", **call, "toolName": record["name"]})
    if record["arguments"]:
        delta = event({"type": "tool-input-delta", **call, "inputTextDelta": record["arguments"]})
    return begin + delta


def _tool_call(record: Mapping[str, Any]) -> bytes:
    """Return the call, to be run; or that it is none, where it is not complete."""
    if not record["complete"]:
        return _no_call(record["id"], record["name"], record["arguments"])
    call = {"toolCallId": record["id"], "toolName": record["name"]}
    return event({"type": "tool-input-available", **call, "input": parse_arguments(record["arguments"])})


def _no_call(call: str, name: str, arguments: str = "") -> bytes:
    error = {"input": arguments, "errorText": "incomplete"}
    return event({"type": "tool-input-error", "toolCallId": call, "toolName": name, **error})


def _image(url: str) -> bytes:
    """Return a file; a data part for what is neither an image nor an address on the web."""
    inline = DATA_URL.match(url)
    if inline is None and not WEB_URL.match(url):
        return event({"type": "data-image", "data": {"url": url}})
    return event({"type": "file", "url": url, "mediaType": inline[1].lower() if inline else "image/*"})


def _data(record: Mapping[str, Any]) -> bytes:
    """Return a data part, which replaces the one before of its type; of what passes, one that no message keeps."""
    name = record["type"]
    data = {key: value for key, value in record.items() if key != "type"}
    keeping: dict[str, Any] = {"transient": True} if name in PASSING else {"id": name}
    return event({"type": f"data-{name}", **keeping, "data": data})
