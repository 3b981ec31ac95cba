"""When a chunk can be repeated with another text."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sseor.chat.likeness import likeness

PLAIN: dict[str, Any] = {
    "id": "g",
    "choices": [
        {"index": 0, "delta": {"content": "a", "reasoning": None, "tool_calls": []}, "logprobs": None}
    ],
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the plain chunk with other fields: `delta_x` and `choice_x` go inward."""
    raw = copy.deepcopy(PLAIN)
    for name, value in fields.items():
        place, _, inner = name.partition("_")
        if place == "delta" and inner:
            raw["choices"][0]["delta"][inner] = value
        elif place == "choice" and inner:
            raw["choices"][0][inner] = value
        else:
            raw[name] = value
    return raw


def test_a_copy_takes_the_next_text_and_leaves_the_chunk_alone() -> None:
    """Writing a text into the copy makes it equal to the chunk with that text; the original stays."""
    raw = copy.deepcopy(PLAIN)
    found = likeness(raw)
    assert found is not None
    like, delta = found
    assert like == raw
    delta["content"] = "b"
    assert like == changed(delta_content="b")
    assert raw == PLAIN


@pytest.mark.parametrize(
    "raw", [changed(error=None), changed(delta_reasoning_details=[]), changed(x={"y": 1})]
)
def test_what_adds_nothing_may_repeat(raw: dict[str, Any]) -> None:
    """Null and empty fields, and unknown ones with a last value, may come again."""
    assert likeness(raw) is not None


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [1]},
        {"choices": PLAIN["choices"] * 2},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": ["a"]}}]},
        changed(error={"code": 500}),
        changed(choice_error={"code": 500}),
        changed(choice_logprobs={"content": []}),
        changed(delta_reasoning="r"),
        changed(delta_reasoning_content="r"),
        changed(delta_reasoning_details=[{}]),
        changed(delta_refusal="r"),
        changed(delta_tool_calls=[{}]),
        changed(delta_function_call={"name": "f"}),
        changed(delta_images=[{}]),
        changed(delta_audio={"id": "a"}),
        changed(delta_annotations=[{}]),
    ],
)
def test_what_adds_something_is_never_repeated(raw: dict[str, Any]) -> None:
    """Other shapes, and chunks in which something besides the text counts, have no likeness."""
    assert likeness(raw) is None
