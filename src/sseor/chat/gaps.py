"""The waits between chunks, kept as a small histogram: flat memory however long a stream is.

Buckets grow by a tenth, and a bucket answers with the value whose greatest relative error is the least: 4.8 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Gaps"]

GROWTH = 1.1
FINEST = 1e-6
"""Seconds; what is shorter counts as no time at all: chunks that came in one read."""

_LONGEST = 1e9
_SCALE = 1 / math.log(GROWTH)
_MIDDLE = 2 * FINEST * GROWTH / (1 + GROWTH)


@dataclass(slots=True)
class Gaps:
    """Durations in seconds: `count`, exact `shortest`, `longest` and `total`, and percentiles within 5 %."""

    count: int = 0
    total: float = 0.0
    shortest: float = 0.0
    longest: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict)
    """How many fell between FINEST * GROWTH**n and the next power; -1 holds what is shorter than FINEST."""

    def add(self, seconds: float) -> None:
        """Count one; anything that is no duration, as after a clock that went back, counts as no time."""
        if seconds >= FINEST:
            if seconds > self.longest:
                seconds = self.longest = min(seconds, _LONGEST)
            self.total += seconds
            bucket = int(math.log(seconds / FINEST) * _SCALE)
        else:
            seconds, bucket = 0.0, -1
        if seconds < self.shortest or not self.count:
            self.shortest = seconds
        self.count += 1
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def percentile(self, percent: float) -> float | None:
        """Return the gap, in seconds, that `percent` of all gaps do not exceed; None when there is none."""
        below, wanted = 0, max(1, math.ceil(self.count * percent / 100))
        for seconds, count in self.distribution():
            below += count
            if below >= wanted:
                return self.longest if below == self.count and wanted == self.count else seconds
        return None

    def distribution(self) -> Iterator[tuple[float, int]]:
        """Yield the representative duration of each bucket, in seconds, and its count, from short to long."""
        for bucket, count in sorted(self.buckets.items()):
            middle = 0.0 if bucket < 0 else _MIDDLE * GROWTH**bucket
            yield min(max(middle, self.shortest), self.longest), count

    def copy(self) -> Gaps:
        """Return a snapshot that no longer grows."""
        return Gaps(self.count, self.total, self.shortest, self.longest, self.buckets.copy())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "count": self.count,
            "total": self.total,
            "shortest": self.shortest,
            "longest": self.longest,
            "buckets": {str(bucket): count for bucket, count in self.buckets.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Gaps:
        """Return the gaps that `to_dict` wrote."""
        return cls(
            data["count"],
            data["total"],
            data["shortest"],
            data["longest"],
            {int(bucket): count for bucket, count in data["buckets"].items()},
        )
