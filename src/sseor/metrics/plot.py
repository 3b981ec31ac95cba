"""Plots as SVG text: lines over time, spreads on a logarithmic axis, stacked bars, and lines small enough for a table.

Colours are classes (`c0` to `c7`) of the page around them, which has one set for light and one for dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

__all__ = [
    *("Series", "Spread", "bars", "day", "lines", "moments", "money", "seconds", "shortened", "sparkline"),
    *("spreads", "ticks", "when"),
]

WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 34
NAMES, ROW = 270, 34
"""The width of the names beside spreads, and the height of a row."""

SMALLEST = 1e-9
"""The least top of a scale: the smallest floats have no logarithm of their fourth."""

MOMENTS = 8
HOURS = (
    1 / 12,
    0.25,
    0.5,
    1,
    3,
    6,
    12,
    *(24 * days for days in (1, 2, 4, 7, 14, 30, 61, 122, 365, 730, 3650)),
)
"""How far apart the moments of an axis may be."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one colour of bars: a value per slice of the period, None where there is none."""

    name: str
    color: int
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread: the quantiles 0.1, 0.25, 0.5, 0.75 and 0.9, all above zero."""

    name: str
    color: int
    quantiles: tuple[float, float, float, float, float]


def lines(series: Sequence[Series], since: float, until: float) -> str:
    """Plot milliseconds over time; a slice without a value leaves a gap in its line."""
    top = max((value for one in series for value in one.values if value is not None), default=0.0) or 1.0
    steps = ticks(top)
    parts = [*_grid(steps, [seconds(step) for step in steps]), *_moments(since, until)]
    for one in series:
        points = [
            (_slot(number, len(one.values)), _level(value, steps[-1]), value)
            for number, value in enumerate(one.values)
            if value is not None
        ]
        parts += [f'<path class="line c{one.color}" d="{path}"/>' for path in _runs(one.values, steps[-1])]
        for x, y, value in points:
            label = escape(f"{one.name}: {seconds(value)}")
            parts.append(
                f'<circle class="dot c{one.color}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{label}</title></circle>'
            )
    return _svg(parts, HEIGHT, "median time to first token over time")


def bars(series: Sequence[Series], since: float, until: float) -> str:
    """Plot dollars over time, one colour on top of the other."""
    slots = max((len(one.values) for one in series), default=0)
    totals = [sum(one.values[slot] or 0.0 for one in series) for slot in range(slots)]
    steps = ticks(max(totals, default=0.0) or 1.0)
    parts = [*_grid(steps, [f"${step:.6g}" for step in steps]), *_moments(since, until)]
    width = (WIDTH - LEFT - RIGHT) / max(slots, 1) * 0.7
    for slot in range(slots):
        below = 0.0
        for one in series:
            value = one.values[slot] or 0.0
            if value > 0:
                y, bottom = _level(below + value, steps[-1]), _level(below, steps[-1])
                x = _slot(slot, slots) - width / 2
                label = escape(f"{one.name}: {money(value)}")
                parts.append(
                    f'<rect class="bar c{one.color}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
                    f' height="{bottom - y:.1f}"><title>{label}</title></rect>'
                )
            below += value
    return _svg(parts, HEIGHT, "cost over time")


def spreads(rows: Sequence[Spread]) -> str:
    """Plot a row each: a thin bar from the 10th to the 90th percentile, a thick one for the middle half, the median."""
    lowest = min((row.quantiles[0] for row in rows), default=1.0)
    highest = max((row.quantiles[-1] for row in rows), default=1.0)
    middle = (math.log10(lowest) + math.log10(highest)) / 2
    # So wide at least that two round values lie within.
    half = max(math.log10(highest) - middle + 0.08, 0.4)
    low, high = middle - half, middle + half
    height = TOP + ROW * len(rows) + BOTTOM

    def place(value: float) -> float:
        return NAMES + (math.log10(value) - low) / (high - low) * (WIDTH - NAMES - RIGHT)

    parts = []
    for value in _decades(10**low, 10**high):
        parts += [
            f'<line class="grid" x1="{place(value):.1f}" x2="{place(value):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>',
            f'<text class="tick" text-anchor="middle" x="{place(value):.1f}" y="{height - 12}">{seconds(value)}</text>',
        ]
    for number, row in enumerate(rows):
        y = TOP + ROW * (number + 0.5)
        p10, p25, p50, p75, p90 = (place(value) for value in row.quantiles)
        name = escape(shortened(row.name))
        told = "10 %: {}, 25 %: {}, median: {}, 75 %: {}, 90 %: {}".format(*map(seconds, row.quantiles))
        parts += [
            f"<g><title>{escape(row.name)}: {told}</title>",
            f'<text class="name" text-anchor="end" x="{NAMES - 14}" y="{y + 4:.1f}">{name}</text>',
            f'<line class="thin c{row.color}" x1="{p10:.1f}" x2="{p90:.1f}" y1="{y}" y2="{y}"/>',
            f'<line class="thick c{row.color}" x1="{p25:.1f}" x2="{p75:.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="median c{row.color}" cx="{p50:.1f}" cy="{y}" r="6"/></g>',
        ]
    return _svg(parts, height, "spread of the time to first token")


def sparkline(values: Sequence[float | None], color: int) -> str:
    """Plot a line of 120 by 26, without axes."""
    known = [value for value in values if value is not None]
    top = max(known, default=0.0) or 1.0
    parts = []
    for number, value in enumerate(values):
        if value is not None:
            x = 3 + number * 114 / max(len(values) - 1, 1)
            parts.append(f"{x:.1f},{23 - 20 * value / top:.1f}")
    dot = parts[-1].split(",") if parts else []
    end = f'<circle class="dot c{color}" cx="{dot[0]}" cy="{dot[1]}" r="2.5"/>' if dot else ""
    return (
        f'<svg class="spark" viewBox="0 0 120 26" aria-hidden="true">'
        f'<polyline class="line c{color}" points="{" ".join(parts)}"/>{end}</svg>'
    )


def seconds(milliseconds: float) -> str:
    """Return a duration as a reader wants it: milliseconds below a second, seconds above."""
    if milliseconds >= 999.5:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 or not milliseconds else f"{milliseconds:.1f} ms"


def money(dollars: float) -> str:
    """Return an amount as a reader wants it: cents from a dollar on, below it four digits after the point."""
    return f"${dollars:,.2f}" if dollars >= 1 or not dollars else f"${dollars:.4f}"


def ticks(top: float) -> list[float]:
    """Return round steps from 0 to at least `top`, five or so."""
    top = max(top, SMALLEST)
    rough = top / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    return [step * number for number in range(math.ceil(top / step - 1e-9) + 1)]


def moments(since: float, until: float) -> list[float]:
    """Return the round moments of a period for its axis, eight at most: full hours, or midnights of local time."""
    try:
        first = datetime.fromtimestamp(since).replace(hour=0, minute=0, second=0, microsecond=0)
        for step in (timedelta(hours=hours) for hours in HOURS):
            if until - since <= MOMENTS * step.total_seconds():
                before = math.floor((since - first.timestamp()) / step.total_seconds())
                found = [(first + step * (before + number)).timestamp() for number in range(MOMENTS + 2)]
                return [moment for moment in found if since <= moment <= until]
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        pass
    return []


def when(moment: float, period: float) -> str:
    """Return a moment as a label: the time of day in a period of up to two days, else the day, in years the month."""
    return _local(moment, "%H:%M" if period <= 2 * 86_400 else "%d %b" if period <= 300 * 86_400 else "%b %Y")


def day(moment: float) -> str:
    """Return the date of a moment, in local time."""
    return _local(moment, "%d %b %Y")


def shortened(name: str, limit: int = 32) -> str:
    """Return a name that fits beside a plot: of a long one both ends, since variants differ in their last letters."""
    tail = limit // 3
    return name if len(name) <= limit else f"{name[: limit - 1 - tail]}…{name[-tail:]}"


def _local(moment: float, form: str) -> str:
    try:
        return datetime.fromtimestamp(moment).strftime(form)
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return "?"


def _runs(values: Sequence[float | None], top: float) -> list[str]:
    """Return a path for each row of values without a gap."""
    paths: list[str] = []
    before = False
    for number, value in enumerate(values):
        if value is not None:
            point = f"{_slot(number, len(values)):.1f} {_level(value, top):.1f}"
            if before:
                paths[-1] += f"L{point}"
            else:
                paths.append(f"M{point}")
        before = value is not None
    return paths


def _slot(number: int, slots: int) -> float:
    return LEFT + (number + 0.5) / slots * (WIDTH - LEFT - RIGHT)


def _level(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _grid(steps: Sequence[float], labels: Sequence[str]) -> list[str]:
    parts = []
    for step, label in zip(steps, labels, strict=True):
        y = _level(step, steps[-1])
        parts += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text class="tick" text-anchor="end" x="{LEFT - 10}" y="{y + 4:.1f}">{label}</text>',
        ]
    return parts


def _moments(since: float, until: float) -> list[str]:
    parts = []
    for moment in moments(since, until):
        x = LEFT + (moment - since) / (until - since) * (WIDTH - LEFT - RIGHT)
        label = when(moment, until - since)
        parts += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}"/>',
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{HEIGHT - 10}">{label}</text>',
        ]
    return parts


def _decades(low: float, high: float) -> list[float]:
    """Return the round values of a logarithmic axis: 1, 2 and 5, or powers of ten alone where there are many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(exponents) <= 4 else (1,)
    values = [factor * 10.0**exponent for exponent in exponents for factor in factors]
    return [value for value in values if low <= value <= high]


def _svg(parts: Sequence[str], height: float, label: str) -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{body}</svg>'
