"""Lenses: one view of the events of a stream, the rest left out."""

from __future__ import annotations

from sseor.chat import Reasoning, StreamEvent, Text, ToolCall, ToolCallDone


def text_of(event: StreamEvent, choice: int) -> str | None:
    """Return the visible text that the event brings to this choice."""
    return event.delta if isinstance(event, Text) and event.choice == choice else None


def reasoning_of(event: StreamEvent, choice: int) -> str | None:
    """Return the reasoning that the event brings to this choice."""
    return event.delta if isinstance(event, Reasoning) and event.choice == choice else None


def tool_call_of(event: StreamEvent, choice: int) -> ToolCall | None:
    """Return the tool call that the event completes in this choice."""
    return event.call if isinstance(event, ToolCallDone) and event.choice == choice else None
