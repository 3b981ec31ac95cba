"""Where a delta keeps its text: content as a string or as parts, reasoning under four names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["content_parts", "reasoning_field", "reasoning_text", "visible_text"]


_TEXT_FIELD = {"reasoning.text": "text", "reasoning.summary": "summary"}


def content_parts(delta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return `delta.content` as a list of parts; a plain string is one text part."""
    content = delta.get("content")
    if type(content) is str:
        return [{"type": "text", "text": content}] if content else []
    if type(content) is dict:
        content = [content]
    if type(content) is not list:
        return []
    parts = []
    for part in content:
        if type(part) is str:
            parts.append({"type": "text", "text": part})
        elif type(part) is dict:
            parts.append(part)
    return parts


def visible_text(delta: Mapping[str, Any]) -> str:
    """Return the text of `delta.content`, its text parts joined."""
    content = delta.get("content")
    if type(content) is str:
        return content
    return "".join(part["text"] for part in content_parts(delta) if is_text_part(part))


def is_text_part(part: Mapping[str, Any]) -> bool:
    """Tell whether a part of the content is visible text."""
    return part.get("type") in ("text", "output_text", None) and type(part.get("text")) is str


def reasoning_text(delta: Mapping[str, Any]) -> str:
    """Return the reasoning of a delta once, though several fields may carry it.

    `reasoning` comes before `reasoning_content`, these before the entries of `reasoning_details`, and last
    the `thinking` parts of the content (Mistral).
    """
    name = reasoning_field(delta)
    if name is not None:
        text: str = delta[name]
        return text
    details = delta.get("reasoning_details")
    found = _details_text(details) if type(details) is list else ""
    return found or "".join(
        _thinking_text(part) for part in content_parts(delta) if part.get("type") == "thinking"
    )


def reasoning_field(delta: Mapping[str, Any]) -> str | None:
    """Return the name of the plain field that carries reasoning, or None."""
    for name in ("reasoning", "reasoning_content"):
        value = delta.get(name)
        if type(value) is str and value:
            return name
    return None


def _details_text(details: list[Any]) -> str:
    pieces = []
    for entry in details:
        if type(entry) is dict:
            text = entry.get(_TEXT_FIELD.get(str(entry.get("type"))))
            if type(text) is str:
                pieces.append(text)
    return "".join(pieces)


def _thinking_text(part: Mapping[str, Any]) -> str:
    thinking = part.get("thinking")
    if type(thinking) is str:
        return thinking
    return visible_text({"content": thinking}) if type(thinking) is list else ""
