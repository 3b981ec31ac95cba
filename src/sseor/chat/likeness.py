"""A copy of a text chunk into which the next chunk's text can be put, to see whether the two differ in nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["likeness"]

# Fields that add something each time they come: a chunk in which one of them is not empty is never repeated.
_ADDING_FIELDS = (
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "refusal",
    "tool_calls",
    "function_call",
    "images",
    "audio",
    "annotations",
)


def likeness(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return a copy of a chunk and the delta in it; None unless its text is all that it adds.

    Only the way down to the delta is copied; the rest is shared, and never written to.
    """
    choices = raw.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict or raw.get("error"):
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if type(delta) is not dict or type(delta.get("content")) is not str:
        return None
    if any(delta.get(name) for name in _ADDING_FIELDS) or any(
        choice.get(name) for name in ("logprobs", "error")
    ):
        return None
    delta = dict(delta)
    return {**raw, "choices": [{**choice, "delta": delta}]}, delta
