"""Finish reasons as servers write them."""

from __future__ import annotations

from typing import Any

import pytest
from chat.assembling import assemble, call, call_chunk, chunk

from sseor.chat import Finished, FinishReason
from sseor.chat.finish import finish_reason


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("function_call", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("insufficient_system_resource", "insufficient_system_resource"),
        ("Weird", "Weird"),
        ("\ud800", "\ufffd"),
        ("", None),
        (" ", None),
        (None, None),
        (7, None),
        (False, None),
        ({}, None),
    ],
)
def test_words_of_all_servers(word: Any, reason: str | None) -> None:
    """Known words are normalized, unknown ones passed on, empty ones and other types are none."""
    assert finish_reason(word) == reason


def test_stop_after_tool_calls_is_tool_calls() -> None:
    """Gemini's and Ollama's `stop` means `tool_calls`; the server's word is kept."""
    assembled = assemble(call_chunk(call("{}", "f", "A", index=0)), chunk(finish="stop"))
    assert assembled.of(Finished) == [Finished(FinishReason.TOOL_CALLS)]
    (choice,) = assembled.completion.choices
    assert (choice.finish_reason, choice.raw_finish_reason) == ("tool_calls", "stop")


def test_tool_calls_without_a_finish_reason() -> None:
    """When all arguments are whole the reason is `tool_calls`, and the verdict says that none was seen."""
    completion = assemble(call_chunk(call("{}", "f", "A", index=0))).completion
    assert (completion.finish_reason, completion.verdict.saw_finish) == ("tool_calls", False)
    assert not completion.verdict.complete
    assert assemble(call_chunk(call("{", "f", "A", index=0))).completion.finish_reason is None


def test_length_with_only_reasoning() -> None:
    """The whole budget went into reasoning: `length`, no text."""
    completion = assemble(chunk({"reasoning": "hm"}), chunk(finish="length")).completion
    assert (completion.finish_reason, completion.text, completion.reasoning) == ("length", "", "hm")


def test_an_empty_generation_is_a_finish_without_anything_generated() -> None:
    """`stop` with nothing generated is told by `generated`, and is no failure."""
    assembled = assemble(chunk({"content": ""}, finish="stop", usage={"completion_tokens": 0}))
    assert (assembled.accumulator.generated, assembled.accumulator.finished) == (False, True)
    assert assembled.accumulator.failure is None


def test_a_content_filter_is_a_finish() -> None:
    """`content_filter` ends the answer; the text so far is there."""
    assembled = assemble(chunk({"content": "a"}, finish="content_filter"))
    assert (assembled.completion.finish_reason, assembled.completion.text) == ("content_filter", "a")
    assert assembled.accumulator.failure is None
