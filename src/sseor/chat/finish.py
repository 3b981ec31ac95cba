"""Finish reasons: the words of all servers, as the few that OpenRouter normalizes to."""

from __future__ import annotations

from typing import Final

from sseor.chat.text import clean

__all__ = ["FinishReason", "finish_reason"]


class FinishReason:
    """The finish reasons OpenRouter normalizes to; an open set, other words are passed on."""

    STOP: Final = "stop"
    LENGTH: Final = "length"
    TOOL_CALLS: Final = "tool_calls"
    CONTENT_FILTER: Final = "content_filter"
    ERROR: Final = "error"


_OTHER_WORDS = {
    "function_call": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "eos": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
}


def finish_reason(word: object) -> str | None:
    """Return the finish reason that a server's word means: `STOP` is `stop`, an empty string is none."""
    if type(word) is not str or not word.strip():
        return None
    lowered = word.strip().lower()
    return _OTHER_WORDS.get(lowered, lowered if lowered in _NORMALIZED else clean(word))


_NORMALIZED = frozenset({"stop", "length", "tool_calls", "content_filter", "error"})
