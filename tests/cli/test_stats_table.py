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
    assert [row.split()[0] for row in rows] == ["[red]a/b[/red]", f"{'z' * 26}…{'z' * 13}"]
    assert len({len(row) for row in (heads, *rows)}) == 1


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 140, 200])
def test_no_figure_is_cut_off(width: int) -> None:
    """Long names are shortened and columns left out, so that each figure that is shown is whole."""
    fields = {"ttft_ms": 1234.0, "ttfo_ms": 1300.0, "tokens_per_second": 61.5, "cost": 0.12}
    few = [record("maker/" + "long-" * 12 + name, **fields) for name in ("a", "b:free")]
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown(width, records=few)).split("\n")
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if "maker/" in line]
    assert [row.count("…") for row in rows] == [1, 1]
    assert rows[1].split()[0].endswith("free")
    assert all("1.23 s" in row for row in rows)
    if width >= 80:
        assert all("$0.12" in row and "0.0%" in row for row in rows)


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
    assert [line.split("│")[0].strip() for line in lines[1:9]] == [
        *("400 ms", "", "300 ms", "", "200 ms", "", "100 ms", ""),
    ]
    assert "0 ms └──" in text
    assert len(lines[-2].split()) == 6  # three days
    assert chart([record()], NOW - DAY, NOW) == ""


@pytest.mark.parametrize(("width", "columns"), [(100, CHART_WIDTH), (50, 39), (25, None)])
def test_the_plot_is_no_wider_than_its_terminal(width: int, columns: int | None) -> None:
    """It shrinks with it, and where nothing could be seen it is left out."""
    text = chart(RECORDS, NOW - 7 * DAY, NOW, width)
    assert text.count("─") == (columns or 0)
    assert max(map(len, text.split("\n"))) <= width
