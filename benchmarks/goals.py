"""The goals, as arithmetic over the figures: whether one is met is computed, never written down."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import ratio

Tables = Mapping[str, Any]
"""Tables as JSON values, by their names."""


@dataclass(frozen=True)
class Goal:
    """A bound on a figure of a table, or on how many times the figure of the row `base` it is."""

    what: str
    bound: float
    table: str
    row: str
    column: str
    base: str | None = None
    unit: str = "×"
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Tell whether a value meets the goal."""
        return value >= self.bound if self.at_least else value <= self.bound

    def figure(self, tables: Tables) -> float:
        """Return what was measured; raises LookupError when it was not."""
        rows = tables[self.table]["rows"]
        own: list[float] = rows[self.row][self.column]["values"]
        if self.base is None:
            return statistics.median(own)
        times = ratio(own, rows[self.base][self.column]["values"])
        if times is None:
            raise LookupError(self.base)
        return times


READS = ("one event per read", "64 KiB reads", "16-byte reads")
ONE = READS[0]
SSE, NODE = "httpx-sse, bare decoders", "eventsource-parser on Node, given bytes"
RAW, RAW_SYNC, OURS, THEIRS = "httpx, aiter_raw", "httpx, iter_raw", "sseor", "sseor over plain httpx"
JSON, ORJSON = "sseor with json", "sseor with orjson"
TEXT, LARGE, ANSWER, KEPT = "framing-deltas", "framing-large-event", "answer-deltas", "memory-chunk"
IMPORT, HTTPX = "import sseor, and a client", "import httpx, and a client"
ASYNC, THREADS = "client-asyncio", "client-threads"

GOALS = [
    *(
        Goal(f"framing, {way}: times httpx-sse's speed", 4, TEXT, SSE, way, OURS, at_least=True)
        for way in READS
    ),
    *(
        Goal(f"framing, {way}: time of Node's eventsource-parser", 1.3, TEXT, OURS, way, NODE)
        for way in READS
    ),
    Goal("one event of 8 MB", 1, LARGE, OURS, "speed", unit="GB/s", at_least=True),
    Goal("one event of 4 MB: time of one of 2 MB", 2.2, LARGE, OURS, "growth"),
    Goal("one event of 8 MB: peak memory, of its size", 2.2, "memory-large-event", OURS, "peak"),
    Goal("answer with json: time of json alone", 1.5, ANSWER, JSON, ONE, "floor: json alone"),
    Goal("answer with orjson: time of orjson alone", 2.88, ANSWER, ORJSON, ONE, "floor: orjson alone"),
    Goal(
        "answer: times the speed of openai's .stream()",
        30,
        ANSWER,
        "openai, .stream()",
        ONE,
        JSON,
        at_least=True,
    ),
    Goal("client on asyncio: CPU per chunk of bare httpx", 0.65, ASYNC, OURS, "cpu", RAW),
    Goal("client on asyncio: CPU per chunk of openai", 0.35, ASYNC, OURS, "cpu", "openai"),
    Goal("client on asyncio over plain httpx: CPU per chunk of bare httpx", 1.35, ASYNC, THEIRS, "cpu", RAW),
    Goal("client on threads: CPU per chunk of bare httpx", 1.4, THREADS, OURS, "cpu", RAW_SYNC),
    Goal(
        "streams per core, asyncio", 250, "capacity", f"{OURS} (asyncio)", "streams", unit="", at_least=True
    ),
    Goal("streams per core, uvloop", 400, "capacity", f"{OURS} (uvloop)", "streams", unit="", at_least=True),
    Goal("import and a first client: time of httpx's", 1.1, "imports", IMPORT, "wall", HTTPX),
    Goal("import sseor.wire", 12, "imports", "import sseor.wire", "wall", unit="ms"),
    Goal("a chunk that is kept, with orjson", 1.2, KEPT, ORJSON, "memory", unit="KiB"),
    Goal("a chunk that is kept, with json", 2, KEPT, JSON, "memory", unit="KiB"),
]
