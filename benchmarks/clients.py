"""Clients over loopback: what a chunk costs, how late it comes, how many streams a core holds, the first text.

A server process sends dated events at an even pace, one event a write, the streams out of step with each other. Each
client reads in a process of its own, and the clients take turns. Raw readers only count events; all others parse
them and hand out their text; sseor also keeps the answer and watches its deadlines. Before a figure is taken, each
process reads an answer whose text is known, and compares it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.measuring import ChildError, Figures, Interpreters, Row, Table, ask
from benchmarks.readers import ASYNC
from benchmarks.server import server
from benchmarks.sync_readers import SYNC

COST = {"cpu": "µs per chunk", "p50": "ms late", "p99": "ms late"}
FLOOR, RAW, OURS, THEIRS = "floor: asyncio sockets", "httpx, aiter_raw", "sseor", "sseor over plain httpx"
ATTEMPTS = 5
"""A busy machine may keep reader or server from their pace for a moment."""
SLOW = ("openrouter", "litellm")
"""What one core cannot read 60 streams with gets 10."""


def row(reader: str, loop: str, **plan: Any) -> Row:
    """Return the row of one client, which is measured by a process of its own."""
    module = (SYNC if loop == "threads" else ASYNC)[reader][0]
    whole = {"reader": reader, "loop": loop, **plan}
    if reader in SLOW and plan["way"] == "paced" and plan["streams"] > 1:
        whole["streams"] = 10

    def check() -> None:
        Interpreters.having(module)

    def take() -> Figures:
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(ChildError):
                return ask("reading", whole, Interpreters.having(module))
        return ask("reading", whole, Interpreters.having(module))

    return Row(reader, take, check)


def tables(scale: float) -> Iterator[Table]:
    """Return the tables of cost per chunk and of the first text."""
    seconds = 1.5 if scale >= 1 else 1.0
    many, few = (max(1, round(rounds * scale)) for rounds in (4, 3))

    def paced(
        loop: str, title: str, note: str, readers: Iterable[str], rounds: int, streams: int, rate: int
    ) -> Table:
        plan = {"base_url": base_url, "way": "paced", "streams": streams, "rate": rate, "seconds": seconds}
        rows = [row(name, loop, **plan) for name in readers]
        base = "httpx, iter_raw" if loop == "threads" else RAW
        name = "client-tls" if base_url.startswith("https") else f"client-{loop}"
        return Table(name, title, note, COST, rows, base, rounds)

    with server() as base_url:
        note = (
            "60 streams of 50 chunks a second, one chunk a read; openrouter and litellm cannot keep that: 10."
        )
        yield paced("asyncio", "Client on asyncio, loopback HTTP", note, ASYNC, many, 60, 50)
        names = [FLOOR, RAW, OURS, "aiohttp and orjson", "openai"]
        yield paced(
            "uvloop", "Client on asyncio with uvloop", "The same on uvloop's event loop.", names, few, 60, 50
        )
        names = [RAW, OURS, "httpx-sse and json"]
        yield paced("trio", "Client on trio", "The same on trio.", names, few, 60, 50)
        note = "One stream of 400 chunks a second, read by one thread."
        yield paced("threads", "Client on threads, loopback HTTP", note, SYNC, many, 1, 400)
        yield first_text(base_url, scale)
    with server(tls=True) as base_url:
        note = "60 streams of 50 chunks a second, one chunk a record."
        names = [FLOOR, RAW, OURS, "aiohttp and orjson"]
        yield paced("asyncio", "Client on asyncio, loopback TLS", note, names, few, 60, 50)


def first_text(base_url: str, scale: float) -> Table:
    """Return the table of the time to the first text."""
    plan = {"base_url": base_url, "way": "first", "requests": 100 if scale >= 1 else 60}
    rows = []
    for loop, names in {"threads": list(SYNC), "asyncio": list(ASYNC)}.items():
        for name in names:
            if name == "litellm":
                continue
            one = row(name, loop, **plan)
            rows.append(Row(f"{name} ({loop})", one.take, one.check))
    return Table(
        "first-text",
        "Time to the first text",
        "From the call to the first text (raw readers: the first bytes), of a server that answers at once, over a"
        " connection that is kept. What a client adds is the difference from the floor.",
        {"first": "ms"},
        rows,
        f"{FLOOR} (asyncio)",
        1,
    )


def capacity(scale: float) -> Iterator[Table]:
    """Return the table of how many streams one core holds."""
    with server(core=0) as base_url:
        plan = {"base_url": base_url, "way": "ladder", "rate": 50, "seconds": 1.0}
        rows, fast = [], (RAW, OURS, "aiohttp and orjson")
        for loop, names in {"asyncio": ("openai", *fast), "uvloop": fast}.items():
            for name in names:
                one = row(name, loop, **plan)
                rows.append(Row(f"{name} ({loop})", one.take, one.check))
        yield Table(
            "capacity",
            "Streams that one core holds",
            "How many streams of 50 chunks a second one process on one core reads with 99 of 100 chunks less than 50 ms"
            " late; more are opened until they are late twice in a row. Steps: 50 to 1000.",
            {"streams": "streams"},
            rows,
            f"{RAW} (asyncio)",
            max(1, round(2 * scale)),
            less_is_more=False,
        )
