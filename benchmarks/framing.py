"""Bytes to events: the decoder alone, against the decoders of other packages, and one large event.

Ours reads bytes and builds its events, with `data` not yet decoded, since JSON parsers take bytes; `+ data` reads
`data` of each. httpx-sse's bare decoders are given text that was decoded before the clock started: they are spared
what they would pay in life. eventsource-parser is timed both ways.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.measuring import Figures, Row, Table, cpu_microseconds, expect, needed
from benchmarks.workloads import Workload
from sseor.wire import Decoder, Event

READS = {"one event per read": None, "64 KiB reads": 64 << 10, "16-byte reads": 16}
MEGABYTES = 8
Frames = Callable[[list[Any]], int]
"""Feeds a decoder with reads, and returns how many events it gave."""


def ours(reads: list[bytes]) -> int:
    """Feed the decoder, and look at each item."""
    feed = Decoder().feed
    count = 0
    for data in reads:
        for _ in feed(data):
            count += 1
    return count


def ours_with_data(reads: list[bytes]) -> int:
    """Feed the decoder, and decode each event's data."""
    feed = Decoder().feed
    count = 0
    for data in reads:
        for item in feed(data):
            if isinstance(item, Event):
                _ = item.data
            count += 1
    return count


def httpx_sse_bare(reads: list[str]) -> int:
    """Feed httpx-sse's two decoders by hand."""
    decoders = needed("httpx_sse._decoders")
    lines, events = decoders.SSELineDecoder(), decoders.SSEDecoder()
    count = 0
    for text in reads:
        for line in lines.decode(text):
            if events.decode(line) is not None:
                count += 1
    return count


def httpx_sse_as_used(reads: list[bytes]) -> int:
    """Read a response with `iter_sse`."""
    headers = {"content-type": "text/event-stream"}
    response = needed("httpx").Response(200, headers=headers, content=iter(reads))
    return sum(1 for _ in needed("httpx_sse").EventSource(response).iter_sse())


def httpx2_sse(reads: list[bytes]) -> int:
    """Read a response with httpx2's own `EventSource`."""
    httpx2 = needed("httpx2")
    asked = httpx2.Request("POST", "http://127.0.0.1/")
    headers = {"content-type": "text/event-stream"}
    response = httpx2.Response(200, headers=headers, content=iter(reads), request=asked)
    return sum(1 for _ in httpx2.EventSource(response, max_event_size=None))


def openai(reads: list[bytes]) -> int:
    """Feed the decoder inside the openai SDK."""
    return sum(1 for _ in needed("openai._streaming").SSEDecoder().iter_bytes(iter(reads)))


def anthropic(reads: list[bytes]) -> int:
    """Feed the decoder inside the anthropic SDK."""
    return sum(1 for _ in needed("anthropic._streaming").SSEDecoder().iter_bytes(iter(reads)))


def as_text(reads: list[bytes]) -> list[str]:
    """Cut the decoded stream where its bytes are cut; characters that a cut would divide go to the later read."""
    texts, pending = [], b""
    for data in reads:
        pending += data
        text = pending.decode("utf-8", "ignore")
        pending = pending[len(text.encode()) :]
        texts.append(text)
    return [text for text in texts if text]


PEERS: dict[str, Frames] = {
    "sseor": ours,
    "sseor + data": ours_with_data,
    "httpx-sse, bare decoders": httpx_sse_bare,
    "httpx-sse, iter_sse": httpx_sse_as_used,
    "httpx2, EventSource": httpx2_sse,
    "openai, SSEDecoder": openai,
    "anthropic, SSEDecoder": anthropic,
}
BASE = "httpx-sse, bare decoders"


def row(name: str, frames: Frames, workload: Workload) -> Row:
    """Return the row of one decoder."""
    reads = {title: workload.reads(size) for title, size in READS.items()}
    given: dict[str, list[Any]] = dict(reads)
    if frames is httpx_sse_bare:
        given = {title: as_text(pieces) for title, pieces in reads.items()}
    # Most decoders drop comments: they are right to give no event then.
    events = sum(isinstance(item, Event) for item in Decoder().feed(workload.stream))
    wanted = len(workload.blocks) if name.startswith("sseor") else events

    def check() -> None:
        for title, pieces in given.items():
            expect(frames(pieces), wanted, f"number of events, {title}")

    def take() -> Figures:
        return {
            title: cpu_microseconds(partial(frames, pieces), len(workload.blocks))
            for title, pieces in given.items()
        }

    return Row(name, take, check)


def node(workload: Workload, *, as_bytes: bool) -> Row:
    """Return the row of eventsource-parser, which is timed by a script for Node."""

    def take() -> Figures:
        sizes = json.dumps([size or 0 for size in READS.values()])
        with tempfile.NamedTemporaryFile() as stream:
            Path(stream.name).write_bytes(workload.stream)
            _, *figures = run_node("framing.mjs", stream.name, sizes)
        return {title: pair[as_bytes] for title, pair in zip(READS, figures, strict=True)}

    return Row(f"eventsource-parser on Node, given {'bytes' if as_bytes else 'text'}", take, find_node_folder)


def find_node_folder() -> None:
    """Raise when there is no folder of Node packages to run in."""
    folder = os.environ.get("SSEOR_NODE_PACKAGES", "")
    if not (folder and Path(folder, "node_modules").is_dir()):
        raise ModuleNotFoundError(
            "a folder of Node packages (--node FOLDER)", name="Node packages (--node FOLDER)"
        )


def run_node(script: str, *arguments: str) -> Any:
    """Run a script of this package where its own packages are; return the JSON that it prints."""
    folder = Path(os.environ["SSEOR_NODE_PACKAGES"])
    copy = folder / f"sseor-{os.getpid()}-{script}"
    shutil.copy(Path(__file__).parent / "node" / script, copy)
    try:
        command = ["node", copy.name, *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    finally:
        copy.unlink()
    return json.loads(done.stdout)


def tables(scale: float) -> Iterator[Table]:
    """Return a table for each shape of stream."""
    for make in (
        workloads.deltas,
        workloads.multibyte,
        workloads.typed,
        workloads.numbered,
        workloads.heartbeats,
    ):
        workload = make(2000)
        rows = [row(name, frames, workload) for name, frames in PEERS.items()]
        if workload.name == "deltas":
            rows += [node(workload, as_bytes=False), node(workload, as_bytes=True)]
        yield Table(
            f"framing-{workload.name}",
            f"Framing: {workload.name}",
            f"Bytes to events, {len(workload.stream) // len(workload.blocks)} bytes each.",
            dict.fromkeys(READS, "µs"),
            rows,
            BASE,
            max(2, round(7 * scale)),
        )
    yield large_event(scale)


def best(act: Callable[[], object]) -> float:
    """Return the least CPU time of a call in microseconds: what is short is tried often, interruptions would show."""
    costs = [cpu_microseconds(act, 1)]
    while sum(costs) < 50_000:
        costs.append(cpu_microseconds(act, 1))
    return min(costs)


def large_event(scale: float) -> Table:
    """Return the table of one event of eight megabytes, as an image arrives."""
    small, double, large = (workloads.image(size << 20) for size in (2, 4, MEGABYTES))

    def row(name: str, frames: Frames) -> Row:
        reads: list[list[Any]] = [workload.reads(16 << 10) for workload in (small, double, large)]
        if frames is httpx_sse_bare:
            reads = [[data.decode() for data in pieces] for pieces in reads]

        def take() -> Figures:
            first, second, third = (best(partial(frames, pieces)) for pieces in reads)
            return {"speed": len(large.stream) / third / 1000, "growth": second / first}

        return Row(name, take, lambda: expect(frames(reads[0]), 1, "number of events"))

    contenders = {**PEERS, "floor: the reads joined": lambda reads: len([b"".join(reads)])}
    return Table(
        "framing-large-event",
        f"One event of {MEGABYTES} MB in 16 KiB reads",
        "Throughput; and how many times as long as one of 2 MB an event of 4 MB takes: 2 is linear, 4 quadratic. Beyond"
        " some megabytes fresh memory costs more than all else, which the floor shows, too.",
        {"speed": "GB/s", "growth": "times as long"},
        [row(name, frames) for name, frames in contenders.items()],
        BASE,
        max(1, round(4 * scale)),
        less_is_more=False,
    )
