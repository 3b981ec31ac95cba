"""What measuring costs, and how true it is.

Run `python -m benchmarks.bench_metrics`; `--help` tells the options. *Cost*: CPU time of the timeline per chunk (the
calls that the script makes for a text chunk, the caller's time included), and per stream of handing its record to the
log, in the thread that reads the stream and in all threads together. *Truth*: a loopback server, in a process of its
own, dates what it sends; the client's first-token time and gaps are compared with that, on threads, asyncio and trio,
for a caller that waits in `next` and for one that takes its time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio

import sseor
from sseor.chat import Chunk, CompletedChoice, Completion, Timeline, Verdict
from sseor.metrics.otel import OpenTelemetry
from sseor.testing import Exchange, LoopbackServer
from sseor.testing.shapes import data_event

WAITS = (0.08, 0.02, 0.02, 0.12, 0.02, 0.05, 0.02, 0.02)
QUESTION: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]


def timeline_of(chunks: int) -> Timeline:
    """Tell a timeline of so many text chunks, as the script does."""
    timeline = Timeline()
    timeline.attempt(0.0)
    at = 0.5
    for _ in range(chunks):
        at += 0.02
        timeline.chunk(at)
        timeline.token(at, visible=True)
        timeline.caller_took(0.0001)
    timeline.ended = at
    return timeline


def cost_per_chunk(chunks: int) -> float:
    """Return the CPU microseconds of the timeline per chunk."""
    began = time.thread_time()
    timeline_of(chunks)
    return (time.thread_time() - began) / chunks * 1e6


def finished() -> Completion:
    """Return a whole answer of 500 chunks."""
    choices = [CompletedChoice(text="Low water. " * 200, finish_reason="stop")]
    usage = Chunk({"usage": {"prompt_tokens": 50, "completion_tokens": 500, "cost": 0.001}}).usage
    return Completion(
        choices=choices,
        usage=usage,
        model="maker/model",
        provider="Host",
        generation_id="gen-1795348801-Qk3vT8mZx2LwP0aYbNcR",
        timeline=timeline_of(500),
        verdict=Verdict(saw_finish=True, saw_done=True, saw_usage=True, clean_end=True),
    )


def cost_per_stream(streams: int) -> tuple[float, float]:
    """Return the CPU microseconds per stream of the reading thread, and of all threads together."""
    done = finished()
    with tempfile.TemporaryDirectory() as folder:
        log = sseor.MetricsLog(Path(folder) / "metrics.sqlite3")
        log.record(done)
        log.flush()
        own, all_threads = time.thread_time(), time.process_time()
        for _ in range(streams):
            log.record(done)
        own = time.thread_time() - own
        log.flush(60)
        all_threads = time.process_time() - all_threads
        if log.lost or len(log.records()) != streams + 1:
            raise AssertionError("the log is not whole")
        log.close()
    return own / streams * 1e6, all_threads / streams * 1e6


def cost_of_telemetry(streams: int) -> float | None:
    """Return the CPU microseconds per stream of 500 chunks of the SDK's own aggregation; None without the SDK."""
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        return None
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    otel = OpenTelemetry(tracer_provider=TracerProvider(shutdown_on_exit=False), meter_provider=meters)
    done = finished()
    began = time.thread_time()
    for _ in range(streams):
        otel.record(done)
    return (time.thread_time() - began) / streams * 1e6


def serve() -> None:
    """Answer with chunks that carry, as their text, when they were sent after the request came; until stdin ends."""

    def respond(exchange: Exchange) -> None:
        asked = time.monotonic()
        exchange.head()
        for number, wait in enumerate(WAITS):
            exchange.wait(wait)
            finish = "stop" if number == len(WAITS) - 1 else None
            content = f"{time.monotonic() - asked:.6f} "
            exchange.send(
                data_event(
                    {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}
                )
            )
        exchange.send(b"data: [DONE]\n\n")

    with LoopbackServer(respond) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


def completions(shell: str, base_url: str, streams: int, caller: float) -> list[Completion]:
    """Read so many streams, one after the other, by a caller that takes so long for each item."""
    found = []

    async def read_async() -> None:
        async with sseor.AsyncClient(api_key="none", base_url=base_url) as client:
            for _ in range(streams):
                async with client.stream(model="m", messages=QUESTION) as stream:
                    async for _ in stream:
                        await anyio.sleep(caller)
                found.append(stream.completion)

    if shell != "threads":
        anyio.run(read_async, backend=shell)
        return found
    with sseor.Client(api_key="none", base_url=base_url) as client:
        for _ in range(streams):
            with client.stream(model="m", messages=QUESTION) as stream:
                for _ in stream:
                    time.sleep(caller)
            found.append(stream.completion)
    return found


def errors(completion: Completion) -> tuple[float, float, float]:
    """Return how far first token, longest gap and median gap are from the truth, in milliseconds."""
    sent = [float(word) for word in completion.text.split()]
    gaps = [after - before for before, after in itertools.pairwise(sent)]
    timeline, metrics = completion.timeline, completion.timeline.metrics()
    assert timeline.first_token is not None
    assert metrics.gap_p50_ms is not None
    return (
        abs(timeline.first_token - sent[0]) * 1000,
        abs(timeline.longest_gap - max(gaps)) * 1000,
        abs(metrics.gap_p50_ms - sorted(gaps)[len(gaps) // 2] * 1000),
    )


def truth(streams: int) -> None:
    """Print how far the client's figures are from those of the server."""
    print(
        f"milliseconds from the truth, median (greatest) of {streams} streams: first token, longest gap, p50"
    )
    command = [sys.executable, "-m", "benchmarks.bench_metrics", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        for caller, shell in itertools.product((0.0, 0.005), ("threads", "asyncio", "trio")):
            rows = [errors(found) for found in completions(shell, base_url, streams, caller)]
            shown = "   ".join(
                f"{statistics.median(column):.2f} ({max(column):.2f})" for column in zip(*rows, strict=True)
            )
            print(f"  {shell:8} caller takes {caller * 1000:.0f} ms   {shown}")
        process.stdin.close()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--truth", type=int, default=10, metavar="N", help="streams per row of the truth")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    print(f"CPython {platform.python_version()}, {os.cpu_count()} x {platform.machine()}; CPU µs, median")
    chunk = statistics.median(cost_per_chunk(options.chunks) for _ in range(options.rounds))
    print(f"  timeline, per chunk                        {chunk:7.2f}")
    own, whole = zip(*(cost_per_stream(options.streams) for _ in range(options.rounds)), strict=True)
    print(f"  log, per stream, in the reading thread     {statistics.median(own):7.1f}")
    print(f"  log, per stream, in all threads            {statistics.median(whole):7.1f}")
    telemetry = cost_of_telemetry(200)
    if telemetry is not None:
        print(f"  OpenTelemetry, per stream of 500 chunks    {telemetry:7.1f}")
    truth(options.truth)


if __name__ == "__main__":
    main()
