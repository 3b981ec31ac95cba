"""Records to figures, against figures worked out by hand and against the standard library."""

from __future__ import annotations

import math
import statistics as standard
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.recorded import DAY, NOW, record

from sseor.metrics.record import Record
from sseor.metrics.statistics import MOST_SLICES, Quantiles, Summary, quantile, slices, slicing, summarize


def week(records: Iterable[Record], *by: str) -> list[Summary]:
    """Return the groups of the last seven days."""
    return summarize(records, by=by, since=NOW - 7 * DAY, until=NOW)


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=100), st.integers(1, 99))
def test_quantiles_are_those_of_the_standard_library(values: list[float], percent: int) -> None:
    """They interpolate as `statistics.quantiles` does with its inclusive method."""
    expected = standard.quantiles(values, n=100, method="inclusive")[percent - 1]
    assert quantile(sorted(values), percent / 100) == pytest.approx(expected, abs=1e-6)


def test_quantiles_of_few() -> None:
    """One value is all its quantiles, none has none, and unknown values do not count."""
    assert Quantiles.of([None, 5.0]) == Quantiles(5.0, 5.0, 5.0)
    assert Quantiles.of([None]) == Quantiles()


def test_the_figures_of_a_model() -> None:
    """Times are quantiles, cost and tokens sums, and rates shares of the streams that were not left."""
    records = [
        record(ttft_ms=100.0, ttfo_ms=200.0, tokens_per_second=50.0, cost=0.1, output_tokens=10),
        record(ttft_ms=300.0, cost=0.2, output_tokens=5, tokens_estimated=True, stalls=1),
        record(ttft_ms=200.0, outcome="cut", error="StallError"),
        record(outcome="failed", error="StallError"),
        record(outcome="left"),
        record(ttft_ms=1.0, tokens_per_second=9999.0, cost=0.0, cache_hit=True),
    ]
    [found] = week(records, "model")
    assert (found.group, found.count, found.left, found.cached) == (("a/b",), 6, 1, 1)
    assert (found.ttft.p50, found.ttft.p90, found.ttft.p99) == pytest.approx((200, 280, 298))
    assert (found.ttfo.p50, found.tokens_per_second.p50) == (200, 50)
    assert (found.output_tokens, found.estimated, found.cost) == pytest.approx((15, 1, 0.3))
    assert (found.cut_rate, found.failed_rate, found.stall_rate) == pytest.approx((0.2, 0.2, 2 / 6))


def test_groups_and_their_order() -> None:
    """`by` names the groups, each record is in one, and the most used comes first; days come in their order."""
    records = [
        record("a", provider="P"),
        record("b", provider="Q"),
        record("b", provider="P", days_ago=1.5),
        record(None, model_asked="asked"),  # type: ignore[arg-type]
        record(None),  # type: ignore[arg-type]
    ]
    assert [one.group for one in week(records, "model")] == [("b",), ("(unknown)",), ("a",), ("asked",)]
    pairs = week(records, "model", "provider")
    assert ("b", "Q") in [one.group for one in pairs]
    assert len(pairs) == 5
    assert [one.count for one in week(records, "day")] == [1, 4]
    days = [one.group[1] for one in week(records, "model", "day") if one.group[0] == "b"]
    assert days == sorted(days)
    assert [one.count for one in week(records)] == [5]


def test_the_trend_is_against_the_period_before() -> None:
    """The equally long period before is compared; what lies before both is left out, a date to come is not."""
    records = [
        record(days_ago=15, ttft_ms=9999.0),
        record(days_ago=8, ttft_ms=200.0),
        record(days_ago=1, ttft_ms=250.0),
        record(days_ago=-400, ttft_ms=250.0),
    ]
    [found] = week(records, "model")
    assert (found.count, found.count_before, found.ttft_before) == (2, 1, 200)
    assert found.trend == pytest.approx(0.25)
    assert found.line[-1] == 250
    assert Summary(("a",), ttft=Quantiles(1.0)).trend is None
    assert Summary(("a",), ttft_before=1.0).trend is None


def test_a_guess_of_the_speed_counts_only_without_a_count() -> None:
    """Cut answers have no usage: their estimates do not blur the speed that the provider's counts give."""
    counted = record(tokens_per_second=50.0)
    guessed = [record(tokens_per_second=90.0, tokens_estimated=True) for _ in range(5)]
    [found] = week([counted, *guessed], "model")
    assert (found.tokens_per_second.p50, found.speed_estimated, found.estimated) == (50, False, 5)
    [found] = week(guessed, "model")
    assert (found.tokens_per_second.p50, found.speed_estimated) == (90, True)
    [found] = week([record()], "model")
    assert (found.tokens_per_second.p50, found.speed_estimated) == (None, False)


@pytest.mark.parametrize(
    ("days", "number", "name"),
    [
        (0, 1, "minute"),
        (1 / 24, 12, "5 minutes"),
        (1, 24, "hour"),
        (7, 28, "6 hours"),
        (30.0001, 30, "day"),
        (90, 45, "2 days"),
        (365, 12, "30 days"),
        (365 * 40, 40, "year"),
        (365 * 100, MOST_SLICES, "48th of the period"),
    ],
)
def test_slices_have_lengths_that_people_use(days: float, number: int, name: str) -> None:
    """Hours for a day, days for a month: from a dozen to four dozen, whatever the period."""
    assert slicing(NOW - days * DAY, NOW) == (number, name)
    [found] = summarize([record(days_ago=0)], since=NOW - days * DAY, until=NOW)
    assert len(found.line) == number


def test_slices_hold_each_record_once() -> None:
    """Equal slices of the period, and what lies outside in the first and the last."""
    records = [record(days_ago=days) for days in (9, 6.9, 3.4, 0.1, -5)]
    parts = slices(records, NOW - 7 * DAY, NOW, 7)
    assert [len(part) for part in parts] == [2, 0, 0, 1, 0, 0, 2]
    assert [len(part) for part in slices(records, NOW, NOW, 2)] == [4, 1]  # a period without length


def test_a_date_that_no_calendar_has() -> None:
    """A clock gone mad makes a day without a name, and no crash."""
    [found] = week([record(days_ago=-1e15)], "day")
    assert found.group == ("(unknown)",)


def test_a_row_is_flat() -> None:
    """Each figure has a name of its own, each group one of `by`, and all are plain values."""
    [found] = week([record(ttft_ms=5.0)], "model", "provider")
    row = found.to_dict(("model", "provider"))
    assert (row["model"], row["provider"], row["count"]) == ("a/b", "(unknown)", 1)
    assert (row["ttft_ms_p50"], row["ttft_ms_p99"], row["ttfo_ms_p90"], row["cost"]) == (5, 5, None, None)
    assert all(value is None or isinstance(value, (str, int, float)) for value in row.values())
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in row.values())
