"""The answer as a whole: what was generated, what it cost, and the evidence that it is complete."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sseor.chat.events import Image
from sseor.chat.failures import Failure
from sseor.chat.generation import Generation
from sseor.chat.media import Audio
from sseor.chat.message import assistant_message
from sseor.chat.metrics import Answer
from sseor.chat.text import clean_value, printable
from sseor.chat.timeline import Timeline
from sseor.chat.tool_calls import ToolCall
from sseor.chat.usage import Usage
from sseor.chat.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from sseor.chat.seam import SeamReport

__all__ = ["CompletedChoice", "Completion"]


@dataclass(frozen=True, slots=True)
class CompletedChoice:
    """One choice of an answer.

    `finish_reason` is the effective one: `tool_calls` where tool calls came and the server said `stop` or,
    with all arguments whole, nothing; `raw_finish_reason` is the server's word. `reasoning_field` names the
    plain field in which reasoning came, `reasoning_details_sent` says that `reasoning_details` came, be it as
    an empty array. `extra` holds the last value of every other field of the choice and its deltas.
    """

    index: int = 0
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    reasoning_details: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    audio: Audio | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    logprobs: dict[str, Any] | None = None
    role: str = "assistant"
    finish_reason: str | None = None
    raw_finish_reason: str | None = None
    native_finish_reason: str | None = None
    reasoning_field: str | None = None
    reasoning_details_sent: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> dict[str, Any]:
        """The assistant message to append to `messages`, valid for the next request."""
        return assistant_message(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {name: clean_value(getattr(self, name)) for name in _PLAIN_FIELDS}
        return {
            **plain,
            "tool_calls": [call.to_dict() for call in self.tool_calls],
            "images": [{"url": image.url, "raw": clean_value(dict(image.raw))} for image in self.images],
            "audio": None if self.audio is None else self.audio.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CompletedChoice:
        """Return the choice that `to_dict` wrote; fields of newer versions are left out."""
        index = data.get("index", 0)
        return cls(
            **{name: data[name] for name in _PLAIN_FIELDS if name in data},
            tool_calls=[ToolCall.from_dict(call) for call in data.get("tool_calls", ())],
            images=[Image(image["url"], index, image["raw"]) for image in data.get("images", ())],
            audio=Audio.from_dict(data["audio"]) if data.get("audio") else None,
        )


_PLAIN_FIELDS = (
    "index",
    "text",
    "reasoning",
    "refusal",
    "reasoning_details",
    "annotations",
    "logprobs",
    "role",
    "finish_reason",
    "raw_finish_reason",
    "native_finish_reason",
    "reasoning_field",
    "reasoning_details_sent",
    "extra",
)

_NOTHING = CompletedChoice()


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer, whole or as far as it came; see `verdict`.

    `text`, `tool_calls` and the like are those of the first choice; `choices` holds all. `extra` holds the
    last value of every other field of the chunks, `debug` excepted, which echoes the prompt. `timeline` tells
    of nothing where no stream filled it. `model`, `generation_id` and their like are the last that came;
    where the first was another, `changed_from` holds it under the same name. `generations` lists the runs of a
    model that a stream took, one for each request that gave something, `usage` being their sum; `request` is the
    body of the request, which is needed to go on in another process. Both are empty where no stream filled them.
    """

    choices: list[CompletedChoice] = field(default_factory=list)
    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    generation_id: str | None = None
    created: int | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    changed_from: dict[str, str] = field(default_factory=dict)
    router_metadata: dict[str, Any] | None = None
    failure: Failure | None = None
    verdict: Verdict = field(default_factory=Verdict)
    timeline: Timeline = field(default_factory=Timeline)
    extra: dict[str, Any] = field(default_factory=dict)
    generations: list[Generation] = field(default_factory=list)
    request: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Tell the timeline what came, for its `metrics`."""
        self.timeline.answer = Answer(
            self.choices, self.usage, self.model, self.provider, self.generation_id, self.verdict
        )

    @property
    def _first(self) -> CompletedChoice:
        return self.choices[0] if self.choices else _NOTHING

    @property
    def text(self) -> str:
        """The visible answer."""
        return self._first.text

    @property
    def reasoning(self) -> str:
        """The reasoning, once, although two fields may carry it."""
        return self._first.reasoning

    @property
    def reasoning_details(self) -> list[dict[str, Any]]:
        """The merged entries, to be sent back unmodified."""
        return self._first.reasoning_details

    @property
    def refusal(self) -> str:
        """The refusal, empty when there is none."""
        return self._first.refusal

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls in order; run only those that are `complete`."""
        return self._first.tool_calls

    @property
    def images(self) -> list[Image]:
        """The images, each once."""
        return self._first.images

    @property
    def audio(self) -> Audio | None:
        """The audio, joined."""
        return self._first.audio

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """The annotations, each once, as sent."""
        return self._first.annotations

    @property
    def logprobs(self) -> dict[str, Any] | None:
        """The log probabilities, joined."""
        return self._first.logprobs

    @property
    def finish_reason(self) -> str | None:
        """The effective finish reason; None when the answer is not finished."""
        return self._first.finish_reason

    @property
    def native_finish_reason(self) -> str | None:
        """The provider's own word for it."""
        return self._first.native_finish_reason

    @property
    def cost(self) -> float | None:
        """What the account pays, in US dollars; None when unknown, 0.0 when free."""
        return None if self.usage is None else self.usage.cost

    @property
    def cost_decimal(self) -> Decimal | None:
        """The cost in the digits that the server wrote."""
        return None if self.usage is None else self.usage.cost_decimal

    @property
    def message(self) -> dict[str, Any]:
        """The assistant message to append to `messages`, valid for the next request."""
        return self._first.message

    def with_seam(self, seam: SeamReport | None) -> Completion:
        """Return the completion with this seam added to its verdict; None adds none."""
        if seam is None:
            return self
        return replace(self, verdict=replace(self.verdict, seams=(*self.verdict.seams, seam)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, from which `from_dict` makes an equal completion."""
        return {
            "choices": [choice.to_dict() for choice in self.choices],
            "usage": None if self.usage is None else clean_value(dict(self.usage.raw)),
            **{name: clean_value(getattr(self, name)) for name in _PLAIN_COMPLETION_FIELDS},
            "failure": None if self.failure is None else self.failure.to_dict(),
            "verdict": self.verdict.to_dict(),
            "timeline": self.timeline.to_dict(),
            "generations": [generation.to_dict() for generation in self.generations],
            "request": None if self.request is None else clean_value(dict(self.request)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Completion:
        """Return the completion that `to_dict` wrote; fields of newer versions are left out."""
        return cls(
            choices=[CompletedChoice.from_dict(choice) for choice in data["choices"]],
            usage=Usage(data["usage"]) if data.get("usage") else None,
            **{name: data[name] for name in _PLAIN_COMPLETION_FIELDS if name in data},
            failure=Failure.from_dict(data["failure"]) if data.get("failure") else None,
            verdict=Verdict.from_dict(data["verdict"]),
            timeline=Timeline.from_dict(data.get("timeline") or {}),
            generations=[Generation.from_dict(generation) for generation in data.get("generations", ())],
            request=data.get("request"),
        )

    def __repr__(self) -> str:
        parts = [repr(printable(self.text, 60))]
        if self.tool_calls:
            parts.append(f"{len(self.tool_calls)} tool calls")
        parts.append(f"finish_reason={self.finish_reason!r}")
        parts += [repr(self.usage)] if self.usage is not None else []
        parts += [] if self.verdict.complete else ["incomplete"]
        return f"<Completion {', '.join(parts)}>"


_PLAIN_COMPLETION_FIELDS = (
    "model",
    "provider",
    "generation_id",
    "created",
    "service_tier",
    "system_fingerprint",
    "changed_from",
    "router_metadata",
    "extra",
)
