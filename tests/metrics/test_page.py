"""The page: whole, safe, without anything from elsewhere, and shown by a real browser."""

from __future__ import annotations

import os
import random
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from metrics.recorded import DAY, NOW, record

from sseor.metrics.page import COLORS, page
from sseor.metrics.record import Record

MONTH: dict[str, Any] = {"since": NOW - 30 * DAY, "until": NOW}
EVIL = '<script>alert(1)</script><img src="https://x.example/y">'
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    "--window-size=700,500",
]


def some(models: int = 3, **fields: Any) -> list[Record]:
    """Return two months of streams of so many models."""
    dice = random.Random(5)
    return [
        record(
            f"maker/model-{number}",
            days_ago=dice.random() * 60,
            ttft_ms=dice.lognormvariate(6, 0.4),
            ttfo_ms=900.0,
            tokens_per_second=80.0 + 40 * number,
            cost=0.01,
            tokens_estimated=number == 1,
            **fields,
        )
        for number in range(models)
        for _ in range(40)
    ]


class Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        """Return how often a tag occurs."""
        return sum(one == tag for one, _ in self.found)


def test_it_holds_everything_itself() -> None:
    """No script, no link, no picture and no address from elsewhere: it opens offline, and asks nobody."""
    text = page(some(), **MONTH)
    tags = Tags(text)
    assert {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags.found} == set()
    assert not any(name in ("src", "href") for _, attributes in tags.found for name in attributes)
    assert not re.search(r"https?://|url\(|@import", text)
    assert "default-src 'none'" in text


def test_it_shows_plots_figures_and_trends() -> None:
    """Three plots, a sparkline and a row for each model, tiles with the figures of all."""
    text = page(some(), **MONTH)
    tags = Tags(text)
    assert tags.count("section") == 4
    assert tags.count("tr") == 4
    assert sum(attributes.get("class") == "spark" for _, attributes in tags.found) == 3
    assert text.count("maker/model-0") > 3
    assert re.search(r'class="(slower|faster)">. \d+%', text)
    assert "~120" in text  # estimated


def heads(text: str) -> list[str]:
    """Return the headings of the page's sections."""
    return re.findall(r"<h2>([^<]*)", text)


def test_providers_and_other_groups_have_a_table() -> None:
    """Where models come from several providers each has a row; `by` asks for other groups instead."""
    hosted = [*some(2, provider="P"), *some(2, provider="Q")]
    text = page(hosted, **MONTH)
    assert heads(text)[-2:] == ["Models", "Models and providers"]
    assert Tags(text).count("tr") == 1 + 2 + 1 + 4
    assert heads(page(some(2, provider="P"), **MONTH))[-1] == "Models"
    text = page(hosted, by=("day",), **MONTH)
    assert heads(text)[-1] == "Days"
    days = re.findall(r">(\d{4}-\d\d-\d\d)<", text)
    assert len(days) > 20
    assert days == sorted(days)


def test_its_words_are_explained() -> None:
    """What TTFT, cut or stalled mean is said below; a single stream is no "streams"."""
    text = page(some(1)[:1], since=NOW - 90 * DAY, until=NOW)
    assert "reasoning included" in text
    assert "1 stream<" in text
    assert "median per 2 days, of each model" in text


def test_names_of_servers_are_no_markup() -> None:
    """A model that calls itself a script is shown with that name, and is none."""
    text = page([record(EVIL, ttft_ms=5.0, cost=1.0)], **MONTH)
    assert "script" not in {tag for tag, _ in Tags(text).found}
    assert "&lt;script&gt;" in text


def test_an_empty_period_says_so() -> None:
    """Without a stream there is a sentence, and no empty frames."""
    text = page([record(days_ago=45)], **MONTH)
    assert "No streams from" in text
    assert Tags(text).count("section") == 0


def test_what_is_not_known_is_left_out() -> None:
    """Streams without times and costs have a row, a dash for each figure, and no plot of nothing."""
    text = page([record(outcome="failed"), record("z/z", ttft_ms=0.0), record("z/z", days_ago=40)], **MONTH)
    assert Tags(text).count("section") == 2
    assert "—" in text
    assert "new" in text


def test_a_trend_of_nothing_is_even() -> None:
    """Less than two hundredths is no change."""
    assert "even" in page([record(ttft_ms=100.0), record(days_ago=40, ttft_ms=101.0)], **MONTH)


def test_many_models_share_grey() -> None:
    """As many as have colours are plotted, which is said; the others are added up in the cost and have their rows."""
    text = page(some(COLORS + 3), **MONTH)
    assert f"of the {COLORS} most used models" in text
    assert text.count("3 other models") == 1
    assert "other models: $" in text
    assert Tags(text).count("tr") == COLORS + 4


@pytest.mark.parametrize(("scheme", "ground"), [("light", (0xF4, 0xF5, 0xF7)), ("dark", (0x12, 0x15, 0x1A))])
def test_a_browser_shows_it(scheme: str, ground: tuple[int, int, int], tmp_path: Path) -> None:
    """Headless Chromium paints the ground of the reader's scheme, cards, and the colours of the lines."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert os.environ.get("SSEOR_REQUIRE_ALL") != "1", "chromium is missing"
        pytest.skip("chromium is not installed")
    (tmp_path / "page.html").write_text(page(some(), **MONTH))
    dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    subprocess.run(
        [
            *[chromium, *FLAGS, *dark, f"--user-data-dir={tmp_path / 'profile'}"],
            *[f"--screenshot={tmp_path / 'page.png'}", (tmp_path / "page.html").as_uri()],
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    pixels = painted((tmp_path / "page.png").read_bytes())
    assert pixels[0][0] == ground
    counts: dict[tuple[int, int, int], int] = {}
    for row in pixels:
        for pixel in row:
            counts[pixel] = counts.get(pixel, 0) + 1
    card = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x1B, 0x20, 0x28)}[scheme]
    assert counts.get(card, 0) > 50_000
    first_line = {"light": (0x2F, 0x6F, 0xDE), "dark": (0x6E, 0xA2, 0xFF)}[scheme]
    assert counts.get(first_line, 0) > 50


def painted(png: bytes) -> list[list[tuple[int, int, int]]]:
    """Return the rows of a PNG with 8 bits a channel (PNG specification, §9: filtering)."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    depth = {2: 3, 6: 4}[kind]
    data, at = b"", 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    raw, stride = zlib.decompress(data), width * depth
    rows, above = [], bytearray(stride)
    for number in range(height):
        start = number * (stride + 1)
        row = bytearray(raw[start + 1 : start + 1 + stride])
        unfilter(raw[start], row, above, depth)
        rows.append([tuple(row[place : place + 3]) for place in range(0, stride, depth)])
        above = row
    return rows  # type: ignore[return-value]


def unfilter(kind: int, row: bytearray, above: bytearray, depth: int) -> None:
    """Undo the filter of a row in place."""
    for place in range(len(row) if kind else 0):
        left = row[place - depth] if place >= depth else 0
        up, corner = above[place], above[place - depth] if place >= depth else 0
        nearest = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
        guess = {1: left, 2: up, 3: (left + up) // 2, 4: nearest}[kind]
        row[place] = (row[place] + guess) & 0xFF
