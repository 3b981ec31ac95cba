"""Events as records: one JSON object each, on one line, with `type` first; `docs/relay.md` lists them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from sseor.chat import (
    Annotation,
    AudioDelta,
    Finished,
    FinishReason,
    Image,
    Reasoning,
    Refusal,
    Restarted,
    Resumed,
    Retrying,
    StreamEvent,
    Text,
    ToolCallDelta,
    ToolCallDone,
    Usage,
    UsageReport,
)
from sseor.relay.codes import code_of

__all__ = ["CANCELLED", "INTERRUPTED", "Record", "Relayed", "done", "encode", "failed", "finish_word"]

TYPE = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
FINISH_WORDS = frozenset(
    {
        FinishReason.STOP,
        FinishReason.LENGTH,
        FinishReason.TOOL_CALLS,
        FinishReason.CONTENT_FILTER,
        FinishReason.ERROR,
    }
)
USAGE_FIELDS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cost",
)
OWN_TYPES = frozenset(
    {
        *(
            "text",
            "reasoning",
            "refusal",
            "tool_delta",
            "tool_call",
            "image",
            "audio",
            "annotation",
            "finish",
        ),
        *(
            "retrying",
            "restarted",
            "resumed",
            "usage",
            "snapshot",
            "done",
            "error",
            "cancelled",
            "interrupted",
        ),
    }
)

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an application's own, such as a step of an agent; a snapshot keeps the last of each type."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the type; ValueError."""
        if not TYPE.fullmatch(self.type) or self.type in OWN_TYPES:
            raise ValueError("the type of a record is a-z, 0-9, _, . and -, and none of the relay's own")
        if "type" in self.fields:
            raise ValueError("a record has one type")


Relayed: TypeAlias = StreamEvent | Record | str
"""What may be relayed: the events of a stream, records of your own, and plain text."""


def encode(event: Relayed) -> bytes:
    """Return the record of an event; TypeError for what is none, and for heartbeats, which leave no record."""
    write = _WRITERS.get(type(event))
    if write is None:
        raise TypeError(f"a relay takes events, records and text, not {type(event).__name__}")
    return write(event)


def done(finish_reason: str | None) -> bytes:
    """Return the terminal record of a stream that ended as it should."""
    return _object("done", {"finish_reason": finish_reason})


def failed(code: str, *, retryable: bool, partial: bool) -> bytes:
    """Return the terminal record of a stream that failed."""
    return _object("error", {"code": code, "retryable": retryable, "partial": partial})


def finish_word(reason: str) -> str:
    """Return a finish reason as the fixed set of words has it."""
    return reason if reason in FINISH_WORDS else "other"


def _object(kind: str, fields: Mapping[str, Any], choice: int = 0) -> bytes:
    record = {"type": kind, **fields}
    if choice:
        record["choice"] = choice
    return _bytes(_json(record))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate in text of a caller's own


CANCELLED = _object("cancelled", {})
INTERRUPTED = _object("interrupted", {})


def _text(kind: str) -> Callable[[Any], bytes]:
    head = f'{{"type":"{kind}","text":'

    def write(event: Text | Reasoning | Refusal) -> bytes:
        if event.choice:
            return _object(kind, {"text": event.delta}, event.choice)
        return _bytes(f"{head}{encode_basestring(event.delta)}}}")

    return write


def _tool_delta(event: ToolCallDelta) -> bytes:
    fields: dict[str, Any] = {"index": event.index}
    if event.id:
        fields["id"] = event.id
    if event.name:
        fields["name"] = event.name
    return _object("tool_delta", {**fields, "arguments": event.arguments}, event.choice)


def _tool_call(event: ToolCallDone) -> bytes:
    names = ("index", "id", "name", "arguments", "complete")
    return _object("tool_call", {name: getattr(event.call, name) for name in names}, event.choice)


def _usage(usage: Usage) -> bytes:
    found = {name: getattr(usage, name) for name in USAGE_FIELDS}
    return _object("usage", {name: found[name] for name in USAGE_FIELDS if found[name] is not None})


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Text: _text("text"),
    Reasoning: _text("reasoning"),
    Refusal: _text("refusal"),
    str: lambda text: _bytes(f'{{"type":"text","text":{encode_basestring(text)}}}'),
    ToolCallDelta: _tool_delta,
    ToolCallDone: _tool_call,
    Image: lambda event: _object("image", {"url": event.url}, event.choice),
    AudioDelta: lambda event: _object(
        "audio", {"data": event.data, "transcript": event.transcript}, event.choice
    ),
    Annotation: lambda event: _object("annotation", {"annotation": dict(event.annotation)}, event.choice),
    Retrying: lambda event: _object("retrying", {"wait": event.wait, "code": code_of(event.cause)}),
    Restarted: lambda event: _object("restarted", {"attempt": event.attempt, "code": code_of(event.cause)}),
    Resumed: lambda event: _object("resumed", {"attempt": event.attempt, "code": code_of(event.cause)}),
    Finished: lambda event: _object("finish", {"reason": finish_word(event.reason)}, event.choice),
    UsageReport: lambda event: _usage(event.usage),
    Record: lambda event: _object(event.type, event.fields),
}
