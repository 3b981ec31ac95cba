"""Plots as SVG text: lines over time, spreads on a logarithmic axis, stacked bars, and lines small enough for a table.

Colours are classes (`c0` to `c7`) of the page around them, which has one set for light and one for dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

__all__ = ["Series", "Spread", "bars", "lines", "seconds", "sparkline", "spreads", "ticks", "when"]

WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 34
ROW = 34


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
    parts = [*_grid(steps, [seconds(step) for step in steps]), *_days(since, until)]
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
    parts = [*_grid(steps, [f"${step:.6g}" for step in steps]), *_days(since, until)]
    width = (WIDTH - LEFT - RIGHT) / max(slots, 1) * 0.7
    for slot in range(slots):
        below = 0.0
        for one in series:
            value = one.values[slot] or 0.0
            if value > 0:
                y, bottom = _level(below + value, steps[-1]), _level(below, steps[-1])
                x = _slot(slot, slots) - width / 2
                label = escape(f"{one.name}: ${value:.6g}")
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
    low, high = math.log10(lowest) - 0.08, math.log10(highest) + 0.08
    left, height = 230, TOP + ROW * len(rows) + BOTTOM

    def place(value: float) -> float:
        return left + (math.log10(value) - low) / (high - low) * (WIDTH - left - RIGHT)

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
            f'<text class="name" text-anchor="end" x="{left - 14}" y="{y + 4:.1f}">{name}</text>',
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


def ticks(top: float) -> list[float]:
    """Return round steps from 0 to at least `top`, five or so."""
    rough = top / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    return [step * number for number in range(math.ceil(top / step - 1e-9) + 1)]


def when(moment: float, period: float) -> str:
    """Return a moment as a label: the time of day in a period of up to two days, else the day; local time."""
    try:
        return datetime.fromtimestamp(moment).strftime("%H:%M" if period <= 2 * 86_400 else "%d %b")
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return "?"


def shortened(name: str, limit: int = 30) -> str:
    """Return a name that fits beside a plot."""
    return name if len(name) <= limit else name[: limit - 1] + "…"


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


def _days(since: float, until: float, labels: int = 7) -> list[str]:
    parts = []
    for number in range(labels):
        share = (number + 0.5) / labels
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        label = when(since + share * (until - since), until - since)
        parts.append(f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{HEIGHT - 10}">{label}</text>')
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
