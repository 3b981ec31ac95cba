"""What an answer cost and how sure that is, read from the record of a generation or from what the stream saw.

The record is that of `GET /generation` (OpenRouter docs, "Get a generation"). It is read with mistrust: a figure that
is negative, no number or missing is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from sseor.chat import Completion, Generation, Usage
from sseor.chat.text import clean_value, printable
from sseor.chat.view import as_index

from .billing import warning_when_left

CHARACTERS_PER_TOKEN = 4
"""What text without usage is counted by: English has four to five a token, so the estimate is rather high."""

Label = Literal["final", "settled", "estimated", "unknown"]
_SURENESS: tuple[Label, ...] = ("final", "settled", "estimated", "unknown")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an answer cost, and how sure that is.

    `label` is `final` (the stream reported it and finished), `settled` (the server's record says so), `estimated`
    (there was no record; the tokens are counted from the text, or are those of a report that was cut off), or
    `unknown`. `usage` counts native tokens, which are the billed ones, and US dollars; each count may be None.
    `cancelled` is the record's word for an answer that its client left. `reason` says why nothing better is known,
    `warning` that leaving may not have stopped the billing; both are sentences, "" for nothing. `raw` is the record.
    Where several requests made one answer, `generations` holds a settlement for each, and the rest is their sum.
    """

    label: Label
    generation_id: str | None = None
    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    cancelled: bool | None = None
    reason: str = ""
    warning: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)
    generations: tuple[Settlement, ...] = ()

    @property
    def cost(self) -> float | None:
        """What the account pays, in US dollars; None when unknown, 0.0 when free."""
        return None if self.usage is None else self.usage.cost

    @property
    def cost_decimal(self) -> Decimal | None:
        """The cost in the digits that the server wrote."""
        return None if self.usage is None else self.usage.cost_decimal

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "label": self.label,
            "generation_id": self.generation_id,
            "cost": self.cost,
            "usage": None if self.usage is None else clean_value(dict(self.usage.raw)),
            "model": self.model,
            "provider": self.provider,
            "cancelled": self.cancelled,
            "reason": self.reason,
            "warning": self.warning,
            "raw": clean_value(dict(self.raw)),
            "generations": [one.to_dict() for one in self.generations],
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stream saw of one generation; `finished` is None where there was no stream to see it."""

    generation_id: str | None
    finished: bool | None = None
    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    characters: int = 0

    def final(self) -> Settlement | None:
        """Return what the stream itself reported at its end; None when it did not."""
        if not self.finished or self.usage is None:
            return None
        return Settlement("final", self.generation_id, self.usage, self.model, self.provider)

    def without_record(self, reason: str) -> Settlement:
        """Return what can be said when the server has no record, for this reason."""
        tokens = -(-self.characters // CHARACTERS_PER_TOKEN)
        usage = self.usage or (Usage({"completion_tokens": tokens}) if tokens else None)
        return Settlement(
            "unknown" if usage is None else "estimated",
            self.generation_id,
            usage,
            self.model,
            self.provider,
            reason=reason,
            warning="" if self.finished else warning_when_left(self.provider),
        )

    def settlement_of(self, record: Mapping[str, Any]) -> Settlement:
        """Return what the server's record of this generation says."""
        usage = _usage_of(record)
        provider = _word(record.get("provider_name")) or self.provider
        cancelled = record.get("cancelled")
        cancelled = cancelled if type(cancelled) is bool else None
        left = cancelled if self.finished is None else not self.finished
        known = usage.cost is not None
        return Settlement(
            "settled" if known else "unknown",
            self.generation_id,
            usage,
            _word(record.get("model")) or self.model,
            provider,
            cancelled,
            "" if known else "the server's record holds no plausible cost",
            warning_when_left(provider) if left else "",
            record,
        )


def seen_in(completion: Completion) -> list[Seen]:
    """Return what is known of the generations that made an answer, the one at hand last."""
    listed = completion.generations
    here = completion.generation_id
    if all(one.id == here for one in listed):
        return [_seen_alone(completion)]
    seen = [_seen_of(one) for one in listed]
    if here is not None and all(one.id != here for one in listed):
        characters = max(0, len(completion.text) - sum(one.characters for one in listed))
        seen.append(Seen(here, False, None, completion.model, completion.provider, characters))
    return seen


def _seen_alone(completion: Completion) -> Seen:
    return Seen(
        completion.generation_id,
        completion.verdict.complete,
        completion.usage,
        completion.model,
        completion.provider,
        sum(
            len(choice.text)
            + len(choice.reasoning)
            + len(choice.refusal)
            + sum(len(call.arguments) for call in choice.tool_calls)
            for choice in completion.choices
        ),
    )


def _seen_of(one: Generation) -> Seen:
    finished = one.finish_reason is not None and not one.error
    return Seen(one.id, finished, one.usage, one.model, one.provider, one.characters)


def record_in(document: object, generation_id: str) -> Mapping[str, Any] | None:
    """Return the record in an answer of the server; None when it holds none, or that of another generation."""
    data = document.get("data") if type(document) is dict else None
    if type(data) is not dict or data.get("id", generation_id) != generation_id:
        return None
    return data


def in_total(parts: Sequence[Settlement]) -> Settlement:
    """Return the sum of settlements, as sure as the least sure of them; the only one is its own sum."""
    if len(parts) == 1:
        return parts[0]
    last = parts[-1]
    warnings = dict.fromkeys(part.warning for part in parts if part.warning)
    reasons = dict.fromkeys(part.reason for part in parts if part.reason)
    return replace(
        last,
        label=max((part.label for part in parts), key=_SURENESS.index),
        usage=_summed([part.usage for part in parts]),
        cancelled=any(part.cancelled for part in parts) if last.cancelled is not None else None,
        reason="; ".join(reasons),
        warning="; ".join(warnings),
        raw={},
        generations=tuple(parts),
    )


def _summed(usages: Sequence[Usage | None]) -> Usage:
    """Return the sum of usages, without the figures that one of them lacks: a part is no total."""
    known = [usage for usage in usages if usage is not None]
    total = Usage.summed(known)
    if total is None or len(known) < len(usages):
        return Usage({})
    return Usage(
        {
            name: value
            for name, value in total.raw.items()
            if all(usage.raw.get(name) is not None for usage in known)
        }
    )


def _usage_of(record: Mapping[str, Any]) -> Usage:
    """Return the figures of a record under the names of a stream's usage."""
    prompt, completion = _count(record, "prompt"), _count(record, "completion")
    cost = _money(record.get("total_cost"))
    upstream = _money(record.get("upstream_inference_cost"))
    figures = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": None if prompt is None or completion is None else prompt + completion,
        "cost": _money(record.get("usage")) if cost is None else cost,
        "is_byok": record.get("is_byok"),
        "prompt_tokens_details": _details(cached_tokens=_count(record, "cached")),
        "completion_tokens_details": _details(
            reasoning_tokens=_count(record, "reasoning"), image_tokens=_count(record, "completion_images")
        ),
        "cost_details": _details(upstream_inference_cost=upstream),
    }
    return Usage({name: value for name, value in figures.items() if value is not None})


def _details(**figures: float | None) -> dict[str, float] | None:
    return {name: value for name, value in figures.items() if value is not None} or None


def _count(record: Mapping[str, Any], name: str) -> int | None:
    count = as_index(record.get(f"native_tokens_{name}"))
    return count if count is not None and count >= 0 else None


def _money(value: object) -> float | None:
    number = value if type(value) is int or type(value) is float else -1
    return number if 0 <= number < math.inf else None


def _word(value: object) -> str | None:
    return printable(value, 200) or None if type(value) is str else None
