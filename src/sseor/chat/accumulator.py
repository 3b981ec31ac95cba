"""Chunks to events and to the completion.

Two paths give the same result. The general one reads every field. The fast one is for the chunk that is like
the one before it but for its text, as nearly all are: what is repeated changes nothing, so only the text is
added. To tell, the new text is put into a copy of the chunk before, and the two are compared. Only plain chunks
can take it, and only while no half of a surrogate pair waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat.assembly import ChoiceAssembly
from sseor.chat.completion import Completion
from sseor.chat.events import StreamEvent, Text, UsageReport
from sseor.chat.failures import Failure
from sseor.chat.finish import FinishReason
from sseor.chat.likeness import likeness
from sseor.chat.plain import PlainChunk
from sseor.chat.text import BLOCK, clean, clean_value
from sseor.chat.timeline import Timeline
from sseor.chat.usage import Usage
from sseor.chat.verdict import Verdict
from sseor.chat.view import keep_other_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sseor.chat.chunks import Chunk

__all__ = ["Accumulator"]

new = object.__new__
_KNOWN_FIELDS = frozenset(
    [
        "id",
        "object",
        "created",
        "model",
        "provider",
        "choices",
        "usage",
        "x_groq",
        "error",
        "debug",
        "service_tier",
        "system_fingerprint",
        "openrouter_metadata",
        "obfuscation",
    ]
)
# The fields that name what serves the answer, and what a completion calls them.
_NAMES = {
    "id": "generation_id",
    "model": "model",
    "provider": "provider",
    "service_tier": "service_tier",
    "system_fingerprint": "system_fingerprint",
}
_UNLIKE: tuple[dict[str, Any], dict[str, Any]] = ({}, {})  # no chunk with choices is like an empty one
# llama.cpp and Ollama tell the time of each chunk; OpenAI pads each with characters at random.
_PADDING = ("created", "obfuscation")
_FAILED_WORDS = frozenset({"network_error", "error"})


class Accumulator:
    """Assembles one answer.

    `generated`: text, reasoning, a refusal, a piece of a tool call, an image or audio has come · `finished`:
    every choice seen, and at least one, gave a finish reason other than `error` · `failure`: what the provider
    reported, also where it hid a failure behind a benign finish reason · `usage`: the last one sent.
    """

    def __init__(self) -> None:
        self.generated = False
        self.finished = False
        self.failure: Failure | None = None
        self.usage: Usage | None = None
        self._like, self._like_delta = _UNLIKE
        self._growing = ChoiceAssembly(0)  # the choice of the chunk before
        self._choices: dict[int, ChoiceAssembly] = {}
        self._named: dict[str, Any] = {}  # by a completion's names
        self._changed_from: dict[str, str] = {}
        self._created: int | None = None
        self._router_metadata: dict[str, Any] | None = None
        self._extra: dict[str, Any] = {}

    def add(self, chunk: Chunk) -> list[StreamEvent]:
        """Take the next chunk; return the events it gives, in order, none when it brings nothing."""
        if isinstance(chunk, PlainChunk):
            self._like_delta["content"] = text = chunk.plain_text
            if chunk.raw == self._like or self._is_like_but_for_padding(chunk.raw):
                growing = self._growing
                growing.text.parts.append(text)
                if len(growing.text.parts) >= BLOCK:
                    growing.text.join()
                event = new(Text)
                event._delta = text
                event._choice = growing.index
                return [event]
        return self._add(chunk)

    def _is_like_but_for_padding(self, raw: Mapping[str, Any]) -> bool:
        """Tell whether the chunk differs from the one before in fields alone that say nothing of the answer."""
        like = self._like
        for name in _PADDING:
            if name in like and name in raw:
                like[name] = raw[name]
        if raw != like:
            return False
        self._note_created(raw)
        return True

    def _add(self, chunk: Chunk) -> list[StreamEvent]:
        failure = chunk.error
        self._note(chunk.raw)
        if failure is None:  # the fields of a flat error are no part of the answer
            keep_other_fields(self._extra, chunk.raw, _KNOWN_FIELDS)
        events: list[StreamEvent] = []
        for choice in chunk.choices:
            index = choice.index
            assembly = self._choices.get(index)
            if assembly is None:
                assembly = self._choices[index] = ChoiceAssembly(index)
                self.finished = False
            was_finished = assembly.raw_finish_reason is not None
            events += assembly.add(choice, self._seed())
            self.generated = self.generated or assembly.generated
            if (
                assembly.raw_finish_reason is not None
            ):  # looked at again: the provider's own word may come later
                finished = self._finish(assembly)
                events += [] if was_finished else finished
            self._growing = assembly
        usage = chunk.usage
        if usage is not None:
            usage = Usage(clean_value(usage.raw))
            if usage != self.usage:
                self.usage = usage
                events.append(UsageReport(usage))
        self.failure = failure or self.failure
        self._like, self._like_delta = _UNLIKE
        if len(events) == 1 and type(events[0]) is Text and not self._growing.text.held:
            self._like, self._like_delta = likeness(chunk.raw) or _UNLIKE
        return events

    def end(self) -> list[StreamEvent]:
        """Flush what waits for more: half a surrogate pair, tool calls not announced yet."""
        self._like, self._like_delta = _UNLIKE
        return [event for index in sorted(self._choices) for event in self._choices[index].end()]

    def completion(self, *, verdict: Verdict | None = None, timeline: Timeline | None = None) -> Completion:
        """Return the answer as it stands; it costs what it shows."""
        if verdict is None:
            verdict = Verdict(
                saw_finish=self.finished, saw_usage=self.usage is not None, failed=self.failure is not None
            )
        return Completion(
            choices=[self._choices[index].snapshot() for index in sorted(self._choices)],
            usage=self.usage,
            **self._named,
            created=self._created,
            changed_from=dict(self._changed_from),
            router_metadata=clean_value(self._router_metadata),
            failure=self.failure,
            verdict=verdict,
            timeline=Timeline() if timeline is None else timeline,
            extra=clean_value(self._extra),
        )

    def _note(self, raw: Mapping[str, Any]) -> None:
        """Keep what the chunk says of the whole answer; later values win, empty ones do not."""
        for field, name in _NAMES.items():
            value = raw.get(field)
            before = self._named.get(name)
            if type(value) is str and value and value != before:
                self._named[name] = clean(value)
                if before is not None and before != self._named[name]:
                    self._changed_from.setdefault(name, before)
        self._note_created(raw)
        if type(raw.get("openrouter_metadata")) is dict:
            self._router_metadata = clean_value(raw["openrouter_metadata"])

    def _note_created(self, raw: Mapping[str, Any]) -> None:
        if type(raw.get("created")) is int and raw["created"]:
            self._created = raw["created"]

    def _seed(self) -> str:
        return f"{self._named.get('generation_id')}/{self._created}"

    def _finish(self, choice: ChoiceAssembly) -> list[StreamEvent]:
        """Note that a choice is finished; return the event for its finish reason, unless it is a failure."""
        self.finished = all(choice.finished() for choice in self._choices.values())
        native = choice.native_finish_reason
        if choice.finish_reason == FinishReason.ERROR:
            self.failure = self.failure or Failure(
                message="the provider ended the answer with an error", retryable=True, native=native
            )
        elif not self.generated and native is not None and native.lower() in _FAILED_WORDS:
            self.failure = self.failure or Failure(
                message="the provider failed before any output", retryable=True, native=native
            )
        finished = choice.finished()
        return [finished] if finished and self.failure is None else []
