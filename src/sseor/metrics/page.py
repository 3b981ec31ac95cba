"""The log as a page: one HTML file without scripts and without anything from elsewhere, dark or light as its reader.

Names come from servers and are escaped; a content security policy forbids whatever might slip through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from sseor._version import __version__
from sseor.metrics import plot
from sseor.metrics.statistics import (
    GROUPS,
    Quantiles,
    Summary,
    quantile,
    slices,
    slicing,
    summarize,
    times,
)
from sseor.metrics.style import STYLE

if TYPE_CHECKING:
    from sseor.metrics.record import Record

__all__ = ["page"]

HEADS = ("streams", "TTFT", "over time", "trend", "TTFO", "tokens/s", "cost", "cut", "failed", "stalled")
COLORS = 7
"""So many models have a colour of their own; the others share grey, and are in the table."""

UNKNOWN = "—"
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
HOSTED = ("model", "provider")

WORDS = (
    ("TTFT", "time to first token: the first generated piece of any kind, reasoning included"),
    ("TTFO", "time to first output: the first visible text"),
    ("tokens/s", "after the first token, counted by the provider; with ~ estimated from the length"),
    ("cut", "failed after the first token; failed: before it"),
    ("stalled", "stood still for five seconds or more within the answer"),
    ("trend", "the median TTFT against the equally long period before"),
)


def page(records: Sequence[Record], *, by: Sequence[str] = ("model",), since: float, until: float) -> str:
    """Return the page for a period; records of the equally long period before it make the trends.

    The plots are per model. A second table is of the groups of `by`, by default of the models' providers.
    """
    models = summarize(records, since=since, until=until)
    within = [record for record in records if record.at >= since]
    [whole] = summarize(records, by=(), since=since, until=until) or [Summary(())]
    body = [_heading(whole, since, until)]
    if models:
        body += [_tiles(whole), _over_time(models, since, until), _spread(models, within)]
        body += [_costs(models, within, since, until), _tables(models, records, by, since, until)]
        body.append(_words())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>sseor: streaming metrics</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _heading(whole: Summary, since: float, until: float) -> str:
    period = f"{plot.day(since)} to {plot.day(until)}"
    told = (
        f"{period} · {whole.count:,} stream{'s' * (whole.count > 1)}"
        if whole.count
        else f"No streams from {period}."
    )
    return f'<h1>Streaming metrics</h1><p class="sub">{told}</p>'


def _tiles(whole: Summary) -> str:
    tiles = [
        (_time(whole.ttft.p50), "median time to first token"),
        (_time(whole.ttft.p90), "its 90th percentile"),
        (_number(whole.tokens_per_second.p50), "tokens per second, median"),
        (UNKNOWN if whole.cost is None else plot.money(whole.cost), "cost"),
        (f"{whole.cut_rate:.1%}", "cut after the first token"),
    ]
    shown = "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
    return f'<div class="tiles">{shown}</div>'


def _over_time(models: Sequence[Summary], since: float, until: float) -> str:
    series = [plot.Series(model.group[0], color, model.line) for color, model in enumerate(models[:COLORS])]
    which = f"of the {COLORS} most used models" if models[COLORS:] else "of each model"
    told = f"median per {slicing(since, until)[1]}, {which}"
    drawing = plot.lines(series, since, until)
    return _section("Time to first token over time", told, drawing, _key(models[:COLORS]))


def _spread(models: Sequence[Summary], records: Sequence[Record]) -> str:
    rows = []
    for color, model in enumerate(models[:COLORS]):
        # A logarithmic axis has no zero.
        found = [value for value in times(_of(records, model)) if value > 0]
        if found:
            p10, p25, p50, p75, p90 = (quantile(found, share) or 0.0 for share in SHARES)
            rows.append(plot.Spread(model.group[0], color, (p10, p25, p50, p75, p90)))
    if not rows:
        return ""
    told = "dot: median · thick: middle half · thin: 10th to 90th percentile"
    return _section("Spread of the time to first token", told, plot.spreads(rows))


def _costs(models: Sequence[Summary], records: Sequence[Record], since: float, until: float) -> str:
    series = [
        plot.Series(model.group[0], color, _cost_of_slices(_of(records, model), since, until))
        for color, model in enumerate(models[:COLORS])
    ]
    if models[COLORS:]:
        others = [record for model in models[COLORS:] for record in _of(records, model)]
        series.append(plot.Series("other models", COLORS, _cost_of_slices(others, since, until)))
    if not any(any(one.values) for one in series):
        return ""
    told = f"US dollars per {slicing(since, until)[1]}, as the provider charged"
    return _section("Cost", told, plot.bars(series, since, until), _key(models))


def _tables(
    models: Sequence[Summary], records: Sequence[Record], by: Sequence[str], since: float, until: float
) -> str:
    """Return the table of the models, and the one of other groups, unless that has nothing to add."""
    colors = {model.group[0]: min(color, COLORS) for color, model in enumerate(models)}
    first = _table("Models", models, ("model",), colors)
    by = HOSTED if tuple(by) == ("model",) else by
    groups = summarize(records, by=by, since=since, until=until)
    if by == HOSTED and len(groups) == len(models):
        return first
    title = " and ".join(f"{name}s" for name in by)
    return first + _table(title[0].upper() + title[1:], groups, by, colors)


def _table(title: str, groups: Sequence[Summary], by: Sequence[str], colors: dict[str, int]) -> str:
    rows = []
    for one in groups:
        color = colors[one.group[by.index("model")]] if "model" in by else COLORS
        cells = [
            *(f'<span class="name">{escape(plot.shortened(name, 48))}</span>' for name in one.group),
            f"{one.count:,}",
            _times(one.ttft),
            plot.sparkline(one.line, color),
            _trend(one.trend),
            _times(one.ttfo),
            f"{'~' if one.speed_estimated else ''}{_number(one.tokens_per_second.p50)}",
            UNKNOWN if one.cost is None else plot.money(one.cost),
            *(f"{rate:.1%}" for rate in (one.cut_rate, one.failed_rate, one.stall_rate)),
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f'<th class="name">{name}</th>' for name in by) + "".join(
        f"<th>{name}</th>" for name in HEADS
    )
    table = f'<div class="table"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
    told = "times: the median, and below it the 90th and 99th percentile"
    return f'<section><h2>{title}</h2><p class="sub">{told}</p>{table}</section>'


def _words() -> str:
    told = "".join(f"<dt>{word}</dt><dd>{meaning}</dd>" for word, meaning in WORDS)
    return f"<footer><dl>{told}</dl><p>Made by sseor {__version__}.</p></footer>"


def _section(title: str, told: str, drawing: str, key: str = "") -> str:
    return (
        f'<section><h2>{title}</h2><p class="sub">{told}</p>{key}<div class="plot">{drawing}</div></section>'
    )


def _key(models: Sequence[Summary]) -> str:
    names = [(color, model.group[0]) for color, model in enumerate(models[:COLORS])]
    if models[COLORS:]:
        names.append((COLORS, f"{len(models) - COLORS} other models"))
    shown = "".join(
        f'<span><i class="c{color}"></i>{escape(plot.shortened(name, 48))}</span>' for color, name in names
    )
    return f'<div class="key">{shown}</div>'


def _of(records: Sequence[Record], model: Summary) -> list[Record]:
    return [record for record in records if GROUPS["model"](record) == model.group[0]]


def _cost_of_slices(records: Sequence[Record], since: float, until: float) -> list[float]:
    parts = slices(records, since, until, slicing(since, until)[0])
    return [math.fsum(record.cost or 0.0 for record in part) for part in parts]


def _time(milliseconds: float | None) -> str:
    return UNKNOWN if milliseconds is None else plot.seconds(milliseconds)


def _times(times: Quantiles) -> str:
    return f"{_time(times.p50)}<small>{_time(times.p90)} · {_time(times.p99)}</small>"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _trend(trend: float | None) -> str:
    if trend is None:
        return "<small>new</small>"
    if abs(trend) < 0.02:
        return "<small>even</small>"
    kind, arrow = ("slower", "▲") if trend > 0 else ("faster", "▼")
    return f'<span class="{kind}">{arrow} {abs(trend):.0%}</span>'
