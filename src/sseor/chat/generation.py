"""One run of a model: a stream that was retried or continued took several, each with its own bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sseor.chat.text import clean_value
from sseor.chat.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat.completion import Completion

__all__ = ["Generation"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation, as OpenRouter calls it.

    `characters` counts the visible text that it gave, what was left out at a seam included; `error` is the class
    and the sentence of what ended it, empty when nothing did.
    """

    id: str | None = None
    model: str | None = None
    provider: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    characters: int = 0
    error: str = ""

    @classmethod
    def of(cls, completion: Completion, error: Exception | None = None) -> Generation:
        """Return the generation that gave this, and ended with this error."""
        return cls(
            id=completion.generation_id,
            model=completion.model,
            provider=completion.provider,
            usage=completion.usage,
            finish_reason=completion.finish_reason,
            characters=sum(len(choice.text) for choice in completion.choices),
            error="" if error is None else f"{type(error).__name__}: {error}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {name: clean_value(getattr(self, name)) for name in _PLAIN_FIELDS}
        return {**plain, "usage": None if self.usage is None else clean_value(dict(self.usage.raw))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Generation:
        """Return the generation that `to_dict` wrote; fields of newer versions are left out."""
        return cls(
            **{name: data[name] for name in _PLAIN_FIELDS if name in data},
            usage=Usage(data["usage"]) if data.get("usage") else None,
        )


_PLAIN_FIELDS = ("id", "model", "provider", "finish_reason", "characters", "error")
