"""Where a delta keeps its text."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.chat.content import content_parts, reasoning_field, reasoning_text, visible_text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ("", ""),
        (None, ""),
        (7, ""),
        ([], ""),
        (["a", "b"], "ab"),
        ([{"type": "text", "text": "a"}, {"text": "b"}, {"type": "output_text", "text": "c"}], "abc"),
        ([{"type": "text", "text": None}, {"type": "thinking", "text": "x"}, 7, None], ""),
        ({"type": "text", "text": "a"}, "a"),
    ],
)
def test_visible_text(content: Any, text: str) -> None:
    """A string, a list of strings and parts, or one part; nothing else is text."""
    assert visible_text({"content": content}) == text


def test_content_as_parts() -> None:
    """A plain string is one part, an empty one none; what is no part is left out."""
    assert content_parts({"content": "a"}) == [{"type": "text", "text": "a"}]
    assert content_parts({"content": ""}) == content_parts({}) == []
    assert content_parts({"content": [{"type": "x"}, 7]}) == [{"type": "x"}]


@pytest.mark.parametrize(
    ("delta", "text", "field"),
    [
        ({}, "", None),
        ({"reasoning": "a", "reasoning_content": "b"}, "a", "reasoning"),
        ({"reasoning": "", "reasoning_content": "b"}, "b", "reasoning_content"),
        ({"reasoning": 7}, "", None),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "c"}, 7, {"type": "x", "text": "d"}]},
            "c",
            None,
        ),
        ({"reasoning_details": [], "content": [{"type": "thinking", "thinking": "e"}]}, "e", None),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "f"}, "g"]}]}, "fg", None),
        ({"content": [{"type": "thinking", "thinking": None}]}, "", None),
    ],
)
def test_reasoning_from_four_places(delta: dict[str, Any], text: str, field: str | None) -> None:
    """The first place that has reasoning gives it, and only the plain fields have a name."""
    assert (reasoning_text(delta), reasoning_field(delta)) == (text, field)
