"""The plots: well-formed SVG whose marks stand where their values are."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ElementTree
from datetime import datetime
from datetime import time as midnight

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.recorded import DAY, NOW

from sseor.metrics import plot
from sseor.metrics.plot import Series, Spread

NAME = "<b>&\"'</b>"
values = st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=24)


def marks(svg: str, tag: str, kind: str = "") -> list[ElementTree.Element]:
    """Return the elements of a plot with this tag and, if given, this class; it must be well-formed."""
    return [
        element
        for element in ElementTree.fromstring(svg).iter(tag)
        if kind in (element.get("class") or "").split() or not kind
    ]


@given(values, values)
def test_lines_have_a_dot_for_each_value_within_the_frame(
    first: list[float | None], second: list[float | None]
) -> None:
    """Whatever the values, each known one is a dot between the axes, and a name is never markup."""
    svg = plot.lines([Series(NAME, 0, first), Series("b", 1, second)], NOW - DAY, NOW)
    dots = marks(svg, "circle")
    assert len(dots) == sum(value is not None for value in [*first, *second])
    for dot in dots:
        assert plot.LEFT <= float(dot.get("cx") or 0) <= plot.WIDTH - plot.RIGHT
        assert plot.TOP - 1 <= float(dot.get("cy") or 0) <= plot.HEIGHT - plot.BOTTOM + 1


def test_a_line_has_a_gap_where_nothing_was_measured() -> None:
    """Values side by side are joined; a slice without one is not bridged."""
    svg = plot.lines([Series("a", 3, [1.0, 2.0, None, 3.0])], NOW - DAY, NOW)
    assert [path.get("d", "").count("L") for path in marks(svg, "path", "c3")] == [1, 0]
    heights = [float(dot.get("cy") or 0) for dot in marks(svg, "circle")]
    assert heights == sorted(heights, reverse=True)


def test_bars_are_stacked_without_overlap() -> None:
    """Two colours of one slice stand on each other, and their heights are as their values."""
    svg = plot.bars([Series("a", 0, [1.0, 0.0]), Series("b", 1, [3.0, None])], NOW - DAY, NOW)
    low, high = marks(svg, "rect")
    assert float(high.get("y") or 0) + float(high.get("height") or 0) == pytest.approx(
        float(low.get("y") or 0), abs=0.2
    )
    assert float(high.get("height") or 0) == pytest.approx(3 * float(low.get("height") or 0), abs=0.5)
    assert marks(plot.bars([], NOW - DAY, NOW), "rect") == []


@given(st.lists(st.lists(st.floats(0.001, 1e9), min_size=5, max_size=5), max_size=4))
def test_spreads_keep_the_order_of_their_quantiles(rows: list[list[float]]) -> None:
    """On the logarithmic axis the marks of a row stand from the least to the greatest."""
    spreads = [Spread(NAME * 20, 0, tuple(sorted(row))) for row in rows]  # type: ignore[arg-type]
    svg = plot.spreads(spreads)
    thin, thick, medians = marks(svg, "line", "thin"), marks(svg, "line", "thick"), marks(svg, "circle")
    assert len(medians) == len(rows)
    for one, two, median in zip(thin, thick, medians, strict=True):
        places = [one.get("x1"), two.get("x1"), median.get("cx"), two.get("x2"), one.get("x2")]
        numbers = [float(place or 0) for place in places]
        assert numbers == sorted(numbers)


@given(values)
def test_a_sparkline_fits_its_box(found: list[float | None]) -> None:
    """A point for each value within 120 by 26, a dot at the last, and none for nothing."""
    svg = plot.sparkline(found, 2)
    [line] = marks(svg, "polyline")
    points = [tuple(map(float, point.split(","))) for point in (line.get("points") or "").split()]
    assert len(points) == sum(value is not None for value in found)
    assert all(0 <= x <= 120 and 0 <= y <= 26 for x, y in points)
    assert len(marks(svg, "circle")) == bool(points)


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 ms"),
        (0.25, "0.2 ms"),
        (9.96, "10 ms"),
        (420.4, "420 ms"),
        (999.6, "1 s"),
        (1240, "1.24 s"),
        (90_000, "90 s"),
    ],
)
def test_durations_read_well(milliseconds: float, shown: str) -> None:
    """Milliseconds below a second, seconds above, no more digits than anyone wants."""
    assert plot.seconds(milliseconds) == shown


@given(st.floats(1e-9, 1e12))
def test_steps_are_round_and_reach_the_top(top: float) -> None:
    """From zero in three to seven even steps up to the greatest value or a little more."""
    steps = plot.ticks(top)
    assert 3 <= len(steps) <= 7
    assert steps[0] == 0
    assert steps[-1] >= top * 0.999
    assert steps[-1] <= top * 2
    assert math.isclose(steps[1] - steps[0], steps[-1] - steps[-2], rel_tol=1e-6)


def test_the_smallest_float_has_steps_too() -> None:
    """A scale ends at a billionth at the least, since a fourth of the smallest float is zero."""
    assert plot.ticks(5e-324) == plot.ticks(1e-9)


def test_labels_of_moments() -> None:
    """The time of day within two days, the day beyond, the month in years, and a mark for what no calendar has."""
    assert plot.when(NOW, DAY)[2] == ":"
    assert plot.when(NOW, 30 * DAY)[:2].isdigit()
    assert plot.when(NOW, 900 * DAY)[-4:] == "2026"
    assert plot.day(NOW)[-4:] == "2026"
    assert plot.when(1e18, DAY) == plot.day(1e18) == "?"


@given(st.floats(0, 4e9), st.floats(3600, 20_000 * DAY))
def test_the_moments_of_an_axis_are_round(since: float, period: float) -> None:
    """One to nine, within the period, evenly apart but for summer time; beyond a week each is a midnight."""
    found = plot.moments(since, since + period)
    assert 1 <= len(found) <= 9
    assert all(since <= moment <= since + period for moment in found)
    apart = [after - before for before, after in itertools.pairwise(found)]
    assert not apart or max(apart) - min(apart) <= 3600
    if period > 8 * DAY:
        assert {datetime.fromtimestamp(moment).time() for moment in found} <= {midnight(0), midnight(1)}


@pytest.mark.parametrize(("since", "until"), [(1e18, 1e18 + DAY), (0.0, 1e15), (-1e18, 0.0)])
def test_what_no_calendar_has_makes_no_moments(since: float, until: float) -> None:
    """An axis of a clock gone mad has no labels, and is drawn all the same."""
    assert plot.moments(since, until) == []
    assert marks(plot.lines([Series("a", 0, [1.0])], since, until), "circle")


def test_one_value_has_a_scale() -> None:
    """A spread of a single value, as after the first stream, stands between labelled lines."""
    svg = plot.spreads([Spread("a", 0, (612.0,) * 5)])
    assert [label.text for label in marks(svg, "text", "tick")] == ["500 ms", "1 s"]


def test_a_long_name_keeps_both_ends() -> None:
    """Variants of a model differ in their last letters; a name that fits stays as it is."""
    assert plot.shortened("maker/model-with-a-long-name:free", 20) == "maker/model-w…e:free"
    assert plot.shortened("a" * 20, 20) == "a" * 20


@pytest.mark.parametrize(
    ("dollars", "shown"), [(0, "$0.00"), (0.00034, "$0.0003"), (1.5, "$1.50"), (1234, "$1,234.00")]
)
def test_amounts_read_well(dollars: float, shown: str) -> None:
    """Cents from a dollar on, and enough digits below it."""
    assert plot.money(dollars) == shown
