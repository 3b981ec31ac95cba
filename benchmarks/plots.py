"""Bars as SVG, for light and dark pages alike."""

from __future__ import annotations

import math
from html import escape
from typing import Any

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 300, 110, 24, 40
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1f26 } .title { font-weight: 600 } .muted { fill: #667080 }
rect { fill: #9aa6b8 } .ours { fill: #2f6fde } .floor { fill: #cdd4de }
@media (prefers-color-scheme: dark) { text { fill: #e8ebf0 } .muted { fill: #97a1b0 } .ours { fill: #6ea2ff }
.floor { fill: #4a5361 } }
"""


def bars(table: dict[str, Any], column: str) -> str:
    """Plot one column of a table (as JSON values), its rows in their order; logarithmic when they are far apart."""
    shown = {name: columns[column]["median"] for name, columns in table["rows"].items()}
    unit = table["columns"][column]
    height = TOP + ROW * len(shown) + 12
    least, most = min(shown.values()), max(shown.values())
    logarithmic = least > 0 and most / least > 30
    axis = "logarithmic" if logarithmic else "from zero"
    better = "less is better" if table["less_is_more"] else "more is better"
    meaning = f'<tspan class="muted">({escape(unit)}, {axis}, {better})</tspan>'
    heading = f"{escape(table['title'])}, {escape(column)} {meaning}"
    parts = [f'<text class="title" x="8" y="22">{heading}</text>']
    for number, (name, value) in enumerate(shown.items()):
        y = TOP + ROW * number
        share = (
            math.log(value / least * 2) / math.log(most / least * 2) if logarithmic else value / (most or 1)
        )
        width = max(share * (WIDTH - LEFT - RIGHT), 1)
        kind = "ours" if "sseor" in name else "floor" if name.startswith("floor") else "peer"
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="{ROW - 6}" rx="2"/>'
            f'<text class="muted" x="{LEFT + width + 8:.1f}" y="{y + 15}">{number_as_text(value)}</text>'
        )
    label = escape(f"{table['title']}, {column}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def number_as_text(value: float) -> str:
    """Return a number with three digits that count."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"
