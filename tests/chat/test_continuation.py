"""The request that continues an answer: which answers, in which form, with which words."""

from __future__ import annotations

from typing import Any

import pytest
from chat.assembling import assemble, call, call_chunk, chunk

from sseor.chat import ChatRequest, CompletedChoice, Completion
from sseor.chat.continuation import (
    Form,
    continued,
    form_for,
    is_blank,
    not_continuable,
    refuses_prefill,
)
from sseor.chat.request import chat_request

HELLO = {"role": "user", "content": "Hello"}


def asked(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    """Return a request with these messages and other fields."""
    return chat_request(model="m", messages=[HELLO, *messages], parameters={}, extra_body=fields)


def cut(text: str, **fields: Any) -> Completion:
    """Return an answer that was cut after this text."""
    return Completion(choices=[CompletedChoice(text=text, **fields)])


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-opus-4.6",
        "anthropic/claude-opus-4.6:thinking",
        "anthropic/claude-sonnet-4.6",
        "anthropic/claude-4.6-opus-20260205",
        "claude-opus-4-7",
        "claude-opus-4-6@default",
        "us.anthropic.claude-opus-4-6-v1:0",
        "anthropic/claude-sonnet-5",
        "anthropic/claude-haiku-5.1",
        "anthropic/claude-opus-10",
        "anthropic/claude-mythos-preview",
        "~anthropic/claude-sonnet-latest",
        "openai/gpt-5-mini",
        "openai/gpt-4o:online",
        "gpt-4.1",
        "~openai/gpt-latest",
        "openai/chatgpt-4o-latest",
        "openai/o3",
        "openai/o4-mini",
        "o1",
        "OpenAI/GPT-5",
    ],
)
def test_models_that_refuse_a_prefill_are_instructed(model: str) -> None:
    """Claude 4.6 and later answer 400 to a trailing assistant message, OpenAI's models begin anew."""
    assert form_for(model, {}) == "instruction"


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-opus-4.5",
        "anthropic/claude-4.5-sonnet-20250929",
        "anthropic/claude-sonnet-4",
        "claude-sonnet-4-20250514",
        "claude-opus-4-5-20251101",
        "anthropic/claude-3.7-sonnet",
        "claude-3-5-haiku-20241022",
        "anthropic/claude-3-opus",
        "claude-2.1",
        "openai/gpt-oss-120b",
        "openai/gpt-oss-20b:free",
        "deepseek/deepseek-chat",
        "qwen/qwen3-32b:nitro",
        "EleutherAI/gpt-neo-2.7B",
        "mistralai/mistral-large",
        "aidc-ai/marco-o1",
        "z-ai/glm-4.6",
    ],
)
def test_other_models_are_prefilled(model: str) -> None:
    """A date is no version, and gpt-oss is an open model."""
    assert form_for(model, {}) == "prefill"


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"reasoning": {"effort": "low"}}, "instruction"),
        ({"reasoning": {"max_tokens": 2000}}, "instruction"),
        ({"reasoning": {"enabled": True}}, "instruction"),
        ({"reasoning_effort": "high"}, "instruction"),
        ({"include_reasoning": True}, "instruction"),
        ({"reasoning": {"enabled": False, "effort": "low"}}, "prefill"),
        ({"reasoning": {"effort": "none"}}, "prefill"),
        ({"reasoning": {"exclude": True}}, "prefill"),
        ({"reasoning": None, "reasoning_effort": None, "include_reasoning": False}, "prefill"),
        ({"reasoning_effort": "none"}, "prefill"),
    ],
)
def test_claude_that_thinks_takes_no_prefill(fields: dict[str, Any], form: Form) -> None:
    """Extended thinking and a prefill exclude each other; other models do not mind."""
    assert form_for("anthropic/claude-sonnet-4.5", fields) == form
    assert form_for("deepseek/deepseek-r1", fields) == "prefill"


def test_the_thinking_variant_asks_for_thinking() -> None:
    """`:thinking` in the name is the same as the field."""
    assert form_for("anthropic/claude-3.7-sonnet:thinking", {}) == "instruction"


def test_a_prefill_is_the_text_so_far() -> None:
    """The rest of the request stays as it was."""
    request = asked(temperature=0.5, session_id="s")
    follow_up, sent = continued(request, cut("Once upon"), "prefill")
    assert sent == "Once upon"
    assert follow_up.messages == [HELLO, {"role": "assistant", "content": "Once upon"}]
    assert {**follow_up.fields, "messages": [HELLO]} == request.fields


def test_an_instruction_quotes_the_end() -> None:
    """The model sees where it stopped: the last hundred characters, and that it must repeat nothing."""
    text = "x" * 500 + "the end "
    follow_up, sent = continued(asked(), cut(text), "instruction")
    assert sent == text
    *_, answer, instruction = follow_up.messages
    assert answer == {"role": "assistant", "content": text}
    assert instruction["role"] == "user"
    assert f"«{text[-100:]}»" in instruction["content"]
    assert "x" * 101 not in instruction["content"]
    assert "code block" not in instruction["content"]


def test_an_open_code_block_is_mentioned() -> None:
    """A model that is asked to go on likes to open the block again."""
    follow_up, _ = continued(asked(), cut("```python\nfor"), "instruction")
    assert "code block" in follow_up.messages[-1]["content"]
    follow_up, _ = continued(asked(), cut("```python\nfor\n```\nSo"), "instruction")
    assert "code block" not in follow_up.messages[-1]["content"]


@pytest.mark.parametrize(
    ("text", "prefill", "instruction"),
    [
        ("Hello \n", "Hello", "Hello \n"),
        ("Hello\ufffd", "Hello", "Hello"),
        ("Hello \ud83c", "Hello", "Hello "),
        ("Hello \ufffd \ufffd", "Hello", "Hello \ufffd "),
        ("Hello", "Hello", "Hello"),
    ],
)
def test_the_text_is_cut_back_to_whole_characters(text: str, prefill: str, instruction: str) -> None:
    """Half a character is never sent, and no blanks at the end of a prefill, which Anthropic refuses."""
    for form, expected in (("prefill", prefill), ("instruction", instruction)):
        follow_up, sent = continued(asked(), cut(text), form)  # type: ignore[arg-type]
        assert (sent, follow_up.messages[1]["content"]) == (expected, expected)
        assert text.startswith(sent)


def test_only_signed_reasoning_goes_back() -> None:
    """Anthropic and Gemini refuse reasoning without its signature; OpenAI's summary belongs to what is encrypted."""
    signed = {"type": "reasoning.text", "text": "a", "signature": "s", "format": "anthropic-claude-v1"}
    unsigned = {"type": "reasoning.text", "text": "b", "format": "google-gemini-v1"}
    encrypted = {"type": "reasoning.encrypted", "data": "d", "format": "openai-responses-v1"}
    summary = {"type": "reasoning.summary", "summary": "c", "format": "openai-responses-v1"}

    def sent_back(*details: dict[str, Any]) -> Any:
        partial = cut("x", reasoning="r", reasoning_field="reasoning", reasoning_details=list(details))
        message = continued(asked(), partial, "prefill")[0].messages[-1]
        assert "reasoning" not in message
        return message.get("reasoning_details")

    assert sent_back(signed, unsigned) == [signed]
    assert sent_back(summary, encrypted) == [summary, encrypted]
    assert sent_back(summary) is None
    assert sent_back(unsigned) is None
    empty = cut("x", reasoning_details_sent=True)
    assert continued(asked(), empty, "prefill")[0].messages[-1]["reasoning_details"] == []


@pytest.mark.parametrize(
    ("begun", "content"),
    [
        ("{", '{"a"'),
        (None, '"a"'),
        ([{"type": "text", "text": "{"}], [{"type": "text", "text": "{"}, {"type": "text", "text": '"a"'}]),
    ],
)
def test_an_answer_that_the_caller_began_stays_one_message(begun: Any, content: Any) -> None:
    """Two assistant messages in a row are two turns to most templates."""
    request = asked({"role": "assistant", "content": begun, "name": "n"})
    follow_up, sent = continued(request, cut('"a"'), "prefill")
    assert sent == '"a"'
    assert follow_up.messages == [HELLO, {"role": "assistant", "content": content, "name": "n"}]


def test_an_answer_after_tool_calls_is_a_message_of_its_own() -> None:
    """A message that calls tools is over."""
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}
    follow_up, _ = continued(asked(calls), cut("So"), "prefill")
    assert follow_up.messages[1:] == [calls, {"role": "assistant", "content": "So"}]


def test_a_follow_up_of_a_follow_up_is_made_from_the_first_request() -> None:
    """However often an answer was cut, the model sees one question and one answer."""
    request = asked()
    first, _ = continued(request, cut("Once"), "instruction")
    again, _ = continued(request, cut("Once upon"), "instruction")
    assert len(first.messages) == len(again.messages) == 3
    assert request.messages == [HELLO]


def test_the_route_is_pinned() -> None:
    """The provider that gave the answer is asked first."""
    partial = Completion(choices=[CompletedChoice(text="x")], provider="DeepInfra")
    assert continued(asked(), partial, "prefill")[0].fields["provider"] == {"order": ["DeepInfra"]}


@pytest.mark.parametrize(
    ("partial", "why"),
    [
        (assemble(chunk({"content": "a"}), chunk({"content": "b"}, index=1)).completion, "several choices"),
        (assemble(chunk({"content": "a"}), call_chunk(call('{"a', "f"))).completion, "tool call"),
        (assemble(chunk({"content": "a", "audio": {"id": "x", "data": "AA=="}})).completion, "audio"),
        (assemble(chunk({"content": "a", "refusal": "no"})).completion, "refused"),
        (assemble(chunk({"reasoning": "hm"})).completion, "nothing but reasoning"),
        (cut("", reasoning_details=[{"type": "reasoning.encrypted", "data": "d"}]), "nothing but reasoning"),
        (assemble(chunk({"content": " \n"})).completion, "no text"),
        (cut("\ufffd"), "no text"),
        (Completion(), "no text"),
    ],
)
def test_what_cannot_be_continued_says_why(partial: Completion, why: str) -> None:
    """There must be text, and nothing that a message cannot hold in half."""
    assert why in str(not_continuable(partial))
    assert "max_tokens" not in str(not_continuable(partial))


@pytest.mark.parametrize(
    "delta",
    [
        {"content": " "},
        {"reasoning": "hm"},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]},
        {"refusal": "no"},
        {"tool_calls": [call("{", "f")]},
        {"images": [{"image_url": {"url": "u"}}]},
        {"audio": {"id": "x", "data": "AA=="}},
        {"annotations": [{"type": "url_citation"}]},
    ],
    ids=lambda delta: next(iter(delta)),
)
def test_only_an_answer_of_which_nothing_came_is_blank(delta: dict[str, Any]) -> None:
    """A role is nothing; whatever was generated is something, in the second choice too."""
    assert not is_blank(assemble(chunk(delta)).completion)
    assert not is_blank(assemble(chunk({"role": "assistant"}), chunk(delta, index=1)).completion)
    assert is_blank(assemble(chunk({"role": "assistant", "content": ""})).completion)
    assert is_blank(Completion())


def test_text_can_be_continued() -> None:
    """Reasoning and images before it are no hindrance, nor is JSON as a format."""
    assert not_continuable(cut('{"a": [1,', reasoning="hm")) is None
    assert (
        not_continuable(assemble(chunk({"content": "a", "images": [{"image_url": {"url": "u"}}]})).completion)
        is None
    )


def test_an_answer_at_its_limit_says_how_to_get_more() -> None:
    """Nothing but reasoning, or half a call, at the limit of tokens: a higher limit helps."""
    assert "max_tokens" in str(not_continuable(cut("", reasoning="hm", finish_reason="length")))
    calls = assemble(call_chunk(call('{"a', "f")), chunk(finish="length")).completion
    assert "max_tokens" in str(not_continuable(calls))


@pytest.mark.parametrize(
    "message",
    [
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        "Assistant response prefill is incompatible with enable_thinking.",
        "Cannot have 2 or more assistant messages at the end of the list.",
        "messages: final assistant content cannot end with trailing whitespace",
        "Please ensure that multiturn requests end with a user turn",
        "continue_final_message is not supported",
        "The last message must have role 'user'",
        "Pre-filling is not available for this model",
    ],
)
@pytest.mark.parametrize(
    ("status", "code"), [(400, None), (None, 400), (200, "invalid_request_error"), (502, None)]
)
def test_a_refused_prefill_is_recognised(message: str, status: int | None, code: int | str | None) -> None:
    """Also inside a 200 stream, and where a gateway wraps it."""
    assert refuses_prefill(status, message, code)


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "A conversation must start with a user message", None),
        (400, "temperature must be at most 2", None),
        (400, "The last message is too long", None),
        (401, "prefill", None),
        (None, "prefill", 429),
        (429, "the last role is rate limited", None),
    ],
)
def test_another_failure_is_no_refused_prefill(status: int | None, message: str, code: int | None) -> None:
    """The instruction form cures nothing else."""
    assert not refuses_prefill(status, message, code)
