"""One answer under way, in OpenRouter's shapes: what the acts of a play write to."""

from __future__ import annotations

from typing import Any

from sseor.testing.connection import PeerGoneError
from sseor.testing.exchange import EVENT_STREAM, Exchange, Fields
from sseor.testing.shapes import COMMENT, DONE, Generation, Json, comment, data_event, error_body, usage

__all__ = ["Reply"]


class Reply:
    """Sends the head with the first piece, counts tokens, and remembers how the answer finished.

    Each piece of text or reasoning counts as one token.
    """

    def __init__(self, exchange: Exchange, generation: Generation, prompt_tokens: int = 0) -> None:
        self.exchange = exchange
        self.generation = generation
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = 0
        self.reasoning_tokens = 0
        self.tool_calls = 0
        self.finish_reason: str | None = None

    def head(self, status: int = 200, headers: Fields = EVENT_STREAM) -> None:
        """Send the head, with the generation ID, unless it has been sent."""
        if not self.exchange.begun:
            fields = dict(headers) | {"X-Generation-Id": self.generation.id}
            self.exchange.head(status, fields)

    def send(self, data: bytes) -> None:
        """Send bytes of the body."""
        self.head()
        self.exchange.send(data)

    def event(self, value: Json | str) -> None:
        """Send one event: a chunk, or any text as its data."""
        self.send(data_event(value))

    def comment(self, text: str | None = None) -> None:
        """Send one comment, `: OPENROUTER PROCESSING` unless told otherwise."""
        self.send(COMMENT if text is None else comment(text))

    def role(self) -> None:
        """Send a delta that holds nothing but the role."""
        self.event(self.generation.chunk({}))

    def reasoning(self, text: str) -> None:
        """Send a piece of reasoning, in both fields that carry it."""
        self.completion_tokens += 1
        self.reasoning_tokens += 1
        detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
        self.event(self.generation.chunk({"reasoning": text, "reasoning_details": [detail]}))

    def text(self, text: str) -> None:
        """Send a piece of the answer."""
        self.completion_tokens += 1
        self.event(self.generation.chunk({"content": text}))

    def tool_call(self, name: str, slices: tuple[str, ...], call_id: str | None) -> None:
        """Send one whole tool call: a fragment that names it, then one for each slice of its arguments."""
        index = self.tool_calls
        self.tool_calls += 1
        opening = {
            "index": index,
            "id": call_id or f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        self._fragment(opening)
        for piece in slices:
            self.completion_tokens += 1
            self._fragment({"index": index, "function": {"arguments": piece}})

    def finish(self, reason: str, native: str | None = None) -> None:
        """Send the chunk that bears the finish reason."""
        self.finish_reason = reason
        self.event(self.generation.chunk({}, finish=reason, native=native))

    def usage(self, **figures: Any) -> Json:
        """Return the usage so far; `figures` as for `shapes.usage` replace what was counted."""
        counted = {
            "prompt": self.prompt_tokens,
            "completion": self.completion_tokens,
            "reasoning": self.reasoning_tokens,
        }
        return usage(**counted | {name: value for name, value in figures.items() if value is not None})

    def report_usage(self, **figures: Any) -> None:
        """Send the usage chunk, which repeats the finish reason."""
        self.event(self.generation.usage_chunk(self.usage(**figures), finish=self.finish_reason))

    def fail(self, code: int | str, message: str, *, choices: bool = True, **metadata: Any) -> None:
        """Send an error chunk."""
        self.event(self.generation.error_chunk(error_body(code, message, **metadata), choices=choices))

    def done(self) -> None:
        """Send `data: [DONE]`."""
        self.send(DONE)

    def pause(self, seconds: float) -> None:
        """Let `seconds` pass; `PeerGoneError` as soon as the client leaves."""
        if not self.exchange.wait(seconds):
            raise PeerGoneError("the client left within the answer")

    def _fragment(self, fragment: Json) -> None:
        self.event(self.generation.chunk({"content": None, "tool_calls": [fragment]}))
