"""Messages for the next request: the assistant's answer sent back, and the results of tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat import codec
from sseor.chat.text import clean_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat.completion import CompletedChoice
    from sseor.chat.tool_calls import ToolCall

__all__ = ["assistant_message", "tool_result"]


def assistant_message(choice: CompletedChoice) -> dict[str, Any]:
    """Return the choice as an assistant message.

    Incomplete tool calls are left out, since every provider refuses half an argument string; so is
    Anthropic's reasoning without its signature. Of the annotations only files go back, so that they are not
    parsed again.
    """
    message: dict[str, Any] = {"role": "assistant", "content": choice.text}
    calls = [call.to_message() for call in choice.tool_calls if call.complete]
    images = [_image_entry(image.url, image.raw) for image in choice.images]
    files = [annotation for annotation in choice.annotations if annotation.get("type") == "file"]
    details = [entry for entry in choice.reasoning_details if _may_go_back(entry)]
    if calls:
        message["tool_calls"] = calls
    if choice.refusal:
        message["refusal"] = choice.refusal
    if images:
        message["images"] = images
    if choice.audio is not None and choice.audio.id:
        message["audio"] = {"id": choice.audio.id}
    if files:
        message["annotations"] = files
    if details or (choice.reasoning_details_sent and not choice.reasoning_details):
        message["reasoning_details"] = details
    elif choice.reasoning_field is not None and choice.reasoning and not choice.reasoning_details:
        message[choice.reasoning_field] = choice.reasoning
    if not choice.text and len(message) > 2:
        message["content"] = None  # Bedrock refuses empty text
    return dict(clean_value(message))


def tool_result(call: ToolCall | str, content: object) -> dict[str, Any]:
    """Return the message that answers a tool call, named by itself or by its id.

    `content` is the result: a string and a list of content parts go as they are, anything else as JSON.
    """
    if not isinstance(content, str) and not _is_parts(content):
        content = codec.dumps(content).decode()
    return {"role": "tool", "tool_call_id": call if isinstance(call, str) else call.id, "content": content}


def _is_parts(content: object) -> bool:
    return (
        isinstance(content, list)
        and all(isinstance(part, dict) and "type" in part for part in content)
        and content != []
    )


def _image_entry(url: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    entry = {key: value for key, value in raw.items() if key != "index"}
    return entry or {"type": "image_url", "image_url": {"url": url}}


def _may_go_back(entry: Mapping[str, Any]) -> bool:
    if entry.get("data") == "[REDACTED]":
        return False
    unsigned = entry.get("type") == "reasoning.text" and not entry.get("signature")
    return not (unsigned and entry.get("format") == "anthropic-claude-v1")
