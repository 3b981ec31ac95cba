"""The table of `sseor stats`, as wide as its terminal, and a plot below it where `rich` is installed."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sseor.metrics.plot import day, money, seconds, shortened, ticks, when
from sseor.metrics.statistics import quantile, slices, times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sseor.metrics import Record, Summary

__all__ = ["chart", "sparkline", "table"]

BLOCKS = " ▁▂▃▄▅▆▇█"
UNKNOWN = "-"
SHORTEST_NAME, LONGEST_NAME = 14, 40
BETWEEN = 3
POINTS, CHART_WIDTH, CHART_HEIGHT, CHART_LEFT = 12, 60, 8, 10


@dataclass(frozen=True, slots=True)
class Column:
    """One figure; the higher its rank, the sooner it makes room where the terminal is narrow (0: never)."""

    head: str
    cell: Callable[[Summary], str]
    rank: int = 0


COLUMNS = (
    Column("streams", lambda one: f"{one.count:,}"),
    Column("TTFT p50", lambda one: _time(one.ttft.p50)),
    Column("p90", lambda one: _time(one.ttft.p90), 4),
    Column("p99", lambda one: _time(one.ttft.p99), 7),
    Column("trend", lambda one: UNKNOWN if one.trend is None else f"{one.trend:+.0%}", 5),
    Column("over time", lambda one: sparkline(_thinned(one.line)), 9),
    Column("TTFO p50", lambda one: _time(one.ttfo.p50), 8),
    Column("p90", lambda one: _time(one.ttfo.p90), 11),
    Column("p99", lambda one: _time(one.ttfo.p99), 12),
    Column("tok/s", lambda one: _speed(one), 3),
    Column("cost", lambda one: UNKNOWN if one.cost is None else money(one.cost), 1),
    Column("cut", lambda one: f"{one.cut_rate:.1%}", 2),
    Column("failed", lambda one: f"{one.failed_rate:.1%}", 6),
    Column("stalled", lambda one: f"{one.stall_rate:.1%}", 10),
)


def table(
    found: Sequence[Summary],
    records: Sequence[Record],
    by: Sequence[str],
    since: float,
    until: float,
    width: int | None,
) -> str:
    """Return the figures of the groups as text; `width` None: as wide as it gets."""
    heads = [*by, *(column.head for column in COLUMNS)]
    # A third of the terminal for the names: the figures are what is asked for.
    limit = LONGEST_NAME if width is None else min(max(width // (3 * len(by)), SHORTEST_NAME), LONGEST_NAME)
    rows = [
        [*(shortened(name, limit) for name in one.group), *(column.cell(one) for column in COLUMNS)]
        for one in found
    ]
    ranks = [0] * len(by) + [column.rank for column in COLUMNS]
    keep = _fitting([heads, *rows], ranks, width)
    heads, rows = [heads[place] for place in keep], [[row[place] for place in keep] for row in rows]
    period = f"{_moment(since, until)} to {_moment(until, since)}, trend against the same time before"
    try:
        drawn = _rich(heads, rows, len(by), period, width)
    except ImportError:
        return _plain(heads, rows, len(by), period)
    return drawn + chart(records, since, until, width)


def sparkline(values: Sequence[float | None]) -> str:
    """Return a character for each value, a space for none."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        " " if value is None else BLOCKS[1 + round(value / top * (len(BLOCKS) - 2))] for value in values
    )


def chart(records: Sequence[Record], since: float, until: float, width: int | None = None) -> str:
    """Return the median time to first token over time as columns of blocks, with its axes."""
    columns = CHART_WIDTH if width is None else min(CHART_WIDTH, width - CHART_LEFT - 1)
    within = [record for record in records if record.at >= since]
    values = [quantile(times(part), 0.5) for part in slices(within, since, until, max(columns, 1))]
    steps = ticks(max((value for value in values if value is not None), default=0.0) or 1.0)
    if not any(values) or columns < CHART_WIDTH // 3:
        return ""
    labels = {round(step / steps[-1] * CHART_HEIGHT): seconds(step) for step in steps}
    lines = ["median time to first token"]
    for level in reversed(range(CHART_HEIGHT)):
        marks = "".join(BLOCKS[_filled(value, steps[-1], level)] for value in values)
        lines.append(f"{labels.get(level + 1, ''):>8} │{marks}".rstrip())
    first, middle, last = (when(since + share * (until - since), until - since) for share in (0, 0.5, 1))
    lines.append(f"{labels[0]:>8} └{'─' * columns}")
    lines.append(f"{'':>{CHART_LEFT}}{first}{middle:^{columns - len(first) - len(last)}}{last}")
    return "\n".join(lines) + "\n"


def _filled(value: float | None, top: float, level: int) -> int:
    """Return how many eighths of a cell at this level a column fills."""
    if value is None:
        return 0
    eighths = max(1, round(value / top * CHART_HEIGHT * 8))
    return min(max(eighths - 8 * level, 0), 8)


def _rich(heads: list[str], rows: list[list[str]], names: int, title: str, width: int | None) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="dim", pad_edge=False)
    for place, head in enumerate(heads):
        drawn.add_column(head, justify="left" if place < names else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    out = io.StringIO()
    Console(file=out, width=width or 400, force_terminal=width is not None).print(drawn)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def _plain(heads: list[str], rows: list[list[str]], names: int, title: str) -> str:
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    lines = [title]
    for row in [heads, *rows]:
        cells = [
            cell.ljust(width) if place < names else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _fitting(rows: Sequence[list[str]], ranks: Sequence[int], width: int | None) -> list[int]:
    """Return the places of the columns that fit, the most dispensable left out first."""
    keep = list(range(len(ranks)))

    def needed() -> int:
        return sum(max(len(row[place]) for row in rows) + BETWEEN for place in keep)

    while width is not None and needed() > width and any(ranks[place] for place in keep):
        keep.remove(max(keep, key=lambda place: ranks[place]))
    return keep


def _thinned(line: Sequence[float | None]) -> list[float | None]:
    """Return the line with at most `POINTS` points: the latest that is there of so many."""
    step = math.ceil(len(line) / POINTS)
    parts = [
        [value for value in line[at : at + step] if value is not None] for at in range(0, len(line), step)
    ]
    return [part[-1] if part else None for part in parts]


def _moment(moment: float, other: float) -> str:
    """Return the day, and in a short period the time of day as well."""
    return f"{day(moment)} {when(moment, 0)}" if abs(moment - other) <= 2 * 86_400 else day(moment)


def _time(milliseconds: float | None) -> str:
    return UNKNOWN if milliseconds is None else seconds(milliseconds)


def _speed(one: Summary) -> str:
    speed = one.tokens_per_second.p50
    return UNKNOWN if speed is None else f"{'~' if one.speed_estimated else ''}{speed:.0f}"
