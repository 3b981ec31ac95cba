"""Chunks: typed views over the objects that a provider sent, tolerant in this one place.

A view keeps the object in `raw` and reads from it, so that nothing is lost and unknown fields stay reachable.
What compatible servers do differently (`message` or `text` for `delta`, `reasoning_content` for `reasoning`,
content as an array of parts, usage elsewhere) is understood here and nowhere else; a field of a wrong type reads
as absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat.content import content_parts, reasoning_text, visible_text
from sseor.chat.failures import Failure
from sseor.chat.finish import finish_reason
from sseor.chat.text import clean, printable
from sseor.chat.tool_calls import ToolCallDelta, fragment_of
from sseor.chat.usage import Usage
from sseor.chat.view import View, as_index, json_object, json_objects

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["Choice", "Chunk", "Delta"]

# A server that counts beyond this does not count choices.
MAX_CHOICES = 1024


class Delta(View):
    """What a chunk adds to one choice.

    `content` is the visible text, the text parts joined where the content is an array; None when there is
    none. Halves of a surrogate pair that a server cut apart read as U+FFFD in it; the events of a stream join
    them.
    """

    __slots__ = ("content",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.content = clean(visible_text(raw)) if raw.get("content") is not None else None

    @property
    def role(self) -> str | None:
        """The role, `assistant` where a server says any."""
        return self._text("role")

    @property
    def reasoning(self) -> str | None:
        """The reasoning text, once, from whichever field carries it."""
        return clean(reasoning_text(self.raw)) or None

    @property
    def reasoning_details(self) -> list[dict[str, Any]]:
        """The entries of `reasoning_details` as sent."""
        return json_objects(self.raw.get("reasoning_details"))

    @property
    def refusal(self) -> str | None:
        """The refusal text."""
        return self._text("refusal")

    @property
    def tool_calls(self) -> list[ToolCallDelta]:
        """The fragments of tool calls; the older `function_call` reads as one."""
        return [fragment_of(raw) for raw in tool_call_objects(self.raw)]

    @property
    def images(self) -> list[dict[str, Any]]:
        """Image entries as sent."""
        return json_objects(self.raw.get("images"))

    @property
    def audio(self) -> Mapping[str, Any]:
        """The audio object as sent, empty when there is none."""
        return json_object(self.raw.get("audio"))

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """Annotations as sent."""
        return json_objects(self.raw.get("annotations"))

    def __repr__(self) -> str:
        return f"Delta({printable(repr(dict(self.raw)), 100)})"


class Choice(View):
    """One of the answers that a chunk carries on.

    `position` is its place in the chunk; `delta` is what the server sent as such or in its place, empty when
    there is nothing.
    """

    __slots__ = ("delta", "position")

    def __init__(self, raw: Mapping[str, Any], position: int = 0) -> None:
        self.raw = raw
        self.position = position
        self.delta = Delta(_delta_of(raw))

    @property
    def index(self) -> int:
        """Which answer it carries on: its place in the chunk where a server sends no index, or an impossible one."""
        index = as_index(self.raw.get("index"))
        return index if index is not None and 0 <= index < MAX_CHOICES else self.position

    @property
    def message(self) -> Delta:
        """The delta: a whole answer that was not streamed has `message` in its place."""
        return self.delta

    @property
    def finish_reason(self) -> str | None:
        """Why the choice ended, normalized; None while it goes on."""
        return finish_reason(self.raw.get("finish_reason"))

    @property
    def native_finish_reason(self) -> str | None:
        """The provider's own word."""
        return self._text("native_finish_reason")

    @property
    def logprobs(self) -> Mapping[str, Any]:
        """Log probabilities as sent, empty when there are none."""
        return json_object(self.raw.get("logprobs"))

    def __repr__(self) -> str:
        return f"Choice(index={self.index}, delta={self.delta!r}, finish_reason={self.finish_reason!r})"


class Chunk(View):
    """One JSON object of the stream."""

    __slots__ = ()

    @property
    def id(self) -> str | None:
        """The generation ID, the same in all chunks of an answer."""
        return self._text("id")

    @property
    def object(self) -> str | None:
        """The kind of object, mostly `chat.completion.chunk`."""
        return self._text("object")

    @property
    def created(self) -> int | None:
        """When the answer was begun, in seconds since 1970."""
        return as_index(self.raw.get("created"))

    @property
    def model(self) -> str | None:
        """The model that served, perhaps another than the requested one."""
        return self._text("model")

    @property
    def provider(self) -> str | None:
        """The display name of the provider that served."""
        return self._text("provider")

    @property
    def service_tier(self) -> str | None:
        """The service tier that was used."""
        return self._text("service_tier")

    @property
    def system_fingerprint(self) -> str | None:
        """The backend's fingerprint."""
        return self._text("system_fingerprint")

    @property
    def choices(self) -> list[Choice]:
        """The choices; empty in usage, debug and some error chunks."""
        found = self.raw.get("choices")
        if type(found) is not list:
            return []
        return [Choice(raw, position) for position, raw in enumerate(found) if type(raw) is dict]

    @property
    def usage(self) -> Usage | None:
        """Usage at the top level, in `x_groq` (Groq) or in a choice (Kimi)."""
        choices = self.raw.get("choices")
        for place in [self.raw, self.raw.get("x_groq"), *(choices if type(choices) is list else ())]:
            usage = place.get("usage") if type(place) is dict else None
            if type(usage) is dict and usage:
                return Usage(usage)
        return None

    @property
    def error(self) -> Failure | None:
        """The failure that the chunk reports, in any of its shapes; `error: null` is none."""
        return Failure.from_object(self.raw)

    def __repr__(self) -> str:
        # Only what is safe in a log: debug chunks echo the prompt.
        return (
            f"<Chunk {self.id or 'without id'}, {len(self.choices)} choices{', error' if self.error else ''}>"
        )


def _delta_of(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the delta of a choice, or one made of what the server sent in its place."""
    delta = choice.get("delta")
    if type(delta) is not dict:
        delta = json_object(choice.get("message"))
    text = choice.get("text")  # the legacy route, and Together beside an empty delta
    if type(text) is str and text and not content_parts(delta):
        delta = {**delta, "content": text}
    if choice.get("reasoning") and not reasoning_text(delta):
        delta = {**delta, "reasoning": choice["reasoning"]}
    return delta


def tool_call_objects(delta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items of `delta.tool_calls`; the older `function_call` as one with index 0."""
    calls = json_objects(delta.get("tool_calls"))
    function = delta.get("function_call")
    if not calls and type(function) is dict:
        return [{"index": 0, "function": function}]
    return calls
