"""The request that continues a cut answer: which answers can be continued, in which form, and how it is made.

There is no token to resume with: a follow-up is a new generation, which is given the text so far. In the prefill
form that text is the last message and the model goes on with it; in the instruction form a user message follows that
asks for the rest. What is known of models is a table; what a server says about itself comes from `refuses_prefill`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sseor.chat.finish import FinishReason
from sseor.chat.message import assistant_message
from sseor.chat.request import ChatRequest
from sseor.chat.routing import pinned
from sseor.chat.text import REPLACEMENT
from sseor.chat.view import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat.completion import Completion

__all__ = ["Form", "continued", "form_for", "is_blank", "not_continuable", "refuses_prefill"]

Form: TypeAlias = Literal["prefill", "instruction"]

# Models that refuse or ignore a trailing assistant message (Anthropic, "Prefill Claude's response"; OpenRouter's
# migration pages for Claude 4.6 and later). A date is no version: claude-sonnet-4-20250514 is Claude 4.
_NO_PREFILL = re.compile(
    r"""
      claude-(?:[a-z]+-)?(?:4[.-](?:[6-9]|[1-9]\d)|[5-9]|[1-9]\d)(?!\d)  # opus-4.6, opus-4-7, 4.6-opus, sonnet-5
    | claude-(?:mythos|[a-z]+-latest)
    | (?:^|[/:~])(?:gpt-(?!oss|neo|j\b)|chatgpt-|codex-|o\d+(?![a-z\d]))  # OpenAI's own; gpt-oss is open
    """,
    re.VERBOSE,
)

_REFUSAL = re.compile(
    r"""
      pre-?fill | continue_final_message | last\ role | prefix\ true
    | (?:final|trailing)\ assistant | assistant\ messages?\ at\ the\ end
    | (?:last|final)\ (?:chat\ )?message\b.*\b(?:role|user|assistant|tool)
    | \bends?\ (?:with|in)\ an?\ (?:user|tool)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_REFUSAL_STATUSES = frozenset({400, 422, 500, 502})  # the last two where a gateway wraps the provider's 400

_TAIL = 100  # characters of the answer that an instruction quotes


def form_for(model: str, fields: Mapping[str, Any]) -> Form:
    """Return how to ask this model to go on; `fields` are those of the request, which may ask for reasoning."""
    name = model.lower()
    if _NO_PREFILL.search(name) or ("claude" in name and _asks_for_reasoning(name, fields)):
        return "instruction"
    return "prefill"


def is_blank(partial: Completion) -> bool:
    """Tell whether nothing had come of an answer: then its question is simply asked again."""
    return not any(
        choice.text
        or choice.reasoning
        or choice.reasoning_details
        or choice.refusal
        or choice.tool_calls
        or choice.images
        or choice.audio
        or choice.annotations
        for choice in partial.choices
    )


def not_continuable(partial: Completion) -> str | None:
    """Return why an answer cannot be continued, as a plain sentence; None when it can."""
    cut = partial.finish_reason == FinishReason.LENGTH
    advice = ": ask again with a higher max_tokens" if cut else ""
    if len(partial.choices) > 1:
        return "several choices cannot be continued at once"
    if partial.tool_calls:
        return f"a tool call had begun, and half a call cannot be continued{advice}"
    if partial.audio is not None:
        return "audio cannot be continued"
    if partial.refusal:
        return "the model refused to answer"
    if _whole(partial.text, "prefill"):
        return None
    if partial.reasoning or partial.reasoning_details:
        return f"nothing but reasoning had come, and reasoning cannot be continued{advice}"
    return "no text had come yet"


def continued(request: ChatRequest, partial: Completion, form: Form) -> tuple[ChatRequest, str]:
    """Return the request that continues an answer to `request`, and the beginning of its text that is sent.

    The text is cut back to whole characters, and in the prefill form to one without blanks at its end, which
    Anthropic refuses. The request goes where the answer came from, as far as that is known. `partial` must be
    continuable, see `not_continuable`.
    """
    sent = _whole(partial.text, form)
    fields = pinned(request.to_dict(), partial)
    messages = _with_answer(fields["messages"], _message(partial, sent))
    if form == "instruction":
        messages.append({"role": "user", "content": _instruction(sent)})
    return ChatRequest.from_dict({**fields, "messages": messages}), sent


def refuses_prefill(status: int | None, message: str, code: int | str | None = None) -> bool:
    """Tell whether a failure speaks of the trailing assistant message; `status` is None inside a 200 stream."""
    number = code if isinstance(code, int) else status
    return number in (None, 200, *_REFUSAL_STATUSES) and _REFUSAL.search(message) is not None


def _asks_for_reasoning(name: str, fields: Mapping[str, Any]) -> bool:
    reasoning = json_object(fields.get("reasoning"))
    off = reasoning.get("enabled") is False or reasoning.get("effort") == "none"
    asked = any(reasoning.get(field) for field in ("enabled", "effort", "max_tokens"))
    return (
        (asked and not off)
        or fields.get("reasoning_effort") not in (None, "none")
        or fields.get("include_reasoning") is True
        or ":thinking" in name
    )


def _whole(text: str, form: Form) -> str:
    """Return a text without half a character, or what became of one, at its end."""
    end = len(text)
    while end and (
        text[end - 1] == REPLACEMENT
        or "\ud800" <= text[end - 1] <= "\udfff"
        or (form == "prefill" and text[end - 1].isspace())
    ):
        end -= 1
    return text[:end]


def _message(partial: Completion, sent: str) -> dict[str, Any]:
    """Return the answer so far as an assistant message, with no reasoning but what is signed."""
    choice = partial.choices[0]
    details = choice.reasoning_details
    encrypted = any(entry.get("type") == "reasoning.encrypted" for entry in details)
    signed = [
        entry
        for entry in details
        if entry.get("signature")
        or entry.get("type") == "reasoning.encrypted"
        or (encrypted and entry.get("type") == "reasoning.summary")  # OpenAI's come as one
    ]
    sent_empty = choice.reasoning_details_sent and not details
    return assistant_message(
        replace(choice, text=sent, reasoning="", reasoning_details=signed, reasoning_details_sent=sent_empty)
    )


def _with_answer(messages: list[dict[str, Any]], answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the conversation with the answer so far; it goes on with a beginning that the caller gave."""
    last = messages[-1]
    if last["role"] != "assistant" or last.get("tool_calls"):
        return [*messages, answer]
    begun = last.get("content")
    if isinstance(begun, list):
        content: Any = [*begun, {"type": "text", "text": answer["content"]}]
    else:
        content = (begun or "") + answer["content"]
    return [*messages[:-1], {**last, **answer, "content": content}]


def _instruction(sent: str) -> str:
    fence = " The code block that is open stays open: do not begin it again." if sent.count("```") % 2 else ""
    return (
        f"Your answer above was cut off. It ends with:\n\n«{sent[-_TAIL:]}»\n\n"
        "Go on exactly where it ends, in the middle of a word if need be. Write nothing but what follows: "
        f"no introduction, no repetition, no remark on the interruption.{fence}"
    )
