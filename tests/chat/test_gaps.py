"""The histogram of gaps, against exact percentiles."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat.gaps import FINEST, Gaps

durations = st.lists(
    st.one_of(st.floats(FINEST, 1e6), st.floats(0.001, 0.2), st.just(0.0)), min_size=1, max_size=300
)


def gaps_of(seconds: list[float]) -> Gaps:
    """Return the histogram of these."""
    gaps = Gaps()
    for one in seconds:
        gaps.add(one)
    return gaps


@given(durations, st.floats(0, 100))
def test_percentiles_are_within_five_percent(seconds: list[float], percent: float) -> None:
    """Whatever the gaps, a percentile is at most 5 % off the exact one (nearest rank)."""
    exact = sorted(seconds)[max(1, math.ceil(len(seconds) * percent / 100)) - 1]
    found = gaps_of(seconds).percentile(percent)
    assert found == pytest.approx(exact, rel=0.05, abs=FINEST)


@given(durations)
def test_extremes_count_and_sum_are_exact(seconds: list[float]) -> None:
    """Shortest, longest, count and total are those of the gaps themselves."""
    gaps = gaps_of(seconds)
    assert (gaps.shortest, gaps.longest, gaps.count) == (min(seconds), max(seconds), len(seconds))
    assert gaps.total == pytest.approx(sum(seconds))
    assert gaps.percentile(100) == max(seconds)
    assert sum(count for _, count in gaps.distribution()) == len(seconds)


@given(durations)
def test_its_memory_is_bounded(seconds: list[float]) -> None:
    """The buckets from a microsecond to a thousand million seconds are fewer than 400, however many gaps come."""
    assert all(-1 <= bucket < 400 for bucket in gaps_of([*seconds, 1e300, math.inf]).buckets)


@pytest.mark.parametrize("odd", [-1.0, math.nan, -math.inf, 0.0, 1e-9])
def test_what_is_no_duration_counts_as_no_time(odd: float) -> None:
    """A clock that went back, NaN and less than a microsecond are a gap of zero."""
    gaps = gaps_of([odd, 0.5])
    assert (gaps.count, gaps.shortest, gaps.longest, gaps.total) == (2, 0.0, 0.5, 0.5)
    assert gaps.percentile(50) == 0.0


def test_an_endless_gap_is_cut() -> None:
    """Infinity is kept as a number that can be summed and written to a file."""
    assert gaps_of([math.inf]).longest == 1e9


def test_no_gaps_have_no_percentile() -> None:
    """A stream of one chunk has none."""
    assert Gaps().percentile(50) is None


def test_a_copy_and_a_file_give_the_same_gaps() -> None:
    """copy, and to_dict with from_dict through JSON, lose nothing and are independent."""
    gaps = gaps_of([0.1, 0.2, 0.0])
    copy = gaps.copy()
    assert copy == gaps == Gaps.from_dict(json.loads(json.dumps(gaps.to_dict())))
    copy.add(1.0)
    assert copy != gaps
