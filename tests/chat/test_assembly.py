"""One choice while it grows."""

from __future__ import annotations

from typing import Any

import pytest
from chat.assembling import call

from sseor.chat import (
    Annotation,
    AudioDelta,
    Choice,
    Finished,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
    ToolCallDone,
)
from sseor.chat.assembly import ChoiceAssembly

EVERYTHING: dict[str, Any] = {
    "role": "tool",
    "content": [
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "i"}},
        {"type": "new"},
    ],
    "reasoning": "r",
    "reasoning_details": [{"type": "reasoning.text", "text": "r"}],
    "refusal": "f",
    "tool_calls": [call("{", "g", "A", index=0)],
    "audio": {"data": "AA"},
    "annotations": [{"type": "file"}],
    "later": 1,
}


def test_the_order_of_events_within_a_delta() -> None:
    """Reasoning, text, refusal, calls, images, audio, annotations; then held text, calls that end."""
    assembly = ChoiceAssembly(2)
    events = assembly.add(Choice({"delta": EVERYTHING, "finish_reason": "stop"}), "seed")
    assert [type(event) for event in events] == [
        Reasoning, Text, Refusal, ToolCallDelta, Image, AudioDelta, Annotation, Annotation, ToolCallDone,
    ]  # fmt: skip
    assert all(getattr(event, "choice", None) == 2 for event in events)
    snapshot = assembly.snapshot()
    assert (snapshot.index, snapshot.role, snapshot.extra) == (2, "tool", {"later": 1})
    assert snapshot.annotations == [{"type": "file"}, {"type": "new"}]


def test_a_repetition_brings_nothing_of_what_is_kept_once() -> None:
    """Images and annotations that came before, and empty pieces, are no events."""
    assembly = ChoiceAssembly(0)
    once = {"images": [{"image_url": {"url": "i"}}], "annotations": [{"type": "file"}], "audio": {"id": "a"}}
    assert len(assembly.add(Choice({"delta": once}), "")) == 2
    assert assembly.add(Choice({"delta": {**once, "tool_calls": [{}], "refusal": "", "role": ""}}), "") == []


def test_held_halves_are_flushed_at_the_finish() -> None:
    """Half a pair in reasoning, text, refusal, transcript and arguments becomes U+FFFD when the choice ends, once."""
    half = "\ud83e"
    delta = {
        "content": half,
        "reasoning": half,
        "refusal": half,
        "audio": {"transcript": half},
        "reasoning_details": [{"type": "reasoning.text", "text": half}],
        "tool_calls": [call(half, "f", "A", index=0)],
    }
    assembly = ChoiceAssembly(0)
    assembly.add(Choice({"delta": delta}), "")
    ended = assembly.end()
    assert ended[:5] == [
        Reasoning("\ufffd"),
        Text("\ufffd"),
        Refusal("\ufffd"),
        AudioDelta("", "\ufffd"),
        ToolCallDelta(0, "A", None, "\ufffd"),
    ]
    assert assembly.end() == []
    assert assembly.snapshot().reasoning_details == [{"type": "reasoning.text", "text": "\ufffd"}]


@pytest.mark.parametrize(("reason", "event"), [(None, None), ("error", None), ("stop", Finished("stop", 1))])
def test_the_event_of_a_finish(reason: str | None, event: Finished | None) -> None:
    """No finish reason and a failure have no event."""
    assembly = ChoiceAssembly(1)
    assembly.add(Choice({"delta": {}, "finish_reason": reason}), "")
    assert assembly.finished() == event


def test_whole_calls_without_a_finish_reason_mean_tool_calls() -> None:
    """A snapshot of an unfinished choice concludes `tool_calls` from whole arguments, and keeps no server's word."""
    assembly = ChoiceAssembly(0)
    assembly.add(Choice({"delta": {"tool_calls": [call("{}", "f", "A", index=0)]}}), "")
    assert (assembly.snapshot().finish_reason, assembly.snapshot().raw_finish_reason) == ("tool_calls", None)


def test_log_probabilities_are_joined() -> None:
    """Lists are joined, other values replaced, null ones left out."""
    assembly = ChoiceAssembly(0)
    for logprobs in (
        {"content": [1], "x": 1, "refusal": None},
        None,
        {"content": [2], "x": 2},
        {"content": None},
    ):
        assembly.add(Choice({"delta": {}, "logprobs": logprobs}), "")
    assert assembly.snapshot().logprobs == {"content": [1, 2], "x": 2}
    assert ChoiceAssembly(0).snapshot().logprobs is None


def test_the_native_reason_may_come_later() -> None:
    """A native finish reason is kept, whenever it comes; the first finish reason stays."""
    assembly = ChoiceAssembly(0)
    for fields in ({"finish_reason": "stop"}, {"finish_reason": "length", "native_finish_reason": "end"}, {}):
        assembly.add(Choice({"delta": {}, **fields}), "")
    snapshot = assembly.snapshot()
    assert (snapshot.finish_reason, snapshot.native_finish_reason) == ("stop", "end")
