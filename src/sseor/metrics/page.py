"""The log as a page: one HTML file without scripts and without anything from elsewhere, dark or light as its reader.

Names come from servers and are escaped; a content security policy forbids whatever might slip through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from sseor.metrics import plot
from sseor.metrics.statistics import GROUPS, SLICES, Summary, quantile, slices, summarize, times
from sseor.metrics.style import STYLE

if TYPE_CHECKING:
    from sseor.metrics.record import Record

__all__ = ["page"]

HEADS = (
    *("model", "streams", "TTFT p50", "p90", "p99", "", "trend", "TTFO p50"),
    *("tokens/s", "cost", "cut", "failed", "stalled"),
)
COLORS = 7
"""So many models have a colour of their own; the others share grey, and are in the table."""

UNKNOWN = "—"
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


def page(records: Sequence[Record], *, since: float, until: float) -> str:
    """Return the page for a period; records of the equally long period before it make the trends."""
    models = summarize(records, since=since, until=until)
    within = [record for record in records if record.at >= since]
    [whole] = summarize(records, by=(), since=since, until=until) or [Summary(())]
    body = [_heading(whole, since, until)]
    if models:
        body += [_tiles(whole), _over_time(models, since, until), _spread(models, within)]
        body += [_costs(models, within, since, until), _table(models)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>sseor: streaming metrics</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _heading(whole: Summary, since: float, until: float) -> str:
    period = f"{plot.when(since, math.inf)} to {plot.when(until, math.inf)}"
    told = f"{period} · {whole.count:,} streams" if whole.count else f"No streams from {period}."
    return f'<h1>Streaming metrics</h1><p class="sub">{told}</p>'


def _tiles(whole: Summary) -> str:
    tiles = [
        (_time(whole.ttft.p50), "median time to first token"),
        (_time(whole.ttft.p90), "its 90th percentile"),
        (_number(whole.tokens_per_second.p50), "tokens per second, median"),
        (UNKNOWN if whole.cost is None else f"${whole.cost:,.2f}", "cost"),
        (f"{whole.cut_rate:.1%}", "cut after the first token"),
    ]
    shown = "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
    return f'<div class="tiles">{shown}</div>'


def _over_time(models: Sequence[Summary], since: float, until: float) -> str:
    series = [plot.Series(model.group[0], color, model.line) for color, model in enumerate(models[:COLORS])]
    return _section(
        "Time to first token over time",
        "median of each slice of the period, per model",
        plot.lines(series, since, until),
        _key(models),
    )


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
    return _section(
        "Cost", "US dollars, as the provider charged", plot.bars(series, since, until), _key(models)
    )


def _table(models: Sequence[Summary]) -> str:
    rows = []
    for color, model in enumerate(models):
        cells = [
            escape(plot.shortened(model.group[0], 48)),
            f"{model.count:,}",
            *(_time(value) for value in (model.ttft.p50, model.ttft.p90, model.ttft.p99)),
            plot.sparkline(model.line, min(color, COLORS)),
            _trend(model.trend),
            _time(model.ttfo.p50),
            f"{'~' if model.estimated else ''}{_number(model.tokens_per_second.p50)}",
            UNKNOWN if model.cost is None else f"${model.cost:,.4f}",
            *(f"{rate:.1%}" for rate in (model.cut_rate, model.failed_rate, model.stall_rate)),
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    table = f'<div class="table"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
    told = "trend: the median time to first token against the period before"
    return f'<section><h2>Models</h2><p class="sub">{told}</p>{table}</section>'


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
    parts = slices(records, since, until, SLICES)
    return [math.fsum(record.cost or 0.0 for record in part) for part in parts]


def _time(milliseconds: float | None) -> str:
    return UNKNOWN if milliseconds is None else plot.seconds(milliseconds)


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _trend(trend: float | None) -> str:
    if trend is None:
        return "<small>new</small>"
    if abs(trend) < 0.02:
        return "<small>even</small>"
    kind, arrow = ("slower", "▲") if trend > 0 else ("faster", "▼")
    return f'<span class="{kind}">{arrow} {abs(trend):.0%}</span>'
