"""What was measured, as tables: on the terminal, and between the markers of README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.goals import GOALS
from benchmarks.plots import bars, number_as_text

HERE = Path(__file__).parent
RESULTS, README, PLOTS = HERE / "results.json", HERE / "README.md", HERE / "plots"

Part = dict[str, Any]
"""The machine, the versions, and the tables of one part, as JSON values."""


def load() -> dict[str, Part]:
    """Return the parts that were measured last; none at first."""
    if not RESULTS.exists():
        return {}
    parts: dict[str, Part] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return parts


def write(parts: Mapping[str, Part]) -> None:
    """Write the JSON, the plots and the README's tables, all from the same figures."""
    RESULTS.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PLOTS.mkdir(exist_ok=True)
    for stale in PLOTS.glob("*.svg"):
        stale.unlink()
    for table in tables_of(parts).values():
        if len(table["rows"]) > 1:
            (PLOTS / f"{table['name']}.svg").write_text(
                bars(table, next(iter(table["columns"]))), encoding="utf-8"
            )
    README.write_text(rendered(README.read_text(encoding="utf-8"), parts), encoding="utf-8")


def rendered(text: str, parts: Mapping[str, Part]) -> str:
    """Return a document with what is between its markers made anew from the figures."""
    sections = {name: as_markdown(part) for name, part in parts.items()}
    sections["goals"] = goals_as_markdown(parts)

    def fill(found: re.Match[str]) -> str:
        section = sections.get(found["name"], "Not measured yet.")
        return f"{found['begin']}\n\n{section}\n\n{found['end']}"

    pattern = r"(?P<begin><!-- begin (?P<name>[a-z-]+) -->).*?(?P<end><!-- end (?P=name) -->)"
    return re.sub(pattern, fill, text, flags=re.DOTALL)


def as_markdown(part: Part) -> str:
    """Return the section of one part."""
    machine = part["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    taken = (
        f"*{machine['python']}, {machine['system']}, {machine['cores']} × {machine['processor']}; {machine['taken']},"
        f" load {machine['load']:.1f} before{', quick' * part['quick']}; {versions}.*"
    )
    return "\n\n".join([taken, *map(table_as_markdown, part["tables"])])


def table_as_markdown(table: dict[str, Any]) -> str:
    """Return one table with its note, its plot, and what was left out."""
    columns = table["columns"]
    lines = [f"### {table['title']}", "", table["note"], ""]
    if len(table["rows"]) > 1:
        lines += [f"![{table['title']}](plots/{table['name']}.svg)", ""]
    heads = [name if name == unit else f"{name}, {unit}" for name, unit in columns.items()]
    lines += [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, figures in table["rows"].items():
        shown = name if "sseor" not in name else f"**{name}**"
        lines.append(f"| {shown} | {' | '.join(cell(figures[column]) for column in columns)} |")
    for name, reason in table["left_out"].items():
        lines += ["", f"Left out: {name} ({reason})."]
    return "\n".join(lines)


def cell(figure: dict[str, Any]) -> str:
    """Return a median and its ratio to the base."""
    ratio = figure["ratio"]
    return number_as_text(figure["median"]) + ("" if ratio is None else f" ({number_as_text(ratio)}×)")


def tables_of(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Return all tables by their names."""
    return {table["name"]: table for part in parts.values() for table in part["tables"]}


def goals_as_markdown(parts: Mapping[str, Part]) -> str:
    """Return the table of goals: what was aimed at, what was measured, and whether that is enough."""
    tables = tables_of(parts)
    lines = ["| | goal | measured | |", "|---|---|---|---|"]
    for goal in GOALS:
        sign = "≥" if goal.at_least else "≤"
        aim = f"{sign} {goal.bound:g} {goal.unit}".strip()
        try:
            value = goal.figure(tables)
        except LookupError:
            lines.append(f"| {goal.what} | {aim} | not measured | |")
            continue
        verdict = "met" if goal.met(value) else "**missed**"
        lines.append(f"| {goal.what} | {aim} | {number_as_text(value)} {goal.unit} | {verdict} |")
    return "\n".join(lines)
