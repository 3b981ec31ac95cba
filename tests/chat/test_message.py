"""Messages for the next request."""

from __future__ import annotations

from typing import Any

import pytest
from chat.assembling import assemble, call, call_chunk, chunk

from sseor.chat import Chunk, tool_result


def message(*chunks: Chunk) -> dict[str, Any]:
    """Return the message of the answer that these chunks give."""
    return assemble(*chunks, chunk(finish="stop")).completion.message


def signed(text: str | None, **fields: Any) -> dict[str, Any]:
    """Return an entry of Anthropic's reasoning."""
    return {"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", **fields}


def test_a_plain_answer() -> None:
    """Text alone is role and content."""
    assert message(chunk({"content": "a"})) == {"role": "assistant", "content": "a"}
    assert message() == {"role": "assistant", "content": ""}


def test_content_is_null_with_tool_calls_only() -> None:
    """Bedrock refuses empty text: without any the content is null."""
    assert message(call_chunk(call("{}", "f", "A", index=0))) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "A", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_incomplete_calls_are_left_out() -> None:
    """Half an argument string is refused by every provider; the whole calls stay in order."""
    found = message(
        call_chunk(call("{}", "f", "A", index=0), call("{", "g", "B", index=1), call("{}", "h", "C", index=2))
    )
    assert [item["id"] for item in found["tool_calls"]] == ["A", "C"]


def test_reasoning_details_go_back_merged_and_in_order() -> None:
    """Merged entries, unmodified; unsigned and redacted ones stay behind."""
    details = [
        signed("a"),
        signed(None, signature="s"),
        {"type": "reasoning.encrypted", "data": "x", "id": "A"},
        {"type": "reasoning.encrypted", "data": "[REDACTED]"},
        signed("unsigned"),
        {"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1"},
    ]
    found = message(
        chunk({"content": "a", "reasoning": "r"}), *(chunk({"reasoning_details": [one]}) for one in details)
    )
    assert found["reasoning_details"] == [signed("a", signature="s"), details[2], details[5]]
    assert "reasoning" not in found


def test_unsigned_reasoning_alone_is_left_out() -> None:
    """When nothing may go back, nothing does, not even an empty array."""
    assert message(chunk({"content": "a", "reasoning_details": [signed("x")]})) == {
        "role": "assistant",
        "content": "a",
    }


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_plain_reasoning_goes_back_under_its_own_name(field: str) -> None:
    """Models without signatures get the string back in the field it came in."""
    assert message(chunk({"content": "a", field: "r"}))[field] == "r"


def test_reasoning_from_content_parts_stays_behind() -> None:
    """Thinking parts have no field to go back in."""
    found = message(
        chunk({"content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}]})
    )
    assert found == {"role": "assistant", "content": "a"}


def test_files_images_audio_and_refusal() -> None:
    """File annotations go back, citations do not; images without their index; audio by its id."""
    file = {"type": "file", "file": {"hash": "h"}}
    found = message(
        chunk(
            {"refusal": "no", "annotations": [file, {"type": "url_citation", "url_citation": {"url": "u"}}]}
        ),
        chunk(
            {
                "images": [{"type": "image_url", "image_url": {"url": "i"}, "index": 0}],
                "audio": {"id": "au", "data": "AA"},
            }
        ),
    )
    assert found == {
        "role": "assistant",
        "content": None,
        "refusal": "no",
        "images": [{"type": "image_url", "image_url": {"url": "i"}}],
        "audio": {"id": "au"},
        "annotations": [file],
    }


def test_the_message_is_the_callers_own() -> None:
    """Changing the message changes nothing in the completion."""
    completion = assemble(chunk({"content": "a", "reasoning_details": [{"type": "x", "a": [1]}]})).completion
    completion.message["reasoning_details"][0]["a"].append(2)
    assert completion.message["reasoning_details"] == [{"type": "x", "a": [1]}]


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("sunny", "sunny"),
        ({"t": 7, "u": "°C"}, '{"t":7,"u":"°C"}'),
        ([1, 2], "[1,2]"),
        ([], "[]"),
        (None, "null"),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
        ([{"a": 1}], '[{"a":1}]'),
    ],
)
def test_tool_results(content: Any, sent: Any) -> None:
    """A string and content parts go as they are, anything else as JSON."""
    (one,) = assemble(call_chunk(call("{}", "f", "A", index=0))).completion.tool_calls
    expected = {"role": "tool", "tool_call_id": "A", "content": sent}
    assert tool_result(one, content) == tool_result("A", content) == expected


def test_an_image_made_by_hand_goes_back() -> None:
    """An image without its entry is sent in the usual shape."""
    from sseor.chat import CompletedChoice, Image

    assert CompletedChoice(images=[Image("u")]).message["images"] == [
        {"type": "image_url", "image_url": {"url": "u"}}
    ]
