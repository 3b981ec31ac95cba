"""The table of `sseor stats`: with `rich` and without, wide and narrow, and its plot."""

from __future__ import annotations

import re
import sys

import pytest
from metrics.recorded import DAY, NOW, record

from sseor.cli.stats_table import CHART_WIDTH, COLUMNS, chart, sparkline, table
from sseor.metrics.record import Record
from sseor.metrics.statistics import summarize

RECORDS = [
    record(
        "[red]a/b[/red]", days_ago=1, ttft_ms=400.0, tokens_per_second=50.0, tokens_estimated=True, cost=1.0
    ),
    record("[red]a/b[/red]", days_ago=9, ttft_ms=200.0),
    record("z" * 60, days_ago=3, outcome="failed"),
]


def shown(width: int | None = None, days: float = 7, records: list[Record] | None = None) -> str:
    """Return the table of the last days, per model."""
    records = RECORDS if records is None else records
    since = NOW - days * DAY
    return table(summarize(records, since=since, until=NOW), records, ("model",), since, NOW, width)


def test_with_rich_there_is_a_plot() -> None:
    """All columns, values as they are (no markup), a sparkline, and the plot below; no colours into a file."""
    text = shown()
    assert "[red]a/b[/red]" in text
    assert all(column.head in text for column in COLUMNS)
    assert "400 ms" in text
    assert "+100%" in text
    assert "~50" in text
    assert "median time to first token" in text
    assert "\x1b" not in text
    assert max(map(len, text.split("\n"))) < 220


def test_without_rich_it_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same figures in columns of plain text, names cut to what fits."""
    monkeypatch.setitem(sys.modules, "rich.box", None)
    title, heads, *rows = shown().rstrip("\n").split("\n")
    assert title.endswith("trend against the same time before")
    assert heads.split()[:2] == ["model", "streams"]
    assert [row.split()[0] for row in rows] == ["[red]a/b[/red]", "z" * 39 + "…"]
    assert len({len(row) for row in (heads, *rows)}) == 1


@pytest.mark.parametrize("width", [60, 80, 100, 130, 200])
def test_a_narrow_terminal_shows_fewer_columns(width: int) -> None:
    """The more dispensable a column is the sooner it goes, those that matter most stay, and nothing is cut off."""
    few = [record("a/b", ttft_ms=1234.0, ttfo_ms=1300.0, cost=0.1)]
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(width, records=few))
    lines = text.split("\n")
    head = next(line for line in lines if "streams" in line)
    assert "TTFT p50" in head
    assert len(head) <= width
    assert "…" not in text.split("median time")[0]
    assert ("TTFO p50" in head) == (width >= 100)


def test_a_title_tells_the_time_in_a_short_period() -> None:
    """Within two days the time of day tells more than the day alone."""
    assert shown(days=1).split("\n")[0].count(":") == 2
    assert shown(days=9).split("\n")[0].count(":") == 0


def test_sparklines() -> None:
    """The greatest value is a full block, none a space, and nothing at all is no line."""
    assert sparkline([1.0, None, 2.0, 0.0]) == "▅ █▁"
    assert sparkline([]) == ""


def test_the_plot_has_a_column_for_each_slice() -> None:
    """Columns stand where their streams were, the highest reaches the top, and without any there is no plot."""
    text = chart(RECORDS, NOW - 7 * DAY, NOW)
    lines = text.split("\n")
    bars = [line.partition("│")[2] for line in lines if "│" in line]
    assert len(bars[0]) == round(6 / 7 * CHART_WIDTH) + 1
    assert bars[0].strip() == bars[-1].strip() == "█"
    assert "400 ms │" in text
    assert len(lines[-2].split()) == 6  # three days
    assert chart([record()], NOW - DAY, NOW) == ""
