"""What a plain text chunk repeats of the one before it: everything but its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

__all__ = ["NO_PATTERN", "Pattern", "learn"]

Rest = Callable[[Mapping[str, Any]], Any]


def _nothing(_: Mapping[str, Any]) -> tuple[()]:
    return ()


@dataclass(slots=True)
class Pattern:
    """The fields of a chunk, its only choice and its delta, without the one that differs, and their values.

    Sizes and values together are exact: as many fields, among them all of these with these values, leave room only
    for the one that differs.
    """

    size: int
    rest: Rest
    values: Any
    choice_size: int
    choice_rest: Rest
    choice_values: Any
    delta_size: int
    delta_rest: Rest
    delta_values: Any


NO_PATTERN = Pattern(-1, _nothing, (), -1, _nothing, (), -1, _nothing, ())

# Fields of which a repetition adds something; a chunk with one of them that is not empty has no pattern.
_ADDING_DELTA_FIELDS = "reasoning reasoning_content reasoning_details refusal tool_calls function_call images audio annotations".split()


def learn(raw: Mapping[str, Any]) -> Pattern:
    """Return the pattern of a chunk that brought text and nothing else."""
    choices = raw["choices"]
    if len(choices) != 1:
        return NO_PATTERN
    choice = choices[0]
    delta = choice.get("delta")
    if type(delta) is not dict or type(delta.get("content")) is not str or choice.get("logprobs"):
        return NO_PATTERN
    if any(delta.get(name) for name in _ADDING_DELTA_FIELDS) or choice.get("error") or raw.get("error"):
        return NO_PATTERN
    return Pattern(*_all_but(raw, "choices"), *_all_but(choice, "delta"), *_all_but(delta, "content"))


def _all_but(fields: Mapping[str, Any], name: str) -> tuple[int, Rest, Any]:
    names = [key for key in fields if key != name]
    rest: Rest = itemgetter(*names) if names else _nothing
    return len(fields), rest, rest(fields)
