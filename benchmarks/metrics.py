"""What measuring costs, and how true it is.

*Cost*: CPU time of the timeline per chunk (the
calls that the script makes for a text chunk, the caller's time included), and per stream of handing its record to the
log, in the thread that reads the stream and in all threads together. *Truth*: a loopback server, in a process of its
own, dates what it sends; the client's first-token time and gaps are compared with that, on threads, asyncio and trio,
for a caller that waits in `next` and for one that takes its time.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio

import sseor
from benchmarks.measuring import ROOT, Figures, Row, Table
from sseor.chat import Chunk, CompletedChoice, Completion, Timeline, Verdict
from sseor.metrics.otel import OpenTelemetry
from sseor.testing import Exchange, LoopbackServer
from sseor.testing.shapes import data_event

WAITS = (0.08, 0.02, 0.02, 0.12, 0.02, 0.05, 0.02, 0.02)
TRUTH = ("first token", "longest gap", "median gap")
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


def cost_of_telemetry(streams: int) -> float:
    """Return the CPU microseconds per stream of 500 chunks of the SDK's own aggregation."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

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


def truth(plan: dict[str, Any]) -> Figures:
    """Return how far the client's figures are from those of the server: the medians over some streams."""
    command = [sys.executable, "-m", "benchmarks.metrics"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        found = completions(plan["shell"], base_url, plan["streams"], plan["caller"])
        process.stdin.close()
    columns = zip(*(errors(one) for one in found), strict=True)
    return dict(zip(TRUTH, map(statistics.median, columns), strict=True))


def tables(scale: float) -> Iterator[Table]:
    """Return the tables of cost and of truth."""
    chunks, streams = round(50_000 * min(scale, 1)), round(1000 * min(scale, 1))

    def row(name: str, take: Callable[[], float]) -> Row:
        return Row(name, lambda: {"cost": take()})

    yield Table(
        "metrics-cost",
        "What measuring a stream costs",
        "CPU time of the timeline per chunk (the calls of the script, the caller's time included), and per stream of"
        " handing its record to the log or to OpenTelemetry.",
        {"cost": "µs"},
        [
            row("timeline, per chunk", lambda: cost_per_chunk(chunks)),
            row("log, per stream, reading thread", lambda: cost_per_stream(streams)[0]),
            row("log, per stream, all threads", lambda: cost_per_stream(streams)[1]),
            row("OpenTelemetry, per stream of 500 chunks", lambda: cost_of_telemetry(200)),
        ],
        "",
        max(2, round(3 * scale)),
    )
    rows = []
    for caller, shell in itertools.product((0.0, 0.015), ("threads", "asyncio", "trio")):
        plan = {"shell": shell, "caller": caller, "streams": 5}
        rows.append(Row(f"{shell}, caller takes {caller * 1000:.0f} ms", partial(truth, plan)))
    yield Table(
        "metrics-truth",
        "How true the figures of a stream are",
        "Milliseconds between what the client says and what the server, which dates what it sends, knows.",
        dict.fromkeys(TRUTH, "ms"),
        rows,
        "",
        1,
    )


if __name__ == "__main__":
    serve()
