"""One choice while it grows: each delta's parts to events, and all of them to a completed choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat.chunks import Choice, tool_call_objects
from sseor.chat.completion import CompletedChoice
from sseor.chat.content import content_parts, is_text_part, reasoning_field, reasoning_text, visible_text
from sseor.chat.events import AudioDelta, Finished, Reasoning, Refusal, StreamEvent, Text, ToolCallDone
from sseor.chat.finish import FinishReason, finish_reason
from sseor.chat.media import Annotations, GrowingAudio, Images
from sseor.chat.reasoning import ReasoningDetails
from sseor.chat.text import GrowingText, clean, clean_value
from sseor.chat.tool_calls import ToolCalls
from sseor.chat.view import json_objects, keep_other_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ChoiceAssembly"]

_KNOWN_CHOICE_FIELDS = frozenset(
    [
        "index",
        "delta",
        "message",
        "text",
        "reasoning",
        "finish_reason",
        "native_finish_reason",
        "logprobs",
        "error",
        "usage",
    ]
)
_TEXT_FIELDS = frozenset(
    {"role", "content", "reasoning", "reasoning_content", "reasoning_details", "refusal"}
)
_TEXT_TYPES = (str, type(None))
_KNOWN_DELTA_FIELDS = _TEXT_FIELDS | {"tool_calls", "function_call", "images", "audio", "annotations"}
_CUTTING = (None, FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.ERROR)


class ChoiceAssembly:
    """Grows one choice of an answer."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.text = GrowingText()
        self.generated = False
        self.raw_finish_reason: str | None = None
        self.native_finish_reason: str | None = None
        self._reasoning = GrowingText()
        self._refusal = GrowingText()
        self._details = ReasoningDetails()
        self._tools = ToolCalls(index)
        self._images = Images(index)
        self._audio = GrowingAudio()
        self._annotations = Annotations(index)
        self._logprobs: dict[str, Any] | None = None
        self._role = "assistant"
        self._reasoning_field: str | None = None
        self._extra: dict[str, Any] = {}

    def add(self, choice: Choice, seed: str) -> list[StreamEvent]:
        """Take the choice of one chunk; return what it brings. `seed` feeds invented tool-call ids."""
        delta = choice.delta.raw
        events = self._add_text(delta)
        if not delta.keys() <= _TEXT_FIELDS or type(delta.get("content")) not in _TEXT_TYPES:
            events += self._add_parts(delta, seed)
        self.generated = self.generated or bool(events)
        role = delta.get("role")
        if type(role) is str and role:
            self._role = clean(role)
        self._add_logprobs(choice.logprobs)
        keep_other_fields(self._extra, choice.raw, _KNOWN_CHOICE_FIELDS)
        keep_other_fields(self._extra, delta, _KNOWN_DELTA_FIELDS)
        self.native_finish_reason = choice.native_finish_reason or self.native_finish_reason
        if choice.finish_reason is not None and self.raw_finish_reason is None:
            self.raw_finish_reason = clean(choice.raw["finish_reason"])
            events += self.end()
        return events

    @property
    def finish_reason(self) -> str | None:
        """The effective finish reason: `tool_calls` for a `stop` after tool calls, as Gemini and Ollama say it."""
        reason = finish_reason(self.raw_finish_reason)
        return FinishReason.TOOL_CALLS if reason == FinishReason.STOP and self._tools else reason

    def finished(self) -> Finished | None:
        """Return the event for the finish reason, if one came that is no failure."""
        reason = self.finish_reason
        return None if reason in (None, FinishReason.ERROR) else Finished(str(reason), self.index)

    def end(self) -> list[StreamEvent]:
        """Flush what was held back, and announce the tool calls."""
        events: list[StreamEvent] = []
        if rest := self._reasoning.end():
            events.append(Reasoning(rest, self.index))
        if rest := self.text.end():
            events.append(Text(rest, self.index))
        if rest := self._refusal.end():
            events.append(Refusal(rest, self.index))
        if rest := self._audio.end():
            events.append(AudioDelta("", rest, self.index))
        self._details.end()
        events += self._tools.end()
        events += [ToolCallDone(call, self.index) for call in self._tools.announce(settled=self._settled)]
        return events

    @property
    def _settled(self) -> bool:
        """Whether the last tool call may be taken for whole: it was not cut by a limit, a filter or a failure."""
        return self.finish_reason not in _CUTTING

    def snapshot(self) -> CompletedChoice:
        """Return the choice as it stands."""
        calls = self._tools.snapshot(settled=self._settled)
        reason = self.finish_reason
        if reason is None and calls and all(call.complete for call in calls):
            reason = FinishReason.TOOL_CALLS
        return CompletedChoice(
            index=self.index,
            text=str(self.text),
            reasoning=str(self._reasoning),
            refusal=str(self._refusal),
            reasoning_details=self._details.snapshot(),
            tool_calls=calls,
            images=self._images.snapshot(),
            audio=self._audio.snapshot(),
            annotations=self._annotations.snapshot(),
            logprobs=clean_value(self._logprobs),
            role=self._role,
            finish_reason=reason,
            raw_finish_reason=self.raw_finish_reason,
            native_finish_reason=self.native_finish_reason,
            reasoning_field=self._reasoning_field,
            reasoning_details_sent=self._details.sent,
            extra=clean_value(self._extra),
        )

    def _add_text(self, delta: Mapping[str, Any]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if (reasoning := reasoning_text(delta)) and (shown := self._reasoning.add(reasoning)):
            events.append(Reasoning(shown, self.index))
        self._reasoning_field = self._reasoning_field or reasoning_field(delta)
        details = delta.get("reasoning_details")
        if type(details) is list:
            self._details.add(details)
        if (text := visible_text(delta)) and (shown := self.text.add(text)):
            events.append(Text(shown, self.index))
        refusal = delta.get("refusal")
        if type(refusal) is str and refusal and (shown := self._refusal.add(refusal)):
            events.append(Refusal(shown, self.index))
        return events

    def _add_parts(self, delta: Mapping[str, Any], seed: str) -> Iterator[StreamEvent]:
        for call in tool_call_objects(delta):
            if fragment := self._tools.add(call, seed):
                yield fragment
        images, annotations = json_objects(delta.get("images")), json_objects(delta.get("annotations"))
        for part in content_parts(delta) if type(delta.get("content")) is not str else ():
            if part.get("type") == "image_url":
                images.append(part)
            elif part.get("type") != "thinking" and not is_text_part(part):
                annotations.append(part)  # Mistral's references, and what nobody knows yet
        for entry in images:
            if image := self._images.add(entry):
                yield image
        audio = delta.get("audio")
        if type(audio) is dict and (piece := self._audio.add(audio, self.index)):
            yield piece
        for entry in annotations:
            if annotation := self._annotations.add(entry):
                yield annotation

    def _add_logprobs(self, logprobs: Mapping[str, Any]) -> None:
        for key, value in logprobs.items():
            if self._logprobs is None:
                self._logprobs = {}
            joined = self._logprobs.get(clean(key))
            if type(value) is list and type(joined) is list:
                joined += clean_value(value)
            elif value is not None:
                self._logprobs[clean(key)] = clean_value(value)
