"""`sseor.relay.records`: each event is one JSON object on one line, and what upstream said of failures is in none."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import (
    Annotation,
    AudioDelta,
    Finished,
    Heartbeat,
    Image,
    Reasoning,
    Refusal,
    Restarted,
    Resumed,
    Retrying,
    StreamEvent,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolCallDone,
    Usage,
    UsageReport,
)
from sseor.errors import GenerationError
from sseor.relay import records
from sseor.relay.records import Record, encode, finish_word

SECRET = GenerationError("CANARY", code=502, message="CANARY", provider="CANARY")
CALL = ToolCall(1, "call_1", "look", '{"a":1}', True, {"secret": "CANARY"})

CASES: list[tuple[Any, dict[str, Any]]] = [
    (Text("Low"), {"type": "text", "text": "Low"}),
    ("Low", {"type": "text", "text": "Low"}),
    (Text("Low", 2), {"type": "text", "text": "Low", "choice": 2}),
    (Reasoning("Hm"), {"type": "reasoning", "text": "Hm"}),
    (Refusal("No"), {"type": "refusal", "text": "No"}),
    (
        ToolCallDelta(0, "c", "look", "{"),
        {"type": "tool_delta", "index": 0, "id": "c", "name": "look", "arguments": "{"},
    ),
    (ToolCallDelta(0, None, None, "}", 1), {"type": "tool_delta", "index": 0, "arguments": "}", "choice": 1}),
    (
        ToolCallDone(CALL),
        {
            "type": "tool_call",
            "index": 1,
            "id": "call_1",
            "name": "look",
            "arguments": '{"a":1}',
            "complete": True,
        },
    ),
    (Image("data:,x", raw={"CANARY": 1}), {"type": "image", "url": "data:,x"}),
    (AudioDelta("AAAA", "hi"), {"type": "audio", "data": "AAAA", "transcript": "hi"}),
    (Annotation({"type": "url_citation"}), {"type": "annotation", "annotation": {"type": "url_citation"}}),
    (Retrying(1.5, SECRET), {"type": "retrying", "wait": 1.5, "code": "unavailable"}),
    (Restarted(2, SECRET), {"type": "restarted", "attempt": 2, "code": "unavailable"}),
    (Resumed(2, ValueError("CANARY")), {"type": "resumed", "attempt": 2, "code": "internal"}),
    (Finished("stop"), {"type": "finish", "reason": "stop"}),
    (Finished("CANARY", 1), {"type": "finish", "reason": "other", "choice": 1}),
    (
        UsageReport(Usage({"prompt_tokens": 3, "cost": 0.5, "secret": "CANARY"})),
        {"type": "usage", "prompt_tokens": 3, "cost": 0.5},
    ),
    (Record("step", {"name": "search"}), {"type": "step", "name": "search"}),
]


@pytest.mark.parametrize(("event", "record"), CASES, ids=lambda value: type(value).__name__)
def test_each_event_has_its_record(event: Any, record: dict[str, Any]) -> None:
    """The fields are those of the page, `type` comes first, and nothing else of upstream is there."""
    data = encode(event)
    assert json.loads(data) == record
    assert data.startswith(b'{"type":"')
    assert b"CANARY" not in data


def test_no_event_is_forgotten() -> None:
    """All events of a stream have a record but the heartbeat, which leaves none."""
    assert {type(event) for event, _ in CASES} >= set(get_args(StreamEvent)) - {Heartbeat}


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    """Line ends, NUL and all else stay inside the JSON string; lone surrogates are replaced."""
    for event in (Text(text), Text(text, 1), Record("x", {"text": text})):
        data = encode(event)
        assert b"\n" not in data
        assert b"\r" not in data
        assert json.loads(data)["text"] == text
    assert json.loads(encode(Text("a\ud800b")))["text"] == "a?b"


@pytest.mark.parametrize("event", [None, b"bytes", {"type": "text"}, Heartbeat(1.0, "first_token")])
def test_other_things_are_refused(event: Any) -> None:
    """What is no event raises TypeError."""
    with pytest.raises(TypeError):
        encode(event)


@pytest.mark.parametrize("kind", ["", "X", "a b", "a\nid: 1", "done", "text", "é", "a" * 65])
def test_the_type_of_an_own_record_is_of_a_fixed_alphabet(kind: str) -> None:
    """Anything else, and the relay's own types, are refused, not mended."""
    with pytest.raises(ValueError, match="type"):
        Record(kind)


def test_an_own_record_has_one_type() -> None:
    """A field cannot replace the type."""
    with pytest.raises(ValueError, match="one type"):
        Record("step", {"type": "done"})


def test_terminal_records() -> None:
    """There are four, each with the fields of the page."""
    assert json.loads(records.done(None)) == {"type": "done", "finish_reason": None}
    failed = json.loads(records.failed("cut", retryable=True, partial=False))
    assert failed == {"type": "error", "code": "cut", "retryable": True, "partial": False}
    assert json.loads(records.CANCELLED) == {"type": "cancelled"}
    assert json.loads(records.INTERRUPTED) == {"type": "interrupted"}
    assert finish_word("length") == "length"
