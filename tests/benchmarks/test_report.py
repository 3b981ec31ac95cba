"""The report: README.md holds the figures of results.json, and nothing else."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import goals, plots, report
from benchmarks.__main__ import PARTS
from benchmarks.measuring import needed


def figure(*values: float, ratio: float | None = None) -> dict[str, Any]:
    """Return a figure as it stands in the JSON."""
    return {"median": sorted(values)[len(values) // 2], "ratio": ratio, "values": list(values)}


TABLE: dict[str, Any] = {
    "name": "framing-deltas",
    "title": "Framing: <deltas>",
    "note": "A note.",
    "columns": {"one event per read": "µs", "16-byte reads": "µs"},
    "base": "httpx-sse, bare decoders",
    "less_is_more": True,
    "rows": {
        "sseor": {"one event per read": figure(0.5, 0.4, 0.6, ratio=0.25), "16-byte reads": figure(4, 4, 4)},
        "httpx-sse, bare decoders": {
            "one event per read": figure(2, 1.6, 2.4),
            "16-byte reads": figure(8, 8, 8),
        },
    },
    "left_out": {"absent": "not installed: absent"},
}
PART: report.Part = {
    "machine": {
        "python": "CPython 3.11.7",
        "system": "Linux 6",
        "cores": 2,
        "processor": "some processor",
        "taken": "2026-01-02 03:04 UTC",
        "load": 0.1,
    },
    "versions": {"httpx-sse": "0.4.3"},
    "quick": False,
    "tables": [TABLE],
}


def test_the_readme_is_what_the_json_says() -> None:
    """Rendered anew, the README does not change: no figure in it is older than the JSON, or typed by hand."""
    text = report.README.read_text(encoding="utf-8")
    assert report.rendered(text, report.load()) == text


def test_the_plots_are_what_the_json_says() -> None:
    """Each table of several rows has its plot, made from the same figures."""
    wanted = {
        f"{name}.svg": plots.bars(table, next(iter(table["columns"])))
        for name, table in report.tables_of(report.load()).items()
        if len(table["rows"]) > 1
    }
    assert {path.name: path.read_text(encoding="utf-8") for path in report.PLOTS.glob("*.svg")} == wanted


def test_the_readme_has_a_place_for_each_part() -> None:
    """A part that can be measured is also shown."""
    text = report.README.read_text(encoding="utf-8")
    for module, _, function in (where.partition(".") for where in PARTS.values()):
        assert callable(getattr(needed(f"benchmarks.{module}"), function))
    for part in (*PARTS, "goals"):
        assert f"<!-- begin {part} -->" in text
        assert f"<!-- end {part} -->" in text


def test_a_section_tells_figures_ratios_and_what_was_left_out() -> None:
    """Medians, the ratio to the base, the machine, the versions, and the reason why a peer is missing."""
    section = report.rendered("<!-- begin framing -->old<!-- end framing -->", {"framing": PART})
    assert "old" not in section
    assert "| **sseor** | 0.500 (0.250×) | 4.00 |" in section
    assert "Left out: absent (not installed: absent)." in section
    assert "some processor" in section
    assert "httpx-sse 0.4.3" in section


def test_a_goal_is_met_or_missed_by_its_figures() -> None:
    """The verdict is computed: four times as fast in one column, twice in the other."""
    told = report.goals_as_markdown({"framing": PART}).splitlines()
    assert told[2].endswith("| ≥ 4 × | 4.00 × | met |")
    assert told[4].endswith("| ≥ 4 × | 2.00 × | **missed** |")
    assert "not measured" in told[3]


@pytest.mark.parametrize("goal", goals.GOALS, ids=lambda goal: goal.what)
def test_goals_name_figures_that_exist(goal: goals.Goal) -> None:
    """No goal looks for a table, a row or a column that the benchmarks do not have."""
    table = report.tables_of(report.load())[goal.table]
    assert goal.column in table["columns"]
    assert {goal.row, goal.base or goal.row} <= {*table["rows"], *table["left_out"]}


def test_a_plot_is_valid_svg_with_a_bar_for_each_row() -> None:
    """Names are escaped, and the longest bar is the greatest figure."""
    root = ElementTree.fromstring(plots.bars(TABLE, "one event per read"))
    widths = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(widths) == 2
    assert widths[1] / widths[0] == pytest.approx(4)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (99.95, "100.0"), (1234.5, "1234")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    """Neither false precision nor lost digits."""
    assert plots.number_as_text(value) == text
