"""Records to figures: per model, provider or day, for a period and against the one before it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sseor.metrics.record import Record

__all__ = ["GROUPS", "Quantiles", "Summary", "quantile", "slices", "slicing", "summarize", "times"]

HOUR, DAY = 3600.0, 86_400.0
SLICES = (
    (60.0, "minute"),
    (300.0, "5 minutes"),
    (900.0, "15 minutes"),
    (HOUR, "hour"),
    (3 * HOUR, "3 hours"),
    (6 * HOUR, "6 hours"),
    (DAY, "day"),
    (2 * DAY, "2 days"),
    (7 * DAY, "week"),
    (30 * DAY, "30 days"),
    (365 * DAY, "year"),
)
"""How long the slices of a period may be, in seconds, and its name: whole days do not mix night and noon."""

MOST_SLICES = 48

NAMELESS = "(unknown)"


def _day(record: Record) -> str:
    try:
        return datetime.fromtimestamp(record.at).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return NAMELESS


GROUPS: dict[str, Callable[[Record], str]] = {
    "model": lambda record: record.model or record.model_asked or NAMELESS,
    "provider": lambda record: record.provider or NAMELESS,
    "day": _day,
}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Exact quantiles of what was measured, None where nothing was."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Quantiles:
        """Return those of all values that are known."""
        known = sorted(value for value in values if value is not None)
        return cls(quantile(known, 0.5), quantile(known, 0.9), quantile(known, 0.99))


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one group; times in milliseconds, cost in US dollars, rates from 0 to 1.

    Replays from a cache are counted and left out of times and speed. `tokens_per_second` is of the streams whose
    provider told its count; only where none did, of the estimates (`speed_estimated`). `cut_rate` is the share of
    streams that failed after their first token, of those that their reader did not leave; `failed_rate` the share that
    failed before it; `stall_rate` the share with a stall within the answer. `ttft_before` is the median of the period
    before, `trend` the change against it (0.1: a tenth slower). `line` holds the median time to first token of each
    slice of the period.
    """

    group: tuple[str, ...]
    count: int = 0
    ttft: Quantiles = Quantiles()
    ttfo: Quantiles = Quantiles()
    tokens_per_second: Quantiles = Quantiles()
    output_tokens: int = 0
    estimated: int = 0
    speed_estimated: bool = False
    cost: float | None = None
    cut_rate: float = 0.0
    failed_rate: float = 0.0
    stall_rate: float = 0.0
    left: int = 0
    cached: int = 0
    count_before: int = 0
    ttft_before: float | None = None
    line: list[float | None] = field(default_factory=list)

    @property
    def trend(self) -> float | None:
        """The change of the median time to first token against the period before, None where there is none."""
        if self.ttft.p50 is None or not self.ttft_before:
            return None
        return self.ttft.p50 / self.ttft_before - 1

    def to_dict(self, by: Sequence[str]) -> dict[str, Any]:
        """Return one flat row of plain values, the group under the names of `by`."""
        return {
            **dict(zip(by, self.group, strict=True)),
            "count": self.count,
            **_flat("ttft_ms", self.ttft),
            **_flat("ttfo_ms", self.ttfo),
            **_flat("tokens_per_second", self.tokens_per_second),
            "output_tokens": self.output_tokens,
            "estimated": self.estimated,
            "speed_estimated": self.speed_estimated,
            "cost": self.cost,
            "cut_rate": self.cut_rate,
            "failed_rate": self.failed_rate,
            "stall_rate": self.stall_rate,
            "left": self.left,
            "cached": self.cached,
            "count_before": self.count_before,
            "ttft_ms_p50_before": self.ttft_before,
            "ttft_trend": self.trend,
        }


def summarize(
    records: Iterable[Record], *, by: Sequence[str] = ("model",), since: float, until: float
) -> list[Summary]:
    """Return the groups of a period, the most used first; records of the equally long period before make the trend.

    `by` names the groups: `model`, `provider`, `day`; with days they come in the order of their names. What lies before
    both periods is left out; what lies after `until`, as the clock may have been set back, belongs to the period.
    """
    before: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    within: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    start = since - (until - since)
    for record in records:
        group = tuple(GROUPS[name](record) for name in by)
        if record.at >= since:
            within[group].append(record)
        elif record.at >= start:
            before[group].append(record)
    found = [
        _summary(group, of_group, before.get(group, []), since, until) for group, of_group in within.items()
    ]
    # Days, and what is told per day, are read in their order.
    return sorted(found, key=lambda summary: ("day" not in by and -summary.count, summary.group))


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return a quantile of sorted values, by linear interpolation between the two nearest; None of none."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def slicing(since: float, until: float) -> tuple[int, str]:
    """Return how many slices a period has, and how long one is: 24 of an hour for a day, 30 of a day for a month."""
    for length, name in SLICES:
        if until - since <= length * MOST_SLICES:
            return max(1, round((until - since) / length)), name
    return MOST_SLICES, f"{MOST_SLICES}th of the period"


def slices(records: Iterable[Record], since: float, until: float, number: int) -> list[list[Record]]:
    """Return the records in `number` equal slices of the period; what lies outside counts to the nearest."""
    found: list[list[Record]] = [[] for _ in range(number)]
    width = (until - since) / number or 1.0
    for record in records:
        found[min(max(int((record.at - since) / width), 0), number - 1)].append(record)
    return found


def times(records: Iterable[Record]) -> list[float]:
    """Return the times to first token that a model took, in order: without replays from a cache."""
    return sorted(record.ttft_ms for record in records if record.ttft_ms is not None and not record.cache_hit)


def _summary(
    group: tuple[str, ...], records: list[Record], before: list[Record], since: float, until: float
) -> Summary:
    made = [record for record in records if not record.cache_hit]
    speeds = [record for record in made if record.tokens_per_second is not None]
    counted = [record for record in speeds if not record.tokens_estimated]
    costs = [record.cost for record in records if record.cost is not None]
    stayed = sum(record.outcome != "left" for record in records) or 1
    return Summary(
        group=group,
        count=len(records),
        ttft=Quantiles.of(record.ttft_ms for record in made),
        ttfo=Quantiles.of(record.ttfo_ms for record in made),
        tokens_per_second=Quantiles.of(record.tokens_per_second for record in counted or speeds),
        output_tokens=sum(record.output_tokens or 0 for record in records),
        estimated=sum(bool(record.tokens_estimated) for record in records),
        speed_estimated=bool(speeds) and not counted,
        cost=math.fsum(costs) if costs else None,
        cut_rate=sum(record.outcome == "cut" for record in records) / stayed,
        failed_rate=sum(record.outcome == "failed" for record in records) / stayed,
        stall_rate=sum(_stalled(record) for record in records) / len(records),
        left=sum(record.outcome == "left" for record in records),
        cached=len(records) - len(made),
        count_before=len(before),
        ttft_before=quantile(times(before), 0.5),
        line=[quantile(times(part), 0.5) for part in slices(records, since, until, slicing(since, until)[0])],
    )


def _stalled(record: Record) -> bool:
    """Tell whether the answer stood still once it had begun: for a while, or for good."""
    return bool(record.stalls) or (record.outcome == "cut" and record.error == "StallError")


def _flat(name: str, quantiles: Quantiles) -> dict[str, float | None]:
    return {f"{name}_p50": quantiles.p50, f"{name}_p90": quantiles.p90, f"{name}_p99": quantiles.p99}
