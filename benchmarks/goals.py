"""The goals, as arithmetic over the figures: whether one is met is computed, never written down."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import ratio

Tables = Mapping[str, Any]
"""Tables as JSON values, by their names."""


@dataclass(frozen=True)
class Goal:
    """A bound on a figure; `at_least` when more is better. `figure` raises LookupError when it was not measured."""

    what: str
    bound: float
    figure: Callable[[Tables], float]
    unit: str = "×"
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Tell whether a value meets the goal."""
        return value >= self.bound if self.at_least else value <= self.bound


def values(tables: Tables, table: str, row: str, column: str) -> list[float]:
    """Return the rounds of one figure; raises LookupError when it was not measured."""
    found: list[float] = tables[table]["rows"][row][column]["values"]
    return found


def times(table: str, row: str, base: str, column: str) -> Callable[[Tables], float]:
    """Return what gives the figure of a row as a multiple of another's."""

    def figure(tables: Tables) -> float:
        own = ratio(values(tables, table, row, column), values(tables, table, base, column))
        if own is None:
            raise LookupError(base)
        return own

    return figure


def alone(table: str, row: str, column: str) -> Callable[[Tables], float]:
    """Return what gives the figure of a row."""
    return lambda tables: statistics.median(values(tables, table, row, column))


ONE, BURST, DRIP = "one event per read", "64 KiB reads", "16-byte reads"
SSE, NODE = "httpx-sse, bare decoders", "eventsource-parser on Node, given bytes"
RAW, OURS, THEIRS = "httpx, aiter_raw", "sseor", "sseor over plain httpx"
HTTPX = "import httpx, and a client"

GOALS = [
    *(
        Goal(
            f"framing, {way}: times as fast as httpx-sse's bare decoders",
            4.0,
            times("framing-deltas", SSE, OURS, way),
            at_least=True,
        )
        for way in (ONE, BURST, DRIP)
    ),
    *(
        Goal(
            f"framing, {way}: time of eventsource-parser on Node, given bytes",
            1.3,
            times("framing-deltas", OURS, NODE, way),
        )
        for way in (ONE, BURST, DRIP)
    ),
    Goal("one event of 8 MB", 1.0, alone("framing-large-event", OURS, "speed"), "GB/s", at_least=True),
    Goal("one event of 16 MB: time of one of 8 MB", 2.2, alone("framing-large-event", OURS, "growth")),
    Goal("one event of 8 MB: peak memory, of its size", 2.2, alone("memory-large-event", OURS, "peak")),
    Goal(
        "bytes to an answer with json, one event per read: time of json alone",
        1.5,
        times("answer-deltas", "sseor with json", "floor: json alone", ONE),
    ),
    Goal(
        "bytes to an answer with orjson, one event per read: time of orjson alone",
        2.88,
        times("answer-deltas", "sseor with orjson", "floor: orjson alone", ONE),
    ),
    Goal(
        "bytes to an answer with json, one event per read: times as fast as openai's .stream()",
        30,
        times("answer-deltas", "openai, .stream()", "sseor with json", ONE),
        at_least=True,
    ),
    Goal("client on asyncio: CPU per chunk of bare httpx", 0.65, times("client-asyncio", OURS, RAW, "cpu")),
    Goal("client on asyncio: CPU per chunk of openai", 0.35, times("client-asyncio", OURS, "openai", "cpu")),
    Goal(
        "client on asyncio over plain httpx: CPU per chunk of bare httpx",
        1.35,
        times("client-asyncio", THEIRS, RAW, "cpu"),
    ),
    Goal(
        "client on threads: CPU per chunk of bare httpx",
        1.4,
        times("client-threads", OURS, "httpx, iter_raw", "cpu"),
    ),
    Goal(
        "streams that one core holds on asyncio",
        250,
        alone("capacity", f"{OURS} (asyncio)", "streams"),
        "",
        at_least=True,
    ),
    Goal(
        "streams that one core holds on uvloop",
        400,
        alone("capacity", f"{OURS} (uvloop)", "streams"),
        "",
        at_least=True,
    ),
    Goal(
        "import and a first client: time of httpx's",
        1.1,
        times("imports", "import sseor, and a client", HTTPX, "wall"),
    ),
    Goal("import sseor.wire", 12, alone("imports", "import sseor.wire", "wall"), "ms"),
    Goal(
        "a chunk that is kept, with orjson", 1.2, alone("memory-chunk", "sseor with orjson", "memory"), "KiB"
    ),
    Goal("a chunk that is kept, with json", 2.0, alone("memory-chunk", "sseor with json", "memory"), "KiB"),
]
