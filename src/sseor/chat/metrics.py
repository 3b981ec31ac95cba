"""The figures of one stream, made of its timeline and what came; `docs/metrics.md` defines each.

What a provider says is not trusted: a count or a cost that no answer can have reads as absent.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sseor.chat.verdict import Verdict

if TYPE_CHECKING:
    from sseor.chat.completion import CompletedChoice
    from sseor.chat.timeline import Timeline
    from sseor.chat.usage import Usage

__all__ = ["Answer", "Metrics", "measure"]

CHARACTERS_PER_TOKEN = 4
"""The rule of thumb of the providers for English text, where no usage came."""

_MOST = 1 << 53
"""No count is greater; each up to here is exact as a float, too."""

_DEAREST = 1e6
"""US dollars; no single answer costs more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the part of a completion that the figures need."""

    choices: list[CompletedChoice] = field(default_factory=list)
    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    generation_id: str | None = None
    verdict: Verdict = field(default_factory=Verdict)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of one stream; times in milliseconds, cost in US dollars, None for what is not known.

    `tokens_estimated` says that `output_tokens`, and so `tokens_per_second`, is a guess from the length of the
    answer, because the provider sent no usage. An answer that came in one piece has no times of firsts.
    """

    model_asked: str | None
    model: str | None
    provider: str | None
    server: str | None
    generation_id: str | None
    head_ms: float | None
    first_byte_ms: float | None
    first_chunk_ms: float | None
    ttft_ms: float | None
    ttfo_ms: float | None
    total_ms: float | None
    caller_ms: float
    heartbeat_ms: float
    heartbeats: int
    attempts: int
    chunks: int
    gap_p50_ms: float | None
    gap_p95_ms: float | None
    gap_max_ms: float | None
    stalls: int
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    tokens_estimated: bool
    tokens_per_second: float | None
    cost: float | None
    cache_hit: bool
    finish_reason: str | None
    verdict: Verdict

    @property
    def complete(self) -> bool:
        """Whether the answer is whole."""
        return self.verdict.complete

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "verdict": self.verdict.to_dict()}


def measure(timeline: Timeline, answer: Answer) -> Metrics:
    """Return the figures of a stream."""
    usage, gaps, whole = answer.usage, timeline.gaps, answer.verdict.not_streamed
    output_tokens = None if usage is None else _count(usage.completion_tokens)
    estimated = False
    if not output_tokens and not timeline.cache_hit and (characters := _characters(answer.choices)):
        output_tokens, estimated = math.ceil(characters / CHARACTERS_PER_TOKEN), True
    reasoning_tokens = None if usage is None else _count(usage.reasoning_tokens)
    unseen = 0 if estimated or any(choice.reasoning for choice in answer.choices) else reasoning_tokens
    return Metrics(
        model_asked=timeline.model_asked,
        model=answer.model,
        provider=answer.provider,
        server=timeline.server,
        generation_id=answer.generation_id,
        head_ms=_milliseconds(timeline.head),
        first_byte_ms=_milliseconds(timeline.first_byte),
        first_chunk_ms=_milliseconds(None if whole else timeline.first_chunk),
        ttft_ms=_milliseconds(None if whole else timeline.first_token),
        ttfo_ms=_milliseconds(None if whole else timeline.first_text),
        total_ms=_milliseconds(timeline.ended),
        caller_ms=timeline.caller * 1000,
        heartbeat_ms=timeline.heartbeat_seconds * 1000,
        heartbeats=timeline.heartbeats,
        attempts=timeline.attempts,
        chunks=timeline.chunks,
        gap_p50_ms=_milliseconds(gaps.percentile(50)),
        gap_p95_ms=_milliseconds(gaps.percentile(95)),
        gap_max_ms=_milliseconds(gaps.longest if gaps.count else None),
        stalls=timeline.stalls,
        input_tokens=None if usage is None else _count(usage.prompt_tokens),
        output_tokens=output_tokens,
        reasoning_tokens=reasoning_tokens,
        cached_tokens=None if usage is None else _count(usage.cached_tokens),
        tokens_estimated=estimated,
        tokens_per_second=_speed(timeline, (output_tokens or 0) - (unseen or 0)),
        cost=None if usage is None else _cost(usage.cost),
        cache_hit=timeline.cache_hit,
        finish_reason=answer.choices[0].finish_reason if answer.choices else None,
        verdict=answer.verdict,
    )


def _speed(timeline: Timeline, tokens: int) -> float | None:
    """Return the tokens per second after the first one, None where the times say nothing about the model.

    That is so for a replay from a cache, and where more than a tenth of the time hides behind a slow caller: the model
    may have gone on meanwhile, or have waited.
    """
    if timeline.cache_hit or timeline.first_token is None or timeline.last_token is None or tokens < 2:
        return None
    whole = timeline.last_token - timeline.first_token
    seconds = whole - timeline.hidden
    return (tokens - 1) / seconds if 0 < 0.9 * whole <= seconds else None


def _characters(choices: list[CompletedChoice]) -> int:
    """Return the length of all that was generated as text."""
    return sum(
        len(choice.text)
        + len(choice.reasoning)
        + len(choice.refusal)
        + sum(len(call.name) + len(call.arguments) for call in choice.tool_calls)
        for choice in choices
    )


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= _MOST else None


def _cost(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= _DEAREST else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
