"""Bytes to events: the decoder against httpx-sse, and against eventsource-parser on Node where it is given.

Run `python -m benchmarks.bench_framing [FOLDER]`; FOLDER is one in which `npm install eventsource-parser` has run.
Every row is measured in turn, round after round; the figures are medians of CPU time per event or comment, the
factor is the median of each round's own ratio. Ours reads bytes and builds its events, with `data` not yet decoded,
since JSON parsers take bytes; `+ data` reads `data` of each. httpx-sse's bare decoders are given text that was decoded
before the clock started: they are spared what they would pay in life. eventsource-parser is timed both ways.
"""

from __future__ import annotations

import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import httpx
from httpx_sse import EventSource
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

from benchmarks import workloads
from sseor.wire import Decoder, Event

ROUNDS = 15
READS = {"one event per read": None, "64 KiB reads": 64 << 10, "16-byte reads": 16}


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
    lines, events = SSELineDecoder(), SSEDecoder()
    count = 0
    for text in reads:
        for line in lines.decode(text):
            if events.decode(line) is not None:
                count += 1
    return count


def httpx_sse_as_used(reads: list[bytes]) -> int:
    """Read a response with `iter_sse`."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(reads))
    return sum(1 for _ in EventSource(response).iter_sse())


def as_text(reads: list[bytes]) -> list[str]:
    """Cut the decoded stream where its bytes are cut; characters that a cut would divide go to the later read."""
    texts, pending = [], b""
    for data in reads:
        pending += data
        text = pending.decode("utf-8", "ignore")
        pending = pending[len(text.encode()) :]
        texts.append(text)
    return [text for text in texts if text]


def measure(rows: dict[str, Callable[[], int]], count: int) -> dict[str, list[float]]:
    """Return microseconds per item of each row and round."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, run in rows.items():
            start = time.process_time_ns()
            came = run()
            times[name].append((time.process_time_ns() - start) / 1000 / count)
            if came not in (count, 0):
                raise AssertionError(f"{name} gave {came} of {count}")
    return times


def factor(times: dict[str, list[float]], name: str, base: str) -> float:
    """Return how many times the base's time the row's is, the inverse of its speed."""
    return statistics.median(other / own for own, other in zip(times[name], times[base], strict=True))


def compare(workload: workloads.Workload) -> None:
    """Print one workload's table: a line for each decoder and way of reading."""
    print(
        f"\n{workload.name}: {len(workload.stream) // len(workload.blocks)} bytes each; µs each, x httpx-sse bare"
    )
    for title, size in READS.items():
        reads = workload.reads(size)
        texts = as_text(reads)
        rows: dict[str, Callable[[], int]] = {
            "sseor": lambda reads=reads: ours(reads),  # type: ignore[misc]
            "sseor + data": lambda reads=reads: ours_with_data(reads),  # type: ignore[misc]
            "httpx-sse bare": lambda texts=texts: httpx_sse_bare(texts),  # type: ignore[misc]
            "httpx-sse iter_sse": lambda reads=reads: httpx_sse_as_used(reads),  # type: ignore[misc]
        }
        if workload.name in ("heartbeats", "waiting"):  # httpx-sse drops comments
            rows = {name: run for name, run in rows.items() if name.startswith("sseor")}
        times = measure(rows, len(workload.blocks))
        for name, own in times.items():
            ratio = f"{factor(times, name, 'httpx-sse bare'):5.1f}x" if "httpx-sse bare" in times else ""
            print(f"  {title:20} {name:20} {statistics.median(own):7.2f} {ratio}")


def compare_one_large_event() -> None:
    """Print throughput for one event of 8 MiB, and how time grows when it doubles."""
    print("\none event of 8 MiB")
    for title, size in {"16 KiB reads": 16 << 10, "64-byte reads": 64}.items():
        once, twice = (workloads.image(event_size).reads(size) for event_size in (8 << 20, 16 << 20))
        best = [float("inf")] * 2
        for _ in range(ROUNDS):
            for i, reads in enumerate((once, twice)):
                start = time.process_time()
                ours(reads)
                best[i] = min(best[i], time.process_time() - start)
        speed, growth = (8 << 20) / best[0] / 1e9, best[1] / best[0]
        print(f"  {title:20} {speed:5.2f} GB/s; twice the bytes take {growth:.2f}x the time")


def compare_with_node(folder: Path) -> None:
    """Print eventsource-parser's figures on the same `deltas`."""
    script = Path(__file__).with_name("framing_eventsource_parser.mjs")
    workload = workloads.deltas()
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(script, folder / script.name)
        stream = Path(place, "stream")
        stream.write_bytes(workload.stream)
        command = ["node", script.name, str(stream), json.dumps([size or 0 for size in READS.values()])]
        print(
            "\neventsource-parser, deltas; µs each given text and given bytes, and how many times that is ours"
        )
        for _ in range(3):
            told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            version, *figures = json.loads(told.stdout)
            for (title, size), (text, data) in zip(READS.items(), figures, strict=True):
                reads = workload.reads(size)
                own = statistics.median(measure({"": lambda reads=reads: ours(reads)}, 2000)[""])  # type: ignore[misc]
                times = f"text {text:6.2f} {own / text:5.2f}x   bytes {data:6.2f} {own / data:5.2f}x"
                print(f"  {version} {title:20} {times}")


def main() -> None:
    """Print every table."""
    print(
        f"CPython {platform.python_version()}, httpx-sse {metadata.version('httpx-sse')}, {platform.machine()}"
    )
    for make in workloads.SMALL:
        compare(make())
    compare_one_large_event()
    if len(sys.argv) > 1:
        compare_with_node(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
